"""What a program wrote into structs of all kinds, against what record(), to_frame() and watch() read."""

import random

import numpy as np
import pytest

from ebpf_lab import BPF, MapError, fire, record, to_frame, watch
from ebpf_lab.bcc_types import event_class

COMMON = """
enum colour { RED, GREEN = 7, BLUE = 100000 };
typedef u16 port_t;
typedef port_t pair_t[2];
struct point { s8 x; u32 y; };
struct tight { u8 a; u64 b; } __attribute__((packed));
"""
INTEGERS = {  # C type -> (bits, signed)
    "u8": (8, False),
    "s8": (8, True),
    "u16": (16, False),
    "short": (16, True),
    "u32": (32, False),
    "int": (32, True),
    "pid_t": (32, True),
    "u64": (64, False),
    "long": (64, True),
    "size_t": (64, False),
    "port_t": (16, False),
    "const u32": (32, False),
    "bool": (1, False),
    "__int128": (128, True),
    "unsigned __int128": (128, False),
}
NESTED = {
    "struct point": [("x", 8, True), ("y", 32, False)],
    "struct tight": [("a", 8, False), ("b", 64, False)],
}


class Struct:
    """A struct by chance: ``declaration``, the statements that fill it, and {column: value} of what they wrote."""

    def __init__(self, chance: random.Random, name: str) -> None:
        self._chance, self._count, self._prefix = chance, 0, name
        self.statements: list[str] = []
        self.expected: dict[str, object] = {}
        fields = [self._integer(0), *(self._field() for _ in range(chance.randint(0, 6)))]
        if chance.random() < 0.2:
            fields.append("u32 rest[0];")
        packed = chance.choice(["", " __attribute__((packed))"])
        self.declaration = f"struct {name} {{ {' '.join(fields)} }}{packed};"

    def _name(self) -> str:
        self._count += 1
        return f"{self._prefix}_{self._count}"

    def _field(self, depth: int = 0) -> str:
        kinds = [self._integer, self._bits, self._text, self._array, self._nested, self._enum]
        if depth < 2:
            kinds += [self._anonymous, self._union]
        return self._chance.choice(kinds)(depth)

    def _write(self, path: str, bits: int, signed: bool) -> int:
        value = self._chance.getrandbits(bits)
        if signed and value >> bits - 1:
            value -= 1 << bits
        low, high = value & (1 << 64) - 1, value >> 64 & (1 << 64) - 1
        wide = f"((unsigned __int128){high}ull << 64 | {low}ull)" if bits > 64 else f"{low}ull"
        self.statements.append(f"e->{path} = {wide};".replace("const ", ""))
        return value

    def _integer(self, _: int) -> str:
        name, kind = self._name(), self._chance.choice([kind for kind in INTEGERS if "const" not in kind])
        self.expected[name] = self._write(name, *INTEGERS[kind])
        return f"{kind} {name};"

    def _bits(self, _: int) -> str:
        name, kind = self._name(), self._chance.choice(["u8", "u16", "u32", "int", "u64", "long", "bool"])
        most, signed = INTEGERS[kind]
        width = self._chance.randint(1, most)
        self.expected[name] = self._write(name, width, signed)
        return f"{kind} {name} : {width};" + self._chance.choice(["", "", " u32 : 3;", " u32 : 0;"])

    def _text(self, _: int) -> str:
        name, text = self._name(), self._chance.choice(["ls", "x", ""])
        self.statements += [f"e->{name}[{n}] = '{letter}';" for n, letter in enumerate(text)]
        self.expected[name] = text
        return f"char {name}[{self._chance.randint(2, 9)}];"

    def _array(self, _: int) -> str:
        name = self._name()
        kind = self._chance.choice([kind for kind in INTEGERS if "const" not in kind] + ["pair_t"])
        if kind == "pair_t":
            self.expected[name] = [self._write(f"{name}[{n}]", 16, False) for n in range(2)]
            return f"pair_t {name};"
        if self._chance.random() < 0.5:
            self.expected[name] = [self._write(f"{name}[{n}]", *INTEGERS[kind]) for n in range(3)]
            return f"{kind} {name}[3];"
        self.expected[name] = [
            [self._write(f"{name}[{n}][{m}]", *INTEGERS[kind]) for m in range(3)] for n in range(2)
        ]
        return f"{kind} {name}[2][3];"

    def _nested(self, _: int) -> str:
        name, kind = self._name(), self._chance.choice(list(NESTED))
        for field, *integer in NESTED[kind]:
            self.expected[f"{name}.{field}"] = self._write(f"{name}.{field}", *integer)
        return f"{kind} {name};"

    def _enum(self, _: int) -> str:
        name = self._name()
        self.statements.append(f"e->{name} = BLUE;")
        self.expected[name] = 100000
        return f"enum colour {name};"

    def _anonymous(self, depth: int) -> str:
        return f"struct {{ {self._field(depth + 1)} {self._field(depth + 1)} }};"

    def _union(self, depth: int) -> str:
        return f"union {{ u8 {self._name()}; {self._field(depth + 1)} }};"


