"""Make .venv, or complete it: JupyterLab and all else that pyproject.toml asks for.

``PYTHON -m ebpf_lab.setup.venv [test]`` makes it from that Python; ``test`` adds what the tests need. .venv/.done, and
.venv/.donetest, say what it was made from and for, so that a second run changes nothing and needs no network.
"""

import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from ..kernel.headers import VENV
from . import say, stop

ROOT = Path(__file__).parents[2]
PYTHON = VENV / "bin/python"
DOWNLOADS = {"": 110, "test": 200}  # by pip's own messages, on x86_64, where nothing is cached
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]


def main(extra: str = "") -> None:
    """Do what is missing, and tell the user."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # An interrupt ends it without a traceback.
    done = VENV / f".done{extra}"
    if done.exists() and done.read_text() == stamp() and _complete():
        say("Python: .venv is complete")
        return
    say(f"Python: installing JupyterLab and the rest into .venv ({DOWNLOADS[extra]} MB, a minute or two)")
    for old in VENV.glob(".done*"):
        old.unlink()
    if not _usable():
        make()
    install(f".[{extra}]" if extra else ".")
    (VENV / ".done").write_text(stamp())
    done.write_text(stamp())


def stamp() -> str:
    """What .venv is made from and for: another one of these makes it anew, or brings it up to date."""
    wanted = b"".join((ROOT / file).read_bytes() for file in ("pyproject.toml", "constraints.txt"))
    return f"{sys.version} {sys.executable} {ROOT} {hashlib.sha256(wanted).hexdigest()}"


def make() -> None:
    """Make .venv anew, beside the capability helper and the notes for uninstall in .venv/libexec."""
    for old in VENV.glob("*"):
        if old.name != "libexec":
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode:
        stop("could not make .venv", "check that the disk is not full, then run ./lab again")


def install(package: str) -> None:
    """Install ``package`` with the versions of constraints.txt; .venv/pip.log has all that pip prints."""
    command = [*PIP, "install", "-c", "constraints.txt", "-e", package]
    if package == ".":
        # Half of pip's time goes to bytecode, most of it of modules that are never imported.
        # The tests' guests need it: they can't write into .venv, and their CPU is an emulated one.
        command.append("--no-compile")
    with open(VENV / "pip.log", "w+") as log:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        for line in process.stdout or ():
            log.write(line)
            _show_progress(line)
        if process.wait():
            log.seek(0)
            print(*log.read().splitlines()[-20:], sep="\n", file=sys.stderr)
            stop(
                "pip could not install the Python packages",
                "see its output above (all of it: .venv/pip.log), check the network, then run ./lab again",
            )


def _show_progress(line: str) -> None:
    """On a terminal, the package that pip is at, on one line that changes; elsewhere nothing."""
    words = line.split()
    if sys.stdout.isatty() and words[:1] == ["Collecting"]:
        print(f"\r    {words[1]:60}", end="", flush=True)
    elif sys.stdout.isatty() and words[:2] == ["Installing", "collected"]:
        print(f"\r    {'unpacking ...':60}", flush=True)


def _usable() -> bool:
    """Whether .venv has a Python and pip, and was not moved."""
    return _run("-c", "import pip, sys; print(sys.prefix)") == f"{VENV}\n"


def _complete() -> bool:
    """Whether .venv has everything that pyproject.toml asks for."""
    return _run("-B", "-m", "ebpf_lab.setup.environment") is not None


def _run(*arguments: str) -> str | None:
    """What .venv's Python prints; None if it fails, or is not there."""
    try:
        command = [str(PYTHON), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
