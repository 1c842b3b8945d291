"""Uploads, blobs and artifacts, and the room that they leave."""
