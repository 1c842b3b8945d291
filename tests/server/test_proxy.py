"""The lab behind nginx, by the configuration of docs/deploy: what trainings, browsers and large files need of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, new_id, wait_until
from .test_operations import make_certificate

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SHIPPED = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealLab, str, Path]]:
    """The lab, the address that people know, and the certificate to trust."""
    folder = tmp_path_factory.mktemp("nginx")
    chain, key = make_certificate(folder)
    port = free_port()
    with RealLab(folder / "data", folder / "home", "--behind-proxy", "127.0.0.1", "--lost-after", "600") as lab:
        server = SHIPPED.read_text()
        for shipped, here in {
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/lab.example.org.pem": str(chain),
            "/etc/ssl/private/lab.example.org.key": str(key),
            "http://127.0.0.1:8080": lab.url,
        }.items():
            assert shipped in server
            server = server.replace(shipped, here)
        folders = "".join(
            f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/errors;\n"
            f"events {{}}\nhttp {{ access_log off;\n{folders}{server}}}\n"
        )
        assert NGINX is not None
        nginx = subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", f"{folder}/errors"])
        try:
            url = f"https://localhost:{port}"
            wait_until(lambda: answers(url, chain))
            yield lab, url, chain
        finally:
            nginx.terminate()
            nginx.wait()


def answers(url: str, chain: Path) -> bool:
    try:
        return requests.get(f"{url}/healthz", verify=str(chain), timeout=5).ok
    except requests.ConnectionError:
        return False


def api_of(behind: tuple[RealLab, str, Path]) -> Api:
    lab, url, chain = behind
    api = Api(url, lab.api_key)
    api.http.verify = str(chain)
    api.http.trust_env = False  # REQUESTS_CA_BUNDLE of the environment would win
    return api


SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run("through nginx", project="p", should_create_project=True)
for step in range(1000):
    run.add_metrics("loss", 1.0, step)
print(run.add_artifact(sys.argv[1], wait_response=True)["digest"])
run.close()
print(run.status().acked, run.url)
"""


def test_a_training_and_its_large_file_reach_the_lab(behind: tuple[RealLab, str, Path], tmp_path: Path) -> None:
    lab, url, chain = behind
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(20_000_000))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
    environment |= {"HECTIQLAB_HOME": str(tmp_path), "HECTIQLAB_URL": url, "HECTIQLAB_API_KEY": lab.api_key}
    environment |= {"REQUESTS_CA_BUNDLE": str(chain), "HECTIQLAB_SYSTEM_METRICS": "0"}
    command = [sys.executable, "-c", SCRIPT, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    digest, acked, told = done.stdout.split()
    assert len(digest) == 64 and int(acked) >= 1000
    assert told.startswith(f"{url}/runs/"), "the address of a run is the one that people know"


def test_a_live_page_hears_of_points_at_once(behind: tuple[RealLab, str, Path]) -> None:
    api = api_of(behind)
    run = api.attach()["run"]["id"]
    with api.raw("GET", f"/stream?run={run}", stream=True) as stream:
        lines = stream.iter_lines(chunk_size=1)
        next(lines)
        began = time.monotonic()
        api.ingest(batch(run, new_id(), 1, 10))
        for line in lines:
            if line == b"event: points":
                break
        assert time.monotonic() - began < 5


def test_a_browser_gets_a_cookie_for_https_alone(behind: tuple[RealLab, str, Path]) -> None:
    lab, url, chain = behind
    link = url + (lab.login_link or "").removeprefix(lab.url)
    answer = requests.get(link, verify=str(chain), timeout=10, allow_redirects=False)
    assert answer.status_code == 303 and "secure" in answer.headers["set-cookie"].lower()
