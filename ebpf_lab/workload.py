"""run: a known workload, so that what a program saw can be compared with what happened."""

import ctypes
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

from .kernel import uapi
from .loading.interrupts import held_back

_libc = ctypes.CDLL(None)


@dataclass
class Processes:
    """The processes that run() started, in that order."""

    command: list[str]
    pids: list[int] = field(default_factory=list)
    returncodes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pids)

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.pids[:3])) + (", ..." if len(self.pids) > 3 else "")
        failed = sum(code != 0 for code in self.returncodes)
        ended = f"; {failed} ended with an error" if failed else ""
        return f"<{len(self.pids)} x {shlex.join(self.command)}: pids {shown}{ended}>"


def run(
    command: str | list[str],
    times: int = 1,
    *,
    uid: int | None = None,
    gid: int | None = None,
    parallel: bool = False,
    seconds: float = 180,
) -> Processes:
    """Run ``command`` ``times`` times, one after the other or with ``parallel`` all at once, and wait for it.

    ``command`` is a string as one types it, or a list. It is looked up in PATH
    before anything starts, so that each process makes exactly one execve. Its
    output is discarded. ``uid`` is the user (a number) to run it as, and ``gid`` that user's group, of the
    same number unless you say another; a process of another user gets none of this process's capabilities.

    ``seconds`` is the time for all of them: what runs longer is killed, and raises
    TimeoutError. An interrupt kills it too.
    """
    argv = _argv(command)
    _check_numbers(times, uid, gid)
    deadline = time.monotonic() + seconds
    started = Processes(argv)
    running: list[subprocess.Popen] = []
    try:
        for _ in range(times):
            with held_back():  # an interrupt between the start and the append would leave the process running
                running.append(_start(argv, uid, gid))
            started.pids.append(running[-1].pid)
            if not parallel:
                _wait(running, started, deadline)
        _wait(running, started, deadline)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"run(): {seconds} s were not enough: {len(started.returncodes)} of {times} x "
            f"{shlex.join(argv)} had ended. Give it more: run(..., seconds=...)"
        ) from None
    finally:
        for process in running:
            process.kill()
            process.wait()
    return started


def _argv(command: str | list[str]) -> list[str]:
    """The command and its arguments, with the command's whole path."""
    if isinstance(command, bytes):
        raise TypeError("run() takes a command as a str or a list of str, not bytes")
    argv = shlex.split(command) if isinstance(command, str) else [os.fsdecode(one) for one in command]
    if not argv:
        raise ValueError("run() needs a command, such as run('/bin/true')")
    path = shutil.which(argv[0])
    if not path:
        raise FileNotFoundError(f"run(): there is no command {argv[0]!r} in {os.environ.get('PATH', 'PATH')}")
    return [os.path.abspath(path), *argv[1:]]


def _check_numbers(times: int, uid: int | None, gid: int | None) -> None:
    if isinstance(times, bool) or not isinstance(times, int) or times < 0:
        raise ValueError(f"times is how often to run the command: a whole number, not {times!r}")
    for number, whose in ((uid, "uid is the number of a user"), (gid, "gid is the number of a group")):
        # To the kernel, -1 is "no change".
        if number is not None and not (isinstance(number, int) and 0 <= number < 2**32 - 1):
            raise ValueError(f"{whose}, not {number!r}")
    if gid is not None and uid is None:
        raise ValueError("gid is the group of another user: give run() that user's uid, too")


def _start(argv: list[str], uid: int | None, gid: int | None) -> subprocess.Popen:
    quiet = subprocess.DEVNULL
    user: dict[str, Any] = {}
    if uid is not None:
        group = uid if gid is None else gid
        user = {"user": uid, "group": group, "extra_groups": [], "preexec_fn": _drop_ambient}
    return subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet, **user)


def _wait(running: list[subprocess.Popen], started: Processes, deadline: float) -> None:
    """Wait for all that are ``running``, and note their exit codes."""
    while running:
        started.returncodes.append(running[0].wait(timeout=max(0, deadline - time.monotonic())))
        running.pop(0)


def _drop_ambient() -> None:
    """Drop the ambient capabilities of a notebook's kernel: they outlive a change from one user to another."""
    _libc.prctl(uapi.PR_CAP_AMBIENT, uapi.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
