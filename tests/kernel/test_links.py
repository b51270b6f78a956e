"""What outlives a program: nothing, whatever it was attached to, and however its process ends."""

import ctypes
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import bcc
import pytest
from helpers import kernel_has, until

from ebpf_lab import BPF, AttachError, hooks
from ebpf_lab.kernel import leftovers, links, proginfo, uapi

SOURCE = """
int pass(struct xdp_md *ctx) { return XDP_PASS; }
int drop(struct xdp_md *ctx) { return XDP_DROP; }
int let(struct __sk_buff *skb) { return 1; }
int stop(struct __sk_buff *skb) { return 0; }
int tick(void *ctx) { return 0; }
"""
EGRESS = uapi.ATTACH_TYPES.index("cgroup_inet_egress")
TCX = uapi.ATTACH_TYPES.index("tcx_ingress")
# What attaches a function, by the kind of what it is attached to.
ATTACH = {
    "xdp": 'b.attach_xdp("eth0", fn := b.load_func("pass", BPF.XDP))',
    "generic xdp": 'b.attach_xdp("eth0", fn := b.load_func("pass", BPF.XDP), BPF.XDP_FLAGS_SKB_MODE)',
    "tc": f'b.attach_func(fn := b.load_func("let", BPF.SCHED_CLS), socket.if_nametoindex("eth0"), {TCX})',
    "cgroup": f'b.attach_func(fn := b.load_func("let", BPF.CGROUP_SKB), cgroup, {EGRESS})',
    "perf event": 'fn = b.load_func("tick", BPF.PERF_EVENT)\n'
    'b.attach_perf_event(ev_type=1, ev_config=0, fn_name="tick", sample_freq=49)',
    "uprobe": 'fn = b.load_func("tick", BPF.KPROBE)\nb.attach_uprobe(name="c", sym="mkfifo", fn_name="tick")',
    "socket": 'BPF.attach_raw_socket(fn := b.load_func("let", BPF.SOCKET_FILTER), "eth0")',
}
CHILD = """
import os, socket, subprocess, sys
from ebpf_lab import BPF
from ebpf_lab.kernel import proginfo
source, attach, folder = sys.argv[1:]
cgroup = os.open(folder, os.O_RDONLY)
subprocess.run("ip link add eth0 type veth peer name eth1", shell=True, check=True)
b = BPF(text=source)
exec(attach)
print(proginfo.of_program(fn.fd).id, flush=True)
input()
b.close()
print("closed", flush=True)
input()
"""


def bpftool(*arguments):
    return subprocess.run(["bpftool", *arguments], capture_output=True, text=True)


def in_the_kernel(program_id):
    return bpftool("prog", "show", "id", str(program_id)).returncode == 0


@pytest.fixture
def cgroup():
    """The folder of a cgroup (v2) of our own."""
    mounts = Path("/proc/self/mounts").read_text()
    folder = Path(re.search(r"^\S+ (\S+) cgroup2 ", mounts, re.M)[1], f"ebpf-lab-test-{os.getpid()}")
    folder.mkdir()
    yield folder
    folder.rmdir()


needs_tcx = pytest.mark.skipif(not kernel_has("tcx_link_attach"), reason="this kernel has no tcx (Linux 6.6)")


