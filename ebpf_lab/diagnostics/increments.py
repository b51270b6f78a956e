"""Calls of increment() that count nothing: BCC lets it make the entry of a new key in a BPF_HASH alone, and says nothing."""

import re
from collections.abc import Iterable

from .printk import without_comments


def uncounted(source: str, maps: Iterable[str]) -> str:
    """The increment() calls in a program's C source on ``maps``, which make no entries, as a sentence; '' for none.

    A map for which the program makes entries in another way is left out. In BCC: b_frontend_action.cc, VisitCallExpr().
    """
    code = without_comments(source)
    found = []
    for name in maps:
        call = re.search(rf"\b{re.escape(name)}\s*\.\s*((?:atomic_)?increment)\s*\(", code)
        if call and not re.search(rf"\b{re.escape(name)}\s*\.\s*(?:update|insert|lookup_or_\w+)\s*\(", code):
            found.append(f"{name}.{call[1]}() (line {code.count(chr(10), 0, call.start()) + 1})")
    if not found:
        return ""
    return (
        f"{', '.join(found)} counts nothing for a key that is not in the map yet: BCC makes the entry in a BPF_HASH alone. "
        "In other maps lookup_or_try_init() makes it"
    )
