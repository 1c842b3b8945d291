"""What the first page takes on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Response

from pyhectiqlab.server.http.gzipped import BYTES_MIN

from .conftest import NewPage
from .feeder import Feeder

pytestmark = pytest.mark.browser
SIZES_OF = """url => {
    const entry = performance.getEntriesByName(url)[0]
    return [entry.encodedBodySize, entry.decodedBodySize]
}"""
BYTES_MAX = 150_000  # of script and style for the table of runs, all that is needed for first use


def test_the_first_page_is_compressed(new_page: NewPage, owner_state: Any, feeder: Feeder) -> None:
    runs = [feeder.run(f"run {i:02}", project="wire") for i in range(30)]
    for run in runs:
        run.event("config", values={"optimizer": {"name": "adam", "lr": 0.001}, "layers": 4})
        run.points({"train/loss": ([0, 1], [1.0, 0.5]), "valid/accuracy": ([0, 1], [0.1, 0.9])})
    page = new_page(storage_state=owner_state, fresh=True)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"{feeder.url}/projects/{runs[0].project}")
    page.get_by_role("link", name="run 29").wait_for()
    files = {a.url.rpartition("/")[2]: a for a in answers if "/assets/" in a.url}
    sizes = {name: a.request.sizes()["responseBodySize"] for name, a in files.items()}
    assert {name.rpartition(".")[2] for name in files} >= {"js", "css"}
    large = [a for name, a in files.items() if sizes[name] >= BYTES_MIN]  # smaller ones fit into a packet anyway
    assert large and all(a.header_value("content-encoding") == "gzip" for a in large)
    assert sum(sizes.values()) < BYTES_MAX, sizes
    table = next(a for a in answers if "/api/v1/table?" in a.url and "limit=100" in a.url)
    assert table.header_value("content-encoding") == "gzip"
    # The browser may already have let go of the answer itself; of its sizes it keeps a note.
    sent, unpacked = page.evaluate(SIZES_OF, table.url)
    assert 0 < sent < unpacked / 3
    print(f"script and style {sum(sizes.values())} B; table of 30 runs {sent} B of {unpacked}")
