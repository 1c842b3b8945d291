"""Artifacts that a run uses: models and datasets of the project, by W&B's names."""

from __future__ import annotations

from typing import Any

from ...run import Run as LabRun
from .artifacts import Artifact, alias_of, registered_name
from .errors import CommError


class Used(Artifact):
    """A model or dataset of the project that a run uses."""

    _own = False

    def __init__(self, run: LabRun, name: str, type: str | None, version: str | None) -> None:
        super().__init__(name, type or "model")
        self._run, self._wanted = run, version

    def download(self, root: str | None = None, **options: Any) -> str:
        kinds = (
            ["dataset"] if self.type == "dataset" else ["mlmodel"] if self.type == "model" else ["mlmodel", "dataset"]
        )
        error: Exception | None = None
        version = self._wanted
        if version is not None and not version[:1].isdigit():
            version = alias_of(version)
        for kind in kinds:
            try:
                download = getattr(self._run, f"download_{kind}")
                self._folder = download(registered_name(self.name), version, root or "./artifacts")
                return str(self._folder)
            except Exception as e:
                error = e
        raise CommError(f"the artifact {self.name!r} cannot be had: {error}")
