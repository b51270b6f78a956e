"""Calls of increment() that count nothing are told, and only those."""

import os

import pytest

from ebpf_lab import BPF, attach, check, to_frame, watch
from ebpf_lab.diagnostics.increments import uncounted

MAPS = [
    "BPF_HASH(m);",
    "BPF_ARRAY(m, u64, 4);",
    "BPF_PERCPU_ARRAY(m, u64, 4);",
    "BPF_PERCPU_HASH(m, u64, u64);",
    'BPF_TABLE("lru_hash", u64, u64, m, 4);',
    'BPF_TABLE("lru_percpu_hash", u64, u64, m, 4);',
]
ONE = """
DECLARED
int f(void *ctx) {
  typeof(m.key) one = 1;
  if (bpf_get_current_pid_tgid() >> 32 == ME)
    m.increment(one);
  return 0;
}
"""


def program(declared, source=ONE):
    b = BPF(text=source.replace("DECLARED", declared), cflags=[f"-DME={os.getpid()}"])
    attach(b, syscall="getpriority", fn_name="f")
    return b


@pytest.mark.parametrize("declared", MAPS)
def test_it_is_told_where_nothing_is_counted_and_nowhere_else(declared):
    b = program(declared)
    os.getpriority(os.PRIO_PROCESS, 0)
    frame = to_frame(b["m"])
    counted = int(frame[frame.key == 1][frame.columns[-1]].sum())
    told = "m.increment() (line 6) counts nothing for a key that is not in the map yet"
    assert (counted == 1) != (told in b.warnings)


def test_the_program_its_map_live_and_a_verdict_tell_it():
    b = program("BPF_PERCPU_HASH(m, u64, u64);")
    assert "1 warning in .warnings" in repr(b)
    assert "m.increment() (line 6) counts nothing" in watch(b["m"]).shown["note"]
    verdict = check("by-number", ONE.replace("DECLARED", "BPF_PERCPU_HASH(counter_table, u64, u64);")
        .replace("int f(void *ctx)", "RAW_TRACEPOINT_PROBE(sys_enter)")
        .replace("m.key", "u64").replace("m.increment", "counter_table.increment").replace("ME", str(os.getpid())))  # fmt: skip
    assert not verdict and "counter_table.increment() (line 6) counts nothing" in verdict.why


def test_it_is_not_told_of_comments_and_where_the_program_makes_the_entries_itself():
    call = "counts.increment(key);"
    assert uncounted(call, ["counts"]) and uncounted("counts . atomic_increment(key, 2)", ["counts"])
    for source in (f"// {call}", f"counts.lookup_or_try_init(&key, &zero); {call}", f"my{call}"):
        assert uncounted(source, ["counts"]) == ""
    assert uncounted(call, []) == ""
