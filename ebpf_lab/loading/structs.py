"""ctypes classes for what C can lay out and ctypes can't: packed bit fields, overlapping fields, 16-byte integers.

Each member is read at its own place in the bytes of the struct, whatever the others are.
"""

import ctypes as ct
from typing import Any, NamedTuple


class Member(NamedTuple):
    """A member of a struct: its ctypes class, and how many bytes from the start of the struct it begins."""

    name: str
    ctype: Any
    offset: int


_Array: Any = ct.Array  # mypy can't follow a subclass that gives its own _type_


class Bits(_Array):
    """An integer of ``width`` bits from bit ``shift`` on; ``kind`` is numpy's code for the integer that holds it, or 'O'."""

    _type_, _length_ = ct.c_uint8, 16
    shift, width, signed, kind = 0, 128, False, "O"

    @staticmethod
    def of(declared: Any, shift: int, width: int) -> Any:
        """The class of a bit field that is declared as ``declared``, an integer or bool, or of a 16-byte integer."""
        if issubclass(declared, Bits):
            kind, signed = "O", declared.signed
        elif declared is ct.c_bool:
            kind, signed = "?", False
        else:
            signed = declared is ct.c_char or declared(-1).value < 0
            kind = f"{'i' if signed else 'u'}{ct.sizeof(declared)}"
        length = (shift + width + 7) // 8
        return type(
            "Bits",
            (Bits,),
            {"_length_": length, "shift": shift, "width": width, "signed": signed, "kind": kind},
        )

    @property
    def value(self) -> int:
        """The integer."""
        number = int.from_bytes(bytes(self), "little") >> self.shift & (1 << self.width) - 1
        return number - (1 << self.width) if self.signed and number >> self.width - 1 else number

    @value.setter
    def value(self, number: int) -> None:
        mask = (1 << self.width) - 1
        kept = int.from_bytes(bytes(self), "little") & ~(mask << self.shift)
        self[:] = (kept | (number & mask) << self.shift).to_bytes(len(self), "little")


class _Int128(Bits):
    _type_, _length_, signed = ct.c_uint8, 16, True


def integer(bits: int, signed: bool) -> Any:
    """The ctypes class of an integer of 8 to 128 bits."""
    if bits == 128:
        return _Int128 if signed else Bits
    return getattr(ct, f"c_{'' if signed else 'u'}int{bits}")


def struct_class(name: str, size: int, members: list[Member]) -> Any:
    """A ctypes class of ``size`` bytes whose attributes are ``members``; its arguments are their values, in that order."""

    def set_members(self: Any, *values: Any, **named: Any) -> None:
        for member, value in zip(members, values, strict=False):
            setattr(self, member.name, value)
        for member_name, value in named.items():
            setattr(self, member_name, value)

    attributes = {member.name: _attribute(member) for member in members}
    whole = {"_fields_": [("__bytes", ct.c_uint8 * size)], "_members_": members, "__init__": set_members}
    return type(name or "struct", (ct.Structure,), attributes | whole)


def _attribute(member: Member) -> property:
    ctype = member.ctype
    if issubclass(ctype, Bits) and ctype.width == 128:
        ctype = ct.c_uint64 * 2  # as BCC has it: programs give it to inet_ntop(), which wants bytes
    text = issubclass(ctype, ct.Array) and ctype._type_ is ct.c_char
    number = text or issubclass(ctype, ct._SimpleCData | Bits)

    def get(self: Any) -> Any:
        there = ctype.from_buffer(self, member.offset)
        return there.value if number else there

    def put(self: Any, value: Any) -> None:
        there = ctype.from_buffer(self, member.offset)
        if number:
            there.value = value
        elif isinstance(there, ct.Array):
            there[:] = value
        else:
            ct.memmove(ct.addressof(there), ct.byref(value), ct.sizeof(there))

    return property(get, put)
