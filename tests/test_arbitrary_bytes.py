"""Whatever bytes a reader is fed: no exception, no endless loop, and each byte is accounted for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ebpf_lab.kernel import uapi
from ebpf_lab.reading import perfbuf, ringbuf, trace_pipe
from ebpf_lab.reading.record import LineRecording
from ebpf_lab.reading.unpack import RAW

fixed = settings(derandomize=True, database=None, deadline=None, max_examples=100)

LINE = b"            true-8906    [000] ...21  1772.755416: bpf_trace_printk: Hello World!\n"
PIECES = [
    LINE,
    LINE.replace(b"       true", b"two\nline\r-1"),
    LINE.replace(b"bpf_trace_printk", b"sys_enter"),
]
PIECES += [b"CPU:1 [LOST 7 EVENTS]\n", b"CPU:0 [LOST EVENTS]\n", b"\n", b"9" * 5000, b"bpf_trace_printk: "]
texts = st.lists(st.binary(max_size=40) | st.sampled_from(PIECES), max_size=12).map(b"".join)

EVENT = np.dtype([("n", np.uint32), ("text", "S4")])
dtypes = st.sampled_from([EVENT, RAW, np.dtype(("V", 1)), np.dtype([("n", np.uint64, 1000)])])


def header_of_perf(kind, size):
    return kind.to_bytes(4, "little") + b"\0\0" + size.to_bytes(2, "little")


kinds = st.sampled_from([uapi.PERF_RECORD_SAMPLE, uapi.PERF_RECORD_LOST, 99])
perf_records = st.builds(
    lambda kind, fill, size: (
        header_of_perf(kind, 8 + len(fill) * 8 if size is None else size) + b"".join(fill)
    ),
    kinds,
    st.lists(st.binary(min_size=8, max_size=8), max_size=5),
    st.none() | st.integers(0, 0xFFFF),
)
perf_blocks = st.lists(perf_records | st.binary(min_size=8, max_size=8), max_size=12).map(b"".join)


def without_newlines(text):
    return text.replace("\n", "").replace("\r", "")


@fixed
@given(texts)
def test_each_byte_of_a_trace_pipe_is_in_a_line_or_counted_as_lost(text):
    lines, lost = trace_pipe.parse(text)
    marks = [match for match in trace_pipe._START.finditer(text) if not match["event"]]
    assert lost == sum(int(mark["lost"] or 1) for mark in marks)

    def unshown(match):
        return b"" if match["event"] in (None, b"bpf_trace_printk") else match[0]

    rest = trace_pipe._START.sub(unshown, text).decode(errors="backslashreplace")
    assert without_newlines("".join(line.message for line in lines)) == without_newlines(rest)


@fixed
@given(texts)
def test_a_frame_can_be_made_of_any_trace_lines(text):
    recording = LineRecording()
    recording.feed(*trace_pipe.parse(text))
    assert len(recording.frame()) == len(recording)


@fixed
@given(perf_blocks, dtypes)
def test_each_byte_of_a_perf_buffer_is_in_a_record_or_in_the_unreadable_rest(data, dtype):
    block, starts, lengths = np.frombuffer(data, np.uint8), [], []
    end = perfbuf.samples(block, 0, starts, lengths)
    records = list(perfbuf._records(block))
    assert [offset for _, offset, _ in records] == np.cumsum([0, *(size for *_, size in records)])[
        :-1
    ].tolist()
    assert sum(size for *_, size in records) == end <= len(data)
    assert perfbuf.lost_in(block) >= 0
    events, wrong_size = perfbuf.cut_out(block, starts, lengths, dtype)
    assert wrong_size <= len(events) == sum(kind == uapi.PERF_RECORD_SAMPLE for kind, *_ in records)


class RingInMemory(ringbuf.Ring):
    """A ring of 4 KiB with these bytes in it, of which ``written`` are not read yet."""

    def __init__(self, data, start, written):
        self.size = 4096
        once = np.frombuffer(data.ljust(self.size, b"\0")[: self.size], np.uint8)
        self._data = np.concatenate([once, once])  # the kernel maps it twice in a row
        self._words, self._heads = self._data.view(np.uint32), self._data.data.cast("I")
        self._consumer, self._producer = np.array([start], np.uint64), np.array([start + written], np.uint64)


ring_records = st.builds(
    lambda length, flag, fill: (length | flag).to_bytes(4, "little") + bytes(4) + fill,
    st.integers(0, 40) | st.integers(0, 2**30 - 1),
    st.sampled_from([0, 0, 0, ringbuf.DISCARDED, ringbuf.BUSY]),
    st.lists(st.binary(min_size=8, max_size=8), max_size=5).map(b"".join),
)
ring_bytes = st.lists(ring_records, min_size=1, max_size=40).map(b"".join)
places = st.integers(0, 1024).map(lambda n: 8 * n)
counts = st.none() | st.integers(1, 50)


@fixed
@given(ring_bytes, places, st.integers(1, 512).map(lambda n: 8 * n), dtypes, counts)
def test_a_ring_is_read_to_its_end_or_to_a_record_that_is_not_committed(data, start, written, dtype, count):
    ring = RingInMemory(data, start, written)
    headers, taken = ring.headers(4096), 0
    while (before := ring.positions()[0]) < start + written:
        records, _ = ring.take(dtype, count)
        if records is None:
            break
        assert before < ring.positions()[0] <= start + written
        taken += len(records)
    reader = ring.positions()[0]
    known = [header for header in headers if header.position < reader and not header.discarded]
    assert reader == start + written or ring.headers(1)[0].busy
    assert taken <= len(known) <= taken + 1
