"""Delivers notices: about runs that failed, were lost or ended, and about the lab itself.

A notice about the lab says, for example, that its disk is full or that its work fails.

Notices about runs are rows (store/notices.py), which the lab writes with the change of state. Notices about the lab are
only here, in memory, as they may be about a disk that takes nothing.

A notice about a run is delivered at least once: a lab that is killed between a delivery and the note of it delivers
again. The payload has the notice's id. It is JSON with a member `text`, which the incoming webhooks of common chat
programs take as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import smtplib
import ssl
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from ..._version import __version__
from ...base.loops import Loop
from ...base.texts import clean
from ...errors import StoreError
from ...store.meta import MetaStore, MetaTransaction
from ...store.notices import LAB, Notice, Target
from ..transacts import Transacts

log = logging.getLogger("hectiqlab.server")

LOOK_EVERY_S = 2.0
TIMEOUT_S = 10.0
AT_ONCE = 4
TAKEN = 40
FIRST_PAUSE_S = 15.0
ABOUT_LAB_MAX = 100  # notices about the lab that wait
TRIES_MAX = 12  # pauses double, so the last try is some 17 hours after the first
MAIL_SERVER = "mail_server"  # key of the lab's value


class Undelivered(Exception):
    """A notice did not get through; says why in a few words."""


@dataclass
class _AboutLab:
    """A notice about the lab itself, for one target. It is only in memory."""

    target: Target
    body: dict[str, Any]
    tries: int = 0
    again_at: float = 0.0


class Notifier:
    """The thread that delivers, between `start` and `stop`.

    Args:
        on_duty: whether this lab is the one, of several, that delivers notices about runs.
    """

    def __init__(self, meta: MetaStore, write: Transacts, on_duty: Callable[[], bool] = lambda: True) -> None:
        self._meta, self._write, self._on_duty = meta, write, on_duty
        self.url = ""  # the address at which people find the lab
        self._about_lab: deque[_AboutLab] = deque(maxlen=ABOUT_LAB_MAX)
        self._pool = ThreadPoolExecutor(AT_ONCE, "hectiqlab-notice")
        self.loop = Loop("notifier", self._turn, log.error, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        """Stop the thread. Blocks until deliveries under way are done, TIMEOUT_S at most each."""
        self.loop.stop()
        self._pool.shutdown()

    def notify_about_lab(self, text: str) -> None:
        """Notify each target that wants notices about the lab. Blocks on the database."""
        with self._meta.reading() as view:
            targets = [target for target in view.targets() if LAB in target.states and view.muted_since() is None]
        now = time.time()
        url = f"{self.url}/admin/status"
        body = {"id": f"lab-{now:.3f}", "text": f"{text} {url}", "state": LAB, "why": "", "at": now, "url": url}
        self._about_lab.extend(_AboutLab(target, body) for target in targets)
        self.loop.hurry()

    def _turn(self) -> float:
        now = time.time()
        with self._meta.reading() as view:
            if view.muted_since() is not None:
                return LOOK_EVERY_S
            due = view.due_notices(now, TAKEN) if self._on_duty() else []
            server = view.lab_value(MAIL_SERVER)
        lately = [one for one in tuple(self._about_lab) if one.again_at <= now]
        deliveries = [self._pool.submit(self._deliver_about_lab, server, one) for one in lately]
        deliveries += [self._pool.submit(self._deliver, server, notice) for notice in due]
        wait(deliveries)  # waits for all, even if one raises
        for delivery in deliveries:
            delivery.result()
        return LOOK_EVERY_S

    def _deliver_about_lab(self, mail_server: str | None, notice: _AboutLab) -> None:
        if self.loop.stopping:
            return
        again_at, error = self._try(mail_server, notice.target, notice.body, notice.tries)
        if again_at is None:
            self._about_lab.remove(notice)
        else:
            notice.tries, notice.again_at = notice.tries + 1, again_at
        with contextlib.suppress(StoreError):  # the notice may be about a full disk
            self._write(lambda tx: tx.target_tried(notice.target.id, time.time(), error))

    def _try(
        self, mail_server: str | None, target: Target, body: dict[str, Any], tries: int
    ) -> tuple[float | None, str | None]:
        """Deliver once. Return when to try again (None: it got through or is given up), and why it did not get
        through.
        """
        try:
            deliver(target, body, mail_server)
        except Exception as e:  # a strange address may upset a library: other targets still get theirs
            error = str(e) if isinstance(e, Undelivered) else f"{type(e).__name__}: {e}"[:200]
            last = tries + 1 >= TRIES_MAX
            what = "is given up" if last else "waits"
            log.warning("a notice for %s %s: %s", safe(target.address), what, error)
            return None if last else time.time() + FIRST_PAUSE_S * 2**tries, error
        return None, None

    def _deliver(self, mail_server: str | None, notice: Notice) -> None:
        if self.loop.stopping:
            return
        again_at, error = self._try(mail_server, notice.target, run_payload(notice, self.url), notice.tries)

        def tried(tx: MetaTransaction) -> None:
            tx.notice_tried(notice.id, again_at)
            tx.target_tried(notice.target.id, time.time(), error)

        self._write(tried)


def run_payload(notice: Notice, lab_url: str) -> dict[str, Any]:
    """Return what a target gets of a notice about a run."""
    url = f"{lab_url}/runs/{notice.run_id}"
    why = f": {notice.why}" if notice.why else ""
    text = f"{notice.run} ({notice.project}) {WORDS.get(notice.state, notice.state)}{why} {url}"
    return {
        "id": notice.id,
        "text": "\n".join(map(clean, text.splitlines())),  # for people: `why` may have several lines
        "state": notice.state,
        "why": notice.why,
        "at": notice.at,
        "url": url,
        "run": {"id": notice.run_id, "name": notice.run, "project": notice.project, "author": notice.author},
    }


WORDS = {"lost": "was lost", "killed": "was killed", "stopped": "was stopped"}


def deliver(target: Target, body: dict[str, Any], mail_server: str | None) -> None:
    """Send a payload to a target. Blocks for TIMEOUT_S at most, some more for a slow mail server. Raises
    Undelivered.
    """
    if target.address.startswith("mailto:"):
        _mail(target.address.removeprefix("mailto:"), body, mail_server)
        return
    content = json.dumps(body).encode()
    signature = hmac.new(target.secret.encode(), content, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"hectiqlab/{__version__}",
        "Hectiqlab-Signature": f"sha256={signature}",
    }
    try:
        with requests.post(
            target.address, data=content, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
        ) as answer:  # stream: the body is not read, however long it is
            if not 200 <= answer.status_code < 300:
                raise Undelivered(f"it answered {answer.status_code}")
    except requests.RequestException as e:
        raise Undelivered(type(e).__name__) from None


def _mail(to: str, body: dict[str, Any], server: str | None) -> None:
    if not server:
        raise Undelivered("no mail server is set: hectiqlab admin mail-server smtp://…")
    where = urlsplit(server)
    message = EmailMessage()
    subject = body["text"].splitlines()[0]
    message["Subject"] = subject[:200]
    message["From"] = unquote(where.query.removeprefix("from=")) or f"hectiqlab@{where.hostname}"
    message["To"] = to
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=message["From"].rpartition("@")[2].rstrip(">") or None)
    message.set_content(f"{body['text']}\n\n{body['url']}\n")
    try:
        kind = smtplib.SMTP_SSL if where.scheme == "smtps" else smtplib.SMTP
        with kind(where.hostname or "", where.port or 0, timeout=TIMEOUT_S) as smtp:
            if where.scheme == "smtp+starttls":
                smtp.starttls(context=ssl.create_default_context())
            if where.username:
                smtp.login(unquote(where.username), unquote(where.password or ""))
            smtp.send_message(message)
    except (OSError, smtplib.SMTPException) as e:
        raise Undelivered(f"{type(e).__name__}: {e}"[:200]) from None


def safe(address: str) -> str:
    """Return an address without its secrets: chat programs put a key into the path."""
    if address.startswith("mailto:"):
        return address
    where = urlsplit(address)
    return f"{where.scheme}://{where.hostname}{f':{where.port}' if where.port else ''}/…"
