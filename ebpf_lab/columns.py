"""From the ctypes that BCC reads out of a program to numpy dtypes and DataFrame columns."""

import ctypes as ct

import numpy as np


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

    words = -(-array.itemsize // 8)
    padded = np.zeros((len(array), words * 8), np.uint8)
    padded[:, : array.itemsize] = array.copy().view(np.uint8).reshape(len(array), array.itemsize)
    mixed = np.zeros(len(array), np.uint64)
    for word in padded.view(np.uint64).T:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads the bits
    codes, numbers = pd.factorize(mixed)
    first = np.empty(len(numbers), np.int64)
    first[codes[::-1]] = np.arange(len(array))[::-1]
    if not (array[first][codes] == array).all():  # two texts with one number
        return pd.Categorical(_text(array))
    texts = _text(array[first])
    return (
        pd.Categorical(texts[codes])
        if len(set(texts)) < len(texts)
        else pd.Categorical.from_codes(codes, texts)
    )
