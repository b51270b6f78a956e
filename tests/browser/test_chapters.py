"""The chapters' live views, cell by cell as a learner runs them, with work that the test starts."""

import re

from playwright.sync_api import expect

from ebpf_lab import run, syscall_nr


def test_the_live_lines_have_the_pids_and_obey_the_buttons(lab):
    page = lab.page
    lab.open("notebooks/01_hello.ipynb")
    for text in ("import BPF", "%%bpf program", "b = BPF(text=program)", "hook = attach", "watch(b)"):
        lab.run_cell(text)
    view = page.locator(".ebpf-stream")
    view.scroll_into_view_if_needed()
    filter_, toggle, rows = view.get_by_label("Filter"), view.locator(".toggle"), view.locator("tbody tr")
    expect(toggle).to_have_text("Stop")

    first = run("/bin/true", times=1).pids[0]
    run("/bin/ls", times=5)
    expect(rows.nth(5)).to_be_visible()
    page.locator("[data-id='filebrowser']").first.click()
    view.scroll_into_view_if_needed()
    lab.screenshot("README")  # README.md says how it becomes notebooks/images/lab.png

    filter_.fill(str(first))
    expect(rows.filter(has_text="Hello World!").first).to_be_visible()  # Other programs print lines as well.
    expect(view.locator(".lost")).to_have_text("lost 0")
    filter_.fill("")

    toggle.click()
    expect(toggle).to_have_text("Start")
    expect(view.locator(".note")).to_have_text("Stopped.")
    while_stopped = run("/bin/true", times=1).pids[0]
    toggle.click()
    expect(toggle).to_have_text("Stop")
    expect(view.locator(".note")).to_have_text("")
    after = run("/bin/true", times=1).pids[0]
    filter_.fill(str(after))
    expect(rows.first).to_be_visible()
    filter_.fill(str(while_stopped))
    expect(rows).to_have_count(0)
    filter_.fill("")
    view.locator(".clear").click()
    expect(view.locator("td", has_text=str(after))).to_have_count(0)


def test_the_ring_s_pointers_move_by_the_buttons_and_the_slider(lab):
    lab.open("notebooks/03_ringbuffer.ipynb")
    for text in ("import BPF", "%%bpf page", 'draw(drawn["output"]'):
        lab.run_cell(text)
    ring = lab.page.locator(".ebpf-ring")
    ring.scroll_into_view_if_needed()
    picture, write = ring.locator("svg[role=img]"), ring.locator("button.write")
    for _ in range(3):
        write.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"144 written .*writer at 144 "))
    ring.locator("button.read").click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"96 written .*writer at 144 .*reader at 48 "))
    lab.screenshot("03_ring")

    ring.get_by_role("slider").fill("5")
    expect(picture).to_have_attribute("aria-label", re.compile(r"0 records; .*reader at 144 "))
    write.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"writer at 192 .*reader at 192 "))


def test_a_jump_lights_up_its_slot(lab):
    lab.open("notebooks/04_tailcalls.ipynb")
    for text in ("import BPF", "%%bpf dispatch", "BPF(text=dispatch,", "attach(dispatcher, raw_tracepoint"):
        lab.run_cell(text)
    picture = lab.page.locator(".ebpf-jumps [role=img]").first
    picture.scroll_into_view_if_needed()
    lab.run_cell('run("/bin/true", times=23, uid=watched)')
    slot = rf"Slot {syscall_nr('execve')} \(execve\) to hello_exec: 37 jumps"
    expect(picture).to_have_attribute("aria-label", re.compile(slot))
    expect(picture).to_have_attribute("aria-label", re.compile("last jump"))
    lab.screenshot("04_jumps")
