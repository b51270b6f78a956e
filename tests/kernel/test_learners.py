"""What learners do to a notebook, and a program to its readers: nothing is lost or left behind, and Run All works again."""

import contextlib
import os
import random
import re
import secrets
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from helpers import answers, server_of, until
from jupyter_client import BlockingKernelClient
from notebook_kernel import LOAD, NOTEBOOKS, code_of, objects_of, paths_of, settled, still_there

from ebpf_lab import run

ROOT = Path(__file__).parents[2]
WATCHED = 2_100_000_000 + 3 * os.getpid()  # a user of ours alone
LINES = """
with record(b) as lines:
    pids = run('/bin/true', times=23).pids
assert set(pids) <= {line.pid for line in lines.lines}
"""


@pytest.fixture
def nothing_left_behind():
    """Switched off: these tests look into the notebook's process, and Jupyter's client keeps threads in this one."""


def run_all(kernel, path):
    for cell in code_of(path):
        kernel.run_cell(cell)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_hundred_cells_in_any_order_leave_nothing_and_the_next_run_all_works(path, kernel):
    cells, dice = code_of(path), random.Random(path.stem)
    run_all(kernel, path)
    at_first = until(lambda: settled(kernel))
    for _ in range(100):
        with contextlib.suppress(AssertionError):  # The cell fails: it needs what another one makes.
            kernel.run(dice.choice(cells).source)
    run_all(kernel, path)
    descriptors, threads = until(lambda: settled(kernel))
    assert descriptors <= at_first[0] and threads <= at_first[1]
    kernel.stop()
    until(lambda: not kernel.remains())


def is_in_the_sandboxed_compile(kernel):
    """Whether a child of the kernel runs the sandboxed compile (loading/sandbox.py)."""
    children = Path(f"/proc/{kernel.pid}/task/{kernel.pid}/children").read_text().split()
    return any("sandbox" in Path(f"/proc/{pid}/cmdline").read_text() for pid in children)


@pytest.mark.parametrize("where", ["in a process of its own", "in this process"])
def test_an_interrupt_while_compiling_keeps_the_earlier_program(where, kernel):
    kernel.run(LOAD + LINES)
    before = until(lambda: settled(kernel))
    new = f"program.replace('Hello', 'Goodbye {secrets.token_hex()}')"
    kernel.start(f"print('compiling')\nb = BPF(text={new})", "compiling")
    until(lambda: is_in_the_sandboxed_compile(kernel))
    if where == "in this process":
        until(lambda: not is_in_the_sandboxed_compile(kernel))
    kernel.manager.interrupt_kernel()
    kernel.run("assert 'Hello' in b.source" + LINES)
    assert until(lambda: settled(kernel)) == before
    kernel.run(LOAD + LINES)


def test_an_interrupt_while_watching_leaves_the_view_alive(kernel):
    kernel.run(LOAD + LINES)
    before = until(lambda: settled(kernel))
    kernel.run(LOAD + "view = watch(b)")
    kernel.start("print('watching')\nwhile True: run('/bin/true', times=100)", "watching")
    kernel.manager.interrupt_kernel()
    kernel.run("""
import time
pid, end = run('/bin/true').pids[0], time.monotonic() + 20
while pid not in [row[3] for row in view.shown['rows']]:
    assert time.monotonic() < end and not view.ended
    time.sleep(0.05)
""")
    kernel.run(LOAD + LINES)
    assert until(lambda: settled(kernel)) == before


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if "maps" in path.stem else pytest.mark.long) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_restart_in_the_middle_leaves_nothing_and_the_next_run_all_works(path, kernel):
    cells = code_of(path)
    middle = next((n for n, cell in enumerate(cells) if "PIN" in cell.source), len(cells) // 2)
    for n, cell in enumerate(cells):
        kernel.run_cell(cell)
        programs = {(kind, id_) for kind, id_ in objects_of(kernel.pid) if kind == "prog"}
        if n > middle and programs:  # in chapter 2 a map is pinned then
            break
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=60)
    until(lambda: not still_there(programs))  # A pinned map stays until the next load.
    run_all(kernel, path)
    kernel.stop()
    until(lambda: not kernel.remains())


