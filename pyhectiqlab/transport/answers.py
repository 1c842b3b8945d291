"""What an HTTP answer means: statuses to our errors, bodies to checked values. No I/O."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import msgpack

from ..base.installing import upgrade_advice
from ..errors import (
    AuthenticationError,
    ConflictError,
    GoneError,
    InvalidRequestError,
    LabRequestError,
    LabUnavailableError,
    NotALabError,
    NotFoundError,
    PermissionDeniedError,
)
from ..protocol import limits

JSON = "application/json"
MSGPACK = "application/x-msgpack"
_MESSAGE_CHARS_MAX = 300
_BY_STATUS: dict[int, type[LabRequestError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
}


class _LacksError(NotALabError, LookupError):
    """An answer lacks a member. It is also a LookupError, for code that checks a shape."""


class AnswerMap(dict[Any, Any]):
    """A map in an answer. If it lacks a member, that is the lab's fault, not the caller's."""

    def __missing__(self, key: object) -> Any:
        raise _LacksError(f"The answer has another shape than a lab's: it lacks {one_line(str(key))!r}.")


@dataclass(frozen=True)
class Handshake:
    """What a lab said about itself.

    Attributes:
        version: the lab's release, such as "0.1.0".
        protocol: the protocol version that both sides speak.
        generation: names this life of the lab's data. Another generation means that a backup was restored.
        lab_id: names the lab, whatever its address, and also after a restore; "" for older labs.
        sso: whether people log in to it at a provider of single sign-on.
    """

    version: str
    protocol: int
    generation: str
    lab_id: str = ""
    sso: bool = False


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer. `lab` is the address that was asked, for messages."""

    lab: str
    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes

    def value(self) -> Any:
        """Return the body of a 2xx answer as a Python value. Raises what `failure` returns, and NotALabError."""
        if not 200 <= self.status < 300:
            raise self.failure()
        try:
            return self._decoded()
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise not_a_lab(self.lab, self._looks()) from None

    def failure(self) -> LabRequestError:
        """Return the error that a status other than 2xx stands for."""
        code, lab_message = self._lab_error()
        if self.status == 429 or self.status >= 500:
            wait_s = retry_after_s(self.headers)
            why = lab_message or f"it answered {self.status}"
            hint = "try again" if wait_s is None else f"try again in {wait_s:.0f} s"
            message = f"The lab at {self.lab} cannot serve this now ({why.rstrip('.')}): {hint}."
            return LabUnavailableError(message, status=self.status, retry_after_s=wait_s, code=code)
        if 300 <= self.status < 400:
            to = self._header("location").split("?")[0] or "nowhere"
            message = (
                f"{self.lab} redirects to {one_line(to)}: if the lab is there, use that as its address "
                "(HECTIQLAB_URL, or `hectiqlab add-profile`)."
            )
            return NotALabError(message, status=self.status)
        if not code and self.status != 413:  # a proxy may refuse a large body with an answer of its own
            return not_a_lab(self.lab, self._looks(), status=self.status)
        message = lab_message or f"The lab at {self.lab} refused the request with status {self.status}."
        if self.status == 401 and "add-profile" not in message:
            message = f"{message.rstrip('.')}. Log in again with `hectiqlab add-profile`, or set HECTIQLAB_API_KEY."
        return _BY_STATUS.get(self.status, InvalidRequestError)(message, status=self.status, code=code)

    def _decoded(self) -> Any:
        kind = self._header("content-type").split(";")[0].strip().lower()
        if kind == JSON:
            return json.loads(self.body, object_hook=AnswerMap)
        if kind == MSGPACK:
            return msgpack.unpackb(self.body, raw=False, object_hook=AnswerMap, strict_map_key=False)
        if not self.body:  # 204
            return None
        raise ValueError("neither JSON nor msgpack")

    def _lab_error(self) -> tuple[str, str]:
        """Return the lab's code and message, or two empty strings where it is not the lab that speaks."""
        try:
            error = self._decoded()["error"]
            return str(error["code"]), one_line(str(error["message"]))
        except (ValueError, RecursionError, LookupError, TypeError, OverflowError):
            return "", ""

    def _looks(self) -> str:
        kind = self._header("content-type").split(";")[0].strip() or "no content type"
        return f"status {self.status}, {one_line(kind)}"

    def _header(self, name: str) -> str:
        return self.headers.get(name, "") or ""


