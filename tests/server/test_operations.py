"""What an administrator relies on: metrics, logs for machines, TLS, a proxy before the lab."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from pyhectiqlab.server.tending.disk import warn_below
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from .api import Api, batch, error_of, events_batch, new_id, wait_until
from .conftest import PASSWORD
from .test_security import upload


def scraped(api: Api) -> dict[str, float]:
    """Return, by sample with its labels, its value."""
    text = api.raw("GET", "/metrics").text
    return {
        f"{s.name}{json.dumps(s.labels, sort_keys=True) if s.labels else ''}": s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_metrics_count_points_batches_and_requests_by_route(api: Api) -> None:
    before = scraped(api)
    run = api.attach()["run"]["id"]
    writer = new_id()
    api.ingest(batch(run, writer, 1, 500))
    assert api.statuses(batch(run, writer, 700, 800)) == [409]
    api.run(run)
    after = scraped(api)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown("hectiqlab_points_total") == 500
    assert grown('hectiqlab_batches_total{"status": "200"}') == 1
    assert grown('hectiqlab_batches_total{"status": "409"}') == 1
    assert api.statuses(batch(new_id(12), writer, 1, 8)) == [404]
    assert scraped(api)['hectiqlab_batches_total{"status": "404"}'] > 0, "also what no writer has looked at"
    assert not [name for name in after if "_created" in name.partition("{")[0]]
    assert 5 <= len([name for name in after if name.startswith("hectiqlab_commit_seconds_bucket")]) <= 8
    route = {"method": "GET", "route": "/runs/{run_id}", "status": "200"}
    assert grown(f"hectiqlab_http_requests_total{json.dumps(route, sort_keys=True)}") == 1
    assert grown("hectiqlab_commit_seconds_count") >= 2
    assert after['hectiqlab_data_bytes{"what": "points.db"}'] > 0
    # It is looked up from time to time.
    wait_until(lambda: any(name.startswith("hectiqlab_runs{") for name in scraped(api)))
    assert run not in api.raw("GET", "/metrics").text, "no label grows with the number of runs"


def test_losses_are_counted_by_reason_and_no_reason_makes_labels_without_end(api: Api) -> None:
    before = scraped(api)
    run, writer = api.attach()["run"]["id"], new_id()
    loss = ["spool_full", 7], ["spool_full", 3], ["<script>", 2]
    events = [("loss", {"reason": reason, "count": 1, "events": count}) for reason, count in loss]
    assert api.statuses(events_batch(run, writer, 1, events)) == [200]

    def grown(reason: str) -> float:
        name = f'hectiqlab_losses_total{{"reason": "{reason}"}}'
        return scraped(api).get(name, 0.0) - before.get(name, 0.0)

    wait_until(lambda: grown("spool_full") == 10 and grown("other") == 2)  # counted after the answer


def test_metrics_tell_of_backups_backlog_and_what_takes_the_disk(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home") as lab:
        api = Api.of(lab)
        run = api.attach(project="vision", create_project=True)["run"]["id"]
        api.ingest(batch(run, new_id(), 1, 500))
        assert "hectiqlab_last_backup_timestamp_seconds" not in scraped(api)
        digest = hashlib.sha256(b"x" * 1000).hexdigest()
        upload(api, b"x" * 1000, digest)
        body = {"name": "weights", "digest": digest, "bytes": 1000}
        for path in (f"/runs/{run}/artifacts", "/projects/vision/artifacts"):
            api.call("POST", path, 201, json=body)
        taken = run_admin(lab, "backup", str(tmp_path / "backups"))
        assert taken.returncode == 0, taken.stderr
        wait_until(lambda: scraped(api).get('hectiqlab_project_files_bytes{"project": "vision"}') == 1000)
        metrics = scraped(api)
        assert abs(metrics["hectiqlab_last_backup_timestamp_seconds"] - time.time()) < 60
        assert metrics["hectiqlab_notices_waiting"] == 0
        assert metrics['hectiqlab_backlog{"what": "retention"}'] == 0
        assert {
            'hectiqlab_unused_bytes{"what": "lab.db"}',
            'hectiqlab_unused_bytes{"what": "points.db"}',
        } <= metrics.keys()
        assert metrics["hectiqlab_disk_bytes"] > metrics["hectiqlab_disk_free_bytes"] > 0
        api.call("DELETE", f"/runs/{run}")
        wait_until(lambda: scraped(api)['hectiqlab_backlog{"what": "deleted runs"}'] == 1)


def test_admins_are_warned_before_the_disk_is_full(tmp_path: Path, api: Api, other: Api) -> None:
    assert api.get("/me")["alerts"] == []
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--warn-free", "900TB") as lab:
        admin = Api.of(lab)
        wait_until(lambda: "WARNING hectiqlab.server: The lab's disk has" in lab.log(), 30)
        (alert,) = admin.get("/me")["alerts"]
        assert alert.startswith("The lab's disk has ") and alert.endswith(", less than 900 TB.")
        admin.call("POST", "/users", 201, json={"username": "ada", "password": PASSWORD})
        key = Api(lab.url, "").raw(
            "POST", "/keys", auth=("ada", PASSWORD), json={"name": "k"}, headers={"Authorization": ""}
        )
        assert Api(lab.url, key.json()["key"]).get("/me")["alerts"] == [], "it is nobody else's business"
        assert requests.get(f"{lab.url}/readyz", timeout=10).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("wish", "total", "bound"),
    [(None, 100 << 30, 5 << 30), (None, 10 << 40, 20 << 30), (None, None, 20 << 30), (7, 100 << 30, 7)],
)
def test_low_is_a_share_of_the_disk_unless_somebody_says_otherwise(
    wish: int | None, total: int | None, bound: int
) -> None:
    assert warn_below(wish, total) == bound


def run_admin(lab: RealLab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("admin", *arguments, "--data", str(lab.data_dir))


def test_metrics_are_for_admins(api: Api, other: Api) -> None:
    assert error_of(other.raw("GET", "/metrics"))["status"] == 403
    assert requests.get(f"{api.url}/api/v1/metrics", timeout=10).status_code == 401


def test_each_request_is_a_line_of_json_where_that_is_asked_for(tmp_path: Path) -> None:
    options = ("--log-format", "json", "--log-requests")
    with ForkedLab(tmp_path / "data", tmp_path / "home", *options) as lab:
        Api.of(lab).get("/runs/nothing", 404)

        def logged() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in lab.log().splitlines() if line.startswith('{"time"')]
            return [x for x in lines if x.get("path") == "/api/v1/runs/nothing"]

        wait_until(logged)  # it is written after the answer
    (line,) = logged()
    assert (line["method"], line["status"], line["client"], line["level"]) == ("GET", 404, "127.0.0.1", "info")
    assert line["ms"] > 0


def test_a_log_of_json_is_json_from_the_first_line_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyhectiqlab", "server", "--port", "0", "--log-format", "json"]
    environment = {**os.environ, "HECTIQLAB_HOME": str(tmp_path)}
    lab = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert lab.stderr is not None
    lines: list[dict[str, Any]] = []
    for line in lab.stderr:
        lines.append(json.loads(line))
        if "Stop it with" in lines[-1]["message"]:
            break
    lab.terminate()
    printed, logged = lab.communicate(timeout=20)
    lines += [json.loads(line) for line in logged.splitlines()]
    assert printed == ""
    (link,) = [line["message"] for line in lines if "login" in line["message"] and "http" in line["message"]]
    assert link.startswith("Open in your browser")
    assert {line["logger"] for line in lines} == {"hectiqlab.server"}


def make_certificate(folder: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    chain, key = folder / "lab.pem", folder / "lab.key"
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab"]
    command += ["-addext", names, "-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


SCRIPT = """
from pyhectiqlab import Run
run = Run("by tls", project="p", should_create_project=True)
for step in range(100):
    run.add_metrics("loss", 1.0, step)
