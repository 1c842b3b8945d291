"""Answers: rows of the store in the shape of the API, which the models of models*.py describe.

What a row and a model call the same is named in both of them and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from ...store.artifacts import Artifact
from ...store.meta import Project, ProjectRuns, Run, Tag, User
from ...store.points import SeriesInfo
from ...store.registry import RegisteredVersion
from . import models, models_files, models_runs


def answer(model: type[BaseModel], row: object, **others: Any) -> dict[str, Any]:
    """Return what a model describes: `others`, and each other field of it from the row's attribute of that name."""
    return {name: getattr(row, name) for name in _of_row(model, tuple(others))} | others


@cache
def _of_row(model: type[BaseModel], others: tuple[str, ...]) -> tuple[str, ...]:
    names = model.model_fields
    unknown = set(others) - set(names)
    assert not unknown, f"{model.__name__} has no {', '.join(unknown)}"
    return tuple(name for name in names if name not in others)


def run_url(base_url: str, run_id: str) -> str:
    return f"{base_url}/runs/{run_id}"


def user_answer(user: User, to_admin: bool = False, subject: str | None = None) -> dict[str, Any]:
    """`to_admin`: when somebody was last seen, and `subject`, who they are at the provider, are for admins alone."""
    seen, sso = (user.last_seen, subject) if to_admin else (None, None)
    return answer(models.UserAnswer, user, disabled=user.disabled is not None, last_seen=seen, sso=sso)


def login_answer(user: User, csrf: str | None, alerts: Sequence[str]) -> dict[str, Any]:
    """`alerts`: of the lab; only admins get them."""
    shown = list(alerts) if user.is_admin else []
    return answer(models.LoginAnswer, None, user=user_answer(user), csrf=csrf, alerts=shown)


def project_answer(project: Project, its: ProjectRuns, role: str, former_names: Sequence[str] = ()) -> dict[str, Any]:
    objective = None if project.objective is None else answer(models.ObjectiveAnswer, project.objective)
    others = {"role": role, "former_names": list(former_names), "objective": objective}
    return answer(models.ProjectAnswer, project, **vars(its), **others)


def project_ref(row: Run | Artifact | RegisteredVersion) -> dict[str, str]:
    """Return the project that a row belongs to."""
    return {"id": row.project_id, "name": row.project}


def run_answer(run: Run, last: Sequence[SeriesInfo], base_url: str, now: float) -> dict[str, Any]:
    end = run.ended if run.ended is not None else now
    return answer(
        models_runs.RunAnswer,
        run,
        project=project_ref(run),
        fork=None if run.fork is None else answer(models_runs.ForkAnswer, run.fork),
        duration=None if run.started is None else max(0.0, end - run.started),
        last={info.key: info.last_value for info in last},
        tags=tag_answers(run.tags),
        url=run_url(base_url, run.id),
    )


def tag_answers(tags: Sequence[Tag]) -> list[dict[str, Any]]:
    return [answer(models_runs.TagAnswer, tag) for tag in tags]


def artifact_answer(artifact: Artifact, base_url: str) -> dict[str, Any]:
    return answer(
        models_files.ArtifactAnswer,
        artifact,
        uuid=artifact.id,
        project=project_ref(artifact),
        url=f"{base_url}/api/v1/artifacts/{artifact.id}/content",
    )
