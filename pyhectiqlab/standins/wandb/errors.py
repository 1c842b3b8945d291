"""Errors, by the names that frameworks import."""

from __future__ import annotations


class Error(Exception):
    def __init__(self, message: str = "", *args: object) -> None:
        super().__init__(message, *args)
        self.message = message


class CommError(Error):
    """The lab cannot be asked, or has no such thing."""


class UsageError(Error):
    """A call that is not allowed."""


class AuthenticationError(CommError):
    pass


class WandbCoreNotAvailableError(Error):
    pass


class WaitTimeoutError(Error):
    pass


class UnsupportedError(UsageError):
    pass
