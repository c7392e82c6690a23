"""Files that deploy the service: what they ask of it, it takes."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.checkout import ROOT

from service.cli.serve import LATEST_S
from service.settings import Serve, parted

DEPLOY = ROOT / "deploy"


def words_in(path: Path) -> list[str]:
    """Settings of the service in a file, as they stand there, with variables at their defaults."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path.read_text())
    return re.findall(r"serve\.[a-z]+=[^\s\"',\]]+(?:,[^\s\"'\]]+)*", text)


@pytest.mark.parametrize("name", ["Containerfile", "compose.yaml", "evalmend.service", "kubernetes.yaml"])
def test_what_a_file_sets_is_a_setting_with_a_value_that_is_taken(name: str) -> None:
    words = words_in(DEPLOY / name)
    assert words
    assert parted(words).words == ()


def test_a_server_has_longer_to_end_than_it_takes() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert int(compose["services"]["evalmend"]["stop_grace_period"].removesuffix("s")) > LATEST_S
    unit = (DEPLOY / "evalmend.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > LATEST_S  # type: ignore[index]
    assert pod()["spec"]["terminationGracePeriodSeconds"] > LATEST_S


def test_ports_and_health_are_those_of_the_server() -> None:
    container = pod()["spec"]["containers"][0]
    assert container["ports"][0]["containerPort"] == Serve().port
    assert container["readinessProbe"]["httpGet"]["port"] == Serve().port
    asked_as = container["readinessProbe"]["httpGet"]["httpHeaders"][0]["value"]
    names = parted(container["args"]).serve.names
    assert names is not None
    assert asked_as in names.split(",")
    assert f"EXPOSE {Serve().port}" in (DEPLOY / "Containerfile").read_text()


def test_no_secret_stands_in_a_file_of_the_repository() -> None:
    for path in DEPLOY.iterdir():
        assert not re.search(r"PASSWORD[:=]\s*[^\s/]", path.read_text()), path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "evalmend.service"
    unit.write_text((DEPLOY / "evalmend.service").read_text().replace("/opt/evalmend/.venv/bin/evalmend", "/bin/true"))
    found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "evalmend.service" not in found.stderr, found.stderr


def pod() -> Any:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    return documents[0]["spec"]["template"]
