"""Programs that the verifier rejects, each with its golden error; and some that it accepts, though textbooks say no."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import clang

from ebpf_lab import BPF, CompileError, VerifierError
from ebpf_lab.diagnostics.explanations import VERIFIER, accepted
from ebpf_lab.diagnostics.lines import line_info
from ebpf_lab.diagnostics.verifier import verifier_error
from ebpf_lab.loading import load, testload
from ebpf_lab.loading.sandbox import Compiled

FOLDER = Path(__file__).with_name("rejected")
REJECTED = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.c"))}
COMPILED = json.loads((FOLDER / "6.1/clang-14.json").read_text())
RECORDED = sorted(path.stem for path in (FOLDER / "6.1").glob("*.log"))
ACCEPTED = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("accepted").glob("*.c"))}

# Linux 6.1 rejects another instruction first, or does not name the map: in the recorded logs, and when this machine runs it.
ON_6_1 = {
    "helper_for_tracing_only": "helper-not-allowed, line 4: XDP programs cannot call bpf_get_current_comm(), "
    "or this kernel has no such helper",
    "submitted_map_value": "not-a-record, line 8: bpf_ringbuf_submit() expects a reserved record "
    "or an acquired object, and gets event (a value of a map (8 bytes))",
}
# For an ordinary user BCC 0.26, but not 0.31, replaces bpf_probe_read_kernel() by bpf_probe_read(), which has a u64 as length.
# loading/compile.py says why.
AS_A_USER = {
    "unbounded_length": "length, line 5: bpf_probe_read() gets a length that may be too large: "
    "length is a number from 0 to 4,294,967,295",
}
# Clang 15 and newer reject a number where a pointer is expected; with these flags it reaches the verifier, as in clang 14.
WARN = ["-Wno-error=int-conversion"]
WITH_FEWER_RIGHTS = """
import ctypes, json, sys
from ebpf_lab import BPF, VerifierError
b = BPF(text=sys.argv[1], cflags=sys.argv[3:])
bpf = 1 << 39 - 32  # CAP_BPF alone
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(0, 0, 0, bpf, bpf, 0))
try:
    b.load_func(b.functions[0], int(sys.argv[2]))
except VerifierError as e:
    print(json.dumps([e.rule, e.line, str(e), e.log]))
"""


def expected(text):
    """-> (type of program, whether it is loaded with fewer rights, golden error) of a program's first line."""
    head = re.match(r"// (\w+)( without CAP_PERFMON)?(?: -> (.*))?", text)
    return getattr(BPF, head[1]), bool(head[2]), head[3]


def golden(rule, message):
    line, meaning = re.match(r"The verifier rejected \w+: line (\d+): (.*)", message).groups()
    return f"{rule}, line {line}: {meaning}"


def compiled(name):
    """The compile that the program of a recorded log came from: its instructions differ from those of other clangs."""
    return Compiled(False, "\n".join(COMPILED[name]))


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let the verifier run longer than ten seconds, as other programs may keep the CPUs busy."""
    monkeypatch.setattr(testload, "SECONDS", 120)


@pytest.mark.corpus
@pytest.mark.parametrize("name", REJECTED)
def test_a_rejected_program_is_explained_in_terms_of_its_source(name):
    if name == "nothing_after_the_call" and clang() >= 21:
        pytest.skip("this clang gives the program an end, with a call that BCC cannot load")
    kind, fewer_rights, result = expected(REJECTED[name])
    if fewer_rights:
        command = [sys.executable, "-c", WITH_FEWER_RIGHTS, REJECTED[name], str(kind), *WARN]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rule, line, message, log = json.loads(done.stdout)
    else:
        with pytest.raises(VerifierError) as raised, BPF(text=REJECTED[name], cflags=WARN) as b:
            b.load_func(b.functions[0], kind)
        rule, line, message, log = raised.value.rule, raised.value.line, str(raised.value), raised.value.log
    if platform.release().startswith("6.1."):
        result = ON_6_1.get(name, result)
    if "call bpf_probe_read#" in log:
        result = AS_A_USER.get(name, result.replace("bpf_probe_read_kernel", "bpf_probe_read"))
    assert golden(rule, message) == result
    assert "\nWhy: " in message and "\nFix: " in message and "\nThe kernel: " in message
    assert line or "does not say which line" in message
    assert log.count("\n") >= 1


@pytest.mark.corpus
@pytest.mark.skipif(clang() < 21, reason="this clang makes a program without an end")
def test_a_program_that_clang_gives_an_end_is_explained_by_its_line():
    with pytest.raises(CompileError, match="line 4") as raised:
        BPF(text=REJECTED["nothing_after_the_call"])
    assert raised.value.rule == "undefined"


@pytest.mark.parametrize("name", RECORDED)
def test_a_log_of_6_1_is_explained_in_the_same_way(name):
    text, log = REJECTED[name], (FOLDER / "6.1" / f"{name}.log").read_text()
    kind, _, result = expected(text)
    apart = compiled(name)
    lines = line_info(apart.disassembly, apart.rewritten)
    function, lines = next(iter(lines.items()))
    reason = re.search(r"Failed to load program: (.*)", log)
    error = verifier_error(
        function,
        reason[1] if reason else os.strerror(7),
        log,
        text,
        apart.rewritten,
        lines,
        load.type_name(kind),
    )
    assert golden(error.rule, str(error)) == ON_6_1.get(name, result)


@pytest.mark.corpus
@pytest.mark.parametrize("name", RECORDED)
def test_the_log_alone_leads_to_the_same_line_or_to_none(name):
    """Without the compiler's line information, the line that 6.1's quotes lead to is right, or not known."""
    text, log = REJECTED[name], (FOLDER / "6.1" / f"{name}.log").read_text()
    apart = compiled(name)
    function = next(iter(line_info(apart.disassembly, apart.rewritten)))
    error = verifier_error(function, "", log, text, apart.rewritten)
    wanted = int(re.search(r"line (\d+)", ON_6_1.get(name) or expected(text)[2])[1])
    assert error.line in (wanted, 0) or error.rule in ("too-long", "too-many-branches")


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_program_is_accepted_though_textbooks_say_it_is_not(name):
    kind = getattr(BPF, re.match(r"// (\w+)", ACCEPTED[name])[1])
    assert name in accepted.ACCEPTED
    with BPF(text=ACCEPTED[name]) as b:
        b.load_func(b.functions[0], kind)


def test_each_rule_is_broken_by_a_program_here():
    """The two others need a slow verifier, or a layout that clang does not produce."""
    broken = {expected(text)[2].partition(",")[0] for text in REJECTED.values()}
    assert {entry.rule for entry in VERIFIER} - broken == {"alignment", "time"}
    assert len(REJECTED) >= 30


@pytest.mark.parametrize(
    ("name", "fixes"),
    [
        ("key_smaller", ["`u64 uid = 0;`"]),
        ("key_by_value", ["`counter_table.lookup(&uid);`"]),
        ("data_by_value", ["`output.perf_submit(ctx, &event, sizeof(event));`"]),
        ("unsubmitted_event", ["`events.ringbuf_submit(event, 0);`", "`events.ringbuf_discard(event, 0);`"]),
        ("unbounded_length", ["a u64, not a u32"]),
    ],
)
def test_the_fix_is_written_with_the_names_of_the_program(name, fixes):
    kind, _, _ = expected(REJECTED[name])
    with pytest.raises(VerifierError) as raised, BPF(text=REJECTED[name], cflags=WARN) as b:
        b.load_func(b.functions[0], kind)
    assert [fix for fix in fixes if fix not in raised.value.fix] == []
