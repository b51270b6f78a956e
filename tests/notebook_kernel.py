"""A notebook's kernel as tests use it, and what Linux has of it."""

import contextlib
import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

LOAD = """
from ebpf_lab import BPF, attach, record, run, watch
program = '\\nint hello(void *ctx) {\\n  bpf_trace_printk("Hello");\\n  return 0;\\n}\\n'
b = BPF(text=program)
attach(b, syscall="execve", fn_name="hello")
"""
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
# Not counted is what comes and goes by itself: Jupyter's messages take an eventfd for a while, IPython's
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


class Kernel:
    """A notebook's kernel, as the kernelspec starts it."""

    def __init__(self, seconds=120):
        self.seconds = seconds  # that a cell may take
        self.made = set()  # what it had in Linux after any of its cells
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=NOTEBOOKS[0].parent)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def run(self, code):
        """Run ``code`` and return what it printed; an error is raised as AssertionError."""
        printed = []
        self.client.execute_interactive(code, timeout=self.seconds, output_hook=printed.append)
        self.made |= objects_of(self.pid) | paths_of(self.pid)
        errors = [m["content"] for m in printed if m["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return "".join(m["content"]["text"] for m in printed if m["msg_type"] == "stream")

    def run_cell(self, cell):
        """Run a notebook's cell, which must fail if it is tagged so."""
        if "raises-exception" in cell.metadata.get("tags", []):
            with pytest.raises(AssertionError):
                self.run(cell.source)
        else:
            self.run(cell.source)

    def start(self, code, sign):
        """Begin ``code``, and return when it has printed ``sign``."""
        self.client.execute(code)
        while sign not in str(self.client.get_iopub_msg(timeout=120)["content"].get("text", "")):
            pass
        self.made |= objects_of(self.pid) | paths_of(self.pid)

    def remains(self):
        """What Linux still has of all that this kernel, also before a restart, had after any of its cells."""
        return still_there(self.made)

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def objects_of(pid):
    """The BPF objects that a process has open, as ("prog", id) and ("map", id)."""
    opened = set()
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # The process closed it meanwhile.
            opened |= set(re.findall(r"^(prog|map)_id:\s*(\d+)", file.read_text(), re.M))
    return opened


def paths_of(pid):
    """The trace instances and pins of a process, which Linux keeps when the process is killed."""
    folders = Path("/sys/kernel/tracing/instances"), Path("/sys/fs/bpf")
    return {path for folder in folders for path in folder.glob(f"ebpf_lab-{pid}-*")}


def still_there(objects):
    """Those of ``objects`` that Linux still has."""
    there = {thing for thing in objects if isinstance(thing, Path) and thing.exists()}
    for kind in ("prog", "map"):
        shown = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=True).stdout
        there |= objects & {(kind, str(entry["id"])) for entry in json.loads(shown)}
    return there


def code_of(path):
    """The code cells of a notebook."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def settled(kernel):
    """(descriptors, threads) of the kernel, once the reader threads have ended; None before."""
    state = kernel.run(STATE)
    return tuple(map(int, state.split())) if state == kernel.run(STATE) else None
