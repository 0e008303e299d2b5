"""The tools for the person at the cabinet, against strangers' slaves."""

import json
import struct

import pytest

import plant
from rig import usb_machine
from rig.gateway import BINARY
from rig.process import Process
from rig.slaves import RtuSlave, TcpSlave

_CELLS = {("holding", 100 + i): cell for i, cell in enumerate(struct.unpack(">4H", struct.pack(">fI", 230.5, 4200000)))}
_CELLS |= {("coil", 7): 1, ("coil", 8): 0}


@pytest.fixture(params=["tcp", "rtu"])
def file(request, closing, tmp_path):
    if request.param == "tcp":
        bus = plant.tcp_bus(closing(TcpSlave({1: _CELLS})).port)
    else:
        bus = plant.rtu_bus(closing(RtuSlave(tmp_path / "line", 1, {1: _CELLS})).path)
    path = tmp_path / "plant.yaml"
    path.write_text(json.dumps({"version": 1, "gateway": {"id": "plant1"}, "buses": {"field": bus},
                                "devices": {"m": {"bus": "field", "points": {"p": {"register": "coil", "address": 7}}}}}))
    return path


def _read(*arguments):
    process = Process([BINARY, "read", *arguments])
    return process.wait(20), process.out, process.err


def test_read_prints_what_registers_may_mean(file):
    code, out, err = _read(file, "field", 1, "holding", 100, 4)
    assert code == 0, err
    assert "    100  0x4366  17254" in out
    assert "  {register: holding, address: 100, type: float32, byte_order: ABCD}  # 230.5" in out
    assert "  {register: holding, address: 102, type: uint32, byte_order: ABCD}  # 4200000" in out


def test_read_prints_bits(file):
    code, out, err = _read(file, "field", 1, "coil", 7, 2)
    assert code == 0, err
    assert out[1:] == ["  {register: coil, address: 7}  # true", "  {register: coil, address: 8}  # false"]


def test_read_says_what_is_wrong(file):
    code, _, err = _read(file, "feild", 1, "holding", 100)
    assert code == 64 and err == ['ferrule: there is no bus "feild" (did you mean field?)']
    code, _, err = _read(file, "field", 1, "input", 60000, 1)
    assert code == 69 and err[-1].endswith("input 60000: point-rejected: exception 02 (illegal data address)"), err


def test_tools_say_what_they_cannot_do(file):
    for arguments, code, words in [(["read", "field", 1, "holding", 100], 64, "field"),  # FILE was forgotten
                                   (["read", file, "field", 1, "holding", 65535, 2], 64, "the last address is 65535"),
                                   (["write", file, "field", 1, "holding", 100, "on"], 65, "neither a number nor true, false")]:
        process = Process([BINARY, *arguments])
        assert process.wait(20) == code and words in process.stderr_text, process.stderr_text


def test_scan_needs_no_devices(closing, tmp_path):
    slave = closing(TcpSlave({1: _CELLS}))
    file = tmp_path / "bus.yaml"
    file.write_text(json.dumps({"buses": {"field": plant.tcp_bus(slave.port), "box": {"type": "system"}},
                                "devices": {"box": {"bus": "box", "points": {"load": {"from": "load"}}}}}))
    process = Process([BINARY, "scan", file, "field", "--last", 2, "--timeout", 1000])
    assert process.wait(60) == 0 and process.out[0].startswith("unit 1"), process.err
    process = Process([BINARY, "scan", file, "box"])
    assert process.wait(20) == 64 and "only Modbus has registers" in process.stderr_text, process.stderr_text


def test_write_writes_once_and_shows_what_the_device_holds(file):
    process = Process([BINARY, "write", file, "field", 1, "holding", 100, "1.5", "--type", "float32"])
    assert process.wait(20) == 0, process.err
    assert process.out[0] == "bus field, unit 1, holding 100: written; it now holds"
    assert "  {register: holding, address: 100, type: float32, byte_order: ABCD}  # 1.5" in process.out
    process = Process([BINARY, "write", file, "field", 1, "coil", 8, "true"])
    assert process.wait(20) == 0 and process.out[1] == "  {register: coil, address: 8}  # true", process.err


def test_write_refuses_what_the_type_cannot_hold_and_reports_refusals(file):
    process = Process([BINARY, "write", file, "field", 1, "holding", 100, "70000"])
    assert process.wait(20) == 65 and not process.out, process.err
    process = Process([BINARY, "write", file, "field", 1, "holding", 60000, "1"])
    assert process.wait(20) == 69 and "exception 02 (illegal data address)" in process.err[-1], process.err


def test_scan_finds_units_and_what_they_are(file):
    process = Process([BINARY, "scan", file, "field", "--first", 1, "--last", 2, "--timeout", 1000])
    assert process.wait(60) == 0, process.err
    assert len(process.out) == 1 and process.out[0].startswith("unit 1"), process.out


def test_ports_lists_what_there_is(tmp_path):
    process = Process([*usb_machine.around(tmp_path / "machine"), BINARY, "ports"])
    assert process.wait(10) == 0 and not process.err
    assert process.out == ["/dev/ttyUSB0", "  adapter: FT232R USB UART - A10K2X", f"  port: {usb_machine.BY_ID}", "  used by: nobody"]
