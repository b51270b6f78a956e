"""./lab test --machine arm64 [TESTS]: the lab on Debian 13 for arm64 with its own kernel, in a machine that QEMU emulates.

The first run makes the machine's disk and sets the lab up in it, by ./lab setup; arm64_disk.py says how. Each run starts
from that disk, with this project's files as they are now, and changes nothing on it. The machine has no network.

On x86_64, the emulated CPU orders its memory accesses as strictly as x86_64 does. So what passes here can still lack a
fence that an arm64 CPU needs.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import guests  # noqa: E402
from helpers import copied  # noqa: E402

from machines import arm64_disk, shared  # noqa: E402

# What may depend on the CPU, two machines at a time: hooks and registers, buffers and their fences, machine code, layouts.
PARTS = [
    [guests.CHAPTERS[0], "tests/kernel/test_kprobes.py", "tests/kernel/test_hooks.py"],
    ["tests/kernel/test_buffers.py", "tests/kernel/test_look.py", "tests/kernel/test_layouts.py"],
    *([chapter] for chapter in guests.CHAPTERS[1:]),
    ["tests/kernel/test_exercises.py", "tests/test_syscalls.py", "tests/test_machine.py"],
]
GUEST = Path(__file__).with_name("arm64_guest.sh")
MINUTES = 120  # for each machine
# Of the CPUs with the instructions that numpy and Debian use, one without pointer authentication, which is slow to
# emulate; and a kernel that guards against nobody.
QEMU = [
    "qemu-system-aarch64", "-machine", "virt,gic-version=3", "-cpu", "cortex-a76", "-accel", "tcg,tb-size=512", "-m", "3G",
    "-nographic", "-no-reboot", "-nic", "none", "-device", "virtio-rng-pci",
    "-append", "console=ttyAMA0 quiet panic=-1 mitigations=off init_on_alloc=0 nowatchdog",
]  # fmt: skip


def main(*tests: str) -> bool:
    """Run ``tests``, or PARTS; whether anything failed."""
    guests.interruptible()
    project = [(ROOT / file).read_text() for file in ("pyproject.toml", "constraints.txt")]
    wheels = arm64_disk.kept("wheels", project, arm64_disk.wheels)
    of_debian = [arm64_disk.PACKAGES, arm64_disk.MODULES, arm64_disk.INIT.read_text()]
    debian = arm64_disk.kept("debian", of_debian, arm64_disk.debian)
    of_lab = [debian, project, GUEST.read_text()]
    lab = arm64_disk.kept("lab", of_lab, lambda folder: _set_up(debian, wheels, folder))
    parts = [tests] if tests else PARTS
    return guests.failed(guests.in_pairs(lambda *part: _test(debian, wheels, lab, part), parts), not tests)


def _set_up(debian: Path, wheels: Path, folder: Path) -> None:
    """Make ``folder``/disk: Debian's with the lab set up in it."""
    shared.say("Setting the lab up in the machine")
    shared.run("cp", "--sparse=always", debian / "disk", folder)
    with _booted(debian, wheels, folder / "disk", ()) as (lines, results):
        for line in lines:
            print("[arm64: setup]", line, end="", flush=True)
        if not (results / "setup").exists():
            sys.exit("The lab could not be set up in the machine. Fix: see its lines above")


def _test(debian: Path, wheels: Path, lab: Path, tests: tuple[str, ...]) -> dict[str, Any] | None:
    """Run ``tests`` in a machine of their own and show its lines; returns its result, or None if it left none."""
    label = f"[arm64: {Path(tests[0]).stem}, ...]"
    with _booted(debian, wheels, lab / "disk", (*guests.PATIENT, *tests)) as (lines, results):
        for line in lines:
            print(label, line, end="", flush=True)
        if result := guests.result_in(results):
            return result
    print(f"{label} ended without a result, or after {MINUTES} minutes. Fix: see its lines above")
    return None


@contextmanager
def _booted(
    debian: Path, wheels: Path, root: Path, arguments: tuple[str, ...]
) -> Iterator[tuple[IO[str], Path]]:
    """Boot from the disk ``root``, and tell arm64_guest.sh the ``arguments`` -> (its lines, the folder of its results).

    With arguments, what is written to the disk is lost.
    """
    with tempfile.TemporaryDirectory(prefix="ebpf-lab-arm64-") as folder:
        share = Path(folder)
        copied(share / "project")
        (share / "results").mkdir()
        (share / "pip.conf").write_text(shared.PIP_CONF)
        (share / "arguments").write_text("".join(f"{word}\n" for word in arguments))
        boot = [*QEMU, "-kernel", debian / "vmlinuz", "-initrd", debian / "initrd"]
        snapshot = "on" if arguments else "off"
        boot += ["-drive", f"file={root},format=raw,if=virtio,cache=unsafe,snapshot={snapshot}"]
        for tag, path in (("lab", share), ("wheels", wheels)):
            boot += ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none"]
        with guests.booted(boot, 60 * MINUTES) as lines:
            yield lines, share / "results"


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Ended before the machine was made")
