"""Every exception that pyhectiqlab raises on purpose, as one tree.

    LabError                      anything below
    ├── ConfigurationError        a profile, key, URL, credentials file or setting is wrong: fix it, run again
    ├── RunClosedError            a call on a Run after close(); also a ValueError
    ├── LabRequestError           a request to the lab failed; `retry` tells whether trying again can help
    │   ├── LabUnreachableError   no lab answered: connection, DNS, TLS, time-out (retry)
    │   ├── LabUnavailableError   the lab answered 429 or 5xx; honours Retry-After (retry)
    │   ├── NotALabError          something answered, but it is not a lab of ours, or one of another protocol
    │   │   └── AnotherLabError   a lab answered, but another one than the one that is meant
    │   ├── AuthenticationError   401: the key or the password is wrong or revoked
    │   ├── PermissionDeniedError 403
    │   ├── NotFoundError         404
    │   ├── ConflictError         409
    │   ├── GoneError             410: deleted
    │   └── InvalidRequestError   any other 4xx
    └── StoreError                the lab's own storage: see store/
        ├── DataDirectoryInUseError
        ├── EngineAwayError
        ├── OlderSchemaError
        ├── OutcomeUnknownError
        ├── SlowSearchError
        └── NewerSchemaError

Training code meets only TypeError and ValueError (a programming mistake at the call) and RunClosedError. Everything
else is printed once and counted: a broken lab never raises into a training loop.
"""

from __future__ import annotations


class LabError(Exception):
    """Root of the tree. The message is one line: what is wrong, then what to do."""


class ConfigurationError(LabError):
    """A profile, key, URL, credentials file or setting is wrong. Fix it and run again."""


class RunClosedError(LabError, ValueError):
    """A call on a Run after `close`."""


class LabRequestError(LabError):
    """A request to the lab failed.

    Attributes:
        status: HTTP status, or None where no HTTP answer came.
        retry: True where the same request may succeed later.
        retry_after_s: seconds the lab asked to wait, or None.
        code: the lab's own short word for the error ("project_not_found"), or "".
    """

    retry = False

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.code = code


class LabUnreachableError(LabRequestError):
    """No lab answered: connection, DNS, TLS, time-out. Trying again may help."""

    retry = True


class LabUnavailableError(LabRequestError):
    """The lab answered 429 or 5xx. Trying again may help, after `retry_after_s`."""

    retry = True


class NotALabError(LabRequestError):
    """Something answered, but it is not a lab of ours, or one of another protocol."""


class AnotherLabError(NotALabError):
    """A lab answered, but its id shows that it is not the one that is meant. It gets neither key nor data."""


class AuthenticationError(LabRequestError):
    """401: the key or the password is wrong or revoked."""


class PermissionDeniedError(LabRequestError):
    """403: you may not do this."""


class NotFoundError(LabRequestError):
    """404: there is no such thing, or you may not see it."""


class ConflictError(LabRequestError):
    """409: it exists already, or several have the name."""


class GoneError(LabRequestError):
    """410: it was deleted."""


class InvalidRequestError(LabRequestError):
    """Any other 4xx: the lab does not accept the request."""


# Answers of a lab that concern one thing alone: it may accept others.
REFUSALS = (PermissionDeniedError, NotFoundError, ConflictError, GoneError, InvalidRequestError)


class StoreError(LabError):
    """The lab's own storage failed. Raised in the lab and by the commands of its administrator."""


class DataDirectoryInUseError(StoreError):
    """Another lab uses the data folder."""


class EngineAwayError(StoreError):
    """A server that has data of the lab does not answer now. It may answer later."""


class OlderSchemaError(StoreError):
    """The data were written by an earlier version, and this command does not upgrade them."""


class SlowSearchError(StoreError):
    """A search takes longer than it may. What was computed for it is kept, so asking again continues from there."""


class NewerSchemaError(StoreError):
    """The data were written by a newer version."""


class OutcomeUnknownError(StoreError):
    """The connection to the database was lost while it committed: the change may have been made, or not."""
