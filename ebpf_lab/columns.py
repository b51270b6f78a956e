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
        return np.dtype(ctype)
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


def columns(array, name=""):
    """{column: array} of an array with a row an entry: struct fields by name, nested ones dotted.

    Text stays text; bytes that aren't UTF-8 are escaped with backslashes.
    """
    if array.dtype.names is not None:
        found = {}
        for field in array.dtype.names:
            inner = name if field.startswith("__anon") else f"{name}.{field}".lstrip(".")
            found |= columns(array[field], inner)
        return found
    if array.dtype.kind == "S":
        text = [value.decode(errors="backslashreplace") for value in array.ravel().tolist()]
        array = np.array(text, dtype=object).reshape(array.shape)
    return {name: array}
