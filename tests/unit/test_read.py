"""Reading back: answers of another shape are told as such. What a real lab answers is tested in tests/cli."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyhectiqlab import read, search_runs
from pyhectiqlab.errors import ConfigurationError, NotALabError
from tests.transport.scripted import answering, as_json, scripted

GREETING = {"lab": "hectiqlab", "version": "0.1.0", "protocol": {"min": 1, "max": 1}, "generation": "ab"}


def listed() -> list[read.RunView]:
    return list(search_runs())


@pytest.mark.parametrize("item", [{}, {"id": "1"}, [], 7, None])
@pytest.mark.parametrize("call", [read.projects, listed, lambda: read.run("r")])
def test_an_answer_of_another_shape_is_not_believed(
    home: object, monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], item: object
) -> None:
    listed = {"items": [item], "next": None}
    one = call not in (read.projects, listed)
    with scripted(answering(as_json(GREETING), as_json(item if one else listed))) as server:
        monkeypatch.setenv("HECTIQLAB_URL", server.url)
        monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
        with pytest.raises(NotALabError, match="another shape"):
            call()


def test_without_a_lab_it_says_how_to_get_one(home: object) -> None:
    with pytest.raises(ConfigurationError, match="add-profile"):
        search_runs()
