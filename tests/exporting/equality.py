"""All that a lab tells about a project, in a form in which two labs can be compared."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

from pyhectiqlab.transport.http import LabClient, quoted

from ..process.conftest import Site
from .test_export import exported

OWN = {"id", "url", "project", "project_id", "can_write", "uuid", "run", "writer", "seq"}  # different in each lab
DERIVED = ("writers", "duration", "session_count")


def without_own(value: Any, own: Set[str] = OWN) -> Any:
    """Return what does not depend on which lab it is in."""
    if isinstance(value, dict):
        return {name: without_own(inner, own) for name, inner in value.items() if name not in own}
    return [without_own(inner, own) for inner in value] if isinstance(value, list) else value


def whole(site: Site, project: str) -> dict[str, Any]:
    """Return everything that a lab says of a project except ids and links: part → name → value."""
    with site.client() as lab:
        at = f"/projects/{lab.get(f'/projects/{quoted(project)}')['id']}"
        runs = [
            run
            for archived in ("false", "true")
            for run in lab.pages("/runs", {"project": project, "filter": f"archived={archived}", "limit": 1000})
        ]
        names = {run["id"]: run["name"] for run in runs}
        by_name = {
            "the project": {
                **{name: lab.get(at)[name] for name in ("created", "objective", "private", "archived")},
                "views": list(lab.pages(f"{at}/views", {"documents": "true"})),
                "artifacts": list(lab.pages(f"{at}/artifacts", {"versions": "all"})),
                **{kind: _versions(lab, f"{at}/{kind}", names) for kind in ("models", "datasets")},
            },
            **{run["name"]: whole_run(lab, run["id"], names) for run in runs},
        }
    # Whoever imports becomes the author of what belongs to no run.
    by_name["the project"] = without_own(by_name["the project"], OWN | {"author"})
    simple: dict[str, Any] = without_own(by_name)
    return simple


def _versions(lab: LabClient, at: str, names: dict[str, str]) -> list[dict[str, Any]]:
    versions = []
    for named in lab.pages(at):
        for row in lab.pages(f"{at}/{quoted(named['name'])}/versions"):
            one = lab.get(f"{at}/{quoted(row['name'])}/versions/{quoted(row['version'])}")
            one["made by"] = one["run"] and names.get(one["run"]["id"])
            one["used by"] = sorted(names[run["id"]] for run in one.pop("used_by"))
            versions.append(one)
    return versions


def whole_run(lab: LabClient, run_id: str, names: dict[str, str]) -> dict[str, Any]:
    at = f"/runs/{run_id}"
    page: dict[str, Any] = lab.get(at)
    page["sessions"] = [one for one in lab.pages(f"{at}/sessions") if one["cause"] != "imported"]
    for name in DERIVED:
        page.pop(name)
    if page["fork"] is not None:
        page["fork"]["parent"] = names.get(page["fork"]["parent"])
    page["config"] = repr(lab.config(run_id))  # NaN is not equal to itself
    page["configs"] = [repr(lab.config(run_id, n)) for n in page["config_attempts"]]
    page["metas"] = [lab.get(f"{at}/meta", {"attempt": n}) for n in page["meta_attempts"]]
    page["all events"] = [repr(without_own(event)) for events, _ in lab.events_behind(at, None) for event in events]
    page["keys"] = list(lab.pages(f"{at}/keys", {"limit": 1000}))
    rows = [
        (key, *point)
        for key, points, _ in lab.points_of_keys(run_id, [(info["key"], None) for info in page["keys"]])
        for point in zip(points.rank, points.attempt, points.step, points.value, points.time_us, strict=True)
    ]
    # Compare each series (a key of a rank and attempt) in its order, by repr, because NaN does not equal NaN.
    page["all points"] = [repr(row) for row in sorted(rows, key=lambda row: row[:3])]
    page["relative"] = list(lab.pages(f"{at}/attempts"))
    page["artifacts"] = list(lab.pages(f"{at}/artifacts", {"versions": "all"}))
    page["media"] = list(lab.pages(f"{at}/media"))
    page["logs"] = list(lab.pages(f"{at}/logs"))
    page["all of the capture"] = lab.get(f"{at}/capture")
    return page


def assert_equal(got: dict[str, Any], want: dict[str, Any]) -> None:
    """Compare what `whole` told, item by item, so that a failure names the item."""
    assert got.keys() == want.keys()
    for part, its in want.items():
        for name, value in its.items():
            assert got[part][name] == value, (part, name, got[part][name], value)
        assert got[part].keys() == its.keys(), part


def brought_equal(source: Site, target: Site, folder: Path, project: str) -> dict[str, Any]:
    """Export a project, import it into another lab, and compare. Return what that lab tells of it."""
    exported(source, project, str(folder))
    done = target.cli("import", "folder", str(folder))
    assert (done.returncode, done.stderr) == (0, ""), done
    want, got = whole(source, project), whole(target, project)
    assert_equal(got, want)
    return got
