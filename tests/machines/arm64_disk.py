"""The disks of the emulated arm64 machine, kept in the cache: Debian as it comes, and Debian with the lab set up.

No program for arm64 can run on this machine. So Debian's packages are unpacked only, and what their maintainer scripts
would do is left to arm64_guest.sh, inside.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers import CACHE
from virtme.cpiowriter import CpioWriter  # of virtme-ng

from machines import shared

FOLDER = CACHE / "ebpf-lab/arm64"
SUITE = "trixie"
PACKAGES = """
    base-files base-passwd bash coreutils dash diffutils dpkg findutils grep gzip hostname libc-bin mawk mount sed tar util-linux
    busybox-static iproute2 kmod linux-image-arm64 procps python3 python3-venv
    python3-bpfcc linux-headers-arm64 bpftool libseccomp2
""".split()  # noqa: SIM905 -- the last line is what ./lab setup installs
MODULES = ["virtio_pci", "virtio_blk", "ext4", "9pnet_virtio", "9p", "virtio_rng"]
INIT = Path(__file__).with_name("arm64_init.sh")
SIZE = 6 << 30
# An ordinary user is root over files of its own there; all end with this program.
ROOTED = ["setpriv", "--pdeathsig", "KILL"]
ROOTED += ["unshare", "--map-root-user", "--kill-child"] if os.geteuid() else []


def kept(name: str, made_of: object, make: Callable[[Path], None]) -> Path:
    """The folder ``name`` in the cache that ``make`` filled, from the same things and in this month; else it is made anew."""
    key = hashlib.sha256(repr((made_of, time.strftime("%Y-%m"))).encode()).hexdigest()[:12]
    path = FOLDER / f"{name}-{key}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in (*FOLDER.glob(f"{name}-*"), *FOLDER.glob("unfinished-*")):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=FOLDER, prefix="unfinished-") as folder:
                whole = Path(folder, "whole")
                whole.mkdir()
                make(whole)
                whole.rename(path)
    return path


def debian(folder: Path) -> None:
    """Make ``folder``/disk, with Debian's packages unpacked, and the vmlinuz and initrd that boot it."""
    root, settings = folder / "root", folder / "apt.conf"
    # This machine's proxies and certificates; the user _apt does not exist there.
    settings.write_text(_output("apt-config", "dump", "Acquire") + 'APT::Sandbox::User "root";\n')
    mmdebstrap = [
        "mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--skip=chroot/mount", "--architectures=arm64",
        "--format=directory", f"--aptopt={settings}", f"--include={','.join(PACKAGES)}",
    ]  # fmt: skip
    unpack = [*ROOTED, "env", "TAR_OPTIONS=--no-same-owner", *mmdebstrap]
    shared.run(*unpack, SUITE, root, f"deb {_mirror()} {SUITE} main")
    release = next((root / "usr/lib/modules").iterdir()).name
    shared.run("depmod", "--basedir", root, release)
    (root / f"boot/vmlinuz-{release}").rename(folder / "vmlinuz")
    with open(folder / "initrd", "wb") as file:
        _write_initrd(CpioWriter(file), root, release)
    with open(folder / "disk", "wb") as disk:
        disk.truncate(SIZE)
    shared.run(*ROOTED, "mkfs.ext4", "-q", "-d", root, folder / "disk")
    shutil.rmtree(root)


def wheels(folder: Path) -> None:
    """Download what pip in the machine will ask for."""
    # glibc 2.41 of Debian 13 runs all of these; pip does not derive the older from the newer.
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 42))]
    shared.wheels(folder, *(word for tag in tags for word in ("--platform", f"{tag}_aarch64")))


def _mirror() -> str:
    """Where apt on this machine gets Debian from."""
    for line in _output("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    sys.exit("apt knows no mirror of Debian here. Fix: run it on Debian, after: sudo apt-get update")


def _write_initrd(archive: CpioWriter, root: Path, release: str) -> None:
    for folder in (b"bin", b"dev", b"modules", b"root"):
        archive.mkdir(folder, 0o755)
    archive.write_file(b"bin/busybox", (root / "usr/bin/busybox").read_bytes(), 0o755)
    archive.write_file(b"init", INIT.read_bytes(), 0o755)
    for number, module in enumerate(_modules(root, release)):
        archive.write_file(b"modules/%02d.ko.xz" % number, module.read_bytes(), 0o644)
    archive.write_trailer()


def _modules(root: Path, release: str) -> Iterator[Path]:
    """The files of MODULES and of what they depend on, each after what it depends on."""
    seen = set()
    for name in MODULES:
        shown = _output("modprobe", "--dirname", root, "--set-version", release, "--show-depends", name)
        for line in shown.splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod" and path not in seen:
                seen.add(path)
                yield Path(path.split()[0])


def _output(*command: str | Path) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
