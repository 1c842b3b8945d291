"""neptune.init_run and its Run."""

from __future__ import annotations

import os
from typing import Any

from ...client.saying import say_once
from ..opening import open_for
from .handler import Fields, Handler


class Run(Handler):
    """A run. `run["path"] = value` sets a value, `run["path"].append(value)` adds to a series."""

    def __init__(
        self,
        with_id: str | None = None,
        *,
        project: str | None = None,
        api_token: str | None = None,
        custom_run_id: str | None = None,
        mode: str | None = None,
        name: str | None = None,
        description: str | None = None,
        tags: Any = None,
        source_files: Any = None,
        capture_stdout: bool | None = None,
        **more: Any,
    ) -> None:
        mode = mode or os.environ.get("NEPTUNE_MODE") or "async"
        if mode == "offline":
            os.environ.setdefault("HECTIQLAB_MODE", "offline")
        if mode == "read-only":
            say_once("neptune: mode='read-only' is not known here: read back by Run.existing(name).")
        given = project or os.environ.get("NEPTUNE_PROJECT") or ""
        ident = with_id or custom_run_id or os.environ.get("NEPTUNE_CUSTOM_RUN_ID")
        run = open_for(
            "neptune",
            name=name if name != "Untitled" else None,
            ident=ident,
            project=given.rpartition("/")[2] or None,
            dry=mode in ("debug", "read-only"),
            tags=[tags] if isinstance(tags, str) else tags or (),
            note=description,
            facts={"workspace": given.rpartition("/")[0]},
            console=capture_stdout is not False,
        )
        super().__init__(Fields(run), "")

    def __getitem__(self, path: str) -> Handler:
        return Handler(self._fields, path)

    def exists(self, path: str) -> bool:
        return path in self._fields.values

    def get_url(self) -> str:
        return self._run.url or ""

    def get_structure(self) -> dict[str, Any]:
        return dict(self._fields.values)

    def print_structure(self) -> None:
        print("\n".join(f"{path}: {value!r}" for path, value in sorted(self._fields.values.items())))

    def sync(self, *, wait: bool = True) -> None:
        self._run.flush()

    wait = sync

    def stop(self, *, seconds: float | None = None) -> None:
        """End the run. Waits, within bounds, until the lab has everything."""
        self._run.close(seconds)

    close = stop

    def get_state(self) -> str:
        return "stopped" if self._run._closed else "started"

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._run.__exit__(kind, error, trace)


def init_run(*args: Any, **kwargs: Any) -> Run:
    """Begin a run in the lab; with `with_id` or `custom_run_id`, the run that has it is continued."""
    return Run(*args, **kwargs)
