"""scripts/fleet: several labs on PostgreSQL, ClickHouse and SeaweedFS behind nginx here, and a training.

All of it is in a temporary folder, and is removed with it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from pyhectiqlab import settings
from pyhectiqlab.demo.quickstart import (
    PORT,
    QuickstartError,
    check_run,
    environment,
    free_port,
    say,
    stop_on_signal,
    train,
)
from pyhectiqlab.errors import LabError
from pyhectiqlab.testing.lab import RealLab

from ..clickhouse import Server, server
from ..postgres import cluster, folder_of_programs
from ..seaweedfs import seaweedfs
from ..server.nginx import NGINX
from .fleet_labs import balancer


def up(labs: int, shards: int, wanted: int, seconds: float, once: bool) -> None:
    if folder_of_programs() is None:
        raise QuickstartError("No PostgreSQL is on this machine: install it (Debian: apt-get install postgresql).")
    if NGINX is None:
        raise QuickstartError("No nginx is on this machine: install it (Debian: apt-get install nginx-light).")
    port = free_port("127.0.0.1", wanted)
    if port != wanted:
        say(f"Port {wanted} is in use: taking {port}.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hectiqlab-fleet-")))
        folder.chmod(0o755)
        clickhouses = "ClickHouse" if shards == 1 else f"{shards} shards of ClickHouse"
        say(f"Starting PostgreSQL, {clickhouses}, and SeaweedFS for files …")
        postgres, clickhouse, bucket = cluster(), server(), seaweedfs()
        if not clickhouse.real:
            say("(No ClickHouse is installed: tests/clickhouse_server.py speaks its HTTP over the real engine.)")
        database = postgres.url(postgres.make_database())
        servers = [clickhouse, *(Server() for _ in range(shards - 1))]
        points = " ".join(its.url(its.make_database()) for its in servers)
        addresses = ["--database", database, "--points", points]
        addresses += ["--files", bucket.address(), "--database-connections", "8"]
        url = f"http://127.0.0.1:{port}"
        started: list[RealLab] = []
        for i in range(labs):
            lab = RealLab(None, settings.home(), *addresses, "--public-url", url, "--behind-proxy", "127.0.0.1")
            stack.callback(lab.stop)
            started.append(lab.start())
            say(f"Lab {i + 1} of {labs}: {lab.url}")
        stack.enter_context(balancer(folder / "nginx", [lab.url for lab in started], port))
        say()
        say("  Your labs are running. Open this link to watch (it logs you in, once):")
        say()
        say(f"      {started[-1].login_link}")
        say()
        if started[0].profile is None:
            raise QuickstartError(f"Scripts on this machine would not find the labs: {started[0].log()}")
        env = environment(started[0].profile)
        name = time.strftime("digits-mlp-%Y%m%d-%H%M%S")
        train(name, seconds, env)
        check_run(name, env)
        if once:
            return
        say()
        say(f"  The labs stay behind {url} until Ctrl-C; then all of it is gone.")
        say(f"  Kill one, and all goes on: kill -9 {started[0].pid}")
        while any(lab.running for lab in started):
            time.sleep(1)
        raise QuickstartError("All labs have ended.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fleet", description=__doc__)
    some = range(1, 17)
    parser.add_argument("--labs", type=int, choices=some, default=3, metavar="N", help="how many labs (3)")
    shards = "how many ClickHouses, each a process of its own with some of the runs (1): docs/points-in-clickhouse.md"
    parser.add_argument("--shards", type=int, choices=some, default=1, metavar="N", help=shards)
    parser.add_argument("--once", action="store_true", help="end after the training, for machines")
    parser.add_argument("--port", type=int, default=PORT, help=f"where the labs are found ({PORT})")
    parser.add_argument("--seconds", type=float, default=None, help="how long the training takes (90; with --once 15)")
    args = parser.parse_args()
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, stop_on_signal)
    try:
        up(args.labs, args.shards, args.port, args.seconds or (15.0 if args.once else 90.0), args.once)
    except (QuickstartError, LabError) as e:
        sys.exit(str(e))
    except KeyboardInterrupt:
        say()
        say("Stopped.")
        sys.exit(130 if args.once else 0)


if __name__ == "__main__":
    main()
