"""HTTP to one lab: bounded calls over kept-alive connections. Every failure becomes one of our own errors.

requests takes 0.2 s to import, so it is imported when a client is made, not with this module.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from .. import settings
from .._version import __version__
from ..errors import AnotherLabError, ConfigurationError, LabRequestError, LabUnreachableError
from ..protocol import limits
from . import answers
from .addresses import PREFIX, clean_url, is_loopback
from .answers import JSON, MSGPACK, Answer, Handshake
from .columns import Buckets, Points
from .moving import MOVED, REDIRECTS_MAX, moved_to
from .unreachable import why_unreachable

if TYPE_CHECKING:
    import requests

__all__ = ["Buckets", "Handshake", "LabClient", "Points"]

OCTETS = "application/octet-stream"
ANSWER_BYTES_MAX = 64 << 20
UPLOAD_BYTES_PER_S_MIN = 64 << 10  # a body gets more time than the read time-out, for slow links: 1 s for so many bytes
FOLLOWS = "Hectiqlab-Follows"  # a header: its value is a status of redirects that the caller follows for a file


class Body:
    """An answer that is being read: its status and headers, and `read`."""

    def __init__(self, lab: LabClient, response: requests.Response, at: str = "") -> None:
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


class LabClient:
    """A lab seen through HTTP. Implements `Transport`.

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
        return f"LabClient({self.url!r})"

    def __enter__(self) -> LabClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe twice."""
        self._session.close()

    # The pipeline

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

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        answer = self._call("POST", "/runs/attach", body=_packed(request), timeout_s=timeout_s)
        return answers.attached(answer.value(), self.url)

    def ingest(self, body: bytes) -> dict[str, Any]:
        answer = self._call("POST", "/ingest", body=body, content_type=MSGPACK, accept=MSGPACK)
        return answers.ingested(answer.value(), self.url)

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        self.post(f"/sessions/{quoted(session)}/heartbeat", payload)

    def end(self, session: str, payload: dict[str, Any]) -> None:
        self.post(f"/sessions/{quoted(session)}/end", payload)

    # JSON; paths are relative to /api/v1, names in them pass through `quoted`

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._map(self._call("GET", path, params=params))

    def post(self, path: str, value: Any = None) -> Any:
        return self._map(self._call("POST", path, body=_packed(value)))

    def put(self, path: str, value: Any) -> Any:
        return self._map(self._call("PUT", path, body=_packed(value)))

    def patch(self, path: str, value: Any) -> Any:
        return self._map(self._call("PATCH", path, body=_packed(value)))

    def config(self, run: str, attempt: int | None = None) -> dict[str, Any]:
        """Return the config of a run, or of one of its attempts. Values have the types that they were logged with."""
        answer = self._call("GET", f"/runs/{quoted(run)}/config", params={"attempt": attempt}, accept=MSGPACK).value()
        config = answer.get("config") if isinstance(answer, dict) else None
        if not isinstance(config, dict):
            raise answers.not_a_lab(self.url, "its config has another shape")
        return config

    def delete(self, path: str) -> Any:
        return self._map(self._call("DELETE", path))

    def _map(self, answer: Answer) -> Any:
        """Return the value of an answer: a map, or None where it has no body."""
        value = answer.value()
        if value is not None and not isinstance(value, dict):
            raise answers.not_a_lab(self.url, "its answer has another shape")
        return value

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
        """As `opened`, for the bytes of a file. If the lab keeps it elsewhere and lends an address, they come from it.
        That server is sent neither the key nor anything else of ours.
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

    def pages(
        self, path: str, params: dict[str, Any] | None = None, *, exact: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, page after page. `limit` in `params` is the size of one page. `exact` asks for
        msgpack, in which NaN and the infinities are numbers.
        """
        for page in self._pages(path, params, MSGPACK if exact else JSON):
            items = page.get("items")
            if not isinstance(items, list):
                raise answers.not_a_lab(self.url, "its list has another shape")
            for item in items:
                if not isinstance(item, dict):
                    raise answers.not_a_lab(self.url, "its list has another shape")
                yield item

    def table(self, params: dict[str, Any], *, page: int = 500) -> Iterator[dict[str, Any]]:
        """Yield every row of a table of runs, with exact numbers, but for runs that are deleted meanwhile."""
        order, offset = "", 0
        while True:
            asked = {**params, "order": order, "offset": offset, "limit": page}
            answer = self._call("GET", "/table", params=asked, accept=MSGPACK).value()
            try:
                rows, order, total = answer["rows"], str(answer["order"]), int(answer["total"])
                yield from (dict(row) for row in rows if row is not None)
                offset += len(rows)
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its table has another shape") from None
            if not rows or offset >= total:
                return

    def points(
        self, run: str, key: str, *, rank: int | None = None, attempt: int | None = None, page: int = 50_000
    ) -> Iterator[Points]:
        """Yield the points of a series in order of arrival, `page` of them at a time."""
        params = {"key": key, "rank": rank, "attempt": attempt, "limit": page}
        for columns in self._pages(f"/runs/{quoted(run)}/points", params, MSGPACK):
            try:
                yield Points.of(columns)
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None

    def points_behind(
        self, run: str, key: str, after: str | None, *, page: int = 50_000
    ) -> Iterator[tuple[Points, str | None]]:
        """As `points`, from a cursor on (None: the first point). Each page comes with the cursor behind it."""
        params = {"key": key, "limit": page, "after": after}
        for columns in self._pages(f"/runs/{quoted(run)}/points", params, MSGPACK):
            try:
                yield Points.of(columns), columns.get("end")
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None

    def points_of_keys(
        self, run: str, keys: list[tuple[str, str | None]], *, limit: int = 50_000
    ) -> Iterator[tuple[str, Points, str | None]]:
        """Yield the points of many keys, each from a cursor on (None: the first point), with the cursor behind them.
        A key comes in several parts where it has many. Raises NotFoundError, InvalidRequestError where the lab is
        older than this call.
        """
        left = list(keys)
        while left:
            asked = [{"key": key, "after": after} for key, after in left[:1000]]
            body = _packed({"keys": asked, "limit": limit})
            answer = self._call("POST", f"/runs/{quoted(run)}/points", body=body, accept=MSGPACK).value()
            try:
                series = answer["series"]
                for one in series:
                    yield one["key"], Points.of(one), one.get("end")
                again = [(one["key"], one["next"]) for one in series if one.get("next") is not None]
            except (KeyError, TypeError, ValueError):
                raise answers.not_a_lab(self.url, "its points have another shape") from None
            if not series:
                raise answers.not_a_lab(self.url, "its points have another shape")
            left = again + left[len(series) :]

    def record(self, run: str, events_after: str | None) -> dict[str, Any]:
        """Return all that the lab has of a run but its points, with events from a cursor on (None: the first): see
        GET /runs/{run_id}/record. Raises LabRequestError with status 405 where the lab is older than this call.
        """
        path, params = f"/runs/{quoted(run)}/record", {"events_after": events_after}
        answer = self._call("GET", path, params=params, accept=MSGPACK).value()
        lists = ("events", "keys", "sessions", "attempts", "artifacts")
        if not isinstance(answer, dict) or not all(
            isinstance(answer.get(name), dict) and isinstance(answer[name].get("items"), list) for name in lists
        ):
            raise answers.not_a_lab(self.url, "its record of a run has another shape")
        return answer

    def events_behind(self, run_path: str, after: str | None) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Yield pages of a run's events in order of arrival, from a cursor on (None: the first), with the types that
        their fields came with. Each page comes with the cursor behind it; None where it is empty.
        """
        for page in self._pages(f"{run_path}/events", {"limit": 1000, "after": after}, MSGPACK):
            items, end = page.get("items"), page.get("end")
            if not isinstance(items, list) or (items and not isinstance(end, str)):
                raise answers.not_a_lab(self.url, "its events have another shape")
            yield items, end

    def buckets(self, query: dict[str, Any]) -> list[Buckets]:
        """Ask for buckets (POST /series/buckets). Return one answer for each selector."""
        answer = self._call("POST", "/series/buckets", body=_packed(query), accept=MSGPACK).value()
        try:
            return [Buckets.of(series) for series in answer["series"]]
        except (KeyError, TypeError, ValueError):
            raise answers.not_a_lab(self.url, "its buckets have another shape") from None

    def _pages(self, path: str, params: dict[str, Any] | None, accept: str) -> Iterator[dict[str, Any]]:
        params = dict(params or {})
        while True:
            page = self._call("GET", path, params=params, accept=accept).value()
            if not isinstance(page, dict):
                raise answers.not_a_lab(self.url, "its list has another shape")
            yield page
            following = page.get("next")
            if following is None:
                return
            if not isinstance(following, str):
                raise answers.not_a_lab(self.url, "its list has another shape")
            if following == params.get("after"):  # else the list would never end
                raise answers.not_a_lab(self.url, "its list repeats itself")
            params["after"] = following

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
            raise answers.not_a_lab(at or self.url, f"its answer is no HTTP: {type(e).__name__}") from None

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


def quoted(name: str) -> str:
    """Return `name` as one segment of a path."""
    return quote(name, safe="")


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


def _packed(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
