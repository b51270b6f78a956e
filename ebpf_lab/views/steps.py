"""An error's log, one click away: the verifier's as a stepper, the compiler's as text."""

import html
from typing import Any

from IPython.display import HTML

from ..diagnostics.errors import LabError, VerifierError
from .view import View

STEPS = 500  # instructions that the browser holds: the last ones
LOG = 200_000  # characters of a log that the browser holds


class StepsView(View, page="steps"):
    """The widget of a VerifierError: instruction by instruction, what the verifier knew, beside the source line."""

    # shown: source (lines), steps ([instruction, code, line, [[name, what is known, changed] ...]]), omitted, verdict, log

    def __init__(self, error: VerifierError) -> None:
        super().__init__()
        self._error: VerifierError = error
        path: Any = error.steps
        self.shown = {
            "source": error.source.split("\n"),
            "steps": [_row(step) for step in path[-STEPS:]],
            "omitted": max(len(path) - STEPS, 0),
            "verdict": "\n".join(path.message),
            "log": _short(error.log),
        }

    def __repr__(self) -> str:
        return str(self._error)


def unfold(error: BaseException) -> Any:
    """What to show below ``error`` in a notebook: its log, folded; None without a log."""
    if isinstance(error, VerifierError) and error.steps:
        return StepsView(error)
    if not isinstance(error, LabError) or not error.log.strip():
        return None
    lines = error.log.strip().count("\n") + 1
    return HTML(
        f"<details style='font-size: var(--jp-code-font-size)'><summary>Full output ({lines} line{'s' * (lines > 1)})</summary>"
        f"<pre style='white-space: pre-wrap'>{html.escape(_short(error.log))}</pre></details>"
    )


def _row(step: Any) -> list:
    names = sorted(step.state, key=lambda name: (name[0] != "R", int(name.strip("Rfp-"))))
    known = [[name, step.state[name], name in step.changed] for name in names]
    return [step.instruction, step.code, step.line, known]


def _short(log: str) -> str:
    return log if len(log) <= LOG else f"(the last {LOG:,} of {len(log):,} characters)\n{log[-LOG:]}"
