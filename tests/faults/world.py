"""The world of one lane: a real lab, a proxy before it, trainers with homes of their own, and what was done to them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from pyhectiqlab.capture.process import Process
from pyhectiqlab.errors import LabError
from pyhectiqlab.spool import SessionDir
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..nursery import Nursery
from .clerk import Clerk
from .ledger import ENDING, OPENED, STOP, Ledger
from .proxy import Proxy, make_certificate
from .sick import VARIABLE, Words

SMALL_SHM_BYTES = 1 << 20  # an eighth of it is a ring of 128 KiB
SMALL_HOME_BYTES = 1 << 20
BUDGET_BYTES = 1 << 20
EXIT_TIMEOUT_S = 4
PATIENCE_MAX = 4.0
LOST_AFTER_S = 15  # three heartbeats


def patience() -> float:
    """Return how many times longer things may take here and now: the machine does other work besides."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), PATIENCE_MAX)


def until(check: Callable[[], Any], timeout: float) -> Any:
    """Return the first true answer of `check`, or the last false one after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


@dataclass
class Trainer:
    ident: str
    flavour: str
    folder: Path
    home: Path
    ledger: Ledger
    order: dict[str, Any]
    secure: bool  # speaks TLS
    pid: int = 0
    status: int | None = None  # its wait status, once it has ended
    killed: bool = False
    key_id: str = ""
    met: set[str] = field(default_factory=set)  # faults that excuse a counted loss
    durable: dict[str, int] = field(default_factory=dict)  # after a power failure: writer → its events that must arrive
    mounts: list[Path] = field(default_factory=list)
    told_at: float = 0.0
    ended_at: float = 0.0

    @property
    def alive(self) -> bool:
        return self.pid > 0 and self.status is None

    @property
    def opened(self) -> bool:
        return bool(self.ledger.words[OPENED])

    def sessions(self) -> list[SessionDir]:
        if "uid" in self.order:  # another user owns it, so our code trusts nothing in it
            return [SessionDir(p.parent) for home in self.homes() for p in home.glob("spool/*/session.json")]
        return [session for home in self.homes() for session in SessionDir.all(home / "spool")]

    def homes(self) -> list[Path]:
        """Return the trainer's home, and those that replace one that cannot be written."""
        own = f"hectiqlab-{self.order.get('uid', os.geteuid())}/home-{zlib.crc32(os.fsencode(self.home)):08x}"
        return [self.home, *(Path(shared, own) for shared in ("/tmp", "/var/tmp", "/dev/shm"))]

    def uploader(self) -> Process | None:
        for session in self.sessions():
            try:
                holder = Process.from_dict(json.loads((session.path / "lease.json").read_bytes()))
            except (OSError, KeyError, TypeError, ValueError):
                continue
            if not holder.has_ended():
                return holder
        return None

    def is_done(self) -> bool:
        """Return whether the spool says that everything is at the lab."""
        if "uid" in self.order:
            files = [path for session in self.sessions() for path in session.writers_dir.glob("*.json")]
            return all(json.loads(path.read_bytes()).get("done") for path in files)
        return all(w.done for s in self.sessions() for w in s.writers())

    def output(self) -> str:
        path = self.folder / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        logs = (path for home in self.homes() for path in home.glob("spool/*/uploader.log"))
        return "\n".join(path.read_text(errors="replace") for path in logs)


