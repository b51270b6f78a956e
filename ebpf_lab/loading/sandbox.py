"""A first compile of a new text where a crash can do no harm: in a process of its own.

libbcc ends the whole process on some programs: for more than 512 bytes of stack,
LLVM's fatal-error handler calls exit(), which would take the notebook's kernel
with it. So a text is first compiled here, by child() in a fresh process, which can't
touch the kernel whatever the text says, because a seccomp filter refuses it the system call bpf(2). No program is
loaded, no map made, nothing pinned or attached.
"""

import ctypes
import errno
import hashlib
import os
import resource
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..kernel import uapi

SECONDS, BYTES = 120, 4 << 30  # what a compile may take; a first one under emulation took 30 s
_COMPILED, _NOT_TRIED = 0, 77
_DEBUG_PREPROCESSOR, _DEBUG_SOURCE = 4, 8  # bcc/__init__.py
_NO_LINES = "--without-lines"
_PROJECT = str(Path(__file__).parents[2])
# The child gets the standard library and this package, and nothing that the user's environment adds (-I, -S).
_CHILD = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ebpf_lab.loading import sandbox; sandbox.child(sys.argv[1:])"


@dataclass
class Trial:
    """How a text's trial went; ``words`` is all that libbcc and clang said."""

    died: bool
    words: str

    @property
    def rewritten(self):
        """The text as BCC rewrote it before compiling, or '' where it didn't get that far."""
        start = self.words.find("#if defined(BPF_LICENSE)")
        end = self.words.find("#include <bcc/footer.h>", start)
        return self.words[start:end] if 0 <= start < end else ""

    @property
    def disassembly(self):
        """The bytecode with the lines of the rewriting, as BCC prints it."""
        return self.words[max(self.words.find("#include <bcc/footer.h>"), 0) :]


def compile_once(text, cflags, made_by):
    """compile_apart(), or what it gave an earlier process: a text that did no harm to that one does none now.

    ``made_by`` names what else decides, beside this file: the versions of compiler and headers. The words
    are kept in $XDG_CACHE_HOME/ebpf-lab, else ~/.cache/ebpf-lab: a few kB a text.
    """
    with open(__file__, "rb") as own:
        name = hashlib.sha256(repr((text, cflags, made_by, own.read())).encode()).hexdigest()
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(folder, "ebpf-lab", name)
    with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as kept:
        return Trial(False, kept.read())
    trial = compile_apart(text, cflags)
    if trial.rewritten and not trial.died:
        with suppress(OSError):  # a full disk, or nobody's home: then the next process tries again
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = f"{path}.{os.getpid()}"
            with open(part, "w", encoding="utf-8") as file:
                file.write(trial.words)
            os.replace(part, path)
    return trial


def compile_apart(text, cflags=(), lines=True):
    """Compile ``text`` (bytes) in a fresh process; returns a Trial.

    Only the death of that process says something: a map shared with another
    program, say, fails there and not here, so BCC's own compile decides.
    Without ``lines`` there is no disassembly.
    """
    command = [sys.executable, "-I", "-S", "-c", _CHILD, _PROJECT, *([] if lines else [_NO_LINES]), *cflags]
    try:
        done = subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        words = (e.stdout or b"").decode(errors="backslashreplace")
        return Trial(True, f"{words}\nthe compiler did not finish within {SECONDS} s\n")
    if lines and done.returncode in (-signal.SIGSEGV, -signal.SIGABRT):
        return compile_apart(text, cflags, lines=False)  # maybe only the disassembler died
    words = done.stdout.decode(errors="backslashreplace")
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT):
        words += f"\nthe compiler was ended; a program may take it {SECONDS} s and {BYTES >> 30} GB\n"
    return Trial(done.returncode not in (_COMPILED, _NOT_TRIED), words)


def _forbid_bpf(libc):
    """Refuse bpf(2) with EPERM from here on, by a seccomp filter: itself a program of (classic) BPF."""
    program = [
        (uapi.LD_W_ABS, 0, 0, 0),  # seccomp_data.nr
        (uapi.JMP_JEQ_K, 0, 1, uapi.NR_BPF),
        (uapi.RET_K, 0, 0, uapi.SECCOMP_RET_ERRNO | errno.EPERM),
        (uapi.RET_K, 0, 0, uapi.SECCOMP_RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    fprog = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    for option in [
        (uapi.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (uapi.PR_SET_SECCOMP, uapi.SECCOMP_MODE_FILTER, fprog),
    ]:
        if libc.prctl(*option):
            raise OSError(ctypes.get_errno(), "prctl")


def child(cflags):
    """Compile standard input, and end. What the child process runs."""
    # Not to outlive the process that waits for us.
    ctypes.CDLL(None).prctl(uapi.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    try:
        lib = ctypes.CDLL("libbcc.so.0")
        _forbid_bpf(ctypes.CDLL(None, use_errno=True))
    except (OSError, struct.error):  # no BCC; no seccomp; a CPU whose bpf(2) has a number unknown here
        os._exit(_NOT_TRIED)
    debug = _DEBUG_PREPROCESSOR | (0 if _NO_LINES in cflags else _DEBUG_SOURCE)
    cflags = [os.fsencode(flag) for flag in cflags if flag != _NO_LINES]
    flags = (ctypes.c_char_p * len(cflags))(*cflags)
    text = ctypes.c_char_p(sys.stdin.buffer.read())
    lib.bpf_module_create_c_from_string(text, debug, flags, len(cflags), True, None)
    os._exit(_COMPILED)
