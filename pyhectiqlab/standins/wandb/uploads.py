"""Artifacts on their way: models and datasets as versions of the registry, all else as files of the run.

All of it is in the spool before `log` returns, so it gets to the lab whether or not the script finishes its run.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...client.queue_outbox import QueueOutbox
from ...client.uploads import Upload
from ...protocol.media import file_name
from ...protocol.registry import DATASETS, MODELS, SHORT_DESCRIPTION_BYTES_MAX, file_paths
from ...run import Run
from ..quiet import cannot
from .artifacts import Artifact, alias_of, registered_name

REGISTERED = {"model": MODELS, "dataset": DATASETS}


class Uploads:
    """The artifacts that one run has logged."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._versions: weakref.WeakSet[Artifact] = weakref.WeakSet()

    def log(self, artifact: Artifact, aliases: Sequence[str]) -> None:
        """Keep an artifact as it is now. Blocks while its files are copied, if they cannot be linked; and until the lab
        has it, where the spool has no room for it.
        """
        artifact.aliases = list(aliases) or ["latest"]
        artifact._link = self.link
        kind, files = REGISTERED.get(artifact.type), artifact._files()
        if artifact.metadata or artifact._references:
            self._run.add_meta(f"artifact {artifact.name}", {**artifact.metadata, "references": artifact._references})
        if kind is not None and files:
            self._register(kind, registered_name(artifact.name), artifact, files, artifact.aliases)
            return
        for path in files:
            below = path.relative_to(artifact._folder or "/").as_posix()
            self._run._add_file(path, name=file_name(f"{artifact.name}/{below}", path.suffix), stays=False)

    def link(self, artifact: Artifact, target: str, aliases: Sequence[str]) -> None:
        """Keep an artifact as a version of a model or dataset of another name, too: that of a collection of W&B's
        registry. It is logged first, if it was not. Blocks as `log` does.

        Args:
            target: the path of the collection, of which the last part is its name.
        """
        if artifact._link is None:
            self.log(artifact, ())
        registry, _, collection = target.partition(":")[0].rpartition("/")
        kind, files = REGISTERED.get(artifact.type) or _kind_of(registry), artifact._files()
        if kind is None or not files:
            cannot("wandb", f"link_artifact() of the type {artifact.type!r}", "models and datasets have a registry")
        elif registered_name(collection) != registered_name(artifact.name) or artifact.type not in REGISTERED:
            self._register(kind, registered_name(collection), artifact, files, aliases)
        elif wanted := _aliases(aliases):
            artifact.wait()
            for alias in wanted:
                self._run._set_alias(kind, registered_name(collection), alias, artifact.version)

    def _register(self, kind: str, name: str, artifact: Artifact, files: list[Path], aliases: Sequence[str]) -> None:
        outbox = self._run._outbox
        if not isinstance(outbox, QueueOutbox):
            return
        folder = Path(artifact._folder or "")
        file_paths([path.relative_to(folder).as_posix() for path in files])
        description = short(artifact.description or "")
        meta = {"short_description": description, "aliases": _aliases(aliases)}
        its_own = name == registered_name(artifact.name)
        ident = outbox.folder(Upload(name, None, "version", kind, meta, answer=its_own), folder)
        if ident is not None:
            if its_own:
                artifact._answer = partial(_answer, outbox, ident)
                self._versions.add(artifact)
            return
        # The spool is full: the lab takes it now, or says why not.
        version = self._run._add_version(kind, folder, name, None, description or None, True).get("version")
        if its_own:
            artifact.version = version
        for alias in meta["aliases"] if version else ():
            self._run._set_alias(kind, name, alias, version)

    def note_versions(self) -> None:
        """Have those artifacts that the lab has by now know their versions."""
        for artifact in tuple(self._versions):
            artifact._note_version(0.0)


def _aliases(given: Sequence[str]) -> list[str]:
    """Return what the lab can have of W&B's aliases. `latest` goes without saying."""
    return list(dict.fromkeys(known for alias in given if alias != "latest" and (known := alias_of(alias))))


def _kind_of(registry: str) -> str | None:
    """Return what a registry of W&B has: wandb-registry-model and model-registry have models."""
    words = registry.lower().replace("/", "-").split("-")
    return next((kind for word, kind in REGISTERED.items() if word in words), None)


def _answer(outbox: QueueOutbox, ident: str, timeout: float) -> dict[str, Any] | None:
    """Return what the lab said of a version. None: not within `timeout` seconds, or it is not asked before a sync."""
    answer = outbox.uploads.answer(ident)
    if answer is None and timeout > 0 and outbox.binding.mode == "online" and not outbox.closed:
        answer = outbox.answer_to(ident, timeout)
    return answer


def short(text: str) -> str:
    return text.encode()[:SHORT_DESCRIPTION_BYTES_MAX].decode(errors="ignore")
