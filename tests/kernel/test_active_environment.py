"""./lab in an active virtual environment: of the same Python in every run; of another one, as conda's would be, with --long."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from helpers import ROOT, copied

PYTHONS = [
    *(Path(folder, name) for folder in os.environ["PATH"].split(":") for name in ("python3.13", "python3.12")),
    *sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.1[1-9]*/bin/python"), reverse=True),
]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sets the lab up without a password"),
    pytest.mark.timeout(1200),
]


def another_python():
    """A Python of another version than .venv's, which is the distribution's."""
    for python in filter(Path.exists, PYTHONS):
        shown = subprocess.run(
            [python, "-c", "import sys, venv, ensurepip; print(sys.version)"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if shown.returncode == 0 and shown.stdout.strip() != sys.version:
            return python
    pytest.skip("there is no Python 3.11 or newer here but the distribution's")


def of_the_same_python(folder):
    """It borrows the packages of .venv, but not what .venv's path files add: the lab itself and BCC."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "all.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


def of_another_python(folder):
    """It has what environment.yml asks for."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    subprocess.run([another_python(), "-m", "venv", folder], check=True)
    install = [folder / "bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wanted]
    subprocess.run(install, check=True)


@pytest.fixture(
    scope="module", params=[of_the_same_python, pytest.param(of_another_python, marks=pytest.mark.long)]
)
def environment(request, tmp_path_factory):
    """A virtual environment with everything that the lab needs."""
    folder = tmp_path_factory.mktemp("environment")
    request.param(folder)
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("clone") / "ebpf-lab")


def lab(clone, environment, *arguments):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"VIRTUAL_ENV": str(environment), "PATH": f"{environment}/bin:{env['PATH']}"}
    return subprocess.run([clone / "lab", *arguments], capture_output=True, text=True, check=False, env=env)


@pytest.fixture(autouse=True)
def nothing_is_changed_in_it(environment):
    def files():
        return {p: p.lstat().st_mtime for p in environment.rglob("*") if "__pycache__" not in p.parts}

    before = files()
    yield
    assert files() == before


def test_an_environment_with_everything_that_is_needed_is_used(clone, environment):
    done = lab(clone, environment, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Python: the active environment {environment}" in done.stdout
    assert not (clone / ".venv/bin").exists()


def test_chapter_one_passes_there(clone, environment):
    assert lab(clone, environment, "setup").returncode == 0
    env = os.environ | {"JUPYTER_PATH": str(clone / ".venv/share/jupyter")}
    command = [environment / "bin/python", "-m", "nbconvert", "--to", "notebook", "--stdout", "--execute"]
    done = subprocess.run(
        [*command, clone / "notebooks/01_hello.ipynb"], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"\d+ lines recorded, 0 lost", done.stdout)


def test_doctor_checks_the_active_environment(clone, environment):
    assert lab(clone, environment, "setup").returncode == 0
    done = lab(clone, environment, "doctor")
    version = [environment / "bin/python", "-c", "import platform; print(platform.python_version())"]
    assert subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip() in done.stdout
    assert "SyntaxWarning" not in done.stderr  # BCC's, with a newer Python
    assert done.returncode == 0, done.stdout


def test_what_an_environment_lacks_is_named(clone, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = lab(clone, tmp_path / "bare", "doctor")
    assert "not the active environment" in done.stdout and "lacks jupyterlab" in done.stdout
