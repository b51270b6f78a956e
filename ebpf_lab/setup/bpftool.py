"""Which bpftool works on this kernel.

Ubuntu's /usr/sbin/bpftool is a script that rejects each kernel but those whose linux-tools are installed, though the
bpftool of any kernel shows what is in this one: those of other kernels are tried after it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

LINUX_TOOLS = Path("/usr/lib/linux-tools")  # a folder for each kernel


def run() -> subprocess.CompletedProcess[str] | None:
    """Run ``bpftool version`` by the first that works; if none does, by the first; None if there is none."""
    first = None
    for path in _places():
        done = subprocess.run([path, "version"], capture_output=True, text=True, timeout=5, check=False)
        if done.returncode == 0:
            return done
        first = first or done
    return first


def folder() -> list[str]:
    """The folder that PATH lacks, so that ``bpftool`` is the one that works; none where PATH is enough."""
    done = run()
    return [str(Path(done.args[0]).parent)] if done and LINUX_TOOLS in Path(done.args[0]).parents else []


def _places() -> list[str]:
    """The one in PATH, then those of Ubuntu's kernels, newest first."""
    found = shutil.which("bpftool", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    ubuntu = sorted(LINUX_TOOLS.glob("*/bpftool"), key=_version, reverse=True)
    return [*filter(None, [found]), *map(str, ubuntu)]


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]
