"""Attempts and ranks: which processes are one attempt, and what the run is shown as when some have ended."""

from __future__ import annotations

import time

import pytest

from pyhectiqlab.protocol.limits import STATES_AT_ONCE_MAX

from .api import Api, batch, events_batch, new_id


def test_the_end_of_a_session_that_joined_changes_nothing(api: Api) -> None:
    first = api.attach(session="cc33")
    name, run = first["run"]["name"], first["run"]["id"]
    joined = api.attach(name, session="dd44")
    assert (joined["sets_state"], joined["attempt"], joined["created"]) == (False, 1, False)
    api.end("dd44", run, "killed", signal=9)
    assert api.state(run) == "running"
    assert api.attach(name, session="cc33")["sets_state"] is True  # the owner again, from another of its processes
    api.end("cc33", run, "completed", exit_code=0)
    assert api.state(run) == "completed"


def test_nobody_joins_an_attempt_of_which_only_a_helper_lives(api: Api) -> None:
    first = api.attach(session="h1")
    name, run = first["run"]["name"], first["run"]["id"]
    assert api.attach(name, session="h2")["sets_state"] is False
    api.end("h1", run, "killed", cause="SIGKILL", signal=9)
    again = api.attach(name, session="h3")
    assert (again["attempt"], again["sets_state"], api.state(run)) == (2, True, "running")
    assert api.attach(name, session="h4")["attempt"] == 2
    api.end("h2", run, "failed")
    assert api.state(run) == "running"


def test_processes_of_one_script_are_one_attempt_and_its_own_process_speaks_for_them(api: Api) -> None:
    name = f"script-{new_id(4)}"

    def attach(session: str, script: str = "s", main: bool = False) -> tuple[int, bool]:
        answer = api.attach(name, session=session, script=script, main=main, opening=0)
        return answer["attempt"], answer["sets_state"]

    assert attach("c1") == (1, True)
    run = api.get("/runs/resolve", ref=name)["id"]
    assert attach("c2") == (1, True), "the end of the child before may not be told yet"
    assert attach("x1", script="another", main=True) == (1, False)
    api.end("c1", run, "completed")
    assert api.state(run) == "running"
    api.end("c2", run, "ended")
    assert api.state(run) == "ended"
    assert attach("c3") == (1, True), "the script goes on"
    assert api.state(run) == "running"
    assert attach("p1", main=True) == (1, True)
    assert attach("c4") == (1, False)
    api.ingest(events_batch(run, new_id(), 1, [("state", {"state": "training"})]), session="c4")
    assert api.state(run) == "training", "what a process of the script says, the script says"
    api.ingest(events_batch(run, new_id(), 1, [("state", {"state": "failed"})]), session="x1")
    assert api.state(run) == "training", "and what another says, it does not"
    api.end("c3", run, "failed")
    assert api.state(run) == "training", "the script speaks for its processes: perhaps it tries again"
    api.end("p1", run, "completed", cause="exit")
    assert (api.state(run), attach("c3")) == ("completed", (1, False)), "who attaches once more is told the same"
    assert attach("c5") == (2, True), "the script had closed the run"


def test_a_child_that_failed_ends_the_attempt(api: Api) -> None:
    name = f"supervised-{new_id(4)}"
    items = [api.attach(name, session=session, script="s", opening=0) for session in ("c1", "c2")]
    run = items[0]["run"]["id"]
    api.end("c1", run, "killed", signal=9)
    again = api.attach(name, session="c3", script="s", opening=0)
    assert (again["attempt"], again["sets_state"]) == (2, True), "though the other child lives"
    assert api.state(run) == "running"


def test_what_is_opened_again_by_the_process_that_closed_it_is_the_next_attempt(api: Api) -> None:
    name, session = f"again-{new_id(4)}", new_id(8)

    def attach(opening: int, session: str = session) -> tuple[int, bool]:
        answer = api.attach(name, session=session, opening=opening, script=session, main=True)
        return answer["attempt"], answer["sets_state"]

    def closed(attempt: int) -> None:
        events = [("end", {"state": "completed", "cause": "closed", "exit_code": None, "signal": None, "detail": ""})]
        api.ingest(events_batch(run, new_id(), 1, events, attempt=attempt), session=session)

    assert attach(0) == attach(0) == (1, True)
    run = api.get("/runs/resolve", ref=name)["id"]
    assert attach(1) == (2, True), "before the lab is told that it was closed"
    closed(1)
    assert api.state(run) == "running"
    closed(2)
    assert (api.state(run), attach(1), api.state(run)) == ("completed", (2, True), "completed")
    assert attach(0, "another") == (3, True)
    assert attach(2) == (3, False), "somebody else has it open"


