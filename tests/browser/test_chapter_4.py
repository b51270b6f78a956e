"""Chapter 4 in a real browser: the jump table lit up, and a program seen three ways."""

import re

import pytest
from playwright.sync_api import expect

from ebpf_lab import syscall_nr


@pytest.fixture
def chapter(lab):
    lab.open("notebooks/04_tailcalls.ipynb")
    return lab


def test_chapter_four_runs_and_its_views_have_real_data(chapter):
    chapter.run_all()
    expected = ['load_func("nothing", BPF.SOCKET_FILTER)', 'fake.load_func("hello"']
    assert chapter.unexpected_errors(expected) == []

    jumps = chapter.page.locator(".ebpf-jumps")
    expect(jumps.locator("[role=img]").first).to_have_attribute(
        "aria-label",
        re.compile(rf"Slot {syscall_nr('timer_create')} \(timer_create\) to hello_timer: 7 jumps"),
    )

    chapter.cell('explain(b, "first")').scroll_into_view_if_needed()
    program = chapter.page.locator(".ebpf-program").first
    row = program.locator("tr", has_text="bpf_tail_call").first
    row.hover()
    expect(program.locator(".note")).to_contain_text("of machine code")
    chapter.screenshot("04_explain")
    assert chapter.console == []


def test_a_jump_lights_up_its_slot(chapter):
    for text in ("import BPF", "%%bpf dispatch", "b = BPF(text=dispatch,", "b.attach_raw_tracepoint"):
        chapter.run_cell(text)
    picture = chapter.page.locator(".ebpf-jumps [role=img]").first
    picture.scroll_into_view_if_needed()
    chapter.run_cell('run("/bin/true", times=23, uid=watched)')
    slot = rf"Slot {syscall_nr('execve')} \(execve\) to hello_exec: 37 jumps"
    expect(picture).to_have_attribute("aria-label", re.compile(slot))
    expect(picture).to_have_attribute("aria-label", re.compile("last jump"))
    chapter.screenshot("04_jumps")
    assert chapter.console == []
