"""A home folder of its own for each test, and none of the caller's variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [v for v in os.environ if v.startswith("HECTIQLAB_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HECTIQLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
