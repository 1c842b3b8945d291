"""A spool that another user of the machine can write: nothing that they put there is sent in the name of its owner."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import msgpack
import pytest

from pyhectiqlab.capture import ownership
from pyhectiqlab.capture.snapshot import ChangedError, reopened
from pyhectiqlab.spool import SessionDir, read_json
from pyhectiqlab.uploader import quarantine

from .conftest import Site, eventually

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
SECRET = b"-----BEGIN OPENSSH PRIVATE KEY-----"
KEEPS_A_FILE = """
    import sys
    from pyhectiqlab import Run
    open(sys.argv[1], "w").write("what its owner wanted")
    with Run(sys.argv[2], project="spools", should_create_project=True) as run:
        run.add_metrics("loss", 1.0, 0)
        run.add_artifact(sys.argv[1])
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def kept_session(site: Site, tmp_path: Path) -> Path:
    """Make a session of the owner's with events and a file that are not sent yet."""
    site.run(KEEPS_A_FILE, str(tmp_path / "honest.txt"), tmp_path.name, HECTIQLAB_MODE="offline")
    (session,) = site.sessions()
    eventually(lambda: not site.uploaders())
    return session


def the_request(session: Path) -> Path:
    (path,) = [p for p in (session / "files").glob("*.json") if not p.name.startswith(".")]
    return path


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def forge(session: Path, secret: Path, *, as_own: bool = False) -> str:
    """Forge another user's session, like the owner's, whose file is the secret. Return its name."""
    forged = session.with_name("0badcafe0badcafe")
    shutil.copytree(session, forged)
    ident, old = os.urandom(16).hex(), the_request(forged)
    change(old, id=ident, source=str(secret), held="copy", identity=None, size=len(SECRET), name="loot.txt")
    old.rename(old.with_name(f"{ident}.json"))
    for writer in (forged / "writers").glob("*.json"):
        change(writer, mode="online")
    if not as_own:
        for folder, _, names in os.walk(forged):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, NOBODY, NOBODY)
                os.chmod(path, 0o777)
    return forged.name


def stored(site: Site) -> set[str]:
    """Return the names of the files that the lab has of this test's run."""
    with site.client() as client:
        run = client.get("/runs/resolve", {"ref": site.home.parent.name})
        return {artifact["name"] for artifact in client.get(f"/runs/{run['id']}/artifacts")["items"]}


def blobs(site: Site) -> bytes:
    return b"".join(p.read_bytes() for p in (site.lab.data_dir / "blobs").rglob("*") if p.is_file())


@needs_root
def test_a_session_that_somebody_else_made_is_not_sent(site: Site, tmp_path: Path, secret: Path) -> None:
    session = kept_session(site, tmp_path)
    forge(session, secret)
    (site.home / "spool").chmod(0o777)
    done = site.cli("sync")
    assert done.returncode == 0, done.stderr
    assert stored(site) == {"honest.txt"} and SECRET not in blobs(site)
    assert "0badcafe" not in site.cli("status").stdout, "what others write there is not shown as one's own"


@needs_root
def test_a_session_that_somebody_else_made_is_not_adopted(site: Site, tmp_path: Path, secret: Path) -> None:
    session = kept_session(site, tmp_path)
    forged = forge(session, secret)
    script = """
        import sys
        from pyhectiqlab import Run
        with Run(sys.argv[1], project="spools", should_create_project=True) as run:
            run.add_metrics("loss", 1.0, 0)
    """
    site.run(script, tmp_path.name)
    eventually(lambda: not site.uploaders(), 60)
    assert SECRET not in blobs(site) and stored(site) == set()
    assert the_request(session.with_name(forged)).exists(), "it is left as it was"


@needs_root
def test_what_was_put_into_an_open_folder_is_not_sent(site: Site, tmp_path: Path, secret: Path) -> None:
    session = kept_session(site, tmp_path)
    files = session / "files"
    for folder in (session, files):
        folder.chmod(0o777)
    ident = os.urandom(16).hex()
    planted = files / f"{ident}.json"
    shutil.copy(the_request(session), planted)
    change(planted, id=ident, source=str(secret), held="copy", identity=None, size=len(SECRET), name="loot.txt")
    os.chown(planted, NOBODY, NOBODY)
    done = site.cli("sync")
    assert done.returncode == 1 and f"chmod -R go-w {session}" in done.stderr, done.stderr
    assert f"chmod -R go-w {session}" in site.cli("status").stdout
    for folder in (session, files):
        folder.chmod(0o700)
    done = site.cli("sync")
    assert done.returncode == 1 and f"{planted} belongs to another user (uid {NOBODY}): remove it" in done.stderr
    assert SECRET not in blobs(site)
    planted.unlink()
    done = site.cli("sync")
    assert done.returncode == 0, done.stderr
    assert stored(site) == {"honest.txt"} and SECRET not in blobs(site)


