"""Modules of W&B that frameworks import names from."""
