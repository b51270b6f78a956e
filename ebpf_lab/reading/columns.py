"""From numpy arrays with the memory layout of C types to DataFrame columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np


def columns(array: np.ndarray, name: str = "", category: bool = False) -> dict[str, Any]:
    """{column: array} of an array with one row per entry: struct fields by name, nested ones dotted.

    Text ends at its first NUL, as in C; bytes that aren't UTF-8 are escaped with backslashes.
    With ``category`` it is a pandas Categorical, which for many events is ten times faster.
    """
    if fields := array.dtype.names:
        if fields[0].startswith(":"):
            return {name: _integers(array, fields[0])}
        found: dict[str, Any] = {}
        for field in fields:
            inner = name if field.startswith("__anon") else f"{name}.{field}".lstrip(".")
            found |= columns(array[field], inner, category)
        return found
    if array.dtype.kind == "S":
        return {name: _categories(array) if category and array.ndim == 1 and array.itemsize else _text(array)}
    return {name: array}


def _integers(array: np.ndarray, mark: str) -> np.ndarray:
    """Bit fields and 16-byte integers as numbers; ``mark`` is ":shift:width:signed:kind", from dtype_of()."""
    shift, width, signed, kind = mark.split(":")[1:]
    low, bits, size = int(shift), int(width), array.dtype.itemsize
    raw = np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, size)
    if size > 8:
        numbers = [_integer(bytes(row), low, bits, signed == "1") for row in raw.reshape(-1, size)]
        return np.array(numbers, object).reshape(array.shape).astype(kind)
    padded = np.zeros((*array.shape, 8), np.uint8)
    padded[..., :size] = raw
    high = np.uint64(64 - bits)
    top = padded.view("<u8")[..., 0] >> np.uint64(low) << high
    return (top.view("<i8") >> np.int64(64 - bits) if signed == "1" else top >> high).astype(kind)


def _integer(raw: bytes, shift: int, width: int, signed: bool) -> int:
    number = int.from_bytes(raw, "little") >> shift & (1 << width) - 1
    return number - (1 << width) if signed and number >> width - 1 else number


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
