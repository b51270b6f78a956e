"""What this machine still lacks: packages, mounts, the capability helper.

``python -m ebpf_lab.setup.needs [MODE]`` prints a sentence for the user, then, if anything is lacking, the arguments of
``./lab --as-root``: a user's id or 0, what to install, and as type:/folder what to mount.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..kernel import headers
from . import helper, packages, stop

MOUNTS = {"/sys/kernel/tracing": "tracefs", "/sys/fs/bpf": "bpf"}
PROC_MOUNTS = Path("/proc/mounts")
BCC = ["/usr/lib/python3/dist-packages/bcc", "/usr/lib/python3*/site-packages/bcc"]  # Debian's, Fedora's
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
MODES = {  # what each mode needs, beside what every mode needs (missing_packages)
    "": [],
    "tests": ["chromium", "shellcheck"],
    "qemu": ["qemu", "busybox"],
    "debian": ["qemu", "busybox", "kernel"],
    **packages.MACHINES,
}


def missing_packages(mode: str = "") -> list[str]:
    """What is to be installed: keys of packages.APT, or names of packages."""
    always = ["bcc", "headers", "bpftool", "libseccomp"]
    user = ["setcap"] if os.geteuid() else []
    return [
        each
        for each in [*always, *MODES[mode], *user]
        if not _FOUND.get(each, lambda each=each: packages.installed(each))()
    ]


def bcc_folder() -> Path | None:
    """The distribution's ``bcc`` package; it works with every Python 3, since it reaches libbcc through ctypes."""
    found = [path for place in BCC for path in Path("/").glob(place[1:]) if (path / "libbcc.py").is_file()]
    return found[0] if found else None


def run_bpftool() -> subprocess.CompletedProcess[str] | None:
    """Run ``bpftool version``; None if there is no bpftool.

    Ubuntu's bpftool is a script that fails if the one for this kernel is not installed.
    """
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    if not (path := shutil.which("bpftool", path=places)):
        return None
    return subprocess.run([path, "version"], capture_output=True, text=True, timeout=5, check=False)


def mounts() -> dict[str, str]:
    """What is mounted: {folder: type}."""
    lines = (line.split() for line in PROC_MOUNTS.read_text().splitlines())
    return {folder: kind for _, folder, kind, *_ in lines}


def missing_mounts() -> list[str]:
    """Those of MOUNTS that this kernel has, but that are not mounted. Mounting debugfs mounts tracefs in it."""
    here = mounts()
    if "/sys/kernel/debug" in here:
        here["/sys/kernel/tracing"] = "tracefs"
    return [folder for folder, kind in MOUNTS.items() if here.get(folder) != kind and Path(folder).is_dir()]


def _has_bpftool() -> bool:
    done = run_bpftool()
    return done is not None and done.returncode == 0


def _has_libseccomp() -> bool:
    """It knows the names of system calls (kernel/syscalls.py)."""
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    return True


_FOUND = {
    "bcc": bcc_folder,
    "headers": headers.available,
    "bpftool": _has_bpftool,
    "libseccomp": _has_libseccomp,
    "setcap": lambda: shutil.which("setcap"),
    "chromium": lambda: any(map(shutil.which, CHROMIUM)),
    "shellcheck": lambda: shutil.which("shellcheck"),
    "busybox": lambda: shutil.which("busybox"),
    "qemu": lambda: any(any(Path(place).glob("qemu-system-*")) for place in os.get_exec_path()),
    "kernel": packages.packaged_kernel,
}


def _check_owner() -> None:
    """Stop if this user can't write to .venv."""
    if headers.VENV.exists() and not os.access(headers.VENV, os.W_OK):
        stop(
            ".venv belongs to another user, perhaps from a run with sudo",
            f"sudo chown -R {os.geteuid()} .venv, then ./lab again, without sudo",
        )


def main(mode: str = "") -> None:
    """Print the sentence and the arguments."""
    _check_owner()
    wanted, folders = missing_packages(mode), missing_mounts()
    wants_helper = os.geteuid() != 0 and helper.fault() != ""
    steps = [f"installing {' '.join(wanted)}"] if wanted else []
    steps += [f"mounting {' '.join(folders)}"] if folders else []
    steps += ["giving the notebooks' kernels their capabilities"] if wants_helper else []
    if wanted and not shutil.which("apt-get"):
        stop(
            f"this machine lacks {', '.join(wanted)}, and there is no apt-get",
            "install them with your distribution's packages; ./lab doctor names them",
        )
    if not steps:
        print("BCC, kernel headers, bpftool, tracefs and bpffs are here")
        return
    print("; ".join(steps))
    print(
        os.geteuid() if wants_helper else 0,
        *wanted,
        *(f"{MOUNTS[each]}:{each}" for each in folders),
        sep="\n",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
