"""The web app of a lab below a path of its host, behind nginx: pages, charts, files, links, login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.file_upload import register, upload_file
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..server.nginx import NGINX, nginx_before
from ..server.test_operations import make_certificate
from .conftest import NewPage, Watch
from .feeder import Feeder

pytestmark = [pytest.mark.browser, pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")]
ROOT_PATH = "/tools/lab"


@pytest.fixture(params=["kept", "taken off"])
def below(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RealLab, str]]:
    """Return the lab, and the address that people know. nginx leaves the lab's path on the requests, or removes it."""
    chain, key = make_certificate(tmp_path)
    options = ["--behind-proxy", "127.0.0.1", "--root-path", ROOT_PATH]
    with ForkedLab(tmp_path / "data", tmp_path / "home", *options) as lab:
        bare = lab.url.removesuffix(ROOT_PATH)
        strips = request.param == "taken off"
        with nginx_before(bare, tmp_path / "nginx", chain, key, root_path=ROOT_PATH, strips=strips) as url:
            yield lab, url


def test_a_lab_below_a_path_is_whole_in_the_browser(
    below: tuple[RealLab, str], new_page: NewPage, watch: Watch, tmp_path: Path
) -> None:
    lab, url = below
    file = tmp_path / "notes.txt"
    file.write_text("what was learnt")
    feeder = Feeder(lab.url, lab.api_key)
    run = feeder.run("below", project="paths")
    run.points({"loss": ([0, 1, 2], [1.0, 0.5, 0.25])})
    with LabClient(lab.url, lab.api_key) as client:
        sent = upload_file(client, file)
        register(client, {"name": file.name, "digest": sent.digest, "bytes": sent.bytes}, run=run.id)

    watch.allowed.append("401")  # the question who is there, after logging out
    page = new_page(ignore_https_errors=True)
    page.goto(url + (lab.login_link or "").removeprefix(lab.url))
    page.get_by_role("link", name="paths").click()
    page.get_by_role("link", name="below").click()
    page.locator("canvas").first.wait_for()
    expect(page).to_have_url(f"{url}/runs/{run.id}")

    run.points({"news": ([0, 1], [3.0, 4.0])})  # heard by the stream
    expect(page.get_by_text("news", exact=True).first).to_be_visible()
    feeder.close()

    page.reload()
    page.locator("canvas").first.wait_for()
    page.get_by_role("tab", name="Artifacts").click()
    with page.expect_download() as got:
        page.get_by_role("link", name="Download").click()
    assert Path(got.value.path()).read_text() == "what was learnt"

    page.go_back()
    page.locator("canvas").first.wait_for()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{url}/login")
    page.goto(f"{url}/runs/{run.id}")
    page.get_by_role("button", name="Log in").wait_for()
    expect(page).to_have_url(f"{url}/login?next=%2Fruns%2F{run.id}")
