"""Which notebook and which group of tests passed on which kernel: kept after a whole run, shown as one table."""

import json
import os
import platform
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests/kernels/artefacts"
BEGIN, END = "<!-- made by tests/results.py -->", "<!-- to here -->"

# Each row of the table, and the files that it counts; a file belongs to the first row that it fits.
GROUPS = {
    path.stem: f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
} | {
    "their solutions": "notebooks/solutions/",
    "kprobes, fentry, LSM": "tests/kernel/test_kprobes",
    "hooks": "tests/kernel/test_hooks",
    "rejected programs": "tests/kernel/test_rejected",
    "an ordinary user's lab": "tests/kernel/test_ordinary_user",
    "all else in the kernel": "tests/kernel/",
    "in the browser": "tests/browser/",
    "without a kernel": "tests/",
}


def of(reports):
    """What is kept of a run: the kernel, the user, the facts that tests noted, and each group's outcomes."""
    facts, groups, reasons = {}, {}, {}
    for outcome, report in reports:
        group = next(name for name, start in GROUPS.items() if report.nodeid.startswith(start))
        groups.setdefault(group, Counter())[outcome] += 1
        facts.update(getattr(report, "user_properties", ()))  # a file that can't be collected has none
        if outcome == "skipped":
            reasons[group] = report.longrepr[2].removeprefix("Skipped: ")
    return {
        "kernel": f"Linux {platform.release()}",
        "user": "root" if os.geteuid() == 0 else "a user",
        "facts": facts,
        "groups": groups,
        "reasons": reasons,
    }


def add(result, folder):
    """Keep ``result`` in ``folder``, in place of what earlier runs found of the same groups there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.]+", "-", "{kernel} {user}".format(**result)) + ".json")
    if path.exists():
        old = json.loads(path.read_text())
        result = result | {part: old[part] | result[part] for part in ("facts", "groups", "reasons")}
    path.write_text(json.dumps(result, indent=1))


def table():
    """All results that are kept, as a table in Markdown: a row for each group, a column for each kernel and user."""
    kept = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    if not kept:
        return "No whole run has left a result here."
    facts = {fact: None for result in kept for fact in result["facts"]}
    rows = [["", *(f"{result['kernel']}, {result['user']}" for result in kept)]]
    rows += [[f"`{fact}`", *(f"`{result['facts'].get(fact, '')}`" for result in kept)] for fact in facts]
    rows += [[group, *(_cell(result, group) for result in kept)] for group in GROUPS]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(result, group):
    counts = result["groups"].get(group)
    if not counts:
        return "not run there"
    if set(counts) == {"skipped"}:
        return result["reasons"][group]
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


if __name__ == "__main__":  # puts the table into a file, between the two marks there
    page = Path(sys.argv[1])
    before, _, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{page} has no lines {BEGIN} and {END}, between which the table could stand")
    page.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}")
