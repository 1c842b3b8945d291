"""Names of artifacts: what client and lab both accept, so that no name can lead out of a folder."""

from __future__ import annotations

import unicodedata

from .limits import NAME_BYTES_MAX

_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, line and paragraph separators


def artifact_name(text: str) -> str:
    """`text`, where it can name an artifact. Raises ValueError, which says what is wrong.

    A name is one segment of a path on any system: 1 to 512 bytes of UTF-8, no / and no \\, no control character,
    neither `.` nor `..`.
    """
    if not text or text in {".", ".."}:
        raise ValueError(f"{text!r} cannot name an artifact: give it a name such as model.pt")
    if any(c in "/\\" for c in text):
        raise ValueError(f"the name of an artifact holds no / and no \\: {text[:100]!r}")
    if any(unicodedata.category(c) in _NEVER for c in text):
        raise ValueError(f"the name of an artifact holds no control characters: {text[:100]!r}")
    if len(text.encode()) > NAME_BYTES_MAX:
        raise ValueError(f"the name of an artifact has at most {NAME_BYTES_MAX} bytes: {text[:60]!r}…")
    return text
