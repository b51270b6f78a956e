"""The compile that comes before BCC's own: in the sandbox, and once for each source."""

import os

from ..diagnostics.compiler import call_error, death_error
from ..diagnostics.lines import line_info, unresolved_calls
from ..kernel import features, headers
from . import sandbox
from .libbcc import bcc

Rewritten = tuple[str, dict[str, dict[int, int]]]
_compiled: dict[tuple, tuple[Rewritten, str]] = {}


def compile_first(source: bytes, cflags: list) -> tuple[Rewritten, str]:
    """-> ((the source as BCC rewrites it, its line_info()), the description of its types that layouts.py reads).

    CompileError where it crashes the compiler, and where it calls a function that BCC cannot load: of that, the
    verifier's log says only "last insn is not an exit or jmp".
    """
    key = source, tuple(map(str, cflags))
    if key not in _compiled:
        compiled = compile_sandboxed(*key)
        text, rewritten = source.decode(errors="backslashreplace"), compiled.rewritten
        if compiled.crashed:
            raise death_error(compiled.log, text, rewritten)
        lines = line_info(compiled.disassembly, rewritten)
        for function, instruction in unresolved_calls(compiled.disassembly):
            raise call_error(compiled.log, text, rewritten, lines.get(function, {}).get(instruction, 0))
        _compiled[key] = (rewritten, lines), compiled.types
    return _compiled[key]


def compile_sandboxed(source: bytes, cflags: tuple[str, ...]) -> sandbox.Compiled:
    """Compile a source in the sandbox, with the headers of this machine.

    The rights of this process decide the outcome too: BCC reads /proc/kallsyms as root only, skips symbols without
    an address (bcc_procutils_each_ksym()), and where it finds no bpf_probe_read_kernel(), it calls bpf_probe_read().
    """
    user = "root" if os.geteuid() == 0 and features.shows_addresses() else "a user"
    made_by = f"BCC {bcc.__version__}, headers {headers.prepare()}, {user}"
    return sandbox.compile_cached(source, cflags, made_by)
