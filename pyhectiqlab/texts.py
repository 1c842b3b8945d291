"""How things are written for people, and by them: sizes, names that other people gave, addresses of labs."""

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


def address(url: str) -> str:
    """The address of a lab as people type it, with `http://` in front where it is this machine or an IP address and
    has no scheme, and no slash at its end. What it is else is told by who connects.
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
