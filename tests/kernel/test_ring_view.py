import threading
import time
from mmap import PAGESIZE

import pytest
from helpers import until

from ebpf_lab import BPF, LabError, attach, draw, fire, record, run, watch
from ebpf_lab.diagnostics.errors import BusyError, MapError
from ebpf_lab.reading.ringbuf import Header
from ebpf_lab.views import ring as ring_view

STRIDE = 8 + 24  # the header, and the struct
FITS = (PAGESIZE - 1) // STRIDE  # kernel/bpf/ringbuf.c: the producer gets no further than size - 1 ahead
PROGRAM = """
struct event { u64 n; char text[16]; };
BPF_RINGBUF_OUTPUT(output, 1);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  struct event e = {};
  e.n = bpf_ktime_get_ns();
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(0);
  return 0;
}
int hello(void *ctx) {
  struct event e = {};
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(0);
  return 0;
}
int regret(struct __sk_buff *skb) {
  struct event *e = output.ringbuf_reserve(sizeof(struct event));
  if (e) output.ringbuf_discard(e, 0);
  return 0;
}
"""


@pytest.fixture
def b():
    return BPF(text=PROGRAM)


def positions(view):
    return view.shown["reader"], view.shown["writer"]


def test_write_one_and_read_one_move_the_real_positions(b):
    view = draw(b["output"], fire="burst")
    assert positions(view) == (0, 0) and view.shown["size"] == PAGESIZE
    view.writes += 1
    assert positions(view) == (0, STRIDE) == view._ring.positions()
    assert view.shown["records"] == [[0, 24, "ready"]] and view.shown["waiting"] == "1 record"
    view.reads += 1
    assert positions(view) == (STRIDE, STRIDE) == view._ring.positions()
    assert view.shown["records"] == [] and view.shown["waiting"] == "0 records"


def test_clicks_that_came_while_a_cell_ran_are_all_done(b):
    view = draw(b["output"], fire="burst")
    view.writes += 23
    view.reads += 7
    assert positions(view) == (7 * STRIDE, 23 * STRIDE) and view.shown["done"] == [23, 7, 0]


def test_a_record_stays_until_it_is_read(b):
    view = draw(b["output"])
    fire(b, "burst", times=23)
    until(lambda: positions(view) == (0, 23 * STRIDE))
    time.sleep(0.3)
    assert positions(view) == (0, 23 * STRIDE)


def test_drops_are_counted_exactly(b):
    view = draw(b["output"], fire="burst")
    fire(b, "burst", times=FITS + 23)
    until(lambda: view.shown["lost"] == 23)
    assert view.shown["waiting"] == f"{FITS} records" and len(view.shown["records"]) == FITS
    view.writes += 1
    assert view.shown["lost"] == 24 and "dropped" in view.shown["note"]
    view.reads += 1
    view.writes += 1
    assert view.shown["lost"] == 24 and positions(view) == (STRIDE, (FITS + 1) * STRIDE)


def test_drops_that_nobody_counts_are_not_counted():
    b = BPF(text=PROGRAM.replace("lost", "gone"))
    view = draw(b["output"], fire="burst")
    fire(b, "burst", times=FITS)
    view.writes += 1
    assert view.shown["lost"] is None and "drops not counted" in str(view)
    assert view.shown["note"] == "burst() ran: nothing came into the ring."


def test_the_slider_paces_the_reader(b):
    view = draw(b["output"])
    fire(b, "burst", times=23)
    started = time.monotonic()
    view.pace = 2
    until(lambda: positions(view)[0] >= 5 * STRIDE)
    assert time.monotonic() - started >= 0.4  # ten a second
    view.pace = 0
    stopped = until(lambda: view.shown["done"][2] == 0 and view._ring.positions()[0])
    time.sleep(0.3)
    assert positions(view)[0] - stopped <= STRIDE  # one may have been on its way
    view.pace = len(view.stops) - 1
    until(lambda: positions(view) == (23 * STRIDE, 23 * STRIDE))


def test_at_once_keeps_up_with_a_program(b):
    attach(b, syscall="execve", fn_name="hello")
    view = draw(b["output"])
    view.pace = len(view.stops) - 1
    run("/bin/true", times=FITS + 23)
    until(lambda: positions(view)[1] >= (FITS + 23) * STRIDE and positions(view)[0] == positions(view)[1])
    assert view.shown["lost"] == 0


def test_a_real_program_moves_the_writer(b):
    attach(b, syscall="execve", fn_name="hello")
    view = draw(b["output"])
    run("/bin/true", times=7)
    until(lambda: positions(view)[1] >= 7 * STRIDE)
    assert positions(view)[0] == 0


def test_a_recording_gets_what_the_buttons_read_and_at_its_end_the_rest(b):
    view = draw(b["output"], fire="burst")
    with record(b["output"]) as events:
        view.writes += 23
        view.reads += 7
        time.sleep(0.3)
        assert len(events) == 7 and positions(view) == (7 * STRIDE, 23 * STRIDE)
    assert len(events) == 23 and events.lost == 0
    fire(b, "burst")
    time.sleep(0.3)
    assert positions(view) == (23 * STRIDE, 24 * STRIDE)  # the slider is in charge again


def test_what_was_in_the_ring_before_is_drawn_and_stays(b):
    fire(b, "burst", times=23)
    assert positions(draw(b["output"])) == (0, 23 * STRIDE)


def test_read_one_says_why_it_got_nothing(b):
    view = draw(b["output"])
    view.reads += 1
    assert view.shown["note"] == "There was nothing to read."
    fire(b, "regret")
    until(lambda: view.shown["records"] == [[0, 24, "discarded"]] and not view.shown["note"])
    view.reads += 1
    assert "skipped" in view.shown["note"] and positions(view) == (STRIDE, STRIDE)


