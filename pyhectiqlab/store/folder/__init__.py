"""The BlobStore in a folder."""
