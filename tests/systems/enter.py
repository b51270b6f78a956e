"""Entering a system in a folder: with this machine's kernel, devices and network, and with mounts of its own."""

import shutil
import subprocess
from pathlib import Path

LEARNER, HOME = 1000, "home/learner"
PROJECT = f"{HOME}/ebpf-lab"
WHEELS, COMPILES = "run/wheels", "run/compiles"
# In front of a command: its mounts end with the last process that has them, and it is told when this process ends.
ALONE = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]


def mount(kind: str, folder: Path, options: str = "") -> None:
    subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), kind, folder], check=True)


def bind(source: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "--rbind", source, folder], check=True)


def furnish(root: Path, wheels: Path) -> None:
    """Mount what a running system has; ./lab finds neither tracefs nor bpffs mounted."""
    for kind, folder in [("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "run"), ("tmpfs", "tmp")]:
        mount(kind, root / folder)
    bind(Path("/dev"), root / "dev")
    bind(wheels, root / WHEELS)
    for file in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc", file), root / "etc")


def command(root: Path, user: int, *words: str, **env: str) -> list[str]:
    """What runs ``words`` in the project's folder there; pip has the wheels that were downloaded here."""
    home = "/root" if user == 0 else f"/{HOME}"
    given = {
        "HOME": home,
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin" + (":/usr/sbin:/sbin" if user == 0 else ""),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"/{WHEELS}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **env,
    }
    become = ["chroot", f"--userspec={user}:{user}", str(root)]
    return [*become, "env", "-i", f"--chdir=/{PROJECT}", *(f"{k}={v}" for k, v in given.items()), *words]
