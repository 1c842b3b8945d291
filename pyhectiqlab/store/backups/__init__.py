"""Backups of a lab in a folder: snapshots, and making a lab of one."""
