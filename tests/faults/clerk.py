"""The clerk: somebody who administers a lab while faults strike it, and whose acknowledged writes are audited.

What the lab answered as done must be there at the end: projects and whether they are private, invites, keys and that a
revoked one no longer works, files. A request that failed says nothing about what came of it, so that is not audited.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator

from pyhectiqlab.errors import AuthenticationError, LabError
from pyhectiqlab.transport.file_upload import register, upload_file
from pyhectiqlab.transport.http import LabClient

PAUSE_S = 0.05
AT_ONCE = 4  # requests that the clerk sends at once, so that they meet in one commit


class Clerk:
    """Works in threads of its own from construction to `stop`."""

    def __init__(self, client: Callable[[], LabClient], seed: int) -> None:
        self._client = client
        self._stopping = threading.Event()
        self._free = threading.Lock()  # while one of them is chosen
        self.projects: dict[str, bool] = {}  # name → private
        self.invites: set[str] = set()  # their ids
        self.keys: dict[str, tuple[str, bool]] = {}  # id → (key, revoked)
        self.files: dict[tuple[str, str], str] = {}  # (project, name) → digest
        self.acknowledged = self.refused = 0
        self.problems: list[str] = []
        self._unsure: set[str] = set()  # what may have changed or not
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{seed}:{i}"),)) for i in range(AT_ONCE)
        ]
        self._gate = threading.Semaphore(AT_ONCE)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    @contextlib.contextmanager
    def pausing(self) -> Iterator[None]:
        """Ask nothing of the lab inside the block."""
        for _ in range(AT_ONCE):
            self._gate.acquire()
        try:
            yield
        finally:
            for _ in range(AT_ONCE):
                self._gate.release()

    def _work(self, rng: random.Random) -> None:
        duties = [self._project, self._private, self._invite, self._key, self._revoke, self._file]
        client = self._client()
        with client:
            while not self._stopping.wait(PAUSE_S):
                with self._gate:
                    try:
                        rng.choice(duties)(client, rng)
                        self.acknowledged += 1
                    except LabError:
                        self.refused += 1
                    except Exception:
                        self.problems.append(f"the clerk failed: {traceback.format_exc()}")
                        return

    def _project(self, lab: LabClient, rng: random.Random) -> None:
        name = f"project-{rng.randrange(1 << 40):x}"
        lab.post("/projects", {"name": name})
        self.projects[name] = False

    def _private(self, lab: LabClient, rng: random.Random) -> None:
        with self._free:
            name = next((n for n, private in self.projects.items() if not private and n not in self._unsure), None)
            if name is None:
                return
            self._unsure.add(name)
        lab.patch(f"/projects/{name}", {"private": True})
        self.projects[name] = True
        self._unsure.discard(name)

    def _invite(self, lab: LabClient, rng: random.Random) -> None:
        if len(self.invites) < 30:
            self.invites.add(lab.post("/invites", {"role": "member"})["id"])

    def _key(self, lab: LabClient, rng: random.Random) -> None:
        if len(self.keys) < 40:
            made = lab.post("/keys", {"name": "clerk"})
            self.keys[made["id"]] = made["key"], False

    def _revoke(self, lab: LabClient, rng: random.Random) -> None:
        with self._free:
            ident = next((i for i, (_, gone) in self.keys.items() if not gone and i not in self._unsure), None)
            if ident is None:
                return
            self._unsure.add(ident)
        lab.delete(f"/keys/{ident}")
        self.keys[ident] = self.keys[ident][0], True
        self._unsure.discard(ident)

    def _file(self, lab: LabClient, rng: random.Random) -> None:
        project = next(iter(self.projects), None)
        if project is None:
            return
        name, content = f"file-{rng.randrange(1 << 40):x}", rng.randbytes(600)
        with tempfile.NamedTemporaryFile() as f:
            f.write(content)
            f.flush()
            sent = upload_file(lab, f.name, tries=1)
        body = {"id": os.urandom(16).hex(), "name": name, "digest": sent.digest, "bytes": len(content)}
        register(lab, body, project=lab.get(f"/projects/{project}")["id"])
        self.files[project, name] = hashlib.sha256(content).hexdigest()

    def audit(self) -> list[str]:
        """Return what was acknowledged and is missing, a line each, and what went wrong with the clerk itself."""
        with self._client() as lab:
            wrong = self.problems + self._missing(lab)
        revoked = [key for ident, (key, gone) in self.keys.items() if gone]
        kept = [key for ident, (key, gone) in self.keys.items() if not gone and ident not in self._unsure]
        wrong += [f"the revoked key {key[:8]}… works" for key in revoked if self._works(key)]
        return wrong + [f"the key {key[:8]}… does not work" for key in kept if not self._works(key)]

    def _works(self, key: str) -> bool:
        with self._client() as owner, LabClient(owner.url, key) as lab:
            try:
                lab.get("/me")
            except AuthenticationError:
                return False
            return True

    def _missing(self, lab: LabClient) -> list[str]:
        wrong = []
        by_name = {p["name"]: p["private"] for p in lab.pages("/projects", {"limit": 500})}
        for name, private in self.projects.items():
            if name not in by_name:
                wrong.append(f"project {name} was made, and is not there")
            elif name not in self._unsure and by_name[name] != private:
                wrong.append(f"project {name} was made private, and is not")
        invites = {i["id"] for i in lab.pages("/invites")}
        wrong += [f"invite {ident} was made, and is not there" for ident in self.invites - invites]
        stored: dict[str, dict[str, str]] = {}
        for (project, name), digest in self.files.items():
            if project not in stored:
                pages = lab.pages(f"/projects/{project}/artifacts", {"limit": 500})
                stored[project] = {a["name"]: a["digest"] for a in pages}
            if stored[project].get(name) != digest:
                wrong.append(f"file {name} of {project} was registered, and is not there")
        return wrong
