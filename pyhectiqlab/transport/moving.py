"""Where a lab has moved to, by the permanent redirect that answers at its old address. No I/O."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from ..errors import ConfigurationError
from .addresses import PREFIX, clean_url
from .answers import Answer

MOVED = (301, 308)  # for good; other redirects lead to login pages and the like
REDIRECTS_MAX = 3


def moved_to(url: str, answer: Answer) -> str:
    """Return where the lab at `url` is now, by what was answered to GET /handshake; "" where that is no permanent
    redirect to the handshake of a lab. What was encrypted stays so: no https address leads to an http address.
    """
    if answer.status not in MOVED:
        return ""
    try:
        target = urlsplit(urljoin(f"{url}{PREFIX}/handshake", answer.headers.get("location", "") or ""))
    except ValueError:
        return ""
    handshake = f"{PREFIX}/handshake"
    if not target.path.endswith(handshake) or (urlsplit(url).scheme == "https" and target.scheme != "https"):
        return ""
    try:
        return clean_url(f"{target.scheme}://{target.netloc}{target.path.removesuffix(handshake)}")
    except ConfigurationError:
        return ""
