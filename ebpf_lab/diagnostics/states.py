"""What the verifier knows of a value: from the form of its log to plain English."""

import re

_NUMBER = r"-?(?:0x[0-9a-f]+|\d+)"
_MAX = (1 << 63) - 1
_PLAIN = {
    "ctx": "the context",
    "pkt_end": "the end of the packet",
    "ringbuf_mem": "a record of the ring buffer",
    "sock": "a socket",
    "fp": "memory on the stack",
}


def describe(state: str) -> str:
    """``state`` in plain English; '' for a kind of value that is not known here."""
    kind, _, inside = state.rstrip(")").partition("(")
    fields = dict(re.findall(r"(\w+)=(\([^)]*\)|[^,()]+)", inside))
    or_null = ", or NULL" if kind.endswith("_or_null") else ""
    kind = kind.removesuffix("_or_null")
    if kind == "map_value":
        size = f" ({fields['vs']} bytes)" if "vs" in fields else ""
        return f"a value of {fields.get('map', 'a map')}{size}{or_null}"
    if kind == "map_ptr":
        return f"the map {fields.get('map', '')}".rstrip()
    if kind in ("scalar", "inv"):
        return describe_number(state)
    if kind == "pkt":
        return f"the packet, of which {fields.get('r', '0')} bytes are checked"
    if kind in _PLAIN:
        return _PLAIN[kind] + or_null
    if re.fullmatch(r"fp-?\d+", state):
        return _PLAIN["fp"]
    return f"the number {int(state, 0):,}" if re.fullmatch(_NUMBER, state) else ""


def describe_number(state: str) -> str:
    """Which numbers a scalar can be."""
    if constant := re.fullmatch(rf"P?({_NUMBER})", state):
        return f"the number {int(constant[1], 0):,}"
    bounds: dict[str, int] = {}
    for names, value in re.findall(
        rf"((?:\w+=)+)({_NUMBER})\b", state
    ):  # several names for one value: smin=smin32=0
        for name in names.strip("=").split("="):
            number = int(
                value, 0
            )  # Linux 6.18 writes large negative numbers in hexadecimal, as unsigned ones.
            bounds[name] = number - (1 << 64) if name == "smin" and number > _MAX else number
    low, high = bounds.get("smin", -_MAX - 1), bounds.get("smax", _MAX)
    if bounds.get("umax", _MAX + 1) <= _MAX:  # An unsigned number this small is not negative.
        low, high = max(low, bounds.get("umin", 0)), min(high, bounds["umax"])
    if low >= 0:
        return f"a number from {low:,} to {high:,}" if high < _MAX else f"a number of {low:,} or more"
    return (
        "any number, including negative ones"
        if high == _MAX
        else f"a number up to {high:,}, possibly negative"
    )
