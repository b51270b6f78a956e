"""What several test files need."""

import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")

HELLO = """
int hello(void *ctx) {
 bpf_trace_printk("Hello World!");
 return 0;
}
"""


def kernel_has(function):
    """Whether the kernel has that function, by its own list; BCC's support_kfunc() sees none unless it is run by uid 0."""
    return f" {function}\n" in Path("/proc/kallsyms").read_text()


def clang():
    """The version of the clang that this process has loaded with libbcc."""
    loaded = re.search(r"lib(?:clang-cpp|LLVM)[-.](?:so\.)?(\d+)", Path("/proc/self/maps").read_text())
    return int(loaded[1])


def held():
    """What this process holds in the kernel: file descriptors, trace instances, reader threads."""
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(fd))
        except FileNotFoundError:  # the one that lists
            continue
    links = [link for link in links if not link.endswith(".ttf")]  # matplotlib keeps fonts, for each thread
    kernel = sorted(link for link in links if "bpf" in link or "perf_event" in link or "trace_pipe" in link)
    instances = sorted(
        path.name for path in Path("/sys/kernel/tracing/instances").glob(f"ebpf_lab-{os.getpid()}-*")
    )
    threads = sorted(thread.name for thread in threading.enumerate())
    return {"descriptors": kernel, "count": len(links), "instances": instances, "threads": threads}


def children():
    """The processes that this thread started and that are still there, by pid."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def until(condition, seconds=20):
    """Wait for ``condition()`` to be true; its value, or AssertionError after ``seconds``, longer in emulation."""
    deadline = time.monotonic() + seconds * int(os.environ.get("LAB_PATIENCE", 1))
    while not (value := condition()):
        assert time.monotonic() < deadline, "what the test waits for did not come"
        time.sleep(0.01)
    return value


def server_of(log):
    """(address, token) of the Jupyter server that writes to ``log``, once it answers; it prints them before."""
    found = until(lambda: re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", log.read_text()), 60)
    until(lambda: _answers(found[1]))
    return found[1], found[2]


def answers(client):
    """Whether a kernel that a server started answers this client; one that is still starting counts as dead to it."""
    try:
        client.wait_for_ready(timeout=5)
    except RuntimeError:
        return False
    return True


def _answers(address):
    try:
        return urllib.request.urlopen(f"{address}/api")
    except urllib.error.URLError:
        return None


def copied(target):
    """The lab's own files, as in a fresh clone, in the folder ``target``; returns it."""
    command = ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"]
    for file in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / file).is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target / file)
    return target
