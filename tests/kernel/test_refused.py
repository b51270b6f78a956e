"""Programs that the kernel refuses, each with its golden result; and some that it takes, though textbooks say no."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ebpf_lab import BPF, VerifierError, bpf
from ebpf_lab.diagnostics.compiler import line_info, verifier_error
from ebpf_lab.diagnostics.explanations import VERIFIER, accepted
from ebpf_lab.kernel import headers
from ebpf_lab.loading import testload

FOLDER = Path(__file__).with_name("refused")
REFUSED = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.c"))}
RECORDED = sorted(path.stem for path in (FOLDER / "6.1").glob("*.log"))
ACCEPTED = {path.stem: path.read_text() for path in sorted(Path(__file__).with_name("accepted").glob("*.c"))}

# Where Linux 6.1 refuses something else first, or doesn't name the map: in what was recorded, and when it runs here.
ON_6_1 = {
    "helper_for_tracing_only": "helper-not-allowed, line 4: XDP programs may not call bpf_get_current_comm(), "
    "or this kernel has no such helper",
    "submitted_map_value": "not-a-record, line 8: bpf_ringbuf_submit() takes only what the kernel handed out "
    "to be given back, and gets event (a value of a map (8 bytes))",
}
# What BCC puts for bpf_probe_read_kernel() as an ordinary user (bpf._first_compile() says why) takes a u64 as length, not a u32.
AS_A_USER = {
    "unbounded_length": "length, line 5: bpf_probe_read() is told a length that may be too large: "
    "length is a number from 0 to 4,294,967,295",
}
WITH_FEWER_RIGHTS = """
import ctypes, json, sys
from ebpf_lab import BPF, VerifierError
b = BPF(text=sys.argv[1])
bpf = 1 << 39 - 32  # CAP_BPF alone
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(0, 0, 0, bpf, bpf, 0))
try:
    b.load_func(b.functions[0], int(sys.argv[2]))
except VerifierError as e:
    print(json.dumps([e.rule, e.line, str(e), e.log]))
"""


def expected(text):
    """-> (type of program, whether it needs fewer rights, golden result) of a program's first line."""
    head = re.match(r"// (\w+)( without CAP_PERFMON)?(?: -> (.*))?", text)
    return getattr(BPF, head[1]), bool(head[2]), head[3]


def golden(rule, words):
    line, meant = re.match(r"The verifier refused \w+: line (\d+): (.*)", words).groups()
    return f"{rule}, line {line}: {meant}"


def compiled(text):
    """The trial of a text; the first test here has made it already, as BPF() does."""
    return bpf._first_compile(text.encode(), tuple(bpf._CFLAGS), headers.prepare())


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Ten seconds are enough here, but perhaps not where others keep the CPUs busy."""
    monkeypatch.setattr(testload, "SECONDS", 120)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_told_in_the_learners_words(name):
    kind, fewer_rights, result = expected(REFUSED[name])
    if fewer_rights:
        command = [sys.executable, "-c", WITH_FEWER_RIGHTS, REFUSED[name], str(kind)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rule, line, words, log = json.loads(done.stdout)
    else:
        with pytest.raises(VerifierError) as raised, BPF(text=REFUSED[name]) as b:
            b.load_func(b.functions[0], kind)
        rule, line, words, log = raised.value.rule, raised.value.line, str(raised.value), raised.value.log
    if platform.release().startswith("6.1."):
        result = ON_6_1.get(name, result)
    if os.geteuid() != 0:
        result = AS_A_USER.get(name, result.replace("bpf_probe_read_kernel", "bpf_probe_read"))
    assert golden(rule, words) == result
    assert "\nWhy: " in words and "\nFix: " in words and "\nThe kernel: " in words
    assert line or "doesn't say which line" in words
    assert log.count("\n") >= 1


@pytest.mark.parametrize("name", RECORDED)
def test_a_refusal_by_6_1_is_told_the_same(name):
    text, words = REFUSED[name], (FOLDER / "6.1" / f"{name}.log").read_text()
    kind, _, result = expected(text)
    tried = compiled(text)
    lines = line_info(tried.disassembly, tried.rewritten)
    function, lines = next(iter(lines.items()))
    reason = re.search(r"Failed to load program: (.*)", words)
    error = verifier_error(
        function,
        reason[1] if reason else os.strerror(7),
        words,
        text,
        tried.rewritten,
        lines,
        bpf._TYPES[kind],
    )
    assert golden(error.rule, str(error)) == ON_6_1.get(name, result)


@pytest.mark.parametrize("name", RECORDED)
def test_the_log_alone_leads_to_the_same_line_or_to_none(name):
    """Without the compiler's line information: what 6.1's quotes tell is right, or nothing is told."""
    text, words = REFUSED[name], (FOLDER / "6.1" / f"{name}.log").read_text()
    tried = compiled(text)
    function = next(iter(line_info(tried.disassembly, tried.rewritten)))
    error = verifier_error(function, "", words, text, tried.rewritten)
    wanted = int(re.search(r"line (\d+)", ON_6_1.get(name) or expected(text)[2])[1])
    assert error.line in (wanted, 0) or error.rule in ("too-long", "too-many-branches")


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_program_is_taken_though_textbooks_say_it_is_not(name):
    kind = getattr(BPF, re.match(r"// (\w+)", ACCEPTED[name])[1])
    assert name in accepted.ACCEPTED
    with BPF(text=ACCEPTED[name]) as b:
        b.load_func(b.functions[0], kind)


def test_each_rule_that_a_program_here_can_break_is_broken_by_one():
    """The others need a slow verifier, or a layout that clang doesn't make."""
    broken = {expected(text)[2].partition(",")[0] for text in REFUSED.values()}
    assert {entry.rule for entry in VERIFIER} - broken == {"alignment", "time"}
    assert len(REFUSED) >= 30
