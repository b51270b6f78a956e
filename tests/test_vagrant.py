"""The Vagrantfile, as far as it can be read without Vagrant."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VAGRANTFILE = (ROOT / "Vagrantfile").read_text()


def test_each_forwarded_port_is_reached_from_the_host_only() -> None:
    forwarded = [line for line in VAGRANTFILE.splitlines() if "forwarded_port" in line]
    assert forwarded and all('host_ip: "127.0.0.1"' in line for line in forwarded)


def test_each_provider_has_a_box_of_a_fixed_version() -> None:
    boxes = re.search(r"boxes = {.*?\n(.*?)\n}", VAGRANTFILE, re.S)
    lines = boxes[1].splitlines() if boxes else []
    assert len(lines) == 2 and all(re.search(r'=> \["[\w/.-]+", "\d[\d.]+"\]', line) for line in lines)


def test_a_document_names_each_variable_that_changes_the_machine() -> None:
    variables = set(re.findall(r'ENV\.fetch\("(\w+)"', VAGRANTFILE))
    page = (ROOT / "docs/systems.md").read_text()
    assert len(variables) == 5 and all(f"`{name}`" in page for name in variables)


def test_the_vagrantfile_is_ruby() -> None:
    if not (ruby := shutil.which("ruby")):
        pytest.skip("there is no ruby here, which Vagrant brings")
    done = subprocess.run([ruby, "-c", ROOT / "Vagrantfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
