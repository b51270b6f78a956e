"""run: a known workload, so that what a program saw can be compared with what was done."""

import ctypes
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from .kernel import uapi
from .loading.interrupts import held_back

_libc = ctypes.CDLL(None)


@dataclass
class Processes:
    """The processes that run() started, in that order."""

    command: list[str]
    pids: list[int] = field(default_factory=list)
    returncodes: list[int] = field(default_factory=list)

    def __len__(self):
        return len(self.pids)

    def __repr__(self):
        shown = ", ".join(map(str, self.pids[:3])) + (", ..." if len(self.pids) > 3 else "")
        failed = sum(code != 0 for code in self.returncodes)
        ended = f"; {failed} ended with an error" if failed else ""
        return f"<{len(self.pids)} x {shlex.join(self.command)}: pids {shown}{ended}>"


def run(command, times=1, *, uid=None, parallel=False, seconds=180):
    """Run ``command`` ``times`` times and wait for it; returns the pids.

    One after the other, or with ``parallel`` all at once.

    ``command`` is a string as one types it, or a list. It is looked up in PATH
    before anything starts, so that each process makes exactly one execve.
    ``uid`` is the user (a number) to run it as. What the processes print is not
    kept. After ``seconds`` for all of them, or when interrupted, what still
    runs is killed; running out of time raises TimeoutError. A process run as
    another user gets none of this process's capabilities.
    """
    if isinstance(command, bytes):
        raise TypeError("run() takes a command as a str or a list of str, not bytes")
    words = shlex.split(command) if isinstance(command, str) else [os.fsdecode(word) for word in command]
    if not words:
        raise ValueError("run() needs a command, such as run('/bin/true')")
    if isinstance(times, bool) or not isinstance(times, int) or times < 0:
        raise ValueError(f"times is how often to run the command: a whole number, not {times!r}")
    if uid is not None and not (isinstance(uid, int) and 0 <= uid < 2**32 - 1):  # -1 would mean: as it is
        raise ValueError(f"uid is the number of a user, not {uid!r}")
    path = shutil.which(words[0])
    if not path:
        raise FileNotFoundError(
            f"run(): there is no command {words[0]!r} in {os.environ.get('PATH', 'PATH')}"
        )
    identity = {} if uid is None else {"user": uid, "group": uid, "extra_groups": [], "preexec_fn": _give_up}
    started = Processes([os.path.abspath(path), *words[1:]])
    deadline = time.monotonic() + seconds
    running = []
    try:
        for _ in range(times):
            with held_back():  # between its start and our knowing of it, none could end the process
                running.append(
                    subprocess.Popen(
                        started.command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        **identity,
                    )
                )
            started.pids.append(running[-1].pid)
            if not parallel:
                _wait(running, started, deadline)
        _wait(running, started, deadline)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"run(): {seconds} s were not enough: {len(started.returncodes)} of {times} x "
            f"{shlex.join(started.command)} had ended. Give it more: run(..., seconds=...)"
        ) from None
    finally:
        for process in running:
            process.kill()
            process.wait()
    return started


def _wait(running, started, deadline):
    """Wait for all that are ``running``, and note their exit codes."""
    while running:
        started.returncodes.append(running[0].wait(timeout=max(0, deadline - time.monotonic())))
        running.pop(0)


def _give_up():
    """Drop what a notebook's kernel hands on: ambient capabilities outlive a change from one user to another."""
    _libc.prctl(uapi.PR_CAP_AMBIENT, uapi.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
