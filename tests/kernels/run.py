"""./lab test --kernel IMAGE: the tests that depend on the kernel, run on another one than this machine's.

virtme-ng boots the kernel in QEMU with this machine's files as its own, read-only: .venv, BCC and the
project are the same there. With KVM where that really works, else in emulation, which is about twenty
times slower.
"""

import os
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import guests  # noqa: E402
from helpers import CACHE  # noqa: E402

HOOKS = [
    "tests/kernel/test_kprobes.py",
    "tests/kernel/test_hooks.py::test_a_system_call_is_attached_by_what_this_kernel_has",
]
REJECTED = [
    "tests/kernel/test_rejected.py::test_a_rejected_program_is_explained_in_terms_of_its_source",
    "tests/kernel/test_rejected.py::test_a_program_is_accepted_though_textbooks_say_it_is_not",
]
# BCC chooses other helpers for an ordinary user, and some programs depend on capabilities: not all of them run twice.
REJECTED_FOR_A_USER = [
    f"{REJECTED[0]}[{name}]"
    for name in (
        "negative_length",
        "pointer_leaked",
        "pointer_leaked_to_map",
        "stack_outside",
        "unbounded_length",
        "uninitialised_key",
    )
]
ORDINARY = [
    "tests/kernel/test_ordinary_user.py::test_an_interrupt_through_the_server_reaches_the_kernel",
    "tests/kernel/test_ordinary_user.py::test_the_kernel_dies_with_its_killed_server",
]
VNG = ROOT / ".venv/bin/vng"
USER = "12345"
# What no kernel without kprobes can show. Emulation is slow: the rest runs with --long.
GUESTS = [(user, [*HOOKS, *guests.CHAPTERS[:1]]) for user in ("root", USER)]
LONG = [
    ("root", guests.CHAPTERS[1:]),
    (USER, guests.CHAPTERS[1:]),
    ("root", REJECTED + ORDINARY),
    (USER, REJECTED_FOR_A_USER),
]
MINUTES = 60
# The oldest CPU that numpy runs on, alone, and a kernel that guards against nobody: what is emulated costs most.
EMULATED = ["--disable-kvm", "--qemu-opts=-cpu", "--qemu-opts=Nehalem,+xsave", "--cpus", "1"]
EMULATED += [f"--append={option}" for option in ("mitigations=off", "init_on_alloc=0", "clearcpuid=rep_good")]


def main(image, *tests):
    image = Path(image).resolve()
    whole = tests in ((), ("--long",))
    parts = (GUESTS + LONG if tests else GUESTS) if whole else [("root", tests), (USER, tests)]
    accelerated = _boots_with_kvm(image)
    print(
        f"==> {image.name}, " + ("with KVM" if accelerated else "in emulation: there is no KVM that works"),
        flush=True,
    )
    return guests.failed(guests.in_pairs(lambda *part: _test(image, accelerated, *part), parts), whole)


def _test(image, accelerated, user, tests):
    """Run ``tests`` in a guest of their own and show its lines; returns its result, or None if it left none."""
    label = f"[{image.name}, {'root' if user == 'root' else 'a user'}: {Path(tests[0]).stem}, ...]"
    with tempfile.TemporaryDirectory(prefix="ebpf-lab-kernel-") as folder:
        # Sandboxed compiles and fonts: what this machine has cached is true for any kernel.
        for known in ("ebpf-lab", "matplotlib"):
            if (CACHE / known).exists():
                shutil.copytree(CACHE / known, Path(folder, "home/.cache", known), ignore=_folders)
        Path(folder, "home").mkdir(exist_ok=True)
        told = [] if accelerated else ["env", "LAB_EMULATED=1"]
        guest = [*told, ROOT / "tests/kernels/guest.sh", ROOT, user, *guests.PATIENT, *tests]
        command = shlex.join(map(str, guest))
        with _booted(image, accelerated, command, f"--rwdir=/run/results={folder}") as lines:
            for line in lines:
                print(label, line, end="", flush=True)
        if result := guests.result_in(folder):
            return result
    print(f"{label} ended without a result, or after {MINUTES} minutes. Fix: see its lines above")


def _folders(parent, names):
    """What is not copied: systems and machines, which are large."""
    return [name for name in names if Path(parent, name).is_dir()]


def _boots_with_kvm(image):
    """Whether KVM can boot ``image``: the device may be there and the guest abort, or stay silent."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with _booted(image, True, "echo booted", seconds=60) as lines:
        return any(line.strip() == "booted" for line in lines)


@contextmanager
def _booted(image, accelerated, command, *options, seconds=60 * MINUTES):
    """The lines that the guest prints; it is ended with the block, or after so many seconds."""
    boot = [VNG, "--run", image, "--force-9p", "--memory", "4G", "--rodir=/run/host=/", *options]
    boot += ["--cpus", "2"] if accelerated else EMULATED
    path = f"{VNG.parent}:{os.environ['PATH']}"
    with guests.booted([*boot, "--", command], seconds, PATH=path) as lines:
        yield lines


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
