"""Thousands of processes in a go, with every view open: what came and what was lost is what was sent."""

import os
import re

import pytest
from helpers import until

from ebpf_lab import BPF, attach, draw, record, run, syscall_nr, watch

WATCHED = 2_100_000_000 + 3 * os.getpid()
STARTS = f"""
BPF_HASH(counter_table);
BPF_PERF_OUTPUT(perf);
BPF_RINGBUF_OUTPUT(ring, 16);
BPF_ARRAY(lost, u64, 1);
struct event {{ u64 time; u32 pid; }};
int hello(void *ctx) {{
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  if (uid != {WATCHED})
    return 0;
  struct event event = {{bpf_ktime_get_ns(), bpf_get_current_pid_tgid() >> 32}};
  counter_table.atomic_increment(uid);
  perf.perf_submit(ctx, &event, sizeof(event));
  if (ring.ringbuf_output(&event, sizeof(event), 0) != 0)
    lost.atomic_increment(0);
  bpf_trace_printk("starts as {WATCHED}");
  return 0;
}}
"""
JUMPS = f"""
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);
int hello(struct bpf_raw_tracepoint_args *ctx) {{
  u32 number = ctx->args[1];
  if ((u32)bpf_get_current_uid_gid() != {WATCHED})
    return 0;
  syscall.call(ctx, number);
  jumps.atomic_increment(512);
  return 0;
}}
int hello_exec(struct bpf_raw_tracepoint_args *ctx) {{
  u32 number = ctx->args[1];
  jumps.atomic_increment(number);
  return 0;
}}
"""


@pytest.mark.parametrize("times", [5_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_thousands_of_execs_with_every_view_open_are_all_accounted_for(times):
    starts, jumps = BPF(text=STARTS), BPF(text=JUMPS, keep=True)
    jumps["syscall"][syscall_nr("execve")] = jumps.load_func("hello_exec", BPF.RAW_TRACEPOINT)
    lines, events, counts = watch(starts), watch(starts["perf"]), watch(starts["counter_table"])
    ring, table = watch(starts["ring"]), watch(jumps["syscall"])
    picture = draw(starts["ring"])
    picture.pace = len(picture.stops) - 1  # at once
    attach(starts, syscall="execve", fn_name="hello")
    jumps.attach_raw_tracepoint(tp="sys_enter", fn_name="hello")
    loop = f"i=0; while [ $i -lt {times} ]; do /bin/true; i=$((i + 1)); done"
    with record(starts) as recorded:
        run(["/bin/sh", "-c", loop], uid=WATCHED, seconds=300)
    sent = times + 1  # the shell too

    until(lambda: f"{sent:,}" in repr(counts) and f"{sent:,}" in repr(table))
    for view in (events, ring):
        until(lambda view=view: view.shown["total"] + view.shown["lost"] == sent)
    until(lambda: picture.shown["reader"] == picture.shown["writer"])
    assert picture.shown["lost"] == ring.shown["lost"]
    ours = sum(line.message == f"starts as {WATCHED}" for line in recorded.lines)
    assert ours <= sent <= ours + recorded.lost
    until(lambda: lines.shown["total"] + lines.shown["lost"] >= sent)
    assert re.search(rf"starts as {WATCHED}", repr(lines))
