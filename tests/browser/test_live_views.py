"""All views of one program, live on one page: by keyboard, by name, in dark, narrow, reopened, restarted."""

import re

import pytest
from playwright.sync_api import expect

from ebpf_lab import run

PROGRAM = """%%bpf program
BPF_HASH(counts);
BPF_RINGBUF_OUTPUT(output, 1);
BPF_ARRAY(lost, u64, 1);
BPF_PROG_ARRAY(next, 4);
BPF_ARRAY(jumps, u64, 5);
struct event { u64 time; u32 pid; u32 cpu; };
int hello(void *ctx) {
  counts.increment(bpf_get_current_uid_gid() & 0xFFFFFFFF);
  bpf_trace_printk("Hello views!");
  return 0;
}
int target(struct __sk_buff *skb) { return 0; }
int burst(struct __sk_buff *skb) {
  struct event event = { bpf_ktime_get_ns(), 4711, bpf_get_smp_processor_id() };
  if (output.ringbuf_output(&event, sizeof(event), 0)) lost.increment(0);
  jumps.increment(1);
  next.call(skb, 1);
  return 0;
}
int careless(void *ctx) {
  u64 uid = 0, *count = counts.lookup(&uid);
  return *count;
}"""
CELLS = [
    "from ebpf_lab import BPF, VerifierError, attach, doctor, draw, explain, watch",
    PROGRAM,
    "b = BPF(text=program)\n"
    'b["next"][1] = b.load_func("target", BPF.SOCKET_FILTER)\n'
    'attach(b, syscall="execve", fn_name="hello")',
    "watch(b)",
    'watch(b["counts"], key="uid")',
    'watch(b["output"])',
    'draw(b["output"], fire="burst")',
    'watch(b["next"])',
    'explain(b, "burst")',
    "try:\n"
    '    b.load_func("careless", BPF.TRACEPOINT)\n'
    "except VerifierError as error:\n"
    "    rejected = error\n"
    "rejected",
    "doctor()",
]
TRACE, MAP, EVENTS, RING, JUMPS, CODE, STEPS = range(7)


@pytest.fixture(scope="module")
def views(opened):
    with opened() as lab:
        lab.write("views.ipynb", *CELLS)
        lab.open("views.ipynb")
        lab.run_all()
        expect(lab.page.locator(".ebpf-view")).to_have_count(7)
        lab.page.locator(".ebpf-steps summary").first.click()
        yield lab


def test_every_control_and_picture_has_a_name_and_pictures_give_their_figures(views):
    controls = re.compile(r"- '?(button|slider|searchbox|textbox|checkbox|combobox|grid|img|group)\b(.*)")
    for view in views.page.locator(".ebpf-view").all():
        found = controls.findall(view.aria_snapshot())
        nameless = [role for role, rest in found if '"' not in rest and role != "group"]
        assert found and nameless == []
    pictures = views.page.locator(".ebpf-view [role=img]")
    labels = [picture.get_attribute("aria-label") for picture in pictures.all()]
    assert len(labels) == 3 and all(re.search(r"\d", label) for label in labels)
    unnamed = views.page.locator(".ebpf-view [tabindex='0']:not([role][aria-label], tr)")
    expect(unnamed).to_have_count(0)


def test_tab_reaches_each_control_and_leaves_the_view(views):
    page = views.page
    for view in page.locator(".ebpf-view").all():
        stops = view.locator("button:enabled, input:enabled, summary, [tabindex='0']").filter(visible=True)
        stops.first.focus()
        for stop in stops.all():
            expect(stop).to_be_focused()
            page.keyboard.press("Tab")
        assert not view.evaluate("view => view.contains(document.activeElement)")


