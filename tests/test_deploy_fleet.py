"""What docs/deploy has for several labs, checked for form.

Options exist, a lab answers the probes, names fit each other, and nginx takes its configuration.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyhectiqlab.cli.fleet_options import config_of
from pyhectiqlab.cli.server import command
from pyhectiqlab.server.routes import pages
from pyhectiqlab.store.addresses import clickhouses_of
from pyhectiqlab.store.clickhouse.client import Address
from pyhectiqlab.store.fleet import Addresses

from .server.nginx import NGINX

DEPLOY = Path(__file__).parents[1] / "docs/deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SHARDS = yaml.safe_load((DEPLOY / "compose.shards.yaml").read_text())
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
PATHS = {getattr(route, "path", "") for route in pages.router.routes}


def of_kind(kind: str) -> dict[str, Any]:
    (manifest,) = [one for one in OBJECTS if one["kind"] == kind]
    return manifest


def known(options: list[str]) -> bool:
    """Return whether `hectiqlab server` takes these words."""
    command.make_context("server", list(options), resilient_parsing=False)
    return True


def seconds(text: str) -> int:
    assert re.fullmatch(r"\d+s", text)
    return int(text[:-1])


def test_labs_of_the_composition_get_options_that_there_are_and_time_to_end() -> None:
    lab = COMPOSE["services"]["lab"]
    assert lab["command"][0] == "server" and known(lab["command"][1:])
    variables = {option for param in command.params for option in ([param.envvar] if param.envvar else [])}  # type: ignore[attr-defined]
    assert set(lab["environment"]) <= variables
    drain = int(lab["command"][lab["command"].index("--drain") + 1])
    assert drain + 10 <= seconds(lab["stop_grace_period"])
    assert "/livez" in lab["healthcheck"]["test"][-1]


def test_all_that_the_composition_names_is_there() -> None:
    services, secrets = COMPOSE["services"], COMPOSE["secrets"]
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= set(services), name
        assert set(service.get("secrets", [])) <= set(secrets), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), volume
        named = set(re.findall(r"/run/secrets/([a-z0-9-]+)", str(service)))
        assert named <= set(service.get("secrets", [])), name
    header = (DEPLOY / "compose.yaml").read_text().split("services:")[0]
    assert all(re.search(rf"secrets/(\$name|{name})|in [a-z0-9 ]*\b{name}\b", header) for name in secrets)


def shards(points: str) -> list[Address]:
    """Return the ClickHouses that an address of points names."""
    return [Address(address) for address, _ in clickhouses_of(Addresses("", points, ""))]


def test_the_second_shard_of_the_composition_is_as_the_first_with_data_of_its_own(tmp_path: Path) -> None:
    first, second = COMPOSE["services"]["clickhouse"], SHARDS["services"]["clickhouse-2"]
    assert {**second, "volumes": 0} == {**first, "volumes": 0}
    assert second["volumes"] == ["clickhouse-2:/var/lib/clickhouse"] and set(SHARDS["volumes"]) == {"clickhouse-2"}
    assert set(SHARDS["services"]["lab"]["depends_on"]) == {"clickhouse-2"}
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/clickhouse").write_text("hidden\n")
    header = (DEPLOY / "compose.shards.yaml").read_text().split("services:")[0]
    lines = re.findall(r"^#   (.*(?:address=|secrets/points).*)$", header, re.MULTILINE)
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=tmp_path, check=True)
    named = shards((tmp_path / "secrets/points").read_text())
    services = {**COMPOSE["services"], **SHARDS["services"]}
    assert [its.host for its in named] == ["clickhouse", "clickhouse-2"] and {its.host for its in named} <= set(
        services
    )
    assert {(its.user, its.password, its.port, its.database) for its in named} == {("lab", "hidden", 8123, "lab")}


def test_the_secret_of_kubernetes_may_name_two_shards() -> None:
    header = (DEPLOY / "kubernetes.yaml").read_text().split("apiVersion:")[0]
    one, two = (shards(points) for points in re.findall(r"--from-literal=points='(.*)'", header))
    assert len(one) == 1 and len(two) == 2
    assert all(its.secure and its.database == "lab" for its in [*one, *two])


def test_labs_on_kubernetes_are_probed_at_what_a_lab_answers_and_end_in_time(tmp_path: Path) -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert probes == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
    assert set(probes.values()) <= PATHS
    config = tmp_path / "lab.ini"
    config.write_text(of_kind("ConfigMap")["data"]["lab.ini"])
    options = config_of(config)
    assert known([word for name, value in options.items() for word in (f"--{name}", value)])
    assert float(options["drain"]) + 15 <= pod["terminationGracePeriodSeconds"]
    assert float(options["drain"]) > container["readinessProbe"]["periodSeconds"] * 3
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    assert container["env"][0]["value"] == f"{mounts['config']}/lab.ini"
    assert all(options[name].startswith(f"@{mounts['secrets']}/") for name in ("database", "points"))


def test_the_objects_of_kubernetes_fit_each_other() -> None:
    deployment = of_kind("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("Service")["spec"]["selector"] == labels
    budget = of_kind("PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"] == labels
    scaler = of_kind("HorizontalPodAutoscaler")["spec"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert budget["minAvailable"] < scaler["minReplicas"] == deployment["spec"]["replicas"] <= scaler["maxReplicas"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "cpu" in container["resources"]["requests"], "the autoscaler goes by it"
    (rule,) = of_kind("Ingress")["spec"]["rules"]
    assert f"public-url = https://{rule['host']}" in of_kind("ConfigMap")["data"]["lab.ini"]
    assert {one["metadata"]["namespace"] for one in OBJECTS} == {"lab"}
    assert all(one["apiVersion"] for one in OBJECTS)


@pytest.mark.skipif(NGINX is None, reason="needs nginx")
def test_nginx_takes_the_configuration_for_several_labs(tmp_path: Path) -> None:
    """Names that only a composition knows aside."""
    assert NGINX is not None
    text = (DEPLOY / "nginx-labs.conf").read_text()
    for line, here in (
        ("    resolver 127.0.0.11 valid=2s;          # the names of the composition: labs come and go\n", ""),
        ("server lab:8080 resolve ", "server 127.0.0.1:8080 "),
        ("listen 80;", "listen 127.0.0.1:1;"),
    ):
        assert line in text
        text = text.replace(line, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    whole = f"pid {tmp_path}/pid; events {{}}\nhttp {{ access_log off;\n{places}{text}}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [NGINX, "-t", "-p", str(tmp_path), "-c", "nginx.conf", "-e", f"{tmp_path}/errors"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "syntax is ok" in done.stderr, done.stderr
