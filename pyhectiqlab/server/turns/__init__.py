"""Whose turn it is, and what a caller may take at once."""
