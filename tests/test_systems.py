"""What ./lab test --system makes and enters: whole or not at all, with nothing mounted outside."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, until
from systems import enter, make

from machines import shared


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system that was made just now, by files of this project as they are."""
    monkeypatch.setattr(make, "SYSTEMS", tmp_path)
    (tmp_path / "trixie/root").mkdir(parents=True)
    (tmp_path / "trixie/made").write_text(json.dumps({"from": make._sources("trixie"), "took": "1 s"}))
    return tmp_path / "trixie"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that would be filled; they are left as if that had been interrupted."""
    folders: list[Path] = []

    def interrupted(command: list[str | Path], **_: object) -> subprocess.CompletedProcess[str]:
        folders.append(Path(command[-1]))
        Path(command[-1], "log").write_text("Setting up libc6\n")
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(make.subprocess, "run", interrupted)
    return folders


def test_a_system_is_made_once(system: Path, made: list[Path]) -> None:
    assert make.system("trixie") == system
    assert made == []


def test_a_system_is_made_again_after_a_week(system: Path, made: list[Path]) -> None:
    then = (system / "made").stat().st_mtime - make.WEEK - 1
    os.utime(system / "made", (then, then))
    with pytest.raises(SystemExit):
        make.system("trixie")
    assert made == [system.with_name("trixie.new")]


def test_a_system_is_made_again_when_what_sets_it_up_has_changed(
    system: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "_sources", lambda suite: "other files")
    with pytest.raises(
        SystemExit, match=r"Setting up libc6\n\nlab: stopped: .*could not be made\nFix: see .*/trixie.new/log"
    ):
        make.system("trixie")
    assert made and not system.exists()


def test_what_an_interrupted_run_made_is_not_used(system: Path, made: list[Path]) -> None:
    (system / "made").unlink()
    for _ in range(2):
        with pytest.raises(SystemExit):
            make.system("trixie")
    assert len(made) == 2


ENTER = """
import subprocess, sys
from pathlib import Path
from systems import enter
enter.furnish(Path(sys.argv[1]), Path(sys.argv[2]))
subprocess.run(["sh", "-c", "echo entered; read forever"], stdin=subprocess.PIPE)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_however_a_run_ends_nothing_stays_mounted(tmp_path: Path, end: signal.Signals) -> None:
    root, wheels = tmp_path / "root", tmp_path / "wheels"
    for folder in (wheels, *(root / name for name in ("proc", "sys", "run", "tmp", "dev", "etc"))):
        folder.mkdir(parents=True)
    command = [*enter.ALONE, sys.executable, "-c", ENTER, root, wheels]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT / "tests", start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == b"entered\n"
    mounts = Path(f"/proc/{process.pid}/mounts").read_text()
    assert f"{root}/proc proc" in mounts and f"{root}/run/wheels" in mounts
    assert str(root) not in Path("/proc/self/mounts").read_text()
    process.send_signal(end)
    process.wait()
    process.stdout.close()
    until(lambda: not _who_has(root))


def _who_has(folder: Path) -> list[Path]:
    """The processes in whose name space something is mounted there."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mounts"):
        try:
            if str(folder) in mounts.read_text():
                found.append(mounts)
        except OSError:  # ended meanwhile
            continue
    return found


def test_wheels_are_downloaded_once_for_each_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple] = []
    monkeypatch.setattr(shared, "run", lambda *command: asked.append(command))
    for python in ("3.13", "3.13", "3.14"):
        shared.wheels(tmp_path, "--python-version", python)
    assert ["3.14" in command for command in asked] == [False, True]
