"""The capabilities that loading and watching BPF programs takes, and what each one is for (linux/capability.h).

It imports the standard library alone, as doctor and ./lab do.
"""

CAPABILITIES: dict[str, tuple[int, str]] = {  # name: (bit, purpose)
    "bpf": (39, "make maps, load programs"),
    "perfmon": (38, "load programs that trace"),
    "net_admin": (12, "load programs for networks"),
    "dac_read_search": (2, "read tracefs: tracepoints and the trace pipe"),
    "dac_override": (1, "create a trace instance, so that several notebooks can read trace lines at once"),
    "sys_admin": (21, "list all loaded programs with bpftool, count how often programs run"),
    "syslog": (34, "show machine code, which contains kernel addresses"),
    "setuid": (7, "run a workload as another user"),
    "setgid": (6, "run a workload as another user"),
    "kill": (5, "end another user's workload"),
}
# What CAP_SYS_ADMIN includes for bpf(2): kernel/bpf/syscall.c, and commit 2c78ee898d8f of Linux 5.8.
_IN_SYS_ADMIN = {"bpf", "perfmon", "net_admin"}


def mask(kind: str = "Eff") -> int:
    """A capability set of this process as a bit mask: Eff, Prm, Inh, Bnd or Amb, as /proc/self/status names them."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith(f"Cap{kind}:"))


def missing(*names: str) -> list[str]:
    """Those of ``names`` that this process does not have in effect."""
    effective = mask()
    has_all = effective >> CAPABILITIES["sys_admin"][0] & 1
    return [
        name
        for name in names
        if not effective >> CAPABILITIES[name][0] & 1 and not (has_all and name in _IN_SYS_ADMIN)
    ]
