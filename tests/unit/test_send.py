"""The send loop against a lab that keeps its promises, behind a network that keeps none."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.errors import (
    AuthenticationError,
    LabUnavailableError,
    LabUnreachableError,
    NotALabError,
    PermissionDeniedError,
)
from pyhectiqlab.testing.transport import FaultyTransport
from pyhectiqlab.uploader import send
from pyhectiqlab.uploader.redirect import Redirect

from ..seeds import examples
from .pipeline import ModelLab, Pipeline, invalid


@pytest.fixture
def line(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def batches(line: Pipeline, *sizes: int) -> None:
    for size in sizes:
        line.log_points(size)
        line.drain()


def test_everything_arrives_once_and_in_order(line: Pipeline) -> None:
    batches(line, 5, 10, 1)
    line.deliver()
    assert line.points() == list(range(16))
    assert line.stream.acked == line.stream.sent == line.stream.journaled == 16
    assert not line.stream.pending


def test_nothing_to_send_is_no_request(line: Pipeline) -> None:
    assert line.send() is False


def test_a_lab_that_already_has_part_of_a_batch_gets_the_rest(line: Pipeline) -> None:
    batches(line, 10, 5)
    line.lab.stored[line.writer] = [("point", "k", i, float(i)) for i in range(7)]
    line.deliver()
    assert line.points() == list(range(15))


@pytest.mark.parametrize("kept", [0, 3, 10, 12])
def test_a_lab_restored_from_a_backup_is_refilled_from_the_journal(line: Pipeline, kept: int) -> None:
    batches(line, 10, 5)
    line.deliver()
    batches(line, 4)
    del line.stored[kept:]
    line.deliver()
    assert line.points() == list(range(19))
    assert not line.stream.lost


def test_what_a_restored_lab_lacks_and_nobody_has_becomes_a_loss(line: Pipeline) -> None:
    batches(line, 10)
    line.deliver()
    for segment in line.journal.folder.iterdir():
        segment.unlink()
    line.start()
    batches(line, 5)
    line.stored.clear()
    line.deliver()
    assert line.stored[:10] == [("loss", "lab_restored")] * 10
    assert line.points() == list(range(10, 15))
    assert line.stream.lost == {"lab_restored": 10}


def test_what_is_sent_again_to_a_restored_lab_is_kept_though_the_budget_is_used_up(line: Pipeline) -> None:
    """The lab had acknowledged it, so it was free to go; until the lab was put back."""
    for n in (10, 10, 10):
        batches(line, n)
        line.deliver()
        line.journal._end_segment()
    line.log_points(1)
    del line.stored[5:]
    while line.stream.rewind_to is None:
        line.drain()
        line.send()
    line.drain()
    line.journal.release(0, keep_s=0)
    line.deliver()
    assert line.points() == list(range(31))
    assert not line.stream.lost


@pytest.mark.parametrize("how", ["batch", "request"])
def test_an_event_that_can_never_be_accepted_costs_itself_and_nothing_of_its_batch(line: Pipeline, how: str) -> None:
    batches(line, 3, 3, 3, 3)
    line.lab.poison = {4: how}
    line.deliver()
    assert line.points() == [i for i in range(12) if i != 4]
    assert line.stored[4] == ("loss", "rejected")
    assert line.stream.lost == {"rejected": 1}
    assert [(b.first, b.last) for b in line.rejected] == [(5, 5)]


@pytest.mark.parametrize("how", ["batch", "request"])
def test_the_first_event_of_all_may_be_the_one_that_is_refused(line: Pipeline, how: str) -> None:
    batches(line, 3, 3, 3)
    line.lab.poison = {0: how}
    line.deliver()
    assert line.points() == list(range(1, 9))
    assert [(b.first, b.last) for b in line.rejected] == [(1, 1)]


@pytest.mark.parametrize("how", ["batch", "request"])
def test_a_large_batch_of_which_all_is_refused_costs_a_bounded_number_of_requests(
    line: Pipeline, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "SPLITS_MAX", 16)
    batches(line, 500, 3)
    line.lab.poison = dict.fromkeys(range(500), how)
    requests = 0
    real = line.lab.ingest

    def counted(body: bytes) -> dict[str, Any]:
        nonlocal requests
        requests += 1
        return real(body)

    line.lab.ingest = counted  # type: ignore[method-assign]
    line.deliver()
    assert line.points() == [500, 501, 502]
    assert line.stream.lost == {"rejected": 500}
    assert requests <= 8 * send.SPLITS_MAX


def test_a_batch_damaged_on_disk_costs_itself_and_no_other(line: Pipeline) -> None:
    batches(line, 3, 3, 3)
    location = line.stream.pending[1].location
    assert location is not None
    data = bytearray(location.path.read_bytes())
    data[location.offset : location.offset + location.size] = bytes(location.size)
    location.path.write_bytes(data)
    line.deliver()
    assert line.points() == [0, 1, 2, 6, 7, 8]
    assert line.stream.lost == {"journal_damaged": 3}


def test_a_deleted_run_is_sent_no_more_and_what_comes_is_counted(line: Pipeline) -> None:
    batches(line, 3, 3)
    line.lab.results = [{"status": 410}, {"status": 410}]
    line.deliver()
    assert line.stream.stopped == "deleted"
    assert line.stream.lost == {"deleted": 6}
    batches(line, 4)
    assert line.send() is False
    assert line.stream.lost == {"deleted": 10}


def test_what_the_lab_takes_from_nobody_of_this_role_stays_and_is_sent_once_it_does(line: Pipeline) -> None:
    batches(line, 3)
    line.lab.results = [{"status": 403}]
    line.deliver()
    assert line.stream.refused and not line.stream.stopped and not line.stream.lost
    assert line.stream.backlog == 3 and line.points() == []
    line.stream.refused_until = 0.0  # as by a sync, or half a minute later
    line.deliver()
    assert line.points() == [0, 1, 2] and not line.stream.refused


def test_a_batch_put_off_is_sent_again(line: Pipeline) -> None:
    batches(line, 3, 3)
    line.lab.results = [{"status": 503}] * 2
    line.send()
    assert line.sender.lab.trouble and line.sender.lab.backoff.failures == 1
    line.deliver()
    assert line.points() == list(range(6))
    assert line.sender.lab.trouble == ""


def test_a_batch_put_off_puts_off_no_other_writer_of_its_request(line: Pipeline, tmp_path: Path) -> None:
    other = Pipeline(tmp_path / "other", lab=line.lab)
    batches(line, 3)
    batches(other, 3)
    line.lab.results = [{"status": 503, "cursor": 0}, {"status": 200, "cursor": 3}]
    line.sender.turn([line.stream, other.stream])
    assert sorted([line.stream.acked, other.stream.acked]) == [0, 3]
    assert line.sender.lab.trouble, "it is tried again later"


@pytest.mark.parametrize(
    "error",
    [
        LabUnavailableError("busy", status=503),
        LabUnreachableError("gone"),
        AuthenticationError("key", status=401),
        NotALabError("proxy", status=400),
        PermissionDeniedError("a proxy's own", status=403),
        invalid(404),
        invalid(410),
        invalid(400, "protocol_unsupported"),
    ],
    ids=lambda e: f"{type(e).__name__}-{e.code}",
)
def test_an_answer_that_says_nothing_about_the_batches_costs_none(line: Pipeline, error: Exception) -> None:
    batches(line, 3, 3)
    line.lab.refuse = [error] * 3
    for _ in range(3):
        line.send()
        assert line.sender.lab.trouble == str(error)
    line.deliver()
    assert line.points() == list(range(6)) and not line.stream.lost


def test_an_answer_lost_after_the_commit_doubles_nothing(tmp_path: Path) -> None:
    faulty = FaultyTransport(ModelLab())
    line = Pipeline(tmp_path, lab=faulty)
    batches(line, 3, 3)
    faulty.lose_replies(2)
    line.send()
    line.log_points(2)
    line.drain()
    line.lab = faulty
    line.send()
    line.send()
    held = faulty.inner.stored[line.writer]  # type: ignore[attr-defined]
    assert [item[2] for item in held] == list(range(8))
    line.send()
    assert line.stream.acked == 8


def test_a_stream_that_logs_flat_out_leaves_the_others_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhectiqlab.uploader.send.REQUEST_RECORD_BYTES", 1000)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    busy, calm = Pipeline(tmp_path / "a"), Pipeline(tmp_path / "b")
    batches(busy, *[25] * 40)
    batches(calm, 3)
    for _ in range(4):
        busy.sender.lab.backoff.hurry()
        busy.sender.turn([busy.stream, calm.stream])
    assert calm.stream.acked == 3 and busy.stream.acked >= 50


def test_a_run_made_without_the_lab_is_attached_before_it_is_sent(line: Pipeline) -> None:
    line.stream.info = line.stream.info.changed(run=None)
    batches(line, 3)
    line.deliver()
    assert [a["name"] for a in line.lab.attached] == ["run"]
    assert line.points() == [0, 1, 2]


@pytest.mark.parametrize("status", [403, 404, 410, 422])
def test_a_run_that_the_lab_does_not_take_stays_and_does_not_hold_up_the_others(tmp_path: Path, status: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bad, good = Pipeline(tmp_path / "a"), Pipeline(tmp_path / "b")
    bad.stream.info = bad.stream.info.changed(run=None)
    batches(bad, 3)
    batches(good, 3)
    good.lab.attach_error = invalid(status)
    for _ in range(3):
        good.sender.lab.backoff.hurry()
        good.sender.turn([bad.stream, good.stream])
    assert bad.stream.refused and not bad.stream.stopped and bad.stream.lost == {}
    assert good.points() == [0, 1, 2]
    good.lab.attach_error = None  # the project was made, the role given
    bad.stream.refused_until = 0.0
    for _ in range(3):
        good.sender.turn([bad.stream, good.stream])
    assert bad.stream.backlog == 0 and not bad.stream.refused


def test_a_run_of_somebody_else_goes_where_one_says(line: Pipeline) -> None:
    line.stream.info = line.stream.info.changed(run=None)
    line.lab.mode = "read-only"
    batches(line, 3)
    line.deliver()
    assert "belongs to ada" in line.stream.refused and "--name" in line.stream.refused
    line.sender._redirect = lambda: Redirect(name="another")
    line.lab.mode, line.lab.attach_error = "read-write", invalid(403)
    asked: list[str] = []
    line.lab.taken = lambda request: asked.append(request["name"]) or request["name"] == "another"
    line.stream.refused_until = 0.0
    line.deliver()
    assert asked == ["run", "another"] and line.points() == [0, 1, 2]
    assert line.stream.info.attach["name"] == "another"


FAULTS = st.lists(
    st.sampled_from(
        ["log", "log", "drain", "send", "send", "503", "unreachable", "lost", "put off", "restored", "crash"]
    ),
    max_size=40,
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(faults=FAULTS, sizes=st.lists(st.integers(1, 60), min_size=5, max_size=5))
def test_after_any_faults_the_lab_has_everything_once_and_in_order(faults: list[str], sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lab = ModelLab()
        faulty = FaultyTransport(lab)
        line = Pipeline(Path(folder), capacity=1 << 12, lab=faulty)
        for i, fault in enumerate(faults):
            if fault == "log":
                line.log_points(sizes[i % 5])
            elif fault == "drain":
                line.drain()
            elif fault == "send":
                line.send()
            elif fault == "503":
                faulty.fail_next(1)
                line.send()
            elif fault == "unreachable":
                faulty.fail_next(1, lambda: LabUnreachableError("on purpose"))
                line.send()
            elif fault == "lost":
                faulty.lose_replies(1)
                line.send()
            elif fault == "put off":
                lab.results = [{"status": 503}]
                line.send()
                lab.results = []
            elif fault == "restored":
                del lab.stored.setdefault(line.writer, [])[sizes[i % 5] :]
            else:
                line.start()
        faulty.fail_next(0)
        faulty.lose_replies(0)
        line.deliver()
        held = lab.stored.get(line.writer, [])
        if len(held) < line.n:  # restored after the last event: told by the next one
            line.log_points(1)
            line.deliver()
        assert [item[2] for item in lab.stored.get(line.writer, [])] == list(range(line.n))
        assert not line.stream.lost
        line.close()


def test_what_is_too_large_for_one_request_goes_in_parts_and_nothing_is_lost(
    line: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy on the way may take less than the lab."""
    monkeypatch.setattr(send, "NEVER_TOO_LARGE_BYTES", 300)
    batches(line, 200)
    real, sizes = line.lab.ingest, list[int]()

    def small(body: bytes) -> dict[str, Any]:
        sizes.append(len(body))
        if len(body) > 600:
            raise invalid(413)
        return real(body)

    line.lab.ingest = small  # type: ignore[method-assign]
    line.deliver()
    assert line.points() == list(range(200)) and not line.stream.lost and not line.rejected
    assert max(sizes) > 600


