"""./lab test --system SUITE: the tests that depend on the system, in another Debian than this machine's, on its kernel.

They run as an ordinary user and as root, in an overlay over that system's folder, which is in memory and ends with them.
All mounts are in a name space of their own, so nothing is mounted on this machine, however a run ends.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import results  # noqa: E402
from guests import CHAPTERS  # noqa: E402
from helpers import copied  # noqa: E402
from systems.enter import ALONE, COMPILES, HOME, LEARNER, PROJECT, bind, command, furnish, mount  # noqa: E402
from systems.make import LAUNCH, SYSTEMS, WHEELS, system  # noqa: E402

PLAIN = "bytecode capabilities checkup diagnostics errors explanations headers machine setup"
TESTS = [f"tests/test_{name}.py" for name in PLAIN.split()]
LONG = ["--long", "notebooks", *TESTS, "tests/kernel"]
# What differs most from system to system. BCC chooses other helpers for an ordinary user.
SHORT = {
    LEARNER: [*CHAPTERS, "tests/kernel/test_rejected.py"],
    0: [*TESTS, *(f"tests/kernel/test_{name}.py" for name in ("bpf", "buffers", "maps", "mistakes"))],
}
PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
PYTEST += ["--durations=9"]


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="./lab test", allow_abbrev=False)
    parser.add_argument("--system", required=True)
    parser.add_argument("--kernel", choices=["debian"])
    parser.add_argument("--long", action="store_true")
    options, tests = parser.parse_known_args(arguments)
    SYSTEMS.mkdir(parents=True, exist_ok=True)
    with open(SYSTEMS / f"{options.system}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one run at a time; the kernel unlocks it, however this one ends
        folder = system(options.system)
        if options.kernel:
            return _alone("boot", folder, *["--long"][: options.long], *tests)
        failed = 0
        for user, short in SHORT.items():
            print(
                f"==> Tests in Debian {options.system}, as {'an ordinary user' if user else 'root'}",
                flush=True,
            )
            wanted = tests or (LONG if options.long else short)
            failed |= _alone("inside", folder, str(user), "" if tests else "whole", *wanted)
    print("\n" + results.systems())
    return failed


def _alone(part: str, folder: Path, *arguments: str) -> int:
    """Run ``part`` of this file with mounts of its own; its exit code."""
    return subprocess.run(
        [*ALONE, sys.executable, __file__, part, folder, *arguments], check=False
    ).returncode


def inside(folder: str, user: str, whole: str, *tests: str) -> int:
    """Put the system together and run the tests in it, on this machine's kernel; what a whole run found is kept."""
    root = assembled(Path(folder))
    env = {"LAB_RESULTS": "/tmp/results", "LAB_SYSTEM": _name(root), "XDG_CACHE_HOME": f"/{COMPILES}"}
    words = command(
        root, int(user), "bash", "-c", f"./lab setup || exit; {LAUNCH}", "bash", *PYTEST, *tests, **env
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Devices that tests make would be in another run's way; 127.0.0.1 is for Jupyter.
    loopback = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tested = subprocess.Popen([*loopback, *words], stdin=subprocess.DEVNULL, process_group=0)
    try:
        returncode = tested.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(tested.pid, signal.SIGKILL)  # pytest's workers too
    took = json.loads(Path(folder, "made").read_text())["took"]
    for path in (root / "tmp/results").glob("*.json" if whole else "none"):
        result = json.loads(path.read_text())
        result["facts"]["./lab setup, to the first line"] = took
        results.add(result, results.FOLDER)
    return returncode


def boot(folder: str, *tests: str) -> int:
    """Put the system together, and run the tests in it on its own kernel, in QEMU."""
    root = assembled(Path(folder))
    images = (root / "boot").glob("vmlinuz-*")
    image = max(images, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])
    command = [sys.executable, str(ROOT / "tests/kernels/run.py"), str(image), *tests]
    env = {"LAB_SYSTEM": _name(root), "XDG_CACHE_HOME": f"{folder}/cache"}
    os.execve(sys.executable, [*command, "--system", str(root), f"/{PROJECT}"], os.environ | env)


def _name(root: Path) -> str:
    """How the results call it; testing and unstable have no version."""
    version = re.search(r"^VERSION_ID=\"(.+)\"", (root / "etc/os-release").read_text(), re.M)
    return f"Debian {version[1] if version else root.parents[1].name}"


def assembled(folder: Path) -> Path:
    """The system with the project's files of now, in which what is written goes to memory; returns its root."""
    over = folder / "over"
    mount("tmpfs", over)
    for part in ("files", "upper", "work", "root"):
        (over / part).mkdir()
    subprocess.run(["git", "init", "-q", copied(over / "files" / PROJECT)], check=True)
    subprocess.run(["chown", "-R", f"{LEARNER}:{LEARNER}", over / "files" / HOME], check=True)
    layers = f"lowerdir={over}/files:{folder}/root,upperdir={over}/upper,workdir={over}/work"
    mount("overlay", over / "root", layers)
    furnish(over / "root", WHEELS)
    bind(folder / "cache", over / "root" / COMPILES)
    return over / "root"


if __name__ == "__main__":
    parts = {"inside": inside, "boot": boot}
    try:
        sys.exit(parts[sys.argv[1]](*sys.argv[2:]) if sys.argv[1] in parts else main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Ended before the tests were")
