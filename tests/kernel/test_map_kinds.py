"""What to_frame(), record(), watch() and draw() do with each class of map that BCC has."""

import ctypes as ct
import os
from inspect import isclass
from mmap import PAGESIZE

import pytest
from bcc import PerfSWConfig, PerfType
from bcc import table as bcc_table

from ebpf_lab import BPF, MapError, attach, draw, record, to_frame, watch

# Class of BCC's -> (a declaration of such a map m, what reads it: "entries", "events", or another's name in the error).
KINDS = {
    "HashTable": ("BPF_HASH(m);", "entries"),
    "LruHash": ('BPF_TABLE("lru_hash", u32, u64, m, 4);', "entries"),
    "PerCpuHash": ("BPF_PERCPU_HASH(m);", "entries"),
    "LruPerCpuHash": ('BPF_TABLE("lru_percpu_hash", u32, u64, m, 4);', "entries"),
    "Array": ("BPF_ARRAY(m, u64, 4);", "entries"),
    "PerCpuArray": ("BPF_PERCPU_ARRAY(m, u64, 4);", "entries"),
    "LpmTrie": ("struct prefix { u32 length; u32 ip; }; BPF_LPM_TRIE(m, struct prefix, u64, 4);", "entries"),
    "ProgArray": ("BPF_PROG_ARRAY(m, 4);", "entries"),
    "MapInMapArray": ('BPF_ARRAY(inner, u32, 2); BPF_ARRAY_OF_MAPS(m, "inner", 4);', "entries"),
    "MapInMapHash": ('BPF_ARRAY(inner, u32, 2); BPF_HASH_OF_MAPS(m, u32, "inner", 4);', "entries"),
    "DevMap": ("BPF_DEVMAP(m, 4);", "entries"),
    "CpuMap": ("BPF_CPUMAP(m, 4);", "entries"),
    "PerfEventArray": ("BPF_PERF_OUTPUT(m);", "events"),
    "RingBuf": ("BPF_RINGBUF_OUTPUT(m, 1);", "events"),
    "PerfCounters": ("BPF_PERF_ARRAY(m, 4);", "perf_read"),
    "QueueStack": ("BPF_QUEUE(m, u64, 4);", r"pop\(\)"),
    "StackTrace": ("BPF_STACK_TRACE(m, 4);", r"walk\(id\)"),
    "CgroupArray": ("BPF_CGROUP_ARRAY(m, 4);", "cgroups"),
    "XskMap": ("BPF_XSKMAP(m, 4);", "sockets"),
}
NO_CLASS = {
    "SOCKMAP": "BPF_SOCKMAP(m, 4);",
    "SOCKHASH": "BPF_SOCKHASH(m, u32, 4);",
    "SK_STORAGE": "BPF_SK_STORAGE(m, u64);",
    "INODE_STORAGE": "BPF_INODE_STORAGE(m, u64);",
    "TASK_STORAGE": "BPF_TASK_STORAGE(m, u64);",
    "CGROUP_STORAGE": "BPF_CGROUP_STORAGE(m, u64);",
}
WITHOUT_A_MAP = {"TableBase", "ArrayBase"}  # bases of the others


def recorded(table):
    with record(table) as events:
        return events


def map_of(declaration):
    return BPF(text=f"{declaration}\nint f(void *ctx) {{ return 0; }}")["m"]


def test_each_class_of_bcc_is_tested():
    bccs = [one for one in vars(bcc_table).values() if isclass(one) and issubclass(one, bcc_table.TableBase)]
    assert {one.__name__ for one in bccs} - WITHOUT_A_MAP <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_has_the_class_of_its_kind(kind):
    assert type(map_of(KINDS[kind][0])).__name__ == kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][1] == "entries"])
def test_a_map_with_entries_has_a_frame_and_a_view_and_no_events(kind):
    table = map_of(KINDS[kind][0])
    assert list(to_frame(table).columns[-1:]) in (["value"], ["total"])
    assert not watch(table).ended
    with pytest.raises(TypeError, match=r"record\(\) takes a source of events.*to_frame\(\)"):
        recorded(table)
    with pytest.raises(TypeError, match="takes a ring buffer"):
        draw(table)


@pytest.mark.parametrize("kind", ["PerfEventArray", "RingBuf"])
def test_a_buffer_has_events_and_no_frame(kind):
    table = map_of(KINDS[kind][0])
    assert len(recorded(table)) == 0 and not watch(table).ended
    with pytest.raises(TypeError, match=r"use record\(\)"):
        to_frame(table)
    if kind == "RingBuf":
        assert draw(table).shown["size"] == PAGESIZE
    else:
        with pytest.raises(TypeError, match="one for each CPU"):
            draw(table)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][1] not in ("entries", "events")])
def test_a_map_that_cannot_be_read_is_an_error_that_says_what_to_use(kind):
    declaration, instead = KINDS[kind]
    table = map_of(declaration)
    for verb in (to_frame, recorded, watch):
        with pytest.raises(TypeError, match=instead):
            verb(table)
    with pytest.raises(TypeError, match="takes a ring buffer"):
        draw(table)


@pytest.mark.parametrize("kind", NO_CLASS)
def test_a_map_that_bcc_has_no_class_for_is_an_error_that_names_its_type(kind):
    with pytest.raises(MapError, match=f"the map m: BCC has no class for maps of type {kind}"):
        map_of(NO_CLASS[kind])


@pytest.mark.parametrize(("kind", "value"), [("DevMap", ct.c_int(1)), ("CpuMap", ct.c_uint(192))])
def test_what_was_put_into_a_map_for_redirects_is_in_its_frame(kind, value):
    table = map_of(KINDS[kind][0])  # device 1 is the loopback; 192 packets wait for a CPU
    table[0] = value
    frame = to_frame(table)
    assert frame[frame.key == 0].value.tolist() == [value.value]


def test_counters_stay_open_when_they_are_given_to_watch_or_record():
    b = BPF(
        text="""
BPF_PERF_ARRAY(clock, 64);
BPF_ARRAY(seen, u64, 1);
int f(void *ctx) {
  if (bpf_get_current_pid_tgid() >> 32 != ME) return 0;
  struct bpf_perf_event_value v = {};
  clock.perf_counter_value(CUR_CPU_IDENTIFIER, &v, sizeof(v));
  int slot = 0;
  u64 n = v.counter;
  seen.update(&slot, &n);
  return 0;
}""",
        cflags=[f"-DME={os.getpid()}"],
    )
    b["clock"].open_perf_event(PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK)
    attach(b, syscall="getpriority", fn_name="f")
    for verb in (watch, recorded):
        with pytest.raises(TypeError, match="counters"):
            verb(b["clock"])
    os.getpriority(os.PRIO_PROCESS, 0)
    assert b["seen"][0].value > 0
