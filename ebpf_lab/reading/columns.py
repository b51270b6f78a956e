"""From the ctypes that BCC reads out of a program to numpy dtypes and DataFrame columns."""

import ctypes as ct
from collections.abc import Iterator
from typing import Any

import numpy as np


def dtype_of(ctype: Any) -> np.dtype:
    """The numpy dtype with the same memory layout as ``ctype``; char arrays become bytes ('S16').

    Raises TypeError for bit fields, which numpy has no dtype for.
    """
    if issubclass(ctype, ct.Array):
        if ctype._type_ is ct.c_char:
            return np.dtype(("S", ctype._length_))
        return np.dtype((dtype_of(ctype._type_), (ctype._length_,)))
    if not issubclass(ctype, ct.Structure | ct.Union):
        return np.dtype(np.uintp if ctype in (ct.c_char_p, ct.c_void_p) else ctype)
    if any(len(field) > 2 for field in ctype._fields_):
        raise TypeError(f"the struct {ctype.__name__} has bit fields; give them whole integers, as u32")
    names = [name for name, _ in ctype._fields_ if not name.startswith("__pad_")]  # BCC fills gaps with these
    types = dict(ctype._fields_)
    return np.dtype(
        {
            "names": names,
            "formats": [dtype_of(types[name]) for name in names],
            "offsets": [getattr(ctype, name).offset for name in names],
            "itemsize": ct.sizeof(ctype),
        }
    )


def columns(array: np.ndarray, name: str = "", category: bool = False) -> dict[str, Any]:
    """{column: array} of an array with one row per entry: struct fields by name, nested ones dotted.

    Text ends at its first NUL, as in C; bytes that aren't UTF-8 are escaped with backslashes.
    With ``category`` it is a pandas Categorical, which for many events is ten times faster.
    """
    if array.dtype.names is not None:
        found: dict[str, Any] = {}
        for field in array.dtype.names:
            inner = name if field.startswith("__anon") else f"{name}.{field}".lstrip(".")
            found |= columns(array[field], inner, category)
        return found
    if array.dtype.kind == "S":
        return {name: _categories(array) if category and array.ndim == 1 else _text(array)}
    return {name: array}


def _text(array: np.ndarray) -> np.ndarray:
    text = [value.split(b"\0")[0].decode(errors="backslashreplace") for value in array.ravel().tolist()]
    return np.array(text, dtype=object).reshape(array.shape)


def _categories(texts: np.ndarray) -> Any:
    """Texts as a Categorical. Each is looked up by a number made of its bytes, and then compared."""
    import pandas as pd

    numbers = np.zeros(len(texts), np.uint64)
    for word in _words(texts):
        numbers ^= word
        numbers *= np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
    codes, found = pd.factorize(numbers)
    where = np.empty(len(found), np.int64)
    where[codes] = np.arange(len(codes))  # one of the texts with each code
    each = texts[where]
    for word, of_each in zip(_words(texts), _words(each), strict=True):
        if not (of_each[codes] == word).all():  # two texts have the same number
            return pd.Categorical(_text(texts))
    names = _text(each)
    if len(set(names)) < len(names):  # they differ behind a NUL
        return pd.Categorical(names[codes])
    return pd.Categorical.from_codes(codes, names)


def _words(texts: np.ndarray) -> Iterator[np.ndarray]:
    """The bytes of texts as whole numbers, one array per place; the last two places may overlap."""
    size = texts.itemsize
    width = next(width for width in (8, 4, 2, 1) if width <= size)
    for place in (*range(0, size - width, width), size - width):
        word = np.dtype({"names": ["word"], "formats": [f"u{width}"], "offsets": [place], "itemsize": size})
        yield texts.view(word)["word"]
