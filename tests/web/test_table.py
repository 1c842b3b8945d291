"""The table of a project's runs: many rows, chosen columns, sorts by several values, NaN, picking."""

from __future__ import annotations

import re
import threading
import uuid

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from .feeder import Feeder
from .panels import Panel


def names(page: Page) -> Locator:
    return page.locator("tbody .run-name a")


def column(page: Page, label: str) -> list[str]:
    """Return the texts below a head, row by row."""
    heads = page.locator("thead th").all_inner_texts()
    at = next(i for i, text in enumerate(heads) if text.split("\n")[0].strip() == label)
    return page.locator(f"tbody tr > *:nth-child({at + 1})").all_inner_texts()


@pytest.fixture
def sweep(feeder: Feeder) -> str:
    """Make four runs of ten metrics each: lr and hidden differ, epochs and the name of the model do not."""
    project = f"sweep-{uuid.uuid4().hex[:6]}"
    for n in range(4):
        run = feeder.run(f"trial-{n}", project=project)
        run.event(
            "config", values={"lr": 0.1 / (n + 1), "hidden": 64 * (1 + n % 2), "epochs": 9, "model": {"name": "vit"}}
        )
        nan = float("nan")
        run.points({"valid/loss": ([0, 1], [2.0 - n / 8, nan if n == 2 else 1.0 + n])})
        run.points({f"grad/{i}": ([0], [float(i)]) for i in range(9)})
        run.end("failed" if n == 3 else "completed", cause="exception", detail="ValueError: boom")
    return project


def test_a_table_of_many_runs_is_scrolled_with_few_rows_in_the_page(page: Page, feeder: Feeder) -> None:
    project = f"many-{uuid.uuid4().hex[:6]}"
    feeder.runs([f"many-{n:03}" for n in range(160)], project)
    page.goto(f"{feeder.url}/projects/{project}?sort=name&pane=table")
    expect(names(page).first).to_have_text("many-000")
    expect(page.get_by_role("status").filter(has_text="160 runs")).to_be_visible()
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "161")
    assert page.locator("tbody tr").count() < 80
    table = page.get_by_role("region", name="Runs")
    table.evaluate("e => e.scrollTo(0, e.scrollHeight)")
    expect(names(page).last).to_have_text("many-159")
    shown = names(page).all_inner_texts()
    assert shown == sorted(shown) and len(set(shown)) == len(shown)
    table.evaluate("e => e.scrollTo(0, 35 * 120)")
    expect(names(page).filter(has_text="many-125")).to_be_visible()
    expect(names(page).filter(has_text="many-125")).to_be_in_viewport()
    top = table.evaluate("e => e.scrollTop")
    page.get_by_role("link", name="many-125").click()
    page.get_by_role("heading", name="many-125").wait_for()
    page.go_back()
    expect(names(page).filter(has_text="many-125")).to_be_in_viewport()
    assert table.evaluate("e => e.scrollTop") == top
    page.get_by_role("button", name="Name").click()
    expect(names(page).first).to_have_text("many-159")  # at the top again


def test_columns_that_come_late_leave_the_rows_that_a_reader_scrolled_to(page: Page, feeder: Feeder) -> None:
    project = f"late-{uuid.uuid4().hex[:6]}"
    feeder.runs([f"late-{n:03}" for n in range(160)], project, lambda n: {"loss": ([0], [n / 160])})
    held: list[Route] = []
    released = threading.Event()
    page.route("**/table/columns?*", lambda route: route.continue_() if released.is_set() else held.append(route))
    page.goto(f"{feeder.url}/projects/{project}?sort=name&pane=table")
    expect(names(page).first).to_have_text("late-000")
    page.get_by_role("region", name="Runs").evaluate("e => e.scrollTo(0, 35 * 120)")
    expect(names(page).filter(has_text="late-125")).to_be_visible()
    page.evaluate(
        """() => {
            window.gaps = 0;
            const look = () => { window.gaps += document.querySelectorAll('tbody tr.gap').length; };
            new MutationObserver(look).observe(document.querySelector('tbody'), { childList: true, subtree: true });
        }"""
    )
    released.set()
    for route in held:
        route.continue_()
    expect(page.get_by_role("columnheader", name="loss")).to_be_visible()
    expect(page.locator("tbody tr", has_text="late-125").get_by_text("0.78", exact=False)).to_be_visible()
    assert page.evaluate("window.gaps") == 0


