"""Result: what check() found out about a program, as text and for a notebook."""

import html
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What check() found; true where the task is done.

    ``sent`` is the workload, ``saw`` what came of it, ``log`` the output of the compiler
    or the kernel where the program failed. ``exercise`` is the exercise's name, ``judged`` says which text was
    tried, ``program``, and ``next`` what to try after it is done.
    """

    done: bool
    why: str
    sent: str = ""
    saw: str = ""
    log: str = ""
    exercise: str = ""
    judged: str = ""
    program: str = ""
    next: str = ""

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        rows = (("sent", self.sent), ("saw", self.saw), ("judged", self.judged), ("next", self.next))
        lines = [f"  {name + ':':7} {text}" for name, text in rows if text]
        return "\n".join([f"{'done' if self.done else 'not yet'}: {self.why}", *lines])

    def _repr_html_(self) -> str:
        mark = "✓ Done" if self.done else "✗ Not yet"
        rows = (("Sent", self.sent), ("Saw", self.saw), ("Next, if you like", self.next))
        shown = "".join(f"<br><b>{name}:</b> {_escaped(text)}" for name, text in rows if text)
        return (
            f"<div role='status'><b>{mark}.</b> <span style='white-space: pre-wrap'>{html.escape(self.why)}</span>"
            f"{shown}{self._judged()}</div>"
        )

    def _judged(self) -> str:
        """The text that was tried, folded, with the line numbers of its cell."""
        if not self.judged:
            return ""
        lines = enumerate(self.program.rstrip().split("\n"), 1)
        numbered = html.escape("\n".join(f"{n:>3}  {line}" for n, line in lines if n > 1 or line))
        return (
            f"<details><summary>Judged: {html.escape(self.judged)}</summary><pre>{numbered}</pre></details>"
        )


class NotYet(Exception):
    """The program lacks what the exercise needs to be tried at all, or does something that it must not."""


def listed(messages: Iterable[set[str]]) -> str:
    """At most four of the messages, as text."""
    found = sorted(set().union(*messages))
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return (", ".join(map(repr, found[:4])) + more) or "nothing"


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
