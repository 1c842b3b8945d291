"""Errors, by the names that scripts catch."""


class NeptuneException(Exception):
    pass


class MissingFieldException(NeptuneException, AttributeError, KeyError):
    pass


class NeptuneLegacyProjectException(NeptuneException):
    pass


class NeptuneOfflineModeException(NeptuneException):
    pass
