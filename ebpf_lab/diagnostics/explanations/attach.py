"""Why a program could not be attached."""

from .explanation import Explanation

ATTACH = [
    Explanation(
        "not-permitted",
        r"Permission denied|Operation not permitted|may not look into it",
        "This process may not attach to the {hook}.",
        "attaching needs the capabilities CAP_BPF and CAP_PERFMON, and reading tracefs needs CAP_DAC_READ_SEARCH.",
        ("open the lab with ./lab: its notebooks get them.",),
        "Failed to attach BPF program hello to tracepoint: Permission denied",
    ),
    Explanation(
        "no-such-hook",
        r"no such tracepoint|There is no raw tracepoint|no function of that name|cannot attach kprobe, probe entry may not exist|No such file or directory",
        "This kernel has no hook for the {hook}.",
        "hooks are functions and events of the kernel. Which ones exist depends on its version and how it was built.",
        ("look the name up: ls /sys/kernel/tracing/events/syscalls, or /proc/kallsyms for functions.",),
        "This kernel has no hook for the system call 'exceve'.",
    ),
    Explanation(
        "no-kprobes",
        r"has no kprobes",
        "This kernel has no kprobes, so no hook for the {hook}.",
        "a kprobe needs a kernel built with CONFIG_KPROBES.",
        ("declare the function as taking void *ctx: attach() then uses the system call's tracepoint.",),
        "This kernel has no kprobes, so no hook for the system call 'execve'.",
    ),
    Explanation(
        "matched-nothing",
        r"matched no hook",
        "{method}() matched no hook, so nothing was attached.",
        "BCC reads the name as a regular expression, and an expression that matches nothing is no error to BCC.",
        ("name the arguments: attach_tracepoint(tp='syscalls:sys_enter_execve', fn_name='hello').",),
        "attach_tracepoint() matched no hook, so nothing was attached.",
    ),
]  # fmt: skip
