"""The spool: a folder per session with everything that is not yet at the lab. Client and uploader share it.

session_dir.py says what is in such a folder, and who writes it.
"""

from .entries import FileRequest, Lab, Writer
from .session_dir import SessionDir, remove
from .smallfiles import read_json, read_ours, write_json

__all__ = ["FileRequest", "Lab", "SessionDir", "Writer", "read_json", "read_ours", "remove", "write_json"]
