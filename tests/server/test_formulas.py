"""POST /series/formulas and /series/pairs: metrics paired by step, compared with raw points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.server.tables import formulalines
from pyhectiqlab.server.tables.formula import FormulaError, parse_formula
from pyhectiqlab.server.tables.formulalines import FormulaLine
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.testing.memory_points import MemoryPointStore

from .api import Api, batch, column, new_id

VALUES = {
    "a": np.array([1.0, -2.0, 0.5]),
    "train/loss": np.array([3.0, 4.0, 5.0]),
    "my-metric": np.array([2.0, 2.0, 2.0]),
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a", [1.0, -2.0, 0.5]),
        ("train/loss - a", [2.0, 6.0, 4.5]),
        ("a / train/loss", [1 / 3, -0.5, 0.1]),
        ("2 * (a + 1) ^ 2 - 1", [7.0, 1.0, 3.5]),
        ("-a ^ 2", [-1.0, -4.0, -0.25]),
        ("2 ^ 3 ^ 0 * a", [2.0, -4.0, 1.0]),
        ("8 - 4 - a", [3.0, 6.0, 3.5]),
        ("abs(a) * 1.5e1", [15.0, 30.0, 7.5]),
        ("log(a)", [0.0, math.nan, math.log(0.5)]),
        ("log10(100 * a * a)", [2.0, math.log10(400), math.log10(25)]),
        ("max(a, 0, 0.75) + min(a, 0)", [1.0, -1.25, 0.75]),
        ('"my-metric" * sqrt(train/loss)', [2 * 3**0.5, 4.0, 2 * 5**0.5]),
        ("a / (a - 1)", [math.inf, -2 / -3, -1.0]),
    ],
)
def test_formulas_are_computed_as_they_are_written(text: str, wanted: list[float]) -> None:
    np.testing.assert_allclose(parse_formula(text).value(VALUES), wanted, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "At the end: a metric, a number or “(” is missing."),
        ("1 + 2", "There is no metric in it."),
        ("a +", "At the end: a metric, a number or “(” is missing."),
        ("a b", "At character 3: an operator is missing."),
        ("(a", "At the end: a “)” is missing."),
        ("a)", "At character 2: “)” does not fit."),
        ("a @ b", "At character 3: “@” is not understood; a name with signs stands in double quotes."),
        ("sin(a)", "There is no function sin: there are abs, exp, log, log2, log10, sqrt, min, max."),
        ("abs(a, a)", "abs(…) takes one value."),
        ("min(a)", "min(…) takes two values or more."),
        ("__import__(a)", "There is no function __import__"),
        ("a.__class__ ; 1", "At character 13: “;”"),
        ("(" * 100 + "a", "nested too deeply"),
        ("-" * 500 + "a", "nested too deeply"),
        ("a" * 513, "A formula has at most 512 characters."),
        (" + ".join("abcdefghi"), "A formula has at most 8 metrics."),
    ],
)
def test_what_is_no_formula_says_where_and_why(text: str, why: str) -> None:
    with pytest.raises(FormulaError) as refused:
        parse_formula(text)
    assert why in str(refused.value)


def test_lines_and_pairs_agree_with_the_raw_points(api: Api) -> None:
    run = str(api.attach()["run"]["id"])
    rng = np.random.default_rng(1)
    kept: dict[str, dict[int, float]] = {}
    for key, share in (("train/loss", 0.9), ("valid/loss", 0.4)):
        steps = np.flatnonzero(rng.random(3000) < share)
        values = np.where(rng.random(len(steps)) < 0.02, np.nan, rng.normal(size=len(steps)))
        order = rng.permutation(len(steps))
        api.ingest(
            batch(run, new_id(), 1, len(steps), series=[column(key, range(len(steps)), values[order], steps[order])])
        )
        kept[key] = dict(zip(steps.tolist(), values.tolist(), strict=True))
    both = sorted(kept["train/loss"].keys() & kept["valid/loss"].keys())
    wanted = {s: kept["train/loss"][s] - 2 * abs(kept["valid/loss"][s]) for s in both}
    body: dict[str, Any] = {"lines": [{"run": run, "formula": "train/loss - 2 * abs(valid/loss)"}]}
    as_json = {"headers": {"Accept": "application/json"}}

    for lo, hi, n in ((None, None, 60), (None, None, 10_000), (500, 1300, 40)):
        (b,) = api.call("POST", "/series/formulas", json={**body, "n": n, "lo": lo, "hi": hi}, **as_json)["series"]
        inside = [s for s in both if (lo is None or lo <= s) and (hi is None or s <= hi)]
        assert b["total"] == len(inside) and len(b["start"]) <= n and sum(b["count"]) == len(inside)
        for i, start in enumerate(b["start"]):
            its = [wanted[s] for s in inside if start <= s < start + b["width"]]
            finite = [v for v in its if math.isfinite(v)]
            assert b["count"][i] == len(its) and b["nan"][i] == len(its) - len(finite)
            assert (b["min"][i], b["max"][i]) == (min(finite, default=None), max(finite, default=None))
            assert b["mean"][i] is None if not finite else b["mean"][i] == pytest.approx(np.mean(finite))
    smooth = {"kind": "mean", "width": 50}
    whole, zoomed = (
        api.call("POST", "/series/formulas", json={**body, "n": n, "smooth": smooth, **more}, **as_json)["series"][0]
        for n, more in ((3000, {}), (7, {"lo": 1000, "hi": 1200}))
    )
    for x, value in zip(zoomed["last_x"], zoomed["smoothed"], strict=True):
        near = [v for s, v in wanted.items() if abs(s - x) <= 50 and math.isfinite(v)]
        assert value == pytest.approx(np.mean(near)) == whole["smoothed"][whole["last_x"].index(x)]

    asked = {"lines": [{"run": run, "x": "train/loss", "y": "exp(valid/loss)"}], "n": 10_000}
    (line,) = api.call("POST", "/series/pairs", json=asked)["lines"]
    assert line["step"] == both and line["total"] == len(both)
    np.testing.assert_array_equal(np.array(line["x"], float), [kept["train/loss"][s] for s in both])
    np.testing.assert_allclose(np.array(line["y"], float), np.exp([kept["valid/loss"][s] for s in both]), rtol=1e-15)
    (thin,) = api.call("POST", "/series/pairs", json={**asked, "n": 50})["lines"]
    assert (
        len(thin["step"]) <= 52
        and thin["total"] == len(both)
        and {thin["step"][0], thin["step"][-1]} == {both[0], both[-1]}
    )

    # y smoothed over all of its steps, whichever are asked for; steps from … to; x from … to, with the points beside.
    more = {"smooth": smooth, "lo": 1000, "hi": 1200}
    asked["lines"][0]["y"] = "valid/loss"
    (line,) = api.call("POST", "/series/pairs", json={**asked, **more})["lines"]
    assert line["step"] == [s for s in both if 1000 <= s <= 1200] and line["total"] == len(line["step"]) > 10
    for step, value in zip(line["step"], line["y"], strict=True):
        near = [v for s, v in kept["valid/loss"].items() if abs(s - step) <= 50 and math.isfinite(v)]
        assert value == pytest.approx(np.mean(near))
    x = np.array([kept["train/loss"][s] for s in both], float)
    low, high = np.nanquantile(x[np.isfinite(x)], [0.4, 0.5])
    (line,) = api.call("POST", "/series/pairs", json={**asked, "x_range": [low, high]})["lines"]
    inside = (x >= low) & (x <= high)
    beside = inside | np.append(inside[1:], False) | np.append(False, inside[:-1])
    assert line["step"] == np.array(both)[beside].tolist() and 0 < line["total"] < len(both)


def test_a_step_counts_with_the_mean_of_its_ranks_and_without_a_metric_there_is_nothing(api: Api) -> None:
    run = str(api.attach()["run"]["id"])
    for rank in (0, 1):
        api.ingest(batch(run, new_id(), 1, 4, rank=rank, series=[column("loss", range(4), np.arange(4) + 10.0 * rank)]))
    asked: dict[str, Any] = {"lines": [{"run": run, "formula": "loss * 2"}, {"run": run, "formula": "loss + none"}]}
    as_json = {"headers": {"Accept": "application/json"}}
    line, nothing = api.call("POST", "/series/formulas", json=asked, **as_json)["series"]
    assert (line["mean"], line["start"], nothing["start"]) == ([10, 12, 14, 16], [0, 1, 2, 3], [])
    asked["lines"] = [{"run": run, "formula": "loss * 2", "rank": 1}]
    assert api.call("POST", "/series/formulas", json=asked, **as_json)["series"][0]["mean"] == [20, 22, 24, 26]
    asked["lines"] = [{"run": run, "formula": "loss *"}]
    refused = api.raw("POST", "/series/formulas", json=asked)
    assert refused.status_code == 422 and "At the end" in refused.text


def test_the_axes_that_runs_ask_for_are_told_of_all_together(api: Api) -> None:
    runs = [str(api.attach()["run"]["id"]) for _ in range(3)]
    for run, said in zip(runs, ({"valid/*": "epoch", "no": 7}, {"valid/*": "step", "test": "epoch"}), strict=False):
        event = [0, "meta", 1_700_000_000_000_000, {"key": "x_axes", "value": said}]
        api.ingest(batch(run, new_id(), 1, 1, series=[], events=[event]))
    assert api.get("/series/axes", run=runs) == {"axes": {"valid/*": "epoch", "test": "epoch"}}
    assert api.get("/series/axes", run=runs[1:2]) == {"axes": {"valid/*": "step", "test": "epoch"}}
    assert api.get("/series/axes", run=runs[2:]) == {"axes": {}}


def test_lines_that_are_read_twice_to_take_less_memory_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    store, n = MemoryPointStore(), 200
    for i, run in enumerate("abc"):
        seq = np.arange(1, n + 1)
        points = Column("loss", seq, seq * (i + 1), np.sin(seq / 9), 1_700_000_000_000_000 + seq)
        store.append([PointBatch(run, 0, 1, run, 1, n, [points])])
    lines = [FormulaLine(run, parse_formula("2 * loss"), "2 * loss") for run in "abc"]
    asked = (lines, None, None, 50, None)
    kept = formulalines.formula_lines(store, *asked)
    monkeypatch.setattr(formulalines, "KEPT_STEPS_MAX", n)
    read: list[Any] = []
    values = formulalines._values
    monkeypatch.setattr(formulalines, "_values", lambda *line: (read.append(line), values(*line))[1])
    for one, again in zip(kept, formulalines.formula_lines(store, *asked), strict=True):
        assert one.width == again.width and one.total == again.total == n
        np.testing.assert_array_equal(one.mean, again.mean)
    assert len(read) == 5, "the first is kept, the others are read twice"