def test_what_tells_the_runs_apart_is_shown_first_and_any_metric_is_a_column(
    page: Page, sweep: str, feeder: Feeder
) -> None:
    page.goto(f"{feeder.url}/projects/{sweep}?sort=name")
    expect(names(page)).to_have_text([f"trial-{n}" for n in range(4)])
    expect(page.get_by_role("columnheader", name="hidden")).to_be_visible()
    page.wait_for_function("() => !document.querySelector('tbody').innerText.includes('…')")
    assert column(page, "hidden") == ["64", "128", "64", "128"] and column(page, "lr") == [
        "0.100000",
        "0.050000",
        "0.033333",
        "0.025000",
    ]
    assert page.get_by_role("columnheader", name="epochs").count() == 0
    page.get_by_role("button", name="Columns").click()
    dialog = page.get_by_role("dialog", name="Columns")
    box = dialog.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= page.evaluate("innerWidth")
    dialog.get_by_label("Search columns").fill("valid")
    dialog.get_by_label("Which value of a metric").select_option("min")
    dialog.get_by_label("min valid/loss").check()
    dialog.get_by_label("Which value of a metric").select_option("last")
    if not dialog.get_by_label("valid/loss", exact=True).is_checked():
        dialog.get_by_label("valid/loss", exact=True).check()
    dialog.get_by_role("button", name="Hide Points").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("columnheader", name="min valid/loss")).to_be_visible()
    page.wait_for_function("() => !document.querySelector('tbody').innerText.includes('…')")
    assert column(page, "min valid/loss") == ["1.000", "1.875", "1.750", "1.625"]
    assert column(page, "valid/loss") == ["1", "2", "NaN", "4"]
    expect(page.locator("td.not-finite")).to_have_text("NaN")
    assert page.get_by_role("columnheader", name="Points").count() == 0
    # The link has the columns, and so has this browser.
    assert "col=" in page.url
    page.goto(f"{feeder.url}/projects/{sweep}")
    expect(page.get_by_role("columnheader", name="min valid/loss")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="As at first").click()
    expect(page.get_by_role("columnheader", name="min valid/loss")).to_have_count(0)


def test_sorts_by_several_values_with_nan_behind_all_numbers(page: Page, sweep: str, feeder: Feeder) -> None:
    page.goto(f'{feeder.url}/projects/{sweep}?pane=table&col=state&col=config."hidden"&col=metric."valid/loss".last')
    page.get_by_role("button", name="valid/loss", exact=True).click()
    expect(names(page)).to_have_text(["trial-0", "trial-1", "trial-3", "trial-2"])
    page.get_by_role("button", name="valid/loss", exact=True).click()
    expect(names(page)).to_have_text(["trial-3", "trial-1", "trial-0", "trial-2"])
    page.get_by_role("button", name="hidden", exact=True).click()
    expect(page.get_by_role("columnheader", name="hidden")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="valid/loss", exact=True).click(modifiers=["Shift"])
    expect(names(page)).to_have_text(["trial-0", "trial-2", "trial-1", "trial-3"])
    page.wait_for_url(re.compile("sort=.*sort="))
    page.reload()
    expect(names(page)).to_have_text(["trial-0", "trial-2", "trial-1", "trial-3"])
    expect(page.locator("tr", has_text="trial-3").locator(".why")).to_have_text("exception")  # why it ended, in the row
    # A column is shaded from its least value to its greatest, NaN is not; and it is hidden by its menu.
    page.get_by_role("columnheader", name="valid/loss").hover()
    page.get_by_role("button", name="Menu of valid/loss").click()
    page.get_by_role("menuitemcheckbox", name="Shade by value").press("Enter")
    cell = page.locator("tbody tr td:nth-child(6)")
    expect(cell).to_have_text(["1", "NaN", "2", "4"])
    page.wait_for_function("() => document.querySelector('tbody td:nth-child(6)').style.background.includes('4%')")
    shades = cell.evaluate_all("all => all.map(e => /(\\d+)%/.exec(e.style.background)?.[1] ?? '')")
    assert shades == ["4", "", "17", "44"]
    page.wait_for_url(re.compile("heat=metric"))
    page.get_by_role("button", name="Menu of hidden").click()
    page.get_by_role("menuitem", name="Hide").click()
    expect(page.get_by_role("columnheader", name="hidden")).to_have_count(0)


def test_rows_are_picked_by_range_or_all_that_match(page: Page, feeder: Feeder) -> None:
    feeder.runs([f"pick-{n:03}" for n in range(120)], "picking")
    page.goto(f"{feeder.url}/projects/picking?sort=name&pane=table")
    picked = page.locator(".picked .num")
    page.get_by_label("Pick pick-003").click()
    page.get_by_label("Pick pick-006").click(modifiers=["Shift"])
    expect(picked).to_have_text("4 runs picked")
    page.get_by_label("Pick pick-005").click(modifiers=["Shift"])
    expect(picked).to_have_text("2 runs picked")  # 5 and 6 were unticked
    page.get_by_label("Pick pick-000").click()
    page.get_by_role("region", name="Runs").evaluate("e => e.scrollTo(0, e.scrollHeight)")
    page.get_by_label("Pick pick-119").click(modifiers=["Shift"])  # also rows that were never loaded
    expect(picked).to_have_text("120 runs picked")
    page.get_by_label("Pick all 120 runs").click()
    expect(picked).to_have_count(0)
    page.get_by_label("Search runs").fill("name~pick-11")
    expect(page.get_by_role("status").filter(has_text="10 runs")).to_be_visible()
    page.get_by_label("Pick all 10 runs").click()
    expect(picked).to_have_text("10 runs picked")
    page.get_by_role("button", name="Tag", exact=True).click()
    field = page.get_by_role("combobox", name="Tag for 10 runs")
    field.fill("late")
    field.press("Enter")
    expect(page.get_by_text("Tagged 10 runs late.")).to_be_visible()


