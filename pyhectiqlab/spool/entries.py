"""What a session's small files hold: a writer, and a request for a file."""

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
        mode: "online", "offline", or "kept". Kept: the lab could not be reached when the run was made (dry mode), so
            what is here waits for a sync.
        url, profile: which lab, and whose key. The key itself is never in the spool.
        attach: the request that finds or creates the run, for a run that the lab does not have yet.
        run: the lab's answer to that request (run, attempt, mode, sets_state), or None.
        ends_run: whether its process opened the run, so that the lab is told of its end. The lab decides what that
            means for the run: the end of a helper beside a living training means nothing.
        done: whether everything is at the lab, and the files of the queue are gone.
        delivered: if it is done, up to which event the lab acknowledged it; 0: the lab need not be asked about it
            again. `status.json` says so later, or never if the uploader is killed before that.
        cache: settings of the metrics cache, [[the sequence number behind which they hold, settings], …], in order.
        system: whether it has the uploader's own system metrics.
        console: whether it has what the uploader recorded of the captured console.
        drained: whether its process ended and its queue was emptied: none of its events is only in memory.
        closed: the same for a run that was closed by a process that may live on.
        journaled: how many events its queue held in all, once it is drained or closed.
        lab_id: id of the lab, by which it is recognised at another address; "" where no lab ever answered, or an older
            one did.
        key_mark: by which the key that was used can be recognised, but not computed; "" where there was no key.
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
    journaled: int = 0
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
    """A file that a process wants to have at the lab.

    Attributes:
        id: 32 hex digits.
        writer: the writer whose run (or its project) it goes to.
        target: "run" or "project"; "models" or "datasets" for the next version of the one that `name` names.
        name, step, kind, meta: as the lab keeps them. Of a version, `meta` has its short_description and aliases.
        source: where the bytes are; relative to the folder `files`, or absolute.
        held: how the bytes are kept: one of capture/snapshot.py.
        size: bytes.
        identity: (inode, bytes, time of the last change in ns) that `source` must have. None in requests of earlier
            versions, where the bytes are ours alone.
        created: seconds since 1970 UTC.
        answer: whether somebody waits for the lab's answer.
        digest: SHA-256 in hex, "" until it was computed.
        origin: the absolute path that the caller named; "" for a file that was made for the upload.
        reason, detail: why it failed. told: whether the lab knows that it failed.
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