def test_what_refuses_even_small_requests_as_too_large_is_tried_again(line: Pipeline) -> None:
    """The size of the request is not what is wrong, and a loss in the place of the batch would be refused as well."""
    batches(line, 20)
    real, refused = line.lab.ingest, list[int]()

    def angry(body: bytes) -> dict[str, Any]:
        if len(refused) < 5:
            refused.append(len(body))
            raise invalid(413)
        return real(body)

    line.lab.ingest = angry  # type: ignore[method-assign]
    line.deliver()
    assert line.points() == list(range(20)) and not line.stream.lost and not line.rejected


def test_one_event_that_no_request_can_carry_is_put_aside_alone(
    line: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "NEVER_TOO_LARGE_BYTES", 0)
    batches(line, 8)
    real = line.lab.ingest

    def small(body: bytes) -> dict[str, Any]:
        request = msgpack.unpackb(body, strict_map_key=False)
        steps = [struct.unpack(f"<{len(s['step']) // 8}q", s["step"]) for b in request["batches"] for s in b["series"]]
        if any(5 in step for step in steps):
            raise invalid(413)
        return real(body)

    line.lab.ingest = small  # type: ignore[method-assign]
    line.deliver()
    assert line.points() == [0, 1, 2, 3, 4, 6, 7]
    assert line.stream.lost == {"rejected": 1} and [(b.first, b.last) for b in line.rejected] == [(6, 6)]
