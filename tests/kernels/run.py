"""./lab test --kernel IMAGE: the tests that depend on the kernel, run on another one than this machine's.

virtme-ng boots the kernel in QEMU with this machine's files as its own, read-only: .venv, BCC and the
project are the same there. With --system ROOT PROJECT the files are another system's (./lab test --system).
With KVM where that really works, else in emulation, which is about twenty times slower.
"""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

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


@dataclass(frozen=True)
class Machine:
    """What boots in QEMU: a kernel, and the root of a system with the project's folder there."""

    image: Path
    accelerated: bool
    root: Path
    project: Path


def main(*arguments: str) -> bool:
    parser = argparse.ArgumentParser(prog="./lab test --kernel", allow_abbrev=False)
    parser.add_argument("image", type=lambda name: Path(name).resolve())
    parser.add_argument("--system", nargs=2, type=Path, default=(Path("/"), ROOT))
    options, tests = parser.parse_known_args(arguments)
    whole = tests in ([], ["--long"])
    parts = (GUESTS + LONG if tests else GUESTS) if whole else [("root", tests), (USER, tests)]
    machine = Machine(options.image, _boots_with_kvm(options.image), *options.system)
    how = "with KVM" if machine.accelerated else "in emulation: there is no KVM that works"
    print(f"==> {machine.image.name}, {how}", flush=True)
    return guests.failed(guests.in_pairs(lambda *part: _test(machine, *part), parts), whole)


def _test(machine: Machine, user: str, tests: Sequence[str]) -> dict[str, Any] | None:
    """Run ``tests`` in a guest of their own and show its lines; returns its result, or None if it left none."""
    label = f"[{machine.image.name}, {'root' if user == 'root' else 'a user'}: {Path(tests[0]).stem}, ...]"
    with tempfile.TemporaryDirectory(prefix="ebpf-lab-kernel-") as folder:
        # Sandboxed compiles and fonts: what this machine has cached is true for any kernel.
        for known in ("ebpf-lab", "matplotlib"):
            if (CACHE / known).exists():
                shutil.copytree(CACHE / known, Path(folder, "home/.cache", known), ignore=_folders)
        Path(folder, "home").mkdir(exist_ok=True)
        told = ["env", f"LAB_SYSTEM={os.environ.get('LAB_SYSTEM', '')}"]
        told += [] if machine.accelerated else ["LAB_EMULATED=1"]
        guest = [*told, ROOT / "tests/kernels/guest.sh", machine.project, user, *guests.PATIENT, *tests]
        command = shlex.join(map(str, guest))
        shares = [f"--rodir=/run/host={machine.root}", f"--rwdir=/run/results={folder}"]
        with _booted(machine.image, machine.accelerated, command, *shares) as lines:
            for line in lines:
                print(label, line, end="", flush=True)
        if result := guests.result_in(folder):
            return result
    print(f"{label} ended without a result, or after {MINUTES} minutes. Fix: see its lines above")


def _folders(parent: str, names: Sequence[str]) -> list[str]:
    """What is not copied: systems and machines, which are large."""
    return [name for name in names if Path(parent, name).is_dir()]


def _boots_with_kvm(image: Path) -> bool:
    """Whether KVM can boot ``image``: the device may be there and the guest abort, or stay silent."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with _booted(image, True, "echo booted", seconds=60) as lines:
        return any(line.strip() == "booted" for line in lines)


@contextmanager
def _booted(
    image: Path, accelerated: bool, command: str, *options: str, seconds: int = 60 * MINUTES
) -> Iterator[IO[str]]:
    """The lines that the guest prints; it is ended with the block, or after so many seconds."""
    boot = [VNG, "--run", image, "--force-9p", "--memory", "4G", *options]
    boot += ["--cpus", "2"] if accelerated else EMULATED
    path = f"{VNG.parent}:{os.environ['PATH']}"
    with guests.booted([*boot, "--", command], seconds, PATH=path) as lines:
        yield lines


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
