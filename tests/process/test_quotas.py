"""Quotas: what does not fit is refused before it is sent, said everywhere, and never in the way of a training."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from pyhectiqlab.cli import main
from pyhectiqlab.testing.lab import RealLab

from .conftest import Site

SCRIPT = """
import sys
from pathlib import Path
from pyhectiqlab import Run
run = Run("bounded", project="small", should_create_project=True)
folder = Path(sys.argv[1])
for name, size in (("fits.bin", 300_000), ("large.bin", 2_000_000), ("again.bin", 300_000)):
    (folder / name).write_bytes(name.encode() * (size // len(name)))
    run.add_artifact(folder / name)
(folder / "same bytes.bin").write_bytes((folder / "fits.bin").read_bytes())
run.add_artifact(folder / "same bytes.bin")
run.add_metrics("loss", 1.0, 0)
print("flush:", run.flush(), run.status().losses, run.flush())
try:
    run.add_mlmodel(folder / "large.bin", name="net")
    print("returned")
except Exception as e:
    print(type(e).__name__, e)
print("close:", run.close())
"""


def admin(lab: RealLab, *words: str) -> str:
    done = CliRunner().invoke(main, ["admin", *words, "--data", str(lab.data_dir)])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_file_beyond_the_quota_is_refused_counted_and_said_and_all_else_goes_on(site: Site, tmp_path: Path) -> None:
    with site.client() as client:
        client.post("/projects", {"name": "small"})
    try:
        admin(site.lab, "quota", "1MB", "--project", "small")
        done = site.run(SCRIPT, str(tmp_path))
        assert done.returncode == 0, done.stderr
        out, said = done.stdout, done.stderr
        assert "'small' holds" in said and "1 MB" in said and "hectiqlab admin quota" in said, "at the call"
        assert "flush: False {'quota_exceeded': 1} True" in out, "by the flush behind it, at once, and in run.status()"
        assert "close: False" in out
        assert "1 file not stored, quota_exceeded ('large.bin')" in said, "at the exit"
        with site.client() as client:
            run = client.get("/runs/resolve", {"ref": "bounded"})["id"]
            names = {artifact["name"] for artifact in client.pages(f"/runs/{run}/artifacts", {})}
            assert names == {"fits.bin", "again.bin", "same bytes.bin"}
            shown = client.get(f"/runs/{run}")
            assert shown["losses"] == {"quota_exceeded": 1}
            project = client.get("/projects/small")
        assert 590_000 < project["file_bytes"] < 600_001 and project["quota"] == 1_000_000
        listed = admin(site.lab, "quota", "--project", "small")
        assert "600 kB" in listed and "1 MB" in listed
    finally:
        admin(site.lab, "quota", "none", "--project", "small")
