"""Over which metric a chart is drawn: what its run asked for, and what a reader chooses. How sections share rows."""

from __future__ import annotations

import re
import statistics

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser
SERIES = "panel => panel.series && panel.series.length ? panel.series.map(s => [s.name, [...s.x], [...s.y]]) : null"


def drawn(page: Page, key: str) -> object:
    panel = page.locator(f'.panel[data-key="{key}"]')
    handle = page.wait_for_function(f"panel => ({SERIES})(panel)", arg=panel.element_handle())
    return handle.json_value()


def test_a_metric_is_drawn_over_the_one_that_its_run_asks_for_or_that_a_reader_chooses(
    page: Page, feeder: Feeder
) -> None:
    runs = [feeder.run(name, project="asked axes") for name in ("a", "b")]
    for n, run in enumerate(runs):
        run.event("meta", key="x_axes", value={"valid/*": "epoch", "lonely": "absent"})
        steps, half = [10, 20, 30], [0.5, 1.0, 1.5]
        run.points({"epoch": (steps, half), "valid/loss": (steps, [3.0 - n, 2.0, 1.0]), "lonely": (steps, half)})
    page.goto(f"{feeder.url}/projects/asked axes?pane=charts&sort=name")
    wanted = [["a", [0.5, 1.0, 1.5], [3, 2, 1]], ["b", [0.5, 1.0, 1.5], [2, 2, 1]]]
    assert drawn(page, "valid/loss") == wanted
    Panel(page, "lonely").wait("d.curves.length === 2 && d.curves[0].x[0] === 10")  # nothing could be drawn over it

    loss = Panel(page, "valid/loss")
    loss.root.get_by_label("Settings of valid/loss").click()
    over = page.get_by_label("Over which metric")
    expect(over).to_have_value("epoch")
    over.select_option("As the page")
    loss.wait("d.curves.length === 2 && d.curves[0].x[0] === 10")
    page.keyboard.press("Escape")
    page.reload()  # it is kept
    loss.wait("d.curves.length === 2 && d.curves[0].x[0] === 10")

    epoch = page.locator('.panel[data-key="epoch"]')
    epoch.get_by_label("Settings of epoch").click()
    over.select_option("valid/loss")
    assert drawn(page, "epoch") == [["a", [3, 2, 1], [0.5, 1.0, 1.5]], ["b", [2, 2, 1], [0.5, 1.0, 1.5]]]
    page.goto(f"{feeder.url}/runs/{runs[0].id}?x=time")
    assert drawn(page, "epoch") == [["a", [3, 2, 1], [0.5, 1.0, 1.5]]], "what a reader chose holds for any axis"
    Panel(page, "lonely").wait()


