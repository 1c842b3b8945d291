"""The lab's HTTP routes, one file per noun."""
