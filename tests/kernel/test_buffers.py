"""record() on perf and ring buffers: each event once, in order, and what is missing counted."""

import ctypes as ct
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from bcc.table import BPF_MAP_TYPE_RINGBUF
from helpers import until

from ebpf_lab import BPF, BusyError, LabError, MapError, UnloadedError, attach, record, run, watch
from ebpf_lab.reading import buffer_reader, perfbuf
from ebpf_lab.testrun import fire

# Two buffers that get the same events; SEND puts one in, KIND and SIZE say what they are.
TWINS = """
struct event { u32 n; u8 small; u64 wide; char name[12]; };
BPF_RINGBUF_OUTPUT(output, 8);
BPF_RINGBUF_OUTPUT(twin, 8);
BPF_ARRAY(sent, u32, 1);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  int slot = 0;
  u32 *n = sent.lookup(&slot);
  if (!n) return 0;
  struct event e = {};
  e.n = (*n)++;
  e.small = e.n;
  e.wide = (u64)e.n << 33;
  e.name[0] = 'a';
  e.name[1] = 'a' + e.n % 7;
  SEND
  return 0;
}
"""
PLAIN = (
    "if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(0); twin.ringbuf_output(&e, sizeof(e), 0);"
)
RESERVED = """
  struct event *o = output.ringbuf_reserve(sizeof(struct event));
  if (o) { *o = e; if (e.n % 5 == DISCARD) output.ringbuf_discard(o, 0); else output.ringbuf_submit(o, 0); }
  struct event *t = twin.ringbuf_reserve(sizeof(struct event));
  if (t) { *t = e; if (e.n % 5 == DISCARD) twin.ringbuf_discard(t, 0); else twin.ringbuf_submit(t, 0); }
"""
MIXED = """
  if (e.n % 3 == 0) { output.ringbuf_output(&e, sizeof(e), 0); twin.ringbuf_output(&e, sizeof(e), 0); }
  else if (e.n % 3 == 1) { output.ringbuf_output(&e, 5, 0); twin.ringbuf_output(&e, 5, 0); }
  else { char big[100] = {}; big[0] = e.n; big[99] = 1; output.ringbuf_output(&big, 100, 0); twin.ringbuf_output(&big, 100, 0); }
"""
RARELY = "if (e.n % 50) { PLAIN } else { output.ringbuf_output(&e, 5, 0); twin.ringbuf_output(&e, 5, 0); }"
SENDS = {
    "plain": PLAIN,
    "committed": RESERVED.replace("DISCARD", "7"),
    "discards": RESERVED.replace("DISCARD", "3"),
    "mixed": MIXED,
    "rarely mixed": RARELY.replace("PLAIN", PLAIN),
}

ONE_PAGE = TWINS.replace("(output, 8)", "(output, 1)").replace("SEND", PLAIN)
HELLO = """
BPF_%s;
struct data_t { u32 pid; char command[16]; };
int hello(void *ctx) {
  struct data_t data = {};
  data.pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(&data.command, sizeof(data.command));
  output.%s;
  return 0;
}
"""
PERF = HELLO % ("PERF_OUTPUT(output)", "perf_submit(ctx, &data, sizeof(data))")
RING = HELLO % ("RINGBUF_OUTPUT(output, 8)", "ringbuf_output(&data, sizeof(data), 0)")
# A socket filter may send to a perf buffer too.
PERF_BURST = """
BPF_PERF_OUTPUT(output);
BPF_ARRAY(sent, u32, 1);
struct event { u32 n; char fill[FILL]; };
int burst(struct __sk_buff *skb) {
  int slot = 0;
  u32 *n = sent.lookup(&slot);
  if (!n) return 0;
  struct event e = {};
  e.n = (*n)++;
  output.perf_submit(skb, &e, sizeof(e));
  return 0;
}
"""


@pytest.fixture(params=[PERF, RING], ids=["perf", "ring"])
def b(request):
    b = BPF(text=request.param)
    attach(b, syscall="execve", fn_name="hello")
    return b


def taken(array):
    return [bytes(record) for record in array]


def by_callback(b, name):
    """What BCC's own callback gets out of a ring buffer: the bytes of each record."""
    got = []
    b[name].open_ring_buffer(lambda ctx, data, size: got.append(ct.string_at(data, size)))
    return got


