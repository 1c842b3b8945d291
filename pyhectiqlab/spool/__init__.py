"""The spool: a folder per session with everything that is not yet at the lab, which client and uploader share."""

from .session_dir import FileRequest, Lab, SessionDir, Writer, read_json, read_ours, write_json

__all__ = ["FileRequest", "Lab", "SessionDir", "Writer", "read_json", "read_ours", "write_json"]