def test_a_chart_over_another_metric_is_smoothed_and_zoomed(page: Page, feeder: Feeder) -> None:
    """Smoothed over the steps, as the other lines are; zoomed in its own x, and in the steps of the page."""
    run = feeder.run("zoomed", project="zoomed axes")
    steps = list(range(100))
    loss = [10.0 - step / 20 + (step % 3) for step in steps]
    run.event("meta", key="x_axes", value={"loss": "epoch"})
    run.points({"epoch": (steps, [step / 10 for step in steps]), "loss": (steps, loss)})
    page.goto(f"{feeder.url}/runs/{run.id}?smooth=mean,6")
    panel = page.locator('.panel[data-key="loss"]')

    def seen(condition: str) -> tuple[list[float], list[float]]:
        script = f"panel => {{ const s = ({SERIES})(panel); return s && ({condition})(s[0][1]) ? s : null; }}"
        panel.wait_for()
        ((_, x, y),) = page.wait_for_function(script, arg=panel.element_handle()).json_value()
        return x, y

    def smoothed(step: int) -> float:
        return statistics.fmean(loss[max(0, step - 6) : step + 7])

    x, y = seen("x => x.length === 100")
    assert y == pytest.approx([smoothed(step) for step in steps])
    expect(panel.locator(".panel-note")).to_contain_text("smoothed over the steps")
    box = panel.locator(".panel-plot svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
    page.mouse.up()
    x, y = seen("x => x.length > 5 && x.length < 40")
    assert 3 < x[0] < x[-1] < 7 and y == pytest.approx([smoothed(round(10 * at)) for at in x])
    expect(panel.locator(".panel-note").last).to_contain_text("epoch")
    page.wait_for_url(re.compile("zoom="))  # it is in the link, and goes with it
    link = page.url
    page.reload()
    assert seen("x => x.length > 5 && x.length < 40") == (x, y)
    page.go_back()
    seen("x => x.length === 100")
    page.go_forward()
    assert seen("x => x.length < 40") == (x, y)
    panel.get_by_role("button", name="Show all of epoch").click()
    seen("x => x.length === 100")
    expect(page).not_to_have_url(re.compile("zoom="))
    page.goto(link.replace("epoch", "other"))  # another x: no range of this chart
    seen("x => x.length === 100")
    page.goto(link)
    seen("x => x.length < 40")
    plot = panel.locator(".panel-plot")
    plot.focus()
    page.keyboard.press("+")
    seen(f"x => x.length < {len(x)}")
    page.keyboard.press("0")
    seen("x => x.length === 100")
    page.goto(f"{feeder.url}/runs/{run.id}?lo=20&hi=40")
    x, y = seen("x => x.length === 21")
    assert (x[0], x[-1]) == (2.0, 4.0) and y == loss[20:41]
    page.goto(f"{feeder.url}/runs/{run.id}?zoom=3,7,epoch,loss")
    seen("x => x[0] <= 3 && x.at(-1) >= 7 && x.length < 45")
    plot.dblclick()
    seen("x => x.length === 100")
    expect(page).to_have_url(f"{feeder.url}/runs/{run.id}")


def test_sections_of_one_chart_stand_beside_each_other_and_no_room_is_left(page: Page, feeder: Feeder) -> None:
    run = feeder.run("sections", project="sections")
    run.points({key: ([0, 1], [1.0, 2.0]) for key in ("a/x", "b/x", *(f"c/{n}" for n in range(3)), "d/x")})
    page.goto(f"{feeder.url}/runs/{run.id}")
    expect(page.locator(".panel[data-state=drawn]").first).to_be_visible()
    boxes = {
        name: page.locator("details.group")
        .filter(has=page.get_by_role("heading", name=name, exact=True))
        .bounding_box()
        for name in "abcd"
    }
    a, b, c, d = (box for box in boxes.values() if box)
    assert a["y"] == b["y"] < c["y"] < d["y"] and b["x"] > a["x"] + a["width"]
    assert c["width"] == d["width"] == pytest.approx(a["width"] + b["width"] + 12, abs=1)
    inside = page.locator('.panel[data-key="d/x"]').bounding_box()
    assert inside and inside["width"] == pytest.approx(d["width"], abs=1)


def test_each_value_of_a_metric_is_chosen_as_a_column(page: Page, feeder: Feeder) -> None:
    run = feeder.run("values", project="values of metrics")
    run.points({"loss": ([5, 7, 9], [4.0, 1.0, float("nan")])})
    page.goto(f"{feeder.url}/projects/values of metrics?pane=table&col=state")
    page.get_by_role("button", name="Columns").click()
    shown = {"mean": "2.5", "first": "4", "step of min": "7", "number of NaN": "1"}
    for stat in shown:
        page.get_by_label("Which value of a metric").select_option(stat)
        page.get_by_role("checkbox", name=re.compile("loss")).check()
    page.keyboard.press("Escape")
    expect(page.locator("td.value")).to_have_text([re.compile(f"^{text}(\\.0+)?$") for text in shown.values()])
    heads = ["mean loss", "first loss", "step of min loss", "NaN in loss"]
    assert [page.get_by_role("button", name=name, exact=True).count() for name in heads] == [1] * 4
