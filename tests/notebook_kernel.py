"""A notebook's kernel as tests use it, and what Linux holds of it."""

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


class Kernel:
    """A notebook's kernel, as the kernelspec starts it."""

    def __init__(self, seconds=120):
        self.seconds = seconds  # that a cell may take
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=NOTEBOOKS[0].parent)
        self.pid = self.manager.provisioner.pid

    def run(self, code):
        """Run ``code`` -> what it printed; an error is raised as AssertionError."""
        printed = []
        self.client.execute_interactive(code, timeout=self.seconds, output_hook=printed.append)
        errors = [m["content"] for m in printed if m["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return "".join(m["content"]["text"] for m in printed if m["msg_type"] == "stream")

    def run_cell(self, cell):
        """Run a notebook's cell, which fails if it is meant to."""
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

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def in_linux():
    """Programs and maps that the kernel has, by bpftool, and the lab's trace instances and pins."""
    kinds = {}
    for kind in ("prog", "map"):
        shown = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=True).stdout
        kinds[kind] = {entry["id"] for entry in json.loads(shown)}
    kinds["instances"] = set(Path("/sys/kernel/tracing/instances").glob("ebpf_lab-*"))
    kinds["pins"] = set(Path("/sys/fs/bpf").glob("ebpf_lab-*"))
    return kinds


def nothing_new_since(before, *kinds):
    now = in_linux()
    return all(now[kind] <= before[kind] for kind in kinds or before)


def programs_of(pid):
    """The ids of the programs that a process holds."""
    files = Path(f"/proc/{pid}/fdinfo").iterdir()
    return {int(id_) for file in files for id_ in re.findall(r"^prog_id:\s*(\d+)", file.read_text(), re.M)}


def code_of(path):
    """The code cells of a notebook."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def settled(kernel):
    """(descriptors, threads) of the kernel, once the reader threads have ended; None before."""
    state = kernel.run(STATE)
    return tuple(map(int, state.split())) if state == kernel.run(STATE) else None
