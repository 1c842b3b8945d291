"""How things are written for people: sizes, and names that other people gave."""

from __future__ import annotations


def clean(text: str) -> str:
    """`text` without what could move the cursor or colour the terminal: names come from other people."""
    return "".join(c if c.isprintable() else "?" for c in text)


def size_text(n: float) -> str:
    """Bytes to three digits: 1.21 GB."""
    value, unit = float(n), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
