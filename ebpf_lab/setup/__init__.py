"""What ./lab does without root and without bash; it needs the standard library alone.

Each module is run as ``python -m ebpf_lab.setup.NAME`` by ./lab, by whichever Python it found. What is printed on
stdout is for ./lab: one sentence, name or argument per line.
"""

import sys
from typing import NoReturn


def say(sentence: str) -> None:
    """Tell the user which step comes, as ./lab does."""
    mark = "\033[1m==>\033[0m" if sys.stdout.isatty() else "==>"
    print(mark, sentence, flush=True)


def stop(what: str, fix: str) -> NoReturn:
    """End the process as ./lab does: with what failed, and the fix."""
    sys.exit(f"\nlab: stopped: {what}\nFix: {fix}")
