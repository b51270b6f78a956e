"""to_frame() against what was put into real maps, BCC's own way of reading them, and bpftool."""

import ctypes as ct
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ebpf_lab import BPF, UnloadedError, to_frame
from ebpf_lab.maps import batch, one_by_one

MAPS = """
struct inner_t { u32 a; u16 b; };
struct key_t { u32 uid; char comm[16]; struct inner_t in_; u8 z; };
struct value_t { u64 n; u32 uid; u8 few[3]; };
struct wide_t { u64 x[8]; };
struct prefix_t { u32 prefixlen; u32 ip; };
BPF_HASH(numbers, u64, u64, 100000);
BPF_HASH(structs, struct key_t, struct value_t, 100);
BPF_HASH(wide, struct wide_t, u64, 1000);
BPF_ARRAY(array, u32, 5);
BPF_PERCPU_ARRAY(cpu_array, u32, 3);
BPF_PERCPU_HASH(cpu_hash, u32, u64);
BPF_PERCPU_HASH(cpu_structs, u32, struct value_t);
BPF_TABLE("lru_hash", u32, u64, lru, 100);
BPF_LPM_TRIE(trie, struct prefix_t, u64, 100);
BPF_HISTOGRAM(histogram);
BPF_QUEUE(queue, u64, 10);
BPF_STACK_TRACE(stacks, 16);
BPF_PROG_ARRAY(calls, 10);
BPF_PERF_OUTPUT(events);
BPF_ARRAY(inner, u64, 2);
BPF_HASH_OF_MAPS(outer, u32, "inner", 10);
BPF_HASH(small, u32, u32, 2);
int hello(void *ctx) { return 0; }
"""


@pytest.fixture(scope="module")
def b(warm):
    return BPF(text=MAPS, keep=True)


@pytest.fixture
def nothing_left_behind():
    """Not for these: they share one program, which the module's end closes."""


@pytest.fixture(scope="module", autouse=True)
def closed(b):
    yield
    b.close()


def fill(table, keys, values):
    keys, values = (np.ascontiguousarray(a, np.uint64) for a in (keys, values))
    table.items_update_batch(
        (ct.c_uint64 * len(keys)).from_buffer(keys), (ct.c_uint64 * len(keys)).from_buffer(values)
    )


def by_bpftool(table):
    info = dict(
        line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{table.map_fd}").read_text().splitlines()
    )
    shown = subprocess.run(
        ["bpftool", "-j", "map", "dump", "id", info["map_id"].strip()], capture_output=True, check=True
    )
    return json.loads(shown.stdout)


def test_each_entry_is_a_row_with_the_dtypes_of_the_c_types(b):
    fill(b["numbers"], range(1000), range(0, 3000, 3))
    frame = to_frame(b["numbers"])
    assert list(frame.columns) == ["key", "value"] and (frame.dtypes == "uint64").all()
    assert dict(zip(frame.key, frame.value, strict=True)) == {k: 3 * k for k in range(1000)}
    b["numbers"].clear()


def test_a_map_is_read_as_bpftool_reads_it(b):
    for n in range(23):
        b["lru"][ct.c_uint(n)] = ct.c_ulonglong(n * n)
    theirs = {
        int.from_bytes(bytes(int(x, 16) for x in e["key"]), "little"): int.from_bytes(
            bytes(int(x, 16) for x in e["value"]), "little"
        )
        for e in by_bpftool(b["lru"])
    }
    frame = to_frame(b["lru"])
    assert (
        dict(zip(frame.key.tolist(), frame.value.tolist(), strict=True))
        == theirs
        == {n: n * n for n in range(23)}
    )


def test_struct_fields_become_columns_nested_ones_dotted_and_shared_names_prefixed(b):
    table = b["structs"]
    key = table.Key(uid=5, comm="caf\xe9".encode("latin1"), z=7)
    key.in_.a, key.in_.b = 1, 2
    table[key] = table.Leaf(n=9, uid=4, few=(1, 2, 3))
    row = to_frame(table)
    assert list(row.columns) == ["key.uid", "comm", "in_.a", "in_.b", "z", "n", "value.uid", "few"]
    assert row.iloc[0].tolist() == [5, "caf\\xe9", 1, 2, 7, 9, 4, [1, 2, 3]]
    assert row["in_.b"].dtype == "uint16" and row.z.dtype == "uint8"


def test_keys_of_64_bytes_are_read_whole(b):
    table = b["wide"]
    for n in range(100):
        table[table.Key((ct.c_uint64 * 8)(*range(n, n + 8)))] = ct.c_ulonglong(n)
    frame = to_frame(table).sort_values("value")
    assert frame.x.tolist() == [list(range(n, n + 8)) for n in range(100)]


def test_an_array_has_a_row_for_every_index(b):
    b["array"][2] = ct.c_uint(42)
    assert to_frame(b["array"]).values.tolist() == [[0, 0], [1, 0], [2, 42], [3, 0], [4, 0]]


