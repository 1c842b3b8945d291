"""POST /runs/{run}/verify: what the lab holds of each writer, for a client to compare with what it sent."""

from __future__ import annotations

from fastapi import Response

from ..access.access import ReadableRun, TheLab
from ..http.replies import reply
from ..models import models_verify as models
from ..tables.verify import held
from ..turns.bodies import BodyRoute
from .common import Router, answers

router = Router(tags=["runs"], route_class=BodyRoute)


@router.post("/runs/{run_id}/verify", response_model=None, responses=answers(models.VerifyAnswer, 200, 404, 410))
def verify(run: ReadableRun, body: models.VerifyBody, lab: TheLab) -> Response:
    """Changes nothing. Writers that the lab does not know in this run are left out."""
    lab.tell_all(run.id)
    with lab.meta.reading() as view:
        known = view.writers([w.writer for w in body.writers])
        writers = [
            held(lab.points, view, known[w.writer], [(first, last) for first, last in w.ranges])
            for w in body.writers
            if w.writer in known and known[w.writer].run == run.id
        ]
    return reply({"run": run.id, "generation": lab.generation, "writers": writers})
