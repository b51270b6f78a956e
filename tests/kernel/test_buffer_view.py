import pytest
from helpers import until

from ebpf_lab import BPF, BusyError, attach, record, run, watch
from ebpf_lab.testrun import fire
from ebpf_lab.views import stream

RING = """
struct event { u64 n; u32 cpu; char text[8]; };
BPF_RINGBUF_OUTPUT(output, 1);
BPF_ARRAY(sent, u64, 1);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  int slot = 0;
  u64 *n = sent.lookup(&slot);
  if (!n) return 0;
  struct event e = { .n = (*n)++, .cpu = bpf_get_smp_processor_id(), .text = "hey" };
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(0);
  return 0;
}
"""
PERF = """
BPF_PERF_OUTPUT(output);
struct data_t { u32 pid; char command[16]; };
int hello(void *ctx) {
  struct data_t data = {};
  data.pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(&data.command, sizeof(data.command));
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""


@pytest.fixture
def b():
    return BPF(text=RING)


def numbers(view):
    return [row[1] for row in view.shown["rows"]]


def test_events_arrive_with_one_column_per_field(b):
    view = watch(b["output"])
    assert view.heads == [["n", True], ["cpu", True], ["text", False]]
    fire(b, "burst", times=23)
    until(lambda: numbers(view) == list(range(23)))
    assert view.shown["total"] == 23 and view.shown["lost"] == 0 and view.shown["rows"][0][3] == "hey"


def test_a_quiet_view_says_what_to_run(monkeypatch):
    monkeypatch.setattr(stream, "QUIET", 0.2)
    b = BPF(text=PERF)  # A trace pipe has other programs' lines, too, and need not be quiet.
    view = watch(b["output"])
    until(lambda: "attached to no hook" in view.shown["note"])
    attach(b, tracepoint="syscalls:sys_enter_reboot", fn_name="hello")
    until(lambda: "sys_enter_reboot" in view.shown["note"])


def test_perf_buffers_are_watched_alike():
    b = BPF(text=PERF)
    attach(b, syscall="execve", fn_name="hello")
    view = watch(b["output"])
    pids = run("/bin/true", times=23).pids
    until(lambda: set(pids) <= set(numbers(view)))
    assert repr(view).startswith("Perf buffer: ") and view.shown["lost"] == 0


def test_received_and_lost_are_what_was_sent(b):
    view = watch(b["output"])
    fire(b, "burst", times=100_003)
    until(lambda: view.shown["total"] + view.shown["lost"] == 100_003)
    assert view.shown["lost"] > 0 and len(view.shown["rows"]) <= stream.SHOWN


def test_only_so_many_events_are_kept(b):
    view = watch(b["output"])
    for _ in range(300):
        fire(b, "burst", times=20)
        view._reader.read()
    assert len(view._kept) + sum(len(items) for _, items in view._new) <= 2 * stream.KEPT
    until(lambda: view.shown["total"] == 6000)


def test_the_filter_looks_at_each_field(b):
    view = watch(b["output"])
    fire(b, "burst", times=23)
    view.filter = "17"
    until(lambda: numbers(view) == [17])
    view.filter = "HEY"
    assert len(numbers(view)) == 23


def test_stopped_it_reads_nothing_and_started_again_goes_on(b):
    view = watch(b["output"])
    view.running = False
    fire(b, "burst", times=5)
    view.running = True
    fire(b, "burst", times=3)
    until(lambda: numbers(view) == [5, 6, 7])


def test_a_stopped_view_leaves_the_buffer_to_a_callback(b):
    view = watch(b["output"])
    with pytest.raises(BusyError):
        b["output"].open_ring_buffer(print)
    view.running = False
    b["output"].open_ring_buffer(lambda *_: 0)


def test_a_start_that_fails_leaves_the_view_stopped_with_the_reason(b):
    view = watch(b["output"])
    view.running = False
    b["output"].open_ring_buffer(lambda *_: 0)
    with pytest.raises(BusyError):
        watch(b["output"])
    assert not view.running and not view.shown["running"]
    assert "Not started. BusyError" in view.shown["note"]


def test_a_recording_beside_it_gets_the_same(b):
    view = watch(b["output"])
    with record(b["output"]) as events:
        fire(b, "burst", times=23)
    until(lambda: numbers(view) == events.frame().n.tolist())


def test_it_ends_with_its_program_and_keeps_what_it_shows(b):
    view = watch(b["output"])
    fire(b, "burst", times=23)
    b.close()
    assert view.ended and len(numbers(view)) == 23
    assert view.shown["note"] == "Ended: the program was unloaded."


def test_losses_that_nobody_counts_are_not_counted():
    b = BPF(text=RING.replace("BPF_ARRAY(lost, u64, 1);", "").replace("lost.increment(0);", "return 0;"))
    view = watch(b["output"])
    fire(b, "burst")
    until(lambda: view.shown["total"] == 1)
    assert view.shown["lost"] is None and "losses not counted" in repr(view)


def test_records_of_another_size_are_reported(b):
    b = BPF(text=RING.replace("ringbuf_output(&e, sizeof(e), 0)", "ringbuf_output(&e, 12, 0)"))
    view = watch(b["output"])
    fire(b, "burst", times=2)
    until(lambda: numbers(view) == [0, 1])
    assert "another size than the struct" in view.shown["note"]


def test_numbers_that_javascript_does_not_have_are_text():
    assert stream._cell(2**53 - 1) == 2**53 - 1 and stream._cell(2**64 - 1) == str(2**64 - 1)
