"""Texts for people and from people: sizes, counts, names that other people gave, addresses of labs."""

from __future__ import annotations

import re

# Characters that cannot be seen, or that change the order in which others are shown: with them, a name can look like
# another one. They are members of a class of `re`; base/visible.ts of the web app has the same. Many scripts and emoji
# need the joiners, so these count as hidden only behind ASCII.
HIDDEN = (
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164"
    "\\ufeff\\uffa0\\ufff9-\\ufffb\\U000e0000-\\U000e007f"
)
JOINERS = "\u200c\u200d"
_MISLEADS = f"[{HIDDEN}]|(?<![^\\x00-\\x7f])[{JOINERS}]"  # compiled by whoever meets a text that is not ASCII
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"

_MARKS = "[\u061c\u200e\u200f]"  # of direction: texts from right to left have them, and need them little by themselves


def clean(text: str) -> str:
    """Return `text` without what could move the cursor, colour the terminal, or be read as something else: names come
    from other people.
    """
    if text.isascii() and text.isprintable():
        return text
    if re.search(_RIGHT_TO_LEFT, text):
        text = re.sub(_MARKS, "", text)
    seen = re.sub(_MISLEADS, "?", text)
    return "".join(c if c.isprintable() or c in JOINERS else "?" for c in seen)


def isolated(text: str) -> str:
    """Return `text` with a direction of its own: else a text from right to left would move what is beside it."""
    return f"\u2068{text}\u2069" if not text.isascii() and re.search(_RIGHT_TO_LEFT, text) else text


def size_text(n: float) -> str:
    """Return a number of bytes with three digits: 1.21 GB."""
    value, unit = float(n), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: 1 event; 1,200 events. `plural`: where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def address(url: str) -> str:
    """Return the address of a lab as people type it, with `http://` in front where it is this machine or an IP address
    and has no scheme, and without a slash at its end. It is not checked here: connecting does that.
    """
    url = url.strip().rstrip("/")
    if "://" in url or not url:
        return url
    from ipaddress import ip_address

    place = url.lstrip("/")
    host = place.split("/")[0]
    host = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    if host.lower() != "localhost":
        try:
            ip_address(host)
        except ValueError:
            return url
    return f"http://{place}"