@pytest.fixture(params=[pytest.param(kind, marks=needs_tcx if kind == "tc" else ()) for kind in ATTACH])
def child(request, cgroup):
    """(a process in a network namespace of its own, with a function attached; the function's program id)."""
    command = [sys.executable, "-c", CHILD, SOURCE, ATTACH[request.param], cgroup]
    with subprocess.Popen(
        ["unshare", "--net", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, int(process.stdout.readline())
        process.kill()


def test_close_leaves_no_function_in_the_kernel_whatever_it_is_attached_to(child):
    process, program_id = child
    assert in_the_kernel(program_id)
    print(file=process.stdin, flush=True)
    assert process.stdout.readline() == "closed\n"
    until(lambda: not in_the_kernel(program_id))


def test_a_killed_process_leaves_no_function_in_the_kernel_whatever_it_is_attached_to(child):
    process, program_id = child
    assert in_the_kernel(program_id)
    process.kill()
    until(lambda: not in_the_kernel(program_id))


libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextmanager
def inside(namespace):
    """This thread, and what it starts, is in the network namespace while the block runs."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert libc.setns(namespace, CLONE_NEWNET) == 0
        yield
    finally:
        assert libc.setns(old, CLONE_NEWNET) == 0
        os.close(old)


def make_eth0():
    """A device eth0 in this namespace, always with the same index."""
    command = ["ip", "link", "add", "eth0", "index", "77", "type", "veth", "peer", "name", "eth1"]
    subprocess.run(command, check=True)


@pytest.fixture
def namespaces():
    """Two network namespaces without names, each with a device eth0; they end with their descriptors."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    made = []
    for _ in range(2):
        with inside(here):
            assert libc.unshare(CLONE_NEWNET) == 0
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
            make_eth0()
    yield made
    for namespace in (here, *made):
        os.close(namespace)


@pytest.fixture
def b():
    return BPF(text=SOURCE)


def on_eth0():
    """The id of the XDP program on this namespace's eth0, or None."""
    shown = subprocess.run(["ip", "-d", "link", "show", "eth0"], capture_output=True, text=True, check=True)
    found = re.search(r"prog/xdp id (\d+)", shown.stdout)
    return found and int(found[1])


def attached(b, fn_name, flags=0):
    """The id of the function, attached to this namespace's eth0."""
    function = b.load_func(fn_name, BPF.XDP)
    b.attach_xdp("eth0", function, flags)
    return proginfo.of_program(function.fd).id


def test_close_detaches_xdp_in_another_namespace_and_leaves_a_stranger_s_on_a_device_of_that_name(
    b, namespaces
):
    there, here = namespaces
    stranger = BPF(text=SOURCE, keep="all")
    with inside(there):
        ours = attached(b, "pass")
        assert on_eth0() == ours
    with inside(here):
        theirs = attached(stranger, "drop")
        b.close()
        assert on_eth0() == theirs
    with inside(there):
        assert on_eth0() is None


def test_remove_xdp_detaches_in_this_namespace_only(b, namespaces):
    for namespace in namespaces:
        with inside(namespace):
            ours = attached(b, "pass")
    with inside(namespaces[0]):
        b.remove_xdp("eth0", 0)
        assert on_eth0() is None
    with inside(namespaces[1]):
        assert on_eth0() == ours


def test_a_second_attach_xdp_replaces_the_first_unless_the_flag_forbids_it(b, namespaces):
    with inside(namespaces[0]):
        attached(b, "pass")
        second = attached(b, "drop")
        assert on_eth0() == second
        with pytest.raises(AttachError, match="a device runs one XDP program"):
            attached(b, "pass", BPF.XDP_FLAGS_UPDATE_IF_NOEXIST)
        assert on_eth0() == second and hooks.attached(b) == ["xdp:eth0"]


def test_a_stranger_s_xdp_program_is_not_replaced_until_remove_xdp_detaches_it(b, namespaces):
    with inside(namespaces[0]):
        function = b.load_func("drop", BPF.XDP)
        bcc.BPF.attach_xdp("eth0", function)
        with pytest.raises(AttachError, match="a device runs one XDP program") as raised:
            attached(b, "pass")
        assert "remove_xdp('eth0')" in raised.value.fix
        b.remove_xdp("eth0")
        attached(b, "pass")


def test_a_removed_device_s_link_does_not_stand_in_the_way_of_its_successor(b, namespaces):
    with inside(namespaces[0]):
        attached(b, "pass")
        subprocess.run(["ip", "link", "del", "eth0"], check=True)
        make_eth0()
        assert on_eth0() is None
        ours = attached(b, "pass")
        assert on_eth0() == ours


def test_close_detaches_what_a_forked_process_has_a_descriptor_of(b, namespaces):
    with inside(namespaces[0]):
        attached(b, "pass")
        (link,) = b.xdp_links.values()
        copy = os.dup(link)
        b.close()
        assert on_eth0() is None
    os.close(copy)


def add_filter(b, fn_name, hook):
    """Make a tc filter of the function on this namespace's eth0, as pyroute2 does; its program id."""
    program_id = proginfo.of_program(b.load_func(fn_name, BPF.SCHED_CLS).fd).id
    pin = leftovers.BPFFS / f"ebpf_lab-{os.getpid()}-{fn_name}"
    bpftool("prog", "pin", "id", str(program_id), pin).check_returncode()
    command = ["tc", "filter", "add", "dev", "eth0", *hook, "bpf", "direct-action", "object-pinned", pin]
    try:
        subprocess.run(command, check=True)
    finally:
        pin.unlink()
    return program_id


@pytest.mark.parametrize(
    ("qdisc", "hook"),
    [
        (["clsact"], ["ingress"]),
        (["clsact"], ["egress"]),
        (["handle", "ffff:", "ingress"], ["parent", "ffff:"]),
        (["root", "handle", "1:", "htb"], ["parent", "1:"]),
    ],
    ids=["clsact ingress", "clsact egress", "ingress", "another queueing discipline"],
)
def test_close_deletes_a_tc_filter_of_the_program_and_leaves_a_stranger_s(b, namespaces, qdisc, hook):
    stranger = BPF(text=SOURCE, keep="all")
    with inside(namespaces[0]):
        subprocess.run(["tc", "qdisc", "add", "dev", "eth0", *qdisc], check=True)
        ours, theirs = add_filter(b, "let", hook), add_filter(stranger, "stop", hook)
        b.close()
        until(lambda: not in_the_kernel(ours))
        assert in_the_kernel(theirs)
        stranger.close()


def shown(cgroup):
    """The names of the functions attached to the cgroup."""
    return re.findall(r"(\w+)\s*$", bpftool("cgroup", "show", cgroup).stdout, re.M)[1:]


def test_detach_func_detaches_by_any_descriptor_of_the_cgroup(b, cgroup):
    let = b.load_func("let", BPF.CGROUP_SKB)
    first, second = os.open(cgroup, os.O_RDONLY), os.open(cgroup, os.O_RDONLY)
    b.attach_func(let, first, EGRESS)
    os.close(first)
    assert shown(cgroup) == ["let"] and hooks.attached(b) == [f"cgroup_inet_egress:{cgroup}"]
    b.detach_func(let, second, EGRESS)
    os.close(second)
    assert shown(cgroup) == [] and hooks.attached(b) == []


@pytest.mark.parametrize(("flags", "expected"), [(0, ["stop"]), (uapi.F_ALLOW_MULTI, ["let", "stop"])])
def test_a_second_function_replaces_the_first_at_a_cgroup_unless_a_flag_allows_both(
    b, cgroup, flags, expected
):
    fd = os.open(cgroup, os.O_RDONLY)
    for name in ("let", "stop"):
        b.attach_func(b.load_func(name, BPF.CGROUP_SKB), fd, EGRESS, flags)
    os.close(fd)
    assert sorted(shown(cgroup)) == expected


def test_a_target_without_links_is_attached_as_bcc_does_and_detached_by_close(b, cgroup, monkeypatch):
    def none(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(links, "create", none)
    fd = os.open(cgroup, os.O_RDONLY)
    b.attach_func(b.load_func("let", BPF.CGROUP_SKB), fd, EGRESS)
    os.close(fd)
    assert shown(cgroup) == ["let"]
    b.close()
    assert shown(cgroup) == []


SOCKMAPS = """
BPF_SOCKMAP(first, 1);
BPF_SOCKMAP(second, 1);
int verdict(struct sk_msg_md *message) { return SK_PASS; }
"""


def test_a_function_is_attached_to_two_maps_of_sockets_at_once():
    b = BPF(text=SOCKMAPS)
    verdict, kind = b.load_func("verdict", BPF.SK_MSG), uapi.ATTACH_TYPES.index("sk_msg_verdict")
    maps = [bcc.lib.bpf_table_fd(b.module, name) for name in (b"first", b"second")]
    for fd in maps:
        b.attach_func(verdict, fd, kind)
    assert len(b.func_detachers) == 2
    for fd in maps:
        b.detach_func(verdict, fd, kind)
    assert hooks.attached(b) == []


def test_a_target_that_is_no_cgroup_is_an_attach_error(b):
    with open("/dev/null") as file, pytest.raises(AttachError, match="/dev/null"):
        b.attach_func(b.load_func("let", BPF.CGROUP_SKB), file.fileno(), EGRESS)
    assert hooks.attached(b) == []