def test_a_new_attempt_starts_once_nobody_is_live(api: Api) -> None:
    first = api.attach(session="a1")
    name, run = first["run"]["name"], first["run"]["id"]
    old, new = new_id(), new_id()
    api.ingest(batch(run, old, 1, 10))
    api.end("a1", run, "failed", exit_code=1)
    second = api.attach(name, session="a2")
    assert (second["attempt"], second["sets_state"], second["created"]) == (2, True, False)
    assert api.state(run) == "running"
    api.ingest(batch(run, new, 1, 5, attempt=2), batch(run, old, 11, 12), session="a2")
    api.ingest(events_batch(run, old, 13, [("state", {"state": "failed"})]), session="a1")
    api.end("a1", run, "killed")
    assert api.state(run) == "running", "an old attempt has no say"
    assert [p["attempt"] for p in api.points(run)] == [1] * 10 + [2] * 5 + [1] * 2
    assert api.run(run)["attempt"] == 2
    assert api.attach(name, session="a2")["attempt"] == 2


def test_ranks_of_one_job_share_its_attempt_across_a_restart_of_the_launcher(api: Api) -> None:
    name = f"ddp-{new_id(4)}"

    def attach(rank: int, restart: str) -> tuple[int, bool]:
        answer = api.attach(name, rank=rank, world_size=2, restart=restart)
        return answer["attempt"], answer["sets_state"]

    assert [attach(0, "0"), attach(1, "0")] == [(1, True), (1, True)]
    assert [attach(1, "1"), attach(0, "1")] == [(2, True), (2, True)]
    assert attach(0, "1") == (2, False)


def test_another_rank_that_comes_late_joins_the_newest_attempt(api: Api) -> None:
    first = api.attach(session="e1")
    name, run = first["run"]["name"], first["run"]["id"]
    api.end("e1", run, "killed")
    assert api.attach(name, session="e2", rank=0)["attempt"] == 2
    assert api.attach(name, session="e3", rank=1)["attempt"] == 2


def test_a_rank_that_starts_after_another_one_ended_joins_the_attempt_of_its_job(api: Api) -> None:
    name = f"ddp-{new_id(4)}"

    def ranks(*attaches: tuple[int, str, str]) -> list[int]:
        """Attach one rank after the other, each of which ends before the next one starts; return their attempts."""
        attempts = []
        for rank, restart, job in attaches:
            session = new_id(8)
            answer = api.attach(name, session=session, rank=rank, world_size=2, restart=restart, job=job)
            api.end(session, answer["run"]["id"], "completed", rank=rank, attempt=answer["attempt"])
            attempts.append(answer["attempt"])
        return attempts

    first, second = "torchrun:h:100:5", "torchrun:h:200:9"
    assert ranks((0, "0", first), (1, "0", first)) == [1, 1]
    assert ranks((1, "1", first), (0, "1", first)) == [2, 2], "the launcher started them again"
    assert ranks((1, "0", second), (0, "0", second)) == [3, 3]
    assert ranks((0, "0", ""), (1, "0", "")) == [4, 5], "nothing says that they belong together"
    assert ranks((0, "0", first), (1, "0", second)) == [6, 7], "somebody ran it again"


def job_of(api: Api, ranks: int) -> tuple[str, list[str]]:
    """Return the run of a job, and the sessions of its ranks."""
    name, sessions = f"job-{new_id(4)}", [new_id(8) for _ in range(ranks)]
    for rank, session in enumerate(sessions):
        run = api.attach(name, session=session, rank=rank, world_size=ranks)["run"]["id"]
    return run, sessions


def test_the_rank_that_failed_first_is_the_state_of_the_run(api: Api) -> None:
    run, sessions = job_of(api, 3)
    now = time.time()
    api.end(sessions[1], run, "killed", rank=1, cause="SIGKILL: out of memory", signal=9, time=now - 5, clock=now)
    answer = api.run(run)
    assert (answer["state"], answer["state_rank"], answer["state_why"]) == ("killed", 1, "SIGKILL: out of memory")
    api.end(sessions[0], run, "failed", rank=0, cause="NCCL error", time=now - 1, clock=now)
    api.end(sessions[2], run, "stopped", rank=2, cause="SIGTERM", time=now, clock=now)
    answer = api.run(run)
    assert (answer["state"], answer["state_rank"], answer["state_why"]) == ("killed", 1, "SIGKILL: out of memory")
    assert abs(answer["ended"] - (now - 5)) < 1


