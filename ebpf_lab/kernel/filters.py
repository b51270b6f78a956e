"""tc filters, found by the id of the program that they run.

pyroute2 and tc make them from a program's descriptor; BCC and the lab see nothing of it. The kernel keeps a
filter, and its program, until the filter is deleted (net/sched/cls_bpf.c).
"""

import socket
import struct
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from . import uapi

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_MESSAGE = struct.Struct("=4xiIII")  # struct tcmsg
_BPF = struct.pack("=HH4s", 8, uapi.TCA_KIND, b"bpf")  # struct nlattr: the kind of filter


class Message(NamedTuple):
    """struct tcmsg: a queueing discipline or a filter of a device."""

    device: int
    handle: int = 0
    parent: int = 0
    info: int = 0  # a filter's priority and protocol


def delete(programs: set[int]) -> None:
    """Delete the filters in this thread's network namespace that run one of the programs, given by their ids."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        qdiscs = {message for message, _ in _ask(netlink, uapi.RTM_GETQDISC, uapi.NLM_F_DUMP, Message(0))}
        for qdisc, hook in product(qdiscs, (0, uapi.TC_H_MIN_INGRESS, uapi.TC_H_MIN_EGRESS)):
            parent = Message(qdisc.device, parent=qdisc.handle | hook)
            for found, attributes in _ask(netlink, uapi.RTM_GETTFILTER, uapi.NLM_F_DUMP, parent):
                options = dict(_attributes(attributes.get(uapi.TCA_OPTIONS, b"")))
                if int.from_bytes(options.get(uapi.TCA_BPF_ID, b""), "little") in programs:
                    _ask(netlink, uapi.RTM_DELTFILTER, uapi.NLM_F_ACK, found, _BPF)


def _ask(
    netlink: socket.socket, kind: int, flags: int, message: Message, attributes: bytes = b""
) -> list[tuple[Message, dict[int, bytes]]]:
    """The kernel's answers to a message; none where it answers with an error, as for a device without filters."""
    body = _MESSAGE.pack(*message) + attributes
    netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, uapi.NLM_F_REQUEST | flags, 0, 0) + body)
    answers: list[tuple[Message, dict[int, bytes]]] = []
    while True:
        data = netlink.recv(1 << 16)
        while data:
            length, answer, *_ = _HEADER.unpack_from(data)
            if answer in (uapi.NLMSG_ERROR, uapi.NLMSG_DONE):
                return answers
            start = _HEADER.size + _MESSAGE.size
            of_answer = Message(*_MESSAGE.unpack_from(data, _HEADER.size))
            answers.append((of_answer, dict(_attributes(data[start:length]))))
            data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each struct nlattr."""
    while data:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & uapi.NLA_TYPE_MASK, data[4:length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
