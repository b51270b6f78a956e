"""What this machine still lacks: packages, mounts, the capability helper.

``python -m ebpf_lab.setup.needs [MODE]`` prints a sentence for the user, then, if anything is lacking, the arguments of
``./lab --as-root``: a user's id or 0, what to install, and as type:/folder what to mount.
``kheaders`` among them is the module that has this kernel's headers (CONFIG_IKHEADERS=m), to be loaded.
"""

import ctypes
import os
import platform
import shutil
import sys
from pathlib import Path

from ..kernel import headers
from . import bpftool, helper, packages, stop, unavailable

MOUNTS = {"/sys/kernel/tracing": "tracefs", "/sys/fs/bpf": "bpf"}
PROC_MOUNTS = Path("/proc/mounts")
BCC = ["/usr/lib/python3/dist-packages/bcc", "/usr/lib/python3*/site-packages/bcc"]  # Debian's, Fedora's
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MODES = {  # what each mode needs, beside what every mode needs (missing_packages)
    "": [],
    "tests": ["chromium", "shellcheck"],
    "qemu": ["qemu", "busybox", "file"],  # virtme-ng ends with a traceback where there is no file(1).
    "debian": ["qemu", "busybox", "file", "kernel"],
    **packages.MACHINES,
}


def missing_packages(mode: str = "") -> list[str]:
    """What is to be installed: keys of packages.APT, or names of packages."""
    always = ["bcc", "headers", "bpftool", "libseccomp"]
    user = ["setcap"] if os.geteuid() else []
    return [each for each in [*always, *MODES[mode], *user] if not is_here(each)]


def is_here(wanted: str) -> bool:
    """Whether a key of packages.APT is met, by a package or in another way; anything else is the name of a package."""
    return bool(_FOUND[wanted]() if wanted in _FOUND else packages.installed(wanted))


def bcc_folder() -> Path | None:
    """The distribution's ``bcc`` package; it works with every Python 3, since it reaches libbcc through ctypes."""
    found = [path for place in BCC for path in Path("/").glob(place[1:]) if (path / "libbcc.py").is_file()]
    return found[0] if found else None


def chromium() -> str | None:
    """The Chromium or Chrome that tests can drive.

    Ubuntu's is a snap, which has a /tmp of its own: the profile that Playwright makes in /tmp is not there.
    """
    return next((path for path in map(shutil.which, CHROMIUM) if path and not _is_snap(Path(path))), None)


def _is_snap(program: Path) -> bool:
    """Whether ``program`` starts a snap: /snap/bin/chromium is a link to snap, /usr/bin/chromium-browser a script."""
    if program.resolve().name == "snap":
        return True
    with program.open("rb") as file:
        start = file.read(2048)
    return start.startswith(b"#!") and b"/snap/bin/" in start


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
    done = bpftool.run()
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
    "chromium": chromium,
    "shellcheck": lambda: shutil.which("shellcheck"),
    "busybox": lambda: shutil.which("busybox"),
    "file": lambda: shutil.which("file"),
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


def stop_without(lost: list[str]) -> None:
    """Stop if the lab can't do without something of these, which no package here brings."""
    if needed := [each for each in lost if each not in packages.OPTIONAL]:
        stop(
            f"no package here brings {', '.join(needed)} for Linux {platform.release()}",
            "; ".join(packages.INSTEAD.get(each, f"install {each} yourself") for each in needed),
        )


def _out_of_reach(missing: list[str]) -> list[str]:
    """What ./lab can't install, which is optional: for anything else it stops with the fix."""
    if shutil.which("apt-get"):
        lost = [each for each in missing if each in unavailable.known()]
        stop_without(lost)
        return lost
    if set(missing) - set(packages.OPTIONAL):
        stop(f"this machine lacks {', '.join(missing)}, and there is no apt-get", packages.command(*missing))
    return missing


def _module_serves() -> bool:
    """Whether the module kheaders is the only way to this very kernel's headers."""
    own = packages.choices("headers")[0].split()
    return headers.has_module() and own not in packages.candidates("headers")


def _summary(lost: list[str]) -> str:
    """The sentence where there is nothing to do."""
    here = {"bcc": "BCC", "headers": "kernel headers", "bpftool": "bpftool", "tracefs": "tracefs"}
    found = ", ".join(name for key, name in here.items() if key not in lost)
    notes = [f"; no package here brings {each}: {packages.OPTIONAL[each]}" for each in lost]
    return f"{found} and bpffs are here{''.join(notes)}"


def main(mode: str = "") -> None:
    """Print the sentence and the arguments."""
    _check_owner()
    missing, folders = missing_packages(mode), missing_mounts()
    loads = "headers" in missing and _module_serves()
    if loads:
        missing.remove("headers")
    lost = _out_of_reach(missing)
    wanted = [each for each in missing if each not in lost]
    wants_helper = os.geteuid() != 0 and helper.fault() != ""
    steps = ["loading this kernel's own headers, the module kheaders"] if loads else []
    steps += [f"installing {' '.join(wanted)}"] if wanted else []
    steps += [f"mounting {' '.join(folders)}"] if folders else []
    steps += ["giving the notebooks' kernels their capabilities"] if wants_helper else []
    print("; ".join(steps) or _summary(lost))
    if steps:
        print(os.geteuid() if wants_helper else 0, *["kheaders"] * loads, *wanted, sep="\n")
        print(*(f"{MOUNTS[each]}:{each}" for each in folders), sep="\n", end="\n" if folders else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
