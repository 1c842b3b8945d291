"""What can never be sent is moved aside, counted, and shown; never deleted."""

from __future__ import annotations

import json

import msgpack

from .conftest import Site, eventually
from .test_ends import unique

SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 0.0, 0)
assert run.flush(20)
print("there", flush=True)
sys.stdin.readline()
for n in range(1, 100):
    run.add_metrics("loss", float(n), n)
run.flush(20)
"""


def test_what_was_logged_for_a_run_that_was_deleted_is_put_aside_and_told_by_status(site: Site) -> None:
    name = unique("deleted")
    process = site.start(SCRIPT, name)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    with site.client() as client:
        client.delete(f"/runs/{site.find(name)['id']}")
    process.communicate("go\n", timeout=30)
    assert process.returncode == 0
    eventually(lambda: not site.uploaders(), 30)
    (report,) = json.loads(site.cli("status", "--json").stdout)
    assert report["lost"]["deleted"] >= 99 and report["quarantined"]["files"] >= 1
    assert "can never be sent" in site.cli("status").stdout
    (folder,) = (site.home / "quarantine").iterdir()
    kept = [msgpack.unpackb(path.read_bytes()) for path in folder.iterdir()]
    assert {found["reason"] for found in kept} == {"deleted"} and all(found["records"] for found in kept)
    assert site.cli("sync").stdout == "Sent 0 events; 0 left.\n"
