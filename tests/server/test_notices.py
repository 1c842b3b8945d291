"""Notices reach those who asked for them: of a run that failed, is lost or ended.

They arrive once the target can be reached, also after a kill of the lab.
"""

from __future__ import annotations

import email
import email.utils
import hashlib
import hmac
import json
import re
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from ..stores import sql
from .api import Api, new_id, wait_until


class Chat(ThreadingHTTPServer):
    """A chat program's webhook: keeps what it gets; answers `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], str, bytes]] = []
        self.tried = 0
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Hook)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hooks/secret-path"


class _Hook(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tried += 1
        if self.server.status == 200:
            self.server.got.append((json.loads(content), self.headers["Hectiqlab-Signature"], content))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def admin(lab: RealLab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("admin", *arguments, "--data", str(lab.data_dir))


def add(lab: RealLab, *arguments: str) -> tuple[str, str]:
    """Add a target and return (id, secret)."""
    done = admin(lab, "notify", "add", *arguments)
    assert done.returncode == 0, done.stderr
    first, _, second = done.stdout.partition("\n")
    return first.split()[0], second.rpartition(" ")[2].strip()


def ended(api: Api, name: str, state: str, project: str = "vision", why: str = "ValueError: no") -> str:
    session = new_id(8)
    answer = api.attach(name, session, project=project, create_project=True)["run"]
    api.end(session, answer["id"], state, cause=why)
    return str(answer["id"])


def test_a_failed_run_is_told_with_its_reason_signed(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        api = Api.of(own_lab)
        _, secret = add(own_lab, chat.url, "--on", "failed")
        ended(api, "fine", "completed")
        run = ended(api, "resnet", "failed")
        wait_until(lambda: chat.got)
        (notice, signature, content), *more = chat.got
        assert not more, "of completed runs it wants to hear nothing"
        assert notice["state"] == "failed" and notice["run"] == {
            "id": run,
            "name": "resnet",
            "project": "vision",
            "author": notice["run"]["author"],
        }
        assert notice["text"].startswith("resnet (vision) failed: ValueError: no")
        assert notice["url"] == f"{own_lab.url}/runs/{run}" and notice["url"] in notice["text"]
        assert signature == "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
        assert "secret-path" not in own_lab.log() + admin(own_lab, "notify", "list").stdout


def test_what_could_not_be_delivered_outlives_the_lab(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        add(own_lab, chat.url)
        chat.status = 503
        run = ended(Api.of(own_lab), "resnet", "failed")
        wait_until(lambda: chat.tried)
        own_lab.kill()
        chat.status = 200
        own_lab.start()
        wait_until(lambda: chat.got, 30)
        assert chat.got[0][0]["run"]["id"] == run


def test_a_redirect_is_not_followed(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        add(own_lab, chat.url)
        chat.status = 307
        ended(Api.of(own_lab), "resnet", "failed")
        wait_until(lambda: "it answered 307" in own_lab.log())


def test_a_webhook_that_is_dead_is_shown_where_it_is_set(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        target, _ = add(own_lab, chat.url)
        assert "nothing yet" in admin(own_lab, "notify", "list").stdout
        chat.status = 404
        ended(Api.of(own_lab), "resnet", "failed")
        wait_until(lambda: "it answered 404" in admin(own_lab, "notify", "list").stdout)
        header, row = admin(own_lab, "notify", "list").stdout.splitlines()
        assert header.split()[-2:] == ["WAITING", "LAST"]
        assert re.search(r" 1 +failed \S+ \S+: it answered 404$", row), row
        chat.status = 200
        assert admin(own_lab, "notify", "test", target).returncode == 0
        row = admin(own_lab, "notify", "list").stdout.splitlines()[1]
        assert re.search(r" [01] +delivered \S+ \S+$", row), row  # that one waits for its next try, or had it


def test_of_other_projects_it_hears_nothing(own_lab: RealLab, chat: Chat) -> None:
    with own_lab:
        api = Api.of(own_lab)
        ended(api, "before", "failed", "vision")
        add(own_lab, chat.url, "--project", "vision")
        ended(api, "other", "failed", "speech")
        run = ended(api, "mine", "failed", "vision")
        wait_until(lambda: chat.got)
        assert [notice["run"]["id"] for notice, _, _ in chat.got] == [run]


def test_a_lost_run_is_told(tmp_path: Path, chat: Chat) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--lost-after", "1", "--public-url", "https://lab.org") as lab:
        assert (lab.login_link or "").startswith("https://lab.org/login-link?token=")
        add(lab, chat.url, "--on", "lost")
        answer = Api.of(lab).attach("silent")["run"]
        wait_until(lambda: chat.got, 20)
        assert chat.got[0][0]["state"] == "lost"
        assert chat.got[0][0]["url"] == f"https://lab.org/runs/{answer['id']}"


class MailHost(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Smtp)


class _Smtp(socketserver.StreamRequestHandler):
    """As much of SMTP as a sender needs."""

    server: MailHost

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (content := self.rfile.readline()) != b".\r\n":
                    lines.append(content)
                self.server.mails.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def test_a_mail_is_sent_through_the_server_that_was_set(own_lab: RealLab) -> None:
    with MailHost() as host, own_lab:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        target, _ = add(own_lab, "mailto:team@example.org")
        refused = admin(own_lab, "notify", "test", target)
        assert refused.returncode == 1 and "no mail server is set" in refused.stderr
        port = host.server_address[1]
        assert admin(own_lab, "mail-server", f"smtp://127.0.0.1:{port}?from=lab@example.org").returncode == 0
        run = ended(Api.of(own_lab), "Größe", "killed", why="signal 9")
        wait_until(lambda: host.mails)
        assert "To: team@example.org" in host.mails[0] and "From: lab@example.org" in host.mails[0]
        assert f"/runs/{run}" in host.mails[0].replace("=\r\n", "")
        mail = email.message_from_string(host.mails[0])
        sent = email.utils.parsedate_to_datetime(mail["Date"])
        assert abs(sent.timestamp() - time.time()) < 120 and sent.tzinfo is not None
        assert re.fullmatch(r"<[^<>@\s]+@example\.org>", mail["Message-ID"])
        assert admin(own_lab, "notify", "test", target).stdout == "Delivered.\n"
        assert admin(own_lab, "notify", "remove", target).returncode == 0
        assert admin(own_lab, "notify", "remove", target).returncode == 1
        host.shutdown()


@pytest.mark.parametrize(
    "arguments",
    [
        ("ftp://example.org",),
        ("mailto:a@b, c@d",),
        ("mailto:team@example.org\nBcc: x@y.z",),
        ("http://",),
        ("https://ok.example.org", "--on", "failed,melted"),
    ],
)
def test_a_target_that_cannot_be_told_is_refused(lab: RealLab, arguments: tuple[str, ...]) -> None:
    done = admin(lab, "notify", "add", *arguments)
    assert done.returncode == 2 and "Error:" in done.stderr, done


def test_an_address_that_breaks_a_library_holds_up_no_other(own_lab: RealLab, chat: Chat) -> None:
    """Such an address is refused today; an older lab took it, and its notifier ended at it, after a restart too."""
    bad = "https://hooks..example.com/x"
    with own_lab:
        refused = admin(own_lab, "notify", "add", bad)
        assert refused.returncode == 2 and "neither an http or https URL" in refused.stderr
        add(own_lab, chat.url)
        add(own_lab, "https://hooks.example.com/x")
        with sql(own_lab.data_dir) as conn:
            change = text("UPDATE notice_targets SET address = :bad WHERE address LIKE '%example.com%'")
            conn.execute(change, {"bad": bad})
        api = Api.of(own_lab)
        for name in ("resnet", "vgg"):
            run = ended(api, name, "failed")
            wait_until(lambda run=run: run in [notice["run"]["id"] for notice, _, _ in chat.got])  # type: ignore[misc]
        wait_until(lambda: "a notice for https://hooks..example.com/… waits" in own_lab.log())
        assert api.http.get(f"{own_lab.url}/healthz").json() == {"status": "ok"}
