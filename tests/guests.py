"""Tests in guests of QEMU: the lines that a guest prints, its end with this program at the latest, and its results."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import results
from helpers import ROOT

CHAPTERS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
# What pytest gets in a guest, which may be emulated.
PATIENT = ["-v", "-p", "no:cacheprovider", "--nbval-kernel-startup-timeout=600", "--nbval-cell-timeout=900"]
PATIENT += ["-o", "timeout=1800"]
# A guest ends with this program, however that ends. vng starts QEMU through others, which only a name space of processes
# ends with it; that takes root.
ENDED = ["setpriv", "--pdeathsig", "KILL"]
ENDED += ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] if os.geteuid() == 0 else []
_guests: set[int] = set()  # process groups


@contextmanager
def booted(command: Sequence[str | Path], seconds: int, **env: str) -> Iterator[IO[str]]:
    """The lines that the guest of ``command`` prints; it is ended with the block, or after so many seconds."""
    guest = subprocess.Popen(
        [*ENDED, *command], env=os.environ | env, start_new_session=True, text=True,
        errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert guest.stdout
    _guests.add(guest.pid)
    clock = threading.Timer(seconds, _end, [guest.pid])
    clock.start()
    try:
        yield guest.stdout
    finally:
        clock.cancel()
        _end(guest.pid)
        _guests.remove(guest.pid)
        guest.wait()
        guest.stdout.close()


def _end(guest: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(guest, signal.SIGKILL)  # QEMU too


def interruptible() -> None:
    """Let the signals that end this program end its guests, too: each raises KeyboardInterrupt."""
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)


def in_pairs(test: Callable[..., Any], parts: Sequence[Sequence[Any]]) -> list[Any]:
    """[test(*part) for part in parts], two at a time."""
    interruptible()
    with ThreadPoolExecutor(2) as pool:
        try:
            return list(pool.map(lambda part: test(*part), parts))
        except KeyboardInterrupt:
            for guest in tuple(_guests):  # the pool waits for them
                _end(guest)
            sys.exit("Ended before the tests were")


def result_in(folder: str | Path) -> dict[str, Any] | None:
    """What pytest in the guest left there of a whole run (LAB_RESULTS); None if it did not end."""
    return next((json.loads(path.read_text()) for path in Path(folder).glob("*.json")), None)


def failed(found: list[dict[str, Any] | None], whole: bool) -> bool:
    """Whether a guest left no result, or one with failures; a ``whole`` run's are kept and shown as a table."""
    if whole:  # Else the table would show a part as the whole.
        for result in filter(None, found):
            results.add(result, results.FOLDER)
        print("\n" + results.kernels())
    groups = [counts for result in filter(None, found) for counts in result["groups"].values()]
    return not all(found) or any({"failed", "error"} & set(counts) for counts in groups)
