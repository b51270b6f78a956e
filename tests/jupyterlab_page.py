"""A running JupyterLab on a copy of the notebooks, and a real Chromium looking at it: for tests/browser and benchmarks."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect, sync_playwright

from ebpf_lab.setup import needs

ROOT = Path(__file__).parents[1]
# Disposed of, not closed: JupyterLab would ask about changes that were not saved.
REPLACE = """async path => {
    for (const widget of [...window.jupyterapp.shell.widgets('main')]) widget.dispose();
    await window.jupyterapp.commands.execute('docmanager:open', { path });
}"""


class Lab:
    """A notebook opened in JupyterLab: what tests do to it and see of it."""

    def __init__(self, browser, url, token):
        self.browser, self.url, self.token = browser, url, token
        self.console = []  # errors
        self.new_tab()

    def new_tab(self):
        """A tab of the browser, in place of the one before."""
        with contextlib.suppress(AttributeError):
            self.page.close()
        self.path = None  # the notebook that is open
        self.page = self.browser.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))

    def write(self, path, *sources):
        """Make a notebook of these code cells."""
        spec = {"name": "python3", "display_name": "Python 3 (eBPF)", "language": "python"}
        cells = [new_code_cell(source) for source in sources]
        self._put(path, new_notebook(cells=cells, metadata={"kernelspec": spec}))

    def _put(self, path, notebook):
        answer = self.page.request.put(
            f"{self.url}api/contents/{path}",
            headers={"Authorization": f"token {self.token}"},
            data={"type": "notebook", "content": nbformat.from_dict(notebook)},
        )
        assert answer.ok, answer.text()

    def open(self, path):
        """Open a notebook in place of the one before; one of the lab's own as it was before anything was run and saved."""
        if (ROOT / path).exists():
            self._put(path, nbformat.read(ROOT / path, as_version=4))
        if self.path:  # Loading JupyterLab anew would take nine seconds of CPU.
            self.page.evaluate(REPLACE, path)
        else:
            self.page.goto(f"{self.url}lab/tree/{path}?reset&token={self.token}")
        self.path = path
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        # Without a kernel the status is "idle" too, and what is run then is not run at all.
        panel = self.page.locator(".jp-NotebookPanel:visible")
        panel.locator(".jp-KernelName", has_text="Python 3 (eBPF)").wait_for(timeout=60_000)
        panel.locator('[data-status="idle"]').first.wait_for(timeout=60_000)

    def command(self, menu, command):
        self.page.locator(f'.lm-MenuBar-item:has-text("{menu}")').click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def run_all(self, timeout=180_000):
        self.page.locator(".jp-Notebook .jp-Cell").first.click()
        self.command("Run", "runmenu:run-all")
        self.ran(timeout)

    def ran(self, timeout=180_000):
        """Wait until each code cell has run; JupyterLab may still be adding cells to the page."""
        self.page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].map(p => p.textContent);
                return prompts.length && prompts.every(p => /\\[\\d+\\]:/.test(p));
            }""",
            timeout=timeout,
        )

    def run_cell(self, text, timeout=60_000):
        """Run the code cell whose source has ``text``, and wait for its end."""
        cell = self.cell(text)
        cell.locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")
        expect(cell.locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=timeout)
        return cell

    def cell(self, text):
        """The code cell whose source has ``text``."""
        return (
            self.page.locator(".jp-CodeCell")
            .filter(has=self.page.locator(".jp-InputArea", has_text=text))
            .first
        )

    def save(self):
        # Not by the menu: the mark of unsaved changes can come later than a look at it, and the command's promise waits.
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        expect(self.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty")).to_have_count(0)

    def failed(self):
        """Ids of the cells whose output has an error, and of those that are tagged to raise one."""
        self.save()
        answer = self.page.request.get(
            f"{self.url}api/contents/{self.path}", headers={"Authorization": f"token {self.token}"}
        )
        cells = [c for c in answer.json()["content"]["cells"] if c["cell_type"] == "code"]
        failed = [c["id"] for c in cells if any(out["output_type"] == "error" for out in c["outputs"])]
        return failed, [c["id"] for c in cells if "raises-exception" in c["metadata"].get("tags", [])]

    def end_kernels(self):
        """Check that the page had no errors, and end all kernels: they would go on tracing what other tests start."""
        errors, self.console[:] = [*self.console], []
        headers = {"Authorization": f"token {self.token}"}
        for session in self.page.request.get(f"{self.url}api/sessions", headers=headers).json():
            self.page.request.delete(f"{self.url}api/sessions/{session['id']}", headers=headers)
        assert errors == [], errors

    def theme(self, scheme):
        """Change the page's colours, "light" or "dark", as the system's setting does."""
        self.page.emulate_media(color_scheme=scheme)
        light = str(scheme == "light").lower()
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=30_000)

    def width(self, pixels):
        self.page.set_viewport_size({"width": pixels, "height": 900})

    def screenshot(self, name, part=None):
        folder = ROOT / "tests/browser/artefacts"
        folder.mkdir(exist_ok=True)
        (part or self.page).screenshot(path=folder / f"{name}.png")


@contextlib.contextmanager
def window():
    """A window of Chromium whose tabs share a cache: JupyterLab's 20 MB are fetched once."""
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=needs.chromium(), headless=True, args=flags)
        yield chromium.new_context(viewport={"width": 1280, "height": 900})
        chromium.close()


@contextlib.contextmanager
def server(home):
    """(url, token) of a JupyterLab of our own on 127.0.0.1, whose files are in the folder ``home``."""
    shutil.copytree(
        ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    settings = home / "config/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text('{"adaptive-theme": true}')  # for Lab.theme()
    token, runtime = secrets.token_hex(16), home / "runtime"
    env = os.environ | {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_TOKEN": token,
    }
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             "--ServerApp.port=0", f"--ServerApp.root_dir={home}", "--LabApp.expose_app_in_browser=True"],
            env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            # The file is there before it is written.
            while not (found := "".join(path.read_text() for path in runtime.glob("jpserver-*.json"))):
                assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.1)
            yield json.loads(found)["url"], token
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextlib.contextmanager
def opened(browser, url, token):
    """A Lab whose page had no errors, and whose kernels are gone at the end."""
    lab = Lab(browser, url, token)
    try:
        yield lab
    finally:
        lab.end_kernels()
        lab.page.close()
