"""Every MetaStore keeps the interface's promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..stores import MetaPlace, SqlitePlace
from .meta_store import MetaStoreSuite


class TestSqliteMetaStore(MetaStoreSuite):
    @pytest.fixture
    def place(self, tmp_path: Path) -> MetaPlace:
        return SqlitePlace(tmp_path)

    @pytest.fixture
    def empty_place(self, tmp_path: Path) -> MetaPlace:
        return SqlitePlace(tmp_path, empty=True)
