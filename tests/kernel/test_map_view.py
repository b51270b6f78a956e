import ctypes as ct
import re
import time

import pytest
from helpers import until

from ebpf_lab import BPF, attach, fire, run, to_frame, watch
from ebpf_lab.views import counts

PROGRAM = """
BPF_HASH(counter_table);
BPF_PERCPU_HASH(per_cpu, u64, u64);
BPF_ARRAY(slots, u64, 3);
struct pair_t { u32 a; u32 b; };
BPF_HASH(pairs, struct pair_t, u64);
int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  counter_table.increment(uid);
  return 0;
}
int other(void *ctx) {
  u64 syscall = 59, zero = 0;
  per_cpu.lookup_or_try_init(&syscall, &zero);
  return 0;
}
"""


@pytest.fixture
def b():
    return BPF(text=PROGRAM)


def shown(view):
    return {row[0]: row[1] for row in view.shown["rows"]}


def test_a_map_that_cannot_be_read_as_a_table_is_an_error_that_names_what_to_use_instead():
    with pytest.raises(TypeError, match=r"use its own pop\(\)"):
        watch(BPF(text="\nBPF_QUEUE(queue, u64, 10);\n")["queue"])


def test_counts_arrive_while_it_is_watched(b):
    attach(b, syscall="execve", fn_name="hello")
    view = watch(b["counter_table"])
    run("/bin/true", times=23, uid=12345)
    until(lambda: shown(view).get("12345") == "23")
    assert "12345 23" in view.shown["alt"] and view.shown["svg"].startswith("<svg")


def test_uids_are_shown_as_users_because_the_program_calls_its_key_uid(b):
    b["counter_table"][ct.c_ulonglong(0)] = ct.c_ulonglong(5)
    view = watch(b["counter_table"])
    assert view.shown["heads"][0] == "uid" and "root (0)" in shown(view)


def test_numbers_of_system_calls_are_shown_as_names(b):
    pytest.importorskip("bcc.syscall")
    b["per_cpu"][ct.c_ulonglong(59)] = b["per_cpu"].Leaf(3, *[4] * (b["per_cpu"].total_cpu - 1))
    view = watch(b["per_cpu"])
    assert view.shown["heads"][0] == "syscall"
    assert shown(view) == {counts.syscall_label(59): str(3 + 4 * (b["per_cpu"].total_cpu - 1))}


def test_the_key_can_be_named(b):
    assert watch(b["slots"], key="place").shown["heads"][0] == "place"
    assert shown(watch(b["slots"])) == {"0": "0", "1": "0", "2": "0"}


HISTOGRAMS = """
struct per_cpu_t { u32 cpu; u64 slot; };
BPF_HISTOGRAM(direct);
BPF_HISTOGRAM(by_variable);
BPF_HISTOGRAM(linear);
BPF_HISTOGRAM(sparse, u64, 4096);
BPF_HISTOGRAM(sections, struct per_cpu_t);
BPF_ARRAY(plain, u64, 64);
int f(void *ctx) {
  u64 size = 9, slot = bpf_log2l(70000);
  struct per_cpu_t key = {.cpu = 3, .slot = bpf_log2l(size)};
  direct.increment(bpf_log2l(size));
  direct.increment(bpf_log2l(1));
  by_variable.increment(slot);
  linear.increment(7);
  linear.increment(5);
  sparse.increment(size);
  sections.increment(key);
  return 0;
}
"""


@pytest.fixture
def histograms():
    b = BPF(text=HISTOGRAMS)
    fire(b, "f", times=23)
    return b


def test_a_log2_histogram_shows_its_buckets_in_order_with_their_ranges(histograms):
    view = watch(histograms["direct"])
    assert view.shown["heads"] == ["value", "count", "per second"]
    assert list(shown(view).items()) == [
        ("0 -> 1", "23"),
        ("2 -> 3", "0"),
        ("4 -> 7", "0"),
        ("8 -> 15", "23"),
    ]
    assert "8 -> 15 23" in view.shown["alt"] and view.shown["svg"].startswith("<svg")
    assert shown(watch(histograms["by_variable"])) == {"65536 -> 131071": "23"}


