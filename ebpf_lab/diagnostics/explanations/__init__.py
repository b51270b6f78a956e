"""What errors mean: a table a file. Regular expressions are for the output of clang, the kernel and BCC."""

from .attach import ATTACH
from .compiler import COMPILER
from .explanation import Explanation, match
from .machine import MACHINE
from .verifier import VERIFIER

__all__ = ["ATTACH", "COMPILER", "MACHINE", "RULES", "VERIFIER", "Explanation", "match"]

RULES = {entry.rule: entry for table in (COMPILER, VERIFIER, ATTACH, MACHINE) for entry in table}
