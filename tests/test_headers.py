import os
import platform

import pytest

from ebpf_lab import SetupError
from ebpf_lab.kernel import headers


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A made-up /lib/modules and environment; tree(name, *files) makes a headers folder."""
    monkeypatch.setattr(headers, "MODULES", tmp_path / "modules")
    monkeypatch.setattr(headers, "SOURCES", tmp_path / "src")
    monkeypatch.setattr(headers, "KHEADERS", tmp_path / "kheaders.tar.xz")
    monkeypatch.setattr(headers, "VENV", tmp_path / "prefix")
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    return tmp_path


CONFIG, COMMON = "include/generated/autoconf.h", "include/linux/kconfig.h"


def tree(path, *files):
    for file in files:
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text("")
    return path


def split(machine, version):
    """A headers package split over two folders, as Debian's."""
    build = tree(machine / f"src/linux-headers-{version}-amd64", CONFIG, "arch/x86/include/generated/asm.h")
    source = tree(machine / f"src/linux-headers-{version}-common", COMMON, "arch/x86/include/asm/page.h")
    modules = machine / "modules" / f"{version}-amd64"
    modules.mkdir(parents=True)
    (modules / "build").symlink_to(build)
    (modules / "source").symlink_to(source)


def test_without_any_headers_the_error_says_what_to_do(machine):
    with pytest.raises(SetupError, match="no kernel headers") as raised:
        headers.find()
    assert "./lab doctor" in raised.value.fix


def test_this_kernels_own_headers_come_first(machine):
    own = tree(machine / "modules" / platform.release() / "build", CONFIG, COMMON)
    split(machine, "99.1.0")
    assert headers.find() == (own, platform.release())


def test_headers_inside_the_kernel_come_next(machine):
    (machine / "kheaders.tar.xz").write_text("")
    split(machine, "99.1.0")
    assert headers.find() == (machine / "kheaders.tar.xz", platform.release())


def test_split_headers_of_another_version_are_merged_into_one_tree(machine):
    split(machine, "6.1.0-9")
    split(machine, "6.1.0-56")
    path, version = headers.find()
    assert version == "6.1.0-56-amd64" and str(machine / "prefix") in str(path)
    for file in (CONFIG, COMMON, "arch/x86/include/generated/asm.h", "arch/x86/include/asm/page.h"):
        assert (path / file).exists()


def test_a_merged_tree_of_a_package_that_was_upgraded_is_made_anew(machine):
    split(machine, "6.1.0-56")
    path, _ = headers.find()
    (machine / "src").rename(machine / "moved")
    assert not (path / COMMON).exists()
    for link in (machine / "modules").glob("*/*"):
        target = os.readlink(link).replace("/src/", "/moved/")
        link.unlink()
        link.symlink_to(target)
    assert (headers.find()[0] / COMMON).exists()


def test_whole_headers_of_another_version_are_taken_as_they_are(machine):
    whole = tree(machine / "src/linux-headers-6.8.0-1", CONFIG, COMMON)
    assert headers.find() == (whole, "6.8.0-1")


def test_bcc_is_told_of_borrowed_headers_only(machine, monkeypatch):
    tree(machine / "modules" / platform.release() / "build", CONFIG, COMMON)
    headers.prepare()
    assert "BCC_KERNEL_SOURCE" not in os.environ
    (machine / "modules").rename(machine / "gone")
    whole = tree(machine / "src/linux-headers-6.8.0-1", CONFIG, COMMON)
    headers.prepare()
    assert os.environ["BCC_KERNEL_SOURCE"] == str(whole)
    monkeypatch.delenv("BCC_KERNEL_SOURCE")


def test_a_wrong_bcc_kernel_source_is_named(machine, monkeypatch):
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "/nowhere")
    with pytest.raises(SetupError, match="BCC_KERNEL_SOURCE is /nowhere"):
        headers.find()


def test_headers_without_their_other_half_do_not_count(machine):
    tree(machine / "src/linux-headers-6.1.0-56-amd64", CONFIG)
    with pytest.raises(SetupError):
        headers.find()


def test_headers_can_be_merged_in_this_lab() -> (
    None
):  # also in ./lab test --kernel, where .venv is another system's
    place = headers.VENV / "share/ebpf-lab/headers"
    assert os.access(place if place.exists() else place.parent, os.W_OK)
