"""Solutions of the exercises with one mistake each, and the mistakes that change nothing that a check could see."""

import random
import re
from pathlib import Path
from typing import NamedTuple

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks" / "solutions"
# What to look for, and what to put in its place: one mistake for each place and each replacement.
MISTAKES = [
    (r" & 0xFFFFFFFF", "", " >> 32"),  # masks dropped, halves swapped
    (r" >> 32", "", " & 0xFFFFFFFF", " >> 31"),
    (r"bpf_get_current_pid_tgid", "bpf_get_current_uid_gid"),
    (r"bpf_get_current_uid_gid\(\)(?! &)", "bpf_get_current_uid_gid() >> 32", "bpf_get_current_pid_tgid()"),
    (r"bpf_get_current_uid_gid(?=\(\) &)", "bpf_get_current_pid_tgid"),
    (r"(\w+)\.lookup_or_try_init\(&(\w+), &\w+\)", r"\1.lookup(&\2)"),  # lookups
    (r"\.lookup\(&(\w+)\)", r".lookup_or_try_init(&\1, &\1)"),
    (r"__sync_fetch_and_add\((\w+), 1\)", r"*\1 += 1", r"*\1 = 1", r"__sync_fetch_and_add(\1, 2)"),  # atomics
    (r"atomic_increment", "increment"),
    (r"atomic_increment\((\w+)\)", r"atomic_increment(\1 + 1)", r"atomic_increment(\1, 2)"),
    (r"\*(\w+) \+= 1", r"*\1 = 1", r"*\1 += 2", r"*\1 -= 1"),
    (r"(\w+)\.update\(&(\w+), &(\w+)\)", r"\1.insert(&\2, &\3)", r"\1.delete(&\2)"),
    (r"return 0;", "return 1;"),  # returns
    (r"return 0;(?!\n})", ";"),
    (r"(\w+\.call\(\w+, )(\w+)\)", r"\1\2 + 1)", r"\1 0)"),  # jumps
    (r" == ", " != "),  # conditions
    (r" != ", " == "),
    (r"% 2 ==", "% 3 =="),
    (r"& 1\)", "& 2)", "| 1)"),
    (r"if \(([^()]+)\)", "if (1)", "if (0)"),
    (r"= (\d)\b", r"= \1 + 1"),  # numbers
    (r"\* 2", "* 3", "+ 2"),
    (r"\((\w+), (\d+)\)", r"(\1, \2 / 2)", r"(\1, \2 * 2)"),
    (r"args\[1\]", "args[0]"),
    (r"\bu64 (?=\w+ =)", "u32 ", "u8 "),  # types
    (r"\bu32 (?=\w+ =)", "u64 ", "u16 "),
    (r"\[64\]", "[16]", "[32]", "[128]"),
    (r"\[12\]", "[4]"),
    (r"BPF_PERCPU_ARRAY", "BPF_ARRAY"),
    (r"BPF_PERCPU_HASH", "BPF_HASH"),
    (r"probe_read_user_str", "probe_read_user", "probe_read_kernel_str"),  # helpers
    (r"probe_read_kernel\b", "probe_read_user"),
    (r"PARM1", "PARM2"),
    (r"sizeof\(([\w.]+)\)", r"sizeof(\1) / 2", r"sizeof(\1) - 1"),
    (r"sys_enter_\w+", "sys_enter_execve", "sys_exit_chdir"),  # hooks
    (r"RAW_TRACEPOINT_PROBE\(sys_enter\)", "RAW_TRACEPOINT_PROBE(sys_exit)", "RAW_TRACEPOINT_PROBE(sched_switch)"),
    (r"\.(time|cpu|text) = [^,}]+,? ?", ""),
    (r"(?m)^ +((?!return)[\w*][^\n{}]*;)$", ";"),  # statements dropped
    (r"(?m)^ +((?!u\d|struct|const|char|int|return)[\w*][^\n{}]*;)$", r"\1 \1"),  # doubled
    (r"(?m)^( +[\w*][^\n{}]*;)\n( +[\w*][^\n{}]*;)$", r"\2\n\1"),  # and exchanged
]  # fmt: skip


