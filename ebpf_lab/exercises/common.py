"""What the exercises share: their table, the result of a check, and what a check asks of a program."""

import html
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bcc.table import TableBase

from ..bpf import BPF
from ..hooks import attached
from ..kernel import syscalls
from ..maps import to_frame
from ..reading.buffer_reader import BUFFERS, buffer_of
from ..reading.unpack import RAW

# A user that no program of this machine runs as, nor a check in another notebook, so that its counts are ours alone:
# above the uids that systemd and directory services give out. The dispatchers of chapter 4 know it as WATCHED.
OTHER_USER = 2_100_000_000 + 3 * os.getpid()


@dataclass(frozen=True)
class Result:
    """What check() found; true where the task is done.

    ``sent`` is the workload, ``saw`` what came of it, ``log`` the output of the compiler
    or the kernel where the program failed.
    """

    done: bool
    why: str
    sent: str = ""
    saw: str = ""
    log: str = ""

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        parts = [f"{'done' if self.done else 'not yet'}: {self.why}"]
        parts += [f"  sent: {self.sent}"] * bool(self.sent) + [f"  saw:  {self.saw}"] * bool(self.saw)
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        mark = "✓ Done" if self.done else "✗ Not yet"
        rows = "".join(
            f"<br><b>{name}</b> {html.escape(text)}"
            for name, text in (("Sent:", self.sent), ("Saw:", self.saw))
            if text
        )
        why = html.escape(self.why).replace("\n", "<br>")
        return (
            f"<div role='status'><b>{mark}.</b> <span style='white-space: pre-wrap'>{why}</span>{rows}</div>"
        )


class NotYet(Exception):
    """The program lacks what the exercise needs to be tried at all."""


Try = Callable[[BPF], Result]
EXERCISES: dict[str, Try] = {}  # name -> the function that tries a solution


def exercise(name: str) -> Callable[[Try], Try]:
    """Enter a function into the table of exercises: it drives the program that it is given, and judges."""

    def enter(function: Try) -> Try:
        EXERCISES[name] = function
        return function

    return enter


def fill_slot(b: BPF, syscall: str, fn_name: str) -> int:
    """Load ``fn_name`` into the slot of a system call in the program array `syscall`; returns its number."""
    number = syscalls.syscall_nr(syscall)
    b["syscall"][number] = b.load_func(fn_name, BPF.RAW_TRACEPOINT)
    return number


def output_of(b: BPF, *fields: str) -> TableBase:
    """The program's buffer `output`; NotYet where its events lack one of ``fields``."""
    output = b["output"]
    if not isinstance(output, BUFFERS):
        raise NotYet("output is no perf or ring buffer: BPF_RINGBUF_OUTPUT(output, 16) makes one")
    known = buffer_of(output).dtype.names or ()
    if fields and known == RAW.names:
        raise NotYet("no function sends a struct to output yet")
    if missing := [field for field in fields if field not in known]:
        raise NotYet(f"the events of output have no field {missing[0]}; they have: {', '.join(known)}")
    return output


def check_attached(b: BPF) -> None:
    """NotYet where the program has attached itself to nothing."""
    if not attached(b):
        raise NotYet("the program is attached to nothing: TRACEPOINT_PROBE names its own hook")


def check_at_sys_enter(b: BPF) -> None:
    """NotYet where the program has not attached itself to the raw tracepoint sys_enter."""
    if "rawtracepoint:sys_enter" not in attached(b):
        raise NotYet("it is not attached to the raw tracepoint sys_enter: RAW_TRACEPOINT_PROBE does that")


def counts_of(b: BPF) -> dict[int, int]:
    """{key: count} of the program's counter_table, whatever kind of map that is."""
    try:
        frame = to_frame(b["counter_table"])
    except TypeError as e:  # the learner's map is of a kind that can't be read
        raise NotYet(str(e)) from e
    if "key" not in frame:
        raise NotYet("the key of counter_table is not one number")
    return dict(zip(frame.key.tolist(), frame[frame.columns[-1]].tolist(), strict=True))


def listed(messages: Iterable[set[str]]) -> str:
    """At most four of the messages, as text."""
    found = sorted(set().union(*messages))
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return (", ".join(map(repr, found[:4])) + more) or "nothing"
