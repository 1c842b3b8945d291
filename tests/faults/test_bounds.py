"""Every call of a Run returns within its bound, and raises nothing, whatever breaks: before `Run(...)` or behind it.

The calls are made by a trainer, which is this file as a script; the faults are real. CALLS has an entry for every
public method: a new one without an entry fails. The bounds of the network are made short for the trainer, and each
call's own bound follows from them as it does from the real ones.
"""

from __future__ import annotations

import contextlib
import json
import logging  # every training has imported it; no logger can be returned without it
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyhectiqlab import settings

SHORT = {"REQUEST_CONNECT_TIMEOUT_S": 1.0, "REQUEST_READ_TIMEOUT_S": 1.0, "ATTACH_TIMEOUT_S": 2.0}
PATIENCE_S, ANSWER_S, EXIT_S = 1.0, 1.0, 2.0
if __name__ == "__main__":  # before anything takes them as its default
    for _name, _seconds in SHORT.items():
        setattr(settings, _name, _seconds)

from pyhectiqlab import Run  # noqa: E402
from pyhectiqlab.errors import LabError  # noqa: E402
from pyhectiqlab.transport import files  # noqa: E402
from pyhectiqlab.verbs import artifacts, capture  # noqa: E402

TRANSFER_REQUESTS = 5  # for a small version of a model
QUICK_S = 2.0  # for a call that never waits: milliseconds, on a machine with neighbours

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)
Call = Callable[[Run, Path], object]


def quick() -> float:
    return QUICK_S


def asks() -> float:
    """Ask the lab; if that fails, ask a second time."""
    return 2 * SHORT["ATTACH_TIMEOUT_S"] + QUICK_S


def transfers() -> float:
    """Transfer as long as there is progress; otherwise until it gives up, in the middle of a request at the latest."""
    request = SHORT["REQUEST_CONNECT_TIMEOUT_S"] + SHORT["REQUEST_READ_TIMEOUT_S"]
    return PATIENCE_S + 2 * request + QUICK_S


def _figure() -> Any:
    """Return a figure of plotly, with as much as is looked at."""
    return sys.modules["plotly.basedatatypes"].BaseFigure()


class _Plotly:
    class BaseFigure:
        def to_json(self) -> str:
            return "{}"


class _Model:
    def save_weights(self, path: str) -> None:
        Path(path).write_text("weights")


def _logs(run: Run) -> None:
    logger: logging.Logger = run.start_recording_logs()
    logger.warning("a line")