def test_kill_9_of_the_server_ends_its_kernels_and_the_next_load_sweeps(tmp_path, kernel):
    env = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path)}
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(
            [ROOT / "lab", "--no-browser", "--port", "0"], stdout=log, stderr=log, env=env
        )
    client = BlockingKernelClient()
    try:
        url, token = server_of(tmp_path / "log")
        request = urllib.request.Request(f"{url}/api/kernels?token={token}", method="POST", data=b"{}")
        urllib.request.urlopen(request).close()
        client.load_connection_file(str(until(lambda: next(tmp_path.glob("kernel-*.json"), None))))
        client.start_channels()
        until(lambda: answers(client), 60)
        client.execute(
            LOAD + "import os\nwith record(b):\n  print('pid', os.getpid())\n  while True: run('/bin/true')"
        )
        while not (
            found := re.search(r"pid (\d+)", str(client.get_iopub_msg(timeout=60)["content"].get("text")))
        ):
            pass
        objects, paths = objects_of(found[1]), paths_of(found[1])
        assert objects and paths
    finally:
        server.kill()
        server.wait()
        client.stop_channels()
    until(lambda: not Path(f"/proc/{found[1]}").exists())
    until(lambda: not still_there(objects))
    kernel.run(LOAD + LINES)
    assert not still_there(paths)
    kernel.run("b.close()")
    until(lambda: not kernel.remains())


STALL = f"""
from ebpf_lab import BPF, attach, record
import os, time
b = BPF(text='''
BPF_RINGBUF_OUTPUT(ring, 16);
BPF_ARRAY(lost, u64, 1);
BPF_PERF_OUTPUT(perf);
BPF_ARRAY(sent, u64, 1);
struct event {{ u64 time; u32 pid; }};
int hello(void *ctx) {{
  if ((u32)bpf_get_current_uid_gid() != {WATCHED}) return 0;
  struct event event = {{bpf_ktime_get_ns(), bpf_get_current_pid_tgid() >> 32}};
  sent.atomic_increment(0);
  if (ring.ringbuf_output(&event, sizeof(event), 0)) lost.atomic_increment(0);
  perf.perf_submit(ctx, &event, sizeof(event));
  bpf_trace_printk("stalled {WATCHED}");
  return 0;
}}
''')
attach(b, syscall='getpriority', fn_name='hello')
"""
CALLS = "import os\nfor _ in range(50_000): os.getpriority(0, 0)"


def memory(kernel):
    """The resident memory of the kernel, in MiB."""
    return int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{kernel.pid}/status").read_text())[1]) / 1024


@pytest.mark.parametrize("seconds", [0, pytest.param(180, marks=pytest.mark.long)])
def test_a_reader_that_was_stopped_for_a_while_comes_back_and_counts_what_it_lost(seconds, kernel, tmp_path):
    kernel.run(STALL)
    kernel.start(
        f"""
with record(b["ring"]) as ring, record(b["perf"]) as perf, record(b) as lines:
    print("recording")
    while not os.path.exists("{tmp_path}/go"):
        time.sleep(0.05)
""",
        "recording",
    )
    before = memory(kernel)
    os.kill(kernel.pid, signal.SIGSTOP)
    run(["/usr/bin/python3", "-ISc", CALLS], uid=WATCHED)
    if seconds:
        with contextlib.suppress(TimeoutError):
            run(["/usr/bin/python3", "-ISc", CALLS.replace("50_000", "10**12")], uid=WATCHED, seconds=seconds)
    os.kill(kernel.pid, signal.SIGCONT)
    run(["/usr/bin/python3", "-ISc", CALLS.replace("50_000", "1_000")], uid=WATCHED)
    (tmp_path / "go").touch()
    kernel.run(f"""
sent = b["sent"][0].value
assert sent >= 51_000
assert len(ring) + ring.lost == sent and ring.lost > 0, (ring, sent)
assert len(perf) + perf.lost == sent and perf.lost > 0, (perf, sent)
ours = sum(line.message == "stalled {WATCHED}" for line in lines.lines)
assert ours < sent <= ours + lines.lost, (ours, sent, lines)
""")
    assert memory(kernel) < before + 100
    kernel.run("b.close()\n" + LOAD + LINES)
