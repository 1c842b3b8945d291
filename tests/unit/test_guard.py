"""What the guards around verbs let through: what is wrong with the call or the file, and nothing of ours."""

from __future__ import annotations

import pytest

from pyhectiqlab.verbs.guard import never_breaks, raises_of_files


def imports(name: str) -> None:
    raise ImportError(f"cannot import {name!r}", name=name)


def test_a_module_of_ours_that_cannot_be_imported_is_said_and_raises_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert raises_of_files(imports)("pyhectiqlab.transport.registry") is None
    assert "internal error in Run.imports, the call did nothing: ImportError" in capfd.readouterr().err


def test_a_library_that_the_user_has_to_install_is_named() -> None:
    with pytest.raises(ImportError, match="pandas"):
        raises_of_files(imports)("pandas")


@pytest.mark.parametrize("error", [OSError(5, "disk"), KeyError("x"), MemoryError()])
def test_an_error_of_ours_never_reaches_the_training(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    @never_breaks
    def fails() -> None:
        raise error

    assert fails() is None
    assert "internal error in Run.fails, the call did nothing" in capfd.readouterr().err


@pytest.mark.parametrize("error", [TypeError("a"), ValueError("b")])
def test_a_mistake_in_the_call_is_raised(error: Exception) -> None:
    @never_breaks
    def fails() -> None:
        raise error

    with pytest.raises(type(error)):
        fails()
