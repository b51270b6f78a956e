"""What a dispatcher at sys_enter costs, and what a tail call does: in one process, one run.

    .venv/bin/python benchmarks/tail_calls.py

First the whole cost, as any process of the machine pays it: a loop of getppid(2),
without anything attached, then with dispatchers on the raw tracepoint sys_enter
that look at the user only, that jump to an empty slot, and that jump to a program.
Then the same programs alone, run by BPF_PROG_TEST_RUN as socket filters. Each figure
is the median of rounds that take turns. Written to tail_calls.md beside this file.
"""

import os
import platform
import statistics
import timeit
from pathlib import Path

import bcc

from ebpf_lab import BPF, fire, syscall_nr

ROUNDS, CALLS = 15, 100_000
HOOKED = """
BPF_PROG_ARRAY(table, 1024);
int target(struct bpf_raw_tracepoint_args *ctx) { return 0; }
int user_only(struct bpf_raw_tracepoint_args *ctx) {
  return (u32)bpf_get_current_uid_gid() == 4000000000;
}
int jumps(struct bpf_raw_tracepoint_args *ctx) {
  if ((u32)bpf_get_current_uid_gid() == 4000000000) return 0;
  table.call(ctx, ctx->args[1]);
  return 0;
}
"""
ALONE = """
BPF_PROG_ARRAY(table, 2);
int target(struct __sk_buff *skb) { return 0; }
int nothing(struct __sk_buff *skb) { return 0; }
int empty_slot(struct __sk_buff *skb) { table.call(skb, 0); return 0; }
int filled_slot(struct __sk_buff *skb) { table.call(skb, 1); return 0; }
"""


def loop():
    return timeit.timeit(os.getppid, number=CALLS) / CALLS * 1e9


def hooked(b, function):
    b.attach_raw_tracepoint(tp="sys_enter", fn_name=function)
    try:
        return loop()
    finally:
        b.detach_raw_tracepoint(b"sys_enter")


def filled(b):
    number = syscall_nr("getppid")
    b["table"][number] = b.load_func("target", BPF.RAW_TRACEPOINT)
    try:
        return hooked(b, "jumps")
    finally:
        del b["table"][number]


def medians(ways):
    figures = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            figures[name].append(way())
    return {name: statistics.median(values) for name, values in figures.items()}


def main():
    with BPF(text=HOOKED) as b:
        whole = medians(
            {
                "nothing attached": loop,
                "a dispatcher that looks at the user only": lambda: hooked(b, "user_only"),
                "... and jumps to an empty slot": lambda: hooked(b, "jumps"),
                "... and jumps to a program": lambda: filled(b),
            }
        )
    with BPF(text=ALONE) as b:
        b["table"][1] = b.load_func("target", BPF.SOCKET_FILTER)
        names = {"nothing": "no tail call", "empty_slot": "to an empty slot", "filled_slot": "to a program"}
        alone = medians(
            {label: lambda name=name: fire(b, name, times=1_000_000) for name, label in names.items()}
        )
    kernel = f"Linux {platform.release()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, bcc {bcc.__version__}"
    rows = [f"| {name} | {ns:.0f} |" for name, ns in whole.items()]
    inner = [f"| {name} | {ns:.0f} |" for name, ns in alone.items()]
    text = [
        "# What a dispatcher and a tail call cost",
        "",
        f"Made by `benchmarks/tail_calls.py` on {kernel}. Nanoseconds, medians of {ROUNDS} rounds.",
        "",
        "| one getppid(2), called from Python | ns |",
        "|---|--:|",
        *rows,
        "",
        "| the program alone, by BPF_PROG_TEST_RUN | ns |",
        "|---|--:|",
        *inner,
        "",
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
