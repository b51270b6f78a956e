"""Chapter 3 in a real browser: events in a table, and the ring whose pointers move."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def chapter(lab):
    lab.open("notebooks/03_ringbuffer.ipynb")
    return lab


def test_chapter_three_runs_and_its_views_have_real_data(chapter):
    chapter.run_all()
    assert chapter.unexpected_errors(["attach(greedy, syscall"]) == []

    chapter.cell('watch(b["output"])').scroll_into_view_if_needed()
    events = chapter.page.locator(".ebpf-stream")
    expect(events.locator("td", has_text="Hello World").first).to_be_visible()
    expect(events.locator(".lost")).to_have_text("lost 0")
    chapter.screenshot("03_events")

    ring = chapter.page.locator(".ebpf-ring").nth(1)  # filled, and nobody reads
    ring.scroll_into_view_if_needed()
    expect(ring.locator("svg[role=img]")).to_have_attribute(
        "aria-label", re.compile("85 records; .*15 dropped")
    )
    chapter.screenshot("03_ring_full")

    chapter.cell("rates.plot").scroll_into_view_if_needed()
    expect(chapter.page.locator(".jp-OutputArea-output img").last).to_be_visible()
    chapter.screenshot("03_rates")
    assert chapter.console == []


def test_the_pointers_move_by_the_buttons_and_the_slider(chapter):
    for text in ("import BPF", "%%bpf page", 'draw(b["output"]'):
        chapter.run_cell(text)
    ring = chapter.page.locator(".ebpf-ring")
    ring.scroll_into_view_if_needed()
    picture, write, read = (
        ring.locator("svg[role=img]"),
        ring.locator("button.write"),
        ring.locator("button.read"),
    )
    for _ in range(3):
        write.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"144 written .*writer at 144 "))
    read.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"96 written .*writer at 144 .*reader at 48 "))
    chapter.screenshot("03_ring")

    ring.get_by_role("slider").fill("5")
    expect(picture).to_have_attribute("aria-label", re.compile(r"0 records; .*reader at 144 "))
    write.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"writer at 192 .*reader at 192 "))
    assert chapter.console == []