def test_each_process_started_has_its_event(b):
    with record(b["output"]) as events:
        pids = run("/bin/true", times=23).pids
    frame = events.frame()
    assert list(frame.columns) == ["pid", "command"] and frame.pid.dtype == "uint32"
    assert set(pids) <= set(frame.pid)
    ours = frame[frame.pid.isin(pids)]
    assert set(ours.command) == {Path("/proc/self/comm").read_text().strip()}
    if (
        b["output"].ttype == BPF_MAP_TYPE_RINGBUF
    ):  # one for all CPUs; perf buffers are read one after the other
        assert list(dict.fromkeys(ours.pid)) == pids


def test_what_was_made_before_the_block_and_after_it_is_not_recorded(b):
    early = run("/bin/true", times=3).pids
    with record(b["output"]) as first:
        one = run("/bin/true").pids
    between = run("/bin/true", times=3).pids
    with record(b["output"]) as second:
        two = run("/bin/true").pids
    late = run("/bin/true", times=3).pids
    got = {*first.frame().pid, *second.frame().pid}
    assert {*one, *two} <= got and got.isdisjoint({*early, *between, *late})


def test_an_empty_frame_keeps_its_columns_and_dtypes(b):
    with record(b["output"]) as events:
        pass
    frame = events.frame()
    assert frame.dtypes.astype(str).to_dict() == {"pid": "uint32", "command": "category"}


def test_two_recordings_of_one_buffer_both_get_every_event(b):
    with record(b["output"]) as one, record(b["output"]) as two:
        pids = run("/bin/true", times=23).pids
    assert set(pids) <= set(one.frame().pid) & set(two.frame().pid)


@pytest.mark.parametrize("send", SENDS)
def test_each_record_is_the_one_that_bcc_reads_over_many_wraps(send):
    b = BPF(text=TWINS.replace("SEND", SENDS[send]))
    expected = by_callback(b, "twin")
    with record(b["output"]) as events:
        for _ in range(61):  # 61 x 229 records go 20 times and more around a ring of 8 pages
            fire(b, "burst", times=229)
            b.ring_buffer_consume()
            buffer_reader.buffer_of(b["output"]).read()
    size = events.array().dtype.itemsize
    assert events.lost == 0 and len(expected) > 10_000
    assert taken(events.array()) == [data[:size].ljust(size, b"\0") for data in expected]
    assert events.wrong_size == sum(len(data) != size for data in expected)


