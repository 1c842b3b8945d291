"""nginx before a lab, by the configuration of docs/deploy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from ..ports import free_port
from .api import wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SHIPPED = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"


@contextmanager
def nginx_before(
    lab_url: str, folder: Path, chain: Path, key: Path, *, root_path: str = "", strips: bool = False
) -> Iterator[str]:
    """Start nginx and yield the address that people use. `lab_url`: without the root path; `strips`: nginx removes the
    root path.
    """
    port = free_port()
    server = SHIPPED.read_text()
    for shipped, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/lab.example.org.pem": str(chain),
        "/etc/ssl/private/lab.example.org.key": str(key),
        "location / {": f"location {root_path}/ {{",
        "http://127.0.0.1:8080;": f"{lab_url}{'/' if strips else ''};",
    }.items():
        assert shipped in server
        server = server.replace(shipped, here)
    folder.mkdir(exist_ok=True)
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
        url = f"https://localhost:{port}{root_path}"
        wait_until(lambda: answers(url, chain))
        yield url
    finally:
        nginx.terminate()
        nginx.wait()


def answers(url: str, chain: Path) -> bool:
    try:
        return requests.get(f"{url}/healthz", verify=str(chain), timeout=5).ok
    except requests.ConnectionError:
        return False
