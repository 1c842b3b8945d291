"""What both databases of SQLite share as files: checksums of their pages, the log beside them, checkpoints."""
