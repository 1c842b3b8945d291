"""All that an export keeps of a run beside points, in one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack
from fastapi import Request, Response

from ...protocol import limits
from ...store.artifacts import ArtifactQuery
from ..access.access import ReadableRun, TheCaller, TheLab
from ..http.replies import LIMIT_MAX, MSGPACK, cursor_in, cursor_out, in_blocks
from ..models import models, models_runs
from ..models.answers import answer, artifact_answer
from ..turns.bodies import BodyRoute
from .artifacts import place_of
from .common import After, Router, answers, base_url
from .runs import run_page

router = Router(tags=["runs"], route_class=BodyRoute)
_NOTE = {"description": "Always msgpack.", "content": {MSGPACK: {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/runs/{run_id}/record", response_model=None, responses={**answers(models.Empty, 200, 404, 410), 200: _NOTE}
)
def get_record(
    run: ReadableRun, request: Request, lab: TheLab, caller: TheCaller, events_after: After = None
) -> Response:
    """All of a run but its points: {page, config, configs, metas, events, keys, sessions, attempts, artifacts}.

    `page` is as of GET /runs/{run_id}, without config. `configs` and `metas` are by attempt. The others are
    first pages of the lists of these names: {items, next, end}. A list goes on at `next`. What would make the answer
    too large is left out of `configs` and `metas`, and of lists, and their own routes have it.
    """
    behind = cursor_in(events_after, int)
    page = run_page(run, request, lab, caller)
    base = base_url(request)
    parts = _Parts()
    with lab.meta.reading() as view:
        parts.add("config", page.pop("config"))
        parts.add("page", page)
        configs = ((n, view.attempt_config(run.id, n)) for n in page["config_attempts"])
        parts.add_map("configs", ((str(n), its[1] if its else {}) for n, its in configs))
        parts.add_map("metas", ((str(n), view.meta(run.id, n)) for n in page["meta_attempts"]))
        sessions = view.sessions(run.id, LIMIT_MAX + 1)
        asked = ArtifactQuery(run.id, None, None, None, True, LIMIT_MAX + 1, None)
        parts.add_list(
            "sessions",
            ((answer(models_runs.SessionAnswer, s), [s.attempt, s.rank, s.started, s.session]) for s in sessions),
        )
        parts.add_list("artifacts", ((artifact_answer(one, base), place_of(one)) for one in view.artifacts(asked)))
        events = view.events(run.id, None, LIMIT_MAX + 1, behind[0] if behind else 0)
        parts.add_list("events", ((answer(models_runs.EventAnswer, event), [event.id]) for event in events))
    zeros = lab.points.origins(run.id, 0, LIMIT_MAX + 1)
    parts.add_list("attempts", (({"attempt": n, "zero": zero / 1e6}, [n]) for n, zero in zeros.items()))
    infos = lab.points.keys(run.id, "", "", LIMIT_MAX + 1)
    parts.add_list("keys", (({"key": info.key, "count": info.count}, [info.key]) for info in infos))
    return in_blocks(parts.packed(), MSGPACK)


class _Parts:
    """The parts of an answer, each packed when it comes. Together they take no more than a page may, and one item."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._left = limits.ANSWER_BYTES_MAX
        self._count = 0

    def packed(self) -> list[bytes]:
        head: bytes = msgpack.Packer().pack_map_header(self._count)
        return [head, *self._parts]

    def add(self, name: str, value: Any) -> None:
        self._start(name)
        self._put(msgpack.packb(value))

    def add_map(self, name: str, items: Iterable[tuple[str, Any]]) -> None:
        """Add as many items as there is room for."""
        kept: list[bytes] = []
        for key, value in items:
            if self._left <= 0:
                break
            kept.append(msgpack.packb(key) + msgpack.packb(value))
            self._left -= len(kept[-1])
        self._start(name)
        self._parts += [msgpack.Packer().pack_map_header(len(kept)), *kept]

    def add_list(self, name: str, items: Iterable[tuple[Any, list[Any]]]) -> None:
        """Add as many items as there is room for, but one at least, with the cursor behind them."""
        kept: list[bytes] = []
        last: list[Any] | None = None
        more = False
        for item, place in items:
            if kept and (self._left <= 0 or len(kept) >= LIMIT_MAX):
                more = True
                break
            kept.append(msgpack.packb(item))
            self._left -= len(kept[-1])
            last = place
        self._start(name)
        end = cursor_out(last)
        cursors = {"next": end if more else None, "end": end}
        packer = msgpack.Packer()
        start = packer.pack_map_header(3) + packer.pack("items") + packer.pack_array_header(len(kept))
        self._parts += [start, *kept, *(packer.pack(text) for pair in cursors.items() for text in pair)]

    def _start(self, name: str) -> None:
        self._count += 1
        self._parts.append(msgpack.packb(name))

    def _put(self, piece: bytes) -> None:
        self._parts.append(piece)
        self._left -= len(piece)
