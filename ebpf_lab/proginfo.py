"""What the kernel tells about a program or a map, by its file descriptor (BPF_OBJ_GET_INFO_BY_FD).

Its numbers have names in linux/bpf.h.
"""

import ctypes as ct
import functools
import io
import re
import struct
from contextlib import suppress
from pathlib import Path

from . import headers
from .errors import SetupError
from .syscalls import bpf

_OBJ_GET_INFO_BY_FD, _ENABLE_STATS = 15, 32  # linux/bpf.h: enum bpf_cmd
_RUN_TIME = 0  # enum bpf_stats_type

# struct bpf_prog_info and the beginning of struct bpf_map_info, of linux/bpf.h.
_PROGRAM = """
    u32 type, u32 id, u64 tag, u32 jited_prog_len, u32 xlated_prog_len, u64 jited_prog_insns,
    u64 xlated_prog_insns, u64 load_time, u32 created_by_uid, u32 nr_map_ids, u64 map_ids, u64 name_0,
    u64 name_8, u32 ifindex, u32 flags, u64 netns_dev, u64 netns_ino, u32 nr_jited_ksyms,
    u32 nr_jited_func_lens, u64 jited_ksyms, u64 jited_func_lens, u32 btf_id, u32 func_info_rec_size,
    u64 func_info, u32 nr_func_info, u32 nr_line_info, u64 line_info, u64 jited_line_info,
    u32 nr_jited_line_info, u32 line_info_rec_size, u32 jited_line_info_rec_size, u32 nr_prog_tags,
    u64 prog_tags, u64 run_time_ns, u64 run_cnt, u64 recursion_misses, u32 verified_insns,
    u32 attach_btf_obj_id, u32 attach_btf_id, u32 attach_btf_pad
"""
_MAP = "u32 type, u32 id, u32 key_size, u32 value_size, u32 max_entries, u32 map_flags"

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


def _fields(layout):
    return [
        (name, {"u32": ct.c_uint32, "u64": ct.c_uint64}[kind])
        for kind, name in re.findall(r"(u\d+) (\w+)", layout)
    ]


class _ProgramInfo(ct.Structure):
    _fields_ = _fields(_PROGRAM)


class _MapInfo(ct.Structure):
    _fields_ = _fields(_MAP)


class _Ask(ct.Structure):  # union bpf_attr, info
    _fields_ = _fields("u32 bpf_fd, u32 info_len, u64 info")


class Program:
    """A loaded program's code and line information; what the kernel withholds is empty.

    ``info`` has the fields of struct bpf_prog_info. ``xlated``: the bytecode; ``jited``: [(address,
    machine code)] of each function; ``lines``: [(instruction, file, text, line << 10 | column)];
    ``addresses``: for each of those, where its machine code starts; ``maps``: ids.
    """

    def __init__(self, fd):
        sizes, self.info = of_program(fd), _ProgramInfo(line_info_rec_size=16, jited_line_info_rec_size=8)
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

    def _given(self, arrays, name, layout=""):
        """An array, or an empty one: the kernel zeroes the pointer to what it withholds.

        Where it withholds the bytecode (of a program that it blinded for net.core.bpf_jit_harden), it fills
        in nothing further (kernel/bpf/syscall.c: bpf_prog_get_info_by_fd).
        """
        given = getattr(self.info, name) and (self.info.xlated_prog_insns or name == "map_ids")
        array = bytes(arrays[name]) if given else b""
        return list(struct.iter_unpack(layout, array)) if layout else array


def of_program(fd):
    """struct bpf_prog_info, without the arrays."""
    return _ask(fd, _ProgramInfo())


def of_map(fd):
    """struct bpf_map_info, its beginning."""
    return _ask(fd, _MapInfo())


def count_runs():
    """Have the kernel count how often and how long programs run, while the returned descriptor is open."""
    return bpf(_ENABLE_STATS, ct.c_uint32(_RUN_TIME))


@functools.cache
def _header():
    """linux/bpf.h, of the headers that BCC compiles against; its numbers are the same in all versions."""
    with suppress(SetupError):
        tree = headers.find()[0]
        for include in (tree / "include/uapi", tree.parent / "source/include/uapi", Path("/usr/include")):
            if (include / "linux/bpf.h").exists():
                return (include / "linux/bpf.h").read_text()
    return ""


def helper(number):
    names = re.findall(r"^\s*FN\((\w+)", _header(), re.M)  # __BPF_FUNC_MAPPER
    return f"bpf_{names[number]}" if number < len(names) else f"number {number}"


def name_of(enum, number):
    """The name of a member of enum bpf_prog_type or bpf_map_type."""
    names = re.findall(rf"^\s*BPF_{enum.upper()}_(\w+),", _header(), re.M)
    return names[number].lower() if number < len(names) else f"type {number}"


def _ask(fd, info):
    bpf(_OBJ_GET_INFO_BY_FD, _Ask(fd, ct.sizeof(info), ct.addressof(info)))
    return info
