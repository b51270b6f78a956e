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
import traceback


class LabError(Exception):
    """Base of all errors of this package.

    ``log`` holds everything that the compiler or the kernel said, ``fix`` what
    to do about it; both may be empty. ``str()`` gives what failed and the fix.
    """

    def __init__(self, what, *, fix="", log=""):
        super().__init__(what)
        self.what, self.fix, self.log = what, fix, log

    def __str__(self):
        return f"{self.what}\nFix: {self.fix}" if self.fix else self.what

    def _render_traceback_(self):
        """IPython's hook: the learner's own line and the message, without the frames of BCC."""
        place = []
        for frame, lineno in traceback.walk_tb(self.__traceback__):
            file = frame.f_code.co_filename
            line = linecache.getline(file, lineno, frame.f_globals).rstrip()
            if line and frame.f_globals.get("__name__") == "__main__":
                place = [f"----> {lineno} {line.strip()}", ""]
        return [*place, f"{type(self).__name__}: {self}"]


class SetupError(LabError, RuntimeError):
    """This machine lacks something that the lab needs; ``./lab doctor`` lists it all."""


class PrivilegeError(LabError, PermissionError):
    """This process lacks a capability that the kernel asks for."""


class CompileError(LabError, ValueError):
    """Clang refused the program's text; the message names the learner's line and column."""


class VerifierError(LabError, ValueError):
    """The kernel's verifier refused the program; ``log`` is all it said."""


class AttachError(LabError, OSError):
    """No hook took the program; ``tried`` lists each hook that was tried, and why not."""

    tried: list[tuple[str, str]] = []  # noqa: RUF012


class MapError(LabError, KeyError):
    """The program has no map of that name."""


class UnloadedError(LabError, ValueError):
    """The program was unloaded before this use; the message says by what."""


class BusyError(LabError, OSError):
    """What only one can read is being read: a buffer by a callback, the machine's one trace pipe by another process."""
