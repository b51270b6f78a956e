"""Why a program could not be attached."""

from .explanation import Explanation

ATTACH = [
    Explanation(
        "not-permitted",
        meaning="This process may not attach to the {hook}.",
        why="attaching needs the capabilities CAP_BPF and CAP_PERFMON, and reading tracefs needs CAP_DAC_READ_SEARCH.",
        fixes=("open the lab with ./lab: its notebooks get them.",),
        example="This process may not attach to the tracepoint 'syscalls:sys_enter_execve'.",
    ),
    Explanation(
        "network-not-permitted",
        meaning="This process may not attach to {hook}.",
        why="a socket filter needs CAP_NET_RAW, and a program on a device CAP_NET_ADMIN. An ordinary user's notebooks have neither.",
        fixes=("run the lab as root, in a virtual machine for example.",),
        example="This process may not attach to socket:lo.",
    ),
    Explanation(
        "no-such-hook",
        meaning="This kernel has no hook for the {hook}.",
        why="hooks are functions and events of the kernel. Which ones exist depends on its version and how it was built.",
        fixes=("look the name up: ls /sys/kernel/tracing/events/syscalls, or /proc/kallsyms for functions.",),
        example="This kernel has no hook for the system call 'exceve'.",
    ),
    Explanation(
        "no-raw-tracepoint",
        meaning="This kernel has no raw tracepoint for the {hook}.",
        why="a system call has no raw tracepoint of its own: all of them share sys_enter and sys_exit. Other raw tracepoints are named as the tracepoint, without its category.",
        fixes=(
            "one system call: `TRACEPOINT_PROBE(syscalls, sys_enter_execve)`.",
            "all of them: `RAW_TRACEPOINT_PROBE(sys_enter)`, where `ctx->args[1]` is the number of the call.",
        ),
        example="This kernel has no raw tracepoint for the rawtracepoint:sys_enter_execve.",
    ),
    Explanation(
        "no-kprobes",
        meaning="This kernel has no kprobes, so no hook for the {hook}.",
        why="a kprobe needs a kernel built with CONFIG_KPROBES.",
        fixes=("declare the function as taking void *ctx: attach() then uses the system call's tracepoint.",),
        example="This kernel has no kprobes, so no hook for the system call 'execve'.",
    ),
    Explanation(
        "xdp-busy",
        meaning="The device of {hook} has an XDP program already.",
        why="a device runs one XDP program, and the lab replaces none that is not this program's own.",
        fixes=("b.remove_xdp({device!r}) detaches it, unless another process holds it by a link; that process must end.",),
        example="pass can't be attached to xdp:eth0: Device or resource busy",
    ),
    Explanation(
        "matched-nothing",
        meaning="{method}() matched no hook, so nothing was attached.",
        why="BCC reads the name as a regular expression, and an expression that matches nothing is no error to BCC.",
        fixes=("name the arguments: attach_tracepoint(tp='syscalls:sys_enter_execve', fn_name='hello').",),
        example="attach_tracepoint() matched no hook, so nothing was attached.",
    ),
]  # fmt: skip
