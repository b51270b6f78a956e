"""Kernel headers for BCC's compiler, also where this kernel has none of its own.

BCC compiles against /lib/modules/$(uname -r)/{build,source}, against what
BCC_KERNEL_SOURCE names (which must be ONE tree), or against a kernel built with
CONFIG_IKHEADERS (bcc: src/cc/frontends/clang/loader.cc, ClangLoader::parse).
The book's programs use only types that are the same in every version, so the
headers of another version serve. Debian splits its headers over two folders:
those are merged, by links, into one tree inside .venv.
"""

import os
import platform
import re
import tempfile
from pathlib import Path

from ..diagnostics.errors import SetupError

MODULES, SOURCES = Path("/lib/modules"), Path("/usr/src")
KHEADERS = Path("/sys/kernel/kheaders.tar.xz")
VENV = Path(__file__).parents[2] / ".venv"  # ./lab's own, even where another environment is active
_ours = ""  # what prepare() put into BCC_KERNEL_SOURCE


def find():
    """-> (path, version) of the tree that BCC will use; SetupError where there is none.

    ``version`` is a kernel release as uname gives it; another than the running
    kernel's means that borrowed headers stand in.
    """
    release = platform.release()
    given = os.environ.get("BCC_KERNEL_SOURCE")
    if given and given != _ours:
        if _complete(Path(given), Path(given)):
            return Path(given), _version(Path(given))
        raise SetupError(
            f"BCC_KERNEL_SOURCE is {given}, but there are no kernel headers.", fix="unset BCC_KERNEL_SOURCE"
        )
    own = MODULES / release
    if _complete(own / "build", own / "source"):
        return own / "build", release
    if KHEADERS.exists():
        return KHEADERS, release
    trees = [(build.parent.name, build, build.parent / "source") for build in MODULES.glob("*/build")]
    trees += [(_version(tree), tree, tree) for tree in SOURCES.glob("linux-headers-*")]
    trees = [tree for tree in trees if _complete(*tree[1:])]
    if not trees:
        raise SetupError(
            f"There are no kernel headers: neither for this kernel ({release}) nor for another one.",
            fix="./lab setup: it installs the distribution's package of them",
        )
    # The newest that is no newer than the kernel: BCC must be new enough for its headers.
    trees.sort(key=lambda tree: _numbers(tree[0]))
    older = [tree for tree in trees if _numbers(tree[0]) <= _numbers(release)]
    version, build, source = older[-1] if older else trees[0]
    if (build / "include/linux/kconfig.h").exists():
        return build, version
    return _merged(build, source, version), version


def prepare():
    """Let BCC in this process find the headers -> their version; sets BCC_KERNEL_SOURCE where they are borrowed."""
    global _ours
    path, version = find()
    if version != platform.release():
        os.environ["BCC_KERNEL_SOURCE"] = _ours = str(path)
    return version


def _complete(build, source):
    return (build / "include/generated/autoconf.h").exists() and any(
        (tree / "include/linux/kconfig.h").exists() for tree in (build, source)
    )


def _merged(build, source, version):
    view = VENV / "share/ebpf-lab/headers" / version
    if _complete(view, view):
        return view
    view.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=view.parent, prefix=f".{version}-") as parts:
        whole = Path(parts, "whole")
        for tree in (build, source):
            for entry in [*tree.glob("include/*"), *tree.glob("arch/*/include/*")]:
                link = whole / entry.relative_to(tree)
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(entry.resolve())
        if view.exists():  # made for a package that was upgraded since: its links lead nowhere
            view.rename(Path(parts, "stale"))
        try:
            whole.rename(view)
        except OSError:
            if not _complete(view, view):  # else another process was quicker
                raise
    return view


def _version(tree):
    return tree.name.removeprefix("linux-headers-")


def _numbers(version):
    return [int(n) for n in re.findall(r"\d+", version)]