def test_a_living_uploader_takes_no_requests_from_an_open_folder(site: Site, tmp_path: Path, secret: Path) -> None:
    script = """
        import sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1], project="spools", should_create_project=True)
        run.add_text("x" * 100_000, "makes the folder", step=1)
        run.flush(30)
        print("ready", flush=True)
        input()
        run.close(30)
    """
    process = site.start(script, tmp_path.name)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    (session,) = site.sessions()
    files = session / "files"
    files.chmod(0o777)
    (writer,) = (w.writer for w in SessionDir(session).writers() if not w.system)
    ident = os.urandom(16).hex()
    request = {
        "id": ident, "writer": writer, "target": "run", "name": "loot.txt", "step": None, "kind": "file", "meta": {},
        "source": str(secret), "held": "copy", "size": len(SECRET), "identity": None, "created": 0.0, "answer": False,
    }  # fmt: skip
    (files / f"{ident}.json").write_text(json.dumps(request))
    eventually(lambda: "files wait:" in site.logs())
    assert "chmod -R go-w" in site.logs()
    files.chmod(0o700)
    process.communicate("\n", timeout=60)
    assert SECRET not in blobs(site), "nor afterwards: a request that names another file than its snapshot is given up"


@pytest.mark.parametrize("held", ["copy", "link", "reference"])
@pytest.mark.parametrize("put", ["link", "hard link"])
def test_what_took_the_place_of_a_snapshot_is_not_read(tmp_path: Path, secret: Path, held: str, put: str) -> None:
    data = tmp_path / "kept.data"
    data.write_bytes(b"x" * len(SECRET))
    file_stat = data.stat()
    identity = (file_stat.st_ino, file_stat.st_size, file_stat.st_mtime_ns)
    with reopened(data, file_stat.st_size, identity, held) as fd:
        assert os.read(fd, 1) == b"x"
    data.unlink()
    data.symlink_to(secret) if put == "link" else os.link(secret, data)
    for known in (identity, None):  # None: a request of an earlier version
        with pytest.raises(ChangedError), reopened(data, file_stat.st_size, known, held):
            pass


@needs_root
def test_only_what_this_user_wrote_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "writer.json"
    path.write_text('{"a": 1}')
    path.chmod(0o600)
    assert read_json(path) == {"a": 1}
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert read_json(link) is None
    os.mkfifo(tmp_path / "pipe.json")
    assert read_json(tmp_path / "pipe.json") is None, "and it does not wait for somebody to write into it"
    os.chown(path, NOBODY, NOBODY)
    assert read_json(path) is None
    path.chmod(0o666)
    assert ownership.tree_problem(tmp_path) != ""


@needs_root
def test_a_file_server_that_shows_another_owner_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server maps root to nobody: what this process makes there belongs to nobody, too."""
    path = tmp_path / "writer.json"
    path.write_text('{"a": 1}')
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o600)
    monkeypatch.setitem(ownership._made, path.stat().st_dev, NOBODY)
    assert read_json(path) == {"a": 1}


@needs_root
def test_a_shared_spool_goes_on_working_for_each(site: Site, tmp_path: Path) -> None:
    """A spool in which several users have their sessions, one of them unreadable: each sends their own."""
    session = kept_session(site, tmp_path)
    theirs = session.with_name("1111111111111111")
    theirs.mkdir(mode=0o700)
    (theirs / "session.json").write_text("{}")
    os.chown(theirs, NOBODY, NOBODY)
    (site.home / "spool").chmod(0o1777)
    done = site.cli("sync")
    assert done.returncode == 0 and stored(site) == {"honest.txt"}, done.stderr


def test_logs_and_notes_of_a_session_are_nobody_elses(site: Site, tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        session = kept_session(site, tmp_path)
        assert site.cli("sync").returncode == 0
    finally:
        os.umask(before)
    for path in session.rglob("*"):
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o077 or path.suffix == ".data", path


@needs_root
def test_nothing_of_a_quarantine_is_read_that_somebody_else_put_there(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 32}-1-2.msgpack"
    path.write_bytes(msgpack.packb({"reason": "denied"}))
    path.chmod(0o600)
    assert len(list(quarantine.kept_events(tmp_path))) == 1
    os.chown(path, NOBODY, NOBODY)
    assert not list(quarantine.kept_events(tmp_path))
