"""Ingest and all other changes: from a request to the writer's commit."""
