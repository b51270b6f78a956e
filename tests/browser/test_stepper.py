"""A rejected program in a real browser: the error, and its log a click away."""

import re

import pytest
from playwright.sync_api import expect

REJECTED = """%%bpf careless
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid = 0;
  u64 *p = counter_table.lookup(&uid);
  *p += 1;
  return 0;
}"""


@pytest.fixture
def errors(lab):
    sources = [
        "from ebpf_lab import BPF",
        REJECTED,
        "BPF(text=careless).load_func('hello', BPF.TRACEPOINT)",
        "after = 1",
    ]
    lab.write("errors.ipynb", *sources)
    lab.open("errors.ipynb")
    return lab


def test_a_rejection_can_be_stepped_through_and_stops_run_all(errors):
    page = errors.page
    page.locator(".jp-Notebook .jp-Cell").first.click()
    errors.command("Run", "runmenu:run-all")
    failed = page.locator(".jp-CodeCell").nth(2)
    error = failed.locator(".jp-OutputArea-output").first
    expect(error).to_contain_text("line 6: p may be NULL here", timeout=60_000)
    expect(page.locator(".jp-CodeCell").nth(3).locator(".jp-InputArea-prompt")).to_have_text(
        re.compile(r"\[\s\]:")
    )

    view = failed.locator(".ebpf-steps")
    expect(view.locator(".bar")).to_be_hidden()
    view.locator("summary").first.click()
    place = view.locator(".place")
    expect(place).to_contain_text("line 6")
    expect(view.locator(".verdict")).to_contain_text("R0 invalid mem access")
    view.get_by_label("One step back").click()
    expect(place).to_contain_text("line 5")
    expect(view.locator(".source .now")).to_contain_text("counter_table.lookup")
    expect(view.locator("tr.changed")).to_contain_text("map_value_or_null")
    page.keyboard.press("Home")
    expect(place).to_contain_text("step 1 of")
    view.locator(".code .row").last.click()
    expect(view.locator(".verdict")).to_contain_text("R0 invalid mem access")
    failed.scroll_into_view_if_needed()
    errors.screenshot("errors")
