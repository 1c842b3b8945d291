"""The lab behind nginx, by the configuration of docs/deploy: what trainings, browsers and large files need of it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.server.rootpath import checked
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, batch, new_id
from .nginx import NGINX, nginx_before
from .test_operations import make_certificate

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")

Behind = tuple[RealLab, str, Path]


# The lab's path on its host, and whether nginx removes it from a request's path.
PLACES = {"at the root": ("", False), "below a path": ("/tools/lab", False), "path taken off": ("/tools/lab", True)}


@pytest.fixture(scope="module", params=list(PLACES))
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """Return the lab, the address that people know, and the certificate to trust."""
    root_path, strips = PLACES[request.param]
    folder = tmp_path_factory.mktemp("nginx")
    chain, key = make_certificate(folder)
    options = ["--behind-proxy", "127.0.0.1", "--root-path", root_path, "--lost-after", "600"]
    with ForkedLab(folder / "data", folder / "home", *options) as lab:
        bare = lab.url.removesuffix(root_path)
        with nginx_before(bare, folder / "nginx", chain, key, root_path=root_path, strips=strips) as url:
            yield lab, url, chain


def api_of(behind: Behind) -> Api:
    lab, url, chain = behind
    api = Api(url, lab.api_key)
    api.http.verify = str(chain)
    api.http.trust_env = False  # REQUESTS_CA_BUNDLE of the environment would win
    return api


SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run("through nginx", project="p", should_create_project=True)
for step in range(1000):
    run.add_metrics("loss", 1.0, step)
print(run.add_artifact(sys.argv[1], wait_response=True)["digest"])
run.close()
print(run.status().acked, run.url)
"""


def test_a_training_and_its_large_file_reach_the_lab(behind: Behind, tmp_path: Path) -> None:
    lab, url, chain = behind
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(20_000_000))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
    environment |= {"HECTIQLAB_HOME": str(tmp_path), "HECTIQLAB_URL": url, "HECTIQLAB_API_KEY": lab.api_key}
    environment |= {"REQUESTS_CA_BUNDLE": str(chain), "HECTIQLAB_SYSTEM_METRICS": "0", "HECTIQLAB_QUIET": "1"}
    command = [sys.executable, "-c", SCRIPT, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    digest, acked, address = done.stdout.split()
    assert len(digest) == 64 and int(acked) >= 1000
    assert address.startswith(f"{url}/runs/"), "the address of a run is the one that people know"


def test_a_live_page_hears_of_points_at_once(behind: Behind) -> None:
    api = api_of(behind)
    run = api.attach()["run"]["id"]
    with api.raw("GET", f"/stream?run={run}", stream=True) as stream:
        lines = stream.iter_lines(chunk_size=1)
        next(lines)
        began = time.monotonic()
        api.ingest(batch(run, new_id(), 1, 10))
        for line in lines:
            if line == b"event: points":
                break
        assert time.monotonic() - began < 5


def test_a_browser_gets_a_cookie_for_https_alone(behind: Behind) -> None:
    lab, url, chain = behind
    link = url + (lab.login_link or "").removeprefix(lab.url)
    answer = requests.get(link, verify=str(chain), timeout=10, allow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303 and "secure" in cookie
    assert url.endswith(answer.headers["location"].removesuffix("/"))
    assert f"path={answer.headers['location'].removesuffix('/') or '/'};" in cookie + ";", "no other site's business"


def test_what_the_lab_answers_leads_back_to_where_it_is(behind: Behind) -> None:
    url = behind[1]
    api = api_of(behind)
    digest = hashlib.sha256(b"hello").hexdigest()
    encoded = base64.b64encode(digest.encode()).decode()
    tus = {"Tus-Resumable": "1.0.0"}
    made = api.raw("POST", "/uploads", headers={**tus, "Upload-Length": "5", "Upload-Metadata": f"digest {encoded}"})
    place = requests.compat.urljoin(f"{url}/", made.headers["location"])
    patch = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = api.http.patch(place, b"hello", headers={**api.http.headers, **patch}, timeout=10)
    assert sent.status_code == 204
    run = api.attach()["run"]["id"]
    artifact = api.call("POST", f"/runs/{run}/artifacts", 201, json={"name": "a.txt", "digest": digest, "bytes": 5})
    assert artifact["url"].startswith(f"{url}/api/v1/")
    assert api.http.get(artifact["url"], timeout=10).content == b"hello"


def test_a_large_batch_is_let_in_wherever_the_lab_is(behind: Behind) -> None:
    answer = api_of(behind).ingest_raw(b"\xc1" * (2 << 20))
    assert answer.status_code == 400, "larger than any JSON may be, and refused for what it is"


def test_a_page_finds_its_files(behind: Behind) -> None:
    _, url, chain = behind
    page = requests.get(f"{url}/runs/1", verify=str(chain), timeout=10).text
    if "<base" not in page:
        pytest.skip("the web app is not built")
    base = re.search(r'<base href="([^"]*)"', page)
    script = re.search(r'src="([^"]*)"', page)
    assert base and script
    address = requests.compat.urljoin(requests.compat.urljoin(f"{url}/runs/1", base[1]), script[1])
    answer = requests.get(address, verify=str(chain), timeout=10)
    assert answer.ok and "javascript" in answer.headers["content-type"]


@pytest.mark.parametrize("wrong", ["lab", "/a//b", "/a/../b", "/runs", "/a b"])
def test_a_root_path_that_could_not_work_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="--root-path"):
        checked(wrong)
