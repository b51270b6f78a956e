"""The packages that bring what the lab needs, by distribution: one table for ./lab and doctor.

``python -m ebpf_lab.setup.packages headers bpftool`` prints what apt-get is to install.
"""

import itertools
import os
import platform
import re
import shutil
import subprocess
import sys

APT = {  # Debian, Ubuntu and those made from them: the first choice that apt knows is installed.
    "bcc": ["python3-bpfcc"],
    "headers": ["linux-headers-{release}", "linux-headers-{architecture}", "linux-headers-generic"],
    "bpftool": ["bpftool", "linux-tools-common linux-tools-{release}"],
    "libseccomp": ["libseccomp2"],
    "setcap": ["libcap2-bin"],
    "chromium": ["chromium"],
    "shellcheck": ["shellcheck"],
    "kernel": ["linux-image-{architecture}", "linux-image-generic"],
    "qemu": ["qemu-system-{machine}"],
    "busybox": ["busybox-static"],  # Static, since it starts before anything is mounted.
}
OPTIONAL = {  # what is lost where no package here brings it
    "bpftool": "chapters can't show what bpftool shows",
    "chromium": "the browser tests are skipped",
}
MACHINES = {  # for ./lab test --vagrant, which only Debian has run
    "vagrant": [
        "vagrant", "vagrant-libvirt", "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils",
        "dnsmasq-base", "iptables", "mmdebstrap", "slirp4netns",
    ],
}  # fmt: skip
OTHERS = {  # by ID or ID_LIKE of os-release(5)
    "fedora": ("sudo dnf install", {"bcc": "python3-bcc", "bpftool": "bpftool", "headers": "kernel-devel-$(uname -r)"}),
    "suse": ("sudo zypper install", {"bcc": "python3-bcc", "bpftool": "bpftool", "headers": "kernel-default-devel"}),
    "arch": ("sudo pacman -S", {"bcc": "python-bcc", "bpftool": "bpf", "headers": "linux-headers"}),
    "alpine": ("sudo apk add", {"bcc": "py3-bcc", "bpftool": "bpftool", "headers": "linux-lts-dev"}),
}  # fmt: skip
_APT_LIKE = ("debian", "ubuntu")


def names(*wanted: str) -> list[str]:
    """What apt-get is to install for keys of APT; anything else is the name of a package."""
    found = []
    for each in wanted:
        known, packages = _choose(each)
        if known or each not in OPTIONAL:  # apt-get itself names a package that it doesn't know.
            found += packages
        else:
            print(f"lab: no package here brings {each}: {OPTIONAL[each]}", file=sys.stderr)
    return found


def choices(wanted: str) -> list[str]:
    """The packages of APT for this machine, best first."""
    architecture = _output("dpkg", "--print-architecture") or platform.machine()
    machine = {"amd64": "x86", "arm64": "arm"}.get(architecture, architecture)
    facts = {"release": platform.release(), "architecture": architecture, "machine": machine}
    return [choice.format(**facts) for choice in APT.get(wanted, [wanted])]


def command(wanted: str) -> str:
    """The command that installs ``wanted`` (bcc, bpftool or headers) on this distribution, for a learner to type."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for distribution in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        if distribution in _APT_LIKE:
            return f"./lab setup, or: sudo apt-get install {' '.join(_choose(wanted)[1])}"
        if distribution in OTHERS:
            install, packages = OTHERS[distribution]
            return f"{install} {packages[wanted]}"
    elsewhere = [choices(wanted)[0], *(packages[wanted] for _, packages in OTHERS.values())]
    return "install one of: " + ", ".join(dict.fromkeys(elsewhere))


def installed(package: str) -> bool:
    """Whether dpkg has that package installed."""
    return _output("dpkg-query", "-W", "-f", "${db:Status-Status}", package) == "installed"


def packaged_kernel() -> str:
    """The kernel image in /boot that the distribution's package brings; empty if it isn't installed."""
    for depends in _output("dpkg-query", "-W", "-f", "${Depends}", *names("kernel")).split(","):
        package = depends.strip().partition(" ")[0]
        if package.startswith("linux-image-"):
            files = _output("dpkg-query", "-L", package).splitlines()
            return next((file for file in files if file.startswith("/boot/vmlinuz-")), "")
    return ""


def _choose(wanted: str) -> tuple[bool, list[str]]:
    """The packages of the first choice that apt knows, after True; if it knows none, or was not asked, of the first, after False."""
    options = [choice.split() for choice in choices(wanted)]
    if len(options) == 1 and wanted not in OPTIONAL:
        return False, options[0]
    shown = _output("apt-cache", "policy", *itertools.chain(*options))
    known = set(re.findall(r"^(\S+):\n.*\n  Candidate: [^(]", shown, re.M))
    return next(((True, option) for option in options if known.issuperset(option)), (False, options[0]))


def _output(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout.strip()


if __name__ == "__main__":
    for name in [packaged_kernel()] if sys.argv[1:] == ["--kernel-image"] else names(*sys.argv[1:]):
        print(name)
