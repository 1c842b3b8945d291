"""Files of every tool that `hectiqlab import` knows, for tests that hold for all of them."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from ..exporting.test_export import exported
from .conftest import Site, unique
from .test_neptune import export, series
from .test_tensorboard import scalar_event

KINDS = ["wandb", "mlflow", "trackio", "neptune", "aim", "tensorboard", "csv", "folder"]
SAMPLES = Path(__file__).parent / "samples"


def prepare(kind: str, site: Site, folder: Path) -> Path:
    """Put files of this tool into a folder. Return what to import."""
    if kind == "wandb":
        return Path(shutil.copytree(SAMPLES / "wandb-0.19.11", folder / "wandb"))
    if kind == "mlflow":
        place = folder / "mlflow.db"
        place.write_bytes(gzip.decompress((SAMPLES / "mlflow-2.22.0" / "mlflow.db.gz").read_bytes()))
        return place
    if kind == "trackio":
        return Path(shutil.copy(SAMPLES / "trackio-0.2.3" / "proj.db", folder / "proj.db"))
    if kind == "neptune":
        export(folder, "RUN-1", [series("loss", "float_series", "1", 0.5)])
        return folder
    if kind == "aim":
        if importlib.util.find_spec("aim") is None:
            pytest.skip("aim is not installed")
        shutil.unpack_archive(SAMPLES / "aim-3.17.5.tar.xz", folder)
        return folder
    if kind == "tensorboard":
        (folder / "logs").mkdir()
        (folder / "logs" / "a.tfevents").write_bytes(scalar_event("loss", 1))
        return folder / "logs"
    if kind == "csv":
        (folder / "table.csv").write_text("step,loss\n1,0.5\n")
        return folder / "table.csv"
    project = unique("source")
    script = """
    import sys
    from pyhectiqlab import Run
    with Run("one", project=sys.argv[1], should_create_project=True) as run:
        run.add_metrics("loss", 1.0, step=1)
    """
    assert site.run(script, project).returncode == 0
    exported(site, project, str(folder / "export"))
    return folder / "export"


def runs_in(site: Site, project: str) -> list[dict[str, Any]]:
    with site.client() as lab:
        return list(lab.pages("/runs", {"project": project}))
