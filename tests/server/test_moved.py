"""Addresses where a lab was redirect to where it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.errors import LabError

from ..labs import ForkedLab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedLab]:
    folder = tmp_path_factory.mktemp("moved")
    now = ("--public-url", "http://new.example/labs", "--root-path", "/labs")
    old = ("--moved-from", "http://old.example", "--moved-from", "http://shared.example:7070/lab")
    with ForkedLab(folder / "data", folder / "home", *now, *old) as lab:
        yield lab


def location(lab: ForkedLab, host: str, path: str, method: str = "GET") -> str:
    """Return where the lab sends whoever asks it by that name; "" where it does not."""
    at = lab.url.removesuffix("/labs")
    answer = requests.request(method, at + path, headers={"Host": host}, allow_redirects=False, timeout=10)
    assert answer.status_code == 308 or "location" not in answer.headers
    return answer.headers.get("location", "")


@pytest.mark.parametrize(
    ("host", "path", "to"),
    [
        ("old.example", "/runs/3f0c9a41d27e?tab=logs", "http://new.example/labs/runs/3f0c9a41d27e?tab=logs"),
        ("OLD.example:80", "/projects/team%2Fvision", "http://new.example/labs/projects/team%2Fvision"),
        ("old.example", "/", "http://new.example/labs/"),
        ("old.example", "//evil.example/", "http://new.example/labs//evil.example/"),
        ("shared.example:7070", "/lab/runs/x", "http://new.example/labs/runs/x"),
        ("shared.example:7070", "/labs/runs/x", ""),
        ("old.example:8080", "/runs/x", ""),
        ("old.example:x", "/runs/x", ""),
        ("127.0.0.1", "/labs/livez", ""),
    ],
)
def test_an_old_address_redirects_to_the_same_path_where_the_lab_is_now(
    lab: ForkedLab, host: str, path: str, to: str
) -> None:
    assert location(lab, host, path) == to


def test_every_method_is_redirected_and_none_is_answered(lab: ForkedLab) -> None:
    for method in ("HEAD", "POST", "PUT", "DELETE"):
        to = location(lab, "old.example", "/api/v1/projects", method)
        assert to == "http://new.example/labs/api/v1/projects"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("old.example", "is not an address"),
        ("http://new.example", "is where the lab is now"),
        ("0", "is not an address"),
        ("http://user@old.example", "is not an address"),
    ],
)
def test_what_is_no_old_address_is_refused_at_the_start(tmp_path: Path, wrong: str, why: str) -> None:
    lab = ForkedLab(tmp_path / "data", tmp_path, "--public-url", "http://new.example", "--moved-from", wrong)
    with pytest.raises(LabError, match=why):
        lab.start()


def test_a_port_that_is_in_use_is_told(lab: ForkedLab, tmp_path: Path) -> None:
    other = ForkedLab(tmp_path / "data", tmp_path, "--moved-from", str(lab.port))
    with pytest.raises(LabError, match=f"cannot listen at port {lab.port}"):
        other.start()
