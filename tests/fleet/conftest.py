"""Fixtures of the tests of several labs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..server.api import Api, new_id
from ..server.conftest import PASSWORD
from ..server.nginx import NGINX
from .fleet_labs import Fleet, running


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start three labs that all tests of this folder share."""
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    with running(tmp_path_factory.mktemp("fleet"), 3, "--lost-after", "600") as fleet:
        yield fleet


@pytest.fixture(scope="package")
def lab(fleet: Fleet) -> Fleet:
    """Stand for one lab in tests of tests/server: each request goes to the next lab."""
    return fleet


@pytest.fixture(scope="package")
def api(fleet: Fleet) -> Api:
    return fleet.api()


@pytest.fixture(scope="package")
def other(fleet: Fleet, api: Api) -> Api:
    """Make another user, a plain member."""
    name = f"bob-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    made = api.raw("POST", "/keys", auth=(name, PASSWORD), json={"name": "test"}, headers={"Authorization": ""})
    assert made.status_code == 201, made.text
    return Api(fleet.url, made.json()["key"])
