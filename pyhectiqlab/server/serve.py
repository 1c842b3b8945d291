"""Runs a lab: opens the data, takes the port, prepares the first start, serves until SIGINT or SIGTERM."""

from __future__ import annotations

import errno
import gc
import ipaddress
import logging
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from ..errors import ConfigurationError, LabError, StoreError
from ..store.fleet import Addresses
from ..store.opening import open_storage
from . import first_start
from .app import create_app
from .counts.request_log import set_up_logging
from .http.connections import Connections, Protocol, most_connections
from .http.guard import LOOPBACK_NAMES
from .http.moved import OldAddress
from .http.proxies import Trusted
from .lab import PEOPLES_URL, SSO_ISSUER, Lab
from .rootpath import checked
from .sso.options import SsoOptions
from .sso.service import SingleSignOn

log = logging.getLogger("hectiqlab.server")

MUTED_NOTE = (
    "Notices are muted, as in each lab that was restored from a backup: `hectiqlab admin notify unmute` if this lab "
    "replaces the other."
)
ELSEWHERE = "It can be reached from other machines; log in with your password."
GRACE_S = 3  # for requests in flight when the lab is asked to stop
BACKLOG = 2048
COLLECT_AFTER = (5_000, 10, 20)  # objects; Python's (700, 10, 10) have it walk every large request that is under way
SWITCH_INTERVAL_S = 0.0001  # Python's 5 ms are waited for at each step of a small request, while others are decoded
TICK_S = 0.1  # between two of uvicorn's looks at whether it is to stop


@dataclass(frozen=True)
class Ready:
    """What a lab that answers now tells whoever started it."""

    url: str
    login_link: str | None
    data: Path | str
    profile: str | None
    notes: tuple[str, ...] = ()
    loopback: bool = True


@dataclass(frozen=True)
class Options:
    """How a lab is to be reached and what it logs. The options of `hectiqlab server` have these names."""

    host: str = "127.0.0.1"
    port: int = 8080
    tls_cert: Path | None = None  # certificate chain, PEM; None: without TLS
    tls_key: Path | None = None  # its private key
    public_url: str = ""  # where people find it, for what is written to them; "": what it listens at
    moved_from: tuple[str, ...] = ()  # addresses and ports where it was, see moved.py
    proxies: str = ""  # addresses and networks, by commas, or "*", see proxies.py
    root_path: str = ""  # below which the lab lies on its host, see rootpath.py
    drain_s: float = 0.0  # between not being ready any more and stopping, for balancers
    snapshot: bool = True  # of the databases before they are upgraded, see store/upgrading.py
    log_format: str = "text"
    log_requests: bool = False
    warn_free: int | None = None  # bytes; see disk.py
    sso: SsoOptions | None = None

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate chain and key, where both are given."""
        return None if self.tls_cert is None or self.tls_key is None else (self.tls_cert, self.tls_key)

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"


def serve(options: Options, data: Path | Addresses, ready: Callable[[Ready], None], lost_after_s: float) -> None:
    """Blocks until a signal ends it.

    Raises ConfigurationError (port in use, no password), DataDirectoryInUseError, NewerSchemaError, StoreError; the
    last also where the lab had to end.
    """
    set_up_logging(options.log_format, options.log_requests)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    host = options.host
    root_path = checked(options.root_path)
    public_url = checked_url(options.public_url, root_path)
    loopback = is_loopback(host)
    trusted = Trusted.parsed(options.proxies) if options.proxies else None
    if options.tls:
        check_certificate(*options.tls)
    lab = Lab(open_storage(data, snapshot=options.snapshot), lost_after_s)
    try:
        if not loopback:
            require_password(lab, host)
        listener = bind(host, options.port)
        lab.disk.wish = options.warn_free
        if options.sso is not None:
            lab.sso = SingleSignOn(options.sso, lab.meta, lab.accounts, lab.peers.notes)
        url = url_of(host, listener.getsockname()[1], options.scheme) + root_path
        lab.public_url = public_url
        lab.notifier.url = known = public_url or url
        lab.start()
        lab.disk.write_soon(lambda tx: tx.set_lab_value(PEOPLES_URL, known))
        old = tuple(OldAddress.parsed(word, known) for word in options.moved_from)
        listeners = [listener, *(bind_old(host, at.port) for at in old if not at.host)]
        if options.sso is not None:
            issuer = options.sso.issuer
            lab.disk.write_soon(lambda tx: tx.set_lab_value(SSO_ISSUER, issuer))
        prepared = prepare(lab, url, known, loopback, [at.port for at in old if not at.host])
        # A proxy on this machine passes on the name that people know.
        hosts = {*LOOPBACK_NAMES, bracketed(host)} if loopback and not options.proxies else None
        connections = Connections(most_connections(), options.proxies)
        config = uvicorn.Config(
            create_app(lab, hosts, root_path, trusted, old, known),
            http=Protocol.of(connections),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_S,
            backlog=BACKLOG,
            proxy_headers=False,  # uvicorn's own believes the leftmost address where all are trusted: see proxies.py
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        _Server(config, lab, connections, lambda: ready(prepared), options.drain_s).run(sockets=listeners)
        if lab.ends:
            raise StoreError(f"{lab.ends}: start the lab anew.")
    finally:
        lab.stop()
        gc.freeze()  # the interpreter's last collection would walk all of it, too


class _Server(uvicorn.Server):
    """uvicorn's server. It says when it answers, ends live streams at once, and exits with status 0 when it is asked to
    stop: at once, or `drain_s` later, in which it answers that it is not ready, and everything else as ever.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        lab: Lab,
        connections: Connections,
        ready: Callable[[], None],
        drain_s: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._drain_s, self._stops_at = drain_s, float("inf")
        self._lab, self._connections, self._ready = lab, connections, ready
        self._ticked = time.monotonic()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()  # what was imported stays: a collection that walked all of it would stop the lab for up to 0.7 s
        gc.set_threshold(*COLLECT_AFTER)
        gc.enable()  # see cli/server.py
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        self._lab.shares.costs.late(max(0.0, now - self._ticked - TICK_S))
        self._ticked = now
        if counter % 10 == 0:
            self._connections.look()
        stops = await super().on_tick(counter)
        return stops or bool(self._lab.ends) or now >= self._stops_at

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own remembers the signal and raises it again at the end; a stop that was asked for is no such death.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        if sig == signal.SIGTERM and self._drain_s > 0 and not self._lab.draining:
            self._lab.draining = True
            self._stops_at = time.monotonic() + self._drain_s
            return
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._lab.hub.close()  # else open pages would hold it up for GRACE_S
        await super().shutdown(sockets)


