"""From the ctypes that BCC reads out of a program to numpy dtypes and DataFrame columns."""

import ctypes as ct

import numpy as np

_BLOCK = 1 << 15  # texts looked at in one go: they and what is made of them stay in the CPU's cache


def dtype_of(ctype):
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


def columns(array, name="", category=False):
    """{column: array} of an array with a row an entry: struct fields by name, nested ones dotted.

    Text ends at its first NUL, as in C; bytes that aren't UTF-8 are escaped with backslashes.
    With ``category`` it is a pandas Categorical, which for many events is thirty times faster.
    """
    if array.dtype.names is not None:
        found = {}
        for field in array.dtype.names:
            inner = name if field.startswith("__anon") else f"{name}.{field}".lstrip(".")
            found |= columns(array[field], inner, category)
        return found
    if array.dtype.kind == "S":
        return {name: _categories(array) if category and array.ndim == 1 else _text(array)}
    return {name: array}


def _text(array):
    text = [value.split(b"\0")[0].decode(errors="backslashreplace") for value in array.ravel().tolist()]
    return np.array(text, dtype=object).reshape(array.shape)


def _categories(array):
    """Texts as a Categorical. Each is looked up by a number made of its bytes, which is then checked."""
    import pandas as pd

    blocks = [slice(at, at + _BLOCK) for at in range(0, len(array), _BLOCK)]
    numbers = np.zeros(len(array), np.uint64)
    for block in blocks:
        for word in _words(array[block]):
            numbers[block] = (numbers[block] ^ word) * np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
    codes, found = pd.factorize(numbers)
    each = array[_first(codes, len(found), blocks)]
    words = list(_words(each))
    for block in blocks:
        for word, of_each in zip(_words(array[block]), words, strict=True):
            if not (of_each[codes[block]] == word).all():  # two texts with one number
                return pd.Categorical(_text(array))
    texts = _text(each)
    return (
        pd.Categorical(texts[codes])
        if len(set(texts)) < len(texts)
        else pd.Categorical.from_codes(codes, texts)
    )


def _words(texts):
    """The bytes of texts as whole numbers, an array for each place; the last two places may overlap."""
    size = texts.itemsize
    width = next(width for width in (8, 4, 2, 1) if width <= size)
    for place in (*range(0, size - width, width), size - width):
        dtype = {"names": ["word"], "formats": [f"u{width}"], "offsets": [place], "itemsize": size}
        yield texts.view(np.dtype(dtype))["word"]


def _first(codes, count, blocks):
    """Where each of ``count`` codes comes for the first time; they are numbered in that order."""
    first, most = [np.empty(0, np.int64)], -1
    for block in blocks:
        if most + 1 == count:
            break
        highest = np.maximum.accumulate(np.concatenate([[most], codes[block]]))
        first.append(block.start + np.flatnonzero(np.diff(highest)))
        most = highest[-1]
    return np.concatenate(first)
