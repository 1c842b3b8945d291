"""Jobs of the writer: a request of ingest, whole or in pieces, or any other change; and how each is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from ...errors import StoreError
from ..transacts import WriteFunction
from . import ingest_plan
from .ingest import Batch, Request
from .pieces import pieces

PIECE_S = 0.003  # what a piece of a long request takes, by estimate


class Job:
    who = ""  # whose job it is, if that is known
    cost_s = 0.0  # what one turn of it costs, in seconds of the writer's time
    urgent = False  # whether it is committed without waiting for more jobs, see WaitingJobs

    def __init__(self, size: int) -> None:
        self.size = size
        self.future: Future[Any] = Future()

    def answer(self, result: Any, error: Exception | None = None) -> None:
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def refuse(self, error: StoreError) -> None:
        """Answer that nothing of the job was kept."""
        self.future.set_exception(error)


class Write(Job):
    def __init__(self, function: WriteFunction[Any], urgent: bool) -> None:
        super().__init__(0)
        self.function, self.urgent = function, urgent


class Ingest(Job):
    def __init__(self, job: ingest_plan.IngestJob, size: int) -> None:
        super().__init__(size)
        self.job = job
        self.who = job.user_id
        self.cost_s = job.cost_s
        self.session = job.request.session
        self.rows = sum(batch.points for batch in job.request.batches if isinstance(batch, Batch))

    def split(self) -> list[Part]:
        """Return a job for each batch. When the last of them is answered, this one is."""
        gathered = _Gathered(self)
        request = self.job.request
        parts = [gathered.part([i], replace(request, batches=[batch])) for i, batch in enumerate(request.batches)]
        gathered.close()
        return parts

    def finish(self, results: list[ingest_plan.Result]) -> None:
        self.job.results = results
        self.answer(results)

    def refuse(self, error: StoreError) -> None:
        """Answer for each batch by itself that nothing of it was kept."""
        self.job.refuse(503, str(error))
        self.answer(self.job.results)


class Part(Ingest):
    """Some batches of a request, or a part of one batch."""

    def __init__(self, job: ingest_plan.IngestJob, answered: Callable[[Sequence[ingest_plan.Result]], None]) -> None:
        super().__init__(job, 0)
        self._answered = answered

    def answer(self, result: Any, error: Exception | None = None) -> None:
        self._answered(self.job.results)


class _Gathered:
    """What became of the parts of a request, which is answered once it is closed and all of them are answered.

    A batch that is in several parts is answered as its first part that was not taken, or else as its last part.
    """

    def __init__(self, whole: Ingest) -> None:
        self._whole = whole
        self._results: list[ingest_plan.Result | None] = [None] * len(whole.job.request.batches)
        self._open = 1

    def part(self, indexes: Sequence[int], request: Request) -> Part:
        """`indexes`: the places in the whole request of the batches of this one."""
        self._open += 1
        whole = self._whole.job
        return Part(ingest_plan.IngestJob(request, whole.user_id, whole.received), partial(self._take, indexes))

    def close(self) -> None:
        self._open -= 1
        if not self._open:
            self._whole.finish([result for result in self._results if result is not None])

    def _take(self, indexes: Sequence[int], results: Sequence[ingest_plan.Result]) -> None:
        for index, result in zip(indexes, results, strict=True):
            before = self._results[index]
            if before is None or before.status == 200:
                self._results[index] = result
        self.close()


class InPieces(Ingest):
    """A request that would take long. The writer works at one piece of it at a time; between two pieces, others have
    their turn.
    """

    def __init__(self, job: ingest_plan.IngestJob, size: int) -> None:
        super().__init__(job, size)
        self.cost_s = PIECE_S
        self._gathered = _Gathered(self)
        self._pieces = pieces(job.request, PIECE_S)
        self._next = next(self._pieces, None)

    @property
    def more(self) -> bool:
        return self._next is not None

    def next_piece(self) -> Part:
        piece, self._next = self._next, next(self._pieces, None)
        assert piece is not None
        part = self._gathered.part(piece.indexes, piece.request)
        if not self.more:
            self._gathered.close()
        return part
