"""Guests in QEMU end with what booted them, and a disk in the cache is whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import until

from machines import arm64_disk

BOOTS = """
import signal, guests
signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored
with guests.booted(["sh", "-c", "echo $$; exec sleep 600"], seconds=600) as lines:
    print(next(lines), end="", flush=True)
    lines.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_guest_ends_with_the_process_that_booted_it(end: signal.Signals) -> None:
    here, pipe = Path(__file__).parent, subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", BOOTS], cwd=here, stdout=pipe, text=True) as boots:
        assert boots.stdout
        guest = Path("/proc", boots.stdout.readline().strip(), "cmdline")
        assert until(guest.read_text) == "sleep\x00600\x00"
        boots.send_signal(end)
    until(lambda: not guest.exists() or not guest.read_text())


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
