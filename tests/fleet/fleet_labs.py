"""FleetLabs: several real labs on one PostgreSQL, behind nginx, which sends each request to another one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..ports import free_port
from ..postgres import needs_postgres
from ..server.api import Api, wait_until
from ..server.nginx import NGINX
from ..stores import PostgresPlace

_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream labs {{ {servers} keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://labs;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            client_max_body_size 0;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_next_upstream_tries 3;
        }}
    }}
}}
"""


class Fleet:
    """Attributes:
    url: of nginx.
    labs: each may be asked by itself.
    """

    def __init__(self, folder: Path, place: PostgresPlace, n: int, *arguments: str, points: str = "") -> None:
        self.place, self.folder, self.url = place, folder, ""
        points = points or f"log:{place.url}"  # slower for large data, and much less to start
        addresses = ("--database", place.url, "--points", points, "--files", f"folder:{folder}/files")
        self.labs: list[RealLab] = [
            ForkedLab(None, folder / f"home{i}", *addresses, "--database-connections", "6", *arguments)
            for i in range(n)
        ]

    @property
    def api_key(self) -> str:
        return self.labs[0].api_key

    @property
    def headers(self) -> dict[str, str]:
        return self.labs[0].headers

    def api(self, lab: int | None = None) -> Api:
        """Return a caller of all labs in turn, or of one."""
        return Api(self.url if lab is None else self.labs[lab].url, self.api_key)

    def on_duty(self, duty: str = "watch") -> list[int]:
        """Return which labs have that duty now, according to PostgreSQL."""
        from pyhectiqlab.store.sql.postgres_peers import lock_of

        lock = lock_of(duty) & (1 << 64) - 1
        its = (
            "SELECT a.client_port, l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = "
            "'advisory' AND l.granted AND l.classid::bigint = %s AND l.objid::bigint = %s AND a.datname = %s"
        )
        rows = self.place.cluster.ask(its, lock >> 32, lock & 0xFFFFFFFF, self.place.database)
        pids = {row[1] for row in rows}
        return [i for i, lab in enumerate(self.labs) if lab.running and pids & self._backends(lab)]

    def _backends(self, lab: RealLab) -> set[object]:
        """Return the processes of PostgreSQL that serve a lab: it gives its name to them."""
        name = f"hectiqlab peers {lab.pid}"
        return {
            row[0]
            for row in self.place.cluster.ask("SELECT pid FROM pg_stat_activity WHERE application_name = %s", name)
        }


@contextmanager
def running(folder: Path, n: int, *arguments: str, points: str = "") -> Iterator[Fleet]:
    needs_postgres()
    place = PostgresPlace(empty=bool(points))
    fleet = Fleet(folder, place, n, *arguments, points=points)
    try:
        for lab in fleet.labs:
            lab.start()
        with balancer(folder / "nginx", [lab.url for lab in fleet.labs], free_port()) as fleet.url:
            yield fleet
    finally:
        for lab in fleet.labs:
            lab.stop()
        if not points:
            place.cluster.ask("DROP TABLE IF EXISTS point_log, notes", database=place.database)
        place.remove()


@contextmanager
def balancer(folder: Path, labs: Sequence[str], port: int) -> Iterator[str]:
    """Return the address of an nginx that sends each request to the next of these labs."""
    assert NGINX is not None
    folder.mkdir()
    servers = "".join(f"server {lab.removeprefix('http://')} max_fails=1 fail_timeout=1s; " for lab in labs)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, servers=servers, port=port))
    nginx = subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", f"{folder}/errors"])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url))
        yield url
    finally:
        nginx.terminate()
        nginx.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):  # the first answer takes its time on a busy machine
        return False
