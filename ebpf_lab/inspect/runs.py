"""How often, and how long, the functions of a program ran, as the kernel counts it."""

import os
import time

from ..bpf import BPF
from ..kernel import proginfo, uapi
from ..maps import to_frame


def runs(bpf: BPF, fd: int, program_arrays: list[str]) -> str:
    """How often the loaded function ``fd`` ran since this was first asked for ``bpf``, as text.

    ``program_arrays`` are the maps from which a tail call may reach it: such runs the kernel doesn't count.
    """
    try:
        counter = bpf.own("run counter", lambda: _Counter(bpf))
    except OSError as e:
        return f"not counted: {e.strerror} (it takes CAP_SYS_ADMIN)"
    info = proginfo.of_program(fd)
    by_tail_call = any(info.id in to_frame(bpf[name]).value.tolist() for name in program_arrays)
    return counter.runs(info, by_tail_call)


class _Counter:
    """Has the kernel count runs from now on, until close(); OSError where that isn't allowed.

    The kernel counts while a descriptor of BPF_ENABLE_STATS is open. Its counts stay when the descriptor
    is closed, and go on with the next one. So what was counted earlier is subtracted.
    """

    def __init__(self, bpf: BPF) -> None:
        infos = [proginfo.of_program(function.fd) for function in bpf.funcs.values()]
        self._earlier = {info.id: (info.run_cnt, info.run_time_ns) for info in infos}
        self._fd = proginfo.count_runs()
        self._since = time.strftime("%H:%M:%S")

    def close(self) -> None:
        os.close(self._fd)

    def runs(self, info: uapi.ProgInfo, by_tail_call: bool) -> str:
        earlier_count, earlier_ns = self._earlier.get(info.id, (0, 0))
        count, time_ns = info.run_cnt - earlier_count, info.run_time_ns - earlier_ns
        if by_tail_call and not count:
            return "not counted by the kernel: reached by tail call"
        each = f", on average {time_ns / count:,.0f} ns each" if count else ""
        tail = "; those by tail call are not" if by_tail_call else ""
        return f"{count:,}{each} (counted since {self._since}{tail})"
