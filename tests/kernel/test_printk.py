"""Formats that the kernel rejects are told where no line comes."""

import os

import pytest
from helpers import until

from ebpf_lab import BPF, attach, check, record, watch
from ebpf_lab.diagnostics.printk import rejected_formats

FORMATS = [
    "%d %u %x",
    "%i %X %c",
    "%ld %lu %lx",
    "%lld %llu %llx",
    "%5d",
    "%-5d",
    "%05x",
    "%p",
    "%pK",
    "%px",
    "%s",
    "%s.",
    "%d%%",
    "100%%",
    "none",
    "%pI4",
    "%hu",
    "%hd",
    "%hhd",
    "%f",
    "%.3s",
    "%sx",
    "100%",
    "100% sure",
    "%q",
    "%n",
    "%z",
    "%d %d %d %d",
    "%lf",
    "%ls",
    "%lc",
]
ONE = """
int f(void *ctx) {
  if (bpf_get_current_pid_tgid() >> 32 != ME) return 0;
  u64 port = 80;
  CALLS
  return 0;
}
"""


def program(calls):
    b = BPF(text=ONE.replace("CALLS", calls), cflags=[f"-DME={os.getpid()}", "-w"])
    attach(b, syscall="getpriority", fn_name="f")
    return b


def test_the_formats_that_give_no_line_are_those_that_are_told():
    def call(n, text):
        arguments = min(text.replace("%%", "").count("%"), 3)
        values = ', "x"' if "s" in text.split("%")[-1][:4] and "sure" not in text else ", &port"
        values = values if "%p" in text or "s" in text.split("%")[-1][:4] else ", port" * arguments
        return f'bpf_trace_printk("number {n}: {text}"{values if arguments else ""});'

    b = program("\n".join(call(n, text) for n, text in enumerate(FORMATS)))
    with record(b) as lines:
        os.getpriority(os.PRIO_PROCESS, 0)
    came = [any(line.message.startswith(f"number {n}:") for line in lines.lines) for n in range(len(FORMATS))]
    accepted = [not rejected_formats(f'bpf_trace_printk("{text}", 0);') for text in FORMATS]
    assert dict(zip(FORMATS, accepted, strict=True)) == dict(zip(FORMATS, came, strict=True))


def test_a_rejected_format_is_told_with_its_line_in_the_recording_and_the_view():
    b = program('bpf_trace_printk("port %hu\\n", port);')
    with record(b) as lines:
        os.getpriority(os.PRIO_PROCESS, 0)
    told = r'the kernel rejects the format "port %hu\n" (line 5)'
    assert told in repr(lines)
    view = watch(b)
    until(lambda: told[1:] in view.shown["note"])


def test_formats_in_comments_and_strings_are_not_told():
    assert not rejected_formats(
        '// bpf_trace_printk("%hu", 1);\n/* bpf_trace_printk("%f") */ bpf_trace_printk("//");'
    )
    assert "(line 3)" in rejected_formats('/* one\n two */\nbpf_trace_printk("%d " /* and */ "%hu", 1, 2);')


@pytest.mark.parametrize("source", ["", "int f(void *ctx) { return 0; }", 'bpf_trace_printk("'])
def test_a_source_without_such_a_call_has_no_rejected_format(source):
    assert rejected_formats(source) == ""


def test_a_verdict_tells_of_a_rejected_format():
    verdict = check(
        "odd-even",
        'int hello(void *ctx) { u16 odd = bpf_get_current_pid_tgid() >> 32 & 1; bpf_trace_printk("%hu", odd); return 0; }',
    )
    assert not verdict and 'the kernel rejects the format "%hu" (line 1)' in verdict.why


def test_a_recording_of_a_program_that_is_attached_to_nothing_says_so():
    b = BPF(
        text="BPF_RINGBUF_OUTPUT(out, 1);\nint f(void *ctx) { u64 n = 1; out.ringbuf_output(&n, 8, 0); return 0; }"
    )
    with record(b["out"]) as events:
        pass
    assert repr(events) == "<0 events recorded, losses not counted; the program is attached to no hook>"
    attach(b, syscall="getpriority", fn_name="f")
    with record(b["out"]) as events:
        os.getpriority(os.PRIO_PROCESS, 0)
    assert "attached" not in repr(events)


def test_a_view_of_a_program_that_is_attached_to_nothing_says_so_at_once():
    b = BPF(text="BPF_RINGBUF_OUTPUT(out, 1);\nint f(void *ctx) { return 0; }")
    assert "attached to no hook" in watch(b["out"]).shown["note"]
    attach(b, syscall="getpriority", fn_name="f")
    until(lambda: not watch(b["out"]).shown["note"])
