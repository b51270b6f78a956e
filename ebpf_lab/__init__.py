"""Learn eBPF by doing: a thin layer over BCC for the notebooks of this lab.

Importing this package imports neither BCC nor pandas: each public name is
fetched from its module when it is first used (PEP 562), so that ``doctor``
works on a machine where they are missing.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers and editors, which don't run __getattr__()
    from .bpf import BPF as BPF
    from .checkup import doctor as doctor
    from .diagnostics.errors import AttachError as AttachError
    from .diagnostics.errors import BusyError as BusyError
    from .diagnostics.errors import CompileError as CompileError
    from .diagnostics.errors import LabError as LabError
    from .diagnostics.errors import MapError as MapError
    from .diagnostics.errors import PrivilegeError as PrivilegeError
    from .diagnostics.errors import SetupError as SetupError
    from .diagnostics.errors import UnloadedError as UnloadedError
    from .diagnostics.errors import VerifierError as VerifierError
    from .exercises import check as check
    from .hooks import attach as attach
    from .kernel.syscalls import syscall_name as syscall_name
    from .kernel.syscalls import syscall_nr as syscall_nr
    from .maps import to_frame as to_frame
    from .reading.record import record as record
    from .testrun import fire as fire
    from .views import draw as draw
    from .views import explain as explain
    from .views import watch as watch
    from .workload import run as run

_HOME = {
    "BPF": "bpf",
    "attach": "hooks",
    "record": "reading.record",
    "watch": "views",
    "draw": "views",
    "to_frame": "maps",
    "explain": "views",
    "run": "workload",
    "fire": "testrun",
    "syscall_nr": "kernel.syscalls",
    "syscall_name": "kernel.syscalls",
    "check": "exercises",
    "doctor": "checkup",
    "LabError": "diagnostics.errors",
    "SetupError": "diagnostics.errors",
    "PrivilegeError": "diagnostics.errors",
    "CompileError": "diagnostics.errors",
    "VerifierError": "diagnostics.errors",
    "AttachError": "diagnostics.errors",
    "MapError": "diagnostics.errors",
    "UnloadedError": "diagnostics.errors",
    "BusyError": "diagnostics.errors",
}

__all__ = list(_HOME)

# BCC's source has escapes that Python 3.12 and newer warn of, at each import where it can't write its .pyc files.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=r".*/bcc/")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ebpf_lab' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _register_magic() -> None:
    import sys

    if "IPython" in sys.modules:  # else there is no shell to register %%bpf with
        from IPython import get_ipython

        if shell := get_ipython():
            from .magic import register

            register(shell)


_register_magic()
