"""Chapters in a real notebook kernel: run again and again, interrupted, killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import nbformat
import pytest
from helpers import until
from jupyter_client.manager import start_new_kernel

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
# Not counted: what comes and goes without us. Jupyter's messages take an eventfd for a while, IPython's
# history a journal, and matplotlib keeps its fonts open for each thread that draws.
STATE = """
import gc, os, threading
from pathlib import Path
gc.collect()
links = []
for fd in Path("/proc/self/fd").iterdir():
    try:
        links.append(os.readlink(fd))
    except FileNotFoundError:  # closed meanwhile by another thread
        pass
others = [link for link in links if "[eventfd]" in link or "history.sqlite" in link or link.endswith(".ttf")]
print(len(links) - len(others), threading.active_count())
"""
LOAD = """
from ebpf_lab import BPF, attach, record, run
program = '\\nint hello(void *ctx) {\\n  bpf_trace_printk("Hello");\\n  return 0;\\n}\\n'
b = BPF(text=program)
attach(b, syscall="execve", fn_name="hello")
"""
ENDLESS = """
with record(b) as lines:
    print("recording")
    while True:
        run("/bin/true", times=100)
"""


class Kernel:
    """A notebook's kernel, as the kernelspec starts it."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=NOTEBOOKS[0].parent)
        self.pid = self.manager.provisioner.pid

    def run(self, code):
        """Run ``code`` -> what it printed; an error is raised as AssertionError."""
        printed = []
        self.client.execute_interactive(code, timeout=120, output_hook=printed.append)
        errors = [m["content"] for m in printed if m["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return "".join(m["content"]["text"] for m in printed if m["msg_type"] == "stream")

    def start(self, code, sign):
        """Begin ``code``, and return when it has printed ``sign``."""
        self.client.execute(code)
        while sign not in str(self.client.get_iopub_msg(timeout=120)["content"].get("text", "")):
            pass

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def nothing_left_behind():
    """Not for these: they look into the notebook's process, and Jupyter's client keeps threads in ours."""


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.stop()


def in_linux():
    """Programs and maps that the kernel has, by bpftool, and the lab's trace instances."""
    kinds = {}
    for kind in ("prog", "map"):
        shown = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=True).stdout
        kinds[kind] = {entry["id"] for entry in json.loads(shown)}
    kinds["instances"] = set(Path("/sys/kernel/tracing/instances").glob("ebpf_lab-*"))
    return kinds


def nothing_new_since(before, *kinds):
    now = in_linux()
    return all(now[kind] <= before[kind] for kind in kinds or before)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_ten_runs_of_a_chapter_leave_nothing(path, kernel):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    before, states = in_linux(), []
    for _ in range(10):
        for cell in cells:
            if "raises-exception" in cell.metadata.get("tags", []):
                with pytest.raises(AssertionError):
                    kernel.run(cell.source)
            else:
                kernel.run(cell.source)
        states.append(until(lambda: settled(kernel)))
    descriptors, threads = zip(*states, strict=True)
    assert descriptors[-1] <= descriptors[0] and threads[-1] <= threads[0], states
    kernel.stop()
    until(lambda: nothing_new_since(before))


def settled(kernel):
    """(descriptors, threads) of the kernel, once the reader threads have ended; None before."""
    state = kernel.run(STATE)
    return tuple(map(int, state.split())) if state == kernel.run(STATE) else None


def test_an_interrupt_while_recording_leaves_everything_usable(kernel):
    kernel.run(LOAD)
    kernel.start(ENDLESS, "recording")
    kernel.manager.interrupt_kernel()
    kernel.run("pids = run('/bin/true', times=3).pids")
    kernel.run(
        "with record(b) as again: pids = run('/bin/true', times=23).pids\nassert set(pids) <= {l.pid for l in again.lines}"
    )


def test_after_kill_9_under_load_the_next_load_sweeps(kernel):
    before = in_linux()
    kernel.run(LOAD)
    kernel.start(ENDLESS, "recording")
    left = Path(f"/sys/kernel/tracing/instances/ebpf_lab-{kernel.pid}-0")
    assert left.exists()
    os.kill(kernel.pid, signal.SIGKILL)
    until(lambda: nothing_new_since(before, "prog", "map"))
    assert left.exists()
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    kernel.run(LOAD)
    assert not left.exists()
    kernel.run("b.close()")
    until(lambda: nothing_new_since(before))
