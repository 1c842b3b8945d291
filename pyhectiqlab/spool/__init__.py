"""The spool: a folder per session with everything that is not yet at the lab, which client and uploader share.

What lies in such a folder, and who writes it, is told in session_dir.py.
"""

from .entries import FileRequest, Lab, Writer
from .session_dir import SessionDir
from .smallfiles import read_json, read_ours, write_json

__all__ = ["FileRequest", "Lab", "SessionDir", "Writer", "read_json", "read_ours", "write_json"]
