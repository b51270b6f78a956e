"""One entry of the tables of explanations, and the search for the entry that fits a message."""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class Explanation:
    """What a message means, why it is so, and ways to fix it, the likeliest first.

    ``pattern`` is a regular expression over the output of clang, the kernel or BCC; an error that only this
    package raises has none. ``when`` names a fact that must hold, too. The texts are formatted with
    the groups of the pattern and the facts of the error.
    """

    rule: str
    _: KW_ONLY
    pattern: str = ""
    when: str = ""
    meaning: str  # of an error that only this package raises: the message itself
    why: str
    fixes: tuple[str, ...]
    example: str  # the message, for docs/errors.md


def match(
    table: Sequence[Explanation], message: str, **facts: object
) -> tuple[Explanation | None, dict[str, object]]:
    """The first entry of ``table`` that fits, or None; and the facts, with the groups of its pattern."""
    for entry in table:
        applies = facts.get(entry.when) if entry.when else entry.pattern
        if applies and (found := re.search(entry.pattern, message, re.M)):
            return entry, found.groupdict(default="") | facts
    return None, facts
