from functools import partial

import jupyterlab_page
import pytest

from ebpf_lab.setup import needs, packages


@pytest.fixture(scope="session")
def browser():
    if not needs.chromium():
        pytest.skip(
            f"no Chromium here, which ./lab setup --tests installs where it can: {packages.OPTIONAL['chromium']}"
        )
    with jupyterlab_page.window() as window:
        yield window


@pytest.fixture(scope="session")
def opened(browser, tmp_path_factory):
    """opened() gives a Lab; all of them have one server."""
    with jupyterlab_page.server(tmp_path_factory.mktemp("jupyter")) as (url, token):
        yield partial(jupyterlab_page.opened, browser, url, token)


@pytest.fixture(scope="session")
def tab(opened):
    """One tab for all tests that leave it as it was: JupyterLab is loaded once."""
    with opened() as lab:
        yield lab


@pytest.fixture
def lab(tab):
    yield tab
    tab.end_kernels()
