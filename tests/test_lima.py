"""lima.yaml, as far as it can be read without Lima."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "lima.yaml").read_text()
LIMA = yaml.safe_load(TEXT)


def test_lima_yaml_has_only_keys_that_lima_2_0_documents() -> None:
    # Lima's templates/default.yaml; the version is the first with `base: template:...` and limactl's --mount-only.
    known = {"minimumLimaVersion", "base", "cpus", "memory", "disk", "containerd", "param", "portForwards"}
    known |= {"provision", "probes", "message"}
    assert set(LIMA) <= known and LIMA["minimumLimaVersion"] == "2.0.0"
    assert all(step.keys() == {"mode", "script"} for step in LIMA["provision"])
    assert all(probe.keys() <= {"description", "script", "hint"} for probe in LIMA["probes"])
    rules = [rule.keys() for rule in LIMA["portForwards"]]
    assert rules == [{"guestPort", "hostPort"}, {"guestPortRange", "proto", "ignore"}]


def test_lima_yaml_is_valid() -> None:
    if not (limactl := shutil.which("limactl")) or os.geteuid() == 0:
        pytest.skip("there is no limactl here, or this is root, for whom it does nothing")
    command = [limactl, "template", "validate", ROOT / "lima.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_lima_forwards_the_labs_port_alone_and_the_message_names_it() -> None:
    lab, others = LIMA["portForwards"]
    assert lab["hostPort"] == int(LIMA["param"]["port"]) and "{{.Param.port}}" in LIMA["message"]
    assert others == {"guestPortRange": [1, 65535], "proto": "any", "ignore": True}


@pytest.mark.parametrize("script", [step["script"] for step in LIMA["provision"] + LIMA["probes"]])
def test_limas_scripts_are_bash(script: str) -> None:
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-"], input=script, text=True, check=True)


def test_the_readme_and_lab_on_a_mac_have_the_command_of_lima_yaml(tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho Darwin\n")
    (tmp_path / "uname").chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / "lab"], env=env, capture_output=True, text=True, check=False)
    command = re.search(r"^# +(limactl start .*)$", TEXT, re.M)
    assert command and command[1] in (ROOT / "README.md").read_text()
    assert done.returncode == 1 and f"Fix: with Lima: {command[1]}" in done.stderr
