"""The kernel's ABI, as far as this package uses it directly: numbers, flags and structs of include/uapi.

Each name is the kernel's own without its prefix, under the header that defines it.
All of it is stable: the kernel only adds to these.
"""

import ctypes as ct
import platform
import re
from typing import Any

MACHINE = platform.machine()

# asm/unistd.h; None where it is not known here
NR_BPF = {"x86_64": 321, "aarch64": 280}.get(MACHINE)
NR_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}.get(MACHINE)
NR_MEMBARRIER = {"x86_64": 324, "aarch64": 283}.get(MACHINE)
# linux/audit.h: AUDIT_ARCH_*, by which seccomp and libseccomp name a machine
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/capability.h
CAPABILITIES = {
    "dac_override": 1,
    "dac_read_search": 2,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "net_admin": 12,
    "sys_admin": 21,
    "syslog": 34,
    "perfmon": 38,
    "bpf": 39,
}

# linux/bpf.h: enum bpf_cmd
MAP_CREATE, PROG_LOAD, PROG_TEST_RUN = 0, 5, 10
OBJ_GET_INFO_BY_FD, MAP_LOOKUP_BATCH, ENABLE_STATS = 15, 24, 32
LINK_CREATE, LINK_DETACH = 28, 34
# linux/bpf.h: enum bpf_map_type, bpf_prog_type, bpf_attach_type, bpf_stats_type
MAP_TYPE_ARRAY, MAP_TYPE_RINGBUF = 2, 27
PROG_TYPE_TRACEPOINT, PROG_TYPE_TRACING = 5, 26
ATTACH_TYPES = """
    cgroup_inet_ingress cgroup_inet_egress cgroup_inet_sock_create cgroup_sock_ops sk_skb_stream_parser
    sk_skb_stream_verdict cgroup_device sk_msg_verdict cgroup_inet4_bind cgroup_inet6_bind
    cgroup_inet4_connect cgroup_inet6_connect cgroup_inet4_post_bind cgroup_inet6_post_bind
    cgroup_udp4_sendmsg cgroup_udp6_sendmsg lirc_mode2 flow_dissector cgroup_sysctl cgroup_udp4_recvmsg
    cgroup_udp6_recvmsg cgroup_getsockopt cgroup_setsockopt trace_raw_tp trace_fentry trace_fexit
    modify_return lsm_mac trace_iter cgroup_inet4_getpeername cgroup_inet6_getpeername
    cgroup_inet4_getsockname cgroup_inet6_getsockname xdp_devmap cgroup_inet_sock_release xdp_cpumap
    sk_lookup xdp sk_skb_verdict sk_reuseport_select sk_reuseport_select_or_migrate perf_event
    trace_kprobe_multi lsm_cgroup struct_ops netfilter tcx_ingress tcx_egress trace_uprobe_multi
    cgroup_unix_connect cgroup_unix_sendmsg cgroup_unix_recvmsg cgroup_unix_getpeername
    cgroup_unix_getsockname netkit_primary netkit_peer
""".split()  # noqa: SIM905 - in the order of their numbers
TRACE_FENTRY, XDP = 24, 37
# linux/bpf.h: BPF_F_ALLOW_MULTI, a flag of BPF_PROG_ATTACH
F_ALLOW_MULTI = 1 << 1
# linux/if_link.h
XDP_FLAGS_UPDATE_IF_NOEXIST = 1 << 0
PROG_TYPES = """
    unspec socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb cgroup_sock lwt_in
    lwt_out lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint cgroup_sock_addr lwt_seg6local
    lirc_mode2 sk_reuseport flow_dissector cgroup_sysctl raw_tracepoint_writable cgroup_sockopt tracing
    struct_ops ext lsm sk_lookup syscall netfilter
""".split()  # noqa: SIM905 - in the order of their numbers
STATS_RUN_TIME = 0
# linux/bpf.h: BPF_RINGBUF_*
RINGBUF_BUSY_BIT, RINGBUF_DISCARD_BIT, RINGBUF_HDR_SZ = 1 << 31, 1 << 30, 8
# linux/bpf_verifier.h: bits of a load's log_level
LOG_LEVEL1, LOG_STATS = 1, 4
# linux/errno.h, for the kernel's own use: answers that errno.h of the C library has no name for
ENOTSUPP = 524

# linux/perf_event.h
PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE = 0, 1
PERF_COUNT_SW_CPU_CLOCK, PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW = 0, 10, 1 << 10
PERF_FORMAT_LOST, PERF_FLAG_FD_CLOEXEC = 1 << 4, 8
PERF_RECORD_LOST, PERF_RECORD_SAMPLE = 2, 9
PERF_EVENT_IOC_PAUSE_OUTPUT = 0x40042409
DATA_HEAD, DATA_TAIL = 1024, 1032  # offsets in struct perf_event_mmap_page
# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 4, 0x300, 2, 3
NLA_TYPE_MASK = 0x3FFF
# linux/rtnetlink.h
RTM_GETQDISC, RTM_DELTFILTER, RTM_GETTFILTER, TCA_KIND, TCA_OPTIONS = 38, 45, 46, 1, 2
# linux/pkt_sched.h: the two hooks of the queueing discipline clsact; linux/pkt_cls.h
TC_H_MIN_INGRESS, TC_H_MIN_EGRESS, TCA_BPF_ID = 0xFFF2, 0xFFF3, 11
# linux/membarrier.h
MEMBARRIER_CMD_QUERY, MEMBARRIER_CMD_GLOBAL_EXPEDITED = 0, 1 << 1
# asm-generic/mman.h
MAP_NORESERVE = 0x4000
# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
# linux/seccomp.h
SECCOMP_MODE_FILTER, SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 2, 0x00050000, 0x7FFF0000
# linux/bpf_common.h: classic BPF
LD_W_ABS, JMP_JEQ_K, RET_K = 0x20, 0x15, 0x06
# linux/proc_ns.h: PROC_PID_INIT_INO, the inode of the machine's own PID namespace
PID_INIT_INO = 0xEFFFFFFC


