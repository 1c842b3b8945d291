"""The web app's files: what is served where, for how long, and what is said while they are not built."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi import Request, Response

from pyhectiqlab.server.http.gzipped import takes_gzip
from pyhectiqlab.server.http.replies import ApiError
from pyhectiqlab.server.routes import pages

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def asked(path: str, accept: str = "*/*", root_path: str = "", **more: str) -> Response:
    headers = [(b"accept", accept.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in more.items())]
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


def test_files_are_gzip_for_those_who_take_it_and_plain_for_others(built: Path) -> None:
    script = built / "assets" / "index-abc.js"
    script.write_text("let answer = 42;\n" * 1000)
    packed = asked("assets/index-abc.js", accept_encoding="gzip, deflate, br")
    assert packed.headers["content-encoding"] == "gzip" and "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(packed.body) == script.read_bytes()
    assert packed.headers["content-length"] == str(len(packed.body)) and len(packed.body) < 1000
    plain = asked("assets/index-abc.js")
    part = asked("assets/index-abc.js", accept_encoding="gzip", range="bytes=0-9")
    assert "content-encoding" not in plain.headers and "content-encoding" not in part.headers
    assert {a.headers["vary"] for a in (packed, plain, part)} == {"Accept-Encoding"}


def test_a_browser_that_has_a_file_is_not_sent_it_again_until_it_changes(built: Path) -> None:
    icon = built / "icon.svg"
    icon.write_text("<svg>" + " " * 2000 + "</svg>")
    etag = asked("icon.svg", accept_encoding="gzip").headers["etag"]
    same = asked("icon.svg", accept_encoding="gzip", if_none_match=f'"other", W/{etag}')
    assert (same.status_code, same.body, same.headers["etag"]) == (304, b"", etag)
    icon.write_text("<svg>" + " " * 3000 + "</svg>")
    changed = asked("icon.svg", accept_encoding="gzip", if_none_match=etag)
    assert changed.status_code == 200 and gzip.decompress(changed.body) == icon.read_bytes()


def test_what_gzip_makes_no_smaller_is_sent_as_it_is(built: Path) -> None:
    (built / "assets" / "picture.png").write_bytes(b"\x89PNG" + bytes(5000))
    for path in ("assets/picture.png", "icon.svg"):  # which is tiny
        assert "content-encoding" not in asked(path, accept_encoding="gzip").headers


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("identity, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=1.2.3", False),
        ("notgzip", False),
    ],
)
def test_who_takes_gzip(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


@pytest.mark.parametrize(
    "path",
    ["../secret", "assets/../../secret", "/etc/passwd", "assets", "nothing", "a\0b", "api/x", "a" * 5000, "a/" * 5000],
    ids=lambda path: path[:20],
)
def test_what_is_no_file_of_the_app_is_not_there(built: Path, path: str) -> None:
    with pytest.raises(ApiError) as caught:
        asked(path)
    assert caught.value.status_code == 404


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
