"""What people do to a notebook with their browser, their disk, and a program that never stops sending events."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import nbformat
import pytest
from helpers import until
from playwright.sync_api import expect

from ebpf_lab import run

LOAD = """from ebpf_lab import BPF, attach, record, watch
b = BPF(text='\\nint hello(void *ctx) {\\n  bpf_trace_printk("Hello");\\n  return 0;\\n}\\n')
attach(b, syscall="execve", fn_name="hello")"""
FAST = """import resource, threading, time
from ebpf_lab import BPF, fire, watch
b = BPF(text='''
BPF_RINGBUF_OUTPUT(output, 256);
BPF_ARRAY(lost, u64, 1);
struct event { u64 time; char text[24]; };
int burst(struct __sk_buff *skb) {
  struct event event = {bpf_ktime_get_ns(), "a million a second"};
  if (output.ringbuf_output(&event, sizeof(event), 0)) lost.atomic_increment(0);
  return 0;
}
''')
fired, enough = 0, threading.Event()
def work():
    global fired
    while not enough.is_set():
        fire(b, "burst", times=1_000_000)
        fired += 1_000_000
view = watch(b["output"])
view"""


@pytest.fixture
def home(opened, tmp_path_factory):
    """The folder that the server shows."""
    info = next(tmp_path_factory.getbasetemp().glob("jupyter*/runtime/jpserver-*.json"))
    return Path(json.loads(info.read_text())["root_dir"])


@pytest.fixture
def other(lab):
    """A second browser, with nothing shared with the first: as another person's, or another machine's."""
    window = lab.browser.browser.new_context(viewport={"width": 1280, "height": 900})
    yield type(lab)(window, lab.url, lab.token)
    window.close()


def printed(lab, code):
    """What the cell with ``code`` prints when it is run."""
    cell = lab.run_cell(code)
    expect(cell.locator(".jp-OutputArea-output").first).to_be_visible()
    return cell.locator(".jp-OutputArea-output").first.inner_text().strip()


def test_a_recording_goes_on_while_the_tab_is_closed(lab, other, tmp_path):
    recording = f"""import os, time
