"""Run's verbs for files: artifacts of a run, of a step and of the project; directories and weights of models."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capture.snapshot import Source
from ..capture.values import as_step
from ..client.queue_outbox import QueueOutbox
from ..client.saying import say, say_once
from ..client.uploads import Upload
from ..protocol.names import artifact_name
from .guard import never_breaks, raises_of_files

if TYPE_CHECKING:
    from ..client.opening import Opened
    from ..client.outbox import Outbox

ANSWER_TIMEOUT_S = 600.0

PathLike = str | os.PathLike[str]


class ArtifactVerbs:
    """The calls keep the file as it is now (capture/snapshot.py) and return; the uploader sends it. A file that cannot
    be uploaded later (it was written to, or the lab refuses it) is shown in `run.status()`, in the uploader's log and
    on the run's page.
    """

    _outbox: Outbox
    _opened: Opened

    @raises_of_files
    def add_artifact(
        self, filepath: PathLike, step: int | None = None, wait_response: bool = False
    ) -> dict[str, Any] | None:
        """Upload a file under its base name. A file of the same name (and step) becomes a new version.

        Returns within milliseconds; the uploader sends the file in the background. You may remove or replace the file
        meanwhile. But if it is larger than 8 MiB and its file system knows no reflinks, do not write into it; and if it
        is also on another file system than HECTIQLAB_HOME, do not remove it either. If that happens, the file is not
        stored, and the loss is counted and shown.

        Args:
            filepath: the file.
            step: makes it a step artifact; step artifacts of one name form a group.
            wait_response: wait until the lab has the file, at most 10 minutes.

        Returns:
            With `wait_response` the artifact: a dict with "uuid", "name", "version", "url" and more. "uuid" is None,
            and "error" says why, if the file did not get there, and in dry, read-only and offline mode. Else None.

        Raises:
            FileNotFoundError, IsADirectoryError, PermissionError: the file cannot be read.
            TypeError, ValueError: a name or step that is not allowed, a pipe or a device.
        """
        return self._add_file(filepath, step=step, answer=wait_response)

    add_artifacts = add_artifact

    @raises_of_files
    def add_shared_artifact(self, filename: PathLike) -> None:
        """Upload a file to the project, for all its runs. Otherwise as `add_artifact`."""
        self._add_file(filename, target="project")

    @raises_of_files
    def add_directory_as_zip_artifact(self, dirpath: PathLike, step: int | None = None) -> None:
        """Upload a directory as one zip file, named as the directory with .zip.

        Blocks while the directory is read and packed: about a second for 100 MB. Symbolic links are kept as links and
        never followed. Pipes, sockets and devices are left out. If a file changes while it is read, nothing is stored,
        and a line on stderr says so.

        Raises:
            FileNotFoundError, NotADirectoryError, PermissionError: the directory cannot be read.
            TypeError, ValueError: a name or step that is not allowed.
        """
        folder = Path(os.path.abspath(_path(dirpath)))
        with os.scandir(folder):  # raises now if the directory cannot be read
            pass
        upload = Upload(artifact_name(f"{folder.name}.zip"), _step(step), kind="zip")
        self._put_made(upload, partial(_zip, folder, upload))

    @raises_of_files
    def add_tf_model_as_artifact(self, model: Any, filename: str, step: int | None = None) -> None:
        """Upload the weights of a TensorFlow or Keras model, written by its own `save_weights(filename)`.

        If that writes several files, they become one zip named `filename`.zip. Blocks while the model writes.

        Raises:
            TypeError: the model has no `save_weights`.
            ValueError: a name or step that is not allowed, also by `save_weights` (Keras wants .weights.h5).
        """
        if not callable(getattr(model, "save_weights", None)):
            raise TypeError(f"add_tf_model_as_artifact takes a model with save_weights, not {type(model).__name__}")
        name, step = artifact_name(os.path.basename(_path(filename))), _step(step)
        if isinstance(self._outbox, QueueOutbox):
            self._add_weights(self._outbox, model, name, step)

    def list_shared_artifact(self) -> list[dict[str, Any]]:
        """Return the artifacts of the project, the latest version of each. Waits for the lab, ten seconds at most.

        Returns:
            A list of dicts: "uuid", "name", "version", "bytes", "digest", "created", "url". Empty, with a line on
            stderr, if the lab cannot be asked.
        """
        return [dict(item) for item in self._list_shared() or ()]

    # ------------------------------------------------------------------------------------------------------------

    def _add_file(
        self,
        filepath: PathLike,
        *,
        name: str | None = None,
        step: int | None = None,
        kind: str = "file",
        target: str = "run",
        meta: dict[str, Any] | None = None,
        answer: bool = False,
        stays: bool = True,
    ) -> dict[str, Any] | None:
        path = _path(filepath)
        with Source(Path(path)) as source:
            upload = Upload(
                artifact_name(name or os.path.basename(path)), _step(step), kind, target, meta or {}, answer, stays
            )
            ident = self._put(upload, source)
        return self._answer(upload, ident) if answer else None

    @never_breaks
    def _put(self, upload: Upload, source: Source) -> str | None:
        ident: str | None = self._outbox.file(upload, source)
        return ident

    @never_breaks
    def _put_made(self, upload: Upload, make: Callable[[Path], object]) -> None:
        self._outbox.made_file(upload, make)

    @never_breaks
    def _add_weights(self, outbox: QueueOutbox, model: Any, name: str, step: int | None) -> None:
        import shutil

        folder = outbox.uploads.scratch()
        try:
            model.save_weights(str(folder / name))
            written = [p for p in folder.rglob("*") if p.is_file()]
            if len(written) == 1:
                self._put_made(Upload(name, step, kind="weights"), written[0].replace)
            elif written:
                upload = Upload(artifact_name(f"{name}.zip"), step, kind="zip")
                self._put_made(upload, partial(_zip, folder, upload))
            else:
                say(f"save_weights of {type(model).__name__} wrote no file: there is nothing to store as {name!r}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _answer(self, upload: Upload, ident: str | None) -> dict[str, Any]:
        outbox, stored = self._outbox, None
        why = "it is not stored: see run.status()"
        if not isinstance(outbox, QueueOutbox):
            why = "nothing is pushed in this mode"
        elif ident is not None and outbox.binding.mode != "online":
            why = "it is kept here for `hectiqlab sync`"
        elif ident is not None:
            stored = outbox.answer_to(ident, ANSWER_TIMEOUT_S)
            why = f"not at the lab within {ANSWER_TIMEOUT_S:.0f} s; it goes on in the background"
        return {"name": upload.name, "step": upload.step, **(stored or {"uuid": None, "error": why})}

    @never_breaks
    def _list_shared(self) -> list[dict[str, Any]] | None:
        answer = self._opened.answer
        if answer is None:
            say_once("list_shared_artifact: the lab does not know this run yet, the list is empty")
            return None
        from ..errors import LabError
        from ..transport.connecting import connect

        try:
            with connect(*self._outbox.lab, waits=True) as client:
                return list(client.pages(f"/projects/{answer['run']['project']['id']}/artifacts"))
        except LabError as e:
            say(f"the shared artifacts cannot be listed: {e}")
            return None


def _path(path: object) -> str:
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"a path is needed, a text or a Path, not {type(path).__name__}") from None
    if not isinstance(text, str):
        raise TypeError("a path is needed as text, not as bytes")
    if "\0" in text:
        raise ValueError(f"a path holds no zero byte: {text[:100]!r}")
    return text


def _step(step: Any) -> int | None:
    return None if step is None else as_step(step)


def _zip(folder: Path, upload: Upload, target: Path) -> None:
    from ..capture.archive import zip_directory

    packed = zip_directory(folder, target)
    upload.meta.update(files=packed.files, file_bytes=packed.bytes, links=packed.links, skipped=packed.skipped)
