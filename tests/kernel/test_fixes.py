"""What the explanations give as code, between backticks, is in a program of the folder fixes, which compiles and loads."""

import re
from pathlib import Path

import pytest

from ebpf_lab import BPF
from ebpf_lab.diagnostics.compiler import HEADERS
from ebpf_lab.diagnostics.explanations import ATTACH, COMPILER, VERIFIER
from ebpf_lab.diagnostics.explanations.document import EXAMPLE

PROGRAMS = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("fixes").glob("*.c"))}


def fixes():
    """(rule, fix) of all explanations, with what fills the braces in docs/errors.md."""
    for entry in (*COMPILER, *VERIFIER, *ATTACH):
        found = re.search(entry.pattern, entry.example, re.M)
        known = EXAMPLE | (found.groupdict(default="") if found else {})
        for fix in entry.fixes:
            yield entry.rule, fix.format_map(known)


CODE = [(rule, code) for rule, fix in fixes() for code in re.findall("`([^`]+)`", fix)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_code_of_the_fixes_compiles_and_loads(name):
    kind = getattr(BPF, re.match(r"// (\w+)", PROGRAMS[name])[1])
    with BPF(text=PROGRAMS[name]) as b:
        for function in b.functions:
            if function.encode() not in b.funcs:  # those of probes are loaded already
                b.load_func(function, kind)
        assert b.functions


@pytest.mark.parametrize(("rule", "code"), CODE)
def test_the_code_of_a_fix_is_in_one_of_the_programs(rule, code):
    assert any(code in program for program in PROGRAMS.values())


def test_code_in_a_fix_stands_between_backticks():
    outside = [(rule, re.sub("`[^`]+`", "", fix)) for rule, fix in fixes()]
    code = [(rule, text) for rule, text in outside if re.search(r"\w\([^)]*\);|[=&]|#\w|->", text)]
    assert [rule for rule, _ in code] == ["matched-nothing"], code  # which is Python


def test_the_headers_that_are_named_define_the_structs():
    includes = "\n".join(f"#include <{header}>" for header in HEADERS.values())
    sizes = " + ".join(f"sizeof({struct})" for struct in HEADERS)
    with BPF(text=f"\n{includes}\nint hello(void *ctx) {{ return {sizes}; }}\n") as b:
        b.load_func("hello", BPF.TRACEPOINT)
