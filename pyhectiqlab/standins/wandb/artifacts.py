"""Artifacts: W&B's class. Models and datasets become versions of the registry, all else files of the run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..quiet import cannot, harmless

WAIT_S = 600.0


class Artifact:
    """Files under a name and a type. They are taken as they are when they are added, as W&B does."""

    def __init__(
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
        incremental: bool = False,
        use_as: str | None = None,
    ) -> None:
        self.name, self.type, self.description = name, type, description
        self.metadata = dict(metadata or {})
        self.aliases: list[str] = []
        self.version: str | None = None
        self._folder: str | None = None
        self._references: list[str] = []
        self._answer: Callable[[float], dict[str, Any] | None] | None = None  # waits for what the lab says of it
        self._link: Callable[[Artifact, str, list[str]], None] | None = None  # by the run that logged it

    # What is in it ----------------------------------------------------------------------------------------------

    def _place(self, name: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="hectiqlab-artifact-")
        path = Path(self._folder, name)
        if not path.resolve().is_relative_to(Path(self._folder).resolve()):
            raise ValueError(f"the path {name!r} leads out of the artifact")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add_file(
        self,
        local_path: Any,
        name: str | None = None,
        is_tmp: bool | None = False,
        skip_cache: bool | None = False,
        policy: str | None = "mutable",
        overwrite: bool = False,
    ) -> Entry:
        place = self._place(name or os.path.basename(os.fspath(local_path)))
        _take(local_path, place)
        return Entry(place)

    def add_dir(self, local_path: Any, name: str | None = None, **options: Any) -> None:
        root = Path(local_path)
        if not root.is_dir():
            raise ValueError(f"Path is not a directory: {local_path}")
        for path in sorted(root.rglob("*")):
            if path.is_file():
                _take(path, self._place(os.path.join(name or "", path.relative_to(root))))

    @contextlib.contextmanager
    def new_file(self, name: str, mode: str = "x", encoding: str | None = None) -> Iterator[IO[Any]]:
        place = self._place(name)
        if mode.startswith("w"):  # a file that was logged stays as it was
            place.unlink(missing_ok=True)
        with open(place, mode, encoding=encoding) as file:
            yield file

    def add(self, obj: Any, name: str, overwrite: bool = False) -> None:
        """Add a table as JSON, any other medium as its file."""
        import json

        if hasattr(obj, "columns") and hasattr(obj, "data"):
            text = json.dumps({"columns": obj.columns, "data": obj.data}, default=str)
            with self.new_file(f"{name}.table.json", "w") as file:
                file.write(text)
        elif getattr(obj, "_path", None):
            _take(obj._path, self._place(name + Path(obj._path).suffix))
        else:
            cannot("wandb", f"Artifact.add() of a {type(obj).__name__}")

    def add_reference(self, uri: Any, name: str | None = None, **options: Any) -> list[Any]:
        self._references.append(str(uri))
        return []

    def remove(self, item: Any) -> None:
        self._place(str(getattr(item, "path", item))).unlink(missing_ok=True)

    # Where it is ------------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> Any:
        return type(
            "Manifest", (), {"entries": {p.relative_to(self._folder or "/").as_posix(): p for p in self._files()}}
        )()

    @property
    def source_name(self) -> str:
        return self.name

    @property
    def qualified_name(self) -> str:
        return f"{self.name}:{self.version or 'latest'}"

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self._files())

    def _files(self) -> list[Path]:
        return sorted(p for p in Path(self._folder).rglob("*") if p.is_file()) if self._folder else []

    def files(self, names: list[str] | None = None, per_page: int = 50) -> list[Entry]:
        return [Entry(path) for path in self._files()]

    def download(self, root: str | None = None, **options: Any) -> str:
        """Return the folder with its files, in `root` if that is given."""
        if self._folder is None:
            raise ValueError(f"The artifact {self.name!r} has no files here.")
        if root is None:
            return self._folder
        shutil.copytree(self._folder, root, dirs_exist_ok=True)
        return root

    def get_path(self, name: str) -> Entry:
        return Entry(Path(self._folder or "", name))

    get_entry = get_path

    def file(self, root: str | None = None) -> str:
        (path,) = self._files()
        return str(path)

    def wait(self, timeout: int | None = None) -> Artifact:
        """Wait until the lab has it, ten minutes at most; then its version is known, if it is a model or dataset."""
        self._note_version(WAIT_S if timeout is None else timeout)
        return self

    def _note_version(self, timeout: float) -> None:
        answer = self._answer(timeout) if self._answer is not None else None
        if answer is not None:
            self.version, self._answer = answer.get("version"), None

    def save(self, project: str | None = None, settings: Any = None) -> None:
        cannot("wandb", "Artifact.save()", "log it with run.log_artifact")

    def link(self, target_path: str, aliases: Any = None) -> Artifact:
        """Register an artifact that was logged under another name, too: that of a collection."""
        if self._link is None:
            cannot("wandb", "Artifact.link() of what was not logged", "call run.link_artifact")
        else:
            harmless(self._link)(self, target_path, texts(aliases))
        return self

    def is_draft(self) -> bool:
        return self.version is None

    def __del__(self) -> None:
        if getattr(self, "_folder", None) and getattr(self, "_own", True):
            shutil.rmtree(self._folder or "", ignore_errors=True)


class Entry:
    """A file of an artifact."""

    def __init__(self, path: Path) -> None:
        self.path = self.name = str(path)
        self.size = path.stat().st_size if path.is_file() else 0

    def download(self, root: str | None = None, **options: Any) -> str:
        return self.path if root is None else str(shutil.copy(self.path, root))


def _take(source: Any, place: Path) -> None:
    """Copy a file. What had its name, and is perhaps linked in the spool, stays as it was."""
    place.unlink(missing_ok=True)
    shutil.copyfile(source, place)


def texts(given: Any) -> list[str]:
    """Return a list of what is one text, several or none."""
    return [given] if isinstance(given, str) else list(given or ())


def registered_name(name: str) -> str:
    """Return the name of a model or dataset for an artifact's: a letter or digit first, and no separators."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "artifact"


def alias_of(text: str) -> str | None:
    alias = re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:64]
    return alias if alias[:1].isalpha() else f"v-{alias}"[:64]
