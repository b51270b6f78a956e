"""A program array, live: the dispatcher, the slots it jumps through, and the programs in them."""

import time
from typing import Any

from ..inspect.jump_table import JumpTable, jump_table
from ..inspect.keys import slot_of
from .counts import TOP, Rate, syscall_label
from .live import LiveView

REREAD = 2  # seconds after which slots are read again: others than this Python may have filled them
EMPTY = -1  # stands for all empty slots among the counts


class JumpView(LiveView, page="jumps"):
    """The widget of watch(b["syscall"]), of a program array.

    Shows name, filled, dispatchers, heads, rows ([slot, system call, count, per second, lit, target]), empty (such a
    row), targets, hint, more and alt.
    """

    def __init__(self, table: Any, key: str | None) -> None:
        super().__init__()
        self._table, self.key = table, key or slot_of(table)
        self._read: JumpTable | None = None
        self._seen, self._due = None, 0.0
        self._rate = Rate()
        self._counts: dict[int, int] | None = None
        self._lit: set[tuple[int, str]] = set()
        self._alt, self._told = "", 0.0

    def _picture(self) -> dict[str, Any]:
        """The counts, read now, and the slots, read where they may have changed."""
        now, changes = time.monotonic(), self._table.changes
        if changes != self._seen or now > self._due:
            self._read, self._seen, self._due = None, changes, now + REREAD
        self._read = jump_table(self._table, self._read)
        shown = self._rows(self._read, now)
        # The picture changes ten times a second, too often for a screen reader.
        if now - self._told >= 1 or not self.running:
            self._alt, self._told = _alt(shown, self.key), now
        return shown | {"alt": self._alt}

    def _rows(self, table: JumpTable, now: float) -> dict[str, Any]:
        counts = {slot: count for slot, count in (table.jumps or {}).items() if count is not None}
        if table.empty is not None:
            counts[EMPTY] = table.empty
        before = self._counts
        self._counts = (before or {}) | counts  # an emptied slot may be filled again
        change = self._rate.update(self._counts, now)
        jumped = set() if before is None else {slot for slot in counts if counts[slot] > before.get(slot, 0)}
        # Lit until the next jump, or until its slot leads elsewhere.
        self._lit = {
            (slot, table.slots[slot]) for slot in jumped - {EMPTY}
        } or self._lit & table.slots.items()
        top = sorted(sorted(table.slots, key=lambda slot: (-counts.get(slot, 0), slot))[:TOP])
        targets = list(dict.fromkeys(table.slots[slot] for slot in top))

        def row(slot: int, lit: bool, *target: int) -> list:
            if slot not in counts:
                return [str(slot), self._label(slot), "not counted", "", False, *target]
            per_second = f"{change(slot):+,}" if change(slot) else "0"
            return [str(slot), self._label(slot), f"{counts[slot]:,}", per_second, lit, *target]

        more = len(table.slots) - len(top)
        return {
            "name": table.name,
            "filled": f"{len(table.slots):,} of {table.size:,} slots filled",
            "dispatchers": table.dispatchers,
            "heads": ["slot" if self.key == "syscall" else self.key, self._names, "jumps", "per second"],
            "rows": [
                row(slot, (slot, table.slots[slot]) in self._lit, targets.index(table.slots[slot]))
                for slot in top
            ],
            "empty": row(EMPTY, EMPTY in jumped),
            "targets": targets,
            "hint": "" if top else _HINT.format('syscall_nr("execve")' if self._names else 0),
            "more": f"and {more:,} more" if more else "",
            "note": _uncounted(table),
        }

    @property
    def _names(self) -> str:
        return "system call" if self.key == "syscall" else ""

    def _label(self, slot: int) -> str:
        return "empty slots" if slot == EMPTY else syscall_label(slot) if self._names else ""

    def __repr__(self) -> str:
        shown = self.shown
        rows = [[*shown["heads"], "program", ""]]
        for *cells, lit, target in shown["rows"]:
            rows.append([*cells, shown["targets"][target], "● last jump" if lit else ""])
        _, _, *cells, lit = shown["empty"]
        rows.append(["", "empty slots", *cells, "no jump", "● last miss" if lit else ""])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        right = (0, 2, 3)  # numbers
        lines = [
            "  ".join(
                cell.rjust(width) if n in right else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        if shown["more"]:
            lines.insert(-1, shown["more"])
        head = f"{shown['name']}: {shown['filled']}; {_dispatcher(shown)}"
        return "\n".join([head, *lines, *filter(None, [shown["hint"], shown["note"]])])


_HINT = "no slot is filled yet: calls[{}] = b.load_func(...)"


def _uncounted(table: JumpTable) -> str:
    if table.jumps is None:
        return (
            "Not counted: the kernel has no counts of tail calls. The program can count them: "
            f"BPF_ARRAY(jumps, u64, {table.size + 1})."
        )
    if table.empty is None:
        return f"To count the empty slots, the map jumps needs one more entry: BPF_ARRAY(jumps, u64, {table.size + 1})."
    return ""


def _dispatcher(shown: dict[str, Any]) -> str:
    return f"dispatcher: {', '.join(shown['dispatchers']) or 'none'}"


def _alt(shown: dict[str, Any], key: str) -> str:
    parts = [f"Jump table {shown['name']}: {shown['filled']}; {_dispatcher(shown)}."]
    kind = "Slot" if key == "syscall" else key.capitalize()
    for slot, name, count, _, lit, target in shown["rows"]:
        jumps = count if count == "not counted" else f"{count} jump{'s'[count == '1' :]}"
        parts.append(
            f"{kind} {slot}{name and f' ({name})'} to {shown['targets'][target]}: "
            f"{jumps}{', last jump' if lit else ''}."
        )
    parts += filter(None, [shown["more"] and f"{shown['more']}.", shown["hint"] and f"{shown['hint']}."])
    return " ".join([*parts, f"Empty slots: {shown['empty'][2]}."])