def test_a_record_that_is_not_committed_yet_is_busy(b, monkeypatch):
    view = draw(b["output"])
    monkeypatch.setattr(view._ring, "headers", lambda count: [Header(0, 24, True, False)])
    fire(b, "burst")
    until(lambda: view.shown["records"] == [[0, 24, "busy"]])
    monkeypatch.undo()
    until(lambda: view.shown["records"] == [[0, 24, "ready"]])  # though no position moved


def test_more_records_than_can_be_drawn_are_counted():
    b = BPF(text=PROGRAM.replace("output, 1", "output, 64"))
    view = draw(b["output"])
    fire(b, "burst", times=ring_view.DRAWN + 1)
    until(lambda: view.shown["waiting"] == f"{ring_view.DRAWN + 1} records")
    assert len(view.shown["records"]) == ring_view.NEXT and not view.shown["every"]
    fire(b, "burst", times=ring_view.COUNTED)
    until(lambda: view.shown["waiting"] == f"over {ring_view.COUNTED:,} records")


def test_a_failing_button_says_so_until_the_next_click(b):
    b.load_func("hello", BPF.RAW_TRACEPOINT)
    view = draw(b["output"], fire="hello")
    b.funcs[b"hello"].fd, kept = 999, b.funcs[b"hello"].fd
    view.writes += 1
    b.funcs[b"hello"].fd = kept
    assert "LabError" in view.shown["note"]
    fire(b, "burst")
    until(lambda: positions(view) == (0, STRIDE))
    assert "LabError" in view.shown["note"]
    view.reads += 1
    assert view.shown["note"] == ""


def test_a_misspelt_function_is_an_error_at_once(b):
    with pytest.raises(LabError, match=r"(?s)no function named 'brust'.*'burst'"):
        draw(b["output"], fire="brust")


def test_where_a_callback_reads_you_can_only_look(b):
    got = []
    b["output"].open_ring_buffer(lambda cpu, data, size: got.append(size) or 0)
    view = draw(b["output"], fire="burst")
    assert view.shown["held"] and "only look" in view.shown["note"]
    view.writes += 7
    view.pace = len(view.stops) - 1
    time.sleep(0.3)
    assert positions(view) == (0, 7 * STRIDE)
    b.ring_buffer_consume()
    until(lambda: positions(view) == (7 * STRIDE, 7 * STRIDE))
    assert len(got) == 7 and "only look" in view.shown["note"]


def test_a_buffer_that_is_drawn_takes_no_callback(b):
    draw(b["output"]).reads += 1
    with pytest.raises(BusyError, match="draw"):
        b["output"].open_ring_buffer(lambda *_: 0)


def test_it_ends_with_its_program_and_keeps_what_it_shows(b):
    view = draw(b["output"], fire="burst")
    fire(b, "burst", times=23)
    b.close()
    assert view.ended and positions(view) == (0, 23 * STRIDE)
    view.writes += 1
    view.pace = 1
    assert view.shown["note"] == "Ended: the program was unloaded."
    assert "RingView" not in [thread.name for thread in threading.enumerate()]


def test_drawing_a_ring_again_gives_the_same_view_with_its_button(b):
    view = draw(b["output"])
    assert view.fire == ""
    assert draw(b["output"], fire="burst") is view and view.fire == "burst"
    assert draw(b["output"]).fire == "burst"


def test_the_text_form_gives_the_figures(b):
    view = draw(b["output"], fire="burst")
    view.writes += FITS + 1
    view.reads += 2
    text = view._repr_mimebundle_()[0]["text/plain"]
    assert f"{(FITS - 2) * STRIDE:,} written and not read yet, {FITS - 2} records; 64 read; 32 free" in text
    assert f"writer at {FITS * STRIDE:,} ({FITS * STRIDE:,} in the ring, times round: 0)" in text
    assert "1 dropped" in text and "next: at 64, 24 bytes, ready" in text
    view.writes += 2
    assert f"writer at {(FITS + 2) * STRIDE:,} (32 in the ring, times round: 1)" in str(view)
    assert "32 read; 0 free" in str(view)


def test_a_ring_that_stays_empty_says_what_to_do(b, monkeypatch):
    monkeypatch.setattr(ring_view, "QUIET", 0)
    view = draw(b["output"], fire="burst")
    until(lambda: "Nothing has been written yet" in view.shown["note"])
    view.writes += 1
    assert view.shown["note"] == ""


def test_a_count_of_drops_in_no_array_is_an_error():
    b = BPF(text="\nBPF_HASH(lost);\nBPF_RINGBUF_OUTPUT(output, 1);\nint f(void *ctx) { return 0; }\n")
    with pytest.raises(MapError, match="must be an array"):
        draw(b["output"])


def test_a_perf_buffer_is_no_ring_to_draw():
    b = BPF(text="\nBPF_PERF_OUTPUT(output);\nint f(void *ctx) { return 0; }\n")
    with pytest.raises(TypeError, match="one for each CPU"):
        draw(b["output"])


@pytest.mark.parametrize("what", [5, None, "output"])
def test_what_is_not_a_ring_buffer_is_a_type_error(what, b):
    with pytest.raises(TypeError, match="takes a ring buffer"):
        draw(what)


def test_a_view_of_its_events_goes_on_at_the_readers_pace(b):
    view, events = draw(b["output"], fire="burst"), watch(b["output"])
    fire(b, "burst", times=3)
    view.reads += 1
    until(lambda: events.shown["total"] == 1)
