import subprocess

from ebpf_lab import BPF
from ebpf_lab.kernel import leftovers, tracefs


def test_what_dead_processes_left_is_swept_and_that_of_living_ones_stays():
    gone = subprocess.Popen(["true"])
    gone.wait()
    pinned = leftovers.BPFFS / f"ebpf_lab-{gone.pid}-counts"
    BPF(text=f'\nBPF_TABLE_PINNED("hash", u64, u64, counts, 8, "{pinned}");\n').close()
    dead = tracefs.root() / "instances" / f"ebpf_lab-{gone.pid}-0"
    dead.mkdir()
    living = tracefs.make_instance()
    try:
        leftovers.sweep()  # Another test's load may have swept before.
        assert living.exists() and not dead.exists() and not pinned.exists()
    finally:
        living.rmdir()
