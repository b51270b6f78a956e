"""What only a kernel with kprobes, fentry and BPF LSM can show; ./lab test --kernel debian boots one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import kernel_has, until

from ebpf_lab import BPF, AttachError, attach, explain, hooks, record, run, to_frame
from ebpf_lab.kernel import features, syscalls

pytestmark = pytest.mark.skipif(
    not features.has_kprobes(), reason="this kernel has no kprobes; ./lab test --kernel debian has"
)

COUNT = """
BPF_ARRAY(calls, u64, 1);
int count(struct pt_regs *ctx) {
  calls.atomic_increment(0);
  return 0;
}
"""
RETURNED = """
#include <uapi/linux/ptrace.h>
BPF_HASH(returned, u32, int);
int returns(struct pt_regs *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  int value = PT_REGS_RC(ctx);
  returned.update(&pid, &value);
  return 0;
}
"""
FENTRY = """
struct path;
struct file;
BPF_HASH(seen, u32, u64);
KFUNC_PROBE(vfs_open, const struct path *path, struct file *file) {
  seen.increment(bpf_get_current_pid_tgid() >> 32);
  return 0;
}
"""
LSM = """
struct linux_binprm;
LSM_PROBE(bprm_check_security, struct linux_binprm *bprm) {
  return 0;
}
"""
KILLED = """
import sys, time
from ebpf_lab import BPF, attach
b = BPF(text=sys.argv[1])
print(attach(b, syscall="execve", fn_name="hello"), flush=True)
time.sleep(600)
"""


def kprobes():
    """How many kprobes the kernel has in place, by its own list."""
    return len(Path("/sys/kernel/debug/kprobes/list").read_text().splitlines())


def test_the_book_s_first_program_runs_as_the_book_has_it(hello):
    b = BPF(text=hello)
    b.attach_kprobe(event=b.get_syscall_fnname("execve"), fn_name="hello")
    with record(b) as lines:
        pids = run("/bin/true", times=23).pids
    assert set(pids) <= {line.pid for line in lines.lines if line.message == "Hello World!"}


def test_attach_prefers_the_kprobe_even_for_a_function_that_fits_the_tracepoint(hello):
    b = BPF(text=hello)
    assert attach(b, syscall="execve", fn_name="hello") == f"kprobe:{syscalls.functions()['execve']}"


def test_a_function_of_pt_regs_is_attached_too_and_counts_each_call():
    b = BPF(text=COUNT)
    attach(b, syscall="getpgid", fn_name="count")
    before = to_frame(b["calls"]).value[0]
    for _ in range(23):
        os.getpgid(0)
    assert to_frame(b["calls"]).value[0] - before >= 23


def test_a_kretprobe_reads_what_the_call_returned():
    b = BPF(text=RETURNED)
    b.attach_kretprobe(event=b.get_syscall_fnname("getpgid"), fn_name="returns")
    group = os.getpgid(0)
    frame = to_frame(b["returned"]).set_index("key")
    assert frame.value[os.getpid()] == group
    assert hooks.attached(b) == [f"kretprobe:{syscalls.functions()['getpgid']}"]


def test_close_detaches_the_kprobe(hello):
    before = kprobes()
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    assert kprobes() == before + 1
    b.close()
    until(lambda: kprobes() == before)


def test_a_killed_process_leaves_no_kprobe(hello):
    before = kprobes()
    child = subprocess.Popen([sys.executable, "-c", KILLED, hello], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().startswith("kprobe:")
    assert kprobes() == before + 1
    child.send_signal(signal.SIGKILL)
    child.communicate()
    until(lambda: kprobes() == before)


def test_an_unknown_kernel_function_is_an_error_that_names_it(hello):
    b = BPF(text=hello)
    with pytest.raises(AttachError, match="vfs_raed"):
        b.attach_kprobe(event="vfs_raed", fn_name="hello")


@pytest.mark.skipif(
    not kernel_has("bpf_trampoline_link_prog"), reason="this kernel has no BPF trampoline for fentry"
)
def test_fentry_by_bcc_s_own_macro_counts_and_is_named(hello):
    b = BPF(text=FENTRY)
    assert hooks.attached(b) == ["fentry:vfs_open"]
    with open("/dev/null"):
        pass
    assert to_frame(b["seen"]).set_index("key").value[os.getpid()] >= 1


@pytest.mark.skipif(not kernel_has("bpf_lsm_bpf"), reason="this kernel has no BPF LSM (CONFIG_BPF_LSM)")
def test_an_lsm_program_loads_and_is_named():
    b = BPF(text=LSM)
    assert hooks.attached(b) == ["lsm:bprm_check_security"]


def test_explain_reads_a_kprobe_s_program(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    text = str(explain(b, "hello"))
    assert "Hello World" in text and "call" in text
