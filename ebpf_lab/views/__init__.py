"""watch, draw, explain: what the kernel does, live on the screen, and what it made of a program.

The only place that imports widgets and matplotlib. It holds no kernel logic: a view looks at what reading/,
maps and inspect/ give, and sets the traits that its JavaScript draws. live.py is the base of the live ones.
"""

from typing import TYPE_CHECKING, Any

from bcc.table import ProgArray, QueueStack, TableBase

from .. import testrun
from ..bcc_maps import PerfEventArray, RingBuf
from ..bpf import BPF

if TYPE_CHECKING:
    from .live import LiveView
    from .program import ProgramView
    from .ring import RingView


def watch(source: Any, key: str | None = None) -> "LiveView":
    """Show a program's trace lines, its events, or a map, live; returns a widget, the same one for each call.

    ``watch(b)``: the trace lines, with Start/Stop, Clear and a filter (rows with that text),
    counts and rate, and a badge for lost lines. ``watch(b["output"])``: the same for the events of a perf
    or ring buffer, one column per field of their struct.

    ``watch(b["counter_table"])``: a bar for each key of a hash, array or per-CPU map with
    one number in it, the twenty largest, with the change in the last second, and
    a table beside it; for other maps the table alone. ``key`` says what the keys
    are: "uid" (shown as user names), "syscall" (as names of system calls) or any
    other word. Without it, it is the name of the variable that the program looks the map up with.
    A BPF_HISTOGRAM has its buckets in order, with their ranges where the program uses bpf_log2l().

    ``watch(b["syscall"])``, of a program array: a picture of the jump table, the dispatcher, the
    filled slots and the programs in them, how often each slot was jumped to and how often a jump
    found its slot empty, and the last jump. The counts are read from the program's map ``jumps``,
    BPF_ARRAY(jumps, u64, slots + 1) with the empty ones last. ``key="syscall"`` says that slots are numbers of
    system calls; without it, the array's name or the variable given to its call() says so.

    A view goes on while other cells run, and ends with its program. ``str()`` gives
    it as text, for where widgets can't be shown. Raises what record() or to_frame() raise.
    """
    view = _view_of(source, key)
    if key and hasattr(view, "key"):
        view.key = key
        view.look()
    view.running = True
    return view


def _view_of(source: Any, key: str | None) -> Any:
    if isinstance(source, BPF):
        from .stream import TraceView

        return TraceView.shown_for(source)
    if isinstance(source, PerfEventArray | RingBuf):
        from .stream import BufferView

        return BufferView.shown_for(source)
    if isinstance(source, ProgArray):
        from .jumps import JumpView

        return JumpView.shown_for(source, key=key)
    if isinstance(source, TableBase | QueueStack):
        from .map import MapView

        return MapView.shown_for(source, key=key)
    raise TypeError(
        f"watch() takes a program, watch(b), or a map of one; {type(source).__name__} is neither."
    )


def draw(ring: Any, fire: str | None = None) -> "RingView":
    """Draw a ring buffer live, ``draw(b["output"], fire="burst")``; returns a widget, the same one for each call.

    What moves is the kernel's memory: the reader's and the writer's positions, in bytes, and the
    records between them, read from the buffer's own pages ten times a second. While it is drawn,
    the slider says how fast records are read, at first not at all, and Read one reads one;
    the end of a record() block still reads all. ``fire`` names a function of the program that Write one
    runs once in the kernel, with BPF_PROG_TEST_RUN. Where a callback reads the buffer, the slider and Read one are off.

    Drops are what the program counts in its map ``lost``. The view ends with its program. ``str()`` gives it as text.
    Raises TypeError for what is no ring buffer, LabError where the program has no such
    function, VerifierError, and MapError for a ``lost`` that is no array.
    """
    if isinstance(ring, PerfEventArray):
        raise TypeError(
            "draw() takes a ring buffer. This is a perf buffer: one for each CPU, so that there is no one ring "
            'to draw. BPF_RINGBUF_OUTPUT makes a ring buffer; record(b["output"]) reads both.'
        )
    if not isinstance(ring, RingBuf):
        raise TypeError(f'draw() takes a ring buffer, draw(b["output"]), not {type(ring).__name__}.')
    from .ring import RingView

    if fire:
        testrun.loaded(ring.bpf, fire)  # raises here what the button could only show
    view = RingView.shown_for(ring)
    view.fire = fire or view.fire
    return view


def explain(bpf: BPF, name: str) -> "ProgramView":
    """Show what the kernel made of a loaded function: ``explain(b, "hello")``; returns a widget.

    Three columns: the program's source; the bytecode as the verifier left it; the machine
    code as the JIT compiler left it, or what withholds it. What comes from one line has one colour and
    that line's number, and is marked when the pointer is on any of it. Above: sizes, maps, and the runs
    that the kernel counted since the first explain() of this program. It does not
    change afterwards: call it again for newer counts. ``str()`` gives it as text.

    Raises LabError where the program has no such function, or has not loaded it yet,
    and UnloadedError for a program that was unloaded. Needs CAP_BPF; run counts need CAP_SYS_ADMIN,
    the machine code and the names of the kernel's functions CAP_SYSLOG.
    """
    from ..inspect.program import look
    from .program import ProgramView

    return ProgramView(look(bpf, name))