def program_of(structs):
    """One program: of each struct a map with it as value, one with it as key, a buffer, and a function that writes all."""
    parts = [COMMON]
    for n, struct in enumerate(structs):
        buffer, submit = [
            (f"BPF_PERF_OUTPUT(o{n});", f"o{n}.perf_submit(ctx, e, sizeof(*e));"),
            (f"BPF_RINGBUF_OUTPUT(o{n}, 1);", f"o{n}.ringbuf_output(e, sizeof(*e), 0);"),
        ][n % 2]
        parts.append(
            f"{struct.declaration} BPF_ARRAY(v{n}, struct s{n}, 1); BPF_HASH(k{n}, struct s{n}, u64, 4); {buffer}\n"
            f"int w{n}(void *ctx) {{ int zero = 0; u64 one = 1; struct s{n} *e = v{n}.lookup(&zero);"
            f" if (!e) return 0; {' '.join(struct.statements)} {submit} k{n}.update(e, &one); return 0; }}"
        )
    return "\n".join(parts)


def plain(value):
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def first_row(frame):
    assert len(frame) == 1
    return {name: plain(frame[name].iloc[0]) for name in frame.columns}


@pytest.mark.corpus
@pytest.mark.parametrize("seed", range(4))
def test_every_field_of_generated_structs_has_the_value_that_the_program_wrote(seed):
    chance = random.Random(seed)
    structs = [Struct(chance, f"s{n}") for n in range(30)]
    with BPF(text=program_of(structs)) as b:
        for n, struct in enumerate(structs):
            with record(b[f"o{n}"]) as events:
                fire(b, f"w{n}", times=1)
            views = [first_row(f) for f in (events.frame(), to_frame(b[f"v{n}"]), to_frame(b[f"k{n}"]))]
            for row in views:
                assert {name: row.get(name) for name in struct.expected} == struct.expected, (
                    struct.declaration
                )
            assert events.wrong_size == 0


def test_a_view_shows_what_the_program_wrote():
    chance = random.Random(99)
    structs = [Struct(chance, f"s{n}") for n in range(3)]
    with BPF(text=program_of(structs)) as b:
        for n, struct in enumerate(structs):
            fire(b, f"w{n}", times=1)
            shown = watch(b[f"v{n}"]).shown
            row = dict(zip(shown["heads"], shown["rows"][0], strict=True))
            assert {name: row[name] for name in struct.expected} == {
                name: str(value) for name, value in struct.expected.items()
            }


def recorded(source, **more):
    with BPF(text=source) as b:
        with record(b["out"]) as events:
            fire(b, "f", times=1)
        return events.frame().iloc[0].to_dict()


def test_a_packed_struct_is_read_as_it_lies():
    assert recorded("""
struct e { u64 ts; u8 kind; u32 pid; } __attribute__((packed));
BPF_PERF_OUTPUT(out);
int f(void *ctx) { struct e e = {5, 7, 0x01020304}; out.perf_submit(ctx, &e, sizeof(e)); return 0; }
""") == {"ts": 5, "kind": 7, "pid": 16909060}


def test_bit_fields_are_columns_of_their_own():
    assert recorded("""
struct e { u32 proto:8; u32 port:16; u64 ts; };
BPF_PERF_OUTPUT(out);
int f(void *ctx) {
  struct e e = {}; e.proto = 6; e.port = 443; e.ts = 99; out.perf_submit(ctx, &e, sizeof(e)); return 0; }
""") == {"proto": 6, "port": 443, "ts": 99}


