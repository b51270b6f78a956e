"""Compile a program in a process of its own, where a crash of the compiler does no harm.

libbcc ends its whole process for some programs: when a function needs more than 512 bytes of stack,
LLVM's fatal-error handler calls exit(), which would end the notebook's kernel. So child() compiles
each new source first, in a fresh process. A seccomp filter forbids it bpf(2), so that whatever the
source says, no program is loaded, no map is made, and nothing is pinned or attached.
"""

import ctypes
import errno
import hashlib
import os
import re
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..kernel import uapi

# The limits of one compile; the first one on an emulated CPU took 30 s.
SECONDS, BYTES = 120, 4 << 30
_COMPILED, _NOT_TRIED = 0, 77  # exit codes of the child
_DEBUG_LLVM_IR, _DEBUG_PREPROCESSOR, _DEBUG_SOURCE = 1, 4, 8  # bcc/__init__.py
# Stands between the rest of the output and clang's description of types.
_TYPES = "\n; types of the program\n"
# The lines of LLVM's debug information that describe types and variables, and what layouts.py reads in them.
_TYPE_LINE = re.compile(rb"^!\d+ = (?:distinct )?!(?:DI(?:\w+Type|Subrange|GlobalVariable)\(|\{).*$", re.M)
_PLACES = re.compile(rb"(?:scope|file): !\d+, |line: \d+, ")
_NO_DISASSEMBLY = "--no-disassembly"
_PROJECT = str(Path(__file__).parents[2])
# The child gets the standard library and this package, and nothing that the user's environment adds (-I, -S).
_CHILD = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ebpf_lab.loading import sandbox; sandbox.child(sys.argv[1:])"


@dataclass
class Compiled:
    """How a sandboxed compile ended; ``output`` is all that libbcc and clang wrote, and ``types``."""

    crashed: bool
    output: str

    @property
    def log(self) -> str:
        """What libbcc and clang wrote."""
        return self.output.partition(_TYPES)[0]

    @property
    def rewritten(self) -> str:
        """The source as BCC rewrote it before compiling, or '' where it didn't get that far."""
        start = self.output.find("#if defined(BPF_LICENSE)")
        end = self.output.find("#include <bcc/footer.h>", start)
        return self.output[start:end] if 0 <= start < end else ""

    @property
    def disassembly(self) -> str:
        """The bytecode with the lines of the rewritten source, as BCC prints it."""
        return self.log[max(self.log.find("#include <bcc/footer.h>"), 0) :]

    @property
    def types(self) -> str:
        """LLVM's debug information, its lines about types; '' where the source did not compile."""
        return self.output.partition(_TYPES)[2]


def compile_cached(source: bytes, cflags: Iterable[str], made_by: str) -> Compiled:
    """As compile_sandboxed(), or the output kept from an earlier compile of the same source that did not crash.

    ``made_by`` names what else decides the output: the versions of compiler and headers. The output, a few
    kB per source and up to 1 MB where it includes large headers, is kept in $XDG_CACHE_HOME/ebpf-lab, else ~/.cache/ebpf-lab.
    """
    path = _cache_file(source, cflags, made_by)
    with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as kept:
        return Compiled(False, kept.read())
    compiled = compile_sandboxed(source, cflags)
    if compiled.rewritten and not compiled.crashed:
        with suppress(OSError):  # Without a writable cache, the next process compiles again.
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(compiled.output, encoding="utf-8")
            part.replace(path)
    return compiled


def _cache_file(source: bytes, cflags: Iterable[str], made_by: str) -> Path:
    key = hashlib.sha256(repr((source, cflags, made_by, Path(__file__).read_bytes())).encode()).hexdigest()
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ebpf-lab", key)


def compile_sandboxed(source: bytes, cflags: Iterable[str] = (), disassemble: bool = True) -> Compiled:
    """Compile ``source`` in a fresh process that can't use bpf(2).

    Only a crash is a verdict. A map shared with another program, for example, fails here and not in
    BCC's own compile, so errors of the source are left to that.
    """
    options = [] if disassemble else [_NO_DISASSEMBLY]
    command = [sys.executable, "-I", "-S", "-c", _CHILD, _PROJECT, *options, *cflags]
    try:
        done = subprocess.run(
            command,
            input=source,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        output = (e.stderr or b"").decode(errors="backslashreplace")
        return Compiled(True, f"{output}\nthe compiler did not finish within {SECONDS} s\n")
    if disassemble and done.returncode in (-signal.SIGSEGV, -signal.SIGABRT):
        return compile_sandboxed(source, cflags, disassemble=False)  # LLVM's disassembler may have crashed.
    output = done.stderr.decode(errors="backslashreplace")
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT):
        output += f"\nthe compiler was ended; a compile may use {SECONDS} s and {BYTES >> 30} GB\n"
    if done.returncode == _COMPILED:
        output += _types_in(done.stdout)
    return Compiled(done.returncode not in (_COMPILED, _NOT_TRIED), output)


def _types_in(llvm_ir: bytes) -> str:
    """The lines of LLVM's intermediate representation that describe types, after a line that separates them."""
    lines = [_PLACES.sub(b"", line) for line in _TYPE_LINE.findall(llvm_ir)]
    return _TYPES + b"\n".join(lines).decode(errors="backslashreplace") if lines else ""


def _forbid_bpf(libc: ctypes.CDLL) -> None:
    """Make bpf(2) fail with EPERM from here on, by a seccomp filter: itself a program of classic BPF."""
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


def child(arguments: list[str]) -> None:
    """What the child process runs: compile standard input, write BCC's output to stderr, LLVM's IR to stdout, and exit."""
    # The child must not outlive the process that waits for it.
    ctypes.CDLL(None).prctl(uapi.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    try:
        lib = ctypes.CDLL("libbcc.so.0")
        _forbid_bpf(ctypes.CDLL(None, use_errno=True))
    except (OSError, struct.error):  # no BCC, no seccomp, or a CPU whose number for bpf(2) is not in uapi
        os._exit(_NOT_TRIED)
    debug = _DEBUG_LLVM_IR | _DEBUG_PREPROCESSOR | (0 if _NO_DISASSEMBLY in arguments else _DEBUG_SOURCE)
    cflags = [os.fsencode(argument) for argument in arguments if argument != _NO_DISASSEMBLY]
    flags = (ctypes.c_char_p * len(cflags))(*cflags)
    source = ctypes.c_char_p(sys.stdin.buffer.read())
    lib.bpf_module_create_c_from_string(source, debug, flags, len(cflags), True, None)
    ctypes.CDLL(None).exit(_COMPILED)  # LLVM writes the last part of its output as the process exits.
