"""LabClient over TLS: certificates, and the deadline."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from pyhectiqlab.errors import LabUnreachableError
from pyhectiqlab.transport.http import LabClient

from .scripted import Script, ScriptedServer, answering, as_json, read_request, scripted

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate of 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*request, *names], cwd=folder, check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + (folder / "key.pem").read_bytes())
    return made


def over_tls(script: Script, certificate: Path) -> Script:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrapped(connection: socket.socket, server: ScriptedServer) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            script(tls, server)

    return wrapped


def test_a_certificate_that_is_trusted_is_enough(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with scripted(over_tls(answering(as_json({})), certificate)) as server:
        with LabClient(server.url.replace("http:", "https:"), "k") as lab:
            assert [lab.get("/x"), lab.get("/x")] == [{}, {}]
        assert server.connections == 1


def test_a_certificate_that_is_not_trusted_is_told(certificate: Path) -> None:
    with scripted(over_tls(answering(as_json({})), certificate)) as server:
        lab = LabClient(server.url.replace("http:", "https:"), "k")
        with pytest.raises(LabUnreachableError, match="REQUESTS_CA_BUNDLE"):
            lab.get("/x")
        assert not server.requests


def test_a_byte_at_a_time_over_tls_cannot_hold_a_call(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket, server: ScriptedServer) -> None:
        read_request(connection, server)
        for _ in range(1000):
            connection.sendall(b"X")
            if server.stopping.wait(0.05):
                return

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with scripted(over_tls(drip, certificate)) as server:
        lab = LabClient(server.url.replace("http:", "https:"), "k")
        began = time.monotonic()
        with pytest.raises(LabUnreachableError, match="in time"):
            lab.attach({}, timeout_s=0.4)
        assert time.monotonic() - began < 2


def test_a_handshake_that_never_ends_cannot_hold_a_call() -> None:
    def silent(connection: socket.socket, server: ScriptedServer) -> None:
        server.stopping.wait()

    with scripted(silent) as server:
        lab = LabClient(server.url.replace("http:", "https:"), "k")
        began = time.monotonic()
        with pytest.raises(LabUnreachableError, match="in time"):
            lab.attach({}, timeout_s=0.4)
        assert time.monotonic() - began < 2