def prepare(lab: Lab, url: str, known: str, loopback: bool, old_ports: Sequence[int] = ()) -> Ready:
    """On loopback, make the owner, a profile and a one-time login link, which leads to where people find the lab.
    `old_ports`: at which the lab listens, too.
    """
    if _is_muted(lab):
        log.warning(MUTED_NOTE)
    if not loopback:
        return Ready(url, None, lab.storage.place, None, (ELSEWHERE,), loopback=False)
    owner = first_start.make_owner(lab)
    notes = []
    try:
        profile = first_start.write_profile(lab, owner, known if lab.peers.several else url, old_ports)
    except LabError as e:  # a credentials file that is not understood, a full disk
        profile = None
        notes.append(f"No profile was written: {e}")
    try:
        link = f"{known}/login-link?token={lab.accounts.new_login_link(owner)}"
    except StoreError as e:
        link = None
        notes.append(f"There is no login link until the lab takes data again: {e}")
    return Ready(url, link, lab.storage.place, profile, tuple(notes))


def _is_muted(lab: Lab) -> bool:
    with lab.meta.reading() as view:
        return view.muted_since() is not None and bool(view.targets())


def require_password(lab: Lab, host: str) -> None:
    """Raise ConfigurationError unless the owner has a password: anybody could knock at such an address."""
    owner = first_start.owner_of(lab)
    if owner is None or owner.password_hash is None:
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, so the owner needs a password: "
            f"run `hectiqlab server --set-password{_its_data(lab)}` first."
        )


def _its_data(lab: Lab) -> str:
    return f" --data {lab.storage.place}" if isinstance(lab.storage.place, Path) else ""


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_url(public_url: str, root_path: str) -> str:
    """Return it without a slash at its end. Raises ConfigurationError."""
    public_url = public_url.rstrip("/")
    parts = urlsplit(public_url)
    if public_url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
        raise ConfigurationError(
            f"--public-url {public_url!r} is not an address of a lab: give one such as https://lab.example.org."
        )
    if (
        public_url and root_path and parts.path != root_path
    ):  # links and single sign-on would lead to where the lab is not
        raise ConfigurationError(
            f"--public-url {public_url!r} and --root-path {root_path!r} name different paths: give "
            f"--public-url {parts._replace(path=root_path).geturl()}"
            + (f", or --root-path {parts.path}." if parts.path else ".")
        )
    return public_url


def bracketed(host: str) -> str:
    return f"[{host.strip('[]')}]" if ":" in host else host


def check_certificate(chain: Path, key: Path) -> None:
    """Raise ConfigurationError if they cannot be served with."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
    except ssl.SSLError as e:
        raise ConfigurationError(
            f"--tls-cert {chain} and --tls-key {key} do not belong together, or are no PEM files ({e.reason})."
        ) from None
    except OSError as e:
        raise ConfigurationError(f"--tls-cert {chain}, --tls-key {key}: {e.strerror}.") from None


def url_of(host: str, port: int, scheme: str = "http") -> str:
    """Return the address to show people: one that can be opened, also when the lab listens everywhere."""
    if host in {"0.0.0.0", "::", "[::]"}:
        host = socket.gethostname()
    return f"{scheme}://{bracketed(host)}:{port}"


def bind_old(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a port where the lab was. Raises ConfigurationError."""
    try:
        return bind(host, port)
    except ConfigurationError:
        raise ConfigurationError(
            f"--moved-from {port}: the lab cannot listen at port {port} of {host}. End what listens there, or have it "
            "redirect to the lab (308)."
        ) from None


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigurationError."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as e:
        raise ConfigurationError(f"--host {host} is not an address of this machine ({e.strerror}).") from None
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as e:
        listener.close()
        if e.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} is in use on {host}: choose another with --port, or 0 for any that is free."
            ) from None
        raise ConfigurationError(f"{host}:{port} cannot be listened at ({os.strerror(e.errno or 0)}).") from None
    listener.set_inheritable(False)
    return listener
