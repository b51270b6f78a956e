"""The packages that bring what the lab needs, by distribution: one table for ./lab and doctor."""

import itertools
import os
import platform
import re
import shutil
import subprocess

from . import unavailable

APT = {  # Debian, Ubuntu and those made from them: the first choice that apt knows is installed; if it does not help, the next.
    "bcc": ["python3-bpfcc"],
    "headers": ["linux-headers-{release}", "linux-headers-{architecture}", "linux-headers-generic"],
    # Ubuntu has no package bpftool before 25.04: each kernel's linux-tools bring one, and any of them serves any kernel.
    "bpftool": [
        "bpftool",
        "linux-tools-common linux-tools-{release}",
        "linux-tools-common linux-tools-generic",
    ],
    "libseccomp": ["libseccomp2"],
    "setcap": ["libcap2-bin"],
    "chromium": ["chromium"],
    "shellcheck": ["shellcheck"],
    "kernel": ["linux-image-{architecture}", "linux-image-generic"],
    "qemu": ["qemu-system-{machine}"],
    "file": ["file"],
    "busybox": ["busybox-static"],  # Static, since it starts before anything is mounted.
}
OPTIONAL = {  # what is lost where no package here brings it
    "bpftool": "chapters can't show what bpftool shows; ./lab doctor says where else it is",
    "chromium": "the browser tests are skipped; Ubuntu's is a snap, which they can't drive, but Google Chrome serves",
    "shellcheck": "its test is skipped",
}
INSTEAD = {  # what works where no package here brings it
    "bcc": "Ubuntu has BCC in its component universe: sudo add-apt-repository universe, then ./lab again",
    "headers": "build this kernel's source, then BCC_KERNEL_SOURCE=/path/to/it ./lab; or use a virtual machine",
    "bpftool": "put the bpftool of github.com/libbpf/bpftool/releases, one file, into /usr/local/bin",
}
MACHINES = {  # for ./lab test --system, --machine, --vagrant, --lima and --container, which only Debian has run
    "arm64": ["qemu-system-arm", "mmdebstrap", "e2fsprogs", "kmod"],
    "vagrant": [
        "vagrant", "vagrant-libvirt", "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils",
        "dnsmasq-base", "iptables", "mmdebstrap", "slirp4netns",
    ],
    "system": ["mmdebstrap"],
    "lima": ["qemu-system-x86", "qemu-utils", "mmdebstrap", "openssh-client"],
    "container": ["podman", "runc", "mmdebstrap"],
}  # fmt: skip
OTHERS = {  # by ID or ID_LIKE of os-release(5), with the names in their lists of packages; untried
    "fedora": ("sudo dnf install", {"bcc": "python3-bcc", "bpftool": "bpftool", "headers": "kernel-devel-$(uname -r)"}),
    "suse": ("sudo zypper install", {"bcc": "python3-bcc", "bpftool": "bpftool", "headers": "kernel-default-devel"}),
    "arch": ("sudo pacman -S", {"bcc": "python-bcc", "bpftool": "bpf", "headers": "linux-headers"}),
    "alpine": ("sudo apk add", {"bcc": "py3-bcc", "bpftool": "bpftool", "headers": "linux-lts-dev"}),
}  # fmt: skip
_APT_LIKE = ("debian", "ubuntu")


def choices(wanted: str) -> list[str]:
    """The packages of APT for this machine, best first."""
    architecture = _output("dpkg", "--print-architecture") or platform.machine()
    machine = {"amd64": "x86", "arm64": "arm"}.get(architecture, architecture)
    facts = {"release": platform.release(), "architecture": architecture, "machine": machine}
    return [choice.format(**facts) for choice in APT.get(wanted, [wanted])]


def candidates(wanted: str) -> list[list[str]]:
    """The choices that apt knows, best first; without those that are installed and did not help."""
    options = [choice.split() for choice in choices(wanted)]
    shown = _output("apt-cache", "policy", *itertools.chain(*options))
    policy = re.findall(r"^(\S+):\n  Installed: (.*)\n  Candidate: (.*)", shown, re.M)
    known = {name for name, _, candidate in policy if candidate != "(none)"}
    here = {name for name, version, _ in policy if version != "(none)"}
    return [option for option in options if known.issuperset(option) and not here.issuperset(option)]


def command(*wanted: str) -> str:
    """The command that installs ``wanted`` on this distribution, for a learner to type; what works instead where none does."""
    if lost := unavailable.known().intersection(wanted):
        return "; ".join(INSTEAD[each] for each in wanted if each in lost)
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for distribution in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        if distribution in _APT_LIKE:
            best = [(candidates(each) or [[choices(each)[0]]])[0] for each in wanted]
            return f"./lab setup, or: sudo apt-get install {' '.join(itertools.chain(*best))}"
        if distribution in OTHERS:
            install, names = OTHERS[distribution]
            return f"{install} {' '.join(names.get(each, each) for each in wanted)}"
    elsewhere = [choices(each)[0] for each in wanted]
    elsewhere += [names.get(each, each) for _, names in OTHERS.values() for each in wanted]
    return "install one of: " + ", ".join(dict.fromkeys(elsewhere))


def installed(package: str) -> bool:
    """Whether dpkg has that package installed."""
    return _output("dpkg-query", "-W", "-f", "${db:Status-Status}", package) == "installed"


def packaged_kernel() -> str:
    """The kernel image in /boot that the distribution's package brings; empty if it isn't installed."""
    for depends in _output("dpkg-query", "-W", "-f", "${Depends},", *choices("kernel")).split(","):
        package = depends.strip().partition(" ")[0]
        if package.startswith("linux-image-"):
            files = _output("dpkg-query", "-L", package).splitlines()
            if image := next((file for file in files if file.startswith("/boot/vmlinuz-")), ""):
                return image
    return ""


def _output(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout.strip()
