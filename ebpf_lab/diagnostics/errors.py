"""What can go wrong, each with the compiler's or the kernel's words and the fix.

LabError
├── SetupError      RuntimeError     this machine lacks BCC, headers, tracefs ...
├── PrivilegeError  PermissionError  this process lacks a capability
├── CompileError    ValueError       clang refused the program's text
├── VerifierError   ValueError       the kernel's verifier refused the bytecode
├── AttachError     OSError          no hook took the program
├── MapError        KeyError         the program has no such map
├── UnloadedError   ValueError       the program was unloaded before this use
└── BusyError       OSError          somebody else reads the buffer, or the trace pipe
"""

import linecache
import re
import sys
import traceback


class LabError(Exception):
    """Base of all errors of this package.

    ``log`` holds everything that the compiler or the kernel said, ``fix`` what
    to do about it, ``why`` the reason behind it; ``rule`` is the name under which
    docs/errors.md has it. All may be empty. ``str()`` gives what failed, why, and the fix.
    """

    def __init__(self, what, *, fix="", log="", why="", rule=""):
        super().__init__(what)
        self.what, self.fix, self.log, self.why, self.rule = what, fix, log, why, rule

    def __str__(self):
        why, fix = f"\nWhy: {self.why}" * bool(self.why), f"\nFix: {self.fix}" * bool(self.fix)
        return f"{self.what}{why}{fix}"

    def _render_traceback_(self):
        """IPython's hook: the learner's own line and the message, without the frames of BCC."""
        place = []
        for frame, lineno in traceback.walk_tb(self.__traceback__):
            file = frame.f_code.co_filename
            line = linecache.getline(file, lineno, frame.f_globals).rstrip()
            if line and frame.f_globals.get("__name__") == "__main__":
                place = [f"----> {lineno} {line.strip()}", ""]
        text = f"{type(self).__name__}: {self}"
        return [*place, _coloured(text) if _colours() else text]


class SetupError(LabError, RuntimeError):
    """This machine lacks something that the lab needs; ``./lab doctor`` lists it all."""


class PrivilegeError(LabError, PermissionError):
    """This process lacks a capability that the kernel asks for."""


class CompileError(LabError, ValueError):
    """Clang refused the program's text; the message names the learner's line and column."""


class VerifierError(LabError, ValueError):
    """The kernel's verifier refused the program; ``log`` is all it said.

    ``steps`` is the path that it walked, an instruction a step, with what it knew
    there; ``print(error.steps)`` shows it as text, and a notebook the error as a stepper.
    ``source`` is the program's text, ``line`` the learner's line, 0 where it can't be told.
    """

    steps, source, line = (), "", 0


class AttachError(LabError, OSError):
    """No hook took the program; ``tried`` lists each hook that was tried, and why not."""

    tried: list[tuple[str, str]] = []  # noqa: RUF012


class MapError(LabError, KeyError):
    """The program has no map of that name."""


class UnloadedError(LabError, ValueError):
    """The program was unloaded before this use; the message says by what."""


class BusyError(LabError, OSError):
    """What only one can read is being read: a buffer by a callback, the machine's one trace pipe by another process."""


def _colours():
    """Whether IPython shows this, and in colours."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and shell.colors.lower() != "nocolor"


_COLOURS = [  # what to make bold (1) or blue (34): both can be read on light and on dark
    (r"\A\w+:.*", "1"),
    (r"(?<=^      \|) +\^+$", "1"),
    (r"^ *\d* \|", "34"),
    (r"^(?:The kernel|Last known of [^:]*|Meant|Why|Fix|   or):", "1"),
]


def _coloured(text):
    for pattern, colour in _COLOURS:
        text = re.sub(
            pattern, lambda found, colour=colour: f"\x1b[{colour}m{found[0]}\x1b[0m", text, flags=re.M
        )
    return text
