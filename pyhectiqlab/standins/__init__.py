"""Stand-ins for other trackers: modules that have their calls, and report to a lab. See README.md."""
