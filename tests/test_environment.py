"""environment.yml, constraints.txt and pyproject.toml say the same."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_gets_the_same_packages_and_ranges_as_pip():
    text = (ROOT / "environment.yml").read_text()
    conda = {line.removeprefix("  - ") for line in text.splitlines() if re.match(r"  - \w+[><=]", line)}
    assert conda - {f"python{PROJECT['requires-python']}"} == set(PROJECT["dependencies"])
    assert f"python{PROJECT['requires-python']}" in conda


@pytest.mark.parametrize("file", ["environment.yml", "pyproject.toml", "constraints.txt"])
def test_pypi_s_bcc_is_never_asked_for(file):
    assert not re.search(r"""^[\s"'-]*bcc\b""", (ROOT / file).read_text(), re.M)


def test_each_package_that_is_asked_for_is_constrained():
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    for wanted in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]:
        name = re.match(r"[\w-]+", wanted)[0]
        assert name.replace("-", "_") in {known.replace("-", "_") for known in pinned}, name


def test_constraints_name_no_addresses():
    assert "://" not in (ROOT / "constraints.txt").read_text()
