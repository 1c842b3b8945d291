"""Fixtures of the tests over HTTP: labs that a module shares, and who asks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, new_id

PASSWORD = "correct horse 7"


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """A lab that all tests of this folder share: each makes runs of its own."""
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home", "--lost-after", "600") as real:
        yield real


@pytest.fixture(scope="package")
def api(lab: RealLab) -> Api:
    return Api.of(lab)


@pytest.fixture(scope="package")
def other(lab: RealLab, api: Api) -> Api:
    """Another user of the same lab, a plain member."""
    name = f"bob-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    made = Api(lab.url, "").raw(
        "POST", "/keys", auth=(name, PASSWORD), json={"name": "test"}, headers={"Authorization": ""}
    )
    assert made.status_code == 201, made.text
    return Api(lab.url, made.json()["key"])


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RealLab]:
    """A lab of one test's own, not started."""
    real = ForkedLab(tmp_path / "data", tmp_path / "home")
    yield real
    real.kill()
