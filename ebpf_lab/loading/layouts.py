"""The types of a program's maps and events as ctypes, with clang's own layout.

BCC describes them too, but mistakes packed structs and bit fields in events (libbcc keeps the names of fields and
types only), and knows neither bool, unions, nested structs nor arrays of two dimensions there. LLVM's
debug information has each field with its place, in bits: llvm.org/docs/LangRef.html, "Debug Info".
"""

import ctypes as ct
import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from .structs import Bits, Member, integer, struct_class

_NODE = re.compile(r"^!(\d+) = (?:distinct )?!(\w*)[({](.*)[)}]$", re.M)
_ATTRIBUTE = re.compile(r'(\w+): (?:"((?:[^"\\]|\\.)*)"|([^,]+))')
_SIGNED = ("DW_ATE_signed", "DW_ATE_signed_char")
_QUALIFIERS = ("typedef", "const_type", "volatile_type", "restrict_type", "atomic_type")


class UnknownLayoutError(Exception):
    """A type that has no ctypes class, or is not described; the message says which, and what to write."""


class _Node(NamedTuple):
    """One line of debug information: what it describes, its attributes, and for a list the nodes in it."""

    kind: str
    given: dict[str, str]
    listed: list[str]

    @property
    def tag(self) -> str:
        return self.given.get("tag", "").removeprefix("DW_TAG_")

    @property
    def name(self) -> str:
        return self.given.get("name", "")

    def number(self, attribute: str) -> int:
        return int(self.given.get(attribute, "0").removeprefix("i64 "))


Nodes = dict[str, _Node]


@functools.lru_cache(8)
def nodes_of(types: str) -> Nodes:
    """The debug information ``types`` (sandbox.Compiled.types), by the names of its nodes, as '!7'."""
    found = {}
    for number, kind, text in _NODE.findall(types):
        given = {name: quoted or plain for name, quoted, plain in _ATTRIBUTE.findall(text)} if kind else {}
        found[f"!{number}"] = _Node(kind, given, [] if kind else re.findall(r"!\d+", text))
    return found


def type_in_map(types: str, name: str, part: str) -> Any:
    """The ctypes class of a map's "key" or "leaf"; None where the program's types don't describe it.

    BCC declares a map as a variable of a struct with these two members (bcc/helpers.h: BPF_F_TABLE).
    """
    nodes = nodes_of(types)
    for variable in nodes.values():
        if variable.kind == "DIGlobalVariable" and variable.name == name:
            for member in _elements(nodes, nodes[variable.given["type"]]):
                if member.name == part:
                    return _ctype(nodes, member.given["baseType"])
    return None


def event_type(types: str, fields: list[tuple[str, str]]) -> Any:
    """The ctypes class of the struct with these ``fields`` (name, type), which are all that BCC keeps of an event's struct.

    Raises UnknownLayoutError where the program has no such variable, or several structs that differ only in their layout.
    """
    nodes = nodes_of(types)
    known = [field for field in fields if field[0] or "(" in field[1]]  # LLVM leaves out unnamed bit fields
    names = [name for name, _ in known]
    found = [
        key
        for key, node in nodes.items()
        if node.tag == "structure_type" and [member.name for member in _elements(nodes, node)] == names
    ]
    if _differ(nodes, found):
        spelled = [re.sub(r"\b(struct|union|enum) | ", "", kind) for name, kind in known if name]
        found = [key for key in found if _spellings(nodes, key) == spelled]
    fields_told = ", ".join(filter(None, names)) or "all of them in anonymous structs or unions"
    if not found:
        raise UnknownLayoutError(
            f"clang does not describe its struct (fields: {fields_told}); "
            "declare a variable of it, struct event_t event = {}, and send that"
        )
    if _differ(nodes, found):
        raise UnknownLayoutError(
            f"several structs have fields of the same names and types ({fields_told}) in different places; "
            "give a field another name"
        )
    return _ctype(nodes, found[0])


