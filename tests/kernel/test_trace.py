"""record() on a real trace pipe."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers import until

from ebpf_lab import BPF, BusyError, LabError, attach, record, run, watch
from ebpf_lab.kernel import tracefs
from ebpf_lab.reading import trace_pipe
from ebpf_lab.reading.reader import Share

FLOOD = "".join(f'bpf_trace_printk("line {n} of one call"); ' for n in range(40))
# Only this process's calls of a system call that nobody else makes count.
SENT = """
BPF_ARRAY(sent, u64, 1);
int hello(void *ctx) {
  int slot = 0;
  u64 *n = sent.lookup(&slot);
  if (!n || bpf_get_current_pid_tgid() >> 32 != %d) return 0;
  __sync_fetch_and_add(n, 40);
  %s
  return 0;
}
"""


@pytest.fixture
def b(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    return b


def test_each_process_started_has_its_line(b):
    with record(b) as lines:
        pids = run("/bin/true", times=23).pids
    frame = lines.frame()
    assert set(pids) <= set(frame.pid) and lines.lost == 0
    assert (frame[frame.pid.isin(pids)].message == "Hello World!").all()


def test_lines_are_in_order_and_their_time_is_clock_monotonic(b):
    before = time.monotonic_ns()
    with record(b) as lines:
        pids = run("/bin/true", times=23).pids
    after = time.monotonic_ns()
    ours = [line for line in lines.lines if line.pid in pids]
    assert list(dict.fromkeys(line.pid for line in ours)) == pids
    assert all(before - 1000 <= line.time <= after for line in ours)


def test_what_was_made_before_the_block_and_after_it_is_not_recorded(b):
    early = run("/bin/true", times=3).pids
    with record(b) as first:
        run("/bin/true")
    between = run("/bin/true", times=3).pids
    with record(b) as second:
        run("/bin/true")
    late = run("/bin/true", times=3).pids
    got = {line.pid for line in [*first.lines, *second.lines]}
    assert got.isdisjoint([*early, *between, *late])


def test_two_readers_at_once_both_get_every_line(b):
    with record(b) as one, record(b) as two:
        pids = run("/bin/true", times=23).pids
    assert set(pids) <= {line.pid for line in one.lines} & {line.pid for line in two.lines}


def test_the_reader_thread_ends_with_its_last_recording(b):
    with record(b):
        assert [thread for thread in threading.enumerate() if thread.name == "trace pipe"]
    assert not [thread for thread in threading.enumerate() if thread.name == "trace pipe"]


def test_another_process_can_read_at_the_same_time(b, hello):
    code = f"""
from ebpf_lab import BPF, attach, record, run
b = BPF(text={hello!r})
with record(b) as lines:
    print("reading", flush=True)
    input()
print(*{{line.pid for line in lines.lines}})
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "reading\n"
        with record(b) as lines:
            pids = run("/bin/true", times=23).pids
        theirs = other.communicate("\n")[0]
    assert set(pids) <= {line.pid for line in lines.lines} & {int(pid) for pid in theirs.split()}


def test_received_and_lost_account_for_every_line():
    b = BPF(text=SENT % (os.getpid(), FLOOD))
    attach(b, syscall="getpriority", fn_name="hello")
    pipe = trace_pipe.pipe_of(b)
    (pipe._instance / "buffer_size_kb").write_text("16")
    with record(b) as lines, pipe._lock:  # the lock keeps the reader away, so that the small buffer overflows
        for _ in range(500):
            os.getpriority(os.PRIO_PROCESS, 0)
    ours = sum("of one call" in line.message for line in lines.lines)
    assert b["sent"][0].value == 40 * 500
    assert lines.lost > 0
    assert ours + lines.lost >= 40 * 500 > ours