def test_ends_of_one_machine_are_told_apart_by_its_own_clock_however_long_the_requests_were_under_way(api: Api) -> None:
    name, sessions, now = f"job-{new_id(4)}", [new_id(8), new_id(8)], time.time()
    for rank, session in enumerate(sessions):
        answer = api.attach(name, session=session, rank=rank, world_size=2, host="gpu-7", client_time=now - 0.4 * rank)
    run = answer["run"]["id"]
    # Rank 1 was killed. Rank 0, whose connection broke, reports its end at once, and that of rank 1 comes half a second
    # later.
    api.end(sessions[0], run, "failed", rank=0, cause="connection closed by peer", time=now - 5.0, clock=now)
    clock = time.time() - 0.5
    api.end(sessions[1], run, "killed", rank=1, cause="SIGKILL", signal=9, time=now - 4.99, clock=clock)
    answer = api.run(run)
    assert (answer["state"], answer["state_rank"], answer["state_why"]) == ("killed", 1, "SIGKILL")
    first, second = (s["ended"] for s in answer["sessions"])
    assert abs(second - first - 0.01) < 1e-3


def test_a_failure_that_is_told_late_but_came_first_is_the_state_of_the_run(api: Api) -> None:
    run, sessions = job_of(api, 2)
    now = time.time()
    api.end(sessions[0], run, "failed", rank=0, cause="connection closed by peer", time=now, clock=now)
    assert api.run(run)["state_rank"] == 0
    api.end(sessions[1], run, "failed", rank=1, cause="ValueError: bad batch", time=now - 9, clock=now)
    answer = api.run(run)
    assert (answer["state_rank"], answer["state_why"]) == (1, "ValueError: bad batch")


def test_a_run_is_completed_when_all_its_ranks_are(api: Api) -> None:
    run, sessions = job_of(api, 3)
    for rank, session in enumerate(sessions):
        assert api.state(run) == "running"
        api.end(session, run, "completed", rank=rank)
    answer = api.run(run)
    assert (answer["state"], answer["state_rank"]) == ("completed", None)


def test_who_changed_a_state_when_and_why_is_kept(api: Api) -> None:
    session, writer = new_id(8), new_id()
    answer = api.attach(session=session, host="gpu-7")
    run, name = answer["run"]["id"], answer["run"]["name"]
    api.ingest(events_batch(run, writer, 1, [("state", {"state": "training"})]), session=session)
    api.ingest(events_batch(run, writer, 2, [("state", {"state": "training"})]), session=session)
    api.end(session, run, "killed", cause="SIGKILL", signal=9)
    api.attach(name, session=new_id(8), host="gpu-8")
    history = [(h["state"], h["attempt"], h["who"], h["why"]) for h in api.run(run)["history"]]
    assert history == [
        ("running", 1, "lab", "started on gpu-7"),
        ("training", 1, "script", "the script said so"),
        ("killed", 1, "uploader", "SIGKILL"),
        ("running", 2, "lab", "attempt 2 started on gpu-8"),
    ]


def test_of_a_script_that_never_stops_changing_its_mind_the_newest_states_are_shown(api: Api) -> None:
    session, writer = new_id(8), new_id()
    run = api.attach(session=session)["run"]["id"]
    words = [("state", {"state": ("training", "pending")[i % 2]}) for i in range(STATES_AT_ONCE_MAX)]
    for first in range(1, 240, len(words)):
        api.ingest(events_batch(run, writer, first, words), session=session)
    history = api.run(run)["history"]
    assert len(history) == 200 and history[-1]["state"] == api.state(run) == "pending"


def test_a_job_that_its_batch_system_started_again_was_preempted(api: Api) -> None:
    name = f"requeued-{new_id(4)}"
    old, new = new_id(8), new_id(8)
    run = api.attach(name, session=old, job="slurm/42/0")["run"]["id"]
    api.end(old, run, "stopped", cause="SIGTERM", signal=15)
    assert api.state(run) == "stopped", "whether it was preempted or cancelled is not known yet"
    assert api.attach(name, session=new, job="slurm/42/1")["attempt"] == 2
    api.end(old, run, "stopped", cause="SIGTERM", signal=15, detail="stacks")  # its uploader, once more
    answer = api.run(run)
    assert answer["state"] == "running"
    first, second = answer["sessions"]
    assert (first["state"], first["cause"]) == ("preempted", "SIGTERM; slurm 42 was started again")
    assert (first["signal"], first["detail"], second["state"]) == (15, "stacks", None)
    assert [(h["state"], h["attempt"]) for h in answer["history"]] == [
        ("running", 1), ("stopped", 1), ("preempted", 1), ("running", 2)
    ]  # fmt: skip


@pytest.mark.parametrize("before, after", [("", ""), ("slurm/42/0", "slurm/43/0"), ("slurm/42/0", "slurm/42/0")])
def test_another_attempt_of_another_job_says_nothing_of_preemption(api: Api, before: str, after: str) -> None:
    name, old = f"again-{new_id(4)}", new_id(8)
    run = api.attach(name, session=old, job=before)["run"]["id"]
    api.end(old, run, "stopped", cause="SIGTERM", signal=15)
    api.attach(name, session=new_id(8), job=after)
    assert [s["state"] for s in api.run(run)["sessions"]] == ["stopped", None]
