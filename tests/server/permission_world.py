"""Everybody who asks in the permission matrix, two projects, and how each route is asked."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from pyhectiqlab.server.accounts.accounts import Accounts
from pyhectiqlab.store.meta import MetaTransaction
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.testing.lab import RealLab

from .api import INGEST_HEADERS, Api, batch, new_id, packed

T = TypeVar("T")
# Who asks. In both projects, viewer, member and project_admin have that role; author is a member with a run in each;
# stranger is a member of the lab without a role in the private one.
NOBODY = ("anonymous", "disabled", "revoked")
EVERYBODY = ("viewer", "member", "author", "project_admin", "stranger", "lab_admin")
MAY = {
    "account": EVERYBODY,
    "lab:member": ("member", "author", "project_admin", "stranger", "lab_admin"),
    "lab:adder": ("member", "author", "project_admin", "stranger", "lab_admin"),
    "lab:admin": ("lab_admin",),
    "lab:metrics": ("lab_admin",),
    "project:read": EVERYBODY,
    "project:add": ("member", "author", "project_admin", "stranger", "lab_admin"),
    "project:admin": ("project_admin", "lab_admin"),
    "project:own": ("lab_admin",),
    "run:read": EVERYBODY,
    "run:add": ("author",),
    "run:change": ("author", "project_admin", "lab_admin"),
    "artifact:read": EVERYBODY,
    "version:read": EVERYBODY,
}
LISTS = {"GET /runs", "GET /table", "GET /table/groups", "GET /table/csv", "GET /table/columns", "GET /table/suggest"}


@dataclasses.dataclass
class Project:
    """A project, and everything in it that requests can ask about."""

    ref: str
    run: str
    artifact: str
    versions: dict[str, str]  # models and datasets


class World:
    def __init__(self, lab: RealLab) -> None:
        self.lab, self.url = lab, lab.url
        owner = Api.of(lab)
        self.callers = {"lab_admin": self.user("admin"), "viewer": self.user("viewer")}
        for name in ("member", "author", "project_admin", "stranger", "disabled", "revoked"):
            self.callers[name] = self.user("member")
        self.callers["anonymous"] = Api(lab.url, "")
        del self.callers["anonymous"].http.headers["Authorization"]
        self.projects = {"public": self._project(owner, private=False), "private": self._project(owner, private=True)}
        owner.call("PATCH", f"/users/{self._name('disabled')}", json={"disabled": True})
        revoked = self.callers["revoked"]
        revoked.call("DELETE", f"/keys/{revoked.get('/keys')['items'][0]['id']}")

    def user(self, role: str, password: str | None = None) -> Api:
        """Make a user with a key beside the lab, as `hectiqlab admin` does: nobody hashes what nobody types."""
        name = f"u{new_id(4)}"
        with contextlib.closing(open_beside(self.lab.data_dir)) as storage:

            def write(function: Callable[[MetaTransaction], T], /) -> T:
                with storage.meta.writing() as tx:
                    return function(tx)

            accounts = Accounts(storage.meta, write, storage.permissions)
            hashed = None if password is None else accounts.hash_password(password)
            user = write(lambda tx: tx.add_user(name, role, hashed, time.time()))
            _, secret = accounts.add_key(user, "k")
        api = Api(self.url, secret)
        api.name = name  # type: ignore[attr-defined]
        return api

    def _name(self, who: str) -> str:
        return str(self.callers[who].name)  # type: ignore[attr-defined]

    def _project(self, owner: Api, private: bool) -> Project:
        ref = owner.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]
        for who, role in (("viewer", "viewer"), ("member", "member"), ("author", "member"), ("project_admin", "admin")):
            owner.call("PUT", f"/projects/{ref}/members/{self._name(who)}", json={"role": role})
        if private:
            owner.call("PATCH", f"/projects/{ref}", json={"private": True})
        author = self.callers["author"]
        run = author.attach(project=ref, session="5e551011")["run"]["id"]
        assert author.statuses(batch(run, new_id(), 1, 3)) == [200]
        data = f"{ref}: somebody's bytes".encode()
        digest = hashlib.sha256(data).hexdigest()
        self.upload(author, data, digest)
        file = {"digest": digest, "bytes": len(data)}
        artifact = author.call("POST", f"/runs/{run}/artifacts", 201, json={"name": "a.txt", **file})["uuid"]
        body = {"files": [{"path": "w", **file}], "short_description": "", "description": ""}
        versions = {
            kind: author.call("POST", f"/projects/{ref}/{kind}/m/versions", 201, json=body)["uuid"]
            for kind in ("models", "datasets")
        }
        return Project(ref, run, artifact, versions)

    def upload(self, api: Api, data: bytes, digest: str) -> None:
        tus = {"Tus-Resumable": "1.0.0"}
        meta = f"digest {base64.b64encode(digest.encode()).decode()}"
        made = api.raw("POST", "/uploads", headers={**tus, "Upload-Length": str(len(data)), "Upload-Metadata": meta})
        assert made.status_code == 201, made.text
        headers = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        sent = api.http.patch(self.url + made.headers["location"], data=data, headers=headers, timeout=30)
        assert sent.status_code == 204, sent.text

    def ask(self, who: str, route: str, project: Project) -> requests.Response:
        method, path = route.split(" ")
        run = project.run
        if route == "DELETE /runs/{run_id}" and who in MAY["run:change"]:
            run = self.callers["author"].attach(project=project.ref)["run"]["id"]  # it may go
        ref = project.ref
        if route == "DELETE /projects/{ref}" and who in MAY["project:own"]:
            ref = self.callers[who].call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["id"]  # likewise
        path = path.format(
            ref=ref,
            run_id=run,
            uuid=project.versions.get(path.split("/")[1], project.artifact),
            name="m",
            version="latest",
            alias="no-such",
            view_id="no-such",
            username="no-such-user",
            key_id="no-such",
            invite_id="no-such",
            code="BBBB-BBBB",
            session="5e551011",
            digest="0" * 64,
            upload_id="0" * 32,
        )
        more: dict[str, Any] = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
        if route == "POST /runs/attach":
            more = {"json": {"name": f"r-{new_id(4)}", "session": "5e551012", "project": project.ref}}
        elif route == "POST /imports":
            more = {"json": {"names": [f"r-{new_id(4)}"], "origin": new_id(), "project": project.ref}}
        elif route == "POST /ingest":
            more = {"data": packed([batch(run, new_id(), 1, 1)]), "headers": INGEST_HEADERS}
        elif route == "POST /series/buckets":
            more = {"json": {"selectors": [{"run": run, "key": "loss"}], "axis": "step", "n": 2}}
        elif route == "POST /series/groups":
            more = {"json": {"groups": [[run]], "keys": ["loss"]}}
        elif route in {"POST /series/formulas", "POST /series/pairs"}:
            more = {
                "json": {
                    "lines": [
                        {"run": run, "formula": "loss"}
                        if "formulas" in route
                        else {"run": run, "x": "loss", "y": "loss"}
                    ]
                }
            }
        elif route == "POST /runs/actions":
            more = {"json": {"actions": [{"action": "tag", "runs": [run], "name": "t"}]}}
        elif route == "GET /stream":
            more = {"params": {"run": run}, "stream": True}
        elif route in LISTS:
            more = {"params": {"project": project.ref, "by": "state"}}
        elif route in {"GET /runs/differences", "GET /series/axes"}:
            more = {"params": {"run": run}}
        elif route == "GET /runs/resolve":
            more = {"params": {"ref": run}}
        elif path.endswith("/content"):
            more = {"params": {"path": "w"}}
        elif "/uploads" in path:
            more["headers"] = {"Tus-Resumable": "1.0.0"}
        return self.callers[who].raw(method, path, **more)