@pytest.mark.parametrize("times", [5_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_thousands_of_execs_in_a_go_are_all_accounted_for(b, times):
    with record(b) as lines:
        pids = run("/bin/true", times=times, seconds=300).pids
    assert len(set(pids) - {line.pid for line in lines.lines}) <= lines.lost


def test_messages_keep_their_newlines_and_odd_bytes():
    b = BPF(text='\nint hello(void *ctx) {\n  bpf_trace_printk("caf\\xc3\\xa9\\nnext\\n");\n  return 0;\n}\n')
    attach(b, syscall="execve", fn_name="hello")
    with record(b) as lines:
        pid = run("/bin/true").pids[0]
    assert "café\nnext\n" in [line.message for line in lines.lines if line.pid == pid]


def test_an_exception_in_the_block_comes_out_and_leaves_the_reader_in_order(b):
    with pytest.raises(ZeroDivisionError), record(b):
        1 / 0  # noqa: B018
    with record(b) as lines:
        pid = run("/bin/true").pids[0]
    assert pid in [line.pid for line in lines.lines]


def test_closing_the_program_ends_its_recording_with_everything_in_it(b):
    with record(b) as lines:
        pids = run("/bin/true", times=23).pids
        b.close()
    assert "ended early: the program was unloaded" in repr(lines)
    assert set(pids) <= set(lines.frame().pid)


def test_a_reader_that_fails_is_an_error_at_the_end_of_the_block_and_the_next_recording_works(b, monkeypatch):
    def fail(*_):
        raise RuntimeError("no more")

    with (
        pytest.raises(LabError, match="ended early: the reader failed: RuntimeError: no more"),
        record(b) as lines,
    ):
        monkeypatch.setattr(trace_pipe, "parse", fail)
        run("/bin/true")
        until(lambda: "the reader failed: RuntimeError: no more" in repr(lines))
        monkeypatch.undo()
    with record(b) as lines:
        pid = run("/bin/true").pids[0]
    assert pid in [line.pid for line in lines.lines]


def test_a_reader_that_fails_at_the_end_of_the_block_is_an_error_and_ends_a_view_too(b, monkeypatch):
    def fail(*_):
        raise RuntimeError("no more")

    view = watch(b)
    failed = pytest.raises(LabError, match="the reader failed: RuntimeError: no more")
    with failed, record(b), view._reader._lock:  # its thread has no turn before the block's end
        monkeypatch.setattr(trace_pipe, "parse", fail)
        run("/bin/true")
    monkeypatch.undo()
    assert view.ended and "the reader failed" in view.shown["note"]
    again = watch(b)
    pid = run("/bin/true").pids[0]
    until(lambda: again.running and pid in [row[3] for row in again.shown["rows"]])


def test_a_newline_in_the_name_of_a_process_is_no_end_of_the_recording():
    b = BPF(text=SENT % (os.getpid(), 'bpf_trace_printk("hit");'))
    attach(b, syscall="getpriority", fn_name="hello")
    comm = Path("/proc/thread-self/comm")
    before = comm.read_text().rstrip("\n")

    def shown_as(name):
        os.getpriority(os.PRIO_PROCESS, 0)
        return ("hit", name) in [(line.message, line.comm) for line in lines.lines]

    try:
        with record(b) as lines:
            for name in ("two\nlines", "fine"):
                comm.write_text(name)  # the kernel's trace has the name from the next switch of tasks on
                until(lambda name=name: shown_as(name))
    finally:
        comm.write_text(before)


@pytest.mark.parametrize("source", [5, "hello", None, {}])
def test_what_is_not_a_source_of_events_is_a_type_error(source):
    with pytest.raises(TypeError, match="takes a source of events"), record(source):
        pass


def test_a_map_is_not_a_source():
    b = BPF(text="\nBPF_HASH(counts);\nint hello(void *ctx) { return 0; }\n")
    with pytest.raises(TypeError, match="map"), record(b["counts"]):
        pass


@pytest.fixture
def no_instances(monkeypatch):
    def fail():
        raise PermissionError("no instances here")

    until(lambda: not trace_pipe._readers(tracefs.root() / "trace_pipe"), 60)  # The machine has only one.
    monkeypatch.setattr(tracefs, "make_instance", fail)


def test_without_an_instance_the_shared_pipe_gives_the_same_lines_to_all_programs(b, hello, no_instances):
    other = BPF(text=hello.replace("World", "too"), keep=True)
    attach(other, syscall="execve", fn_name="hello")
    with record(b) as lines, record(other) as theirs:
        pids = run("/bin/true", times=23).pids
        other.close()
    assert isinstance(trace_pipe.pipe_of(b), Share)
    assert set(pids) <= {line.pid for line in lines.lines} & {line.pid for line in theirs.lines}


def test_times_of_a_pipe_with_another_clock_are_not_given_out(b, no_instances, monkeypatch):
    trace_pipe.pipe_of(b)
    monkeypatch.setattr(trace_pipe._shared[0], "_monotonic", False)
    with record(b) as lines:
        run("/bin/true")
    assert lines.frame().time.isna().all()


def test_a_shared_pipe_is_let_go_after_the_last_recording(b, no_instances):
    with record(b):
        pass
    assert not trace_pipe._readers(tracefs.root() / "trace_pipe")


def test_a_busy_shared_pipe_names_who_reads_it(b, no_instances):
    with subprocess.Popen(["cat", tracefs.root() / "trace_pipe"], stdout=subprocess.DEVNULL) as cat:
        try:
            until(lambda: trace_pipe._readers(tracefs.root() / "trace_pipe"))
            with (
                tracefs_reader(),
                pytest.raises(BusyError, match=rf"read by cat \(pid {cat.pid}\);"),
                record(b),
            ):
                pass
        finally:
            cat.kill()


@contextlib.contextmanager
def tracefs_reader():
    """Somebody who reads an instance, and is not to be blamed for a busy shared pipe."""
    path = tracefs.root() / "instances/ebpf_lab_test"
    path.mkdir()
    try:
        with open(path / "trace_pipe", "rb"):
            yield
    finally:
        path.rmdir()
