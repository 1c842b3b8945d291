"""What whoever runs the lab sees of it."""
