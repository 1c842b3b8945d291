"""LabCalls: one request to a lab and its answer, within a bound, over connections that are kept.

The key is sent to the right lab only. Every failure becomes one of our own errors. requests takes 0.2 s to import, so
it is imported when a client is made, not with this module.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from .. import settings
from .._version import __version__
from ..errors import AnotherLabError, ConfigurationError, LabRequestError, LabUnreachableError
from ..protocol import limits
from . import answers
from .addresses import PREFIX, clean_url, is_loopback
from .answers import JSON, Answer, Handshake
from .moving import MOVED, REDIRECTS_MAX, moved_to
from .unreachable import why_unreachable

if TYPE_CHECKING:
    import requests

OCTETS = "application/octet-stream"
ANSWER_BYTES_MAX = 64 << 20
UPLOAD_BYTES_PER_S_MIN = 64 << 10  # a body gets more time than the read time-out, for slow links: 1 s for so many bytes
FOLLOWS = "Hectiqlab-Follows"  # a header: its value is a status of redirects that the caller follows for a file
Calls = TypeVar("Calls", bound="LabCalls")


class Body:
    """An answer that is being read: its status and headers, and `read`."""

    def __init__(self, lab: LabCalls, response: requests.Response, at: str = "") -> None:
        """`at`: the server that answered, if it is not the lab."""
        self._lab, self._response, self._at = lab, response, at
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; b"" at the end, which may be early if the connection broke. Blocks at
        most for the read time-out. Raises LabUnreachableError.
        """
        from .deadline import deadline

        seconds = self._lab._read_timeout_s
        with self._lab._errors_mapped(seconds, self._at), deadline(seconds):
            return cast(bytes, self._response.raw.read(size, decode_content=False))

    def failure(self) -> LabRequestError:
        """Return the error that a status other than 2xx stands for."""
        if self._at:
            return LabUnreachableError(
                f"{self._at}, where the lab at {self._lab.url} keeps its files, answered {self.status}: try again."
            )
        return Answer(self._lab.url, self.status, self.headers, self.read(1 << 16)).failure()


