"""The charts of a run page: what is drawn is what the lab has, and nothing is hidden."""

from __future__ import annotations

import math
import os
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Watch
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def open_run(page: Page, feeder: Feeder, run: str, query: str = "") -> None:
    page.goto(f"{feeder.url}/runs/{run}{query}")


def test_the_curve_is_the_data_and_is_on_the_canvas(page: Page, feeder: Feeder) -> None:
    run = feeder.run("curve")
    values = [1 / (i + 1) for i in range(50)]
    run.points({"train/loss": (range(0, 500, 10), values)})
    open_run(page, feeder, run.id)
    panel = Panel(page, "train/loss")
    drawn = panel.wait()
    assert drawn["curves"][0]["x"] == list(range(0, 500, 10))
    assert drawn["curves"][0]["line"] == values
    assert drawn["x"] == [0, 490]
    assert panel.coloured_pixels() > 300
    assert panel.root.get_by_role("heading").inner_text() == "loss"
    assert page.get_by_role("heading", name="train", exact=True).is_visible()


def test_a_spike_among_many_points_is_in_the_band_and_in_the_range(page: Page, feeder: Feeder) -> None:
    run = feeder.run("spike")
    values = [1.0] * 40_000
    values[12_345] = 500.0
    run.points({"loss": (range(40_000), values)}, spacing_s=0.01)
    for query in ("", "?smooth=0.9"):
        open_run(page, feeder, run.id, query)
        drawn = Panel(page, "loss").wait()
        assert len(drawn["curves"][0]["x"]) < 1500
        assert max(drawn["curves"][0]["max"]) == 500
        assert drawn["y"][1] > 500
        assert sum(drawn["curves"][0]["count"]) == 40_000


def test_a_live_point_and_a_new_key_arrive_without_a_reload(page: Page, feeder: Feeder) -> None:
    run = feeder.run("live")
    run.points({"train/loss": ([0, 1], [3.0, 2.0])})
    open_run(page, feeder, run.id)
    panel = Panel(page, "train/loss")
    panel.wait()
    page.evaluate("window.sameDocument = true")
    run.points({"train/loss": ([2], [1.5])})
    drawn = panel.wait("d.curves[0].total === 3")
    assert drawn["curves"][0]["line"] == [3.0, 2.0, 1.5]
    run.points({"val/loss": ([2], [1.75])})
    assert Panel(page, "val/loss").wait()["curves"][0]["line"] == [1.75]
    run.event("state", state="training")
    page.locator('.run-head .badge[data-state="training"]').wait_for()
    assert page.evaluate("window.sameDocument") is True


def test_dragging_zooms_into_finer_buckets_and_back(page: Page, feeder: Feeder) -> None:
    run = feeder.run("zoom")
    run.points({"loss": (range(20_000), [math.sin(i / 50) for i in range(20_000)])}, spacing_s=0.01)
    open_run(page, feeder, run.id)
    panel = Panel(page, "loss")
    whole = panel.wait()
    panel.drag(0.5, 0.52)
    near = panel.wait(f"d.curves[0].width < {whole['curves'][0]['width']}")
    assert near["curves"][0]["width"] < whole["curves"][0]["width"]
    lo, hi = near["x"]
    assert 9_800 < lo < 10_100 < hi < 10_700
    assert near["curves"][0]["x"][0] < lo and near["curves"][0]["x"][-1] > hi  # the line goes on to the edges
    assert f"lo={lo}" in page.url and f"hi={hi}" in page.url
    page.reload()
    assert panel.wait()["x"] == [lo, hi]  # a link restores it
    box = panel.box()
    page.mouse.dblclick(box["x"] + 50, box["y"] + 50)
    panel.wait(f"d.curves[0].width === {whole['curves'][0]['width']}")
    page.wait_for_url(re.compile(r"/runs/\w+$"))


def test_steps_beyond_2_53_are_drawn_zoomed_and_told_exactly(page: Page, feeder: Feeder, watch: Watch) -> None:
    """time.time_ns() returns such steps."""
    run = feeder.run("nanoseconds")
    at = 1_764_000_000_123_456_789
    run.points({"single": ([at], [1.0]), "many": ([at + i * 10**9 for i in range(50)], [float(i) for i in range(50)])})
    open_run(page, feeder, run.id)
    single = Panel(page, "single")
    lo, hi = single.wait()["x"]
    assert lo < at < hi
    single.hover(0.5)
    readout = single.root.locator(".readout-where")
    readout.wait_for()
    assert readout.inner_text() == "step 1,764,000,000,123,456,789"
    many = Panel(page, "many")
    whole = many.wait("d.curves[0].total === 50")
    many.drag(0.4, 0.7)
    near = many.wait(f"d.x[0] > {whole['x'][0]}")
    assert whole["x"][0] < near["x"][0] < near["x"][1] < whole["x"][1]
    page.reload()
    assert many.wait()["x"] == near["x"]  # a link restores it