def test_space_enter_and_arrows_do_what_clicks_do(views):
    page = views.page
    for view in (page.locator(".ebpf-view").nth(n) for n in (TRACE, MAP, EVENTS, JUMPS)):
        toggle = view.get_by_role("button", name=re.compile("Stop|Start"))
        toggle.press("Space")
        expect(toggle).to_have_text("Start")
        expect(view.locator(".note")).to_have_text("Stopped.")
        toggle.press("Enter")
        expect(toggle).to_have_text("Stop")
        expect(view.locator(".note")).to_have_text("")

    ring = page.locator(".ebpf-ring")
    picture, write, slider = (
        ring.locator("svg[role=img]"),
        ring.locator("button.write"),
        ring.get_by_role("slider"),
    )
    write.press("Enter")
    write.press("Space")
    expect(picture).to_have_attribute("aria-label", re.compile("2 records;"))
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "at once")
    expect(picture).to_have_attribute("aria-label", re.compile("0 records;"))
    slider.press("Home")
    events = page.locator(".ebpf-stream").nth(1)
    expect(events.locator("td", has_text="4711")).to_have_count(2)
    expect(page.locator(".ebpf-jumps [role=img]")).to_have_attribute(
        "aria-label", re.compile("Slot 1 to target: 2 jumps, last jump")
    )

    steps = page.locator(".ebpf-steps")
    steps.get_by_label("One step back").press("Enter")
    expect(steps.locator(".place")).to_contain_text("step 6 of 7")
    steps.get_by_label("Step", exact=True).press("ArrowRight")
    expect(steps.locator(".place")).to_contain_text("step 7 of 7")

    code = page.locator(".ebpf-program")
    code.locator("tr[tabindex='0']").first.press("ArrowDown")
    expect(code.locator(".note")).to_contain_text("of machine code")
    expect(page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(
        0
    )  # Enter was no command to JupyterLab


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1280),
        ("dark", 700),
        pytest.param("light", 700, marks=pytest.mark.long),
        pytest.param("dark", 1280, marks=pytest.mark.long),
    ],
)
def test_nothing_is_cut_off_or_too_small_to_read(views, theme, width):
    views.theme(theme)
    views.width(width)
    for name, part in [
        *((f"view_{n}", view) for n, view in enumerate(views.page.locator(".ebpf-view").all())),
        ("doctor", views.cell("doctor()").locator(".jp-OutputArea-output")),
    ]:
        part.scroll_into_view_if_needed()
        views.screenshot(f"{name}_{theme}_{width}", part)
        assert part.evaluate("part => part.scrollWidth - part.clientWidth") <= 0, name
        # The height of a letter on the screen, whatever a picture is scaled to.
        small = part.evaluate("""part => [...part.querySelectorAll("*")].filter(node => {
            const scale = node instanceof SVGGraphicsElement ? node.getScreenCTM().a : 1;
            const own = [...node.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim());
            return own && node.getClientRects().length && parseFloat(getComputedStyle(node).fontSize) * scale < 10;
        }).map(node => node.outerHTML)""")
        assert small == [], name


def lines_of(trace, pid):
    """The trace view's rows of that process; the view's filter also finds the number within times and other pids."""
    lines = trace.locator("tbody tr").filter(has_text="Hello views!")
    return lines.filter(has=trace.page.locator(f'td:text-is("{pid}")'))


def test_a_reopened_tab_is_live_again(views):
    views.save()
    views.new_tab()
    views.open("views.ipynb")
    trace = views.page.locator(".ebpf-stream").first
    trace.scroll_into_view_if_needed()
    pid = run("/bin/true").pids[0]
    trace.get_by_label("Filter").fill(str(pid))
    expect(lines_of(trace, pid)).to_have_count(1)
    counts = views.page.locator(".ebpf-map [role=img]")
    run("/bin/true", times=23, uid=12001)
    expect(counts).to_have_attribute("aria-label", re.compile(r"12001 23\b"))
    views.page.locator(".ebpf-ring button.write").click()
    expect(views.page.locator(".ebpf-ring svg[role=img]")).to_have_attribute(
        "aria-label", re.compile("1 record;")
    )


def test_a_restarted_kernel_runs_it_all_again(views):
    views.command("Kernel", "kernelmenu:restart")
    views.page.locator(".jp-Dialog .jp-mod-accept").click()
    views.page.locator('.jp-NotebookPanel:visible [data-status="idle"]').first.wait_for()
    notes = views.page.locator(".ebpf-view .note", has_text="kernel was restarted")
    expect(notes).to_have_count(5)  # of the live ones
    views.run_all()
    trace = views.page.locator(".ebpf-stream").first
    pid = run("/bin/true").pids[0]
    trace.get_by_label("Filter").fill(str(pid))
    expect(lines_of(trace, pid)).to_have_count(1)  # The program from before the restart is gone.
