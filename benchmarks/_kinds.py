"""A small project with every kind of thing in it, made directly through the stores: part of what `scripts/fill` makes.

Ranks, attempts, forked processes, logs, media, files of several versions, models and datasets, notes, tags, groups,
a fork, views, a member, a quota, a deleted run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.protocol.registry import DATASETS, MODELS, Version
from pyhectiqlab.store.artifacts import NewArtifact, Upload
from pyhectiqlab.store.blobs import BlobStore
from pyhectiqlab.store.meta import AttachRequest, EndReport, Event, MetaBatch, MetaStore, User
from pyhectiqlab.store.points import Column, PointBatch, PointStore
from pyhectiqlab.store.registry import NewVersion, VersionFile

PROJECT = "everything"
LOST_AFTER_S = 60.0
KEYS = ("train/loss", "valid/loss", "system.cpu")
STEPS = 200
KEPT_S = 3600.0  # that an upload is kept for

Fact = tuple[str, Mapping[str, Any]]


class Kinds:
    def __init__(self, meta: MetaStore, points: PointStore, blobs: BlobStore, users: list[User]) -> None:
        self._meta, self._points, self._blobs = meta, points, blobs
        self._user, self._other = users[:2]
        self._now = time.time() - 1000
        self._ids = 0
        with meta.writing() as tx:
            self._project = tx.add_project(PROJECT, self._user.id, self._now).id
            tx.set_member(self._project, self._other.id, "viewer")
            tx.set_quota(self._project, 1 << 40)

    def make(self) -> None:
        """Make all of it."""
        trained = self._trained()
        self._files(trained)
        self._registry(trained)
        fork = self._run("fork", 0, "only")
        self._tell(fork, "fork", 0, 1, [("fork", {"run": trained, "step": STEPS // 2}), ("group", {"name": "pair"})])
        self._end(fork, "only", 0, 1, "completed")
        gone = self._run("deleted", 0, "gone")
        self._points_of(gone, "gone", 0, 1, 0)
        self._end(gone, "gone", 0, 1, "completed")
        with self._meta.writing() as tx:
            tx.delete_run(gone, time.time())
            document = json.dumps({"columns": ["config.lr", "metric.train/loss.min"], "search": "tag=kept é"})
            tx.add_view(self._project, self._user.id, "mine", False, document, self._now)
            tx.add_view(self._project, self._other.id, "ours", True, document, self._now)

    def _trained(self) -> str:
        """A run of two ranks, whose job was killed and went on, with a forked process beside the first rank."""
        for attempt in (1, 2):
            for rank in (0, 1):
                session = f"{PROJECT}-{attempt}-{rank}"
                run = self._run("trained", rank, session)
                writer = self._id()
                last = self._points_of(run, writer, rank, attempt, (attempt - 1) * STEPS // 2)
                self._tell(run, writer, rank, attempt, _events(attempt, rank), last + 1, session)
            child = self._id()
            self._tell(run, child, 0, attempt, [], self._points_of(run, child, 0, attempt, 0) + 1, session)
            for rank in (0, 1):
                self._end(run, f"{PROJECT}-{attempt}-{rank}", rank, attempt, "failed" if attempt == 1 else "completed")
        with self._meta.writing() as tx:
            tx.set_group([run], "pair")
        return run

    def _run(self, name: str, rank: int, session: str) -> str:
        self._now += 1
        request = AttachRequest(name, PROJECT, False, session, rank, 2, None, f"host{rank}", 10 + rank, "0.1.0", 0.0)
        with self._meta.writing() as tx:
            return tx.attach(request, self._user, self._now, LOST_AFTER_S).run.id

    def _end(self, run: str, session: str, rank: int, attempt: int, state: str) -> None:
        self._now += 1
        cause, code = ("exception", 1) if state == "failed" else ("", 0)
        report = EndReport(session, run, rank, attempt, state, cause, code, None, "", self._now, 0.0, True)
        with self._meta.writing() as tx:
            tx.end(report, self._user.id, self._now)

    def _points_of(self, run: str, writer: str, rank: int, attempt: int, first_step: int) -> int:
        """Two batches of curves, with steps that come late, NaN and infinity. Return the last number."""
        rng = np.random.default_rng([rank, attempt])
        half = STEPS // 2
        last = 0
        for batch in range(2):
            columns, first = [], last + 1
            for key in KEYS:
                seq = np.arange(last + 1, last + 1 + half)
                step = first_step + rng.permutation(half) + half * batch
                value = rng.normal(size=half)
                value[:3] = np.nan, np.inf, -np.inf
                columns.append(Column(key, seq, step, value, int(self._now * 1e6) + 1000 * (seq + rank)))
                last += half
            self._points.append([PointBatch(run, rank, attempt, writer, first, last, columns)])
        self._apply(MetaBatch(writer, run, rank, attempt, "", 1, last, last, 0.0, []))
        return last

    def _tell(
        self, run: str, writer: str, rank: int, attempt: int, facts: list[Fact], first: int = 1, session: str = ""
    ) -> None:
        events = [
            Event(first + n, kind, self._now, fields, msgpack.packb(fields)) for n, (kind, fields) in enumerate(facts)
        ]
        if events:
            last = first + len(events) - 1
            self._points.append([PointBatch(run, rank, attempt, writer, first, last, [])])
            self._apply(MetaBatch(writer, run, rank, attempt, session, first, last, 0, 0.0, events))

    def _apply(self, batch: MetaBatch) -> None:
        with self._meta.writing() as tx:
            tx.apply([batch], self._now)

    def _files(self, run: str) -> None:
        """Files of a run with and without steps, of several versions, media, and one that is shared."""
        wanted: list[tuple[str | None, str, int | None, str, dict[str, Any]]] = [
            (run, "model.pt", None, "file", {}),
            (run, "model.pt", None, "file", {}),
            (run, "samples.csv", 10, "file", {"columns": 3}),
            (run, "w.png", 7, "image", {"name": "w/plot", "rank": 1}),
            (run, "curve.json", 9, "figure", {"name": "curve", "rank": 0}),
            (run, "rows.json", 9, "table", {"name": "rows", "rank": 0}),
            (None, "shared é.bin", None, "file", {}),
        ]
        for n, (of, name, step, kind, more) in enumerate(wanted):
            data = np.random.default_rng(n).bytes(1000 * n + 1)
            digest = self._store(data)
            new = NewArtifact(
                *(self._id(), of, self._project, name, step, digest, len(data), kind, more, self._user.id, self._now)
            )
            with self._meta.writing() as tx:
                tx.add_artifact(new, self._now)

    def _registry(self, run: str) -> None:
        for kind in (MODELS, DATASETS):
            for n in range(2):
                names = {"weights.bin": b"weights" * n, "README.md": b"# A model", "sub/empty": b""}
                files = [VersionFile(path, self._store(data), len(data)) for path, data in names.items()]
                new = NewVersion(
                    *(self._id(), kind, self._project, "net", Version(1, n, 0), "short", f"# Version {n}", files),
                    *(run, self._user.id, self._now + n),
                )
                with self._meta.writing() as tx:
                    tx.add_version(new, self._now)
                    tx.set_alias(new.id, "best", self._user.id, self._now)
                    tx.add_usage(new.id, run, self._now)

    def _store(self, data: bytes) -> str:
        """Upload bytes, as a client does. Return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        upload = Upload(self._id(), self._user.id, digest, len(data), self._now + KEPT_S, False)
        with self._meta.writing() as tx:
            tx.start_upload(upload, self._now)
        with self._blobs.open_upload(upload.id) as its:
            if data:
                its.append(data)
            its.finish(digest)
        with self._meta.writing() as tx:
            tx.finish_upload(upload.id, self._now, self._now + KEPT_S)
        return digest

    def _id(self) -> str:
        self._ids += 1
        return hashlib.md5(f"{PROJECT} {self._ids}".encode()).hexdigest()


def _events(attempt: int, rank: int) -> list[Fact]:
    edges = tuple(float(i) for i in range(5))
    return [
        ("config", {"values": {"lr": 0.1 * attempt, "model": {"name": "é", "sizes": [1, 2]}, "rank": rank}}),
        ("meta", {"key": "cluster", "value": "a"}),
        ("note", {"text": f"Attempt {attempt}."}),
        ("tag", {"name": "kept", "description": "to keep", "color": "#ff0000"}),
        ("state", {"state": "training"}),
        ("log", {"text": "line é\n", "level": "INFO", "severity": 20, "channel": "logging"}),
        ("log", {"text": "printed", "channel": "stdout"}),
        ("paper", {"text": "# Paper"}),
        ("packages", {"python": "3.11", "system": "Linux", "packages": {"numpy": "2.0"}}),
        ("text", {"name": "sample", "step": attempt, "text": "words"}),
        ("histogram", {"name": "w/a", "step": attempt, **Histogram(edges, (1.0, 2.0, 0.0, 5.0), nan=2).fields()}),
    ]
