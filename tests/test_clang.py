"""What several clangs print about the same mistakes, as recorded in tests/clang, leads to the same explanations."""

import json
import re
from pathlib import Path

import pytest
from mistakes import MISTAKES, REJECTED_BY

from ebpf_lab.diagnostics.compiler import call_error, compile_error, death_error
from ebpf_lab.diagnostics.errors import CompileError
from ebpf_lab.diagnostics.lines import line_info, unresolved_calls
from ebpf_lab.loading.sandbox import Compiled

RECORDS = {
    int(path.stem): json.loads(path.read_text())
    for path in sorted(Path(__file__).with_name("clang").glob("*.json"))
}
OUTPUTS = {
    (version, "\n".join(each["program"])): Compiled(each["crashed"], "\n".join(each["output"]))
    for version, record in RECORDS.items()
    for each in record["outputs"]
}


def fails(compiled: Compiled) -> bool:
    """Whether the compile failed, but for the maps, which a record is made without."""
    error = re.search(r"^\S*main\.c:\S+ (?:fatal )?error: ", compiled.log, re.M)
    return compiled.crashed or bool(error or unresolved_calls(compiled.disassembly))


def error_of(text: str, compiled: Compiled) -> CompileError:
    """The error for an output, as BPF() raises it."""
    if compiled.crashed:
        return death_error(compiled.log, text, compiled.rewritten)
    lines = line_info(compiled.disassembly, compiled.rewritten)
    for function, instruction in unresolved_calls(compiled.disassembly):
        line = lines.get(function, {}).get(instruction, 0)
        return call_error(compiled.log, text, compiled.rewritten, line)
    return compile_error(compiled.log, text, compiled.rewritten)


@pytest.mark.parametrize("version", RECORDS)
def test_a_record_has_each_mistake(version):
    assert [text for each, text in OUTPUTS if each == version] == [text for text, _, _ in MISTAKES]


@pytest.mark.parametrize(("text", "rule", "message"), MISTAKES)
@pytest.mark.parametrize("version", RECORDS)
def test_a_mistake_is_explained_in_the_same_way_by_the_output_of_each_clang(version, text, rule, message):
    compiled = OUTPUTS[version, text]
    rejected = version in REJECTED_BY.get(text, RECORDS) and rule != "map-rejected"
    if not fails(compiled):
        assert (
            not rejected or "llc" in RECORDS[version]["made by"]
        )  # What only libbcc reports is missing there.
        return
    error = error_of(text, compiled)
    assert rejected and error.rule == rule
    assert re.search(message, str(error))
