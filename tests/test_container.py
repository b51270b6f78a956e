"""The files of .devcontainer, as far as they can be read without a container."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ebpf_lab.setup import packages

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / ".devcontainer/Dockerfile").read_text()


@pytest.fixture
def devcontainer() -> dict[str, Any]:
    """devcontainer.json, which may have comments on lines of their own."""
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    return json.loads(re.sub(r"^ *//.*", "", text, flags=re.M))


def test_the_image_has_what_the_lab_would_install(monkeypatch: pytest.MonkeyPatch) -> None:
    named = re.search(r"--no-install-recommends \\\n +(.*?) \\\n", DOCKERFILE)
    assert named
    in_image = set(named[1].replace("$(dpkg --print-architecture)", "amd64").split())
    monkeypatch.setattr(packages, "_output", lambda *command: "amd64" if command[0] == "dpkg" else "")
    wanted = {
        choice for each in ("bcc", "headers", "bpftool", "libseccomp") for choice in packages.choices(each)
    }
    # The first choice of the headers is the running kernel's own.
    assert {"python3-bpfcc", "linux-headers-amd64", "bpftool", "libseccomp2"} == in_image & wanted
    assert {"python3", "python3-venv"} <= in_image


def test_the_container_is_privileged_and_sees_the_machines_pids(devcontainer: dict[str, Any]) -> None:
    assert devcontainer["privileged"] is True and devcontainer["runArgs"] == ["--pid=host"]


def test_docker_is_told_to_start_the_container_as_devcontainer_json_does(
    devcontainer: dict[str, Any],
) -> None:
    command = re.search(r"docker run .*", (ROOT / "docs/systems.md").read_text())
    assert command and {"--privileged", *devcontainer["runArgs"]} <= set(command[0].split())
