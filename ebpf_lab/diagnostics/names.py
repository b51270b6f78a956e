"""Names that are looked up: an error that has the nearest one where a name is unknown."""

import difflib
import re
from collections.abc import Iterable

from .errors import LabError


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """The fix for a name that is not among the ``known`` ones: those nearest to it, or ''."""
    known = dict.fromkeys(known)
    if name in known:
        return ""
    parts = set(re.findall(r"[^\W_]+", name))
    longer = [
        other for other in sorted(known) if len(parts) > 1 and parts < set(re.findall(r"[^\W_]+", other))
    ]
    near = longer[:most] or difflib.get_close_matches(name, known, most, 0.65)  # sys_chdir: sys_enter_chdir
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_name(
    name: str | bytes, known: Iterable[str], rule: str = "function-name", error: type[LabError] = LabError
) -> None:
    """Raise ``error``, with the nearest name, where ``name`` is not among the ``known`` ones."""
    name = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
    known = list(known)
    if name not in known:
        fix = did_you_mean(name, known, 1)
        raise error(rule=rule, name=name, known=", ".join(known) or "none", fix=fix)