# For each public method of Run: the call, and its bound in seconds. The calls of WAITING are all made at once.
CALLS: dict[str, tuple[Call, Callable[[], float]]] = {
    "add_artifact": (lambda run, f: run.add_artifact(f / "a.txt"), quick),
    "add_artifacts": (lambda run, f: run.add_artifacts(f / "b.txt", step=1), quick),
    "add_config": (lambda run, f: run.add_config({"lr": 0.1, "model": {"layers": 3}}), quick),
    "add_current_notebook": (lambda run, f: run.add_current_notebook(), lambda: 2.0 + QUICK_S),
    "add_directory_as_zip_artifact": (lambda run, f: run.add_directory_as_zip_artifact(f / "folder"), quick),
    "add_figure": (lambda run, f: run.add_figure(_figure(), "figure"), quick),
    "add_histogram": (lambda run, f: run.add_histogram([1.0, 2.0, 2.0], "histogram", step=1), quick),
    "add_image": (lambda run, f: run.add_image(f / "image.png", "image"), quick),
    "add_meta": (lambda run, f: run.add_meta("key", "value"), quick),
    "add_metrics": (lambda run, f: run.add_metrics("loss", 1.0, 1), quick),
    "add_package_repo_state": (
        lambda run, f: run.add_package_repo_state("pyhectiqlab"),
        lambda: capture.CAPTURE_S + QUICK_S,
    ),
    "add_package_versions": (lambda run, f: run.add_package_versions(globals()), lambda: capture.CAPTURE_S + QUICK_S),
    "add_shared_artifact": (lambda run, f: run.add_shared_artifact(f / "c.txt"), quick),
    "add_table": (lambda run, f: run.add_table([[1, "a"]], "table", columns=["n", "s"]), quick),
    "add_tag": (lambda run, f: run.add_tag("tag"), quick),
    "set_group": (lambda run, f: run.set_group("group"), quick),
    "add_text": (lambda run, f: run.add_text("text", "text"), quick),
    "add_tf_model_as_artifact": (lambda run, f: run.add_tf_model_as_artifact(_Model(), "w.h5"), quick),
    "completed": (lambda run, f: run.completed(), quick),
    "failed": (lambda run, f: run.failed(), quick),
    "pending": (lambda run, f: run.pending(), quick),
    "running": (lambda run, f: run.running(), quick),
    "set_metrics_cache_settings": (lambda run, f: run.set_metrics_cache_settings(aggr="mean"), quick),
    "set_note": (lambda run, f: run.set_note("note"), quick),
    "set_paper": (lambda run, f: run.set_paper("paper"), quick),
    "start_recording_logs": (lambda run, f: _logs(run), quick),
    "status": (lambda run, f: run.status(), quick),
    "stop_recording_logs": (lambda run, f: run.stop_recording_logs(), quick),
    "stopped": (lambda run, f: run.stopped(), quick),
    "training": (lambda run, f: run.training(), quick),
}
WAITING: dict[str, tuple[Call, Callable[[], float]]] = {
    "add_artifact(wait_response)": (
        lambda run, f: run.add_artifact(f / "d.txt", wait_response=True),
        lambda: ANSWER_S + QUICK_S,
    ),
    "add_dataset": (lambda run, f: run.add_dataset(f / "data", "data"), transfers),
    "add_dataset_usage": (lambda run, f: run.add_dataset_usage("data", "1.0.0"), asks),
    "add_dataset_usage_from_dirpath": (lambda run, f: run.add_dataset_usage_from_dirpath(f / "got"), asks),
    "add_mlmodel": (lambda run, f: run.add_mlmodel(f / "model", "model"), transfers),
    "add_mlmodel_usage": (lambda run, f: run.add_mlmodel_usage("model", "1.0.0"), asks),
    "add_mlmodel_usage_from_dirpath": (lambda run, f: run.add_mlmodel_usage_from_dirpath(f / "got"), asks),
    "existing": (lambda run, f: Run.existing(run.name), asks),
    "set_dataset_alias": (lambda run, f: run.set_dataset_alias("data", "best", "1.0.0"), asks),
    "set_mlmodel_alias": (lambda run, f: run.set_mlmodel_alias("model", "best", "1.0.0"), asks),
    "download_dataset": (lambda run, f: run.download_dataset("data", save_path=f), transfers),
    "download_mlmodel": (lambda run, f: run.download_mlmodel("model", "1.0.0", save_path=f), transfers),
    "flush": (lambda run, f: run.flush(1.0), lambda: 1.0 + QUICK_S),
    "list_shared_artifact": (lambda run, f: run.list_shared_artifact(), asks),
    "rename": (lambda run, f: run.rename(f"{run.name}-again"), asks),
}
CLOSING: dict[str, tuple[Call, Callable[[], float]]] = {
    "close": (lambda run, f: run.close(1.0), lambda: 1.0 + QUICK_S),
}
ALL = {**CALLS, **WAITING, **CLOSING}
PROPERTIES = {n for n in dir(Run) if not n.startswith("_") and isinstance(getattr(Run, n), property)}
# Calls that cannot return what is not there, or that read a file which must be there.
RAISING = ("download_", "existing", "add_dataset_usage_from", "add_mlmodel_usage_from", "add_dataset", "add_mlmodel")


# The trainer -----------------------------------------------------------------------------------------------------


def _timed(name: str, work: Callable[[], object], timings: dict[str, Any]) -> None:
    start = time.monotonic()
    error = ""
    try:
        work()
    except BaseException as e:
        known = isinstance(e, LabError | OSError | ImportError) and name.startswith(RAISING)
        known |= isinstance(e, ValueError) and name == "add_package_repo_state"  # a checkout without its .git
        error = "" if known else f"{type(e).__name__}: {e}"
    timings[name] = [time.monotonic() - start, error]


def _exhaust_descriptors() -> None:
    held = []
    with contextlib.suppress(OSError):
        while True:
            held.append(os.dup(1))
    globals()["held"] = held