def test_a_per_cpu_map_has_one_column_per_cpu_and_their_total(b):
    cpus = b["cpu_hash"].total_cpu
    b["cpu_hash"][ct.c_uint(7)] = b["cpu_hash"].Leaf(*range(10, 10 + cpus))
    b["cpu_array"][1] = b["cpu_array"].Leaf(*range(1, 1 + cpus))
    names = [f"cpu{n}" for n in range(cpus)]
    frame = to_frame(b["cpu_hash"])
    assert list(frame.columns) == ["key", *names, "total"]
    assert frame.iloc[0].tolist() == [7, *range(10, 10 + cpus), sum(range(10, 10 + cpus))]
    assert to_frame(b["cpu_array"])[names].values.tolist()[1] == list(range(1, 1 + cpus))
    assert list(to_frame(b["cpu_structs"]).columns)[: cpus + 2] == [
        "key",
        *(f"n.{n}" for n in names),
        "n.total",
    ]


def test_an_empty_map_keeps_its_columns_and_dtypes(b):
    b["structs"].clear()
    frame = to_frame(b["structs"])
    assert len(frame) == 0 and frame["key.uid"].dtype == "uint32" and "few" in frame


@pytest.mark.parametrize(
    "name",
    ["numbers", "structs", "wide", "array", "cpu_array", "cpu_hash", "lru", "trie", "histogram", "outer"],
)
def test_batched_lookups_and_bccs_items_give_the_same(b, name):
    table = b[name]
    if name == "numbers":
        fill(table, range(500), range(500))
    if name == "trie":
        table[table.Key(prefixlen=8, ip=10)] = ct.c_ulonglong(3)
    fast, plain = batch(table), one_by_one(table)
    pairs = [{(k.tobytes(), v.tobytes()) for k, v in zip(*both, strict=True)} for both in (fast, plain)]
    assert pairs[0] == pairs[1] and len(fast[0]) == len(plain[0])


def test_a_map_without_batched_lookups_is_read_by_bcc(b):
    with pytest.raises(OSError):
        batch(b["calls"])
    b["calls"][3] = b.load_func("hello", BPF.RAW_TRACEPOINT)
    frame = to_frame(b["calls"])
    assert frame.key.tolist() == [3] and frame.value[0] > 0


def test_a_map_of_maps_has_the_ids_of_its_inner_maps(b):
    b["outer"][ct.c_uint(5)] = ct.c_int(b["inner"].map_fd)
    fdinfo = Path(f"/proc/self/fdinfo/{b['inner'].map_fd}").read_text()
    frame = to_frame(b["outer"])
    assert frame.key.tolist() == [5] and f"map_id:\t{frame.value[0]}" in fdinfo


@pytest.mark.parametrize(("name", "instead"), [("queue", "pop"), ("stacks", "walk"), ("events", "record")])
def test_a_map_without_a_frame_is_an_error_that_names_what_to_use_instead(b, name, instead):
    with pytest.raises(TypeError, match=instead):
        to_frame(b[name])


@pytest.mark.parametrize("source", [None, 5, "counter_table", {}])
def test_only_a_map_has_a_frame(source):
    with pytest.raises(TypeError, match="takes a map"):
        to_frame(source)


def test_a_map_of_an_unloaded_program_is_an_error():
    other = BPF(text="\nBPF_HASH(counts);\n", keep=True)
    table = other["counts"]
    other.close()
    with pytest.raises(UnloadedError):
        to_frame(table)


def test_a_full_map_is_read_whole(b):
    small = b["small"]
    small[ct.c_uint(1)] = ct.c_uint(1)
    small[ct.c_uint(2)] = ct.c_uint(2)
    with pytest.raises(Exception, match="Argument list too long"):  # E2BIG, as BCC reports it
        small[ct.c_uint(3)] = ct.c_uint(3)
    assert sorted(to_frame(small).key) == [1, 2]


def test_a_map_that_is_written_while_it_is_read_has_each_staying_entry_once(b):
    table, done = b["numbers"], threading.Event()
    table.clear()
    fill(table, range(20_000), range(20_000))

    def churn():
        while not done.is_set():
            fill(table, range(50_000, 60_000), range(10_000))
            for key in range(50_000, 60_000, 7):
                del table[ct.c_uint64(key)]

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            frame = to_frame(table)
            assert frame.key.is_unique
            assert set(range(20_000)) <= set(frame.key)
    finally:
        done.set()
        thread.join()


def test_a_bucket_larger_than_the_room_left_is_read_in_a_larger_piece(b, monkeypatch):
    table = b["numbers"]
    table.clear()
    fill(table, range(5000), range(5000))
    monkeypatch.setattr(table, "max_entries", 1)  # the first pieces are too small for a bucket
    assert sorted(to_frame(table).key) == list(range(5000))


def test_a_million_entries_take_no_more_memory_than_the_map_and_64_mib():
    code = """
import ctypes as ct, resource
import numpy as np, pandas as pd
from ebpf_lab import BPF, to_frame
b = BPF(text="\\nBPF_HASH(t, u64, u64, 1000000);\\n")
to_frame(b["t"])
keys = np.arange(1_000_000, dtype=np.uint64)
array = (ct.c_uint64 * len(keys)).from_buffer(keys)
b["t"].items_update_batch(array, array)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frame = to_frame(b["t"])
grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(len(frame), bool((frame.key == frame.value).all()), grown <= 16 * 1_000_000 + (64 << 20))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1000000", "True", "True"], done.stdout + done.stderr
