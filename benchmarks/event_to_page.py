"""From an event in the kernel to its text in the page: this lab's live views beside BCC's own loop, in one run.

    .venv/bin/python benchmarks/event_to_page.py [EVENTS]

Needs what ./lab setup --tests installs. A JupyterLab server and a Chromium are started,
with two notebooks, each in a window. One has watch() of a program's trace lines and of its
ring buffer. A cell of the other runs the book's loop, BCC's trace_print(), which prints the
same lines. For each process that a certain user starts the program writes the kernel's
clock into both. Processes are started one by one, 50 to 350 ms apart at random, so that
they don't keep step with a screen update. The page takes the time when the number has
come into it and the browser has drawn it. On a machine that others use too, start it with
nice -n -15. Written to event_to_page.md beside this file.
"""

import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bcc

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from jupyterlab_page import opened, server, window

from ebpf_lab import run

UID = 12001
OURS = [
    "from ebpf_lab import BPF, attach, watch",
    f"""%%bpf program
BPF_RINGBUF_OUTPUT(output, 16);
struct event {{ u64 ns; char end[8]; }};
int hello(void *ctx) {{
  if ((u32)bpf_get_current_uid_gid() != {UID}) return 0;
  struct event event = {{ bpf_ktime_get_ns(), "ring" }};
  output.ringbuf_output(&event, sizeof(event), 0);
  bpf_trace_printk("ns %llu line", event.ns);
  return 0;
}}""",
    'b = BPF(text=program)\nattach(b, tracepoint="syscalls:sys_enter_execve", fn_name="hello")',
    "watch(b)",
    'watch(b["output"])',
]
PLAIN = [
    "import bcc\nfrom ebpf_lab.kernel import headers\nheaders.prepare()",
    'bcc.BPF(text=b"int nothing(void *ctx) { return 0; }").trace_print()',
]
WAYS = {
    "a trace line, in watch(b)": (0, "line"),
    'a ring buffer\'s event, in watch(b["output"])': (0, "ring"),
    "a trace line, printed by BCC's trace_print()": (1, "line"),
}
LOOK = r"""() => {
  window.seen = { line: {}, ring: {} };
  const looks = { line: /ns (\d{10,}) line/g, ring: /(\d{10,})ring/g };
  new MutationObserver(changes => {
    const fresh = [];
    for (const { addedNodes, target } of changes)
      for (const node of addedNodes.length ? addedNodes : [target])
        for (const [way, look] of Object.entries(looks))
          for (const [, ns] of node.textContent.matchAll(look)) if (!(ns in seen[way])) fresh.push([way, ns]);
    if (fresh.length) requestAnimationFrame(() => setTimeout(() => {  // drawn
      for (const [way, ns] of fresh) seen[way][ns] ??= Date.now();
    }));
  }).observe(document.querySelector(".jp-Notebook"), { childList: true, characterData: true, subtree: true });
}"""


def seen(lab, way):
    return lab.page.evaluate(f"seen.{way}")


def measure(ours, plain, events):
    """-> for each way the milliseconds of each event."""
    ours.write("ours.ipynb", *OURS)
    ours.open("ours.ipynb")
    ours.run_all()
    plain.write("plain.ipynb", *PLAIN)
    plain.open("plain.ipynb")
    plain.run_cell("headers.prepare")
    plain.cell("trace_print").locator(".jp-InputArea-editor").click()
    plain.page.keyboard.press("Control+Enter")
    labs = (ours, plain)
    for lab in labs:
        lab.page.evaluate(LOOK)
    deadline = time.monotonic() + 60
    while not all(seen(labs[tab], way) for tab, way in WAYS.values()):  # the loop may not be there yet
        assert time.monotonic() < deadline, {name: seen(labs[tab], way) for name, (tab, way) in WAYS.items()}
        run("/bin/true", uid=UID)
        time.sleep(0.5)
    begin = time.monotonic_ns()
    for _ in range(events):
        time.sleep(random.uniform(0.05, 0.35))
        run("/bin/true", uid=UID)
    deadline = time.monotonic() + 30
    while True:
        offset = time.time_ns() - time.monotonic_ns()  # the page's clock is the wall's, the kernel's is not
        taken = {
            name: [
                at - (int(ns) + offset) / 1e6 for ns, at in seen(labs[tab], way).items() if int(ns) > begin
            ]
            for name, (tab, way) in WAYS.items()
        }
        if all(len(ms) == events for ms in taken.values()) or time.monotonic() > deadline:
            return taken
        time.sleep(0.5)


def main(events):
    with tempfile.TemporaryDirectory() as home, window() as browser, server(Path(home)) as (url, token):
        chromium = browser.browser.version
        other = browser.browser.new_context()  # of two tabs in one window, one would be in the background
        with opened(browser, url, token) as ours, opened(other, url, token) as plain:
            taken = measure(ours, plain, events)
    lines = [
        "# From an event in the kernel to its text in the page",
        "",
        f"Made by `benchmarks/event_to_page.py` with {events} events on Linux {platform.release()}, "
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, bcc {bcc.__version__}, Chromium {chromium}; "
        f"load average {os.getloadavg()[1]:.1f}, niceness {os.nice(0)}. Milliseconds.",
        "",
        "| | seen | median | 95 % within | most |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, ms in taken.items():
        figures = (statistics.median(ms), statistics.quantiles(ms, n=20)[-1], max(ms))
        lines.append(f"| {name} | {len(ms)} | {' | '.join(f'{figure:.0f}' for figure in figures)} |")
    lines += [
        "",
        "watch() shows at once what comes after a pause, and draws ten times a second however much comes; other cells can run "
        "meanwhile. trace_print() sends each line by itself, in a cell that never ends.",
    ]
    text = "\n".join([*lines, ""])
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
