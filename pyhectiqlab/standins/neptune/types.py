"""Types that Neptune's fields take."""

from __future__ import annotations

import io
import pickle
from typing import Any


class File:
    """A file: its path, its bytes, or a picture."""

    def __init__(
        self, path: Any = None, *, content: bytes | None = None, extension: str = "", picture: Any = None
    ) -> None:
        self.path, self.content, self.extension, self.picture = path, content, extension, picture

    @staticmethod
    def from_path(path: Any, extension: str | None = None) -> File:
        return File(path, extension=extension or "")

    @staticmethod
    def from_content(content: Any, extension: str | None = None) -> File:
        data = content.encode() if isinstance(content, str) else content
        return File(content=data, extension=extension or ("txt" if isinstance(content, str) else "bin"))

    @staticmethod
    def from_stream(stream: Any, seek: int | None = 0, extension: str | None = None) -> File:
        if seek is not None and stream.seekable():
            stream.seek(seek)
        return File.from_content(stream.read(), extension)

    @staticmethod
    def as_image(image: Any, autoscale: bool = True) -> File:
        return File(picture=image)

    @staticmethod
    def as_html(chart: Any) -> File:
        text = chart.to_html() if hasattr(chart, "to_html") else str(chart)
        return File(content=text.encode(), extension="html")

    @staticmethod
    def as_pickle(obj: Any) -> File:
        buffer = io.BytesIO()
        pickle.dump(obj, buffer)
        return File(content=buffer.getvalue(), extension="pkl")
