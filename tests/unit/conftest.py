"""A home folder of its own for each test, and none of the caller's variables; and no pipeline stays open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pipeline import Pipeline


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [v for v in os.environ if v.startswith("HECTIQLAB_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HECTIQLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_pipeline_stays_open() -> Iterator[None]:
    """Close what the test left: the worker that runs it has so many descriptors as a process may have."""
    yield
    while Pipeline.opened:
        Pipeline.opened.pop().close()
