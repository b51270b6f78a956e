"""Chapter 2 in a real browser."""

import re

from playwright.sync_api import expect


def test_chapter_two_runs_and_its_bars_have_the_true_counts(lab):
    lab.open("notebooks/02_maps.ipynb")
    lab.run_all()
    assert lab.unexpected_errors(["BPF(text=careless"]) == []
    cell = lab.cell('watch(b["counter_table"])')
    cell.scroll_into_view_if_needed()
    view = lab.page.locator(".ebpf-map").first
    expect(view.locator(".chart svg")).to_be_visible()
    three = view.locator("tr", has_text=re.compile(r"^21\d{8}"))  # the users that the chapter made up
    expect(three.locator("td:nth-child(2)")).to_have_text(["47", "23", "7"])
    expect(view.locator(".chart")).to_have_attribute("aria-label", re.compile(r"21\d{8} 47"))
    expect(view.locator(".note")).to_contain_text("Ended")
    lab.screenshot("02_maps")
    assert lab.console == []