def test_columns_are_pinned_and_resized_and_stay_so(page: Page, sweep: str, feeder: Feeder) -> None:
    columns = "".join(f"&col={name}" for name in ("state", "author", "config.lr", "config.hidden", "points", "started"))
    page.set_viewport_size({"width": 700, "height": 700})
    page.goto(f"{feeder.url}/projects/{sweep}?sort=name&pane=table{columns}")
    expect(names(page)).to_have_text([f"trial-{n}" for n in range(4)])
    heads = page.locator("thead th:nth-child(n + 4)")
    expect(heads.first).to_contain_text("State")
    page.get_by_role("button", name="Menu of hidden").click()
    page.get_by_role("menuitemcheckbox", name="Pin").click()
    expect(heads.first).to_contain_text("hidden")
    # The edge of its head makes it wider, by hand and by keys; it stays where it is while the others scroll.
    edge = page.get_by_role("separator", name="Width of hidden")
    before = heads.first.bounding_box()
    assert before is not None
    edge.hover()
    page.mouse.down()
    page.mouse.move(before["x"] + 180, before["y"] + 5, steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile("wide=180"))
    edge.press("ArrowLeft")
    page.wait_for_url(re.compile("wide=170"))
    page.get_by_role("separator", name="Width of State").press("ArrowRight")
    page.wait_for_url(re.compile("wide=.*wide="))

    def seen() -> tuple[float, float]:
        box = heads.first.bounding_box()
        assert box is not None
        return box["x"], box["width"]

    table = page.get_by_role("region", name="Runs")
    place = seen()
    assert place[1] == pytest.approx(170, abs=1)
    table.evaluate("e => e.scrollTo(300, 0)")
    assert table.evaluate("e => e.scrollLeft") > 50 and seen() == place
    # The link has it, and so has this browser.
    page.reload()
    expect(heads.first).to_contain_text("hidden")
    page.goto(f"{feeder.url}/projects/{sweep}?sort=name&pane=table{columns}")
    expect(heads.first).to_contain_text("hidden")
    assert seen()[1] == pytest.approx(170, abs=1)
    page.get_by_role("separator", name="Width of hidden").dblclick()
    page.get_by_role("button", name="Menu of hidden").click()
    page.get_by_role("menuitemcheckbox", name="Pin").click()
    expect(heads.first).to_contain_text("State")


def test_runs_are_sorted_by_where_the_smoothed_lines_of_the_charts_end(page: Page, feeder: Feeder) -> None:
    """The last value says another order; the column has the number with which the line in the chart ends."""
    project = f"smoothed-{uuid.uuid4().hex[:6]}"
    for n, (course, last) in enumerate([(3.0, 0.0), (1.0, 9.0), (2.0, 5.0)]):
        feeder.run(f"trial-{n}", project=project).points({"loss": (list(range(100)), [course] * 99 + [last])})
    page.goto(f'{feeder.url}/projects/{project}?sort=name&col=metric."loss".last')
    expect(names(page)).to_have_text(["trial-0", "trial-1", "trial-2"])
    page.get_by_role("button", name="Menu of loss").click()
    expect(page.get_by_role("menuitem", name="Hide")).to_be_visible()
    expect(page.get_by_role("menuitem", name=re.compile("Add smoothed"))).to_have_count(0)
    page.keyboard.press("Escape")
    page.goto(f'{feeder.url}/projects/{project}?sort=name&col=metric."loss".last&smooth=mean,20')
    page.get_by_role("button", name="Menu of loss").click()
    page.get_by_role("menuitem", name="Add smoothed (mean, 20 steps)").click()
    label = "loss smoothed (mean, 20 steps)"
    page.get_by_role("button", name=label, exact=True).click()
    expect(names(page)).to_have_text(["trial-1", "trial-2", "trial-0"])
    page.wait_for_function("() => !document.querySelector('tbody').innerText.includes('…')")
    curves = {curve["name"]: curve["line"] for curve in Panel(page, "loss").wait("d.curves.length === 3")["curves"]}
    shown = dict(zip(names(page).all_inner_texts(), map(float, column(page, label)), strict=True))
    assert {name: round(line[-1], 4) for name, line in curves.items()} == {n: round(v, 4) for n, v in shown.items()}
    assert shown["trial-0"] == round((20 * 3.0 + 0.0) / 21, 4)
    page.reload()
    expect(names(page)).to_have_text(["trial-1", "trial-2", "trial-0"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Which value of a metric").select_option(label="smoothed (mean, 20 steps)")
    expect(page.get_by_role("checkbox", name=label)).to_be_checked()
