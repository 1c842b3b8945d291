"""Files reach the lab as they were at the call, whoever is killed, and never in the way of a metric."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import os
import signal
import socket
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.spool import read_json

from .conftest import Site, eventually
from .test_ends import unique

MB = 1_000_000

START = """
import os, sys, time
from pathlib import Path
from pyhectiqlab import Run
run = Run(sys.argv[1], project="files", should_create_project=True)
folder = Path(sys.argv[2])
"""


def artifacts(site: Site, name: str, **query: Any) -> list[dict[str, Any]]:
    with site.client() as client:
        run = client.get("/runs/resolve", {"ref": name})
        return list(client.pages(f"/runs/{run['id']}/artifacts", query))


def shared(site: Site, **query: Any) -> list[dict[str, Any]]:
    with site.client() as client:
        return list(client.pages("/projects/files/artifacts", query))


def content(site: Site, artifact: dict[str, Any]) -> bytes:
    with site.client() as client, client.opened(f"/artifacts/{artifact['uuid']}/content", {}) as body:
        assert body.status == 200
        parts = []
        while part := body.read(1 << 20):
            parts.append(part)
    data = b"".join(parts)
    assert hashlib.sha256(data).hexdigest() == artifact["digest"] and len(data) == artifact["bytes"]
    return data


def random_file(path: Path, size: int) -> Path:
    with open(path, "wb") as f:
        while size:
            f.write(os.urandom(n := min(size, 8 << 20)))
            size -= n
    return path


def waiting(site: Site, what: str = "json") -> list[Path]:
    """Return the files in the spool's folders `files` by their ending."""
    return [p for p in (site.home / "spool").glob(f"*/files/*.{what}") if p.name.partition(".")[2] == what]


def progress(site: Site) -> int:
    """Return the bytes of files that the uploader has sent so far, as it last wrote it down."""
    items = [read_json(path) or {} for path in (site.home / "spool").glob("*/status.json")]
    return sum(f["sent"] for status in items for f in status.get("files", {}).values())


def losses(site: Site, name: str) -> dict[str, int]:
    counts: dict[str, int] = site.find(name)["losses"]
    return counts


