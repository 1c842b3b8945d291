"""Small labs of earlier schemas, one file each: labs/lab-SCHEMA-points-SCHEMA.tar.xz.

Each was made by the lab and the client of the commit that brought the schema, and is never made again.

`python -m tests.compat.old_labs` makes one of the present schemas: do it before a commit that brings the next one.
"""

from __future__ import annotations

import io
import lzma
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

LABS = Path(__file__).parent / "labs"
SCRIPT = """
import math, os, pathlib
from pyhectiqlab import Config, Run

for name in ("one", "two"):
    run = Run(name, project="old", should_create_project=True)
    run.add_config(Config(lr=0.1 if name == "one" else 0.2, model=Config(layers=3)))
    for step in range(40):
        run.add_metrics("loss", math.nan if step % 17 == 3 else math.sin(step * 0.1), step=step)
        if step % 2:
            run.add_metrics({"valid/acc": step / 40, "valid/size": 1e300 if step == 5 else step}, step=step)
    run.add_tag("kept")
    run.set_note("a note")
    file = pathlib.Path(os.environ["HECTIQLAB_HOME"], "weights.txt")
    file.write_text("the weights of " + name)
    run.add_artifact(str(file))
    run.completed() if name == "one" else run.failed()
    assert run.flush(timeout=60)
    run.close()
"""
STOPPED_AFTER_S = 4.0  # the uploader sends the file and the end of the script


def unpack(file: Path, data: Path) -> None:
    """Make a lab's data of a file, in a new folder."""
    data.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(file.read_bytes()))) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            path = data / member.name
            if path.suffix == ".sql":
                with closing(sqlite3.connect(path.with_suffix(".db"))) as db:
                    db.executescript(content.read().decode())
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def pack(data: Path) -> Path:
    """Make a file of a stopped lab's data."""
    buffer = io.BytesIO()
    versions = {}
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("lab", "points"):
            with closing(sqlite3.connect(data / f"{name}.db")) as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                (vacuum,) = db.execute("PRAGMA auto_vacuum").fetchone()
                dump = f"PRAGMA auto_vacuum = {vacuum};\n" + "\n".join(db.iterdump())
                _add(tar, f"{name}.sql", f"{dump}\nPRAGMA user_version = {version};\n".encode())
                steps = "SELECT max(version) FROM migrations"
                versions[name] = version if name == "points" else db.execute(steps).fetchone()[0]
        for blob in sorted(path for path in data.glob("blobs/*/*/*") if path.is_file()):
            _add(tar, str(blob.relative_to(data)), blob.read_bytes())
    file = LABS / f"lab-{versions['lab']:02d}-points-{versions['points']}.tar.xz"
    file.write_bytes(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    return file


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def main() -> None:
    from pyhectiqlab.testing.lab import RealLab

    with tempfile.TemporaryDirectory() as folder:
        data, home = Path(folder, "data"), Path(folder, "home")
        with RealLab(data, home) as lab:
            env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
            subprocess.run([sys.executable, "-c", SCRIPT], env={**env, "HECTIQLAB_HOME": str(home)}, check=True)
            time.sleep(STOPPED_AFTER_S)
            lab.stop()
        print(pack(data))


if __name__ == "__main__":
    main()
