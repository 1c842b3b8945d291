"""Files: uploads, blobs, artifacts and their versions, quotas, retention, notices."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.artifacts import (
    ArtifactQuery,
    BlobMissingError,
    IdTakenError,
    RemovedError,
    TooManyUploadsError,
    Upload,
)
from pyhectiqlab.store.meta import FullError
from pyhectiqlab.store.notices import Target
from pyhectiqlab.store.quotas import QuotaExceededError, Use
from pyhectiqlab.store.retention import DAY_S, DueVersion, Rule
from pyhectiqlab.store.sql import meta_files

from .world import EXPIRES, NOW, World, add_blob, new_artifact, new_version


def upload(world: World, ident: str, digest: str, size: int = 10, expires: float = EXPIRES) -> Upload:
    return Upload(ident, world.user.id, digest, size, expires, False)


def versions(world: World, **query: object) -> list[tuple[str, int | None, int]]:
    query.setdefault("all_versions", True)
    row = world.read(lambda view: list(view.artifacts(ArtifactQuery(**query))))  # type: ignore[arg-type]
    return [(a.name, a.step, a.version) for a in row]


class FilesSuite:
    # Uploads and blobs

    def test_an_upload_begins_goes_on_and_finishes(self, world: World) -> None:
        with world.store.writing() as tx:
            begun = tx.start_upload(upload(world, "u1", "d"), NOW)
            again = tx.start_upload(upload(world, "u2", "d", expires=EXPIRES + 1), NOW)
            assert begun.id == again.id == "u1"
            assert tx.upload("u1") == upload(world, "u1", "d", expires=EXPIRES + 1) and tx.upload("u2") is None
            assert not tx.knows_blob(world.user.id, "d")
            tx.finish_upload("u1", NOW, NOW + 9)
            row = tx.upload("u1")
            assert row is not None and row.finished and row.expires == NOW + 9
            assert tx.knows_blob(world.user.id, "d") and not tx.knows_blob("somebody else", "d")
            assert tx.start_upload(upload(world, "u3", "d"), NOW).id == "u3"
            assert tx.stored_bytes() == 10
            tx.renew_upload("u3", NOW + 1)
            assert [u.id for u in tx.expired_uploads(NOW + 99, 9)] == ["u3", "u1"]
            assert [u.id for u in tx.expired_uploads(NOW + 99, 1)] == ["u3"]
            tx.forget_upload("u3")
            assert [u.id for u in tx.expired_uploads(NOW + 99, 9)] == ["u1"]

    def test_bytes_have_the_length_that_was_verified(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        with world.store.writing() as tx:
            tx.start_upload(upload(world, "wrong", "d", 999), NOW)
            tx.start_upload(Upload("right", bob.id, "d", 10, EXPIRES, False), NOW)
            tx.finish_upload("right", NOW, EXPIRES)
            assert tx.stored_bytes() == 10

    def test_a_user_has_so_many_uploads(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_files, "UPLOADS_OF_USER_MAX", 1)
        with world.store.writing() as tx:
            tx.start_upload(upload(world, "u1", "d"), NOW)
            with pytest.raises(TooManyUploadsError):
                tx.start_upload(upload(world, "u2", "other"), NOW)
            tx.finish_upload("u1", NOW, EXPIRES)
            tx.start_upload(upload(world, "u2", "other"), NOW)

    def test_a_blob_is_unused_once_nothing_names_it(self, world: World) -> None:
        run = world.run("r")
        world.add_artifact("a1", run)
        with world.store.writing() as tx:
            add_blob(tx, world.user.id, "lone")
            tx.add_version(new_version(world, "v1", digest="digest-a1"), NOW)
            assert tx.unused_blobs(NOW + 9, 9) == []  # uploads name them
            for digest in ("lone", "digest-a1"):
                tx.forget_upload(f"of-{world.user.id}-{digest}")
            assert tx.unused_blobs(NOW + 9, 9) == ["lone"] and tx.unused_blobs(NOW, 9) == []
            assert tx.is_unused("lone", NOW + 9) and not tx.is_unused("lone", NOW)
            assert not tx.is_unused("digest-a1", NOW + 9) and not tx.is_unused("none", NOW + 9)
            assert not tx.forget_blob("digest-a1", NOW + 9) and not tx.forget_blob("lone", NOW)
            assert tx.forget_blob("lone", NOW + 9) and not tx.forget_blob("lone", NOW + 9)

    def test_who_may_know_of_bytes(self, world: World) -> None:
        run = world.run("r")
        world.add_artifact("a1", run)
        world.write(lambda tx: tx.add_project("q", world.user.id, NOW))
        with world.store.writing() as tx:
            bob = tx.add_user("bob", "member", None, NOW)
            add_blob(tx, world.user.id, "v")
            tx.add_version(new_version(world, "v1", digest="v"), NOW)
            digests = ["digest-a1", "v", "none"]
            assert tx.known_blobs(bob.id, digests) == {"digest-a1", "v"} and tx.knows_blob(bob.id, "v")
            tx.set_private(world.project, True)
            assert tx.known_blobs(bob.id, digests) == set() and not tx.knows_blob(bob.id, "digest-a1")
            assert tx.known_blobs(world.user.id, digests) == {"digest-a1", "v"}

    # Artifacts

    def test_the_same_name_again_is_the_next_version(self, world: World) -> None:
        run = world.run("r")
        assert world.add_artifact("a1", run, meta={"k": [1, b"\0"]}, bytes=7)
        assert world.add_artifact("a2", run) and not world.add_artifact("a1", run, meta={}, bytes=7)
        with world.store.reading() as view:
            first, second = view.artifact("a1"), view.artifact("a2")
            assert first is not None and second is not None
            assert (first.version, first.newest, first.meta, first.bytes) == (1, False, {"k": [1, b"\0"]}, 7)
            assert (first.run, first.project, first.author, first.name) == (run, "p", "ada", "a")
            assert (second.version, second.newest) == (2, True)
            assert view.artifact("none") is None
        with pytest.raises(IdTakenError):
            world.add_artifact("a1", run, name="other")

    def test_steps_and_what_a_project_shares_are_versions_of_their_own(self, world: World) -> None:
        run = world.run("r")
        for n, (of, step) in enumerate(((run, None), (run, 3), (run, 3), (None, None), (None, 3))):
            world.add_artifact(f"a{n}", of, step=step)
        assert versions(world, run=run) == [("a", None, 1), ("a", 3, 2), ("a", 3, 1)]
        assert versions(world, run=None, project=world.project) == [("a", None, 1), ("a", 3, 1)]

    def test_artifacts_are_listed_by_name_step_and_version_in_pages(self, world: World) -> None:
        run = world.run("r")
        for n, (name, step) in enumerate(
            [("b", 2), ("é", None), ("b", -5), ("B", None), ("b", 2), ("b", None), ("b", (1 << 63) - 1)]
        ):
            world.add_artifact(f"a{n}", run, name, step=step)
        high = (1 << 63) - 1
        steps = [("b", None, 1), ("b", -5, 1), ("b", 2, 2), ("b", 2, 1), ("b", high, 1)]
        order: list[tuple[str, int | None, int]] = [("B", None, 1), *steps, ("é", None, 1)]
        assert versions(world, run=run) == order
        for size in (1, 2, 3):
            listed: list[tuple[str, int | None, int]] = []
            while page := versions(world, run=run, limit=size, after=listed[-1] if listed else None):
                listed += page
            assert listed == order
        newest = [place for place in order if place != ("b", 2, 1)]
        assert versions(world, run=run, all_versions=False) == newest
        assert versions(world, run=run, name="b", step=2) == [("b", 2, 2), ("b", 2, 1)]

    def test_bytes_that_the_lab_does_not_know_make_no_artifact(self, world: World) -> None:
        run = world.run("r")
        with world.store.writing() as tx:
            with pytest.raises(BlobMissingError), tx.undoable():
                tx.add_artifact(new_artifact(world, "a1", run), NOW)
            with pytest.raises(BlobMissingError), tx.undoable():
                tx.add_version(new_version(world, "v1"), NOW)
            tx.set_lab_value("after", "it")
        with world.store.reading() as view:
            assert view.artifact("a1") is view.version("v1") is None and view.lab_value("after") == "it"

    def test_a_run_has_so_many_artifacts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "ARTIFACTS_MAX", 1)
        run = world.run("r")
        world.add_artifact("a1", run)
        world.add_artifact("a2", None)
        for of in (run, None):
            with pytest.raises(FullError):
                world.add_artifact("a3", of)

    # Quotas

    def test_a_quota_counts_each_blob_once(self, world: World) -> None:
        run = world.run("r")
        q = world.write(lambda tx: tx.add_project("q", world.user.id, NOW)).id
        world.add_artifact("a1", run, digest="d", bytes=60)
        world.add_artifact("a2", None, digest="d", bytes=60)
        world.add_blob("v", 30)
        with world.store.writing() as tx:
            tx.add_version(new_version(world, "v1", digest="v", bytes=30), NOW)
            assert tx.use_of(world.project) == Use(90, None) and tx.use_of(q) == Use(0, None)
            assert tx.use_of(None) == Use(90, None) and tx.quota_of(q) is None
            tx.check_quota(world.project, {"new": 1 << 62})
            tx.set_quota(world.project, 90)
            tx.set_quota(world.project, 100)
            tx.set_quota(None, 95)
            assert tx.quota_of(world.project) == 100
            tx.check_quota(world.project, {"d": 60, "v": 30, "new": 10})
            tx.check_quota(None, {"d": 60, "new": 5})
            with pytest.raises(QuotaExceededError) as refused:
                tx.check_quota(world.project, {"d": 60, "new": 11})
            assert (refused.value.project, refused.value.use, refused.value.more) == ("p", Use(90, 100), 11)
            with pytest.raises(QuotaExceededError) as refused:
                tx.check_quota(None, {"new": 6})
            assert refused.value.project is None
            tx.check_quota(world.project, {f"n{i}": 0 for i in range(2000)})
            tx.set_quota(world.project, None)
            assert tx.quota_of(world.project) is None

    # Retention

    def test_rules_are_set_for_the_lab_and_for_projects(self, world: World) -> None:
        with world.store.writing() as tx:
            assert tx.retention_settings() == {} and tx.retention_of(world.project) == Rule()
            tx.set_retention(None, {"runs_days": 30, "keep_tag": "keep"})
            tx.set_retention(world.project, {"versions_max": 2, "runs_days": None})
            assert tx.retention_settings() == {
                None: {"runs_days": 30, "keep_tag": "keep"},
                world.project: {"versions_max": 2, "runs_days": None},
            }
            assert tx.retention_of(world.project) == Rule(None, 2)
            assert tx.retention_of("other") == Rule(30)
            tx.set_retention(world.project, {})
            assert tx.retention_of(world.project) == Rule(30)

    def test_runs_are_due_by_their_last_sign_of_life(self, world: World) -> None:
        now, rule = NOW + 40 * DAY_S, Rule(runs_days=30)
        ended = [world.run(f"r{n}", now=NOW + n) for n in range(3)]
        for n, run in enumerate(ended):
            world.end(run, at=NOW + n)
        world.run("lives")
        tagged = world.run("tagged")
        world.tell(tagged, ("tag", {"name": "keep"}))
        world.end(tagged)
        world.add_artifact("a1", ended[0], bytes=5)
        world.add_blob("used")
        with world.store.writing() as tx:
            tx.add_version(new_version(world, "v1", digest="used", run=ended[2]), NOW)
            tx.set_retention(None, {"runs_days": 30})
            due = tx.due_runs(world.project, rule, now)
            assert [(d.id, d.name, d.bytes) for d in due] == [(ended[0], "r0", 5), (ended[1], "r1", 0)]
            assert tx.due_runs(world.project, rule, now, limit=1) == due[:1]
            assert tx.due_runs(world.project, rule, now, among=[ended[1], tagged]) == due[1:]
            assert tx.due_runs(world.project, Rule(), now) == tx.due_runs(world.project, rule, NOW) == []
            assert tx.kept_until(ended[0]) == due[0].seen + 30 * DAY_S
            assert tx.kept_until(tagged) is tx.kept_until("none") is None
            assert tx.freed_bytes([ended[0]], []) == 5

    def test_versions_are_due_by_number_or_age(self, world: World) -> None:
        now = NOW + 40 * DAY_S
        run = world.run("r")
        world.end(run)
        for n in range(4):
            world.add_artifact(f"a{n}", run, created=NOW + n * DAY_S, bytes=10 + n)
        world.add_artifact("shown", run, "fig", kind="figure", created=NOW)
        world.add_artifact("shown2", run, "fig", kind="figure", created=NOW)
        with world.store.writing() as tx:
            first = DueVersion("a0", run, "r", "a", None, 1, NOW, 10)
            by_number = tx.due_versions(world.project, Rule(versions_max=2), now)
            assert by_number[0] == first and [due.id for due in by_number] == ["a0", "a1"]
            # The figure that was shown first is not shown any more.
            by_age = tx.due_versions(world.project, Rule(versions_days=39), now)
            assert [due.id for due in by_age] == ["a0", "shown"]
            rule = Rule(versions_max=1)
            assert [due.id for due in tx.due_versions(world.project, rule, now)] == ["a0", "shown", "a1", "a2"]
            assert [due.id for due in tx.due_versions(world.project, rule, now, limit=2)] == ["a0", "shown"]
            assert [due.id for due in tx.due_versions(world.project, rule, now, among=["a1", "a3"])] == ["a1"]
            assert tx.due_versions(world.project, Rule(), now) == []
            assert tx.freed_bytes([], ["a0", "a1"]) == 21
            tx.remove_versions(["a0", "a1", "none"], now)
            assert tx.was_removed("a0") == world.project and tx.was_removed("a2") is None
            assert run in tx.changes.runs
            with pytest.raises(RemovedError), tx.undoable():
                tx.add_artifact(new_artifact(world, "a0", run), NOW)
        assert versions(world, run=run, name="a") == [("a", None, 4), ("a", None, 3)]

    # Notices

    def test_targets_hear_of_the_states_that_they_asked_for(self, world: World) -> None:
        run = world.run("r")
        of_project = Target("t1", "http://a", world.project, "p", ("failed",), "s", NOW)
        of_lab = Target("t2", "mailto:b", None, None, ("completed", "failed"), "s", NOW + 1)
        with world.store.writing() as tx:
            tx.add_target(of_lab)
            tx.add_target(of_project)
            assert tx.targets() == [of_project, of_lab]
        world.end(run, state="failed", cause="it raised", at=NOW + 5)
        due = world.read(lambda view: view.due_notices(NOW + 5, 9))
        assert [(n.target.id, n.run, n.project, n.author, n.state, n.why, n.tries) for n in due] == [
            ("t1", "r", "p", "ada", "failed", "it raised", 0),
            ("t2", "r", "p", "ada", "failed", "it raised", 0),
        ]
        with world.store.writing() as tx:
            tx.notice_tried(due[0].id, NOW + 60)
            tx.notice_tried(due[1].id, None)
            assert tx.due_notices(NOW + 59, 9) == []
            (again,) = tx.due_notices(NOW + 60, 9)
            assert (again.id, again.tries) == (due[0].id, 1)
            assert tx.waiting_notices() == 1
            tx.target_tried("t1", NOW + 5, "it answered 503")
            tx.target_tried("t2", NOW + 6, None)
            first, second = tx.targets()
            assert (first.delivered, first.failed, first.error, first.waiting) == (None, NOW + 5, "it answered 503", 1)
            assert (second.delivered, second.failed, second.error, second.waiting) == (NOW + 6, None, "", 0)
            tx.target_tried("t1", NOW + 7, None)
            tx.target_tried("t2", NOW + 8, "it is gone")
            assert [(t.delivered, t.failed, t.error) for t in tx.targets()] == [
                (NOW + 7, None, ""),
                (NOW + 6, NOW + 8, "it is gone"),
            ]
            tx.delete_run(run, NOW)
            assert tx.due_notices(NOW + 60, 9) == []
            assert tx.remove_target("t1") and not tx.remove_target("t1")
            assert [t.id for t in tx.targets()] == ["t2"]
