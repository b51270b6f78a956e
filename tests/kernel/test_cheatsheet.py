"""docs/cheatsheet.md against this BCC and this kernel: it says what is so."""

import ctypes
import os
import re

import pytest
from helpers import ROOT

import ebpf_lab
from ebpf_lab import BPF, attach, fire, hooks, record
from ebpf_lab.hook_kinds import KINDS
from ebpf_lab.inspect.bytecode import instructions

SHEET = (ROOT / "docs/cheatsheet.md").read_text()


def rows(section):
    """The cells of a section's table."""
    text = SHEET.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line][1:]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


MAPS = "\n".join(code(row[0])[0] + ";" for row in rows("Maps"))
CALLS = {code(row[0])[0]: row for row in rows("Calls on maps")}


def test_each_macro_is_one_of_bccs():
    macros = set(re.findall(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\(", SHEET))
    assert len(macros) >= 20
    BPF(text="".join(f"#ifndef {macro}\n#error {macro}\n#endif\n" for macro in macros))


def test_a_short_form_makes_a_map_of_so_many_entries():
    short = [(code(row[1])[0], int(row[1].split(": ")[1])) for row in rows("Maps") if row[1]]
    b = BPF(text="\n".join(f"{declaration};" for declaration, _ in short))
    made = [b[re.findall(r"\w+", declaration)[1]].max_entries for declaration, _ in short]
    assert made == [entries for _, entries in short]


def test_each_helper_can_be_called():
    calls = "\n".join(f"{code(row[0])[0]};" for row in rows("Helpers"))
    b = BPF(
        text=f"int f(void *ctx) {{ u64 number = 1; void *pointer = 0; char text[16];\n{calls}\nreturn 0; }}"
    )
    b.load_func("f", BPF.TRACEPOINT)


def calling(call):
    """A program whose `f` does ``call``: b["results"] has its result, and whether the next line ran."""
    returns = "nothing" not in CALLS[call][1] and call not in ("(*p)++", "programs.call(ctx, slot)")
    done = f"result = (s64){call};" if returns else f"{call};"
    if "reserve" in call:
        done = f"p = {call}; result = (s64)p; if (p) {{ *p = 1; ring.ringbuf_submit(p, 0); }}"
    source = f"""{MAPS}
    BPF_ARRAY(results, s64, 2);
    int f(struct __sk_buff *ctx) {{
      u64 key = 9, value = 7;
      int slot = 9, first = 0, second = 1;
      s64 result = 0, reached = 1;
      u64 *p = array.lookup(&first);
      if (p == 0) return 0;
      {done}
      results.update(&first, &result);
      results.update(&second, &reached);
      return 0;
    }}"""
    return BPF(text=source, cflags=["-w"])


def fill(b, name):
    for key in range(100, 104):
        if name == "queue":
            b[name].push(ctypes.c_ulong(key))
        else:
            b[name][ctypes.c_ulong(key)] = b[name].Leaf(0)


# What must be so before a call can't do its work, where that is not so from the start.
BEFORE = {
    "the map is full": lambda b: fill(b, "hash"),
    "the queue is full": lambda b: fill(b, "queue"),
    "the key is there": lambda b: b["hash"].__setitem__(ctypes.c_ulong(9), ctypes.c_ulong(7)),
    "the ring is full": lambda b: fire(b, "f", times=2000),
}


@pytest.mark.parametrize("call", [call for call, row in CALLS.items() if row[3]])
def test_a_call_that_can_not_do_its_work_returns_what_the_sheet_says(call):
    told, _, why = CALLS[call][3].partition(": ")
    b = calling(call)
    BEFORE.get(re.split(r"[.,]", why)[0], lambda b: None)(b)
    kept = {name: _contents(b[name]) for name in ("hash", "array", "per_cpu_hash", "lru", "histogram")}
    fire(b, "f")
    result, reached = (value.value for value in b["results"].values())
    assert reached == (0 if told == "**leaves your function**" else 1)
    assert result == (0 if "**" in told else int(code(told)[0]))
    assert {name: _contents(b[name]) for name in kept} == kept


def _contents(table):
    return sorted((key.value, bytes(value)) for key, value in table.items())


@pytest.mark.parametrize("call", [call for call, row in CALLS.items() if row[2]])
def test_a_call_is_atomic_where_the_sheet_says_so(call):
    b = calling(call)
    b.load_func("f", BPF.SOCKET_FILTER)
    atomic = any(one.atomic for one in instructions(b.dump_func("f")))
    assert atomic == {"yes": True, "no": False}[CALLS[call][2]]


def test_each_row_of_formats_is_as_the_kernel_has_it():
    formats = {text: row[0] for row in rows("Formats of bpf_trace_printk") for text in code(row[1])}
    formats = {text: told.split(":")[0] for text, told in formats.items()}

    def call(n, text):
        count = min(len(re.findall(r"%", text.replace("%%", ""))), 3)
        value = (
            ", text" if text.endswith(("s", "sx")) else ", &number" if "%p" in text else ", number" * count
        )
        return f'bpf_trace_printk("row {n}: {text}"{value});'

    calls = "\n".join(call(n, text) for n, text in enumerate(formats))
    source = f"""int f(void *ctx) {{
      if (bpf_get_current_pid_tgid() >> 32 != {os.getpid()}) return 0;
      u64 number = 80;
      char text[] = "text";
      {calls}
      return 0;
    }}"""
    b = BPF(text=source, cflags=["-w"])
    attach(b, syscall="getpriority", fn_name="f")
    with record(b) as lines:
        os.getpriority(os.PRIO_PROCESS, 0)
    came = {
        text: any(line.message.startswith(f"row {n}:") for line in lines.lines)
        for n, text in enumerate(formats)
    }
    assert {text: "accepted" if written else "rejected" for text, written in came.items()} == formats


@pytest.mark.parametrize(
    "row", [row for row in rows("Hooks") if "`attach(" in row[1]], ids=lambda row: row[0]
)
def test_attach_makes_the_hook_of_its_row(row):
    b = BPF(text="int hello(void *ctx) { return 0; }")
    hook = eval(code(row[1])[0], {"attach": attach, "b": b})
    assert hooks.attached(b) == [hook]
    assert hook.partition(":")[0] in [told.partition(":")[0] for told in code(row[0])]


def test_each_kind_of_hook_is_in_the_sheet_and_no_other():
    told = set(re.findall(r"b\.(attach_\w+)\(", SHEET)) | {"attach_tracepoint", "attach_raw_tracepoint"}
    assert told == {kind.method for kind in KINDS} - {"attach_fmod_ret"}  # of BCC 0.35 and newer


def test_each_verb_is_in_the_sheet():
    verbs = SHEET.partition("## The lab's verbs")[2]
    assert [
        name for name in ebpf_lab.__all__ if not name.endswith("Error") and f"`{name}(" not in verbs
    ] == []
