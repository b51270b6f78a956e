"""Guests in QEMU end with what booted them, and a disk in the cache is whole."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import until

from machines import arm64_disk

BOOTS = """
import signal, guests
signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored
with guests.booted(["sh", "-c", "echo booted; exec sleep SECONDS"], seconds=600) as lines:
    print(next(lines), end="", flush=True)
    lines.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_guest_ends_with_the_process_that_booted_it(end: signal.Signals) -> None:
    sleep = f"sleep\x00600.{os.getpid()}\x00"  # as no other process here
    here, pipe = Path(__file__).parent, subprocess.PIPE
    boots = BOOTS.replace("SECONDS", sleep.split("\0")[1])
    with subprocess.Popen([sys.executable, "-c", boots], cwd=here, stdout=pipe, text=True) as program:
        assert program.stdout and program.stdout.readline() == "booted\n"
        until(lambda: running(sleep))
        program.send_signal(end)
    until(lambda: not running(sleep))


def running(command: str) -> bool:
    """Whether a process with that command line runs; a guest may have process ids of its own."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if process.read_text(errors="replace") == command:
                return True
    return False


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(arm64_disk, "FOLDER", tmp_path)
    return tmp_path


def test_a_disk_is_made_once_until_what_it_is_made_of_changes(cache: Path) -> None:
    made = []
    first = [arm64_disk.kept("lab", "a", made.append) for _ in range(2)]
    second = arm64_disk.kept("lab", "b", made.append)
    assert first[0] == first[1] != second and len(made) == 2
    assert second.is_dir() and not first[0].exists()


def test_a_disk_whose_making_was_interrupted_is_made_anew(cache: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "disk").touch()
        raise KeyboardInterrupt

    (cache / "unfinished-killed").mkdir()
    with pytest.raises(KeyboardInterrupt):
        arm64_disk.kept("lab", "a", interrupted)
    assert not list((arm64_disk.kept("lab", "a", lambda folder: None)).iterdir())
    assert not list(cache.glob("unfinished-*"))
