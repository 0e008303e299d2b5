"""`ferrule trace` and `ferrule record`: a bus's wire as people, Wireshark and a test see it."""

import json
import re
import shutil
import subprocess

import pytest

import plant
from rig.gateway import BINARY
from rig.process import SLOWNESS, Process, wait_until
from rig.slaves import RtuSlave, TcpSlave

_CELLS = {1: {("holding", 100): 7, ("holding", 101): 8}}
_POINTS = {"p": {"register": "holding", "address": 100, "type": "uint32"}}


def _started(gateway):
    gateway.start()
    wait_until(gateway.control.exists, 10, "the control socket is there")
    return gateway


@pytest.fixture
def gateway(make_gateway, closing, tmp_path):
    buses = {"tcp": plant.tcp_bus(closing(TcpSlave(_CELLS)).port),
             "rtu": plant.rtu_bus(closing(RtuSlave(tmp_path / "line", 1, _CELLS)).path)}
    devices = {bus: {"bus": bus, "interval": "100ms", "points": _POINTS} for bus in buses}
    return _started(make_gateway(buses=buses, devices=devices))


def _watch(gateway, *arguments):
    process = Process([BINARY, *arguments, "--socket", gateway.control])
    code = process.wait(30)
    return code, process.out, process.err


@pytest.mark.parametrize("bus", ["tcp", "rtu"])
def test_trace_says_what_is_asked_and_answered(gateway, bus):
    code, out, err = _watch(gateway, "trace", bus, "--count", 3)
    assert code == 0, err
    asked = [line for line in out if "unit 1 reads 2 holding registers from 100 | " in line]
    answered = [line for line in out if "unit 1 has registers 0007 0008 | " in line]
    assert len(asked) == 3 and len(answered) >= 2, out


def test_trace_names_what_has_no_such_bus(gateway):
    code, _, err = _watch(gateway, "trace", "plc")
    assert code == 65 and err == ["ferrule: this gateway has no bus of that name"]


def test_trace_says_what_has_no_wire(make_gateway):
    gateway = _started(make_gateway(buses={"box": {"type": "system"}},
                                    devices={"box": {"bus": "box", "points": {"load": {"from": "load"}}}}))
    code, _, err = _watch(gateway, "trace", "box")
    assert code == 65 and err == ["ferrule: a bus of type system has no wire"]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("bus, dissector", [("tcp", []), ("rtu", ["-d", "tcp.port==20502,mbrtu", "-o", "mbrtu.tcp.port:20502"])])
def test_wireshark_reads_the_capture(gateway, tmp_path, bus, dissector):
    file = tmp_path / "wire.pcap"
    code, _, err = _watch(gateway, "trace", bus, "--count", 3, "--pcap", file)
    assert code == 0, err
    result = subprocess.run(["tshark", "-r", file, *dissector, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields",
                             "-E", "occurrence=a", "-e", "_ws.col.Info", "-e", "modbus.regval_uint16", "-e", "_ws.malformed", "-e",
                             "tcp.checksum.status", "-e", "_ws.expert.message"],
                            capture_output=True, text=True, timeout=60 * SLOWNESS, check=True)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert sum("Query" in row[0] for row in rows) == 3, rows
    answers = [row for row in rows if "Response" in row[0]]
    assert len(answers) >= 2 and {row[1] for row in answers} == {"7,8"}, rows
    assert {row[2] for row in rows} == {""} and {row[3] for row in rows} == {"1"}, rows  # nothing malformed, every checksum right
    assert not any("sequence" in row[4] for row in rows), rows


@pytest.mark.parametrize("bus", ["tcp", "rtu"])
def test_record_keeps_every_byte(gateway, tmp_path, bus):
    file = tmp_path / "wire.txt"
    code, _, err = _watch(gateway, "record", bus, "--count", 3, "--output", file)
    assert code == 0, err
    head, *lines = file.read_text().splitlines()
    assert head.startswith(f"# bus {bus}, modbus-{bus}, ")
    assert all(re.fullmatch(r"\d+\.\d{6} ([<>]( [0-9a-f]{2})+|opened)", line) for line in lines if not line.startswith("#")), lines
    received = bytes.fromhex("".join(line.split("<")[1] for line in lines if " < " in line))
    answer = bytes.fromhex("0103040007 0008" if bus == "rtu" else "0000 0007 0103040007 0008")
    assert received.count(answer) >= 2


def test_the_json_form_is_one_object_a_line(gateway):
    code, out, err = _watch(gateway, "trace", "tcp", "--count", 2, "--json")
    assert code == 0, err
    items = [json.loads(line) for line in out]
    assert items[0]["type"] == "modbus-tcp" and items[0]["bus"] == "tcp"
    assert {item["kind"] for item in items[1:]} <= {"sent", "received", "opened"}
