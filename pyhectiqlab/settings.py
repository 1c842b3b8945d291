"""Every setting, with its variable, unit, default and meaning, as one table. `hectiqlab settings` prints it.

Nothing else in the package reads an environment variable of ours, except for the command `hectiqlab server`, whose
options `--oidc-…` have variables, too. Values are read when asked for, so that a script may set `os.environ` before it
creates its first Run. A value that cannot be understood raises ConfigurationError with the variable and what it
accepts.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import ConfigurationError


def _text(raw: str) -> str:
    return raw


_anchored: dict[str, Path] = {}  # a relative path, as it was given → the path that it has been since


def _path(raw: str) -> Path:
    """Return an absolute path. A relative path starts from the working folder in which the process first saw it, even
    if the process changes its folder later or an uploader works in another one.
    """
    if raw in _anchored:
        return _anchored[raw]
    try:
        path = Path(raw).expanduser()
    except RuntimeError:
        raise ValueError(
            "a path without ~ here, where no home folder is known: set HOME, or HECTIQLAB_HOME to a whole path"
        ) from None
    if path.is_absolute():
        return path
    try:
        return _anchored.setdefault(raw, path.absolute())
    except FileNotFoundError:
        raise ValueError("a whole path here, as the working folder is gone") from None


def _flag(raw: str) -> bool:
    word = raw.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError("0 or 1")


def _seconds(raw: str) -> float:
    value = float(raw)
    if not 0 <= value <= 1e9:
        raise ValueError("a number of seconds from 0 to 1e9")
    return value


def _bytes(raw: str) -> int:
    """Return a number of bytes, which may be written with a suffix: 512M, 4GiB."""
    word = raw.strip().lower().removesuffix("b").removesuffix("i")
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}.get(word[-1:], 1)
    value = int(float(word.rstrip("kmgt")) * factor)
    if value < 1 << 20:
        raise ValueError("a size of at least 1 MiB, such as 4GiB")
    return value


def _names(raw: str) -> tuple[str, ...]:
    names = tuple(raw.replace(",", " ").split())
    for name in names:
        if not re.fullmatch(r"\w+\*?", name, re.ASCII):
            raise ValueError("names of variables with commas between them, such as DATA_DIR,MY_*")
    return names


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        word = raw.strip().lower()
        if word not in words:
            raise ValueError("one of " + ", ".join(words))
        return word

    return parse


class Setting:
    """A setting.

    Attributes:
        default: as it would be written in the environment. None: the setting is unset.
    """

    __slots__ = ("default", "meaning", "name", "parse", "unit", "variable")

    def __init__(
        self, name: str, variable: str, default: str | None, unit: str, parse: Callable[[str], Any], meaning: str
    ) -> None:
        self.name, self.variable, self.default = name, variable, default
        self.unit, self.parse, self.meaning = unit, parse, meaning


_TABLE = (
    Setting(
        "home", "HECTIQLAB_HOME", "~/.hectiqlab", "path", _path, "Where credentials, the spool and a local lab live"
    ),
    Setting(
        "credentials",
        "HECTIQLAB_CREDENTIALS",
        None,
        "path",
        _path,
        "The credentials file; default: credentials in HECTIQLAB_HOME",
    ),
    Setting("profile", "HECTIQLAB_PROFILE", None, "name", _text, "Which profile of the credentials file to use"),
    Setting("url", "HECTIQLAB_URL", None, "URL", _text, "The lab's address; wins over the profile's"),
    Setting("api_key", "HECTIQLAB_API_KEY", None, "key", _text, "The API key; wins over the profile's"),
    Setting(
        "oidc_client_secret",
        "HECTIQLAB_OIDC_CLIENT_SECRET",
        None,
        "secret",
        _text,
        "The lab's secret at the provider of single sign-on, where no file has it",
    ),
    Setting("project", "HECTIQLAB_PROJECT", None, "name or id", _text, "The project of a Run that names none"),
    Setting("run", "HECTIQLAB_RUN", None, "name", _text, "The name of a Run that names none; `hectiqlab run` sets it"),
    Setting(
        "launch",
        "HECTIQLAB_LAUNCH",
        None,
        "name",
        _text,
        "The `hectiqlab run` that a process is below, which sets it; together with HECTIQLAB_RUN",
    ),
    Setting(
        "instead_of",
        "HECTIQLAB_INSTEAD_OF",
        None,
        "names",
        _text,
        "Trackers that stand-ins replace, such as wandb",
    ),
    Setting(
        "beside",
        "HECTIQLAB_BESIDE",
        None,
        "names",
        _text,
        "Trackers that go on working and are mirrored to the lab, such as wandb",
    ),
    Setting(
        "mode",
        "HECTIQLAB_MODE",
        "online",
        "online|offline|dry",
        _one_of("online", "offline", "dry"),
        "offline: keep everything in the spool for `hectiqlab sync`; dry: keep nothing",
    ),
    Setting(
        "start_method",
        "HECTIQLAB_START_METHOD",
        "auto",
        "auto|fork|spawn",
        _one_of("auto", "fork", "spawn"),
        "How the uploader process is started",
    ),
    Setting(
        "exit_timeout",
        "HECTIQLAB_EXIT_TIMEOUT",
        "10",
        "seconds",
        _seconds,
        "How long the end of a script waits for the lab to have everything",
    ),
    Setting(
        "keep_dry",
        "HECTIQLAB_KEEP_DRY",
        "1",
        "0|1",
        _flag,
        "Keep in the spool what could not be pushed because the lab was unreachable or the configuration wrong",
    ),
    Setting(
        "quiet",
        "HECTIQLAB_QUIET",
        "0",
        "0|1",
        _flag,
        "1: do not say on stderr which run a script writes to, with its link; what is wrong is said all the same",
    ),
    Setting(
        "system_metrics",
        "HECTIQLAB_SYSTEM_METRICS",
        "10",
        "seconds",
        _seconds,
        "How often CPU, memory, disk, network and GPUs are logged to a run; 0: never",
    ),
    Setting(
        "store_variables",
        "HECTIQLAB_STORE_VARIABLES",
        "1",
        "0|1",
        _flag,
        "Store environment variables that bear on a training, together with packages and machine; 0: none of them",
    ),
    Setting(
        "variables",
        "HECTIQLAB_VARIABLES",
        None,
        "names",
        _names,
        "Further environment variables to store, such as DATA_DIR,MY_*; never those that are named like secrets",
    ),
    Setting(
        "spool_max_bytes",
        "HECTIQLAB_SPOOL_MAX_BYTES",
        "8GiB",
        "bytes",
        _bytes,
        "How much the spool may take; beyond it new events are counted as lost",
    ),
)

TABLE: dict[str, Setting] = {s.name: s for s in _TABLE}


def _written(setting: Setting) -> str:
    """Return the value in the environment without spaces and line breaks around it; "" if there is none. They come from
    secrets of containers, files of variables and `$(cat file)`. A path keeps its spaces: it may end in one.
    """
    raw = os.environ.get(setting.variable, "")
    return raw.strip("\r\n") if setting.parse is _path else raw.strip()


def get(name: str) -> Any:
    """Return the value of a setting now; None where it is unset and has no default. Raises ConfigurationError. Never
    blocks.
    """
    setting = TABLE[name]
    raw = _written(setting) or setting.default
    if raw is None:
        return None
    try:
        return setting.parse(raw)
    except (ValueError, OverflowError) as e:
        wants = (
            setting.unit
            if isinstance(e, OverflowError) or "could not convert" in str(e) or "invalid literal" in str(e)
            else str(e)
        )
        raise ConfigurationError(f"{setting.variable}={raw!r} is not understood: it takes {wants}.") from None


def pinned() -> dict[str, str]:
    """Return the variables of the paths that are set, as absolute paths, for a process that works in another folder.
    Never raises.
    """
    paths = {}
    for name in ("home", "credentials"):
        with contextlib.suppress(ConfigurationError):
            if (path := get(name)) is not None:
                paths[TABLE[name].variable] = str(path)
    return paths


def home() -> Path:
    path: Path = get("home")
    return path


def spool_dir() -> Path:
    return home() / "spool"


def credentials_path() -> Path:
    path: Path | None = get("credentials")
    return path or home() / "credentials"


# Bounds of our own machinery: constants, not variables. Seconds and bytes in the name.
QUEUE_BYTES = 4 << 20  # the ring of one process for one run
QUEUE_BYTES_MIN = 1 << 16
SHM_SHARE = 8  # a ring takes at most 1/8 of what /dev/shm has free
PUT_WAIT_S = 0.001  # how long a put waits for room in the ring before it spills
CUT_INTERVAL_S = 1.0  # a batch is cut at least this often while there are events
CUT_INTERVAL_AWAY_S = 10.0  # … while the lab is away: many small batches would fill the uploader's memory
POLL_INTERVAL_S = 0.02  # how often the uploader looks at the queues
IDLE_POLL_INTERVAL_S = 0.1
HEARTBEAT_INTERVAL_S = 5.0  # uploader → lab
ALIVE_INTERVAL_S = 0.5  # uploader → queue header
LOOK_AFTER_S = 3.0  # an uploader silent for this long is looked for; one that has ended is replaced at once
STUCK_AFTER_S = 15.0  # an uploader silent for this long is replaced even if its process is alive
LEASE_RENEW_S = 5.0
LEASE_STALE_S = 60.0  # a lease that another machine did not renew for this long is free
UPLOADER_RESTARTS_MAX = 20
REQUEST_CONNECT_TIMEOUT_S = 5.0
REQUEST_READ_TIMEOUT_S = 30.0
ATTACH_TIMEOUT_S = 10.0
RETRY_DELAY_MIN_S = 0.25
RETRY_DELAY_MAX_S = 30.0
JOURNAL_SEGMENT_BYTES = 32 << 20
JOURNAL_KEEP_S = 86_400.0  # acked segments are kept this long …
JOURNAL_KEEP_BYTES = 256 << 20  # … up to so many bytes of them
QUARANTINE_BYTES_MAX = 1 << 30  # of what a lab does not take any more; what is beyond is only counted
FSYNC_INTERVAL_S = 1.0
EXIT_JOURNAL_TIMEOUT_S = 5.0
LINGER_MAX_S = 14 * 86_400.0  # an uploader that cannot deliver gives up for this time, leaving the spool
LOST_AFTER_S = 60.0  # the lab calls a run lost after this long without a heartbeat

# How much one user, one address and all together may take of the lab, so that nobody takes it from the others. A caller
# beyond a bound is answered 429 with Retry-After, or gives way.
LAB_CONNECTIONS_MAX = 4096  # … and as many fewer as `ulimit -n` has fewer descriptors than LAB_DESCRIPTORS_KEPT more
LAB_DESCRIPTORS_KEPT = 160  # for databases and files
LAB_CONNECTIONS_SHARE = 0.5  # of those, which one address may have; a proxy named by --behind-proxy may have all
LAB_CONNECTIONS_OF_STRANGERS = 512  # of one address, while nobody has logged in over them
LAB_HEAD_BYTES_MAX = 32 << 10  # of a request's line and headers, and whatever else of it is not its body
LAB_HEADERS_MAX = 128
LAB_QUERY_FIELDS_MAX = 512  # of the query of an address, which are parsed for everybody
LAB_PIPELINED_MAX = 16  # requests that wait behind another on their connection
LAB_HEAD_S = 15.0  # for the head of a request to arrive, from the connection or from its first byte
LAB_BODY_SILENT_S = 30.0  # without a byte of a body
LAB_BODY_S = 60.0  # a body may take this long, and a second more for each LAB_BODY_BYTES_PER_S_MIN that came
LAB_BODY_BYTES_PER_S_MIN = 16 << 10
LAB_ANSWER_SILENT_S = 60.0  # without the reader of an answer taking a byte of it
LAB_ANNOUNCED_OF_USER = 128 << 20  # bytes of bodies that the requests of one user have announced and that are under way
LAB_BODIES_OF_USER = 48 << 20  # … that have come and are worked at
LAB_BODIES_BYTES_MAX = 128 << 20  # … of all users
LAB_BODY_OF_STRANGER = 64 << 10  # a request by nobody whom the lab knows
LAB_BODIES_OF_STRANGER = 2 << 20  # … all those of one address
LAB_JSON_VALUES_MAX = 1 << 16  # about, of one body of JSON: parsing makes all at once and blocks everybody
LAB_READS_AT_ONCE = 8  # requests that are answered at once; the others wait, and callers take turns
LAB_READS_OF_USER = 4
LAB_READS_OF_HEAVY = 4  # … of all users together who work in pieces
LAB_READ_SMALL_S = 0.01  # a request is small if its answer takes at most so much of a processor
LAB_READ_SMALL_SHARE = 0.5  # of a processor that a user may have for small ones …
LAB_READ_LONG_SHARE = 0.05  # … and beyond these; who takes more works in pieces while others are at work, see pace.py
LAB_READ_PIECE_S = 0.002  # of a processor, about
LAB_READ_REST = 2.0  # how long all of them rest behind a piece, over how long it took
LAB_WRITES_AT_ONCE = 20
LAB_WRITES_OF_USER = 12
LAB_PASSWORDS_AT_ONCE = 2  # one is hashed at a time
LAB_PASSWORD_KIB = 65_536  # of memory that argon2 takes for a password
LAB_PASSWORD_PASSES = 3  # over this memory
LAB_PASSWORD_LANES = 4  # threads that argon2 uses: with the two above the second recommended option of RFC 9106
LAB_PASSWORDS_OF_ADDRESS = 1
LAB_SSO_LOGIN_S = 600.0  # for a login at the provider of single sign-on
LAB_SSO_LOGINS_MAX = 10_000  # of these under way; the oldest is forgotten for a new one
LAB_SSO_LOGINS_OF_ADDRESS = 1000
LAB_SSO_AT_ONCE = 8  # requests that may ask the provider, and block on it
LAB_SSO_OF_ADDRESS = 4
LAB_SSO_WAITING_MAX = 256
LAB_SSO_WAITING_OF_ADDRESS = 64
LAB_SSO_SKEW_S = 120.0  # between the clocks of the provider and the lab
LAB_COMMAND_LOGIN_S = 600.0  # for somebody to confirm the login of a command in a browser
LAB_COMMAND_LOGINS_MAX = 1000  # of these that wait; the oldest is forgotten for a new one
LAB_COMMAND_LOGINS_OF_ADDRESS = 20
LAB_FAILED_LOGINS_NOTED = 200  # in the audit log, at once …
LAB_FAILED_LOGINS_NOTED_PER_H = 10.0  # … and from then on: guesses are not to push out what else it tells
LAB_UPLOADS_AT_ONCE = 64  # files on their way in at the same time, two blocks of 1 MiB in memory for each
LAB_UPLOADS_OF_USER = 16
LAB_FILE_WRITERS = 8  # threads that write files
LAB_ROOM_KEPT_BYTES = 64 << 20  # of the disk, which files leave to the databases
LAB_DISK_LOW_SHARE = 0.05  # of the disk, below which its room is told to be low …
LAB_DISK_LOW_BYTES = 20 << 30  # … at most so much; --warn-free says otherwise
LAB_BACKUP_OLD_S = 2 * 86_400.0  # after which the last backup is told to be old
LAB_WAITING_MAX = 2048  # requests of each kind that wait for their turn
LAB_WAITING_OF_USER = 512
LAB_PASSWORDS_WAITING_MAX = 32
LAB_PASSWORDS_WAITING_OF_ADDRESS = 8
LAB_STRANGERS_PER_S = 200.0  # requests of one address by nobody whom the lab knows, after the first …
LAB_STRANGERS_AT_ONCE = 2000
LAB_COST_SHARE = 0.5  # of the lab's time that one user may take while it is short and others want some of it
LAB_COST_OVER_S = 5.0  # … over about this long
# At most, before a request beyond a bound is refused: otherwise it would be sent again at once.
LAB_REFUSED_PAUSE_S = 3.0
LAB_REFUSED_WAITING_MAX = 1024  # requests that wait for that; further ones are refused at once
LAB_INGESTS_AT_ONCE = 2048  # requests of ingest from their decoding to their answer
LAB_INGESTS_OF_USER = 512
LAB_DECODES_AT_ONCE = 2  # bodies of ingest that are decoded in threads; small ones are decoded at once
LAB_DECODED_BYTES_MAX = 48 << 20  # that the values of one body of ingest may take in memory
LAB_DECODED_OF_USER = 64 << 20  # … those of one user that are not committed yet
LAB_DECODED_BYTES_ALL = 128 << 20  # … and of all
LAB_STREAMS_MAX = 1024  # pages that follow live
LAB_STREAMS_OF_USER = 64
LAB_RENEW_S = 1.0  # how often the right to long requests is looked up again: streams, downloads, exports, uploads
LAB_RENEW_UNKNOWN_S = 10.0  # while the database cannot answer, the last known right counts for this long


def _root() -> str:
    """Return the folder or zip file from which this package was imported; "" if it is neither."""
    try:
        return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    except (NameError, FileNotFoundError):  # no files at all (PyOxidizer); a relative path, and no working folder
        return ""


ROOT = _root()
# At import, before the script changes its folder: relative paths start from where the shell set them.
for _setting in _TABLE:
    if _setting.parse is _path and os.environ.get(_setting.variable):
        with contextlib.suppress(ValueError):
            _path(_written(_setting))
