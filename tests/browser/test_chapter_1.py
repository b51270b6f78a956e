"""Chapter 1 in a real browser: what a learner sees."""

import pytest
from playwright.sync_api import expect

from ebpf_lab import run


@pytest.fixture
def hello(lab):
    lab.open("notebooks/01_hello.ipynb")
    return lab


def test_chapter_one_runs_and_its_live_lines_are_seen(hello):
    hello.run_all()
    assert hello.unexpected_errors(["BPF(text=broken)", "BPF(text=curious", "attach(b2, syscall"]) == []

    hello.cell("watch(b)").scroll_into_view_if_needed()
    view = hello.page.locator(".ebpf-stream")
    expect(view.locator("td", has_text="Hello World!").first).to_be_visible()
    expect(view.locator(".note")).to_contain_text("Ended")
    hello.screenshot("01_hello")
    assert hello.console == []


def test_the_live_view_shows_pids_and_obeys_its_buttons(hello):
    page = hello.page
    for text in ("import BPF", "%%bpf program", "b = BPF(text=program)", "hook = attach", "watch(b)"):
        hello.run_cell(text)
    view = page.locator(".ebpf-stream")
    view.scroll_into_view_if_needed()
    filter_, toggle = view.get_by_label("Filter"), view.locator(".toggle")
    expect(toggle).to_have_text("Stop")

    first = run("/bin/true", times=1).pids[0]
    run("/bin/ls", times=5)
    expect(view.locator("tbody tr").nth(5)).to_be_visible()
    page.locator(".jp-SideBar [data-id='filebrowser'], [data-id='filebrowser']").first.click()
    view.scroll_into_view_if_needed()
    hello.screenshot("01_watch")

    filter_.fill(str(first))
    expect(view.locator("tbody tr").first).to_be_visible()
    expect(view.locator("tbody tr").first).to_contain_text("Hello World!")
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
    expect(view.locator("tbody tr").first).to_be_visible()
    filter_.fill(str(while_stopped))
    expect(view.locator("tbody tr")).to_have_count(0)
    filter_.fill("")
    view.locator(".clear").click()
    expect(view.locator("td", has_text=str(after))).to_have_count(0)
    assert hello.console == []
