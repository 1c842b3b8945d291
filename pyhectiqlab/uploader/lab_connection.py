"""One lab and profile, as a thread of the uploader knows it: the connection, whether it works, when to try again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .. import settings
from ..errors import AuthenticationError, ConfigurationError, LabError, LabUnreachableError, NotALabError
from ..transport import Backoff

TRIES_MAX = 3


class _Client(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Client)


class LabConnection(Generic[C]):
    """A connection for one thread; others may read the attributes and call `hurry`.

    Args:
        connect: makes the client. It may raise ConfigurationError (the profile is gone); then it is called again later.

    Attributes:
        fails: requests that failed or were refused, ever. Whoever waits sees by it that there was another try.
        trouble: the last thing that went wrong, "" when all is well.
        hopeless: the trouble does not heal by itself: a wrong key, no profile, no lab at that address.
    """

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._client: C | None = None
        self.backoff = Backoff()
        self.fails = 0
        self.trouble = ""
        self.hopeless = False

    @property
    def client(self) -> C:
        """Connected at its first use, and again after `close`. Raises what `connect` raises."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def rests(self) -> bool:
        """Return whether it failed so lately that it is not asked again yet."""
        return self.backoff.wait_s() > 0

    def hurry(self) -> None:
        """Allow a try at once: somebody waits."""
        self.backoff.hurry()

    def succeeded(self) -> bool:
        """Note a success. Return whether that is news."""
        news = bool(self.trouble)
        self.trouble, self.hopeless = "", False
        self.backoff.succeeded()
        return news

    def failed(self, error: LabError) -> bool:
        """Note a failure. Return whether it differs from the last one."""
        self.fails += 1
        self.hopeless = isinstance(error, AuthenticationError | ConfigurationError | NotALabError)
        least = settings.RETRY_DELAY_MAX_S if self.hopeless else 0.0  # it does not heal in a second
        if self.hopeless or isinstance(error, LabUnreachableError):
            self.close()  # the profile may have been corrected meanwhile, or the lab be at another address
        self.backoff.failed(getattr(error, "retry_after_s", None), at_least_s=least)
        news = str(error) != self.trouble
        self.trouble = str(error)
        return news

    def has_failed(self) -> bool:
        """Return whether it failed so often in a row, or in such a way, that somebody who waits should not wait
        longer.
        """
        return self.hopeless or self.backoff.failures >= TRIES_MAX

    def close(self) -> None:
        """Let go of the connection. Safe twice."""
        if self._client is not None:
            self._client.close()
        self._client = None
