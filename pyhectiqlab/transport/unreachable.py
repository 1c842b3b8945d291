"""Why no lab answered, as one line for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from .addresses import LAB_PORT, is_loopback


def why_unreachable(url: str, error: BaseException, timeout_s: float) -> str:
    """Return one line on why nothing answered. It is built from the types of errors, never from their texts: these can
    hold headers.
    """
    import socket
    import ssl

    causes = list(_chain(error))
    kinds = [type(c).__name__ for c in causes]
    host = urlsplit(url).hostname

    def caused_by(*types: type[BaseException]) -> bool:
        return any(isinstance(c, types) for c in causes)

    if any(isinstance(c, socket.gaierror) and c.errno == socket.EAI_AGAIN for c in causes):
        why = f"the name {host} cannot be looked up now, no name server answers: check the network"
    elif caused_by(socket.gaierror) or "NameResolutionError" in kinds:
        why = f"the name {host} is not known: check the address and the network"
    elif "ProxyError" in kinds:
        why = "the proxy does not let us through: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    elif caused_by(ssl.SSLCertVerificationError):
        why = "its TLS certificate is not trusted: set REQUESTS_CA_BUNDLE to the certificate of its authority"
    elif caused_by(ssl.SSLError):
        why = "no TLS connection can be made: check whether it is http:// or https://"
    elif caused_by(ConnectionRefusedError):
        why = f"nothing listens there: {_start_it(url)} or check the address"
    elif caused_by(TimeoutError) or any("Timeout" in kind for kind in kinds):
        why = f"no answer in time (at most {timeout_s:g} s): check the network and the lab"
    elif caused_by(ConnectionError) or {"IncompleteRead", "ProtocolError", "InvalidChunkLength"} & set(kinds):
        why = "the connection broke before the answer was whole: try again"
    else:
        why = f"{kinds[-1]}: check the network and the address"
    return f"The lab at {url} cannot be reached: {why}."


def _start_it(url: str) -> str:
    """Return what to do about a lab that is not there."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return "start the lab there"
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return "start the lab (`hectiqlab server" + (f" --port {port}" if port != LAB_PORT else "") + "`)"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that it wraps, in the three ways in which requests and urllib3 do that; each
    once.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        e = waiting.pop(0)
        if id(e) in seen:
            continue
        seen.add(id(e))
        yield e
        waiting += [
            c for c in (*e.args, getattr(e, "reason", None), e.__cause__, e.__context__) if isinstance(c, BaseException)
        ]
