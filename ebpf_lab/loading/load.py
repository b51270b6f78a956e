"""The test load of a function, and the errors of a load."""

import errno
import os
from typing import Any

from ..diagnostics.errors import LabError, PrivilegeError
from ..diagnostics.verifier import verifier_error
from ..kernel import capabilities, uapi
from . import stderr, testload
from .libbcc import bcc, lib


def test_load(bpf: bcc.BPF, name: bytes, prog_type: int, device: Any = None, attach_type: int = -1) -> None:
    """Raise the error for the function ``name`` where the kernel rejects it; nothing stays loaded."""
    code = lib.bpf_function_start(bpf.module, name), lib.bpf_function_size(bpf.module, name)
    license_, version = lib.bpf_module_license(bpf.module), lib.bpf_module_kern_version(bpf.module)

    def load(log: Any, size: int, level: int) -> int:
        return lib.bcc_func_load(
            bpf.module, prog_type, name, *code, license_, version, level, log, size, device, attach_type
        )

    with stderr.captured() as output:
        rejection = testload.rejection(load)
    if rejection:
        raise load_error(bpf, name, prog_type, rejection.number, rejection.log(output.text))


def load_error(bpf: bcc.BPF, name: bytes, prog_type: int, number: int, log: str) -> LabError:
    """The error for a load that failed with errno ``number``."""
    function, reason = name.decode(), os.strerror(number)
    if "processed" in log or "\n; " in log or number == errno.ETIMEDOUT:
        rewritten, lines = bpf.rewritten
        known = rewritten, lines.get(function, {}), type_name(prog_type)
        seconds = testload.SECONDS if number == errno.ETIMEDOUT else 0
        return verifier_error(function, reason, log, bpf.source, *known, seconds=seconds)
    if number == errno.EPERM and (missing := capabilities.missing_to_load(prog_type)):
        return privilege_error(f"load {function}", missing, log)
    return LabError(rule="program-type", function=function, reason=log.strip() or reason, log=log)


def type_name(prog_type: int) -> str:
    """What a type of program is called in the explanations of the verifier's log."""
    name = uapi.PROG_TYPES[prog_type]
    return name.upper() if name in ("xdp", "lsm") else name.replace("_", " ")


def privilege_error(action: str, missing: list[str], log: str) -> PrivilegeError:
    """The error where this process may not do ``action``, with what each missing capability is for."""
    names = " and ".join(f"CAP_{name.upper()}" for name in missing)
    purposes = "; ".join(f"CAP_{name.upper()}: to {capabilities.PURPOSES[name]}" for name in missing)
    return PrivilegeError(rule="capabilities", action=action, missing=f"{names} ({purposes})", log=log)