def test_the_keyboard_reads_and_zooms_a_chart(page: Page, feeder: Feeder) -> None:
    run = feeder.run("keys")
    run.points({"loss": (range(101), [float(i) for i in range(101)])})
    open_run(page, feeder, run.id)
    panel = Panel(page, "loss")
    panel.wait()
    panel.root.locator(".panel-plot").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".readout", has_text="step 51").wait_for()
    page.keyboard.press("+")
    assert panel.wait("d.x[0] > 0")["x"] == [25, 76]
    page.keyboard.press("0")
    panel.wait("d.x[0] === 0")


def test_x_is_the_step_the_clock_or_the_time_since_the_start(page: Page, feeder: Feeder) -> None:
    run = feeder.run("axes")
    start = 1_760_000_000.0
    run.points({"loss": ([0, 100, 200], [3.0, 2.0, 1.0])}, start=start, spacing_s=60)
    open_run(page, feeder, run.id)
    panel = Panel(page, "loss")
    assert panel.wait()["curves"][0]["x"] == [0, 100, 200]
    page.get_by_role("radio", name="Wall time").click()
    drawn = panel.wait("d.axis === 'time'")
    assert drawn["curves"][0]["x"] == pytest.approx([start, start + 60, start + 120])
    page.keyboard.press("ArrowRight")
    drawn = panel.wait("d.axis === 'relative'")
    assert drawn["curves"][0]["x"] == pytest.approx([0, 60, 120])
    page.wait_for_url(re.compile("x=relative"))


def test_relative_time_is_the_same_for_every_key(page: Page, feeder: Feeder) -> None:
    run = feeder.run("one-clock")
    start = 1_760_000_000.0
    run.points({"loss": ([0, 1], [3.0, 2.0])}, start=start, spacing_s=60)
    run.points({"accuracy": ([1, 2], [0.5, 0.75])}, start=start + 60, spacing_s=60)
    page.goto(f"{feeder.url}/runs/{run.id}?x=relative")
    assert Panel(page, "loss").wait()["curves"][0]["x"] == pytest.approx([0, 60])
    assert Panel(page, "accuracy").wait()["curves"][0]["x"] == pytest.approx([60, 120])


def test_a_log_scale_says_what_it_cannot_draw(page: Page, feeder: Feeder) -> None:
    run = feeder.run("log")
    run.points({"loss": (range(6), [1000.0, 100.0, 10.0, 1.0, 0.0, -5.0])})
    open_run(page, feeder, run.id)
    panel = Panel(page, "loss")
    panel.wait()
    page.get_by_label("Vertical scale").select_option("log")
    drawn = panel.wait("d.log")
    assert drawn["y"][0] > 0 and drawn["y"][1] > 1000
    assert panel.note() == "2 points ≤ 0 not drawable on a log scale"
    page.wait_for_url(re.compile("y=log"))


def test_nan_infinities_and_lone_points_are_shown(page: Page, feeder: Feeder) -> None:
    run = feeder.run("odd")
    run.points(
        {
            "nan": (range(6), [1.0, math.nan, 2.0, math.inf, -math.inf, 3.0]),
            "only nan": (range(3), [math.nan] * 3),
            "one": ([7], [0.5]),
        }
    )
    open_run(page, feeder, run.id)
    nan = Panel(page, "nan")
    line = nan.wait()["curves"][0]["line"]
    assert [math.isnan(v) for v in line] == [False, True, False, True, True, False]  # broken, not bridged
    assert nan.note() == "1 NaN · 1 +Inf · 1 −Inf"
    only = Panel(page, "only nan")
    only.wait()
    assert only.note() == "3 NaN"
    assert only.coloured_pixels() > 20  # the marks
    one = Panel(page, "one")
    assert one.wait()["x"] == [6, 8]
    assert one.coloured_pixels() > 5  # the dot


def test_what_was_not_reported_is_a_gap(page: Page, feeder: Feeder) -> None:
    run = feeder.run("gap")
    steps = [*range(100), *range(5000, 5100)]
    run.points({"loss": (steps, [1.0] * 200)})
    open_run(page, feeder, run.id, "?x=step")
    curve = Panel(page, "loss").wait()["curves"][0]
    assert [x for x, gap in zip(curve["x"], curve["gap"], strict=True) if gap] == pytest.approx([5000], abs=8)


