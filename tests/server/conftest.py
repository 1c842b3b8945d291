"""Fixtures of the tests over HTTP: labs that a module shares, and who asks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, new_id

PASSWORD = "correct horse 7"


def user_of(lab: RealLab, api: Api, name: str, role: str = "member") -> Api:
    """Make a user, and return the API with a key of that user."""
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD, "role": role})
    made = Api(lab.url, "").raw(
        "POST", "/keys", auth=(name, PASSWORD), json={"name": "test"}, headers={"Authorization": ""}
    )
    assert made.status_code == 201, made.text
    return Api(lab.url, made.json()["key"])


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start a lab that all tests of this folder share. Each makes runs of its own."""
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home", "--lost-after", "600") as real:
        yield real


@pytest.fixture(scope="package")
def api(lab: RealLab) -> Api:
    return Api.of(lab)


@pytest.fixture(scope="package")
def other(lab: RealLab, api: Api) -> Api:
    """Make another user of the same lab, a plain member."""
    return user_of(lab, api, f"bob-{new_id(3)}")


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RealLab]:
    """Make a lab for one test. It is not started."""
    real = ForkedLab(tmp_path / "data", tmp_path / "home")
    yield real
    real.kill()