def test_the_ranges_are_those_of_print_log2_hist(histograms, capsys):
    table = histograms["direct"]
    for slot in range(64):
        table[slot] = ct.c_ulonglong(1)
    table.print_log2_hist()
    printed = re.findall(r"(\d+ -> \d+) ", capsys.readouterr().out)
    assert [row[0] for row in watch(table).shown["rows"][1:]] == printed and len(printed) == 63


def test_a_linear_histogram_shows_each_value_from_the_lowest_on(histograms):
    assert list(shown(watch(histograms["linear"])).items()) == [("5", "23"), ("6", "0"), ("7", "23")]
    assert shown(watch(histograms["sparse"])) == {"9": "23"}


def test_a_histogram_with_sections_shows_the_range_of_each_row(histograms):
    view = watch(histograms["sections"])
    assert view.shown["heads"] == ["cpu", "slot", "low", "high", "value"]
    assert view.shown["rows"] == [["3", "4", "8", "15", "23"]]


def test_an_array_that_is_no_histogram_has_its_keys(histograms):
    assert "low" not in to_frame(histograms["plain"]) and "low" not in to_frame(histograms["linear"])


def test_a_frame_of_a_log2_histogram_has_the_ranges(histograms):
    frame = to_frame(histograms["direct"])
    assert list(frame.columns) == ["key", "low", "high", "value"] and len(frame) == 64
    assert frame.loc[4].tolist() == [4, 8, 15, 23]
    assert frame.high.iloc[-1] == 2**63 - 1


def test_the_twenty_largest_and_how_many_more(b):
    for n in range(200):
        b["counter_table"][ct.c_ulonglong(100_000 + n)] = ct.c_ulonglong(n + 1)
    view = watch(b["counter_table"])
    assert list(shown(view)) == [str(100_199 - n) for n in range(20)]
    assert view.shown["more"] == "and 180 more"


def test_bars_that_differ_little_keep_their_places(b):
    table = b["counter_table"]
    table[ct.c_ulonglong(70_001)], table[ct.c_ulonglong(70_002)] = ct.c_ulonglong(1000), ct.c_ulonglong(999)
    view = watch(table)
    view.running = False
    first = list(shown(view))
    table[ct.c_ulonglong(70_002)] = ct.c_ulonglong(1001)
    view.look()
    assert list(shown(view)) == first
    table[ct.c_ulonglong(70_002)] = ct.c_ulonglong(2000)
    view.look()
    assert list(shown(view)) == first[::-1]


def test_the_change_in_the_last_second_is_shown(b):
    table = b["counter_table"]
    table[ct.c_ulonglong(7)] = ct.c_ulonglong(100)
    view = watch(table)
    view.running = False
    view._rate.past.clear()
    view._rate.past.append((time.monotonic() - 1, {7: 100}))
    table[ct.c_ulonglong(7)] = ct.c_ulonglong(150)
    view.look()
    assert int(view.shown["rows"][0][2]) in range(40, 51)


def test_a_map_of_another_shape_is_a_table(b):
    b["pairs"][b["pairs"].Key(1, 2)] = ct.c_ulonglong(3)
    view = watch(b["pairs"])
    assert view.shown["heads"] == ["a", "b", "value"] and view.shown["rows"] == [["1", "2", "3"]]
    assert view.shown["svg"] == ""


def test_stop_and_start(b):
    view = watch(b["counter_table"])
    view.running = False
    b["counter_table"][ct.c_ulonglong(8)] = ct.c_ulonglong(1)
    assert not view.shown["running"] and view._thread is None
    view.running = True
    until(lambda: "8" in str(shown(view)))


def test_it_ends_with_its_program_and_keeps_what_it_shows(b):
    b["counter_table"][ct.c_ulonglong(77_777)] = ct.c_ulonglong(1)
    view = watch(b["counter_table"])
    b.close()
    assert view.ended and "Ended" in view.shown["note"] and "77777" in shown(view)
    assert "Ended" in view._repr_mimebundle_()[0]["text/plain"]


def test_watching_a_map_again_gives_the_same_view(b):
    assert watch(b["counter_table"]) is watch(b["counter_table"])


@pytest.mark.parametrize("source", [5, None, "counter_table"])
def test_what_is_neither_program_nor_map_is_a_type_error(source):
    with pytest.raises(TypeError, match="takes a program"):
        watch(source)
