"""Retention: how long a project keeps its runs, and which versions of artifacts. It keeps all until a rule is set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

DAY_S = 86_400.0
DAYS_MAX = 36_500
VERSIONS_MAX = 1_000_000
TAG_CHARS_MAX = 256
Setting = int | str | None


@dataclass(frozen=True)
class Rule:
    """What a project keeps. None: for ever, or any number.

    Attributes:
        runs_days: a run is deleted once its last sign of life is so many days ago.
        versions_max: how many versions of an artifact stay: the newest ones, with the current one.
        versions_days: earlier versions of an artifact are removed once they are so many days old.
        keep_tag: nothing is removed from a run with this tag.

    Whatever the rule says, nothing is removed from a run that lives, gave a sign of life within a day, or made or used
    a version of a model or dataset. Nor are the current version of an artifact, a version that is shown among the
    media, and one whose bytes came within a day.
    """

    runs_days: int | None = None
    versions_max: int | None = None
    versions_days: int | None = None
    keep_tag: str = "keep"

    @property
    def keeps_all(self) -> bool:
        return self.runs_days is None and not self.takes_versions

    @property
    def takes_versions(self) -> bool:
        return self.versions_max is not None or self.versions_days is not None


FIELDS = tuple(field.name for field in fields(Rule))


def rule_of(lab: Mapping[str, Setting], project: Mapping[str, Setting]) -> Rule:
    """Return the rule of a project. Each of its own settings overrides that of the lab."""
    return Rule(**{name: value for name, value in {**lab, **project}.items() if name in FIELDS})  # type: ignore[arg-type]


def settings_text(settings: Mapping[str, Setting]) -> str:
    """Return the settings as a text for the audit log. A setting that is not named is as the lab has it; what the lab
    does not name is kept.
    """
    return ", ".join(f"{name} {'ever' if value is None else value}" for name, value in settings.items()) or "none"


@dataclass(frozen=True)
class DueRun:
    """A run that is due. `seen`: its last sign of life. `bytes`: what its files take."""

    id: str
    name: str
    seen: float
    bytes: int


@dataclass(frozen=True)
class DueVersion:
    """A version of an artifact that is due. `run`, `run_name`: None for an artifact that the project shares."""

    id: str
    run: str | None
    run_name: str | None
    name: str
    step: int | None
    version: int
    created: float
    bytes: int


class RetentionView(Protocol):
    def retention_settings(self) -> dict[str | None, dict[str, Setting]]:
        """Return the settings by project id; None: those of the whole lab. A setting that a project does not have is as
        the lab has it.
        """

    def retention_of(self, project_id: str) -> Rule: ...
    def due_runs(
        self, project_id: str, rule: Rule, now: float, limit: int | None = None, among: Collection[str] | None = None
    ) -> list[DueRun]:
        """Return runs of the project that the rule ends, the longest silent first. `among`: only these."""

    def due_versions(
        self, project_id: str, rule: Rule, now: float, limit: int | None = None, among: Collection[str] | None = None
    ) -> list[DueVersion]:
        """Return the versions that the rule ends, the oldest first; also those of runs that it ends.

        Args:
            among: only these, which were due by the same rule before. What came since cannot make one current again.
        """

    def freed_bytes(self, runs: Sequence[str], versions: Sequence[str]) -> int:
        """Return how many bytes would be freed: those of files that nothing else names."""

    def kept_until(self, run_id: str) -> float | None:
        """Return when the rule of its project will end a run, if nothing else happens; None: never."""

    def was_removed(self, artifact_id: str) -> str | None:
        """Return the id of the project whose version with this id retention removed; None: it removed none."""

    def newest_sign(self) -> float | None:
        """Return the last sign of life of all runs."""


class RetentionTransaction(RetentionView, Protocol):
    def set_retention(self, project_id: str | None, settings: Mapping[str, Setting]) -> None: ...
    def remove_versions(self, ids: Sequence[str], now: float) -> None:
        """Remove versions. Their ids can never be used again. Their blobs are left to the tidying."""