class LabCalls:
    """How a lab is called. What it may be asked for is LabClient, in http.py.

    Every call blocks, within a bound: `connect_timeout_s` to connect and `read_timeout_s` for all the rest (attach: its
    own time-out; a large body: 1 s more for each 64 KiB). Every failure is a LabRequestError of one line. A request
    that a lab may have taken is never repeated here.

    With `lab_id`, the key is sent to the lab of that id only: on each new connection, the lab is first asked for its
    id, without the key. If the address redirects permanently (301, 308) and the lab there has that id, `url` is its
    address from then on. No other redirect is followed.

    Several threads may share a client. After a fork, the child must make its own.

    Proxies of the environment are used, but never to reach this machine itself.

    Args:
        url: address of the lab, http or https (http where an IP address or localhost has neither), with the path in
            front of /api where a reverse proxy adds one.
        api_key: sent as a bearer token; None: anonymous.
        auth: user name and password, in place of an API key.
        lab_id: id of the lab; "" if it is not known: any lab that answers there.

    Raises ConfigurationError when the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        connect_timeout_s: float = settings.REQUEST_CONNECT_TIMEOUT_S,
        read_timeout_s: float = settings.REQUEST_READ_TIMEOUT_S,
        auth: tuple[str, str] | None = None,
        lab_id: str = "",
    ) -> None:
        from .deadline import new_session

        self.url = clean_url(url)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._authorization = _authorization(api_key, auth)
        self._lab_id = lab_id
        self._protocol = limits.PROTOCOL_VERSION
        self._session = new_session()
        self._session.headers.update({"User-Agent": f"pyhectiqlab/{__version__}", "Accept-Encoding": "identity"})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self: Calls) -> Calls:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe twice."""
        self._session.close()

    def handshake(self) -> Handshake:
        """Ask the lab what it is, without the key, and agree on a protocol version, which later requests carry.

        Raises AnotherLabError if the lab has another id than `lab_id`.
        """
        try:
            url = self.url
            for hops in range(REDIRECTS_MAX + 1):
                answer = self._call("GET", "/handshake", keyless_at=url)
                to = moved_to(url, answer) if self._lab_id and hops < REDIRECTS_MAX else ""
                if not to:
                    break
                url = to
            greeting = answers.handshake(answer.value(), url)
            if self._lab_id not in ("", greeting.lab_id):
                raise AnotherLabError(answers.another_lab(url, greeting.lab_id, self._lab_id))
        except BaseException:
            self._session.close()  # else the key would be sent on this connection
            raise
        self.url, self._protocol = url, greeting.protocol
        return greeting

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send any request, and return its answer whatever its status: for protocols that use headers."""
        return self._call(method, path, body=body, content_type=OCTETS, headers=headers)

    @contextmanager
    def opened(self, path: str, headers: Mapping[str, str]) -> Iterator[Body]:
        """Send a GET whose answer is read piece by piece. The read time-out bounds each piece, not the whole."""
        with self._response("GET", path, headers=dict(headers), timeout_s=self._read_timeout_s) as response:
            yield Body(self, response)

    @contextmanager
    def opened_file(self, path: str, headers: Mapping[str, str]) -> Iterator[Body]:
        """Like `opened`, for the bytes of a file. If the lab keeps it elsewhere and lends an address, they come from
        it. That server is sent neither the key nor anything else of ours.
        """
        with self.opened(path, {**headers, FOLLOWS: "302"}) as body:
            address = body.headers.get("location") or ""
            if body.status != 302:
                yield body
                return
        try:
            parts = urlsplit(address)
        except ValueError:  # brackets that are no IPv6 address
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise answers.not_a_lab(self.url, "it keeps a file at an address that is none")
        from .deadline import deadline

        at = f"{parts.scheme}://{parts.netloc}"
        # The address is of these very bytes. What If-Range names is how the lab calls them.
        range_only = {name: value for name, value in headers.items() if name == "Range"}
        with self._errors_mapped(self._read_timeout_s, at), deadline(self._read_timeout_s):
            response = self._session.request(
                "GET",
                address,
                headers=range_only,
                timeout=(self._connect_timeout_s, self._read_timeout_s),
                auth=_without_key,
                proxies={"no_proxy": parts.hostname} if is_loopback(parts.hostname) else None,
                allow_redirects=False,
                stream=True,
            )
        with response:
            yield Body(self, response, at)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        keyless_at: str = "",
    ) -> Answer:
        from .deadline import deadline

        sent = {"Accept": accept, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", content_type)
        if timeout_s is None:
            timeout_s = self._connect_timeout_s + self._read_timeout_s + len(body or b"") / UPLOAD_BYTES_PER_S_MIN
        with (
            self._errors_mapped(timeout_s, keyless_at),
            deadline(timeout_s),
            self._response(
                method, path, params=params, body=body, headers=sent, timeout_s=timeout_s, keyless_at=keyless_at
            ) as response,
        ):
            return Answer(keyless_at or self.url, response.status_code, response.headers, self._read(response))

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: bytes | None = None,
        headers: dict[str, str],
        timeout_s: float,
        keyless_at: str = "",
    ) -> Iterator[requests.Response]:
        from .deadline import deadline

        def ask(url: str, auth: Any) -> requests.Response:
            host = urlsplit(url).hostname or ""
            return self._session.request(
                method,
                url + PREFIX + path,
                params=params,
                data=body,
                headers={"Hectiqlab-Protocol": str(self._protocol), **headers},
                timeout=(min(self._connect_timeout_s, timeout_s), timeout_s),
                auth=auth,
                proxies={"no_proxy": host} if is_loopback(host) else None,
                allow_redirects=False,
                stream=True,
            )

        with self._errors_mapped(timeout_s, keyless_at), deadline(timeout_s):
            response = ask(keyless_at, _without_key) if keyless_at else self._ask_with_key(ask)
        with response:
            yield response

    def _ask_with_key(self, ask: Callable[[str, Any], requests.Response]) -> requests.Response:
        """Send the request with the key, on a connection on which the lab has sent its id, if that is known."""
        from .deadline import NoConnectionError, only_open

        if not self._lab_id or self._authorization is None:
            return ask(self.url, self._authorize)
        for _ in range(2):
            try:
                with only_open():
                    response = ask(self.url, self._authorize)
            except NoConnectionError:
                self.handshake()
                continue
            if response.status_code not in MOVED:
                return response
            response.close()
            self.handshake()
        # The server closes each connection, or redirects everything but the handshake.
        return ask(self.url, self._authorize)

    @contextmanager
    def _errors_mapped(self, timeout_s: float, at: str = "") -> Iterator[None]:
        """Raise failures of the network as our errors, of one line each."""
        import http.client

        import requests
        import urllib3

        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
            raise LabUnreachableError(why_unreachable(at or self.url, e, timeout_s)) from None
        except (ValueError, TypeError, LookupError, http.client.HTTPException) as e:
            # http.client raises errors of its own for some answers.
            raise answers.not_a_lab(at or self.url, f"its answer is not HTTP: {type(e).__name__}") from None

    def _read(self, response: requests.Response) -> bytes:
        if response.request.method == "HEAD":  # it has the length of a body, but no body
            return b""
        body: bytes = response.raw.read(ANSWER_BYTES_MAX + 1, decode_content=False)
        if len(body) > ANSWER_BYTES_MAX:
            raise answers.not_a_lab(self.url, f"its answer is larger than {ANSWER_BYTES_MAX >> 20} MiB")
        expected = answers.number(response.headers.get("Content-Length", ""))
        if expected is not None and len(body) < expected:
            raise ConnectionResetError("the connection ended in the middle of the answer")
        return body

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A hook, not a header of the session: requests would replace such a header by what ~/.netrc has for the host.
        if self._authorization is not None:
            request.headers["Authorization"] = self._authorization
        return request


def _without_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is. Without this hook, requests would add what ~/.netrc has for the host."""
    return request


def _authorization(api_key: str | None, auth: tuple[str, str] | None) -> str | None:
    if auth is not None:
        return "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    if api_key is None:
        return None
    # requests would repeat the key in its own error about a header that cannot be.
    if not api_key or not all("!" <= c <= "~" for c in api_key):
        raise ConfigurationError(
            "The API key holds characters that no key has: check HECTIQLAB_API_KEY, or log in again with "
            "`hectiqlab add-profile`."
        )
    return f"Bearer {api_key}"
