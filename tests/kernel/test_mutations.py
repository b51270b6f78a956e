"""Programs with random mistakes: each one loads, or raises an error of this package, in bounded time."""

import random
import re
from pathlib import Path

import pytest
from helpers import HELLO, children, held

from ebpf_lab import BPF, LabError

COUNT = (
    Path(__file__)
    .with_name("rejected")
    .joinpath("null_check.c")
    .read_text()
    .replace("*p += 1", "if (p) *p += 1")
)
SEEDS = {
    "hello": HELLO,
    "count": COUNT,
    "ring": """
struct data_t { u32 pid; char comm[16]; };
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  struct data_t *data = events.ringbuf_reserve(sizeof(struct data_t));
  if (!data)
    return 0;
  data->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(data->comm, sizeof(data->comm));
  events.ringbuf_submit(data, 0);
  return 0;
}
""",
    "calls": """
BPF_PROG_ARRAY(syscall, 500);
BPF_ARRAY(jumps, u64, 1);
int hello(struct bpf_raw_tracepoint_args *ctx) {
  int opcode = ctx->args[1], zero = 0;
  u64 *count = jumps.lookup(&zero);
  if (count && opcode < 500)
    (*count)++;
  for (int i = 0; i < 4; i++)
    bpf_trace_printk("syscall %d", opcode + i);
  syscall.call(ctx, opcode);
  return 0;
}
""",
}
BATCHES, A_BATCH = 8, 30  # 240 programs
TOKENS = [
    "(",
    ")",
    "{",
    ";",
    "&",
    "*",
    "0",
    "-1",
    "1000000",
    "NULL",
    "ctx",
    "u64",
    "char",
    "->",
    "=",
    "<",
    "while",
    "\\",
    '"',
    "#",
]


def mutated(text, chance):
    """``text`` with one to three mistakes: a line dropped, doubled or moved, a token dropped, doubled or changed."""
    for _ in range(chance.randint(1, 3)):
        lines = text.split("\n")
        tokens = list(re.finditer(r"\w+|[^\w\s]", text)) or [re.match("", text)]
        at, token = chance.randrange(len(lines)), chance.choice(tokens)
        other = chance.choice([chance.choice(TOKENS), chance.choice(tokens)[0]])
        how = chance.choice(["drop line", "double line", "swap lines", "drop", "double", "change", "change"])
        if how == "drop line":
            del lines[at]
        elif how == "double line":
            lines.insert(at, lines[at])
        elif how == "swap lines":
            there = chance.randrange(len(lines))
            lines[at], lines[there] = lines[there], lines[at]
        if "line" in how:
            text = "\n".join(lines)
        else:
            new = {"drop": "", "double": f"{token[0]} {token[0]}", "change": other}[how]
            text = text[: token.start()] + new + text[token.end() :]
    return text


@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(batch, marks=pytest.mark.long) for batch in range(1, BATCHES))]
)
def test_a_program_with_random_mistakes_loads_or_raises_an_error_of_this_package(batch):
    chance, before, outcomes = random.Random(f"mistakes {batch}"), (held(), children()), []
    for _ in range(A_BATCH):
        name = chance.choice(list(SEEDS))
        text = mutated(SEEDS[name], chance)
        try:
            with BPF(text=text) as b:
                for function in b.functions:
                    b.load_func(function, BPF.RAW_TRACEPOINT)
            outcomes.append("loads")
        except LabError as e:
            outcomes.append(f"{type(e).__name__} {e.rule}")
            assert str(e).strip() and (e.log or e.rule == "time"), text
            assert re.search(r"\bline \d+", str(e)) or not e.rule, text
        except Exception as e:
            raise AssertionError(f"{type(e).__name__} for:\n{text}") from e
    assert (held(), children()) == before
    assert len(set(outcomes)) > 3, outcomes
