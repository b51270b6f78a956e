"""Kernel headers for BCC's compiler, also where this kernel has none of its own.

BCC compiles against /lib/modules/$(uname -r)/{build,source}, against the tree in
BCC_KERNEL_SOURCE, or against the headers inside a kernel built with CONFIG_IKHEADERS
(bcc: src/cc/frontends/clang/loader.cc, ClangLoader::parse). The book's programs use only
types that are the same in every version, so the headers of another version do as well.
Debian splits its headers into two trees. BCC_KERNEL_SOURCE can name only one, so links
to both are merged into one tree inside .venv.
"""

import os
import platform
import re
import tempfile
from pathlib import Path

from ..diagnostics.errors import SetupError

MODULES, SOURCES = Path("/lib/modules"), Path("/usr/src")
KHEADERS = Path("/sys/kernel/kheaders.tar.xz")
VENV = Path(__file__).parents[2] / ".venv"  # ./lab's own, even if another environment is active.
_ours = ""  # What prepare() wrote to BCC_KERNEL_SOURCE.


def find() -> tuple[Path, str]:
    """The tree that BCC will use, and the kernel release that it belongs to, as uname gives it.

    Another release than the running kernel's means borrowed headers. SetupError if there are no headers.
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
    if not (trees := _trees()):
        raise SetupError(
            f"There are no kernel headers: neither for this kernel ({release}) nor for another one.",
            fix="./lab doctor: its row of headers has the command",
        )
    # The newest that is no newer than the kernel: BCC must be new enough for its headers.
    trees.sort(key=lambda tree: _numbers(tree[0]))
    older = [tree for tree in trees if _numbers(tree[0]) <= _numbers(release)]
    version, build, source = older[-1] if older else trees[0]
    if (build / "include/linux/kconfig.h").exists():
        return build, version
    return _merged(build, source, version), version


def available() -> bool:
    """Whether there are headers, of this kernel or of another one, or those in BCC_KERNEL_SOURCE."""
    return bool(os.environ.get("BCC_KERNEL_SOURCE")) or KHEADERS.exists() or bool(_trees())


def has_module() -> bool:
    """Whether a module of this kernel, kheaders, has its headers (CONFIG_IKHEADERS=m); they are there once it is loaded."""
    modules = MODULES / platform.release() / "modules.dep"
    return modules.exists() and "/kheaders.ko" in modules.read_text()


def prepare() -> str:
    """Let BCC in this process find the headers; returns their release. Sets BCC_KERNEL_SOURCE for borrowed ones."""
    global _ours
    path, version = find()
    if version != platform.release():
        os.environ["BCC_KERNEL_SOURCE"] = _ours = str(path)
    return version


def _trees() -> list[tuple[str, Path, Path]]:
    """All complete headers here: release, build tree, source tree; the two are one except on Debian."""
    trees = [(build.parent.name, build, build.parent / "source") for build in MODULES.glob("*/build")]
    trees += [(_version(tree), tree, tree) for tree in SOURCES.glob("linux-headers-*")]
    return [tree for tree in trees if _complete(*tree[1:])]


def _complete(build: Path, source: Path) -> bool:
    return (build / "include/generated/autoconf.h").exists() and any(
        (tree / "include/linux/kconfig.h").exists() for tree in (build, source)
    )


def _merged(build: Path, source: Path, version: str) -> Path:
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
        if view.exists():  # The package was upgraded since then: its links lead nowhere.
            view.rename(Path(parts, "stale"))
        try:
            whole.rename(view)
        except OSError:
            if not _complete(view, view):  # Otherwise another process was quicker.
                raise
    return view


def _version(tree: Path) -> str:
    return tree.name.removeprefix("linux-headers-")


def _numbers(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", version)]