@pytest.mark.parametrize("send", SENDS)
def test_bccs_callback_serves_where_loads_are_not_ordered(send, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    b = BPF(text=TWINS.replace("SEND", SENDS[send]))
    expected = by_callback(b, "twin")
    reader = buffer_reader.buffer_of(b["output"])
    with record(b["output"]) as events:
        assert isinstance(reader._source, buffer_reader.RingByCallback)
        monkeypatch.undo()  # bpf(2) needs the real name
        for _ in range(7):
            fire(b, "burst", times=229)
            b.ring_buffer_consume()
            reader.read()
    size = events.array().dtype.itemsize
    assert taken(events.array()) == [data[:size].ljust(size, b"\0") for data in expected]


def test_a_count_of_records_can_be_taken_out_either_way():
    for source in (buffer_reader.RingSource, buffer_reader.RingByCallback):
        for send in ("plain", "mixed"):
            with BPF(text=TWINS.replace("SEND", SENDS[send])) as b:
                fire(b, "burst", times=23)
                table = b["output"]
                ring = source(table, buffer_reader.buffer_of(table).dtype)
                numbers = []
                for count in (1, 2, 5, 99):
                    records, _ = ring.take(count)
                    numbers.append(len(records))
                assert numbers == [1, 2, 5, 15] and ring.take() == (None, None)
                ring.close()


def test_received_and_lost_are_what_was_sent_with_a_ring_of_one_page():
    b = BPF(text=ONE_PAGE)
    with record(b["output"]) as events:
        fire(b, "burst", times=100_003)
    assert len(events) + events.lost == 100_003 and events.lost > 0
    numbers = events.frame().n.astype("int64")
    assert (numbers.diff().dropna() > 0).all()


def test_received_and_lost_are_what_was_sent_with_a_perf_buffer_of_one_page(monkeypatch):
    monkeypatch.setattr(perfbuf, "PAGES", 1)
    b = BPF(text=PERF_BURST.replace("FILL", "36"))
    with record(b["output"]) as events:
        fire(b, "burst", times=100_003, cpu=0)
    assert len(events) + events.lost == 100_003 and events.lost > 0
    assert (events.frame().n.astype("int64").diff().dropna() > 0).all()


def test_an_older_kernel_counts_losses_in_records(monkeypatch):
    monkeypatch.setattr(
        perfbuf.uapi, "PERF_FORMAT_LOST", 1 << 40
    )  # rejected, as PERF_FORMAT_LOST is before 6.0
    monkeypatch.setattr(perfbuf, "PAGES", 1)
    b = BPF(text=PERF_BURST.replace("FILL", "36"))
    with record(b["output"]) as events:
        fire(b, "burst", times=10_007, cpu=0)
        buffer_reader.buffer_of(b["output"]).read()
        fire(b, "burst", times=1, cpu=0)  # the record of the loss comes with the next event
    assert len(events) + events.lost == 10_008 and events.lost > 0


@pytest.mark.parametrize("fill", [1, 3, 4, 8, 36, 4092])
def test_perf_records_of_each_size_come_whole(fill, monkeypatch):
    text = PERF_BURST.replace("FILL", str(fill))
    if fill > 400:  # more than the stack takes
        text = (
            text.replace("struct event e = {};", "struct event *p = room.lookup(&slot); if (!p) return 0;")
            .replace("e.n = (*n)++", "p->n = (*n)++")
            .replace("&e, sizeof(e)", "p, sizeof(*p)")
            .replace("int burst", "BPF_ARRAY(room, struct event, 1);\nint burst")
        )
    b = BPF(text=text)
    with record(b["output"]) as events:
        for _ in range(7):
            fire(b, "burst", times=3, cpu=0)  # perf buffers keep the order of one CPU only
            buffer_reader.buffer_of(b["output"]).read()
    assert (len(events), events.lost, events.wrong_size) == (21, 0, 0)
    assert events.frame().n.tolist() == list(range(21))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [65_528, 70_000])
def test_an_event_too_large_for_a_perf_record_is_lost_and_reported(size):
    text = """
    struct event { char data[SIZE]; };
    BPF_PERF_OUTPUT(output);
    BPF_ARRAY(room, struct event, 1);
    int burst(struct __sk_buff *skb) {
      int slot = 0;
      struct event *e = room.lookup(&slot);
      if (e) output.perf_submit(skb, e, sizeof(*e));
      return 0;
    }"""
    b = BPF(text=text.replace("SIZE", str(size)))
    view = watch(b["output"])
    with record(b["output"]) as events:
        fire(b, "burst", times=3)
    assert len(events) == 0 and events.lost >= 1
    assert f"an event of {size:,} bytes is larger than a perf record" in repr(events)
    until(lambda: "larger than a perf record" in view.shown["note"])


def test_a_recording_can_be_pickled_and_holds_its_records_only():
    b = BPF(text=TWINS.replace("SEND", PLAIN))
    with record(b["output"]) as events:
        fire(b, "burst", times=23)
    data = pickle.dumps(events)
    copy = pickle.loads(data)
    assert copy.frame().equals(events.frame()) and repr(copy) == repr(events) and len(data) < 10_000


def test_a_callback_can_be_given_at_once_after_a_recording():
    b = BPF(text=TWINS.replace("SEND", PLAIN))
    with record(b["output"]):
        fire(b, "burst")
    numbers = by_callback(b, "output")
    fire(b, "burst", times=23)
    b.ring_buffer_consume()
    assert len(numbers) == 23


def test_a_paced_reader_tells_each_recording_of_all_losses():
    b = BPF(text=ONE_PAGE)
    reader = buffer_reader.buffer_of(b["output"])
    with record(b["output"]) as one, record(b["output"]) as two:
        reader.pace = 0
        with reader._lock:  # so that its thread has no turn in between
            fire(b, "burst", times=1000)
            reader.read_some(1)
            assert (len(one), len(two)) == (1, 1) and one.lost == two.lost > 0
        reader.pace = math.inf
    assert len(one) + one.lost == len(two) + two.lost == 1000


