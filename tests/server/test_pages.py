"""The web app's files: what is served where, for how long, and what is said while they are not built."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import Request, Response

from pyhectiqlab.server.replies import ApiError
from pyhectiqlab.server.routes import pages

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def asked(path: str, accept: str = "*/*", root_path: str = "") -> Response:
    headers = [(b"accept", accept.encode())]
    return pages.page(Request({"type": "http", "headers": headers, "root_path": root_path}), path)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<html>")
    (static / "icon.svg").write_text("<svg/>")
    (static / "assets" / "index-abc.js").write_text("1")
    (tmp_path / "secret").write_text("s")
    monkeypatch.setattr(pages, "STATIC", static)
    return static


@pytest.mark.parametrize("path", ["", "login", "projects/vision", "runs/0123456789ab", "runs/a/b"])
def test_paths_of_the_app_are_its_index(built: Path, path: str) -> None:
    answer = asked(path)
    assert (answer.status_code, bytes(answer.body)) == (200, b"<html>")
    assert answer.headers["cache-control"] == "no-cache"


def test_files_named_by_their_content_are_kept_by_browsers(built: Path) -> None:
    assert "immutable" in asked("assets/index-abc.js").headers["cache-control"]
    assert asked("icon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["../secret", "assets/../../secret", "/etc/passwd", "assets", "nothing", "a\0b", "api/x", "a" * 5000, "a/" * 5000],
    ids=lambda path: path[:20],
)
def test_what_is_no_file_of_the_app_is_not_there(built: Path, path: str) -> None:
    with pytest.raises(ApiError) as told:
        asked(path)
    assert told.value.status_code == 404


@pytest.mark.parametrize("path", ["nothing", "../secret", "assets/index-old.js"])
def test_a_browser_is_given_the_app_to_be_told_that_a_page_is_not_there(built: Path, path: str) -> None:
    answer = asked(path, BROWSER)
    assert (answer.status_code, bytes(answer.body)) == (404, b"<html>")
    with pytest.raises(ApiError):
        asked("api/v1/nothing", BROWSER)


def test_an_app_that_is_not_built_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path / "none")
    answer = asked("")
    assert answer.status_code == 200 and b"scripts/build-web" in bytes(answer.body)
