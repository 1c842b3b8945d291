"""Names of artifacts, runs, projects and tags: which ones client and lab accept.

| names of | checked by | because |
|---|---|---|
| artifacts | `artifact_name` | no name may lead out of a folder |
| runs, projects and tags that may exist already | `shown_name` | older names stay usable |
| runs, projects and tags that get a name now | `new_name` | people must tell it from others, and a path must hold it |

The client checks at the call, so that the call raises; the lab checks again. Names of users: usernames.py; of models
and datasets: registry.py.
"""

from __future__ import annotations

import unicodedata

from .limits import NAME_BYTES_MAX

_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, line and paragraph separators


def artifact_name(text: str) -> str:
    """Return `text` if it can name an artifact. Raises ValueError, which says what is wrong.

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


def shown_name(what: str, text: str) -> str:
    """Return `text` if it can be the name of a run, project or tag that may exist already. Raises ValueError, which
    says what is wrong with `what`.
    """
    if not text.strip():
        raise ValueError(f"the {what} is empty")
    if len(text.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise ValueError(f"the {what} is longer than {NAME_BYTES_MAX} bytes: {text[:60]!r}…")
    bad = next((c for c in text if not c.isprintable()), None)
    if bad is not None:
        name = unicodedata.name(bad, "a line break" if bad in "\r\n" else "a control character")
        raise ValueError(f"the {what} holds a character that is not shown, {name} (U+{ord(bad):04X}): {text[:100]!r}")
    return text


def new_name(what: str, text: str) -> str:
    """Return `text` if a run, project or tag may get this name now: a new run, a new project, a rename. Stricter than
    `shown_name`: people must be able to tell the name from others, and a path must be able to hold it.

    Raises ValueError, which says what is wrong with `what`: "name of a run", "name of a project".
    """
    if shown_name(what, text) != text.strip():
        raise ValueError(f"the {what} begins or ends with a space: {text[:100]!r}; leave it out")
    if text in {".", ".."}:
        raise ValueError(f"the {what} cannot be {text!r}, which means a folder in every address: choose another")
    return text
