"""Learn eBPF by doing: a thin layer over BCC for the notebooks of this lab.

Importing this package imports neither BCC nor pandas: each public name is
fetched from its module when it is first used (PEP 562), so that ``doctor``
works on a machine where they are missing.
"""

import warnings
from importlib import import_module

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

# BCC's own text has escapes that Python 3.12 and newer warn of, at each start where it can't keep what it compiled.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=r".*/bcc/")


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'ebpf_lab' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])


def _register_magic():
    import sys

    if "IPython" in sys.modules:  # no IPython running: nothing to register with
        from IPython import get_ipython

        if shell := get_ipython():
            from .magic import register

            register(shell)


_register_magic()
