"""Errors, by the names that scripts catch."""

from __future__ import annotations

from typing import Any


class MlflowException(Exception):
    def __init__(self, message: object = "", error_code: Any = None, **more: Any) -> None:
        super().__init__(message)
        self.message, self.error_code = str(message), error_code


class RestException(MlflowException):
    pass
