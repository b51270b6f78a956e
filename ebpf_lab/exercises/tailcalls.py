"""The exercises of chapter 4."""

import os
import tempfile

from ..bpf import BPF
from ..maps import to_frame
from ..reading.record import record
from ..testrun import fire
from ..workload import run
from .common import OTHER_USER, Result, check_at_sys_enter, exercise, fill_slot, listed, output_of


@exercise("probe")
def probe(b: BPF) -> Result:
    """A dispatcher that attaches itself to sys_enter jumps to `hello_exec` for each execve of WATCHED."""
    check_at_sys_enter(b)
    number = fill_slot(b, "execve", "hello_exec")
    run("/bin/true", times=23, uid=OTHER_USER)
    count = int(to_frame(b["jumps"]).value[number])
    sent, saw = f"23 programs started as user {OTHER_USER}", f"jumps has {count} for execve"
    if count != 23:
        return Result(False, "not each execve was a jump", sent, saw)
    return Result(True, "each execve is a jump", sent, saw)


@exercise("own-target")
def own_target(b: BPF) -> Result:
    """`hello_chdir`, in the slot of chdir, counts its jumps and sends pid and name of the folder."""
    output = output_of(b, "pid", "name")
    number = fill_slot(b, "chdir", "hello_chdir")
    b.attach_raw_tracepoint(tp="sys_enter", fn_name="hello")
    with tempfile.TemporaryDirectory(prefix="folder-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        with record(output) as events:
            pids = run(["/bin/sh", "-c", f"cd {folder}; cd /"], times=7, uid=OTHER_USER).pids
    frame, count = events.frame(), to_frame(b["jumps"]).value[number]
    names = {pid: set(frame[frame.pid == pid].name.astype(str)) for pid in pids}
    sent = f"7 shells of user {OTHER_USER}, each of which goes to {folder} and to /"
    saw = f"jumps has {count} for chdir; from pid {pids[0]}: {listed([names[pids[0]]])}"
    if count != 14:
        return Result(False, "not each of the 14 chdir was counted as a jump", sent, saw)
    if any(not {folder, "/"} <= named for named in names.values()):
        return Result(False, "not each folder was sent by its name", sent, saw)
    return Result(True, "each change of folder jumps to your target", sent, saw)


@exercise("chain")
def chain(b: BPF) -> Result:
    """`first` jumps to `second`, and that to `third`, which writes (input + 1) * 2 into `result`."""
    for slot, name in enumerate(("second", "third"), start=1):
        b["next"][slot] = b.load_func(name, BPF.SOCKET_FILTER)
    numbers = [7, 41, 12345]
    results = [_result(b, number) for number in numbers]
    del b["next"][2]
    without_third = _result(b, numbers[0])
    sent, saw = f"the numbers {', '.join(map(str, numbers))}", f"results: {', '.join(map(str, results))}"
    if results != [(number + 1) * 2 for number in numbers]:
        return Result(False, "the result is not (number + 1) * 2", sent, saw)
    if without_third:
        why = "with slot 2 empty there was a result all the same: third isn't reached by a jump"
        return Result(False, why, sent, saw)
    return Result(True, "three programs, one result", sent, saw)


def _result(b: BPF, number: int) -> int:
    """Run `first` with this input; what is in `result` then, 0 where nothing was written."""
    b["input"][0], b["result"][0] = type(b["input"][0])(number), type(b["result"][0])(0)
    fire(b, "first")
    return b["result"][0].value