run.close()
print(run.status().acked, run.url)
"""


def test_a_training_reports_over_tls_with_a_certificate_of_its_own_authority(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    lab = ForkedLab(tmp_path / "data", tmp_path / "home", "--tls-cert", str(chain), "--tls-key", str(key))
    with lab:
        assert lab.url.startswith("https://127.0.0.1:")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
        environment |= {"HECTIQLAB_HOME": str(lab.home), "HECTIQLAB_SYSTEM_METRICS": "0", "HECTIQLAB_QUIET": "1"}

        def train(**more: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", SCRIPT]
            return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=60)

        done = train(REQUESTS_CA_BUNDLE=str(chain))
        assert done.returncode == 0, done.stderr
        acked, url = done.stdout.split()
        assert int(acked) >= 100 and url.startswith(lab.url)
        untrusted = train()
        assert untrusted.returncode == 0, "a broken lab never breaks the training"
        assert "REQUESTS_CA_BUNDLE" in untrusted.stderr
        login = requests.get(lab.login_link or "", verify=str(chain), timeout=10, allow_redirects=False)
        assert "secure" in login.headers["set-cookie"].lower()


def test_a_wrong_certificate_is_told_before_the_lab_starts(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    key.write_text("no key")
    command = [sys.executable, "-m", "pyhectiqlab", "server", "--data", str(tmp_path / "data"), "--port", "0"]
    done = subprocess.run(
        [*command, "--tls-cert", str(chain), "--tls-key", str(key)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1 and "do not belong together" in done.stderr
    done = subprocess.run([*command, "--tls-cert", str(chain)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "go together" in done.stderr


def login_behind_proxy(lab: RealLab) -> Any:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Host": "lab.example.org"}
    return requests.get(lab.login_link or "", headers=headers, timeout=10, allow_redirects=False)


def test_a_proxy_that_was_named_is_believed(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--behind-proxy", "127.0.0.1", "--log-requests") as lab:
        answer = login_behind_proxy(lab)
        assert answer.status_code == 303 and "secure" in answer.headers["set-cookie"].lower()
        wait_until(lambda: "192.0.2.7" in lab.log())  # written once the answer has gone out
        headers = {"X-Forwarded-Proto": "https", "Host": "lab.example.org"}
        attached = Api.of(lab).call("POST", "/runs/attach", json={"name": "r", "session": new_id(8)}, headers=headers)
        assert attached["run"]["url"].startswith("https://lab.example.org/runs/")


def test_a_proxy_that_nobody_named_is_not_believed(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--log-requests") as lab:
        assert login_behind_proxy(lab).status_code == 421
        assert "192.0.2.7" not in lab.log()
