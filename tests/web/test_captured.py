"""The overview's sections on what surrounds a run."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .feeder import Feeder


def test_environment_git_and_paper_are_shown_and_the_diff_when_asked_for(page: Page, feeder: Feeder) -> None:
    run = feeder.run("captured")
    commit = "0123456789abcdef0123456789abcdef01234567"
    git = {
        "hash": commit,
        "origin": "git@github.com:org/repo.git",
        "branch": "main",
        "dirty": True,
        "diff": "+lr = 2\n",
    }
    around = {"packages": {"torch": "2.8.0"}, "variables": {"OMP_NUM_THREADS": "4", "HF_HOME": "/cache"}}
    run.event("packages", python="3.11.7", system={"cpu": "A processor"}, git=git, **around)
    run.event("repo", package="voxnet", commit=commit, remote="https://example.org/voxnet", branch=None, dirty=False)
    run.event("paper", text="# Results\n\n<b>as text</b>")
    page.goto(f"{feeder.url}/runs/{run.id}?tab=overview")
    page.get_by_text("A processor").wait_for()
    page.get_by_text("1 package").click()
    expect(page.get_by_text("2.8.0")).to_be_visible()
    page.get_by_text("2 environment variables").click()
    expect(page.get_by_text("OMP_NUM_THREADS")).to_be_visible()
    link = page.get_by_role("link", name="0123456789")
    expect(link).to_have_count(1)
    assert link.get_attribute("href") == f"https://github.com/org/repo/commit/{commit}"
    expect(page.get_by_text("voxnet", exact=True)).to_be_visible()
    expect(page.get_by_text("<b>as text</b>")).to_be_visible()
    page.get_by_text("diff, 8 characters").click()
    expect(page.get_by_text("+lr = 2")).to_be_visible()