def _differ(nodes: Nodes, structs: list[str]) -> bool:
    return len({tuple(_places(nodes, key)) for key in structs}) > 1


def _places(nodes: Nodes, key: str) -> Iterator[tuple]:
    """What tells one layout from another: of each field its place and its type, and the struct's size."""
    yield (nodes[key].number("size"),)
    for member in _elements(nodes, nodes[key]):
        yield member.name, member.number("offset"), member.number("size"), member.given["baseType"]


def _spellings(nodes: Nodes, key: str) -> list[str]:
    members = [member for member in _elements(nodes, nodes[key]) if member.name]
    return [_spelling(nodes, member.given["baseType"]) for member in members]


def _spelling(nodes: Nodes, key: str) -> str:
    """A type as C writes it, without blanks and the word struct."""
    node = nodes.get(key)
    if node is None:  # void
        return "void"
    if node.tag == "array_type":
        return _spelling(nodes, node.given["baseType"]) + "".join(f"[{n}]" for n in _counts(nodes, node))
    if node.tag == "pointer_type":
        return _spelling(nodes, node.given["baseType"]) + "*"
    return node.name.replace(" ", "")


def _elements(nodes: Nodes, node: _Node) -> list[_Node]:
    listed = nodes.get(node.given.get("elements", ""))
    return [nodes[key] for key in listed.listed if key in nodes] if listed else []


def _counts(nodes: Nodes, array: _Node) -> list[int]:
    """The lengths of an array, one per dimension; that of a flexible array, -1 in LLVM, is 0."""
    return [max(part.number("count"), 0) for part in _elements(nodes, array)]


def _plain(nodes: Nodes, key: str) -> _Node:
    """The type behind typedefs and qualifiers."""
    node = nodes[key]
    while node.tag in _QUALIFIERS:
        node = nodes[node.given["baseType"]]
    return node


def _ctype(nodes: Nodes, key: str) -> Any:
    node = _plain(nodes, key)
    if node.kind == "DIBasicType":
        return _basic(node)
    if node.tag == "pointer_type":
        return ct.c_void_p
    if node.tag == "enumeration_type":
        base = node.given.get("baseType")
        return _ctype(nodes, base) if base else integer(node.number("size"), False)
    if node.tag == "array_type":
        array = _ctype(nodes, node.given["baseType"])
        for count in reversed(_counts(nodes, node)):
            array = array * count
        return array
    return struct_class(node.name, node.number("size") // 8, list(_members(nodes, node, 0)))


def _basic(node: _Node) -> Any:
    size, encoding = node.number("size"), node.given["encoding"]
    if encoding == "DW_ATE_boolean":
        return ct.c_bool
    if node.name == "char":
        return ct.c_char
    if encoding == "DW_ATE_float" and size in (32, 64):
        return ct.c_float if size == 32 else ct.c_double
    if encoding not in (*_SIGNED, "DW_ATE_unsigned", "DW_ATE_unsigned_char") or size not in (
        8,
        16,
        32,
        64,
        128,
    ):
        raise UnknownLayoutError(
            f"its type {node.name} can't be read; write u64, or an array of u8, in its place"
        )
    return integer(size, encoding in _SIGNED)


def _members(nodes: Nodes, node: _Node, start: int) -> Iterator[Member]:
    """The members of a struct or union that begins at bit ``start``; those of an anonymous one as its own, as in C."""
    for member in _elements(nodes, node):
        at = start + member.number("offset")
        inner = _plain(nodes, member.given["baseType"])
        if not member.name and inner.tag in ("structure_type", "union_type"):
            yield from _members(nodes, inner, at)
        elif member.given.get("flags") == "DIFlagBitField":
            first, width = at // 8, member.number("size")
            declared = _ctype(nodes, member.given["baseType"])
            yield Member(member.name, Bits.of(declared, at % 8, width), first)
        else:
            try:
                yield Member(member.name, _ctype(nodes, member.given["baseType"]), at // 8)
            except UnknownLayoutError as e:
                raise UnknownLayoutError(f"field {member.name}: {e}") from None
