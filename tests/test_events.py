import pytest

from ebpf_lab.reading.record import LineRecording
from ebpf_lab.reading.trace_pipe import Line, parse

HELLO = b"            true-8906    [000] ...21  1772.755416: bpf_trace_printk: Hello World!\n"


def test_a_line_is_taken_apart():
    assert parse(HELLO) == ([Line(1772755416000, "true", 8906, 0, "Hello World!")], 0)


@pytest.mark.parametrize("comm", ["a b-12 [001] c", "tmux: server", "-", "x" * 15, "(sd-pam)", "7-8"])
def test_blanks_and_dashes_in_a_name_are_no_riddle(comm):
    text = HELLO.replace(b"            true", comm.encode().rjust(16))
    assert parse(text)[0][0][1:4] == (comm, 8906, 0)


def test_older_and_other_line_forms_are_understood():
    for text in (
        b"            true-8906    (   8906) [012] d..31  1772.755416: bpf_trace_printk: Hello World!\n",
        b"            true-8906    [012]  1772.755416: bpf_trace_printk: Hello World!\n",
    ):
        assert parse(text)[0] == [Line(1772755416000, "true", 8906, 12, "Hello World!")]


def test_lost_events_are_counted_and_the_lines_around_kept():
    lines, lost = parse(HELLO + b"CPU:1 [LOST 7854 EVENTS]\n" + HELLO + b"CPU:0 [LOST 6 EVENTS]\n")
    assert (len(lines), lost) == (2, 7860)


def test_a_loss_that_the_kernel_cannot_count_is_at_least_one():
    assert parse(b"CPU:1 [LOST EVENTS]\n" + HELLO)[1] == 1


def test_a_read_without_any_known_line_gives_its_lines_unparsed():
    assert parse(b"nonsense\n") == ([Line(None, None, None, None, "nonsense")], 0)
    assert parse(b"") == ([], 0)


def test_newlines_in_a_message_stay_in_it():
    text = HELLO.replace(b"World!", b"World!\nsecond line\n\nfourth")
    assert [line.message for line in parse(text + HELLO)[0]] == [
        "Hello World!\nsecond line\n\nfourth",
        "Hello World!",
    ]


def test_a_newline_in_a_name_stays_in_it():
    text = HELLO.replace(b"            true", b"       two\nlines")
    assert [line[1:] for line in parse(text + HELLO)[0]] == [
        ("two\nlines", 8906, 0, "Hello World!"),
        ("true", 8906, 0, "Hello World!"),
    ]


@pytest.mark.parametrize("text", [b"text\n", b"two\nlines", b"   \n"])
def test_text_that_is_no_line_is_kept_as_an_unparsed_line(text):
    assert parse(text)[0] == [Line(None, None, None, None, line.decode()) for line in text.splitlines()]


def test_an_empty_message_is_a_line_too():
    assert parse(HELLO.replace(b"Hello World!", b""))[0][0].message == ""


def test_bytes_that_are_not_utf_8_are_shown_with_backslashes():
    assert parse(HELLO.replace(b"World!", b"\xff\xc3\xa9"))[0][0].message == "Hello \\xff\u00e9"


def test_lines_of_other_tools_keep_their_text():
    other = b"          python-8906    [000] .....  1.000001: sys_enter: NR 59\n"
    lines, _ = parse(b"nonsense\n" + other)
    assert [line.pid for line in lines] == [None, None]
    assert lines[0].message == "nonsense" and lines[1].message.endswith("sys_enter: NR 59")


def test_a_frame_has_the_documented_columns_and_dtypes_also_when_empty():
    dtypes = {"time": "Int64", "comm": "string", "pid": "Int64", "cpu": "Int64", "message": "string"}
    recording = LineRecording()
    assert recording.frame().dtypes.astype(str).to_dict() == dtypes
    recording.feed(parse(b"nonsense\n" + HELLO)[0], 3)
    frame = recording.frame()
    assert frame.dtypes.astype(str).to_dict() == dtypes
    assert frame.pid.isna().tolist() == [True, False] and frame.message[0] == "nonsense"
    assert (len(recording), recording.lost) == (2, 3)


def test_a_recording_is_capped_and_counts_what_it_could_not_hold(monkeypatch):
    monkeypatch.setattr("ebpf_lab.reading.record.CAP", 5)
    recording = LineRecording()
    for _ in range(3):
        recording.feed(parse(HELLO * 2)[0], 0)
    assert (len(recording), recording.lost) == (5, 1)
