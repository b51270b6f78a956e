"""One entry of the tables of explanations, and the search for the entry that fits a message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """What one message means, why it is so, and ways to fix it, the likeliest first.

    ``pattern`` is a regular expression over the output of clang, the kernel or BCC; empty where only
    this package raises the error. ``when`` names a fact that must hold besides. The texts
    are formatted with the pattern's named groups and with the facts that the error is raised with.
    """

    rule: str
    pattern: str
    meaning: str  # of an error that only this package raises: its message
    why: str
    fixes: tuple[str, ...]
    example: str  # the message it is about, for docs/errors.md
    when: str = ""


def match(
    table: Sequence[Explanation], message: str, **facts: object
) -> tuple[Explanation | None, dict[str, object]]:
    """The first entry of ``table`` that fits ``message``, or None, and the facts, with those that its pattern names."""
    for entry in table:
        found = (
            entry.pattern
            and (not entry.when or facts.get(entry.when))
            and re.search(entry.pattern, message, re.M)
        )
        if found:
            return entry, {name: text or "" for name, text in found.groupdict().items()} | facts
    return None, facts
