"""What passed on which system and kernel: kept after each whole run, and shown as tables in Markdown.

``python tests/results.py docs/systems.md docs/testing.md`` writes the tables anew, each between its two marks there.
"""

import json
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ebpf_lab.checkup import probes

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests/kernels/artefacts"
MARK = re.compile(r"(<!-- (\w+): made by tests/results\.py -->\n).*?(<!-- to here -->)", re.S)

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

UNTRIED = {  # A result of a system of that name replaces its row.
    "Ubuntu 24.04": "until the workflow in `.github` has run",
    "Fedora, openSUSE, Arch": "`./lab` stops with the command that installs what is missing, then goes on; openSUSE Leap 16.0 has no BCC",
    "Windows": "in [WSL2](#in-wsl2), or in [a virtual machine](#in-a-virtual-machine)",
    "macOS": "in [a virtual machine](#in-a-virtual-machine)",
    "Codespaces, Docker": "in [a container](#in-a-container)",
}


def of(reports: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What is kept of a run: where it ran, the user, the facts that tests noted, and each group's outcomes."""
    facts, groups, reasons = {}, {}, {}
    for outcome, report in reports:
        group = next(name for name, start in GROUPS.items() if report.nodeid.startswith(start))
        groups.setdefault(group, Counter())[outcome] += 1
        facts.update(getattr(report, "user_properties", ()))  # a file that can't be collected has none
        if outcome == "skipped":
            reasons[group] = report.longrepr[2].removeprefix("Skipped: ")
    return {
        "system": os.environ.get("LAB_SYSTEM") or _system(),
        "tools": f"{probes.bcc().found}, Python {platform.python_version()}",
        "kernel": f"Linux {platform.release()}" + (" in emulation" if "LAB_EMULATED" in os.environ else ""),
        "user": "root" if os.geteuid() == 0 else "a user",
        "facts": facts,
        "groups": groups,
        "reasons": reasons,
    }


def _system() -> str:
    release = platform.freedesktop_os_release()
    name = release["NAME"].removesuffix(" GNU/Linux")
    version = release.get("VERSION_ID") or release.get("VERSION_CODENAME", "")
    machine = platform.machine()
    return f"{name} {version}" + (f", {machine}" if machine != "x86_64" else "")


def add(result: dict[str, Any], folder: Path) -> None:
    """Keep ``result`` in ``folder``, in place of what earlier runs found of the same groups there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.]+", "-", "{system} {kernel} {user}".format(**result)) + ".json")
    if path.exists():
        old = json.loads(path.read_text())
        result = result | {part: old[part] | result[part] for part in ("facts", "groups", "reasons")}
    path.write_text(json.dumps(result, indent=1))


def _kept() -> dict[str, list[dict[str, Any]]]:
    """All results that are kept, by system; those in emulation come last."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    kept: dict[str, list[dict[str, Any]]] = {}
    for result in sorted(found, key=lambda result: result["kernel"].endswith("emulation")):
        kept.setdefault(result["system"], []).append(result)
    return dict(sorted(kept.items()))


def systems() -> str:
    """A row for each system: what it has, and how far the lab was tried there."""
    rows = [["system", "its BCC, clang and Python", "tried"]]
    rows += [[name, found[-1]["tools"], _tried(found)] for name, found in _kept().items()]
    rows += [[name, "", f"untried: {how}"] for name, how in UNTRIED.items() if name not in _kept()]
    return _markdown(rows)


def _tried(found: list[dict[str, Any]]) -> str:
    kernels = ", ".join(dict.fromkeys(result["kernel"] for result in found))
    users = " and ".join(sorted({f"as {result['user']}" for result in found}, reverse=True))
    outcomes = sum((Counter(counts) for result in found for counts in result["groups"].values()), Counter())
    failed = outcomes["failed"] + outcomes["error"]
    return f"tested {users} on {kernels}" + (f"; {failed} failed" if failed else "")


def kernels() -> str:
    """A table for each system: a row for each group of tests, a column for each kernel and user."""
    tables = [f"**{name}**: {found[-1]['tools']}\n\n{_table(found)}" for name, found in _kept().items()]
    return "\n\n".join(tables) or "No whole run has left a result here."


def _table(found: list[dict[str, Any]]) -> str:
    facts = {fact: None for result in found for fact in result["facts"]}
    rows = [["", *(f"{result['kernel']}, {result['user']}" for result in found)]]
    rows += [[f"`{fact}`", *(f"`{result['facts'].get(fact, '')}`" for result in found)] for fact in facts]
    rows += [[group, *(_cell(result, group) for result in found)] for group in GROUPS]
    return _markdown(rows)


def _cell(result: dict[str, Any], group: str) -> str:
    counts = result["groups"].get(group)
    if not counts:
        return "not run there"
    if set(counts) == {"skipped"}:
        return result["reasons"][group]
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


def _markdown(rows: list[list[str]]) -> str:
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(page: Path) -> None:
    """Write the tables into ``page`` anew."""
    tables = {"systems": systems, "kernels": kernels}
    text, written = MARK.subn(lambda m: f"{m[1]}\n{tables[m[2]]()}\n\n{m[3]}", page.read_text())
    if not written:
        sys.exit(f"{page} has no line <!-- kernels: made by tests/results.py --> with its <!-- to here -->")
    page.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
