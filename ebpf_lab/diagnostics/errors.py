"""What can go wrong. An error says what failed, quotes the compiler or the kernel, and tells the fix.

LabError
├── SetupError      RuntimeError     this machine lacks BCC, headers, tracefs ...
├── PrivilegeError  PermissionError  this process lacks a capability
├── CompileError    ValueError       clang rejected the source
├── VerifierError   ValueError       the kernel's verifier rejected the bytecode
├── AttachError     OSError          the program could not be attached
├── MapError        KeyError         the program has no such map
├── UnloadedError   ValueError       the program was unloaded before this use
└── BusyError       OSError          somebody else reads the buffer, or the trace pipe
"""

import linecache
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .explanations import RULES

if TYPE_CHECKING:
    from .verifier_log import VerifierLog


class LabError(Exception):
    """Base of all errors of this package.

    ``rule`` names an entry of docs/errors.md. It gives the texts that are not given here, formatted
    with the ``facts``: ``what`` failed, the reason (``why``) and what to do about it (``fix``).
    ``log`` is the full output of the compiler or the kernel. All may be empty. ``str()`` gives what failed, why, and the fix.
    """

    def __init__(
        self, what: str = "", *, rule: str = "", why: str = "", fix: str = "", log: str = "", **facts: object
    ) -> None:
        if rule:
            entry = RULES[rule]
            what = what or entry.meaning.format_map(facts)
            why = why or entry.why.format_map(facts)
            fix = fix or "\n   or: ".join(way.format_map(facts) for way in entry.fixes)
        super().__init__(what)
        self.what, self.rule, self.why, self.fix, self.log = what, rule, why, fix, log

    def __str__(self) -> str:
        why, fix = f"\nWhy: {self.why}" * bool(self.why), f"\nFix: {self.fix}" * bool(self.fix)
        return f"{self.what}{why}{fix}"

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the learner's own line and the message, without the frames of BCC."""
        place = []
        for frame, lineno in traceback.walk_tb(self.__traceback__):
            file = frame.f_code.co_filename
            line = linecache.getline(file, lineno, frame.f_globals).rstrip()
            if line and frame.f_globals.get("__name__") == "__main__":
                place = [f"----> {lineno} {line.strip()}", ""]
        text = f"{type(self).__name__}: {self}"
        return [*place, _emphasised(text) if _colours() else text]


class SetupError(LabError, RuntimeError):
    """This machine lacks something that the lab needs; ``./lab doctor`` lists it all."""


class PrivilegeError(LabError, PermissionError):
    """This process lacks a capability that the kernel asks for."""


class CompileError(LabError, ValueError):
    """Clang rejected the source; ``line`` is the learner's line, 0 where it is not known."""

    def __init__(self, what: str = "", *, line: int = 0, **texts: Any) -> None:
        super().__init__(what, **texts)
        self.line = line


class VerifierError(LabError, ValueError):
    """The kernel's verifier rejected the program; ``log`` is its full log.

    ``steps`` is the path that the verifier followed, one instruction per step, with what it knew
    there; ``print(error.steps)`` shows it as text, and a notebook shows the error as a stepper.
    ``source`` is the program's source, ``line`` the learner's line, 0 where it is not known.
    """

    def __init__(
        self,
        what: str = "",
        *,
        steps: "VerifierLog | tuple[()]" = (),
        source: str = "",
        line: int = 0,
        **texts: Any,
    ) -> None:
        super().__init__(what, **texts)
        self.steps, self.source, self.line = steps, source, line


class AttachError(LabError, OSError):
    """The program could not be attached to ``hook``; ``tried`` has each hook that was tried, and why it failed."""

    def __init__(
        self, what: str = "", *, hook: str = "", tried: Sequence[tuple[str, str]] = (), **texts: Any
    ) -> None:
        listed = [] if what else [f"  {name}: {reason}" for name, reason in tried]
        if not what and not texts.get("rule"):
            what = f"Nothing was attached to the {hook}."
        super().__init__(what, hook=hook, **texts)
        self.what = "\n".join([self.what, *listed])
        self.hook, self.tried = hook, list(tried)


class MapError(LabError, KeyError):
    """The program has no map of that name."""


class UnloadedError(LabError, ValueError):
    """The program was unloaded before this use; the message says by what."""


class BusyError(LabError, OSError):
    """Only one reader is possible, and there is one: a callback on a buffer, or another process on the machine's trace pipe."""


def _colours() -> bool:
    """Whether IPython shows this in colours."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and shell.colors.lower() != "nocolor"


# What is shown in bold. No colour: JupyterLab's have too little contrast on the red background of an error.
_BOLD = [
    r"\A\w+:.*",
    r"(?<=^      \|) +\^+$",
    r"^(?:The kernel|State before the rejected instruction|Meaning|Why|Fix|   or):",
]


def _emphasised(text: str) -> str:
    for pattern in _BOLD:
        text = re.sub(pattern, "\x1b[1m\\g<0>\x1b[0m", text, flags=re.M)
    return text
