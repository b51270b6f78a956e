"""watch: what the kernel says, live on the screen.

The only place that imports widgets and matplotlib. It holds no kernel logic:
a view looks at what events and maps read, and sets the traits that its
JavaScript draws.
"""

from bcc.table import PerfEventArray, RingBuf, TableBase

from ..bpf import BPF


def watch(source, key=None):
    """Show a program's trace lines, its events, or a map, live; returns a widget, the same one for each call.

    ``watch(b)``: the trace lines, with Start/Stop, Clear and a filter (rows with that text),
    counts and rate, and a badge for lost lines. ``watch(b["output"])``: the same for the events of a perf
    or ring buffer, a column for each field of their struct.

    ``watch(b["counter_table"])``: a bar for each key of a hash, array or per-CPU map with
    one number in it, the twenty largest, with the change in the last second, and
    a table beside it; for other maps the table alone. ``key`` says what the keys
    are: "uid" (shown as user names), "syscall" (as names of system calls) or any
    other word. Without it, the program's own text is asked: the name of the variable that it
    looks the map up with.

    A view goes on while other cells run, and ends with its program. ``str()`` gives
    it as text, for where widgets can't be shown. Raises what record() or to_frame() raise.
    """
    if isinstance(source, BPF):
        from .stream import TraceView as View

        of = (source,)
    elif isinstance(source, PerfEventArray | RingBuf):
        from .stream import BufferView as View

        of = (source,)
    elif isinstance(source, TableBase):
        from .map import MapView as View

        of = (source, key)
    else:
        raise TypeError(
            f"watch() takes a program, watch(b), or a map of one; {type(source).__name__} is neither."
        )
    view = View.shown_for(*of)
    view.running = True
    return view
