"""From BPF( to the first trace line in Python: this lab beside plain BCC, in one process, one run.

    .venv/bin/python benchmarks/first_line.py [ROUNDS]

Imports come before the clock starts. Each round loads three times, in turn: plain
BCC; this lab with a source that it has not seen, which it compiles in a sandboxed process
first; and this lab with a source that it has seen. Each time the program is
attached to the execve tracepoint, one process is started, and the clock stops
when Python has that process's line. Both attach to the tracepoint, so that both do
the same work on every kernel. Written to first_line.md beside this file.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bcc

from ebpf_lab import BPF, attach, record, run
from ebpf_lab.kernel import headers

TEXT = '\nint hello(void *ctx) {{\n bpf_trace_printk("{}");\n return 0;\n}}\n'
HOOK = "syscalls:sys_enter_execve"


def plain(text):
    """BCC as the book uses it: its own trace_fields(), on the shared pipe."""
    started = time.perf_counter()
    b = bcc.BPF(text=text.encode(), cflags=[])
    b.attach_tracepoint(tp=HOOK.encode(), fn_name=b"hello")
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    while b.trace_fields()[1] != process.pid:
        pass
    took = time.perf_counter() - started
    b.cleanup()
    return took


def ours(text):
    started = time.perf_counter()
    with BPF(text=text) as b:
        attach(b, tracepoint=HOOK, fn_name="hello")
        with record(b) as lines:
            pid = run("/bin/true").pids[0]
        assert pid in [line.pid for line in lines.lines]
        return time.perf_counter() - started


def main(rounds):
    headers.prepare()
    ours(TEXT.format("seen before"))
    plain(TEXT.format("seen before"))
    times = {"plain BCC": [], "ebpf_lab, source seen before": [], "ebpf_lab, new source": []}
    for n in range(rounds):
        times["plain BCC"].append(plain(TEXT.format("seen before")))
        times["ebpf_lab, source seen before"].append(ours(TEXT.format("seen before")))
        times["ebpf_lab, new source"].append(ours(TEXT.format(f"new {os.getpid()} {n}")))
    base = statistics.median(times["plain BCC"])
    lines = [
        "# From `BPF(` to the first line",
        "",
        f"Made by `benchmarks/first_line.py` with {rounds} rounds on Linux {platform.release()}, "
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, bcc {bcc.__version__}. Milliseconds.",
        "",
        "| | median | least | most | times plain BCC |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, taken in times.items():
        middle = statistics.median(taken)
        figures = " | ".join(f"{1000 * t:.0f}" for t in (middle, min(taken), max(taken)))
        lines.append(f"| {name} | {figures} | {middle / base:.2f} |")
    text = "\n".join([*lines, ""])
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
