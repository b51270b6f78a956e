"""What a program calls the keys of its maps, read from its source."""

import re
from typing import Any

from .jump_table import jump_table


def key_of(table: Any) -> str:
    """The name of the variable that the program looks the map up with, as 'uid'; else 'key'."""
    names = [name for name, known in table.bpf.tables.items() if known is table]
    used = names and re.search(rf"\b{re.escape(str(names[0]))}\.\w+\(&?(\w+)", table.bpf.source)
    return used[1] if used else "key"


def slot_of(table: Any) -> str:
    """'syscall' where a program array's name, or the variable given to its call(), says that its slots are those; else 'slot'."""
    name = jump_table(table).name
    given = re.search(rf"\b{name}\s*\.\s*call\s*\(\s*\w+\s*,\s*(?:\(\w+\)\s*)?(\w+)", table.bpf.source)
    says = "syscall" in name or (given and re.search(r"syscall|opcode|(^|_)nr$", given[1]))
    return "syscall" if says else "slot"
