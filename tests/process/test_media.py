"""What a script stores by step is read back as it went in, from every mode and after kills; and no call harms it."""

from __future__ import annotations

import io
import json
import math
import os
from typing import Any

import pytest
from PIL import Image

from pyhectiqlab import read

from .conftest import Site
from .test_ends import unique

SCRIPT = """
import math, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from pyhectiqlab import Run

run = Run(sys.argv[1])
for step in (1, 2):
    run.add_histogram(np.array([1.0, 2.0, math.nan, math.inf]), "w/h", step, bins=2)
    run.add_text(f"at {step}", "w/t", step)
    run.add_image(np.full((4, 6, 3), step, dtype=np.uint8), "w/i", step)
run.add_histogram(np.histogram([1, 2, 3], bins=3), "lone")
run.add_text("é" * 20_000, "w/t", 3)
figure, axes = plt.subplots()
for one in (figure, axes, None, plt):
    run.add_figure(one, "f")
run.add_figure(go.Figure(go.Scatter(y=[1, 2])), "p", np.int64(3))
run.add_table([{"a": math.nan, "b": None}, {"a": 1, "b": "x"}], "t", 1)
open("shown.GIF", "wb").write(b"GIF89a")
run.add_image("shown.GIF", "gif")
"""


def view_of(site: Site, name: str) -> read.RunView:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HECTIQLAB_CREDENTIALS", str(site.lab.credentials))
        return read.run(name)


def check(run: read.RunView, tmp_path: Any) -> None:
    by_name = {(info.kind, info.name): (info.count, info.step_min, info.step_max) for info in run.media()}
    assert by_name == {
        ("figure", "f"): (1, None, None),
        ("figure", "p"): (1, 3, 3),
        ("histogram", "lone"): (1, None, None),
        ("histogram", "w/h"): (2, 1, 2),
        ("image", "gif"): (1, None, None),
        ("image", "w/i"): (2, 1, 2),
        ("table", "t"): (1, 1, 1),
        ("text", "w/t"): (3, 1, 3),
    }
    assert run.histograms("w/h", lo=2) == [(2, 0, [1.0, 1.5, 2.0], [1.0, 1.0], 1, 1, 0)]
    assert run.histograms("lone")[0].counts == [1.0, 1.0, 1.0]
    assert run.texts("w/t") == [(1, 0, "at 1"), (2, 0, "at 2"), (3, 0, "é" * 20_000)]
    (table,) = run.tables("t")
    assert table.columns == ["a", "b"] and table.rows[1] == [1, "x"]
    assert math.isnan(table.rows[0][0]) and table.rows[0][1] is None
    first, second = run.images("w/i")
    assert (first.step, second.step, first.name) == (1, 2, "w%2Fi.png")
    image = Image.open(io.BytesIO(second.download(tmp_path).read_bytes()))
    assert image.size == (6, 4) and image.getpixel((0, 0)) == (2, 2, 2)
    (plotly,) = run.figures("p")
    assert json.loads(plotly.download(tmp_path).read_text())["data"][0]["type"] == "scatter"
    (figure,) = run.figures("f")
    assert figure.version == 4 and figure.download(tmp_path).read_bytes().startswith(b"\x89PNG")
    assert run.images("gif")[0].download(tmp_path).read_bytes() == b"GIF89a"


def test_everything_is_read_back_by_name_and_step(site: Site, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = unique("media")
    done = site.run(SCRIPT, name)
    assert done.returncode == 0 and "hectiqlab: internal" not in done.stderr, done.stderr
    site.ended(name)
    os.makedirs(tmp_path / "back")
    check(view_of(site, name), tmp_path / "back")


def test_offline_it_is_kept_and_synced_later(site: Site, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = unique("media-offline")
    done = site.run(SCRIPT, name, HECTIQLAB_MODE="offline")
    assert done.returncode == 0, done.stderr
    synced = site.cli("sync")
    assert synced.returncode == 0, synced.stderr
    os.makedirs(tmp_path / "back")
    check(view_of(site, name), tmp_path / "back")


@pytest.mark.parametrize("mode", ["dry", "online"])
def test_mistakes_raise_at_the_call_and_nothing_of_it_is_stored(site: Site, mode: str) -> None:
    done = site.run(
        """
        import sys
        from pyhectiqlab import Run
        from pyhectiqlab.errors import RunClosedError

        run = Run(sys.argv[1], dry=sys.argv[2] == "dry")
        mistakes = [
            (TypeError, lambda: run.add_text(3, "t")),
            (TypeError, lambda: run.add_text("x", 3)),
            (ValueError, lambda: run.add_text("x", "")),
            (ValueError, lambda: run.add_text("x", "n" * 1025)),
            (ValueError, lambda: run.add_text("x", "t", 1 << 63)),
            (ValueError, lambda: run.add_text("x", "t", -(1 << 63))),
            (TypeError, lambda: run.add_text("x", "t", 1.5)),
            (TypeError, lambda: run.add_histogram("x", "h")),
            (ValueError, lambda: run.add_histogram([1], "h", bins=1000)),
            (ValueError, lambda: run.add_histogram([1], "h", edges=[1])),
            (TypeError, lambda: run.add_image(object(), "i")),
            (ValueError, lambda: run.add_image([1, 2], "i")),
            (FileNotFoundError, lambda: run.add_image("gone.png", "i")),
            (ValueError, lambda: run.add_image("text.txt", "i")),
            (TypeError, lambda: run.add_figure("x", "f")),
            (ValueError, lambda: run.add_figure(None, "f")),
            (TypeError, lambda: run.add_table("x", "t")),
            (ValueError, lambda: run.add_table([[1], [1, 2]], "t")),
        ]
        for i, (kind, call) in enumerate(mistakes):
            try:
                call()
            except kind as e:
                assert "\\n" not in str(e), e
            else:
                raise AssertionError(f"{i}: no {kind.__name__}")
        run.close()
        if not run.dry_mode:
            for call in (lambda: run.add_text("x", "t"), lambda: run.add_image([[1]], "i")):
                try:
                    call()
                except RunClosedError:
                    continue
                raise AssertionError("a closed run took it")
        assert not {"numpy", "matplotlib", "PIL", "pandas", "plotly", "torch"} & set(sys.modules)
        """,
        name := unique("mistakes"),
        mode,
    )
    assert done.returncode == 0, done.stderr
    if mode == "online":
        site.ended(name)
        assert view_of(site, name).media() == []
