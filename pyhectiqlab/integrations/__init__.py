"""Loggers for other people's training loops. Each module needs its framework, and is loaded where it is imported."""