with record(b) as lines:
    open("{tmp_path}/recording", "w").close()
    while not os.path.exists("{tmp_path}/enough"):
        time.sleep(0.05)"""
    lab.write("closed.ipynb", LOAD, recording, "print(lines.lost, *{line.pid for line in lines.lines})")
    other.open("closed.ipynb")
    other.run_cell("from ebpf_lab")
    other.cell("with record(b)").locator(".jp-InputArea-editor").click()
    other.page.keyboard.press("Control+Enter")
    until((tmp_path / "recording").exists)
    other.page.close()
    pids = run("/bin/true", times=23).pids
    (tmp_path / "enough").touch()
    lab.open("closed.ipynb")
    lost, *seen = map(int, printed(lab, "print(lines.lost").split())
    assert set(pids) <= set(seen) and lost == 0


def test_two_browsers_on_one_notebook_share_its_kernel_and_its_views(lab, other):
    lab.write("shared.ipynb", LOAD, "watch(b)", "shared = 7", "print(shared)")
    lab.open("shared.ipynb")
    lab.run_cell("from ebpf_lab")
    lab.run_cell("watch(b)")
    lab.save()
    other.open("shared.ipynb")
    buttons = [browser.page.locator(".ebpf-stream .toggle") for browser in (lab, other)]
    for presses, word in [(1, "Start"), (0, "Stop"), (0, "Start"), (1, "Stop")]:
        buttons[presses].click()
        for button in buttons:
            expect(button).to_have_text(word, timeout=30_000)
        for browser in (lab, other):
            expect(browser.page.locator(".ebpf-stream .note")).to_have_text(
                "Stopped." if word == "Start" else ""
            )
    pid = run("/bin/true").pids[0]
    for browser in (lab, other):
        cell = browser.page.locator(".ebpf-stream td", has_text=re.compile(f"^{pid}$"))
        expect(cell.first).to_be_visible(timeout=30_000)
    other.run_cell("shared = 7")
    assert printed(lab, "print(shared)") == "7"
    assert other.console == []


def test_a_live_table_follows_the_newest_line_again_after_its_tab_was_hidden(lab):
    lab.write("front.ipynb", "2 + 2")
    lab.write("hidden.ipynb", LOAD, "watch(b)")
    lab.open("hidden.ipynb")
    lab.run_cell("from ebpf_lab")
    lab.run_cell("watch(b)")
    box = lab.page.locator(".ebpf-stream .box")
    run("/bin/true", times=60)
    expect(box.locator("tbody tr").nth(59)).to_be_attached(timeout=30_000)
    lab.page.evaluate("window.jupyterapp.commands.execute('docmanager:open', { path: 'front.ipynb' })")
    expect(box).to_be_hidden()
    run("/bin/true", times=60)
    lab.page.locator(".lm-TabBar-tab", has_text="hidden.ipynb").click()
    expect(box).to_be_visible()
    for _ in range(2):  # what came meanwhile, and what comes now
        pid = run("/bin/true", times=60).pids[-1]
        expect(box.locator(f'td:text-is("{pid}")').first).to_be_attached(timeout=30_000)
        expect(box.locator("tbody tr").last).to_be_in_viewport()


def test_a_live_view_says_that_its_kernel_was_killed(lab):
    lab.write("killed.ipynb", LOAD, "watch(b)", "import os\nprint(os.getpid())")
    lab.open("killed.ipynb")
    lab.run_cell("from ebpf_lab")
    lab.run_cell("watch(b)")
    os.kill(int(printed(lab, "print(os.getpid())")), signal.SIGKILL)
    lab.page.locator(".jp-Dialog .jp-mod-accept").click(
        timeout=30_000
    )  # JupyterLab says that it restarts it.
    view = lab.page.locator(".ebpf-stream")
    expect(view.locator(".note")).to_have_text(
        re.compile("kernel was restarted or has ended.*Run the cells again")
    )
    expect(view.locator(".toggle")).to_have_text("Ended")
    expect(view.locator(".toggle")).to_be_disabled()
    assert all("(reading 'promise')" in line for line in lab.console)  # JupyterLab's own, of the lost kernel
    lab.console.clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_reported_and_nothing_is_lost(lab, home):
    disk = home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], check=True)
    try:
        lab.write("disk/full.ipynb", LOAD, "old = 'text'", "print(b)")
        before = (disk / "full.ipynb").read_text()
        lab.open("disk/full.ipynb")
        lab.run_cell("from ebpf_lab")
        with pytest.raises(OSError), open(disk / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        lab.cell("old = 'text'").locator(".cm-content").fill("new = 'written while the disk was full'")
        lab.command("File", "docmanager:save")
        dialog = lab.page.locator(".jp-Dialog")
        expect(dialog).to_contain_text("No space left on device")
        dialog.get_by_role("button").last.click()
        # The browser logs it too.
        assert all("500" in line or "No space left on device" in line for line in lab.console)
        lab.console.clear()
        assert (disk / "full.ipynb").read_text() == before
        assert "hello: attached" in printed(lab, "print(b)")

        (disk / "filler").unlink()
        lab.command("File", "docmanager:save")
        until(lambda: "written while the disk was full" in (disk / "full.ipynb").read_text())
        nbformat.validate(nbformat.read(disk / "full.ipynb", nbformat.NO_CONVERT))
    finally:
        lab.new_tab()  # JupyterLab would go on saving to the disk that is gone.
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("millions", [6, pytest.param(20, marks=pytest.mark.long)])
def test_a_million_events_a_second_leave_the_page_usable_and_the_memory_bounded(lab, millions):
    memory = "print(int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize() >> 20)"
    until_fired = "while fired < {} * 1_000_000: time.sleep(0.1)\n" + memory
    accounted = "view.shown['total'] + view.shown['lost']"
    lab.write(
        "fast.ipynb",
        FAST,
        "thread = threading.Thread(target=work)\nthread.start()",
        until_fired.format(2),
        until_fired.format(millions),
        "enough.set()\nthread.join()",
        f"while {accounted} < fired: time.sleep(0.1)\nprint({accounted} - fired)",
    )
    lab.open("fast.ipynb")
    lab.run_cell("import resource")
    view = lab.page.locator(".ebpf-stream")
    lab.run_cell("Thread(target=work)")
    early = int(printed(lab, "fired < 2 "))
    view.scroll_into_view_if_needed()
    expect(view.locator("td", has_text="a million a second").first).to_be_visible()
    assert view.locator("tbody tr").count() <= 300
    view.get_by_label("Filter").fill("nothing has this")  # all this while events come
    expect(view.locator("tbody tr")).to_have_count(0)
    view.get_by_label("Filter").fill("")
    expect(view.locator("tbody tr").first).to_be_visible()
    late = int(printed(lab, f"fired < {millions} "))
    assert late < early + 50, f"{early} MiB, then {late} MiB"
    lab.run_cell("enough.set()")
    assert printed(lab, "while view.shown") == "0"
