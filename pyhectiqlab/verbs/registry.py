"""Run's verbs for models and datasets: upload and download versions, and note which of them the run used.

These calls wait for the lab. The only other calls of `Run` that wait are the opening, `flush`, `close`, `rename`, and
those that list or download.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.bars import bar
from ..client.queue_outbox import QueueOutbox
from ..client.saying import say, say_once
from ..errors import ConfigurationError, LabError, LabRequestError, RunClosedError
from ..protocol.registry import DATASETS, MODELS, NOUNS, alias_name, registry_name, version_of, version_or_alias
from .guard import raises_of_files

if TYPE_CHECKING:
    from ..client.opening import Opened
    from ..client.outbox import Outbox
    from ..transport.http import LabClient

PathLike = str | os.PathLike[str]
ASK_TRIES = 3  # how often a small request is tried, for some seconds in all; a slow one is tried twice


class RegistryVerbs:
    """Verbs for models and datasets. Mixed into Run.

    If the lab does not take an upload or a usage, one line is printed and the script goes on. If a download fails in an
    online run, the call raises, because the script cannot go on without the files. In dry, read-only and offline mode
    every call returns: a failed download prints a line and returns the path that the folder would have.
    """

    _outbox: Outbox
    _opened: Opened
    _closed: bool
    _asked_project: str | None = None  # the argument of Run(...)

    def add_mlmodel(
        self,
        source_path: PathLike,
        name: str,
        version: str | None = None,
        short_description: str | None = None,
        push_dir: bool = False,
    ) -> dict[str, Any]:
        """Upload a file, or a directory with everything below it, as a version of a model of the project.

        Blocks until the lab has it, with a bar in a terminal. Tries again for about a minute if connections are lost.
        If it is called again, it sends only what the lab lacks. A README.md at the top of the directory becomes the
        description. Links are followed if they stay inside the directory.

        Args:
            source_path: the file or directory.
            name: name of the model.
            version: major.minor.micro. None: 1.0.0, or the latest with minor + 1 and micro 0. A version that exists
                with the same files is left as it is.
            short_description: a line about it.
            push_dir: True: `source_path` has to be a directory.

        Returns:
            The version: a dict with "uuid", "name", "version", "files", "bytes" and more. If it did not reach the lab,
            and always in dry, read-only and offline mode, a line is printed, "uuid" is None, and "error" says why.

        Raises:
            FileNotFoundError, NotADirectoryError, PermissionError: the source cannot be read.
            TypeError, ValueError: a name or version that is not allowed, a directory without files, a link that leads
                out of it.
        """
        return self._add_version(MODELS, source_path, name, version, short_description, push_dir)

    def add_dataset(
        self,
        source_path: PathLike,
        name: str,
        version: str | None = None,
        short_description: str | None = None,
        push_dir: bool = False,
    ) -> dict[str, Any]:
        """Upload a file or directory as a version of a dataset of the project. Otherwise as `add_mlmodel`."""
        return self._add_version(DATASETS, source_path, name, version, short_description, push_dir)

    def download_mlmodel(
        self,
        mlmodel_name: str | None = None,
        version: str | None = None,
        save_path: PathLike = "./",
        overwrite: bool = False,
        *,
        name: str | None = None,
    ) -> str:
        """Download a version of a model into the folder `save_path`/NAME-VERSION and return that path.

        Blocks until it is there, with a bar in a terminal. Every file is compared with its digest. The folder takes its
        name once it is complete; an interrupted download continues when it is called again. A complete folder that is
        already there is used as it is; with a `version`, even if no lab can be reached. The lab notes that the run used
        the version.

        Works in every mode in which a lab can be reached. In dry, read-only and offline mode, if it cannot be had,
        prints a line and returns the path that the folder would have (NAME-latest without a `version`).

        Args:
            mlmodel_name: name of the model.
            version: major.minor.micro, or an alias such as "production". None: the latest.
            save_path: the folder in which the folder is made.
            overwrite: replace what is at that place.
            name: another name of `mlmodel_name`; give one of them.

        Raises:
            LabError: only in an online run: NotFoundError if there is no such model or version, LabUnreachableError, …
            FileExistsError: something else is at that place.
            OSError: the disk is full, …
            TypeError, ValueError: a name or version that is not allowed.
        """
        return self._download(MODELS, _one_name(mlmodel_name, name), version, save_path, overwrite)

    def download_dataset(
        self,
        dataset_name: str | None = None,
        version: str | None = None,
        save_path: PathLike = "./",
        overwrite: bool = False,
        *,
        name: str | None = None,
    ) -> str:
        """Download a version of a dataset. Otherwise as `download_mlmodel`."""
        return self._download(DATASETS, _one_name(dataset_name, name), version, save_path, overwrite)

    def add_mlmodel_usage(self, name: str, version: str | None = None) -> None:
        """Note in the lab that the run used a version of a model. Downloads do this by themselves.

        Waits for the lab, ten seconds at most. If that fails, one line is printed.

        Args:
            name: name of the model.
            version: major.minor.micro, or an alias. None: the latest.

        Raises:
            TypeError, ValueError: a name or version that is not allowed.
        """
        self._add_usage(MODELS, name, version)

    def add_dataset_usage(self, name: str, version: str | None = None) -> None:
        """Note in the lab that the run used a version of a dataset. Otherwise as `add_mlmodel_usage`."""
        self._add_usage(DATASETS, name, version)

    @raises_of_files
    def set_mlmodel_alias(self, name: str, alias: str, version: str | None = None) -> bool:
        """Point an alias of a model, such as "best" or "production", to one of its versions, and away from any other.

        Waits for the lab, ten seconds at most. If that fails, one line is printed. In dry, read-only and offline mode
        nothing is set.

        Args:
            name: name of the model.
            alias: up to 64 lower-case letters, digits, - and _, a letter first.
            version: major.minor.micro or another alias. None: the latest.

        Returns:
            True if it is set.

        Raises:
            TypeError, ValueError: a name, alias or version that is not allowed.
        """
        return self._set_alias(MODELS, name, alias, version)

    @raises_of_files
    def set_dataset_alias(self, name: str, alias: str, version: str | None = None) -> bool:
        """Point an alias of a dataset to one of its versions. Otherwise as `set_mlmodel_alias`."""
        return self._set_alias(DATASETS, name, alias, version)

    def add_mlmodel_usage_from_dirpath(self, dirpath: PathLike) -> None:
        """Note in the lab that the run used the model that an earlier download put into this folder.

        Waits as `add_mlmodel_usage`.

        Raises:
            FileNotFoundError: in an online run, there is no such folder.
            ValueError: the folder is not a downloaded model.
        """
        self._add_usage_of(MODELS, dirpath)

    def add_dataset_usage_from_dirpath(self, dirpath: PathLike) -> None:
        """Note in the lab that the run used the dataset that an earlier download put into this folder. Otherwise as
        `add_mlmodel_usage_from_dirpath`.
        """
        self._add_usage_of(DATASETS, dirpath)

    # ------------------------------------------------------------------------------------------------------------

    def _add_version(
        self,
        kind: str,
        source_path: PathLike,
        name: str,
        version: str | None,
        short_description: str | None,
        push_dir: bool,
    ) -> dict[str, Any]:
        from ..transport.registry_upload import NewVersion, upload_version

        _check(name, version)
        self._require_open()
        if short_description is not None and not isinstance(short_description, str):
            raise TypeError(f"a short description is a text, not {type(short_description).__name__}")
        source = Path(os.fspath(source_path))
        if push_dir and source.exists() and not source.is_dir():
            raise NotADirectoryError(20, "push_dir=True takes a directory", str(source))
        new = NewVersion.of(kind, source, name, version, short_description)
        described = {"uuid": None, "kind": kind, "name": name, "version": version, "files": len(new.files)}
        run = self._run_id()
        if run is None:
            why = f"nothing is pushed {self._why_not()}"
        else:
            try:
                with self._client() as client, bar(f"{name} ↑", new.bytes) as progress:
                    return dict(upload_version(client, self._project(client), new, run=run, progress=progress))
            except (LabError, OSError) as e:
                why = str(e)
        say(f"the {NOUNS[kind]} {name!r} is not in the lab: {why}")
        return {**described, "bytes": new.bytes, "error": why}

    def _download(self, kind: str, name: str, version: str | None, save_path: PathLike, overwrite: bool) -> str:
        from ..transport.registry import find_version
        from ..transport.registry_download import download_version, folder_of

        _check(name, version, or_alias=True)
        try:
            with self._client() as client:
                version_row = find_version(client, self._project(client), kind, name, version, tries=ASK_TRIES)
                with bar(f"{name}-{version_row['version']} ↓", version_row["bytes"]) as progress:
                    target = download_version(client, version_row, save_path, overwrite=overwrite, progress=progress)
                self._note_usage(client, kind, version_row["project"]["id"], name, version_row["version"])
        except (ConfigurationError, LabRequestError) as e:
            # This serves a node without network, for which a login node downloaded the files.
            unreachable = isinstance(e, ConfigurationError) or e.retry
            if version is not None and not overwrite and unreachable and _is_here(save_path, kind, name, version):
                target = folder_of(save_path, name, version)
                say(f"{e} The {NOUNS[kind]} in {target} is used as it is; the lab has no record that the run used it.")
            elif self._opened.mode == "online":
                raise
            else:
                target = Path(save_path) / f"{name}-{version or 'latest'}"
                say_once(f"the {NOUNS[kind]} {name!r} is not downloaded {self._why_not()}: {e}")
        return str(target)

    def _set_alias(self, kind: str, name: str, alias: str, version: str | None) -> bool:
        from ..transport.registry import set_alias

        _check(name, version, or_alias=True)
        if not isinstance(alias, str):
            raise TypeError(f"an alias is a text, not {type(alias).__name__}")
        alias_name(alias)
        self._require_open()
        if self._run_id() is None:
            say_once(f"no alias is set {self._why_not()}")
            return False
        try:
            with self._client(waits=True) as client:
                set_alias(client, self._project(client), kind, name, alias, version, tries=ASK_TRIES)
        except LabError as e:
            say(f"the alias {alias!r} of the {NOUNS[kind]} {name!r} is not set: {e}")
            return False
        return True

    def _add_usage(self, kind: str, name: str, version: str | None, project: str | None = None) -> None:
        _check(name, version, or_alias=True)
        self._require_open()
        try:
            with self._client(waits=True) as client:
                self._note_usage(client, kind, project or self._project(client), name, version)
        except LabError as e:
            say(f"the lab has no record that the run used the {NOUNS[kind]} {name!r}: {e}")

    def _add_usage_of(self, kind: str, dirpath: PathLike) -> None:
        from ..transport.registry_download import manifest_of

        try:
            manifest = manifest_of(os.fspath(dirpath))
        except FileNotFoundError:
            if self._opened.mode == "online":
                raise
            say_once(f"the lab has no record of the models and datasets that the run uses {self._why_not()}")
            return
        if manifest["kind"] != kind:
            raise ValueError(f"{dirpath} is a {NOUNS[manifest['kind']]}, not a {NOUNS[kind]}")
        self._add_usage(kind, manifest["name"], manifest["version"], manifest["project"])

    def _note_usage(self, client: LabClient, kind: str, project: str, name: str, version: str | None) -> None:
        from .. import settings
        from ..transport.files import retried
        from ..transport.http import quoted
        from ..transport.projects import project_path

        run = self._run_id()
        if run is None:
            say_once(f"the lab has no record of the models and datasets that the run uses {self._why_not()}")
            return
        below = f"/{kind}/{quoted(name)}/versions/{quoted(version or 'latest')}/usage"

        def note(_: object) -> object:
            return client.post(project_path(client, project) + below, {"run": run})

        try:
            retried(note, ASK_TRIES, patience_s=settings.ATTACH_TIMEOUT_S / 2)
        except LabRequestError as e:
            say(f"the lab has no record that the run used the {NOUNS[kind]} {name!r}: {e}")

    def _require_open(self) -> None:
        if self._closed:
            raise RunClosedError("this run is closed: create a new Run to add to it")

    def _run_id(self) -> str | None:
        """Return the lab's id of the run; None where this process may not add to it."""
        answer = self._opened.answer
        if answer is None or self._opened.mode != "online":
            return None
        return str(answer["run"]["id"])

    def _why_not(self) -> str:
        return f"in {self._opened.mode} mode"

    @contextlib.contextmanager
    def _client(self, *, waits: bool = False) -> Iterator[LabClient]:
        """Yield a client, and close it afterwards. `waits`: the caller waits for it, and its requests are small. Raises
        ConfigurationError if no lab is known.
        """
        from ..transport.connecting import connect

        with connect(*self._outbox.lab, waits=waits) as client:
            yield client

    def _project(self, client: LabClient) -> str:
        """Return the name or id of the run's project. In modes without a run in the lab, it is the project that the run
        would be in.
        """
        from .. import settings
        from ..profile import resolve

        if self._opened.answer is not None:
            return str(self._opened.answer["run"]["project"]["id"])
        named = self._asked_project
        if named is None and isinstance(self._outbox, QueueOutbox):
            named = self._outbox.binding.attach["project"]
        named = named or settings.get("project") or resolve().project
        if named:
            return str(named)
        projects = list(client.pages("/projects"))
        return str(projects[0]["id"]) if len(projects) == 1 else "default"


def _is_here(save_path: PathLike, kind: str, name: str, version: str) -> bool:
    """Return whether a complete download of the version is in `save_path`."""
    from ..transport.registry_download import folder_of, is_whole, manifest_of

    if version[:1].isalpha():  # only the lab knows which version an alias means
        return False
    target = folder_of(save_path, name, version)
    try:
        manifest = manifest_of(target)
    except (OSError, ValueError):
        return False
    same = (manifest["kind"], manifest["name"], manifest["version"]) == (kind, name, version)
    return same and is_whole(target, manifest)


def _one_name(first: str | None, second: str | None) -> str:
    if (first is None) == (second is None):
        raise TypeError("give the name once: as the first argument or as name=")
    return first if first is not None else second  # type: ignore[return-value]


def _check(name: object, version: object, *, or_alias: bool = False) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a name is a text, not {type(name).__name__}")
    registry_name(name)
    if version is not None:
        if not isinstance(version, str):
            raise TypeError(f"a version is a text such as '1.0.0', not {type(version).__name__}")
        if or_alias:
            version_or_alias(version)
        else:
            version_of(version)