TWO = """
struct a { u8 kind; u32 pid; };
struct b { u8 kind; OTHER pid; } __attribute__((packed));
BPF_PERF_OUTPUT(out);
int f(void *ctx) {
  struct a unused = {1, 1}; bpf_trace_printk("%d", unused.pid);
  struct b b = {7, 0x01020304}; out.perf_submit(ctx, &b, sizeof(b)); return 0; }
"""


def test_of_two_structs_with_the_same_names_of_fields_the_types_decide():
    assert recorded(TWO.replace("OTHER", "int")) == {"kind": 7, "pid": 0x01020304}


def test_two_structs_that_bcc_cannot_tell_apart_are_an_error_that_names_the_fields():
    source = TWO.replace("OTHER", "u32").replace(
        "struct a unused = {1, 1};", "struct a unused = {1, bpf_ktime_get_ns()};"
    )
    with pytest.raises(MapError, match=r"The events of out can't be read: several structs .*\(kind, pid\)"):
        recorded(source)


def test_a_struct_without_a_variable_is_an_error_that_says_what_to_write():
    with pytest.raises(MapError, match="declare a variable of it"):
        recorded("""
struct e { u8 kind; u32 pid; } __attribute__((packed));
BPF_PERF_OUTPUT(out);
int f(void *ctx) { out.perf_submit(ctx, &(struct e){7, 1}, sizeof(struct e)); return 0; }
""")


def test_event_reads_the_struct_as_clang_laid_it_out():
    with BPF(
        text="""
struct e { u32 proto:8; int port:17; bool in; u16 grid[2][2]; union { u32 whole; u8 part[4]; }; __int128 big; char comm[8]; }
  __attribute__((packed));
BPF_PERF_OUTPUT(out);
int f(void *ctx) {
  struct e e; __builtin_memset(&e, 0, sizeof(e));
  e.proto = 6; e.port = -3; e.in = true; e.grid[1][0] = 9; e.whole = 0x01020304; e.big = -5; e.comm[0] = 'l'; out.perf_submit(ctx, &e, sizeof(e)); return 0; }
"""
    ) as b:
        got = []

        def callback(cpu, data, size):
            e = b["out"].event(data)
            got.append(
                (e.proto, e.port, getattr(e, "in"), e.grid[1][0], e.whole, e.part[3], bytes(e.big), e.comm)
            )

        b["out"].open_perf_buffer(callback)
        fire(b, "f", times=1)
        b.perf_buffer_poll(1000)
    assert got == [(6, -3, True, 9, 0x01020304, 1, (-5).to_bytes(16, "little", signed=True), b"l")]


def test_an_ordinary_event_and_key_have_bccs_own_class():
    with BPF(
        text="""
struct e { u32 pid; char comm[8]; };
BPF_PERF_OUTPUT(out);
BPF_HASH(seen, struct e, u64);
int f(void *ctx) { struct e e = {5}; out.perf_submit(ctx, &e, sizeof(e)); return 0; }
"""
    ) as b:
        assert [name for name, _ in event_class(b["out"])._fields_] == ["pid", "comm"]
        assert [name for name, _ in b["seen"].Key._fields_] == ["pid", "comm"]


def test_a_key_with_bit_fields_can_be_made_in_python():
    with BPF(
        text="""
struct k { u32 proto:8; u32 port:16; u64 ip; } __attribute__((packed));
BPF_HASH(seen, struct k, u64);
"""
    ) as b:
        seen = b["seen"]
        seen[seen.Key(6, 443, ip=7)] = seen.Leaf(1)
        assert to_frame(seen).iloc[0].to_dict() == {"proto": 6, "port": 443, "ip": 7, "value": 1}
        assert seen[seen.Key(6, 443, 7)].value == 1


@pytest.mark.parametrize("field", ["u32 proto:8;", "u32 proto; } __attribute__((packed)); struct other {"])
def test_without_clangs_layout_bit_fields_and_packed_structs_are_an_error(field):
    source = f"struct e {{ u64 ts; {field} }};\nBPF_PERF_OUTPUT(out);\n"
    more = "int f(void *ctx) { struct e e = {1}; out.perf_submit(ctx, &e, sizeof(e)); return 0; }"
    with BPF(text=source + more) as b:
        b.types = ""  # as where the sandboxed compile fails, for a map of another program
        with (
            pytest.raises(MapError, match="The events of out can't be read: the source has"),
            record(b["out"]),
        ):
            pass
