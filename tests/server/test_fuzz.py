"""No request that the published schema allows, or nearly allows, gets a 5xx or an answer that the schema does not know.

A short part of it runs here; HECTIQLAB_FUZZ=20000 sends about so many requests, with a login and without one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, new_id
from .test_uploads import keep

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
    pytest.mark.timeout(3600 if "HECTIQLAB_FUZZ" in os.environ else 600),
]
REQUESTS = int(os.environ.get("HECTIQLAB_FUZZ", "0"))
EXAMPLES = 1  # of each operation, where no number is asked for
STREAM = "/api/v1/stream"  # its answer has no end
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def furnish(lab: RealLab) -> dict[str, str]:
    """Make something for requests that guess to find. Return the name of a path's parameter → what it may be."""
    api = Api.of(lab)
    run = api.attach("fuzzed", project="p", create_project=True)["run"]["id"]
    api.ingest(batch(run, new_id(), 1, 100))
    content = b"some bytes"
    artifact = {"id": new_id(), "name": "file", "digest": keep(api, content), "bytes": len(content)}
    uuid = api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)["uuid"]
    version = {"id": new_id(), "version": None, "files": [{"path": "a", "digest": artifact["digest"], "bytes": 10}]}
    version |= {"short_description": "", "description": "", "run": run, "created": 1.0}
    api.call("POST", "/projects/p/models/m/versions", 201, json=version)
    return {"run_id": run, "ref": "p", "name": "m", "uuid": uuid, "version": "1.0.0"}


def fuzz(lab: RealLab, folder: Path, *options: str, phases: str = "coverage,fuzzing") -> None:
    schema = requests.get(f"{lab.url}/api/v1/openapi.json", timeout=30, headers=lab.headers).json()
    operations = sum(len(methods) for path, methods in schema["paths"].items() if path != STREAM)
    parameters = {f"path.{name}": value for name, value in furnish(lab).items()}
    (folder / "schemathesis.toml").write_text(
        "[parameters]\n" + "".join(f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in parameters.items())
    )
    hooks = Path(__file__).with_name("fuzz_hooks.py")
    printed = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("st")), "run", f"{lab.url}/api/v1/openapi.json", "--checks", CHECKS),
            *("--max-examples", str(max(EXAMPLES, REQUESTS // operations)), "--exclude-path", STREAM),
            *("--phases", phases, "--mode", "all", "--request-timeout", "30", "--generation-database", "none"),
            *options,
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    output = "\n".join(line[:300] for line in (printed.stdout + printed.stderr).splitlines())  # bodies of megabytes
    assert printed.returncode == 0, output[-20_000:]
    sent = re.search(r"(\d+) generated", printed.stdout)
    print(f"{sent and sent[1]} requests to {operations} operations")
    assert sent is not None and int(sent[1]) >= max(REQUESTS / 2, operations)


@pytest.mark.slow
def test_with_a_login(own_lab: RealLab, tmp_path: Path) -> None:
    with own_lab:
        fuzz(own_lab, tmp_path, "-H", f"Authorization: Bearer {own_lab.api_key}")


def test_without_a_login(own_lab: RealLab, tmp_path: Path) -> None:
    """Nearly all of it is refused at the door: where no number is asked for, without what covers each parameter."""
    with own_lab:
        fuzz(own_lab, tmp_path, phases="coverage,fuzzing" if REQUESTS else "fuzzing")