def test_files_of_run_step_and_project_with_versions(site: Site, tmp_path: Path) -> None:
    name = unique("files")
    done = site.run(
        START
        + """
path = folder / "note.txt"
for i in range(3):
    path.write_text(f"version {i}")
    run.add_artifact(path)          # overwritten in place at once: the call kept it
for step in range(3):
    path.write_text(f"step {step}")
    run.add_artifacts(str(path), step=step)
path.write_text("shared")
run.add_shared_artifact(path)
path.write_text("last")
answer = run.add_artifact(path, step=2, wait_response=True)
print(answer["uuid"], answer["version"], answer["name"])
(folder / "empty").touch()
run.add_artifact(folder / "empty")
assert run.flush(30)
print(run.status().files_left, [a["name"] for a in run.list_shared_artifact()])
(folder / "tree" / "deep").mkdir(parents=True)
(folder / "tree" / "deep" / "x").write_text("x" * 100)
(folder / "tree" / "link").symlink_to("/etc")
run.add_directory_as_zip_artifact(folder / "tree", step=1)
""",
        name,
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    uuid, version, stored_name, left, listed = done.stdout.split(maxsplit=4)
    assert (version, stored_name, left, listed.strip()) == ("2", "note.txt", "0", "['note.txt']")
    every = artifacts(site, name, versions="all")
    texts = {(a["name"], a["step"], a["version"]): content(site, a) for a in every if a["name"] == "note.txt"}
    assert {k[1:]: v.decode() for k, v in texts.items()} == {
        (None, 1): "version 0",
        (None, 2): "version 1",
        (None, 3): "version 2",
        (0, 1): "step 0",
        (1, 1): "step 1",
        (2, 1): "step 2",
        (2, 2): "last",
    }
    assert [a["uuid"] for a in every if (a["step"], a["version"]) == (2, 2)] == [uuid]
    (empty,) = (a for a in every if a["name"] == "empty")
    assert content(site, empty) == b""
    (packed,) = (a for a in every if a["name"] == "tree.zip")
    assert (packed["kind"], packed["step"], packed["meta"]["links"]) == ("zip", 1, 1)
    with zipfile.ZipFile(io.BytesIO(content(site, packed))) as z:
        assert sorted(z.namelist()) == ["deep/", "deep/x", "link"]
    assert content(site, shared(site, name="note.txt")[0]) == b"shared"
    assert not waiting(site) and not waiting(site, "data"), "the spool is clean"


def test_what_is_wrong_with_the_call_is_said_at_the_call(site: Site, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "new\nline").touch()
    calls = """
calls = [
    lambda: run.add_artifact(folder / "none"),
    lambda: run.add_artifact(folder),
    lambda: run.add_artifact(str(folder) + "/"),
    lambda: run.add_artifact(folder / "pipe"),
    lambda: run.add_artifact(folder / "new\\nline"),
    lambda: run.add_artifact(5),
    lambda: run.add_artifact(sys.executable, step="one"),
    lambda: run.add_directory_as_zip_artifact(folder / "none"),
    lambda: run.add_directory_as_zip_artifact(folder / "pipe"),
    lambda: run.add_tf_model_as_artifact(object(), "m"),
    lambda: run.add_shared_artifact(folder),
]
for call in calls:
    try:
        call()
        print("nothing")
    except Exception as e:
        print(type(e).__name__)
"""
    expected = ["FileNotFoundError", "IsADirectoryError", "IsADirectoryError", "ValueError", "ValueError", "TypeError"]
    expected += ["TypeError", "FileNotFoundError", "NotADirectoryError", "TypeError", "IsADirectoryError"]
    for mode in ("online", "offline", "dry"):
        done = site.run(START + calls, unique("wrong"), str(tmp_path), HECTIQLAB_MODE=mode)
        assert (done.returncode, done.stdout.split()) == (0, expected), done.stderr
    after = site.run(
        START + "run.close()\ntry:\n    run.add_artifact(sys.executable)\nexcept ValueError as e:\n    print(e)",
        unique("closed"),
        str(tmp_path),
    )
    assert "closed" in after.stdout


class CountingProxy:
    """Passes connections on to the lab and counts the bytes that go to it."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._to = port
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                lab = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, lab]
                for pair in ((client, lab), (lab, client)):
                    threading.Thread(target=self._pass_on, args=(*pair, pair[0] is client), daemon=True).start()

    def _pass_on(self, source: socket.socket, to: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.sent += len(data) * counted
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for one in (self._listening, *self._open):
            one.close()


def test_a_file_that_the_lab_has_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    path = random_file(tmp_path / "weights.bin", 20 * MB)
    script = START + "print(run.add_artifact(folder / 'weights.bin', wait_response=True)['uuid'])"
    proxy = CountingProxy(site.lab.port)
    env = {"HECTIQLAB_URL": proxy.url, "HECTIQLAB_API_KEY": site.lab.api_key}
    first = site.run(script, unique("first"), str(tmp_path), **env)
    assert proxy.sent > 20 * MB
    proxy.sent = 0
    name = unique("second")
    second = site.run(script, name, str(tmp_path), **env)
    again = proxy.sent
    proxy.close()
    assert 0 < again < 1 * MB
    assert first.stdout.strip() and second.stdout.strip() and first.stdout != second.stdout
    (artifact,) = artifacts(site, name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact["digest"]


def test_a_file_that_another_process_sends_as_well_holds_up_no_other(site: Site, tmp_path: Path) -> None:
    same = random_file(tmp_path / "same.bin", 3 * MB)
    random_file(tmp_path / "other.bin", 1000)
    data = same.read_bytes()
    name = unique("elsewhere")
    tus = {"Tus-Resumable": "1.0.0"}
    digest = base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
    with site.client() as client:
        made = client.request(
            "POST", "/uploads", headers={**tus, "Upload-Length": str(len(data)), "Upload-Metadata": f"digest {digest}"}
        )
    # This is the other upload. It stops in the middle for now, and keeps the lab from taking the bytes from anybody
    # else.
    other = http.client.HTTPConnection("127.0.0.1", site.lab.port)
    other.putrequest("PATCH", made.headers["location"])
    headers = {**tus, **site.lab.headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    for key, value in {**headers, "Content-Length": str(len(data))}.items():
        other.putheader(key, value)
    other.endheaders(data[: 2 * MB])
    script = (
        START
        + """
run.add_artifact(folder / 'same.bin')
run.add_artifact(folder / 'other.bin')
print('on', flush=True)
sys.stdin.read()
"""
    )
    process = site.start(script, name, str(tmp_path))
    assert process.stdout is not None and process.stdout.readline() == "on\n"
    try:
        eventually(lambda: [a["name"] for a in artifacts(site, name)] == ["other.bin"], what="the other file")
        other.send(data[2 * MB :])
        assert other.getresponse().status == 204
        eventually(lambda: len(artifacts(site, name)) == 2, what="the file that both sent")
    finally:
        other.close()
        process.communicate("", timeout=60)
    assert process.returncode == 0


def test_removed_or_replaced_right_after_the_call_it_still_arrives(site: Site, tmp_path: Path) -> None:
    large = random_file(tmp_path / "large.bin", 12 * MB)
    small = random_file(tmp_path / "small.bin", 1 * MB)
    wanted = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (large, small)}
    name = unique("removed")
    done = site.run(
        START
        + """
for name in ("large.bin", "small.bin"):
    start = time.perf_counter()
    run.add_artifact(folder / name)
    assert time.perf_counter() - start < 1
    (folder / name).unlink()
    (folder / name).write_text("another")
assert run.flush(60)
""",
        name,
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert {a["name"]: a["digest"] for a in artifacts(site, name)} == wanted


def test_a_large_file_written_in_place_is_refused_said_and_never_a_mixture(site: Site, tmp_path: Path) -> None:
    path = random_file(tmp_path / "large.bin", 60 * MB)
    versions = {hashlib.sha256(path.read_bytes()).hexdigest()}
    name = unique("inplace")
    done = site.run(
        START
        + """
run.add_artifact(folder / "large.bin")
with open(folder / "large.bin", "r+b") as f:
    f.seek(30_000_000)
    f.write(b"another" * 1000)
answer = run.add_artifact(folder / "large.bin", wait_response=True)
print(answer["uuid"] is not None)
run.flush(20)
print(dict(run.status().losses))
""",
        name,
        str(tmp_path),
    )
    versions.add(hashlib.sha256(path.read_bytes()).hexdigest())
    stored = artifacts(site, name, versions="all")
    assert {a["digest"] for a in stored} <= versions
    if len(stored) == 1:  # where the file system shares blocks, both arrive
        assert done.stdout.splitlines() == ["True", "{'file_changed': 1}"]
        assert stored[0]["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
        eventually(lambda: losses(site, name).get("file_changed") == 1, what="loss on the run's page")
    assert done.returncode == 0


def test_what_was_accepted_arrives_though_the_script_is_killed(site: Site, tmp_path: Path) -> None:
    path = random_file(tmp_path / "large.bin", 50 * MB)
    name = unique("killed")
    done = site.run(START + "run.add_artifact(folder / 'large.bin')\nos.kill(os.getpid(), 9)", name, str(tmp_path))
    assert done.returncode == -signal.SIGKILL
    path.unlink()
    site.ended(name)
    (artifact,) = artifacts(site, name)
    assert artifact["bytes"] == 50 * MB


SLOWLY = """
run.add_artifact(folder / "large.bin")
print("asked", flush=True)
for step in range(100_000):
    run.add_metrics("alive", 1.0, step)
    run.flush(0.05)  # looks after the uploader, too
    if step > 20 and not run.status().files_left:
        break
"""


def test_an_uploader_killed_at_half_is_followed_by_one_that_goes_on(own_site: Site, tmp_path: Path) -> None:
    site = own_site
    path = random_file(tmp_path / "large.bin", 200 * MB)
    name = unique("half")
    process = site.start(START + SLOWLY, name, str(tmp_path))
    eventually(lambda: progress(site) > 0, what="first bytes")
    (victim,) = site.uploaders()
    os.kill(victim, signal.SIGKILL)
    begun = {p.stat().st_ino for p in held_by_lab(site)}
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    site.ended(name)
    (artifact,) = artifacts(site, name)
    assert artifact["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    (blob,) = (p for p in held_by_lab(site) if p.stat().st_size == 200 * MB)
    assert blob.stat().st_ino in begun, "it went on where the first one was, and did not begin anew"


def held_by_lab(site: Site) -> list[Path]:
    """Return the lab's files, whole or not, that are larger than its databases."""
    return [p for p in Path(site.lab.data_dir).rglob("*") if p.is_file() and p.stat().st_size > 5 * MB]


def test_a_lab_killed_at_half_gets_the_rest_when_it_is_back(own_site: Site, tmp_path: Path) -> None:
    site = own_site
    path = random_file(tmp_path / "large.bin", 200 * MB)
    name = unique("labkill")
    process = site.start(START + SLOWLY, name, str(tmp_path))
    eventually(lambda: progress(site) > 0, what="first bytes")
    site.lab.kill()
    site.lab.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    site.ended(name)
    (artifact,) = artifacts(site, name)
    assert artifact["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_offline_it_waits_for_a_sync(site: Site, tmp_path: Path) -> None:
    random_file(tmp_path / "large.bin", 10 * MB)
    name = unique("offline")
    script = (
        START
        + """
print(run.add_artifact(folder / "large.bin", wait_response=True))
run.add_shared_artifact(sys.executable)
print(run.flush(10))
"""
    )
    done = site.run(script, name, str(tmp_path), HECTIQLAB_MODE="offline")
    assert done.returncode == 0 and "hectiqlab sync" in done.stdout and done.stdout.endswith("True\n"), done
    (tmp_path / "large.bin").unlink()
    assert len(waiting(site)) == 2
    shown = site.cli("status", "--json")
    assert '"files_left": 2' in shown.stdout
    synced = site.cli("sync")
    assert synced.returncode == 0 and "Sent 2 files; 0 left." in synced.stdout, synced
    assert [a["bytes"] for a in artifacts(site, name)] == [10 * MB]
    assert not waiting(site) and not waiting(site, "data")
    assert "Nothing waits" in site.cli("status").stdout


def test_metrics_keep_arriving_while_a_large_file_is_sent_in_little_memory(site: Site, tmp_path: Path) -> None:
    random_file(tmp_path / "large.bin", 300 * MB)
    name = unique("large")
    done = site.run(
        START
        + """
def rss(pid, what="VmRSS"):
    (line,) = (l for l in open(f"/proc/{pid}/status") if l.startswith(what))
    return int(line.split()[1]) // 1024

run.add_metrics("alive", 0.0, 0)
assert run.flush(10)
uploader = run.status().uploader_pid
own, base = rss(os.getpid()), rss(uploader)
begun = time.monotonic()
run.add_artifact(folder / "large.bin")
took = time.monotonic() - begun
slowest, step = 0.0, 0
while run.status().files_left:
    step += 1
    run.add_metrics("alive", float(step), step)
    begun = time.monotonic()
    acked = run.status().acked
    while run.status().acked <= acked and time.monotonic() - begun < 10:
        time.sleep(0.01)
    slowest = max(slowest, time.monotonic() - begun)
print(took < 0.5, step, slowest, rss(os.getpid()) - own, rss(uploader, "VmHWM") - base)
""",
        name,
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    at_once, steps, slowest, own, uploader = done.stdout.split()
    assert at_once == "True" and int(steps) > 0
    assert float(slowest) < 3, "a metric waited for the file"
    assert int(own) <= 4 and int(uploader) <= 16, (own, uploader)  # MiB
    (artifact,) = artifacts(site, name)
    assert artifact["bytes"] == 300 * MB


def test_a_forked_child_uploads_to_the_same_run(site: Site, tmp_path: Path) -> None:
    for who in ("parent", "child"):
        (tmp_path / who).write_text(who)
    name = unique("forked")
    done = site.run(
        START
        + """
run.add_artifact(folder / "parent")
if os.fork() == 0:
    run.add_artifact(folder / "child")
    os._exit(0)
os.wait()
""",
        name,
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    eventually(lambda: sorted(a["name"] for a in artifacts(site, name)) == ["child", "parent"])


def test_the_end_says_how_many_files_are_left(own_site: Site, tmp_path: Path) -> None:
    random_file(tmp_path / "large.bin", 10 * MB)
    name = unique("left")
    process = own_site.start(
        START + "print('open', flush=True)\nsys.stdin.readline()\nrun.add_artifact(folder / 'large.bin')",
        name,
        str(tmp_path),
        HECTIQLAB_EXIT_TIMEOUT="1",
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    own_site.lab.stop()
    begun = time.monotonic()
    _, err = process.communicate("\n", timeout=30)
    assert time.monotonic() - begun < 8
    assert "and 1 file (10.0 MB) are not at the lab yet" in err and "hectiqlab sync" in err
    own_site.lab.start()
    own_site.ended(name)
    assert [a["bytes"] for a in artifacts(own_site, name)] == [10 * MB]


@pytest.mark.parametrize("several", [False, True])
def test_weights_are_saved_by_the_model_itself(site: Site, tmp_path: Path, several: bool) -> None:
    name = unique("weights")
    done = site.run(
        START
        + f"""
class Model:
    def save_weights(self, path):
        for suffix in {["", ".index"] if several else [""]}:
            Path(path + suffix).write_text("weights")
run.add_tf_model_as_artifact(Model(), "model.weights.h5", step=3)
""",
        name,
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (artifact,) = artifacts(site, name)
    assert (artifact["name"], artifact["step"]) == ("model.weights.h5.zip" if several else "model.weights.h5", 3)