def train(name: str, fault: str, folder: Path) -> None:
    """Print "ready", do what a line on stdin asks for, and end with a run open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    files.PATIENCE_S, artifacts.ANSWER_TIMEOUT_S = PATIENCE_S, ANSWER_S
    sys.modules["plotly.basedatatypes"] = _Plotly  # type: ignore[assignment]
    timings: dict[str, Any] = {}
    runs: list[Run] = []
    (folder / "folder").mkdir()
    for file in ("a.txt", "b.txt", "c.txt", "d.txt", "data", "model", "folder/file"):
        (folder / file).write_text("content")
    (folder / "image.png").write_bytes(PNG)
    before = fault.endswith("-before")

    def meet() -> None:
        print("ready", flush=True)
        sys.stdin.readline()
        if fault.startswith("descriptors"):
            _exhaust_descriptors()

    if before:
        meet()
    for which in ("first", "second"):
        _timed(f"Run {which}", lambda which=which: runs.append(Run(f"{name}-{which}")), timings)
    if not before:
        runs[0].add_metrics("loss", 1.0, 0)
        runs[0].flush(10)
        meet()
    for call, (work, _) in CALLS.items():
        _timed(call, lambda work=work: work(runs[0], folder), timings)
    threads = [
        threading.Thread(target=_timed, args=(call, lambda work=work: work(runs[0], folder), timings))
        for call, (work, _) in WAITING.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for call, (work, _) in CLOSING.items():
        _timed(call, lambda work=work: work(runs[0], folder), timings)
    runs[1].add_metrics("loss", 1.0, 1)
    timings["ended"] = time.monotonic()
    print(json.dumps(timings), flush=True)


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    sys.exit(0)


# The tests -------------------------------------------------------------------------------------------------------

import pytest  # noqa: E402  (the trainer needs none of this)

from pyhectiqlab.client.opening import MIN_ATTACH_S  # noqa: E402
from tests.faults import proxy  # noqa: E402
from tests.faults.world import certificates_in  # noqa: E402
from tests.labs import ForkedLab  # noqa: E402
from tests.process.conftest import Site, _nothing_stays  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FAULTS = {
    "refused": "before and behind",
    "blackholed": "before and behind",
    "slow": "before and behind",
    "disk-full": "before and behind",
    "no-shm": "before",
    "descriptors": "before and behind",
    "uploader-stopped": "behind",
    "uploader-killed": "behind",
    "silent_name_server": "before and behind",
    **{kind: "before and behind" for kind in proxy.KINDS if kind != "refused"},
}
CASES = [f"{fault}-{when}" for fault, whens in FAULTS.items() for when in ("before", "behind") if when in whens]


def test_every_public_method_has_a_bound() -> None:
    public = {name for name in dir(Run) if not name.startswith("_")}
    assert public == PROPERTIES | {name.partition("(")[0] for name in ALL}


class _Slow(threading.Thread):
    """The lab runs for 50 ms of every 500."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._quit = pid, threading.Event()

    def run(self) -> None:
        while not self._quit.wait(0.05):
            os.kill(self._pid, signal.SIGSTOP)
            self._quit.wait(0.45)
            os.kill(self._pid, signal.SIGCONT)

    def stop(self) -> None:
        self._quit.set()
        self.join()
        os.kill(self._pid, signal.SIGCONT)


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[None]:
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], capture_output=True)
    if done.returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while f.write(bytes(4096)):
            pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    lab = ForkedLab(tmp_path / "lab", tmp_path / "labhome")
    lab.start()
    site = Site(lab, tmp_path / "home", {"HECTIQLAB_EXIT_TIMEOUT": str(EXIT_S), "PYTHONPATH": str(ROOT)})
    yield site
    with contextlib.suppress(LabError, ProcessLookupError):
        os.kill(lab.pid, signal.SIGCONT)
    _nothing_stays(site)
    lab.kill()


@contextlib.contextmanager
def spoiled(site: Site, folder: Path, fault: str) -> Iterator[Callable[[], None]]:
    """Put a proxy between clients and the lab. When the result is called, it spoils everything that they ask for."""
    certificates = certificates_in(folder)
    if fault.startswith("tls_") and certificates is None:
        pytest.skip("needs openssl")
    between = proxy.Proxy(site.lab.port, 1, certificates)
    secure = fault.startswith("tls_")
    address = f"https://localhost:{between.tls_port}" if secure else f"http://127.0.0.1:{between.port}"
    site.variables |= _at(site, folder, address)
    if certificates is not None:
        site.variables["REQUESTS_CA_BUNDLE"] = str(certificates[0])
    try:
        yield lambda: between.start(fault)
    finally:
        between.close()


def _at(site: Site, folder: Path, address: str) -> dict[str, str]:
    """Return credentials of the lab at another address of it."""
    path = folder / "credentials"
    path.write_text(site.lab.credentials.read_text().replace(site.lab.url, address))
    path.chmod(0o600)
    return {"HECTIQLAB_CREDENTIALS": str(path)}


