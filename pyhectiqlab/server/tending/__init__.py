"""What the lab does without being asked."""
