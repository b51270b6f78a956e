"""``./lab doctor``: print the report, in colours on a terminal; exit 1 if something is missing."""

import os
import re
import sys

from . import doctor
from .report import COLOURS

report = doctor()
text = str(report)
if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
    for state, (colour, _) in COLOURS.items():
        text = re.sub(f"^{state}", f"\033[{colour}m{state}\033[0m", text, flags=re.MULTILINE)
print(text)
sys.exit(not report.ok)
