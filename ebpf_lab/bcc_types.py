"""The ctypes classes of a program's events, keys and values: BCC's own, or clang's layout where BCC's differs."""

import contextlib
import io
import json
import re
from collections.abc import Callable
from typing import Any

from .diagnostics.compiler import event_error
from .diagnostics.errors import MapError
from .loading import layouts
from .loading.dtypes import dtype_of
from .loading.libbcc import bcc, lib


def event_class(table: Any) -> Any:
    """The ctypes class of a buffer's events, with clang's layout; without fields where the program sends no struct.

    Raises MapError where it can't be had.
    """
    if table._event_class is None:
        name, bpf = table._name, table.bpf
        count = lib.bpf_perf_event_fields(bpf.module, name)
        described = [lib.bpf_perf_event_field(bpf.module, name, n).decode() for n in range(count)]
        fields = [(field, kind) for field, _, kind in (text.partition("#") for text in described)]
        if fields and bpf.types:
            clangs = _readable(name, "events", lambda: layouts.event_type(bpf.types, fields))
            table._event_class = _bccs_or(clangs, lambda: bcc.table._get_event_class(table))
        else:
            table._event_class = _as_bcc_reads_it(table)
    return table._event_class


def _as_bcc_reads_it(table: Any) -> Any:
    """The class that BCC makes of an event's fields: for a program whose types the sandboxed compile could not tell.

    BCC keeps neither the width of a bit field nor that a struct is packed, so a source with these is an error.
    """
    name, source = table._name.decode(), table.bpf.source
    if unknown := re.search(r"\w+\s*:\s*\d+\s*[,;]|\bpacked\b", source):
        raise MapError(
            f"The events of {name} can't be read: the source has {unknown[0]!r}, and its types could not be had from clang.",
            fix="give the struct whole integers, as u32, and leave out packed",
        )
    with contextlib.redirect_stderr(io.StringIO()) as log:
        try:
            return bcc.table._get_event_class(table)
        except SystemExit as e:  # bcc/table.py ends Python for a type that it doesn't know
            raise event_error(log.getvalue(), table._name.decode(), table.bpf.source) from e


def corrected_types(bpf: Any, name: bytes) -> list[Any]:
    """[the ctypes class of a map's keys, that of its values] with clang's layout; None for what BCC describes rightly."""
    described = [("key", lib.bpf_table_key_desc), ("leaf", lib.bpf_table_leaf_desc)]
    return [_corrected(bpf, name, part, describe(bpf.module, name)) for part, describe in described]


def _corrected(bpf: Any, name: bytes, part: str, described: bytes | None) -> Any:
    what = {"key": "keys", "leaf": "values"}[part]
    ours = _readable(name, what, lambda: layouts.type_in_map(bpf.types, name.decode(), part))
    if ours is None or not described:
        return None
    read = _bccs_or(ours, lambda: bcc.BPF._decode_table_type(json.loads(described)))
    return ours if read is ours else None


def _bccs_or(clangs: Any, make: Callable[[], Any]) -> Any:
    """The class that BCC makes, which programs may take apart by its _fields_, where it has clang's layout; else ``clangs``."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            bccs = make()
        return bccs if dtype_of(bccs) == dtype_of(clangs) else clangs
    except (Exception, SystemExit):  # a type that BCC doesn't know, or whose layout ctypes doesn't tell
        return clangs


def _readable(name: bytes, what: str, layout: Callable[[], Any]) -> Any:
    try:
        return layout()
    except layouts.UnknownLayoutError as e:
        raise MapError(f"The {what} of {name.decode()} can't be read: {e}.") from None
