"""A running JupyterLab on a copy of the notebooks, and a real Chromium looking at it."""

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

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]


class Lab:
    """A notebook opened in JupyterLab: what tests do to it and see of it."""

    def __init__(self, page, url, token):
        self.page, self.url, self.token = page, url, token
        self.console = []  # errors
        page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def open(self, path):
        self.page.goto(f"{self.url}lab/tree/{path}?reset&token={self.token}")
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

    def unexpected_errors(self, expected):
        """Sources of the cells that ended with an error, but for those with one of the ``expected`` texts."""
        error = self.page.locator("[data-mime-type='application/vnd.jupyter.error']")
        failed = (
            self.page.locator(".jp-CodeCell", has=error).locator(".jp-InputArea-editor").all_inner_texts()
        )
        return [text for text in failed if not any(mark in text.replace("\u200b", "") for mark in expected)]

    def screenshot(self, name, part=None):
        folder = ROOT / "tests/browser/artefacts"
        folder.mkdir(exist_ok=True)
        (part or self.page).screenshot(path=folder / f"{name}.png")


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not path:
        pytest.skip("no Chromium here: ./lab setup --tests installs it")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, headless=True, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """(url, token) of a JupyterLab of our own on 127.0.0.1."""
    home = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(
        ROOT / "notebooks", home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    token = secrets.token_hex(16)
    env = os.environ | {
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_TOKEN": token,
    }
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             "--ServerApp.port=0", f"--ServerApp.root_dir={home}"],
            env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not (found := list((home / "runtime").glob("jpserver-*.json"))):
                assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.1)
            yield json.loads(found[0].read_text())["url"], token
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def lab(chromium, server):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    yield Lab(page, *server)
    url, token = server  # a kernel that lives on would go on tracing what other tests start
    headers = {"Authorization": f"token {token}"}
    for session in page.request.get(f"{url}api/sessions", headers=headers).json():
        page.request.delete(f"{url}api/sessions/{session['id']}", headers=headers)
    page.close()
