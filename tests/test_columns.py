import ctypes as ct

import numpy as np
import pytest

from ebpf_lab.loading.dtypes import dtype_of
from ebpf_lab.reading.columns import columns


class Event(ct.Structure):
    _fields_ = [("small", ct.c_uint8), ("wide", ct.c_uint64), ("name", ct.c_char * 5), ("where", ct.c_char_p)]


def test_a_dtype_has_the_layout_of_the_struct():
    dtype = dtype_of(Event)
    assert dtype.itemsize == ct.sizeof(Event)
    assert [dtype.fields[name][1] for name in dtype.names] == [
        getattr(Event, name).offset for name in dtype.names
    ]
    assert dtype["where"] == np.uintp


@pytest.mark.parametrize("category", [False, True])
def test_text_ends_at_its_first_nul_and_odd_bytes_are_escaped(category):
    array = np.array([b"ls\0x", b"ls", b"", b"a\xffb", b"12345"], "S5")
    assert list(columns(array, "name", category)["name"]) == ["ls", "ls", "", "a\\xffb", "12345"]


def test_many_texts_become_few_categories():
    rng = np.random.default_rng(7)
    texts = np.array([f"name{n}".encode() for n in range(1000)], "S12")[rng.integers(0, 1000, 100_000)]
    found = columns(texts, "name", category=True)["name"]
    assert len(found.categories) == 1000
    assert list(found) == [text.decode() for text in texts.tolist()]


def test_two_texts_of_the_same_number_stay_two(monkeypatch):
    monkeypatch.setattr("pandas.factorize", lambda numbers: (np.zeros(len(numbers), int), numbers[:1]))
    assert list(columns(np.array([b"one", b"two"]), "name", category=True)["name"]) == ["one", "two"]


def test_no_texts_are_an_empty_category():
    assert len(columns(np.empty(0, "S5"), "name", category=True)["name"]) == 0
