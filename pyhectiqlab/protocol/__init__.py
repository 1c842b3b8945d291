"""The nouns that client and lab share, and their bytes. No I/O here. The bytes are described in FORMAT.md."""
