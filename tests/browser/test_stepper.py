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

# The lines of an error that break within a word: a word whose first and last letter are not on one line.
BROKEN = r"""pre => {
    const broken = [], texts = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        for (const word of texts.currentNode.data.matchAll(/\w+/g)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
        }
    }
    return broken;
}"""
# The least contrast of a piece of text to what is behind it, as WCAG 2 defines it.
CONTRAST = """pre => {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = colours => {
        paint.clearRect(0, 0, 1, 1);
        for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return Math.min(...[pre, ...pre.querySelectorAll("*")].map(element => {
        const behind = [];
        for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
        const [low, high] = [luminance(behind), luminance([...behind, getComputedStyle(element).color])].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }));
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


@pytest.fixture
def narrow(errors):
    errors.width(700)
    yield
    errors.theme("light")
    errors.width(1280)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_error_breaks_its_lines_between_words_and_all_of_it_can_be_read(errors, narrow, scheme):
    errors.theme(scheme)
    errors.run_cell("from ebpf_lab")
    errors.run_cell("%%bpf careless")
    failed = errors.run_cell("BPF(text=careless)")
    error = failed.locator(".jp-OutputArea-output pre").first
    expect(error).to_contain_text("Fix: ")
    assert error.evaluate("pre => pre.getClientRects()[0].height") > 15 * len(error.inner_text().splitlines())
    assert error.evaluate(BROKEN) == []
    assert error.evaluate(CONTRAST) >= 4.5
    errors.screenshot(f"error-{scheme}")
