"""What lies in a session's small files: a writer, and a request for a file."""

from __future__ import annotations

from typing import Any

from ..base.lazyclass import asdict, dataclass, field, names_of, replace
from ..capture.process import Process

VERSION = 1

Lab = tuple[str, str, str]  # URL, profile and id, as a Writer has them


@dataclass(frozen=True)
class Writer:
    """One process's stream into one run.

    Attributes:
        mode: "online", "offline", or "kept": the lab could not be reached when the run was made (dry mode), so what is
            here waits for a sync.
        url, profile: which lab, and whose key; the key itself is never in the spool.
        attach: the request that finds or creates the run, for when there was no answer yet.
        run: the lab's answer to it (run, attempt, mode, sets_state), or None.
        ends_run: its process opened the run, so the lab is told of its end. What that says of the run is the lab's to
            find out: a helper beside a living training has no say.
        done: everything is at the lab; the files of the queue are gone.
        delivered: of one that is done, up to which event the lab acknowledged it; 0: nothing more is to be asked of it.
            `status.json` says so later, or never where the uploader is killed before.
        cache: settings of the metrics cache, [[the sequence number behind which they hold, settings], …], in order.
        system: it carries the uploader's own system metrics.
        console: it carries what the uploader recorded of the captured console.
        drained: its process ended and its queue was emptied: nothing of it is in any memory any more.
        closed: the same of a run that was closed, of a process that may live on.
        lab_id: of the lab, by which it is known at another address; "" where no lab ever answered, or an older one.
        key_mark: by which the key that was used is known again, which cannot be had from it; "" where there was none.
    """

    writer: str
    queue: str
    owner: Process
    mode: str
    url: str
    profile: str
    attach: dict[str, Any]
    run: dict[str, Any] | None
    ends_run: bool
    created: float
    done: bool = False
    delivered: int = 0
    cache: list[Any] = field(default_factory=list)
    system: bool = False
    console: bool = False
    drained: bool = False
    closed: bool = False
    lab_id: str = ""
    key_mark: str = ""
    version: int = VERSION

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Writer:
        known = {name: raw[name] for name in names_of(cls) if name in raw}
        return cls(**{**known, "owner": Process.from_dict(raw["owner"])})

    @property
    def lab(self) -> Lab:
        return self.url, self.profile, self.lab_id

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def changed(self, **changes: Any) -> Writer:
        return replace(self, **changes)


@dataclass(frozen=True)
class FileRequest:
    """A file that a process wants at the lab.

    Attributes:
        id: 32 hex digits.
        writer: the writer whose run (or its project) it goes to.
        target: "run" or "project".
        name, step, kind, meta: as the lab keeps them.
        source: where the bytes are; relative to the folder `files`, or absolute.
        held: how: one of capture/snapshot.py.
        size: bytes.
        identity: (inode, bytes, time of the last change in ns) that `source` must have. None in requests of earlier
            versions where it is ours alone.
        created: seconds since 1970 UTC.
        answer: somebody waits for the lab's answer.
        digest: SHA-256 in hex, "" until it was computed.
        origin: the absolute path that the caller named; "" for what was made for the upload.
        reason, detail: of one that failed; `told` once the lab knows.
    """

    id: str
    writer: str
    target: str
    name: str
    step: int | None
    kind: str
    meta: dict[str, Any]
    source: str
    held: str
    size: int
    identity: tuple[int, int, int] | None
    created: float
    answer: bool = False
    digest: str = ""
    reason: str = ""
    detail: str = ""
    told: bool = False
    origin: str = ""
    version: int = VERSION

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> FileRequest:
        known = {name: raw[name] for name in names_of(cls) if name in raw}
        if known["identity"] is not None:
            inode, size, changed = known["identity"]
            known["identity"] = (int(inode), int(size), int(changed))
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def changed(self, **changes: Any) -> FileRequest:
        return replace(self, **changes)
