"""What the exercises share: their table, and what a check asks of a program before and after it drives it."""

from collections.abc import Callable
from typing import NamedTuple

from bcc import table as bcc_table

from ..bcc_maps import map_names
from ..bpf import BPF
from ..hooks import attach, attached
from ..inspect.bytecode import LOAD_64, MAP, instructions
from ..kernel import syscalls
from ..maps import PER_CPU, to_frame
from ..reading.buffer_reader import BUFFERS, buffer_of
from ..reading.unpack import RAW
from .verdict import NotYet, Result

Try = Callable[[BPF], Result]


class Exercise(NamedTuple):
    """How a program is tried as a solution, and what to try once it is one."""

    try_out: Try
    next: str


EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, next: str) -> Callable[[Try], Try]:
    """Enter a function into the table of exercises: it drives the program that it is given, and judges."""

    def enter(function: Try) -> Try:
        EXERCISES[name] = Exercise(function, next)
        return function

    return enter


def check_function(b: BPF, name: str) -> None:
    """NotYet where the program has no function ``name``."""
    if name not in b.functions:
        raise NotYet(f"there is no function named {name!r} yet; {_what_is_there(b)}")


def put_at(b: BPF, syscall: str, fn_name: str) -> None:
    """Attach ``fn_name`` to the entry of a system call, unless the program has attached itself there."""
    entries = (f":sys_enter_{syscall}", f"_sys_{syscall}")
    if fn_name in b.functions:
        attach(b, syscall=syscall, fn_name=fn_name)
    elif not any(hook.endswith(entries) for hook in attached(b)):
        raise NotYet(f"there is no function named {fn_name!r} yet, nor one at {syscall}; {_what_is_there(b)}")


def _what_is_there(b: BPF) -> str:
    own = [name for name in b.functions if not name.startswith(("tracepoint__", "raw_tracepoint__"))]
    hooks = f"; it is attached to {', '.join(attached(b))}" if attached(b) else ""
    return f"the program has {', '.join(own) or 'no function that a check could attach'}{hooks}"


def fill_slot(b: BPF, syscall: str, fn_name: str) -> int:
    """Load ``fn_name`` into the slot of a system call in the program array `syscall`; returns its number."""
    number = syscalls.syscall_nr(syscall)
    check_function(b, fn_name)
    map_of(b, "syscall")[number] = b.load_func(fn_name, BPF.RAW_TRACEPOINT)
    return number


def map_of(b: BPF, name: str) -> bcc_table.TableBase:
    """The program's map of that name; NotYet where there is none."""
    if name not in (known := map_names(b)):
        raise NotYet(f"there is no map named {name} yet; the program's maps: {', '.join(known) or 'none'}")
    return b[name]


def output_of(b: BPF, *fields: str) -> bcc_table.TableBase:
    """The program's buffer `output`; NotYet where its events lack one of ``fields``."""
    output = map_of(b, "output")
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
    """NotYet where the program has not attached itself to where all system calls begin."""
    if not {"rawtracepoint:sys_enter", "tracepoint:raw_syscalls:sys_enter"} & set(hooks := attached(b)):
        raise NotYet(
            f"it is not attached to the raw tracepoint sys_enter, but to {', '.join(hooks) or 'nothing'}: "
            "RAW_TRACEPOINT_PROBE(sys_enter), in place of a function's head, attaches it there"
        )


def counts_of(b: BPF, name: str = "counter_table") -> dict[int, int]:
    """{key: count} of a map of counters, of whatever kind; a count of 0 is none."""
    try:
        frame = to_frame(map_of(b, name))
    except TypeError as e:  # the learner's map is of a kind that can't be read
        raise NotYet(str(e)) from e
    key, *values = frame.columns
    if not (values == ["value"] or values[-1:] == ["total"]) or {
        frame[key].dtype.kind,
        frame[values[-1]].dtype.kind,
    } - set("iu"):
        raise NotYet(f"the entries of {name} are not one number as the key and one as the count")
    return {
        key: count
        for key, count in zip(frame[key].tolist(), frame[values[-1]].tolist(), strict=True)
        if count
    }


def not_atomic(b: BPF, name: str) -> str:
    """Which function changes numbers of a map that all CPUs share without an atomic instruction, as a sentence, or ''."""
    table = map_of(b, name)
    if isinstance(table, PER_CPU):
        return ""
    for function in b.functions:
        code = instructions(b.dump_func(function.encode()))
        uses = any(one.opcode == LOAD_64 and one.src in MAP and one.imm == table.map_fd for one in code)
        if uses and not any(one.atomic for one in code):
            return (
                f"nothing was lost this time, but it can be: {_readable(function)} reads a count of {name}, adds and "
                "writes in three steps, and two CPUs can do so at once. Add atomically, or give each CPU its own value"
            )
    return ""


def _readable(function: str) -> str:
    """A function's name, or the macro that stands in its place."""
    raw, tracepoint = function.removeprefix("raw_tracepoint__"), function.removeprefix("tracepoint__")
    if raw != function:
        return f"RAW_TRACEPOINT_PROBE({raw})"
    return function if tracepoint == function else f"TRACEPOINT_PROBE({tracepoint.replace('__', ', ', 1)})"
