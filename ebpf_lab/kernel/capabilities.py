"""The capabilities that the lab uses: what each is for, and which of them this process has.

``python -m ebpf_lab.kernel.capabilities cap_`` prints the names that this machine knows, each after
the given prefix and separated by commas; ``./lab`` reads them so.
"""

import sys
from pathlib import Path

from .uapi import CAPABILITIES, PROG_TYPES

STATUS = Path("/proc/self/status")

PURPOSES = {  # Most important first; docs/machine.md lists them for learners.
    "bpf": "make maps, load programs",
    "perfmon": "load programs that trace",
    "sys_admin": "list the programs of this machine, count their runs",
    "syslog": "read the machine code of a program, and addresses in the kernel",
    "dac_read_search": "read tracefs",
    "dac_override": "make tracefs instances",
    "setuid": "run a workload as another user",
    "setgid": "run a workload as another user",
    "kill": "end a workload of another user",
    "net_admin": "load programs for networks",
}
GRANTED = [
    name for name in PURPOSES if name != "net_admin"
]  # What ./lab gives notebooks; no chapter needs the rest.

# Programs of these types need CAP_NET_ADMIN (kernel/bpf/syscall.c: is_net_admin_prog_type()) ...
_NETWORK = {
    "sched_cls", "sched_act", "xdp", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "sk_skb", "sk_msg",
    "flow_dissector", "cgroup_device", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_sysctl",
    "sock_ops", "netfilter",
}  # fmt: skip
# ... these CAP_BPF alone, and all others CAP_PERFMON (is_perfmon_prog_type()).
_PLAIN = {"socket_filter", "cgroup_skb", "sk_reuseport", "sk_lookup", "lirc_mode2", "syscall"}


def effective() -> set[str]:
    """The capabilities in PURPOSES that this process has.

    CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON, which were split off it in Linux 5.8
    (include/linux/capability.h: bpf_capable(), perfmon_capable()).
    """
    bits = _bits("CapEff")
    held = {name for name in PURPOSES if bits >> CAPABILITIES[name] & 1}
    return held | {"bpf", "perfmon"} if "sys_admin" in held else held


def missing(wanted: list[str]) -> list[str]:
    """Those of ``wanted`` that this process lacks, in the same order."""
    held = effective()
    return [name for name in wanted if name not in held]


def missing_to_load(prog_type: int) -> list[str]:
    """Those that this process lacks for loading a program of that type; CAP_SYS_ADMIN is enough for all."""
    kind = PROG_TYPES[prog_type] if prog_type < len(PROG_TYPES) else ""
    more = [] if kind in _PLAIN else ["net_admin"] if kind in _NETWORK else ["perfmon"]
    return [] if "sys_admin" in effective() else missing(["bpf", *more])


def available() -> list[str]:
    """Those in GRANTED that a process can have here; in a container even root may lack some."""
    bits = _bits("CapBnd")
    return [name for name in GRANTED if bits >> CAPABILITIES[name] & 1]


def _bits(field: str) -> int:
    """A set of capabilities of this process, as a mask (fs/proc/array.c: task_cap)."""
    found = (line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(next(found, "0"), 16)


if __name__ == "__main__":
    print(",".join(sys.argv[1] + name for name in available()))
