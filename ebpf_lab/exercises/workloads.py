"""What the checks have done by processes, beyond run(): calls by a second thread, and names at the end of a page.

The main thread of a process has the process's number, so that only another thread tells whether a program takes
the right half of bpf_get_current_pid_tgid(). A name that ends with its page can't be copied by its field's size:
what lies behind it is not there.
"""

import os
import shutil
import subprocess
import sys

from ..diagnostics.errors import SetupError
from ..workload import Processes, run

# A user that no program of this machine runs as, nor a check in another notebook, so that its counts are ours alone:
# above the uids that systemd and directory services give out. The dispatchers of chapter 4 know it as WATCHED.
OTHER_USER = 2_100_000_000 + 3 * os.getpid()
GROUP = OTHER_USER + 1  # its group has another number, which tells a count per group from one per user
STRANGER = OTHER_USER + 2  # a user whom nobody watches

_PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable  # one that other users may run, too
# Every second process makes a thread more, so that the numbers of both are odd and even by turns.
_EXECS = """
import os, sys, threading
def start():
    os.write(1, b"%d %d\\n" % (os.getpid(), threading.get_native_id()))
    os.execv("/bin/true", ["true"])
for n in range(int(sys.argv[1])):
    if os.fork() == 0:
        for target in [int] * (n % 2) + [start]:
            thread = threading.Thread(target=target)
            thread.start(), thread.join()
    os.wait()
"""
_CALLS = """
import ctypes, mmap, sys, threading
libc, where, call = ctypes.CDLL(None), sys.argv[1], sys.argv[2]
for name in sys.argv[3:]:
    text, pages = name.encode() + b"\\0", mmap.mmap(-1, 2 * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    pages[mmap.PAGESIZE - len(text):mmap.PAGESIZE] = text
    libc.mprotect(ctypes.c_void_p(start + mmap.PAGESIZE), mmap.PAGESIZE, 0)
    pointer = ctypes.c_void_p(start + mmap.PAGESIZE - len(text))
    arguments = (pointer,) if call == "chdir" else (-100, pointer, 0)  # AT_FDCWD
    thread = threading.Thread(target=getattr(libc, call), args=arguments)
    thread.run() if where == "main" else (thread.start(), thread.join())
"""


def execs_by_threads(times: int) -> list[tuple[int, int]]:
    """[(process, thread)]: that many processes, in each of which another thread than the main one calls execve, once."""
    command = [_PYTHON, "-ISc", _EXECS, str(times)]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise SetupError(f"The check needs {_PYTHON}, which failed: {e}") from e
    pairs = [line.split() for line in output.splitlines()]
    return [(int(process), int(thread)) for process, thread in pairs]


def call_by_name(thread: str, call: str, *names: str, uid: int | None = None) -> Processes:
    """A process whose ``thread``, "main" or "second", makes the ``call`` for each name; each ends with its page."""
    command = [_PYTHON, "-ISc", _CALLS, thread, call, *names]
    return run(command, uid=uid, gid=None if uid is None else GROUP)
