"""transformers, and TRL, which trains by it."""