def _fields(layout: str) -> list[tuple[str, Any]]:
    """ctypes fields of a struct written as in C, such as "u32 prog_fd; u64 data_in;"."""
    types = {"u32": ct.c_uint32, "s32": ct.c_int32, "u64": ct.c_uint64}
    return [(name, types[kind]) for kind, name in re.findall(r"([us]\d+) (\w+);", layout)]


# linux/bpf.h: members of union bpf_attr, one struct per group of commands


class MapCreate(ct.Structure):
    """union bpf_attr for BPF_MAP_CREATE, its beginning."""

    _fields_ = _fields("u32 map_type; u32 key_size; u32 value_size; u32 max_entries;")


class ProgLoad(ct.Structure):
    """union bpf_attr for BPF_PROG_LOAD, up to attach_btf_id."""

    _fields_ = _fields("""
        u32 prog_type; u32 insn_cnt; u64 insns; u64 license; u32 log_level; u32 log_size; u64 log_buf;
        u32 kern_version; u32 prog_flags; u64 prog_name_0; u64 prog_name_8; u32 prog_ifindex;
        u32 expected_attach_type; u32 prog_btf_fd; u32 func_info_rec_size; u64 func_info; u32 func_info_cnt;
        u32 line_info_rec_size; u64 line_info; u32 line_info_cnt; u32 attach_btf_id;
    """)


class TestRun(ct.Structure):
    """union bpf_attr, member test: for BPF_PROG_TEST_RUN."""

    __test__ = False  # pytest: the name is the kernel's
    _fields_ = _fields("""
        u32 prog_fd; u32 retval; u32 data_size_in; u32 data_size_out; u64 data_in; u64 data_out;
        u32 repeat; u32 duration; u32 ctx_size_in; u32 ctx_size_out; u64 ctx_in; u64 ctx_out;
        u32 flags; u32 cpu; u32 batch_size; u32 padding;
    """)


class Batch(ct.Structure):
    """union bpf_attr, member batch: for BPF_MAP_LOOKUP_BATCH."""

    _fields_ = _fields("""
        u64 in_batch; u64 out_batch; u64 keys; u64 values; u32 count; u32 map_fd; u64 elem_flags; u64 flags;
    """)


class LinkCreate(ct.Structure):
    """union bpf_attr, member link_create: for BPF_LINK_CREATE, its beginning."""

    _fields_ = _fields("u32 prog_fd; u32 target; u32 attach_type; u32 flags;")


class ObjInfo(ct.Structure):
    """union bpf_attr, member info: for BPF_OBJ_GET_INFO_BY_FD."""

    _fields_ = _fields("u32 bpf_fd; u32 info_len; u64 info;")


class ProgInfo(ct.Structure):
    """struct bpf_prog_info."""

    _fields_ = _fields("""
        u32 type; u32 id; u64 tag; u32 jited_prog_len; u32 xlated_prog_len; u64 jited_prog_insns;
        u64 xlated_prog_insns; u64 load_time; u32 created_by_uid; u32 nr_map_ids; u64 map_ids; u64 name_0;
        u64 name_8; u32 ifindex; u32 flags; u64 netns_dev; u64 netns_ino; u32 nr_jited_ksyms;
        u32 nr_jited_func_lens; u64 jited_ksyms; u64 jited_func_lens; u32 btf_id; u32 func_info_rec_size;
        u64 func_info; u32 nr_func_info; u32 nr_line_info; u64 line_info; u64 jited_line_info;
        u32 nr_jited_line_info; u32 line_info_rec_size; u32 jited_line_info_rec_size; u32 nr_prog_tags;
        u64 prog_tags; u64 run_time_ns; u64 run_cnt; u64 recursion_misses; u32 verified_insns;
        u32 attach_btf_obj_id; u32 attach_btf_id; u32 attach_btf_pad;
    """)


class MapInfo(ct.Structure):
    """struct bpf_map_info, its beginning."""

    _fields_ = _fields("u32 type; u32 id; u32 key_size; u32 value_size; u32 max_entries; u32 map_flags;")


class PerfEventAttr(ct.Structure):
    """struct perf_event_attr of linux/perf_event.h, as of its first version."""

    _fields_ = _fields("""
        u32 type; u32 size; u64 config; u64 sample_period; u64 sample_type; u64 read_format; u64 flags;
        u32 wakeup_events; u32 bp_type; u64 bp_addr;
    """)