# (exercise, change, why it may be accepted), the first two as regular expressions of the whole.
ORDER = "neither of the two lines needs what the other one does"
EQUIVALENT = [
    (".*", r"\d+: return 0; -> return 1;", "nobody looks at what a program returns at these hooks, or in a test run"),
    ("two-calls|every-call|by-number", "5: u64 zero.*; 6: .* -> u64 zero = 0;", ORDER),
    ("probe|own-target", r"\d+: u32 number.*; \d+: u32 uid.* -> u32 number = ctx->args\[1\];", ORDER),
    ("every-call|two-calls|by-number", r"6: u64 (\w+) = .* -> u32 \1 = .*", "the four bytes behind it are those of zero, so the key is the same"),
    ("two-calls", r"9: .* -> \*p \+= 1;", "the task leaves the way of counting open, and the book's own can lose a count"),
    ("odd-even", r"3: u32 pid.* -> u(64|16) pid.*", "the lowest bit is the same, and a message needs no number"),
    ("chdir", r"5: (.*) -> \1 \1", "the line is printed twice. The trace pipe has other programs' lines as well, the learner's own too"),
    ("chdir|opened-files|own-target", r"\d+: (bpf_probe_read.*) -> \1 \1", "the second copy gives the same"),
    ("chdir|opened-files|own-target", r".* -> char name\[128\];", "there is more room than needed"),
    ("chdir|opened-files|own-target", r".*sizeof\([\w.]*name\) - 1, .*", "the last byte is only needed by longer names than 62 letters"),
    ("odd-even-events|opened-files|own-target", r".* -> BPF_RINGBUF_OUTPUT\(output, \d+ [*/] 2\);", "the task leaves the size of the ring open"),
    ("odd-even-events", r"12: .* -> if \(data.pid % 2 != 1\)", "which message is for which half is for the author to say"),
    ("odd-even-events|opened-files|chain", r"\d+: (data.pid = .*|\*mine = .*|result.update.*) -> \1 \1", "the same number is stored twice"),
    ("odd-even-events|opened-files", "5: u32 pid; -> .*; 6: .* -> u32 pid;", "a reader finds the fields by their names"),
    ("opened-files", "11: .*; 12: .*", ORDER),
    ("own-target", r"28: .* -> .*sizeof\(folder\) - 1, .*", "the highest byte of an address of user space is 0, as what is there on the stack"),
    ("own-target", r"30: output.*; 31: .* -> output.*", ORDER),
    ("own-target", r"26: struct .*; 27: .* -> struct .*", ORDER),
    ("never-lose", "6: u64 time; -> .*; 7: .* -> u64 time;", "a reader finds the fields by their names"),
    ("probe|own-target|chain", r"\d+: (\w+\.call.*) -> \1 \1", "the second jump is only tried where the first found nothing, and finds nothing either"),
    ("probe|own-target|chain", r"\d+: BPF_PROG_ARRAY.* (512 / 2|\* 2)\);", "a number beyond the array's end finds as little as one whose slot is empty"),
    ("probe|own-target", r"\d+: u32 (number = .*;) -> u(64|16) \1", "numbers of system calls are smaller than 65,536"),
    ("chain", r"\d+: if \((number == 0 \|\| )?mine == 0\) -> if \((0|.* \+ 1.*)\)|\d+: return 0; -> ;", "entry 0 of an array is always there, and newer verifiers know it"),
    ("chain", r"\d+: (.*)lookup\(&slot\); -> \1lookup_or_try_init.*", "entry 0 of an array is always there"),
]  # fmt: skip


class Mutant(NamedTuple):
    """``change`` is what a reader sees of it: the line as it was and as it is."""

    exercise: str
    change: str
    program: str


def solutions():
    """{exercise: our solution}, as the notebooks in solutions/ have them."""
    found = {}
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        sources = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        written = dict(
            re.match(r"%%bpf (\w+)(\n.*)", source, re.S).groups()
            for source in sources
            if source.startswith("%%bpf")
        )
        for name, program in re.findall(r'check\("([\w-]+)", (\w+)\)', "\n".join(sources)):
            found[name] = written[program]
    return found


def mutants(most=1000, seed="checks"):
    """At most so many mutants of each solution, the same ones each time."""
    for exercise, solution in solutions().items():
        found = {mutant.program: mutant for mutant in _mutants(exercise, solution)}
        yield from random.Random(f"{seed} {exercise}").sample(list(found.values()), min(most, len(found)))


def _mutants(exercise, solution):
    for pattern, *replacements in MISTAKES:
        for place in re.finditer(pattern, solution):
            for replacement in replacements:
                program = solution[: place.start()] + place.expand(replacement) + solution[place.end() :]
                if program != solution:
                    yield Mutant(exercise, _change(solution, program), program)


def _change(before, after):
    """The lines that differ: '3: return 0; -> return 1;', where lines are counted as in the cell."""
    pairs = zip(before.split("\n"), after.split("\n"), strict=True)
    return "; ".join(f"{n}: {a.strip()} -> {b.strip()}" for n, (a, b) in enumerate(pairs, 1) if a != b)