def not_a_lab(lab: str, what: str, *, status: int | None = None) -> NotALabError:
    hint = "check the address, and any proxy or login page on the way"
    return NotALabError(f"What answers at {lab} is not a hectiqlab lab ({what}): {hint}.", status=status)


def another_lab(lab: str, its_id: str, meant: str) -> str:
    """The message where another lab answers than the one that is meant."""
    its = f"its id is {one_line(its_id)[:8]}" if its_id else "it tells no id"
    return (
        f"The lab at {lab} is another one than this is for ({its}, not {one_line(meant)[:8]}), and gets nothing of it: "
        "start that lab again at an address of its own (`hectiqlab server --port PORT`), or, where it has moved, give "
        "its new address (HECTIQLAB_URL, or `hectiqlab add-profile`)."
    )


def one_line(text: str) -> str:
    """Return `text` without line breaks and control characters, cut to a length that fits an error message."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _MESSAGE_CHARS_MAX else text[: _MESSAGE_CHARS_MAX - 1] + "…"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, which has seconds or a date; None where there is no valid one.

    A date is compared with the answer's own Date: the clock of this machine may differ from the server's.
    """
    raw = (headers.get("retry-after") or "").strip()
    if raw.isascii() and raw.isdigit():
        return float(raw[:9])
    then = _seconds_of(raw)
    if then is None:
        return None
    now = _seconds_of(headers.get("date") or "")
    return max(0.0, then - (time.time() if now is None else now))


def _seconds_of(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, TypeError, LookupError, OSError):  # what the platform's clock cannot represent
        return None


def number(text: str, most: int = (1 << 63) - 1) -> int | None:
    """Return the whole number in a header; None for anything else."""
    return int(text) if len(text) <= 20 and text.isascii() and text.isdigit() and int(text) <= most else None


def handshake(value: Any, lab: str) -> Handshake:
    """Check what GET /handshake answered and agree on the highest version that both sides know.

    Raises NotALabError where it is not a lab, or one that is too old or too new. The message names the side to upgrade.
    """
    try:
        if value["lab"] != "hectiqlab":
            raise not_a_lab(lab, "it calls itself something else")
        version, generation, lab_id = value["version"], value["generation"], value.get("lab_id", "")
        oldest, newest = value["protocol"]["min"], value["protocol"]["max"]
        shaped = _are(str, version, generation, lab_id) and _are(int, oldest, newest)
    except (LookupError, TypeError, AttributeError):
        shaped = False
    if not shaped:
        raise not_a_lab(lab, "its greeting has another shape")
    version = one_line(version)
    if oldest > limits.PROTOCOL_VERSION:
        raise NotALabError(
            f"The lab at {lab} (version {version}) is too new for this client. Upgrade the client: {upgrade_advice()}."
        )
    if newest < limits.PROTOCOL_MIN:
        raise NotALabError(
            f"The lab at {lab} (version {version}) is too old for this client: upgrade the lab, or install the client "
            "of its version."
        )
    sso = value.get("sso") is not None
    return Handshake(version, min(newest, limits.PROTOCOL_VERSION), generation, lab_id, sso)


def attached(value: Any, lab: str) -> dict[str, Any]:
    """Check the answer of POST /runs/attach, so that callers can rely on its fields."""
    try:
        run = value["run"]
        shaped = (
            _are(
                str, run["id"], run["name"], run["state"], run["author"], run["url"], value["mode"], value["generation"]
            )
            and _are(str, run["project"]["id"], run["project"]["name"])
            and _are(int, value["attempt"])
            and 1 <= value["attempt"] < 1 << 31
            and _are(bool, value["created"], value["sets_state"])
            and _are(str, value.get("lab_id", ""))
        )
    except (LookupError, TypeError, AttributeError):
        shaped = False
    if not shaped:
        raise not_a_lab(lab, "its answer to a new run has another shape")
    return dict(value)


def ingested(value: Any, lab: str) -> dict[str, Any]:
    """Check the answer of POST /ingest: a wrong cursor would drop events from the journal."""
    try:
        shaped = _are(str, value["generation"]) and isinstance(value["results"], list)
        for result in value["results"]:
            shaped = shaped and _are(str, result["writer"]) and _are(int, result["status"], result["cursor"])
            shaped = shaped and 0 <= result["cursor"] < 1 << 63
    except (LookupError, TypeError):
        shaped = False
    if not shaped:
        raise not_a_lab(lab, "its answer to a batch has another shape")
    return dict(value)


def _are(kind: type, *values: Any) -> bool:
    return all(type(v) is kind for v in values)
