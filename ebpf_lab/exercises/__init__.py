"""check: whether an "On your own" program does what its task asks, tried in the real kernel.

A chapter's exercises are in a module each, named as its notebook.
"""

from dataclasses import replace

from ..bcc_maps import uncounted
from ..bpf import BPF
from ..diagnostics.errors import LabError
from ..diagnostics.printk import rejected_formats
from . import hello, maps, ringbuffer, tailcalls  # noqa: F401 - each enters its exercises into the table
from .cells import judged
from .common import EXERCISES
from .verdict import NotYet, Result
from .workloads import OTHER_USER


def check(name: str, program: str) -> Result:
    """Try ``program`` (C source) as a solution of the exercise ``name``; the result is true where it is one.

    It is loaded beside whatever runs, driven with a workload that its author
    didn't see, and unloaded again. A program that fails is 'not yet', with the
    reason, and which text was tried; only an exercise that doesn't exist raises (ValueError).
    """
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}; there are: {', '.join(EXERCISES)}")
    if not isinstance(program, str):
        why = f"the program must be its C source, a str, not {type(program).__name__}"
        return Result(False, why, exercise=name)
    result = _tried(name, program)
    further = EXERCISES[name].next if result else ""
    return replace(result, exercise=name, program=program, judged=judged(program), next=further)


def _tried(name: str, program: str) -> Result:
    try:
        with BPF(text=program, keep="all", cflags=[f"-DWATCHED={OTHER_USER}"]) as b:
            try:
                result = EXERCISES[name].try_out(b)
            except NotYet as e:
                result = Result(False, str(e))
            if not result and (silent := rejected_formats(b.source) or uncounted(b)):
                return replace(result, why=f"{result.why}; {silent}")
            return result
    except (LabError, TimeoutError) as e:
        return Result(False, f"{type(e).__name__}: {e}", log=getattr(e, "log", ""))