class World:
    """Blocks until the lab answers. `close` ends everything that was started."""

    def __init__(
        self, folder: Path, seed: int, *, lab_env: dict[str, str] | None = None,
        nurseries: tuple[Nursery, Nursery] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self._own = nurseries is None
        self._trainers, self._labs = nurseries or start_nurseries()
        self.sick = Words(folder / "sick").words
        self._started = self._asked = 0
        self.labs = self._make_labs({**(lab_env or {}), VARIABLE: str(folder / "sick")})
        self.lab = self.labs[0]
        for lab in self.labs:
            lab.start()
        certificates = certificates_in(folder.parent)
        self.certificate = certificates[0] if certificates else None
        self.proxy = Proxy([lab.port for lab in self.labs], seed, certificates)
        self.owner_key = self.lab.api_key
        self.clerk = Clerk(self.client, seed)
        self.trainers: list[Trainer] = []
        self.members: list[Trainer] = []  # processes of jobs (jobs.py), which are audited as they end
        self.problems: list[str] = []
        self.crashes: list[Path] = []  # made by uploaders that die at a crash point
        self._prepared: dict[str, tuple[str, str]] = {}

    def _make_labs(self, env: dict[str, str]) -> list[ForkedLab]:
        """Make the labs. They are not started yet."""
        lost = ("--lost-after", str(LOST_AFTER_S))
        return [ForkedLab(self.folder / "lab", self.folder / "labhome", *lost, env=env, its_nursery=self._labs)]

    # Processes ------------------------------------------------------------------------------------------------------

    def start(self, name: str, flavour: str, seed: int, *, secure: bool = False, crash: str = "") -> Trainer:
        """Start a trainer with its home. Return when its process runs; its run may not be open yet."""
        trainer = self._made(name, flavour, seed, secure=secure, crash=crash)
        self.trainers.append(trainer)
        trainer.pid = self._trainers.fork(trainer.order)
        return trainer

    def member(self, run: str, who: str, *, at: Trainer | None = None, **more: Any) -> Trainer:
        """Start a process of a job; `at`: in the home of this one. Return when it runs."""
        made = self._made(f"{run}-{who}", "plain", 0, secure=False, crash="")
        if at is not None:
            made.home = at.home
            made.order |= {"home": str(at.home), "env": {**made.order["env"], "HECTIQLAB_HOME": str(at.home)}}
        made.order |= {"what": "member", "run": run, **more}
        self.members.append(made)
        made.pid = self._trainers.fork(made.order)
        return made

    def _made(self, name: str, flavour: str, seed: int, *, secure: bool, crash: str) -> Trainer:
        self._started += 1
        folder = self.folder / name
        folder.mkdir()
        home = folder / "home"
        home.mkdir(mode=0o700)
        ledger = Ledger(folder / "ledger", create=True)
        order: dict[str, Any] = {"what": "train", "run": name, "flavour": flavour, "seed": seed}
        order |= {"folder": str(folder), "home": str(home), "ledger": str(ledger.path), "crash": crash}
        order["output"] = str(folder / "output")
        trainer = Trainer(name, flavour, folder, home, ledger, order, secure and self.certificate is not None)
        self.new_key(trainer)
        order["env"] = self._variables(trainer)
        if crash:
            order["env"]["HECTIQLAB_CRASH_AT"] = crash
        self._surround(trainer)
        return trainer

    def _variables(self, trainer: Trainer) -> dict[str, str]:
        variables = {
            "HECTIQLAB_HOME": str(trainer.home),
            "HECTIQLAB_CREDENTIALS": str(trainer.folder / "credentials"),
            "HECTIQLAB_SYSTEM_METRICS": "0",
            "HECTIQLAB_QUIET": "1",
            "HECTIQLAB_EXIT_TIMEOUT": str(EXIT_TIMEOUT_S),
            "HECTIQLAB_START_METHOD": "spawn" if trainer.flavour == "spawned" else "fork",
            "REQUESTS_CA_BUNDLE": str(self.certificate or ""),
        }
        if trainer.flavour == "budget":
            variables["HECTIQLAB_SPOOL_MAX_BYTES"] = str(BUDGET_BYTES)
        return variables

    def _surround(self, trainer: Trainer) -> None:
        """Mount what the trainer needs, and set owners, before it runs."""
        order, flavour = trainer.order, trainer.flavour
        if flavour == "budget":
            trainer.met.add(flavour)
        if flavour in ("shm_tiny", "shm_full", "shm_missing"):
            shm = trainer.folder / "shm"
            if flavour == "shm_missing":
                # The temporary folder is no good either: the queue is a file that is written, not mapped.
                order |= {"shm": str(shm), "tmp": str(trainer.folder / "nowhere")}
            else:
                _mount(trainer, shm, SMALL_SHM_BYTES)
                order["shm"] = str(shm)
                if flavour == "shm_full":
                    _fill(shm / "filler")
        elif flavour in ("home_full", "home_read_only"):
            _mount(trainer, trainer.home, SMALL_HOME_BYTES)
            if flavour == "home_read_only":
                subprocess.run(["mount", "-o", "remount,ro", str(trainer.home)], check=True)
            else:
                trainer.met.add("disk")
        elif flavour == "processes":
            order["uid"] = 200_000 + os.getpid() % 1000 * 100 + self._started % 100
            for path in (trainer.folder, trainer.home, trainer.ledger.path, *trainer.folder.glob("credentials")):
                os.chown(path, order["uid"], order["uid"])

    def prepare(self, name: str) -> None:
        """Make the key of a trainer that is started when the lab is down."""
        with self.client() as lab:
            made = lab.post("/keys", {"name": name})
        self._prepared[name] = made["id"], made["key"]

    def new_key(self, trainer: Trainer) -> None:
        """Make a key at the lab for a trainer, in credentials of its own."""
        if trainer.ident not in self._prepared:
            self.prepare(trainer.ident)
        trainer.key_id, key = self._prepared.pop(trainer.ident)
        scheme, port = ("https", self.proxy.tls_port) if trainer.secure else ("http", self.proxy.port)
        profile = {"url": f"{scheme}://localhost:{port}", "username": "chaos", "secret_api_key": key}
        path = trainer.folder / "credentials"
        path.write_text(tomli_w.dumps({"local": {**profile, "api_key_uuid": trainer.key_id}}))
        path.chmod(0o600)

    def client(self) -> LabClient:
        """Return a client of a lab itself, not through the proxy, as its owner: one running lab after the other."""
        self._asked += 1
        running = [lab for lab in self.labs if lab.running] or self.labs
        return LabClient(running[self._asked % len(running)].url, self.owner_key)

    def refresh(self) -> None:
        """Note which trainers have ended."""
        for trainer in (*self.trainers, *self.members):
            if trainer.pid and trainer.status is None and (ended := self._trainers.ended(trainer.pid)):
                trainer.status, trainer.ended_at = ended

    def alive(self) -> list[Trainer]:
        self.refresh()
        return [t for t in self.trainers if t.alive]

    def tell_to_end(self, trainer: Trainer, ending: int) -> None:
        trainer.ledger.words[ENDING] = ending
        trainer.ledger.words[STOP] = 1
        trainer.told_at = time.monotonic()

    def kill(self, trainer: Trainer, *, uploader: bool = False, trainer_too: bool = True) -> bool:
        """Send SIGKILL. Return whether there was a process to kill."""
        victims = []
        if trainer_too and trainer.alive:
            trainer.killed = True
            victims.append(trainer.pid)
        if uploader and (holder := trainer.uploader()):
            victims.append(holder.pid)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if trainer.killed:
            self._trainers.wait(trainer.pid, 20)
            self.refresh()
        return bool(victims)

    def sync(self, trainer: Trainer, *, crash: bool = False) -> str:
        """Return what `hectiqlab sync --all` said, run in this trainer's home. `crash`: it comes by its crash point
        too.
        """
        self._started += 1
        output = trainer.folder / f"sync{self._started}"
        order = trainer.order if crash else {**trainer.order, "crash": ""}
        pid = self._trainers.fork({**order, "what": "sync", "output": str(output)})
        if self._trainers.wait(pid, 90) is None:
            os.kill(pid, signal.SIGABRT)
            self._trainers.wait(pid, 10)
            return f"the sync did not end within 90 s: {output.read_text()[-2000:]}"
        return output.read_text()[-2000:]

    def wake(self) -> None:
        """Let uploaders that wait for their next try make it now."""
        for trainer in self.alive():
            for session in trainer.sessions():
                with contextlib.suppress(OSError):
                    (session.path / "wake").touch()
                    if "uid" in trainer.order:  # what root wrote there would not be trusted
                        os.chown(session.path / "wake", trainer.order["uid"], trainer.order["uid"])

    def start_lab(self, lab: ForkedLab | None = None) -> None:
        lab = lab or self.lab
        for _ in range(3):  # somebody else may have taken the port in the meantime, for a moment
            try:
                lab.start()
                return
            except LabError:
                time.sleep(1)
        lab.start()

    def forget(self, trainer: Trainer) -> None:
        """Free what a trainer holds, after its audit."""
        for mount in trainer.mounts:
            subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)
        for folder in (trainer.folder, *trainer.homes()[1:]):
            shutil.rmtree(folder, ignore_errors=True)
        self.trainers.remove(trainer)

    def close(self, *, keep: bool = False) -> None:
        for trainer in (*self.trainers, *self.members):
            with contextlib.suppress(OSError):
                self.kill(trainer, uploader=True)
            for mount in trainer.mounts:
                subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)
            for home in trainer.homes()[1:]:
                shutil.rmtree(home, ignore_errors=True)
        self.clerk.stop()
        self.proxy.close()
        for lab in self.labs:
            lab.kill()
        if self._own:
            self._trainers.close()
            self._labs.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def start_nurseries() -> tuple[Nursery, Nursery]:
    """Start nurseries of trainers and of labs. Close them when no world needs them any more."""
    return Nursery("tests.faults.trainer"), Nursery("tests.labs")


def certificates_in(folder: Path) -> tuple[Path, Path] | None:
    """Return (one that is trusted, one of another name), made at the first call; None: there is no openssl."""
    if shutil.which("openssl") is None:
        return None
    with _MAKING:
        certificates = folder / "right.pem", folder / "wrong.pem"
        if not certificates[1].exists():
            make_certificate(folder, "right", "DNS:localhost")
            make_certificate(folder, "wrong", "DNS:elsewhere.example")
    return certificates


_MAKING = threading.Lock()


def can_mount() -> bool:
    """Return whether this process may mount a file system."""
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0
    )


def mount_disk(path: Path, size: int) -> None:
    """Mount a disk of `size` bytes at `path`, in memory."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(path)], check=True)


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[Path]:
    """Mount a disk of `size` bytes at `path`, in memory, until the end of the block."""
    mount_disk(path, size)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


def _mount(trainer: Trainer, path: Path, size: int) -> None:
    mount_disk(path, size)
    trainer.mounts.append(path)


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while True:
            f.write(bytes(4096))
