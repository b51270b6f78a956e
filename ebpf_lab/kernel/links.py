"""BPF links: attachments by a descriptor, which the kernel ends with it, also after kill -9.

What BCC attaches by a name instead, the kernel keeps until somebody detaches it by that name, which may
have become another device's (net/core/dev.c: bpf_xdp_link_attach).
"""

import ctypes as ct
import os
import socket
from contextlib import suppress

from . import proginfo, uapi
from .syscalls import bpf


def create(program: int, target: int, attach_type: int, flags: int = 0) -> int:
    """Attach the program of that descriptor to a device, by its index, or to a cgroup, by its descriptor.

    Returns the link's descriptor; raises OSError where the kernel has no link of that type.
    """
    return bpf(uapi.LINK_CREATE, uapi.LinkCreate(program, target, attach_type, flags))


def end(link: int) -> None:
    """Detach a link and close it: a forked process may hold it too, and would keep the program attached."""
    with suppress(OSError):  # Its device, or its cgroup, may be gone.
        bpf(uapi.LINK_DETACH, ct.c_uint32(link))
    os.close(link)


def device(index: int) -> tuple[int, int]:
    """What a device is, whatever it is named: (the inode of this thread's network namespace, its index)."""
    return os.stat("/proc/thread-self/ns/net").st_ino, index


def device_of(name: str) -> tuple[int, int]:
    """What the device of that name in this thread's network namespace is; OSError where there is none."""
    return device(socket.if_nametoindex(name))


def attach_type_name(attach_type: int) -> str:
    """A member of enum bpf_attach_type, as 'cgroup_inet4_connect'."""
    known = 0 <= attach_type < len(uapi.ATTACH_TYPES)
    return uapi.ATTACH_TYPES[attach_type] if known else f"attach_type {attach_type}"


def on_device(attach_type: int) -> bool:
    """Whether a program of that type is attached to a device, by its index, rather than to a descriptor."""
    return attach_type_name(attach_type).startswith(("tcx_", "netkit_"))


def target_of(attach_type: int, target: int) -> tuple[int, int]:
    """What the ``target`` of BPF_PROG_ATTACH is: a device, a map, or the file that a descriptor has open."""
    if on_device(attach_type):
        return device(target)
    file, name = os.fstat(target), os.readlink(f"/proc/self/fd/{target}")
    number = (
        proginfo.of_map(target).id if name == "anon_inode:bpf-map" else file.st_ino
    )  # Maps share an inode.
    return file.st_dev, number


def target_name(attach_type: int, target: int) -> str:
    """The name of that device, or of that file, as of a cgroup."""
    try:
        if on_device(attach_type):
            return socket.if_indextoname(target)
        return os.readlink(f"/proc/self/fd/{target}")
    except OSError:
        return str(target)
