"""All four chapters' live views open in a real browser, for a long time, with steady work: what do they cost?

    .venv/bin/python benchmarks/soak.py [--minutes 30]

JupyterLab and a headless Chromium, a page and a notebook's kernel for each of: chapter 1's
trace lines, chapter 2's map, chapter 3's events and, in a copy of it, its drawn ring, and chapter 4's
jump table. Each second 23 processes are started as the user whom chapter 4 watches. Memory
(proportional, PSS), descriptors and CPU are measured over a minute after a minute of warming up, and over the last
minute; so is what each page still holds, after a garbage collection: a browser's memory grows until it collects,
and what it holds only grows where something leaks. At the end chapters 2 and 4 must show exactly as many processes as were started. Printed as a table.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from jupyterlab_page import Lab, server, window

from ebpf_lab import run, syscall_nr

# notebook, the cells to run, and the view to see
LIVE = {
    "01_hello": (["import BPF", "%%bpf program", "b = BPF(text=program)", "hook = attach", "watch(b)"], ".ebpf-stream"),
    "02_maps": (["import BPF", "%%bpf program", "b = BPF(text=program)", 'watch(b["counter_table"])'], ".ebpf-map"),
    "03_ringbuffer": (["import BPF", "%%bpf program", 'watch(b["output"])'], ".ebpf-stream"),
    "03_copy": (["import BPF", "%%bpf page", 'draw(b["output"]', 'run("/bin/true", times=5)'], ".ebpf-ring"),
    "04_tailcalls": (["import BPF", "%%bpf dispatch", "b = BPF(text=dispatch", "watch(calls)"], ".ebpf-jumps"),
}  # fmt: skip
TIMES = 23  # processes a second
MEASURED = 60  # seconds


def family(pid):
    """The processes that ``pid`` started, and theirs."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from family(child)


def kinds(server):
    """{what: its pids} of all that takes part."""
    kernels = [pid for pid in family(server) if b"ipykernel" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    browser = [pid for pid in family(os.getpid()) if "chrom" in Path(f"/proc/{pid}/comm").read_text()]
    return {"JupyterLab's server": [server], f"{len(kernels)} kernels": kernels, "Chromium": browser}


def look(pids):
    """(MiB, descriptors, seconds of CPU until now) of these processes together."""
    memory = files = ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # a browser's helper may have ended
            memory += int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])
            files += len(os.listdir(f"/proc/{pid}/fd"))
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return memory / 1024, files, ticks / os.sysconf("SC_CLK_TCK")


def work(seconds, uid):
    """Steady work for so many seconds -> how many processes it was."""
    started, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        tick = time.monotonic() + 1
        started += len(run("/bin/true", times=TIMES, uid=uid))
        time.sleep(max(0, tick - time.monotonic()))
    return started


def measure(server, uid):
    """Work for a minute -> ({what: (MiB, descriptors, percent of a CPU)}, how many processes)."""
    groups = kinds(server)
    before, began = {what: look(pids)[2] for what, pids in groups.items()}, time.monotonic()
    started, figures = work(MEASURED, uid), {}
    for what, pids in groups.items():
        memory, files, cpu = look(pids)
        figures[what] = memory, files, (cpu - before[what]) / (time.monotonic() - began) * 100
    return figures, started


def held(page):
    """(MiB of JavaScript, DOM nodes, event listeners) that a page holds, once garbage is collected."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    devtools.detach()
    return metrics["JSHeapUsedSize"] / 2**20, metrics["Nodes"], metrics["JSEventListeners"]


def open_views(browser, url, token):
    """{notebook: (its Lab, its view)}, each live."""
    views = {}
    for name, (cells, view) in LIVE.items():
        lab = Lab(browser, url, token)
        lab.open(f"notebooks/{name}.ipynb")
        for text in cells:
            lab.run_cell(text)
        views[name] = lab, lab.page.locator(view).first
        views[name][1].scroll_into_view_if_needed()
    views["03_copy"][1].get_by_role("slider").fill("4")  # the ring is read, too
    return views


def kernel_of(server, url, token, page, name):
    """The pid of a notebook's kernel."""
    sessions = page.request.get(f"{url}api/sessions", headers={"Authorization": f"token {token}"}).json()
    kernel = next(one["kernel"]["id"] for one in sessions if name in one["path"])
    return next(pid for pid in family(server) if kernel.encode() in Path(f"/proc/{pid}/cmdline").read_bytes())


def main(minutes):
    with (
        tempfile.TemporaryDirectory(prefix="ebpf-lab-soak-") as folder,
        server(home := Path(folder)) as (url, token),
    ):
        pid = json.loads(next((home / "runtime").glob("jpserver-*.json")).read_text())["pid"]
        (home / "notebooks/03_copy.ipynb").write_bytes((home / "notebooks/03_ringbuffer.ipynb").read_bytes())
        with window() as browser:
            views = open_views(browser, url, token)
            page = views["04_tailcalls"][0].page
            uid = 2_100_000_000 + 3 * kernel_of(pid, url, token, page, "04_tailcalls")
            started = work(60, uid)
            first, more = measure(pid, uid)
            pages = {name: held(lab.page) for name, (lab, _) in views.items()}
            started += more + work(max(0, minutes - 3) * 60, uid)
            last, more = measure(pid, uid)
            started += more
            report(first, last, minutes)
            print("\n| page | MiB held at the start | at the end | nodes | | listeners | |")
            print("|---|---|---|---|---|---|---|")
            for name, (lab, _) in views.items():
                pairs = zip(pages[name], held(lab.page), strict=True)
                print(f"| {name} |", " | ".join(f"{then:.0f} | {now:.0f}" for then, now in pairs), "|")
            count = views["02_maps"][1].locator("tr", has_text=str(uid)).locator("td").nth(1)
            expect(count).to_have_text(f"{started:,}", timeout=30_000)
            slot = rf"Slot {syscall_nr('execve')} \(execve\) to hello_exec: {started:,} jumps"
            jumps = views["04_tailcalls"][1].locator("[role=img]").first
            expect(jumps).to_have_attribute("aria-label", re.compile(slot), timeout=30_000)
            print(f"\n{started:,} processes were started, and chapters 2 and 4 show just as many.")
            print("Chapter 1:", views["01_hello"][1].locator(".counts, .lost").all_inner_texts())
            print("Chapter 3:", views["03_ringbuffer"][1].locator(".counts, .lost").all_inner_texts())
            errors = {name: lab.console for name, (lab, _) in views.items() if lab.console}
            print("Errors in the browser's console:", errors or "none")


def report(first, last, minutes):
    print(f"| after {minutes} minutes | MiB at the start | at the end | descriptors | | % of a CPU | |")
    print("|---|---|---|---|---|---|---|")
    for what, (memory, files, cpu) in first.items():
        later = last.get(what, (0, 0, 0))
        print(
            f"| {what} | {memory:.0f} | {later[0]:.0f} | {files} | {later[1]} | {cpu:.1f} | {later[2]:.1f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=30, help="at least 3")
    main(parser.parse_args().minutes)