def test_where_nobody_counts_lost_is_none():
    b = BPF(text=RING)
    with record(b["output"]) as events:
        pass
    assert events.lost is None and "losses not counted" in repr(events)


def test_a_per_cpu_array_can_count_too():
    b = BPF(text=ONE_PAGE.replace("BPF_ARRAY(lost", "BPF_PERCPU_ARRAY(lost"))
    with record(b["output"]) as events:
        for cpu in os.sched_getaffinity(0):
            fire(b, "burst", times=5003, cpu=cpu)
    assert len(events) + events.lost == 5003 * len(os.sched_getaffinity(0)) and events.lost > 0


def test_a_map_named_lost_that_cannot_be_a_count_is_an_error():
    b = BPF(text=RING + "BPF_HASH(lost, u64, u64);")
    with pytest.raises(MapError, match="named lost counts lost events"), record(b["output"]):
        pass


def test_a_record_that_another_cpu_has_not_committed_yet_is_waited_for():
    b = BPF(text=TWINS.replace("SEND", SENDS["committed"]))
    with record(b["output"]) as events:
        one = threading.Thread(target=lambda: [fire(b, "burst", times=101) for _ in range(20)])
        one.start()
        for _ in range(20):
            fire(b, "burst", times=101)
        one.join()
    assert events.wrong_size == 0 and len(events) > 0


@pytest.mark.parametrize("size", [1, 4096])
def test_records_without_a_struct_are_bytes(size):
    text = f"""
    struct page {{ char text[{size}]; }};
    BPF_ARRAY(room, struct page, 1);
    BPF_RINGBUF_OUTPUT(output, 8);
    int burst(struct __sk_buff *skb) {{
      int slot = 0;
      void *page = room.lookup(&slot);
      if (page) output.ringbuf_output(page, {size}, 0);
      return 0;
    }}"""
    b = BPF(text=text)
    b["room"][0] = type(b["room"][0])(b"x" * size)
    with record(b["output"]) as events:
        fire(b, "burst", times=5)
    assert events.frame().data.tolist() == [b"x" * size] * 5


def test_a_struct_of_4_kib_and_one_of_1_byte():
    for size in (1, 4096):
        text = f"""
        struct event {{ char text[{size}]; }};
        BPF_RINGBUF_OUTPUT(output, 8);
        int burst(struct __sk_buff *skb) {{
          struct event *e = output.ringbuf_reserve(sizeof(struct event));
          if (!e) return 0;
          e->text[0] = 'y';
          output.ringbuf_submit(e, 0);
          return 0;
        }}"""
        b = BPF(text=text)
        with record(b["output"]) as events:
            for _ in range(11):
                fire(b, "burst", times=3)
                buffer_reader.buffer_of(b["output"]).read()
        assert [text[:1] for text in events.frame().text] == ["y"] * 33


def test_the_books_callbacks_go_on_working(b):
    pids, table = [], b["output"]

    def show(cpu, data, size):
        pids.append(table.event(data).pid)

    ring = hasattr(table, "open_ring_buffer")
    (table.open_ring_buffer if ring else table.open_perf_buffer)(show)
    ours = run("/bin/true", times=23).pids
    (b.ring_buffer_poll if ring else b.perf_buffer_poll)(1000)
    assert set(ours) <= set(pids)


def open_buffer(b, callback, **options):
    table = b["output"]
    (table.open_ring_buffer if hasattr(table, "open_ring_buffer") else table.open_perf_buffer)(
        callback, **options
    )


def test_a_callback_and_a_recording_at_once_are_an_error(b):
    with record(b["output"]), pytest.raises(BusyError, match="go to record"):
        open_buffer(b, print)
    open_buffer(b, print)  # one after the other is none
    with pytest.raises(BusyError, match=r"the callback given to open_\w+_buffer"), record(b["output"]):
        pass


