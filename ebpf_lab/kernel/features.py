"""What this kernel has, tested by what it shows, never by its version."""

from pathlib import Path

# The source of perf events by which a process asks for a kprobe of its own; it comes with
# CONFIG_KPROBE_EVENTS (kernel/events/core.c: perf_kprobe, since Linux 4.17).
KPROBES = Path("/sys/bus/event_source/devices/kprobe")


def has_kprobes() -> bool:
    """Whether a program can be attached to a kprobe."""
    return KPROBES.exists()


def shows_addresses() -> bool:
    """Whether /proc/kallsyms has addresses for this process: kernel.kptr_restrict and CAP_SYSLOG decide (kallsyms_show_value())."""
    with open("/proc/kallsyms") as symbols:
        return int(symbols.readline().split()[0], 16) != 0
