"""draw(): what it shows are the ring's own positions."""

import pytest
from helpers import until

from ebpf_lab import BPF, BusyError, LabError, attach, draw, fire, record, run, watch
from ebpf_lab.ring import Ring

TEXT = """
struct event { u64 n; char text[32]; };
BPF_RINGBUF_OUTPUT(output, 1);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  struct event e = {bpf_ktime_get_ns()};
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.atomic_increment(0);
  return 0;
}
int hello(void *ctx) {
  struct event e = {bpf_ktime_get_ns()};
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.atomic_increment(0);
  return 0;
}
int undecided(struct __sk_buff *skb) {
  struct event *e = output.ringbuf_reserve(sizeof(struct event));
  if (e) output.ringbuf_discard(e, 0);
  return 0;
}
"""
RECORD = 8 + 40


@pytest.fixture
def b():
    return BPF(text=TEXT)


@pytest.fixture
def view(b):
    return draw(b["output"], fire="burst")


def at(view):
    return view.shown["reader"], view.shown["writer"]


def test_the_buttons_move_the_kernels_own_positions(b, view):
    for _ in range(3):
        view.writes += 1
    view.reads += 1
    assert at(view) == (RECORD, 3 * RECORD)
    ring = Ring(b["output"].map_fd)
    assert ring.positions() == at(view)
    ring.close()
    assert [record[:2] for record in view.shown["records"]] == [[RECORD, 40], [2 * RECORD, 40]]


def test_drops_are_those_that_the_program_counts(b, view):
    fire(b, "burst", times=100)
    until(lambda: view.shown["lost"] == 15)
    assert view.shown["waiting"] == "85 records" and at(view) == (0, 85 * RECORD)
    view.writes += 1
    assert "dropped" in view.shown["note"] and b["lost"][0].value == 16


def test_real_programs_move_it_too(b, view):
    attach(b, syscall="execve", fn_name="hello")
    run("/bin/true", times=5)
    until(lambda: at(view)[1] >= 5 * RECORD)


def test_the_slider_reads_on_round_the_ring(b, view):
    view.pace = len(view.stops) - 1
    for turn in range(1, 11):
        fire(b, "burst", times=80)
        until(lambda turn=turn: at(view)[0] == turn * 80 * RECORD)
    assert at(view) == (800 * RECORD, 800 * RECORD) and view.shown["lost"] == 0
    view.pace = 0
    fire(b, "burst", times=3)
    until(lambda: at(view)[1] == 803 * RECORD)
    assert at(view)[0] == 800 * RECORD


def test_a_slow_reader_reads_one_after_the_other(b, view):
    fire(b, "burst", times=20)
    view.pace = 2
    positions = set()
    until(lambda: positions.add(at(view)[0]) or at(view)[0] == 20 * RECORD)
    assert len(positions) > 5


def test_recordings_and_views_get_what_it_reads(b, view):
    events = watch(b["output"])
    fire(b, "burst", times=3)
    view.reads += 1
    until(lambda: events.shown["total"] == 1)
    with record(b["output"]) as recorded:
        fire(b, "burst", times=5)
    assert len(recorded) == 5 and recorded.lost == 0
    until(lambda: len(set(at(view))) == 1)


def test_discarded_records_are_said(b):
    view = draw(b["output"], fire="undecided")
    view.writes += 1
    assert view.shown["records"][0][2] == "discarded"
    view.reads += 1
    assert "discarded" in view.shown["note"] and at(view)[0] == RECORD


def test_drawing_again_gives_the_same_view(b, view):
    assert draw(b["output"]) is view and view.fire == "burst"


def test_it_ends_with_its_program_and_says_so(b, view):
    view.writes += 1
    b.close()
    assert view.shown["ended"] and view.shown["note"] == "Ended: the program was unloaded."
    view.writes += 1
    view.reads += 1
    assert at(view) == (0, RECORD)


def test_the_text_form_has_the_figures(b, view):
    view.writes += 1
    text = view._repr_mimebundle_()[0]["text/plain"]
    assert "Ring buffer of 4,096 bytes: 48 written and not read yet, 1 record" in text
    assert "next: at 0, 40 bytes, ready" in text


def test_where_a_callback_reads_one_can_only_look(b):
    b["output"].open_ring_buffer(lambda *_: 0)
    view = draw(b["output"], fire="burst")
    view.writes += 1
    assert view.shown["held"] and "only look" in view.shown["note"] and at(view) == (0, RECORD)
    b.ring_buffer_consume()
    until(lambda: at(view) == (RECORD, RECORD))


def test_while_it_is_drawn_a_callback_is_refused(b, view):
    with pytest.raises(BusyError):
        b["output"].open_ring_buffer(print)


def test_where_nobody_counts_it_says_so():
    b = BPF(
        text=TEXT.replace("BPF_ARRAY(lost, u64, 1);", "").replace("lost.atomic_increment(0);", "return 0;")
    )
    view = draw(b["output"])
    assert view.shown["lost"] is None and "drops not counted" in repr(view)


def test_what_cannot_be_drawn_is_refused(b):
    with pytest.raises(LabError, match="did you mean 'burst'"):
        draw(b["output"], fire="brust")
    with pytest.raises(TypeError, match="takes a ring buffer"):
        draw(b["lost"])
    perf = BPF(text="struct e { u64 n; }; BPF_PERF_OUTPUT(output); int f(void *ctx) { return 0; }", keep=True)
    with pytest.raises(TypeError, match="one for each CPU"):
        draw(perf["output"])