def test_what_a_callback_raises_comes_back_to_the_caller(b):
    seen = []

    def fail(cpu, data, size):
        seen.append(size)
        raise RuntimeError("my own mistake")

    open_buffer(b, fail)
    run("/bin/true", times=3)
    poll = b.ring_buffer_poll if hasattr(b["output"], "open_ring_buffer") else b.perf_buffer_poll
    with pytest.raises(RuntimeError, match="my own mistake"):
        poll(1000)
    assert seen


def test_a_ring_keeps_the_events_after_the_one_whose_callback_failed():
    b = BPF(text=TWINS.replace("SEND", PLAIN))
    numbers, table = [], b["output"]

    def fail_once(ctx, data, size):
        numbers.append(table.event(data).n)
        if len(numbers) == 2:
            raise RuntimeError("once")

    table.open_ring_buffer(fail_once)
    fire(b, "burst", times=5)
    with pytest.raises(RuntimeError, match="once"):
        b.ring_buffer_consume()
    b.ring_buffer_consume()
    assert numbers == [0, 1, 2, 3, 4]


def test_a_poll_of_perf_buffers_ends_though_events_keep_coming(monkeypatch):
    monkeypatch.setattr("ebpf_lab.bcc_maps._GRACE", 0.2)
    b = BPF(text=PERF_BURST.replace("FILL", "36"))
    got, lost, stop = [], [], threading.Event()
    open_buffer(
        b, lambda cpu, data, size: got.append(b["output"].event(data).n), page_cnt=64, lost_cb=lost.append
    )
    fire(b, "burst", times=1)
    flood = threading.Thread(target=lambda: [fire(b, "burst", times=20_000) for _ in iter(stop.is_set, True)])
    flood.start()
    try:
        for _ in range(3):
            b.perf_buffer_poll(10)
    finally:
        stop.set()
        flood.join()
    b.perf_buffer_consume()
    assert sorted(set(got)) == sorted(got) and len(got) > 64


def test_lost_perf_events_are_printed_without_a_lost_cb(capsys):
    b = BPF(text=PERF_BURST.replace("FILL", "36"))
    open_buffer(b, lambda cpu, data, size: None, page_cnt=1)
    fire(b, "burst", times=1000, cpu=0)
    b.perf_buffer_consume()
    fire(b, "burst", times=1, cpu=0)
    b.perf_buffer_consume()
    assert "events lost: the perf buffer was full" in capsys.readouterr().out


def test_a_field_of_a_type_that_bcc_does_not_know_is_read_too():
    b = BPF(text=RING.replace("u32 pid", "pid_t pid"))
    attach(b, syscall="execve", fn_name="hello")
    with record(b["output"]) as events:
        pids = run("/bin/true", times=5).pids
    assert set(pids) <= set(events.frame().pid) and events.frame().pid.dtype == np.int32


def test_without_clangs_layout_a_type_that_bcc_does_not_know_is_an_error_not_the_end_of_python():
    b = BPF(text=RING.replace("u32 pid", "pid_t pid"))
    b.types = ""  # as where the sandboxed compile fails, for a map of another program
    with (
        pytest.raises(MapError, match=r"The events of output can't be read: line .*pid_t"),
        record(b["output"]),
    ):
        pass
    with pytest.raises(MapError, match="u32"):
        b["output"].event(0)


@pytest.mark.parametrize("source", [5, None, "output"])
def test_what_is_not_a_source_of_events_is_a_type_error(source):
    with pytest.raises(TypeError, match="source of events"), record(source):
        pass


def test_a_hash_is_rejected_with_to_frame_named():
    b = BPF(text=RING + "BPF_HASH(counts, u64, u64);")
    with pytest.raises(TypeError, match=r"to_frame\(\)"), record(b["counts"]):
        pass


def test_a_program_closed_within_the_block_ends_the_recording_early(b):
    table = b["output"]
    with record(table) as events:
        pids = run("/bin/true", times=5).pids
        b.close()
    assert "ended early: the program was unloaded" in repr(events)
    assert set(pids) <= set(events.frame().pid)
    with pytest.raises(UnloadedError), record(table):
        pass


