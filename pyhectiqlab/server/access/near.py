"""Names like one that nothing has, among those that the caller can see anyway: for answers that find nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ...store.meta import MetaView

NAMES_MAX = 200  # names that are compared; each takes up to 0.1 ms
CHARACTERS_MAX = 64  # longer names are not compared


def near_project(view: MetaView, user_id: str, name: str) -> str:
    """Return " Did you mean 'playground'?", or "". Blocks on the database."""
    return _like(name, (project.name for project in view.projects(NAMES_MAX, seen_by=user_id)))


def near_run(view: MetaView, user_id: str, ref: str) -> str:
    """Like `near_project`, among the runs that were made last; for PROJECT/NAME, among those of that project."""
    near = _like(ref, view.newest_names(user_id, None, NAMES_MAX))
    if near or "/" not in ref:
        return near
    place, _, name = ref.partition("/")
    project = view.project(place)
    if project is None or view.role_in(project.id, user_id) is None:
        return ""
    return _like(name, view.newest_names(user_id, project.id, NAMES_MAX))


def _like(name: str, names: Iterable[str]) -> str:
    if len(name) > CHARACTERS_MAX:
        return ""
    short = {other.lower(): other for other in names if len(other) <= CHARACTERS_MAX}
    near = difflib.get_close_matches(name.lower(), short, n=1, cutoff=0.7)
    return f" Did you mean {short[near[0]]!r}?" if near else ""
