"""Mistakes that beginners make in C. Each one has its own entry in the table."""

import struct

import pytest
from helpers import clang
from mistakes import HELLO, MISTAKES, REJECTED_BY

from ebpf_lab import BPF, AttachError, CompileError

# Clang 16 and newer reject a call without a declaration; these flags let it pass with a warning, as in clang 14.
WARN = ["-Wno-error=implicit-function-declaration"]


@pytest.mark.corpus
@pytest.mark.parametrize(("text", "rule", "message"), MISTAKES)
def test_a_mistake_is_explained(text, rule, message):
    if clang() not in REJECTED_BY.get(text, [clang()]):
        BPF(text=text).close()
        return
    with pytest.raises(CompileError, match=message) as raised:
        BPF(text=text)
    error = raised.value
    assert error.rule == rule and error.why and error.fix
    assert "Meaning: " in str(error)


@pytest.mark.parametrize(
    ("probe", "rule", "message"),
    [
        ("TRACEPOINT_PROBE(syscalls, sys_chdir)", "no-such-hook", r"mean 'syscalls:sys_enter_chdir' or 'syscalls:sys_exit_chdir'\?$"),
        ("RAW_TRACEPOINT_PROBE(sys_enter_execve)", "no-raw-tracepoint", r"share sys_enter and sys_exit(?s:.)*mean 'sys_enter'\?$"),
        ("RAW_TRACEPOINT_PROBE(execve)", "no-raw-tracepoint", r"share sys_enter(?s:.)*TRACEPOINT_PROBE\(syscalls, sys_enter_execve\)"),
    ],
)  # fmt: skip
def test_a_probe_that_the_kernel_does_not_have_names_those_of_a_system_call(probe, rule, message):
    with pytest.raises(AttachError, match=message) as raised:
        BPF(text=f"\n{probe} {{\n  return 0;\n}}\n")
    assert raised.value.rule == rule


@pytest.mark.parametrize(
    "line",
    [
        'char a[64]; memset(a, 0, sizeof(a)); bpf_trace_printk("%d", a[3]);',
        "u64 a, b = 3; memcpy(&a, &b, sizeof(a)); return a;",
        'return strlen("abc");',
        "int n = bpf_ktime_get_ns(); return abs(n);",
    ],
)
def test_a_call_that_clang_folds_away_is_accepted(line):
    with BPF(text=HELLO % line, cflags=WARN) as b:
        b.load_func("hello", BPF.TRACEPOINT)
        assert "1 warning" in repr(b)


def test_of_two_calls_the_one_that_clang_cannot_fold_away_is_explained():
    with pytest.raises(CompileError, match=r"line 3(?s:.)*no function msleep") as raised:
        BPF(text=HELLO % 'return strlen("x") + msleep(3);', cflags=WARN)
    assert raised.value.rule == "no-such-function"


def test_a_warning_that_the_user_switches_off_stays_off():
    with BPF(text=HELLO % 'return strlen("abc");', cflags=["-Wno-implicit-function-declaration"]) as b:
        b.load_func("hello", BPF.TRACEPOINT)
        assert b.warnings == ""


def test_a_call_that_cannot_be_loaded_is_explained_without_the_compilers_warning():
    with pytest.raises(CompileError, match=r"line 3(?s:.)*msleep"):
        BPF(text=HELLO % "msleep(3);", cflags=["-Wno-implicit-function-declaration"])


def test_an_invisible_character_in_a_comment_or_a_string_is_accepted():
    with BPF(text=HELLO % '/* a\u200bb */ bpf_trace_printk("a\u200bb");') as b:
        b.load_func("hello", BPF.TRACEPOINT)


def test_the_types_of_the_c_library_are_known():
    BPF(text=HELLO % "uint64_t n = 0; bool b = true; pid_t p = 0;").close()


def test_a_field_of_a_type_that_bcc_does_not_know_is_read_and_does_not_end_python():
    text = """
struct data_t { u32 uid; pid_t pid; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data = {};
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""
    sent = struct.pack("Ii", 7, -5)
    event = BPF(text=text)["output"].event(sent)
    assert (event.uid, event.pid) == (7, -5)


def test_an_event_that_bcc_can_read_is_read():
    text = """
struct data_t { u32 uid; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data = {};
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""
    from ctypes import addressof, c_uint32

    with BPF(text=text) as b:
        assert b["output"].event(addressof(c_uint32(7))).uid == 7