def test_kill_9_while_recording_leaves_nothing_in_the_kernel():
    name = f"kill{os.getpid()}"
    code = f"""
from ebpf_lab import BPF, attach, record
b = BPF(text={RING.replace("hello", name)!r})
attach(b, syscall="execve", fn_name="{name}")
with record(b["output"]):
    print("recording", flush=True)
    import threading; threading.Event().wait()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "recording\n"

    def programs():
        listed = json.loads(subprocess.check_output(["bpftool", "-j", "prog"]))
        return [program for program in listed if program.get("name") == name]

    assert programs()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until(lambda: not programs())


TEN_MILLION = """
import resource
from ebpf_lab import BPF, record
from ebpf_lab.testrun import fire
TEXT = '''
struct event { u64 n; };
BPF_RINGBUF_OUTPUT(output, 16384);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  struct event e = {};
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(0);
  return 0;
}'''
b = BPF(text=TEXT)
with record(b["output"]) as events:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fire(b, "burst", times=10_000_000)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(events) + events.lost, (after - before) // 1024)
"""


def test_ten_million_events_are_recorded_in_one_go_under_bounded_memory():
    done = subprocess.run([sys.executable, "-c", TEN_MILLION], capture_output=True, text=True, check=True)
    events, mebibytes = map(int, done.stdout.split())
    assert events == 10_000_000
    # What was recorded, the ring itself (its pages count, twice mapped), and one read's room.
    assert mebibytes < 10_000_000 * 8 / 2**20 + 2 * 64 + 64


def test_a_recording_is_capped_in_bytes_and_counts_what_it_could_not_hold(monkeypatch):
    monkeypatch.setattr("ebpf_lab.reading.record.CAP_BYTES", 32 * 100)
    b = BPF(text=TWINS.replace("SEND", PLAIN))
    with record(b["output"]) as events:
        fire(b, "burst", times=229)
    assert len(events) == 100 and events.lost == 129


def test_what_many_small_reads_give_is_one_array_in_the_order_they_came():
    from ebpf_lab.reading.record import BufferRecording
    from ebpf_lab.reading.unpack import RAW

    struct = np.dtype({"names": ["n", "m"], "formats": ["u1", "u8"], "offsets": [0, 8], "itemsize": 24})
    for dtype, of in (struct, lambda n: (n % 256, n)), (RAW, lambda n: (b"%d" % n,)):
        recording = BufferRecording(dtype, True)
        for n in range(20_000):
            recording.feed(np.array([of(n)], dtype), 0, 0)
        early = recording.array()
        recording.feed(np.array([of(7)], dtype), 0, 0)
        assert early.tolist() == [of(n) for n in range(20_000)]
        assert recording.array().tolist() == [*early.tolist(), of(7)]


def test_records_larger_than_a_quarter_of_the_ring_are_read():
    text = """
    struct event { u64 n; char rest[1500]; };
    BPF_RINGBUF_OUTPUT(output, 1);
    BPF_ARRAY(event, struct event, 1);
    int burst(struct __sk_buff *skb) {
      int slot = 0;
      struct event *e = event.lookup(&slot);
      if (!e) return 0;
      e->n++;
      output.ringbuf_output(e, sizeof(*e), 0);
      return 0;
    }"""
    with BPF(text=text) as b:
        with record(b["output"]) as events:
            fire(b, "burst", times=2)
        assert events.array()["n"].tolist() == [1, 2]


def test_fire_runs_a_program_so_many_times_on_the_cpu_asked_for():
    b = BPF(
        text="""
    BPF_PERCPU_ARRAY(runs, u64, 1);
    int burst(struct __sk_buff *skb) { runs.increment(0); return 0; }"""
    )
    last = max(os.sched_getaffinity(0))
    assert fire(b, "burst", times=1009, cpu=last) >= 0
    counts = list(b["runs"][0])
    assert counts[last] == sum(counts) == 1009
    assert len(os.sched_getaffinity(0)) == os.cpu_count()


def test_what_cannot_be_fired_is_an_error():
    b = BPF(text=RING)
    attach(b, syscall="execve", fn_name="hello")
    with pytest.raises(LabError, match="can't test-run hello"):
        fire(b, "hello")
    with pytest.raises(LabError, match="no function named 'helo'"):
        fire(b, "helo")
    with pytest.raises(ValueError, match="cpu=999"):
        fire(b, "hello", cpu=999)
    with pytest.raises(ValueError, match="at least 1"):
        fire(b, "hello", times=0)
