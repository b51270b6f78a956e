"""What the kernel tells about a program or a map by its file descriptor (BPF_OBJ_GET_INFO_BY_FD).

Its numbers have names in linux/bpf.h.
"""

import ctypes as ct
import functools
import io
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..diagnostics.errors import SetupError
from . import headers, uapi
from .syscalls import bpf

# The arrays that a program's info points to -> (how many elements, bytes of each).
_ARRAYS = {
    "xlated_prog_insns": ("xlated_prog_len", 1),
    "jited_prog_insns": ("jited_prog_len", 1),
    "jited_ksyms": ("nr_jited_ksyms", 8),
    "jited_func_lens": ("nr_jited_func_lens", 4),
    "line_info": ("nr_line_info", 16),
    "jited_line_info": ("nr_jited_line_info", 8),
    "map_ids": ("nr_map_ids", 4),
}


class Program:
    """A loaded program's code and line information; what the kernel withholds is empty.

    ``info`` has the fields of struct bpf_prog_info. ``xlated``: the bytecode; ``jited``: [(address,
    machine code)] of each function; ``lines``: [(instruction, file, text, line << 10 | column)];
    ``addresses``: for each of those, where its machine code starts; ``maps``: ids.
    """

    def __init__(self, fd: int) -> None:
        sizes, self.info = of_program(fd), uapi.ProgInfo(line_info_rec_size=16, jited_line_info_rec_size=8)
        arrays = {name: bytearray(getattr(sizes, n) * size) for name, (n, size) in _ARRAYS.items()}
        views = {name: (ct.c_char * len(array)).from_buffer(array) for name, array in arrays.items()}
        for name, (count, _) in _ARRAYS.items():
            setattr(self.info, count, getattr(sizes, count))
            setattr(self.info, name, ct.addressof(views[name]))
        _ask(fd, self.info)
        self.xlated = self._given(arrays, "xlated_prog_insns")
        code = io.BytesIO(self._given(arrays, "jited_prog_insns"))
        starts, sizes = self._given(arrays, "jited_ksyms", "Q"), self._given(arrays, "jited_func_lens", "I")
        self.jited = [(start, code.read(size)) for (start,), (size,) in zip(starts, sizes, strict=False)]
        self.lines = self._given(arrays, "line_info", "4I")
        self.addresses = [address for (address,) in self._given(arrays, "jited_line_info", "Q")]
        self.maps = [number for (number,) in self._given(arrays, "map_ids", "I")]

    def _given(self, arrays: dict[str, bytearray], name: str, layout: str = "") -> Any:
        """An array, or an empty one: the kernel zeroes the pointer to what it withholds.

        Where it withholds the bytecode (of a program that it blinded for net.core.bpf_jit_harden), it fills
        in nothing further (kernel/bpf/syscall.c: bpf_prog_get_info_by_fd).
        """
        given = getattr(self.info, name) and (self.info.xlated_prog_insns or name == "map_ids")
        array = bytes(arrays[name]) if given else b""
        return list(struct.iter_unpack(layout, array)) if layout else array


def of_program(fd: int) -> uapi.ProgInfo:
    """struct bpf_prog_info, without the arrays."""
    return _ask(fd, uapi.ProgInfo())


def of_map(fd: int) -> uapi.MapInfo:
    """struct bpf_map_info, its beginning."""
    return _ask(fd, uapi.MapInfo())


def count_runs() -> int:
    """Have the kernel count how often and how long programs run, while the returned descriptor is open."""
    return bpf(uapi.ENABLE_STATS, ct.c_uint32(uapi.STATS_RUN_TIME))


@functools.cache
def _header() -> str:
    """linux/bpf.h, of the headers that BCC compiles against; its numbers are the same in all versions."""
    with suppress(SetupError):
        tree = headers.find()[0]
        for include in (tree / "include/uapi", tree.parent / "source/include/uapi", Path("/usr/include")):
            if (include / "linux/bpf.h").exists():
                return (include / "linux/bpf.h").read_text()
    return ""


def helper(number: int) -> str:
    """The name of the helper with that number, as 'bpf_map_lookup_elem'."""
    names = re.findall(r"^\s*FN\((\w+)", _header(), re.M)  # __BPF_FUNC_MAPPER
    return f"bpf_{names[number]}" if number < len(names) else f"number {number}"


def name_of(enum: str, number: int) -> str:
    """The name of a member of enum bpf_prog_type or bpf_map_type."""
    names = re.findall(rf"^\s*BPF_{enum.upper()}_(\w+),", _header(), re.M)
    return names[number].lower() if number < len(names) else f"type {number}"


def _ask(fd: int, info: Any) -> Any:
    bpf(uapi.OBJ_GET_INFO_BY_FD, uapi.ObjInfo(fd, ct.sizeof(info), ct.addressof(info)))
    return info