def test_the_readout_tells_value_extremes_and_step(page: Page, feeder: Feeder) -> None:
    run = feeder.run("readout")
    run.points({"loss": (range(11), [float(i) for i in range(11)])})
    other = feeder.run("readout", rank=1, world_size=2)
    other.points({"loss": (range(11), [float(i) + 2 for i in range(11)])})
    assert other.id == run.id
    open_run(page, feeder, run.id)
    panel = Panel(page, "loss")
    drawn = panel.wait("d.curves[0].total === 22")
    assert drawn["curves"][0]["count"] == [2] * 11  # the ranks are drawn together
    panel.hover(0.5)
    readout = panel.root.locator(".readout")
    readout.wait_for()
    assert readout.locator(".readout-where").inner_text() == "step 5"
    assert readout.locator("b").inner_text() == "6"
    assert readout.locator(".readout-row .readout-detail").inner_text() == "mean of 2 ranks · 5 … 7 · 2 points"


def test_panels_out_of_sight_cost_nothing_until_they_are_scrolled_to(page: Page, feeder: Feeder) -> None:
    run = feeder.run("many keys")
    run.points({f"layer/{i:03}": ([0, 1], [0.0, float(i)]) for i in range(150)})
    asked: list[Any] = []
    page.on("request", lambda r: asked.append(r.post_data_json) if r.url.endswith("/series/buckets") else None)
    open_run(page, feeder, run.id)
    Panel(page, "layer/000").wait()
    assert sum(len(a["selectors"]) for a in asked) < 40
    assert len(asked) <= 2  # together, not one by one
    assert page.locator(".panel").count() == 100
    page.locator('.panel[data-key="layer/099"]').scroll_into_view_if_needed()
    last = Panel(page, "layer/149")
    last.root.wait_for(state="attached")
    last.root.scroll_into_view_if_needed()
    assert last.wait()["curves"][0]["line"] == [0, 149]
    assert page.locator(".panel canvas").count() < 60  # panels far away have no canvas any more
    page.get_by_label("Search metrics").fill("r/07")
    page.wait_for_function("() => document.querySelectorAll('.panel').length === 10")


def test_a_panel_enlarged_is_in_the_link_and_closes_with_escape(page: Page, feeder: Feeder) -> None:
    run = feeder.run("large")
    run.points({"train/loss": (range(10), [1.0] * 10)})
    open_run(page, feeder, run.id)
    Panel(page, "train/loss").wait()
    page.get_by_role("button", name="Enlarge train/loss").click()
    page.locator("dialog .u-over").wait_for()
    page.wait_for_url(re.compile("panel=train%2Floss"))
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")


def test_ranks_are_a_band_or_lines_or_one_of_them(page: Page, feeder: Feeder) -> None:
    ranks = [feeder.run("ranked", rank=rank, world_size=3) for rank in range(3)]
    for rank, run in enumerate(ranks):
        run.points({"loss": (range(10), [i + 10.0 * rank for i in range(10)])})
    open_run(page, feeder, ranks[0].id)
    panel = Panel(page, "loss")
    band = panel.wait("d.curves[0].total === 30")["curves"]
    assert [(c["rank"], c["min"][4], c["line"][4], c["max"][4]) for c in band] == [(None, 4, 14, 24)]
    page.get_by_label("Ranks", exact=True).select_option("each")
    lines = panel.wait("d.curves.length === 3")["curves"]
    assert [(c["name"], c["line"][4]) for c in lines] == [("rank 0", 4), ("rank 1", 14), ("rank 2", 24)]
    assert len({c["color"] for c in lines}) == 3
    page.wait_for_url(re.compile("rank=each"))
    page.get_by_role("list", name="Ranks").get_by_role("button", name="rank 2").click()
    (only,) = panel.wait("d.curves.length === 1 && d.curves[0].rank === 2")["curves"]
    assert only["line"][4] == 24
    page.wait_for_url(re.compile("rank=2"))
    assert page.get_by_label("Attempt", exact=True).count() == 0  # there is but one


def test_the_newest_attempt_is_shown_and_an_older_one_can_be_chosen(page: Page, feeder: Feeder) -> None:
    first = feeder.run("attempts", restart="0")
    first.points({"loss": (range(6), [1.0] * 6)})
    second = feeder.run("attempts", restart="1")
    assert (second.id, second.attempt) == (first.id, 2)
    second.points({"loss": ([4, 5, 6], [2.0] * 3)})
    open_run(page, feeder, first.id)
    panel = Panel(page, "loss")
    assert panel.wait("d.curves[0].total === 7")["curves"][0]["line"] == [1, 1, 1, 1, 2, 2, 2]
    page.get_by_label("Attempt", exact=True).select_option("1")
    assert panel.wait("d.curves[0].total === 6")["curves"][0]["line"] == [1] * 6
    page.get_by_label("Attempt", exact=True).select_option("each")
    lines = panel.wait("d.curves.length === 2")["curves"]
    assert [(c["name"], c["x"], c["line"]) for c in lines] == [
        ("attempt 1", [0, 1, 2, 3, 4, 5], [1] * 6),
        ("attempt 2", [4, 5, 6], [2] * 3),
    ]
    assert len({c["color"] for c in lines}) == 2
    page.wait_for_url(re.compile("attempt=each"))  # the address bar follows a moment later
    page.goto(page.url.replace("each", "all"))  # as in links of before
    panel.wait("d.curves.length === 2")
    expect(page.get_by_label("Attempt", exact=True)).to_have_value("each")
    page.get_by_role("list", name="Attempts").get_by_role("button", name="attempt 1").click()
    panel.wait("d.curves.length === 1 && d.curves[0].attempt === 1")