@contextlib.contextmanager
def named(site: Site, folder: Path) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """Give the lab a name. It is known until the second result is called; from then on a name server takes every
    question and answers none. A command is run by the first result.
    """
    address = "127.0.53.53"
    hosts, resolver = folder / "hosts", folder / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost lab.test\n")
    resolver.write_text(f"nameserver {address}\n")
    site.variables |= _at(site, folder, f"http://lab.test:{site.lab.port}")
    mounts = f"mount --bind {hosts} /etc/hosts && mount --bind {resolver} /etc/resolv.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind((address, 53))
        except OSError:
            pytest.skip("needs the right to be a name server")
        command = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        yield command, lambda: hosts.write_text("127.0.0.1 localhost\n") and None


def strike(fault: str, site: Site) -> _Slow | None:
    if fault == "refused":
        site.lab.stop()
    elif fault == "blackholed":  # the kernel accepts for it, but nobody answers
        os.kill(site.lab.pid, signal.SIGSTOP)
    elif fault == "slow":
        slow = _Slow(site.lab.pid)
        slow.start()
        return slow
    elif fault == "disk-full":
        _fill(site.home / "filler")
    elif fault == "uploader-stopped":
        os.kill(site.uploaders()[0], signal.SIGSTOP)
    elif fault == "uploader-killed":
        os.kill(site.uploaders()[0], signal.SIGKILL)
    return None


IN_A_HURRY = {"refused-before", "blackholed-behind", "descriptors-behind", "uploader-killed-behind"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c in IN_A_HURRY else pytest.mark.slow) for c in CASES])
def test_every_call_returns_within_its_bound_and_raises_nothing(site: Site, tmp_path: Path, case: str) -> None:
    fault, _, when = case.rpartition("-")
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, __file__, "bounds", f"{fault}-{when}", str(work)]
    if fault == "no-shm":
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            pytest.skip("needs the right to have mounts of its own")
        command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"', "sh", *command]
    with contextlib.ExitStack() as surroundings:
        spoil: Callable[[], None] | None = None
        if fault == "disk-full":
            surroundings.enter_context(small_disk(site.home))
        elif fault == "silent_name_server":
            by, spoil = surroundings.enter_context(named(site, tmp_path))
            command = by + command
        elif fault in proxy.KINDS and fault != "refused":
            spoil = surroundings.enter_context(spoiled(site, tmp_path, fault))
        with (tmp_path / "stderr").open("w") as errors:
            trainer = subprocess.Popen(
                command, env=site.env, cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        site.started.append(trainer)
        assert trainer.stdin is not None and trainer.stdout is not None
        assert trainer.stdout.readline() == "ready\n", (tmp_path / "stderr").read_text()
        slow = strike(fault, site)
        if spoil is not None:
            spoil()
        trainer.stdin.write("\n")
        trainer.stdin.flush()
        line = trainer.stdout.readline()
        assert line, (tmp_path / "stderr").read_text()
        printed = json.loads(line)
        trainer.communicate()
        exit_s = time.monotonic() - printed.pop("ended")
        if slow is not None:
            slow.stop()
        _nothing_stays(site)
    opening = SHORT["ATTACH_TIMEOUT_S"] + MIN_ATTACH_S + QUICK_S
    bounds = {"Run first": opening, "Run second": opening, **{name: bound() for name, (_, bound) in ALL.items()}}
    if fault.startswith("slow"):  # every request of a transfer may get through, nearly as late as it may
        slow_s = TRANSFER_REQUESTS * (SHORT["REQUEST_CONNECT_TIMEOUT_S"] + SHORT["REQUEST_READ_TIMEOUT_S"])
        bounds |= {name: bounds[name] + slow_s for name, (_, bound) in WAITING.items() if bound is transfers}
    late = {
        name: f"{took:.1f} s, bound {bounds[name]:.1f} s" for name, (took, _) in printed.items() if took > bounds[name]
    }
    raised = {name: error for name, (_, error) in printed.items() if error}
    assert set(printed) == set(bounds)
    said = (tmp_path / "stderr").read_text()
    assert not late and not raised and "Traceback" not in said, said
    assert exit_s < max(EXIT_S, settings.EXIT_JOURNAL_TIMEOUT_S) + QUICK_S
    assert trainer.returncode == 0
