"""What the lab counts while it works: metrics, activity, the log of requests."""
