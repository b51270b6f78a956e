"""From ctypes classes to numpy dtypes with the same memory layout."""

import ctypes as ct
from typing import Any

import numpy as np

from .structs import Bits


def dtype_of(ctype: Any) -> np.dtype:
    """The numpy dtype with the same memory layout as ``ctype``; char arrays become bytes ('S16').

    An integer that numpy has no dtype for, a bit field or one of 16 bytes, is a void: columns() makes numbers of it.
    Raises TypeError for bit fields of ctypes, whose place ctypes does not tell.
    """
    if issubclass(ctype, Bits):
        # numpy keeps neither metadata nor titles through all of its operations, but names it does.
        mark = f":{ctype.shift}:{ctype.width}:{int(ctype.signed)}:{ctype.kind}"
        return np.dtype([(mark, f"V{ctype._length_}")])
    if issubclass(ctype, ct.Array):
        if ctype._type_ is ct.c_char:
            return np.dtype(("S", ctype._length_))
        return np.dtype((dtype_of(ctype._type_), (ctype._length_,)))
    if not issubclass(ctype, ct.Structure | ct.Union):
        return np.dtype(np.uintp if ctype in (ct.c_char_p, ct.c_void_p) else ctype)
    members = getattr(ctype, "_members_", None) or list(_members(ctype))
    return np.dtype(
        {
            "names": [name for name, _, _ in members],
            "formats": [dtype_of(kind) for _, kind, _ in members],
            "offsets": [offset for _, _, offset in members],
            "itemsize": ct.sizeof(ctype),
        }
    )


def _members(ctype: Any) -> list[tuple[str, Any, int]]:
    if any(len(field) > 2 for field in ctype._fields_):
        raise TypeError(f"the struct {ctype.__name__} has bit fields; give them whole integers, as u32")
    return [
        (name, kind, getattr(ctype, name).offset)
        for name, kind in ctype._fields_
        if not name.startswith("__pad_")  # BCC fills gaps with these
    ]
