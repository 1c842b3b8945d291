"""The out-of-memory killer: what its witnesses, a cgroup's counter and the kernel's log, are understood to say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyhectiqlab.capture import oom
from pyhectiqlab.capture.oom import OomWatch, counter_of, kills, log_names

ELSEWHERE = 1  # a pid namespace that is not the first: the kernel's log speaks of other pids


@pytest.mark.parametrize(("before", "after", "struck"), [(0, 1, True), (3, 3, False), (3, 5, True)])
def test_the_counter_tells_a_kill_at_the_end_from_earlier_ones(
    tmp_path: Path, before: int, after: int, struck: bool
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text(f"low 0\noom 7\noom_kill {before}\noom_group_kill 0\n")
    watch = OomWatch(1, counter)
    counter.write_text(f"low 0\noom 9\noom_kill {after}\noom_group_kill 0\n")
    assert watch.struck(0.0, ELSEWHERE) is struck


def test_kills_of_others_while_the_process_lives_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oom, "LOOK_INTERVAL_S", 0.0)
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    watch = OomWatch(1, counter)
    counter.write_text("oom_kill 4\n")  # data loaders
    watch.look()
    assert watch.struck(0.0, ELSEWHERE) is False


def test_without_a_counter_nobody_knows(tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    assert OomWatch(1, counter).struck(0.0, ELSEWHERE) is None
    counter.write_text("oom_kill 0\n")
    watch = OomWatch(1, counter)
    counter.unlink()  # the cgroup went with its last process
    assert watch.struck(0.0, ELSEWHERE) is None
    counter.write_text("something else\n")
    assert kills(counter) is None


def proc(folder: Path, cgroup: str, mountinfo: str) -> Path:
    (folder / "proc" / "7").mkdir(parents=True)
    (folder / "proc" / "self").mkdir()
    (folder / "proc" / "7" / "cgroup").write_text(cgroup)
    (folder / "proc" / "self" / "mountinfo").write_text(mountinfo)
    return folder / "proc"


def counter(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("oom_kill 0\n")
    return path


def test_the_counter_of_a_cgroup_v2_is_found(tmp_path: Path) -> None:
    events = counter(tmp_path, "cg/slice/job/memory.events")
    mounts = f"30 1 0:26 / {tmp_path}/cg rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    assert counter_of(7, proc(tmp_path, "0::/slice/job\n", mounts)) == events
    local = counter(tmp_path, "cg/slice/job/memory.events.local")
    assert counter_of(7, tmp_path / "proc") == local  # without those of the cgroups below


def test_the_counter_of_a_cgroup_v1_is_found_in_a_container_without_a_namespace_of_cgroups(tmp_path: Path) -> None:
    control = counter(tmp_path, "memory/memory.oom_control")
    mounts = (
        f"30 1 0:26 /docker/abc {tmp_path}/cpu rw - cgroup cgroup rw,cpu\n"
        f"31 1 0:27 /docker/abc {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
    )
    groups = "5:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n"
    assert counter_of(7, proc(tmp_path, groups, mounts)) == control


def test_a_cgroup_out_of_sight_has_no_counter(tmp_path: Path) -> None:
    mounts = f"30 1 0:26 /other {tmp_path}/cg rw - cgroup2 cgroup2 rw\n"
    assert counter_of(7, proc(tmp_path, "0::/../up\n", mounts)) is None
    assert counter_of(1 << 22) is None


def test_the_kernels_log_names_the_victim_by_pid_and_time(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text("3,900,5000000,-;Memory cgroup out of memory: Killed process 123 (python) total-vm:1kB\n")
    assert log_names(123, 4.0, str(log))
    assert not log_names(123, 6.0, str(log))  # an earlier process of that pid
    assert not log_names(12, 4.0, str(log))
    assert not log_names(123, 4.0, str(tmp_path / "missing"))


@pytest.mark.skipif(not os.path.exists("/proc/self/cgroup"), reason="needs Linux")
def test_the_real_counter_where_there_is_one_is_a_number() -> None:
    counter_file = counter_of(os.getpid())
    assert counter_file is None or isinstance(kills(counter_file), int)
