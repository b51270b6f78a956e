"""What ./lab uninstall needs to know: who still uses .venv, and what ./lab installed and mounted as root.

``python -m ebpf_lab.setup.uninstall`` stops with the fix if the lab still runs here; with ``made`` it prints the
packages and folders, one per line; with ``files`` it removes what is not root's.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..kernel import headers
from . import needs, say, stop

ROOT = Path(__file__).parents[2]
WRITTEN = [".venv/*", "*.egg-info", ".pytest_cache", ".ruff_cache", ".mypy_cache", "tests/*/artefacts"]
WRITTEN += ["**/__pycache__"]

BOOT = Path("/proc/sys/kernel/random/boot_id")


def running() -> list[int]:
    """The processes that use .venv; a server of an active environment's Python is known by the paths it was given."""
    marks = [os.fsencode(headers.VENV / folder) + b"/" for folder in ("bin", "share")]
    found = set()
    for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
        try:
            content = path.read_bytes()
        except OSError:  # another user's, or ended meanwhile
            continue
        if any(mark in content for mark in marks):
            found.add(int(path.parent.name))
    return sorted(found)


def made() -> list[str]:
    """Folders that ./lab mounted, the module that it loaded, and packages that it installed, as far as they are still here.

    ./lab notes a package per line; a mount and the module with the id of the boot, for a later boot's are not ours.
    """
    notes = headers.VENV / "libexec/ebpf-lab/made"
    lines = list(dict.fromkeys(notes.read_text().splitlines())) if notes.exists() else []
    mounted, here, boot = needs.mounts(), _installed() if lines else set(), BOOT.read_text().strip()
    folders, packages = [], []
    for line in lines:
        folder, _, when = line.rpartition(" ")
        if when == boot and (folder in mounted or (folder == "kheaders" and headers.KHEADERS.exists())):
            folders.append(folder)
        elif line in here:
            packages.append(line)
    return folders + packages


def remove_files() -> None:
    """Remove .venv, caches, and what the tests wrote."""
    say("Files: removing .venv, caches, and what the tests wrote")
    try:
        for pattern in WRITTEN:
            for path in list(ROOT.glob(pattern)):
                _remove(path)
    except OSError as e:
        stop(str(e), "see whose file it is, and remove it; then run ./lab uninstall again")
    with contextlib.suppress(OSError):  # .venv may be a mount: a virtual machine's disk, or a volume.
        headers.VENV.rmdir()
    try:
        _remove(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebpf-lab")
    except OSError:
        say("Its cache stays, because another copy of the lab is writing to it")
    say("Done. Your notebooks stay, and so do Jupyter's and IPython's own files in your home folder")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _installed() -> set[str]:
    command = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${binary:Package}\n"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[1] for line in shown.splitlines() if line.startswith("ii")}


if __name__ == "__main__":
    if sys.argv[1:] == ["made"]:
        for each in made():
            print(each)
    elif sys.argv[1:] == ["files"]:
        remove_files()
    elif processes := running():
        stop(
            f"the lab still runs here: process {' '.join(map(str, processes))}",
            "Ctrl-C twice where it was started, then ./lab uninstall again",
        )
