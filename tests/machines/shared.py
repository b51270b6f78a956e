"""What the tests of machines share: a copy of the project, wheels for its pip, and waiting."""

import os
import subprocess
import sys
import time
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import helpers  # noqa: E402

until = partial(helpers.until, seconds=60)
ARTEFACTS = Path(__file__).parent / "artefacts"
PYTHON = "3.13"  # Debian 13's
_START = time.monotonic()

# pip in an emulated machine installs wheels that were downloaded on this computer: it had downloaded a quarter of them
# itself after ten minutes.
PIP_CONF = "[global]\nno-index = true\nfind-links = /wheels\n[install]\nno-compile = true\n"


def say(text: str) -> None:
    print(f"==> [{time.monotonic() - _START:5.0f} s] {text}", flush=True)


def run(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(command, check=True, **more)


def give_artefacts_to_the_user() -> None:
    """Let the user who called sudo delete them, as ./lab uninstall does."""
    if user := os.environ.get("SUDO_UID"):
        run("chown", "-R", user, ARTEFACTS)


def copy_of_the_project(folder: Path) -> None:
    """Copy the project as a user with uid 1000 would have it, with a .venv of that user."""
    helpers.copied(folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/of-the-host").touch()
    run("chown", "-R", "1000:1000", folder)


def wheels(folder: Path = ARTEFACTS / "wheels", *options: str) -> Path:
    """Download what pip in a machine asks for, once; returns the folder. ``options`` are pip's, for a machine of another CPU."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
    wanted += project["project"]["optional-dependencies"]["test"]
    asked, complete = (
        "\n".join([*wanted, *options, (ROOT / "constraints.txt").read_text()]),
        folder / "complete",
    )
    if not complete.exists() or complete.read_text() != asked:
        say("Downloading what pip in the machine will ask for")
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        pip += ["--only-binary=:all:", "--python-version", PYTHON]
        run(*pip, *options, "-c", ROOT / "constraints.txt", "-d", folder, *wanted)
        complete.write_text(asked)
    return folder
