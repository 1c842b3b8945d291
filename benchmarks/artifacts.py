"""How fast does a file reach the lab, beside curl sending it in one request and a plain copy that is hashed?

All three end with bytes that are durable on the same disk and whose SHA-256 was computed: curl sends to the same upload
endpoint, with the digest computed beforehand, which is not counted; ours is hashed, asked for, sent in pieces and
verified, as the uploader does it. Each round makes new bytes: what the lab has would not be sent again. Loopback.
"""

from __future__ import annotations

import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import Number, arguments, lab, report

from pyhectiqlab.profile import resolve
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.file_upload import upload_file
from pyhectiqlab.transport.files import hash_file

MIB = 1 << 20


def make(path: Path, mib: int) -> Path:
    """New bytes, in the page cache."""
    with path.open("wb") as file:
        block = os.urandom(MIB)
        for i in range(mib):
            file.write(i.to_bytes(8, "little") + block[8:])
    return path


def copied(path: Path) -> float:
    started = time.perf_counter()
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
        hash_file(file.fileno())
    seconds = time.perf_counter() - started
    copy.unlink()
    return seconds


def sent_by_curl(client: LabClient, key: str, path: Path) -> float:
    with path.open("rb") as file:
        digest, size = hash_file(file.fileno())
    tus = {"Tus-Resumable": "1.0.0"}
    digest_base64 = base64.b64encode(digest.encode()).decode()
    headers = {**tus, "Upload-Length": str(size), "Upload-Metadata": f"digest {digest_base64}"}
    where = client.request("POST", "/uploads", headers=headers).headers["location"]
    headers = {
        **tus,
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Authorization": f"Bearer {key}",
        "Expect": "",
    }
    command = ["curl", "-sS", "--fail", "-X", "PATCH", "-T", str(path), client.url + where]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}" if value else f"{name}:"]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def sent_by_us(client: LabClient, path: Path) -> float:
    started = time.perf_counter()
    sent = upload_file(client, path)
    seconds = time.perf_counter() - started
    assert not sent.there, "the lab had these bytes: nothing was measured"
    return seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    if shutil.which("curl") is None:
        sys.exit("There is no curl on this machine: install it, it is what is compared with.")
    rates: dict[str, list[float]] = {"copy": [], "curl": [], "ours": []}
    with lab(), tempfile.TemporaryDirectory() as folder:
        profile = resolve()
        with LabClient(profile.url, profile.secret_api_key) as client:
            for _ in range(options.rounds):
                file = Path(folder) / "file"
                rates["copy"].append(options.mib / copied(make(file, options.mib)))
                rates["curl"].append(options.mib / sent_by_curl(client, profile.secret_api_key, file))
                rates["ours"].append(options.mib / sent_by_us(client, make(file, options.mib)))
    copy, curl, ours = (statistics.median(rates[name]) for name in ("copy", "curl", "ours"))
    report(
        __doc__,
        [
            Number("copy, sync and hash", copy, "MiB/s"),
            Number("curl, one PATCH", curl, "MiB/s"),
            Number("ours: hash, send in pieces, verify", ours, "MiB/s"),
            Number("ours over the slower one", ours / min(copy, curl), "×", 0.6, at_least=True),
        ],
        options.json,
    )


if __name__ == "__main__":
    main()
