"""Each notebook in a real browser: Run All, and what is on the page then."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ebpf_lab import syscall_nr

FOLDER = Path(__file__).parents[2] / "notebooks"
SHOWN = {  # what a notebook's work must have brought into the page: where, and the text or the alt text
    "01_hello": (".ebpf-stream tbody", "Hello World!"),
    "02_maps": (".ebpf-map [role=img]", r"\b21\d{8} 47\b.*\b21\d{8} 23\b.*\b21\d{8} 7\b"),
    "03_ringbuffer": (".ebpf-ring [role=img] >> nth=1", "85 records; .*15 dropped"),
    "04_tailcalls": (".ebpf-jumps [role=img]", rf"Slot {syscall_nr('timer_create')} \(timer_create\) to hello_timer: 7 jumps"),
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb")))
def chapter(tab, request):
    tab.open(f"notebooks/{request.param}.ipynb")
    tab.run_all()
    yield tab
    tab.end_kernels()


@pytest.fixture(
    params=[  # Their checks run without a browser, too; one shows how all are drawn.
        pytest.param(path.stem, marks=[] if "hello" in path.stem else pytest.mark.long)
        for path in sorted(FOLDER.glob("solutions/*.ipynb"))
    ]
)
def solution(lab, request):
    lab.open(f"notebooks/solutions/{request.param}.ipynb")
    lab.run_all()
    return lab


def test_errors_stand_only_where_they_are_meant(chapter):
    failed, meant = chapter.failed()
    assert failed == meant


def test_its_work_is_seen_in_the_page(chapter, request):
    name = request.node.callspec.params["chapter"]
    where, what = SHOWN[name]
    part = chapter.page.locator(where).first
    part.scroll_into_view_if_needed()
    chapter.screenshot(name)
    expect(part).to_be_visible()
    assert re.search(what, part.get_attribute("aria-label") or part.inner_text())


def test_its_views_have_ended_with_its_program(chapter):
    buttons = chapter.page.locator(".ebpf-view :is(button.toggle, button.write)")
    assert buttons.count()
    expect(buttons.and_(chapter.page.locator(":enabled"))).to_have_count(0)


def test_each_image_has_a_text_for_readers_who_cannot_see_it(chapter):
    images = chapter.page.locator(".jp-Notebook img, .jp-Notebook [role=img]")
    assert images.count()
    for image in images.all():
        assert len(image.get_attribute("alt") or image.get_attribute("aria-label") or "") > 20


def test_a_solution_s_checks_say_done(solution):
    assert solution.failed() == ([], [])
    verdicts = solution.page.locator(
        ".jp-OutputArea-output [role=status]", has_text=re.compile("Done|Not yet")
    )
    assert verdicts.count() >= 2
    expect(verdicts).to_contain_text(["Done"] * verdicts.count())
