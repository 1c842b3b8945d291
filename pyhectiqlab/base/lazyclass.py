"""Dataclasses that are made with their first object.

Making some thirty takes a third of the time of `import pyhectiqlab`, and a script that imports us may never need them.

They are the standard library's dataclasses, with all its options except `slots`, for which the class must be made anew.
For type checkers, these names are the standard library's own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import asdict as asdict
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace

    def names_of(cls: type) -> tuple[str, ...]:
        """Return the names of the fields of a dataclass, in order."""

    def make_all() -> None:
        """Make all classes that are not made yet. Call it before the end of the process. Making a dataclass executes
        code, and code that is executed at the end makes Python forget that Ctrl-C ended the script, and exit with
        another status.
        """

else:
    _waiting: dict[type, dict[str, Any]] = {}  # classes that are not made yet → the options of their decorator
    _making = threading.RLock()

    class _Field:
        """The options that `field` got."""

        def __init__(self, options: dict[str, Any]) -> None:
            self.options = options

    def field(**options: Any) -> Any:
        return _Field(options)

    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        def later(cls: type) -> type:
            def __new__(its: type, *arguments: Any, **named: Any) -> Any:
                if cls in _waiting:
                    _make(cls)
                return object.__new__(its)

            cls.__new__ = __new__
            _waiting[cls] = options
            return cls

        return later if cls is None else later(cls)

    def _make(cls: type) -> None:
        """Make a class before its first object. Python looks `__init__` up after `__new__`, so it is there in time."""
        import dataclasses

        with _making:
            for base in reversed(cls.__mro__):
                if base in _waiting:
                    for name, value in list(vars(base).items()):
                        if isinstance(value, _Field):
                            setattr(base, name, dataclasses.field(**value.options))
                    dataclasses.dataclass(**_waiting[base])(base)
                    del _waiting[base]

    def make_all() -> None:
        for cls in list(_waiting):
            _make(cls)

    def names_of(cls: type) -> tuple[str, ...]:
        _make(cls)
        return tuple(cls.__dataclass_fields__)

    def replace(one: Any, /, **changes: Any) -> Any:
        import dataclasses

        return dataclasses.replace(one, **changes)

    def asdict(one: Any) -> dict[str, Any]:
        import dataclasses

        return dataclasses.asdict(one)
