from types import SimpleNamespace

import pytest

from ebpf_lab.inspect.machine import _named, disassembled, withheld


def test_an_address_is_an_offset_in_its_own_function_and_a_name_elsewhere():
    def named(number):
        return _named(
            [number],
            start=0x1000,
            size=0x100,
            symbols={0x5000: "bpf_trace_printk"},
            programs=[(0x6000, "target")],
        )

    assert [named(n) for n in ("0x1010", "0x5000", "0x8", "0x1100")] == [
        "0x10",
        "bpf_trace_printk",
        "0x8",
        "0x1100",
    ]
    assert [named(n) for n in ("0x600b", "0x7000")] == ["target+0xb", "0x7000"]


def program(monkeypatch, cpu, jited, size=4):
    monkeypatch.setattr("platform.machine", lambda: cpu)
    return SimpleNamespace(info=SimpleNamespace(jited_prog_len=size), jited=jited)


@pytest.mark.parametrize(
    ("cpu", "code", "text"), [("x86_64", "4889e5c3", "mov rbp, rsp"), ("aarch64", "c0035fd6", "ret")]
)
def test_machine_code_is_disassembled_for_the_cpu_at_hand(monkeypatch, cpu, code, text):
    of_cpu = program(monkeypatch, cpu, [(0x1000, bytes.fromhex(code))])
    assert next(disassembled(of_cpu, {})) == (0x1000, 0, text) and not withheld(of_cpu)


def test_bytes_that_are_no_instruction_do_not_end_the_disassembly(monkeypatch):
    found = disassembled(program(monkeypatch, "x86_64", [(0x1000, bytes.fromhex("06c3"))]), {})
    assert list(found) == [(0x1000, 0, ".byte 0x06"), (0x1001, 1, "ret")]


@pytest.mark.parametrize(
    ("cpu", "size", "jited", "reason"),
    [
        ("x86_64", 0, [], "net.core.bpf_jit_enable is 0"),
        ("x86_64", 4, [], "withholds this code"),
        ("vax", 4, [(0x1000, b"1234")], "4 bytes of machine code of vax"),
    ],
)
def test_where_there_is_no_machine_code_the_reason_is_given(monkeypatch, cpu, size, jited, reason):
    assert reason in withheld(program(monkeypatch, cpu, jited, size))
