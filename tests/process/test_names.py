"""Names at the call: what the lab would refuse is refused by `Run`; a project named `team/vision` works everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Site
from .test_ends import unique

SCRIPT = """
import sys
from pyhectiqlab import Run
name, project, file = sys.argv[1:]
with Run(name, project, True) as run:
    run.add_metrics("x", 1.0, 0)
    run.add_shared_artifact(file)
    run.add_mlmodel(file, "net", version="1.0.0")
    run.add_mlmodel_usage("net", "1.0.0")
print(run.mode, run.project)
"""


def test_a_project_whose_name_holds_a_slash(site: Site, tmp_path: Path) -> None:
    name, project = unique("a/b"), unique("team/vision")
    (tmp_path / "weights.bin").write_text("weights")
    done = site.run(SCRIPT, name, project, str(tmp_path / "weights.bin"))
    assert (done.returncode, done.stdout) == (0, f"online {project}\n"), done.stderr
    calls = (
        ("runs", project),
        ("artifacts", project),
        ("models", project),
        ("models", project, "-n", "net"),
        ("datasets", project),
        ("metrics", f"{project}/{name}"),
        ("post-artifact", project, str(tmp_path / "weights.bin")),
        ("alias-mlmodel", "-p", project, "-n", "net", "best"),
        ("download-mlmodel", "-p", project, "-n", "net", "-s", str(tmp_path)),
    )
    for call in calls:
        printed = site.cli(*call)
        assert printed.returncode == 0, (call, printed.stderr)
    assert (tmp_path / "net-1.0.0").is_dir()


@pytest.mark.parametrize(
    "call",
    [
        "Run('..')",
        "Run(' a')",
        "Run('a\\n')",
        "Run('a\\u200db')",
        "Run('a', project='.')",
        "Run('a', project='team/vision ')",
        "Run('a', project='')",
        "Run('a', group='g\\n')",
        "Run('a', fork_of=' ')",
        "Run('a', dry=True).set_group(' ')",
        "Run('a', dry=True).rename('b\\n')",
        "Run('a', dry=True).add_tag('t\\r')",
    ],
)
def test_what_the_lab_would_refuse_raises_at_the_call(site: Site, call: str) -> None:
    script = f"from pyhectiqlab import Run\ntry:\n    {call}\nexcept ValueError as e:\n    print('refused:', e)"
    done = site.run(script)
    assert done.returncode == 0 and done.stdout.startswith("refused: the "), done.stdout + done.stderr