def test_runs_of_different_lengths_are_drawn_in_the_same_slices(page: Page, feeder: Feeder) -> None:
    short, long = feeder.run("short", project="grid"), feeder.run("long", project="grid")
    short.points({"loss": (range(500), [1.0] * 500)})
    long.points({"loss": (range(20_000), [2.0] * 20_000)})
    page.goto(f"{feeder.url}/compare?runs={short.id},{long.id}")
    one, other = Panel(page, "loss").wait("d.curves.length === 2")["curves"]
    assert one["width"] == other["width"] > 1
    assert set(one["start"]) <= set(other["start"])


def test_several_runs_lie_over_each_other(page: Page, feeder: Feeder) -> None:
    runs = [feeder.run(name, project="overlay") for name in ("first", "second", "third")]
    for i, run in enumerate(runs):
        run.points({"loss": (range(10), [float(i)] * 10)})
    page.goto(f"{feeder.url}/projects/{runs[0].project}")
    for name in ("first", "second"):
        page.get_by_label(f"Pick {name}").check()
    page.get_by_role("button", name="Draw only these").click()
    panel = Panel(page, "loss")
    drawn = panel.wait("d.curves.length === 2")
    assert {c["name"]: c["line"][0] for c in drawn["curves"]} == {"first": 0, "second": 1}
    page.get_by_role("radio", name="Charts", exact=True).click()
    page.locator(".legend").get_by_role("button", name="first").click()
    assert panel.wait("d.curves.length === 1")["curves"][0]["name"] == "second"
    page.wait_for_url(re.compile(f"runs=.*hide={runs[0].id}"))


def test_of_many_runs_lines_differ_by_dash_and_the_best_are_read_first(page: Page, feeder: Feeder) -> None:
    runs = [feeder.run(f"run {i:02}", project="many") for i in range(24)]
    for i, run in enumerate(runs):
        steps = range(50 if i < 23 else 10)  # the last, whose loss would be the highest, ended early
        run.points({"loss": (steps, [1.0 + i] * len(steps)), "accuracy": (steps, [1.0 + i] * len(steps))})
    page.goto(f"{feeder.url}/compare?runs={','.join(run.id for run in runs)}&lo=25&hi=49")
    loss, accuracy = Panel(page, "loss"), Panel(page, "accuracy")
    curves = loss.wait("d.curves.length === 23")["curves"]
    assert len({(c["color"], tuple(c["dash"])) for c in curves}) == 23
    assert [bool(c["dash"]) for c in sorted(curves, key=lambda c: str(c["name"]))] == [False] * 10 + [True] * 13
    expect(page.locator(".legend i")).to_have_count(10)
    expect(page.locator(".legend svg.swatch")).to_have_count(14)
    for panel, names in (
        (loss, "run 00, run 01, run 02, run 03, 3 more"),
        (accuracy, "run 22, run 21, run 20, run 19, 3 more"),
    ):
        accuracy.wait("d.curves.length === 23")
        panel.hover(0.5)
        readout = panel.root.locator(".readout")
        readout.wait_for()
        rows = readout.locator(".readout-name, :scope > .readout-detail").all_inner_texts()
        assert ", ".join(rows).startswith(names), rows
        assert rows[-1].endswith(" more") and len(rows) == 14
        assert "run 23" not in rows, "it has nothing in this window"
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/many.png", full_page=True)


def test_one_run_that_is_gone_does_not_hide_the_others(page: Page, feeder: Feeder) -> None:
    run = feeder.run("still there")
    run.points({"loss": ([0], [1.0])})
    page.goto(f"{feeder.url}/compare?runs={run.id},ffffffffffff")
    Panel(page, "loss").wait()
    assert "1 run cannot be shown: ffffffffffff" in page.get_by_role("alert").inner_text()


def test_nonsense_in_the_link_shows_the_plain_page(page: Page, feeder: Feeder) -> None:
    run = feeder.run("nonsense")
    run.points({"loss": ([0, 1], [1.0, 2.0])})
    open_run(page, feeder, run.id, "?x=<script>&smooth=1e999&lo=9&hi=1&hide=%00,;&tab=%ff&y=%25")
    drawn = Panel(page, "loss").wait()
    assert (drawn["axis"], drawn["x"], drawn["curves"][0]["raw"]) == ("step", [0, 1], None)
