"""A whole Debian in a folder of the cache, in which an ordinary user has set up the lab.

mmdebstrap makes a bare one, with a user who may use sudo; that user's own ./lab setup does the rest. It is kept for a
week, or until something that makes it changes. ``python make.py FOLDER.new`` fills such a folder.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from helpers import CACHE, copied  # noqa: E402
from machines.shared import say, wheels  # noqa: E402
from systems.enter import ALONE, HOME, LEARNER, PROJECT, command, furnish  # noqa: E402

SYSTEMS = CACHE / "ebpf-lab/systems"
WHEELS = SYSTEMS / "wheels"
WEEK = 7 * 24 * 3600
# git lists the project's files for the tests that copy it. ./lab itself installs python3-venv.
BARE = ["sudo", "python3", "git", "iproute2", "procps"]
DPKG = ["force-unsafe-io", *(f"path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale"))]
DPKG += ["path-exclude=/etc/kernel/postinst.d/initramfs-tools"]  # Nothing boots from here by an initrd.
TESTS = ["pytest", "pytest-timeout", "pytest-xdist", "nbval", "hypothesis"]
LAUNCH = """
export PATH="$PATH:/usr/sbin:/sbin" # as ./lab does
mapfile -t launcher < <(python3 -B -m ebpf_lab.setup.helper)
"${launcher[@]}" .venv/bin/python "$@"
"""
# Its lines have other pids than run() tells: make() has a name space of processes.
FIRST_LINE = """
from ebpf_lab import BPF, attach, record, run
with BPF(text='int hello(void *ctx) { bpf_trace_printk("Hello World!"); return 0; }') as b:
    attach(b, syscall="execve", fn_name="hello")
    with record(b) as lines:
        run("/bin/true", times=23)
assert len(lines.lines) >= 23, lines
"""


def system(suite: str) -> Path:
    """The folder of that Debian; made now if it isn't there, or is out of date."""
    folder = SYSTEMS / suite
    if not _is_whole(folder):
        print(f"==> Making Debian {suite} in {folder} (some minutes)", flush=True)
        _replace(folder)
    return folder


def _is_whole(folder: Path) -> bool:
    made = folder / "made"
    if not made.exists() or time.time() - made.stat().st_mtime > WEEK:
        return False
    return json.loads(made.read_text())["from"] == _sources(folder.name)


def _sources(suite: str) -> str:
    """Which files make the system, in short."""
    files = ["lab", "pyproject.toml", "constraints.txt", "ebpf_lab/kernel/headers.py"]
    found = [ROOT / file for file in files] + [
        Path(__file__),
        *sorted((ROOT / "ebpf_lab/setup").glob("*.py")),
    ]
    return f"{suite} {hashlib.sha256(b''.join(path.read_bytes() for path in found)).hexdigest()}"


def _replace(folder: Path) -> None:
    """Make it beside its place, and move it there when it is whole, so that this may be interrupted at any time."""
    new = folder.with_name(f"{folder.name}.new")
    (folder / "made").unlink(missing_ok=True)  # First: what is deleted in part isn't whole.
    for old in (folder, new):
        shutil.rmtree(old, ignore_errors=True)
    for part in ("root", "over", "cache"):
        (new / part).mkdir(parents=True)
    alone = [
        *ALONE,
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]  # so that no part of apt outlives this
    if subprocess.run([*alone, sys.executable, __file__, new], check=False).returncode:
        last = (new / "log").read_text().splitlines()[-20:]
        sys.exit(
            "\n".join(
                [*last, "", f"lab: stopped: Debian {folder.name} could not be made", f"Fix: see {new}/log"]
            )
        )
    new.rename(folder)


def make(new: Path) -> None:
    """Fill the folder, in mounts and processes of its own."""
    suite, root = new.name.removesuffix(".new"), new / "root"
    sources = _sources(suite)  # as they are now, not at the end
    with open(new / "log", "w") as log:
        say("A bare system, by mmdebstrap")
        bare(suite, root, log)
        wheels(WHEELS, "--python-version", (root / "usr/bin/python3").readlink().name.removeprefix("python"))
        copied(root / PROJECT)
        subprocess.run(["chown", "-R", f"{LEARNER}:{LEARNER}", root / PROJECT], check=True)
        furnish(root, WHEELS)

        def learner(*words: str) -> None:
            subprocess.run(command(root, LEARNER, *words), stdout=log, stderr=log, check=True)

        say("./lab setup there")
        began = os.times()
        learner("./lab", "setup")
        learner("bash", "-c", LAUNCH, "bash", "-c", FIRST_LINE)
        now = os.times()
        took = round(now.elapsed - began.elapsed)
        work = round(sum(now[2:4]) - sum(began[2:4]))  # of children: apt, dpkg, pip, clang
        say(f"The first trace line came {took} s after the start of ./lab setup")
        learner(".venv/bin/python", "-m", "pip", "install", "-q", "-c", "constraints.txt", *TESTS)
    for path in (root / PROJECT).iterdir():  # Each run has the project's files of its time.
        if path.name != ".venv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (new / "made").write_text(json.dumps({"from": sources, "took": f"{took} s, {work} s of CPU time"}))


def bare(suite: str, root: Path, log: TextIO) -> None:
    """A small Debian with Python, and a user who has sudo."""
    newest = ["linux-image-amd64/" + suite, "linux-headers-amd64/" + suite] if "backports" in suite else []
    command = [ROOT / "tests/machines/debian_root.sh", suite, "minbase", root, *BARE, *newest]
    options = [
        "--skip=cleanup/apt/lists",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt={each}" for each in DPKG),
    ]
    subprocess.run([*command, *options], stdout=log, stderr=log, check=True)
    add = f"useradd --create-home --shell /bin/bash --uid {LEARNER} learner && chmod 755 /{HOME}"
    subprocess.run(["chroot", root, "sh", "-c", add], stdout=log, stderr=log, check=True)
    (root / "etc/sudoers.d/learner").write_text("learner ALL=(ALL) NOPASSWD: ALL\n")
    (root / "etc/gitconfig").write_text("[safe]\ndirectory = *\n")  # Root's tests copy the user's project.


if __name__ == "__main__":
    make(Path(sys.argv[1]))
