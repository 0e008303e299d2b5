"""What Ferrule shows to other masters: pymodbus, mbpoll (libmodbus) and modbus-serial ask, tshark judges its bytes."""

import json
import pathlib
import shutil
import socket
import struct
import subprocess
import threading

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

import plant
from rig.clients import Mosquitto, Paho, javascript_env
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until
from rig.slaves import RtuSlave, TcpSlave

_POINTS = {"temperature": {"register": "holding", "address": 0, "type": "int16", "scale": 0.1},
           "energy": {"register": "holding", "address": 1, "type": "uint64"},
           "setpoint": {"register": "holding", "address": 10, "write": {"min": 5, "max": 30, "readback": "2s"}}}
_CELLS = {("holding", 0): 0xFF85, ("holding", 1): 0x0020, ("holding", 2): 0, ("holding", 3): 0, ("holding", 4): 1,
          ("holding", 10): 20, ("holding", 100): 4711}
_SHOWN = [{"from": "plc/temperature", "register": "input", "address": 0, "type": "float32"},
          {"from": "plc/energy", "register": "input", "address": 2, "type": "uint64", "byte_order": "CDAB"},
          {"from": "plc/setpoint", "register": "holding", "address": 0, "write": True}]


def _mbpoll(*arguments) -> str:
    """libmodbus's client asks unit 1 once for holding register 0, or writes it: a word behind the host or device is the value."""
    result = subprocess.run(["mbpoll", "-a", "1", "-0", "-r", "0", "-t", "4", "-1", *map(str, arguments)],
                            capture_output=True, text=True, timeout=30 * SLOWNESS)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def slave(closing):
    return closing(TcpSlave({1: _CELLS}))


@pytest.fixture
def serve(make_gateway, slave):
    """A gateway that polls the slave and has one server with these settings on a free port."""
    def start(**server):
        port = free_port()
        listen = {} if "port" in server else {"listen": f"127.0.0.1:{port}"}
        gateway = make_gateway(
            buses={"field": plant.tcp_bus(slave.port, reconnect="100ms..200ms", timeout="300ms")},
            devices={"plc": {"bus": "field", "interval": "100ms", "points": _POINTS}},
            modbus_servers={"scada": {**listen, **server}}).start()
        if listen:
            wait_until(lambda: accepts(port), 10, "the server accepts")
        values = Mosquitto(5).subscribe(gateway.port, "plant1/plc/setpoint", qos=1)
        values.next(timeout=15)
        values.close()
        return gateway, port
    return start


@pytest.fixture
def master(closing):
    def connect(port):
        client = ModbusTcpClient("127.0.0.1", port=port, timeout=10)
        assert client.connect()
        return closing(client)
    return connect


def test_a_stranger_reads_points_and_writes_one_through_its_limits(serve, master, closing):
    gateway, port = serve(points=_SHOWN)
    client = master(port)
    answer = client.read_input_registers(0, 6, slave=1)
    assert struct.unpack(">f", struct.pack(">2H", *answer.registers[:2]))[0] == struct.unpack(">f", struct.pack(">f", -12.3))[0]
    assert answer.registers[2:] == [1, 0, 0, 0x0020], "2^53 + 1, exact"
    values = closing(Paho(5).subscribe(gateway.port, "plant1/plc/setpoint", qos=1))
    assert not client.write_register(0, 25, slave=1).isError()
    while json.loads(values.next().payload)["v"] != 25:
        pass
    assert client.write_register(0, 31, slave=1).exception_code == 3
    assert client.read_holding_registers(0, 1, slave=1).registers == [25]
    assert client.read_input_registers(1, 2, slave=1).exception_code == 2
    assert client.read_holding_registers(0, 1, slave=2).exception_code == 0x0A
    assert "[0]: \t25" in _mbpoll("-m", "tcp", "-p", port, "127.0.0.1")
    _mbpoll("-m", "tcp", "-p", port, "127.0.0.1", "12")
    assert client.read_holding_registers(0, 1, slave=1).registers == [12], "what mbpoll wrote was read back"
    gateway.stop()
    assert "modbus 127.0.0.1 (server scada)" in gateway.process.stderr_text


def test_a_point_whose_device_is_gone_is_an_exception_and_not_its_last_value(serve, master, slave):
    _, port = serve(points=_SHOWN + [{"from": "plc/setpoint", "register": "holding", "address": 1, "invalid": 65535}])
    client = master(port)
    assert client.read_holding_registers(0, 2, slave=1).registers == [20, 20]
    slave.close()
    wait_until(lambda: client.read_holding_registers(0, 1, slave=1).isError(), 20, "the value is gone")
    assert client.read_holding_registers(0, 1, slave=1).exception_code == 0x0B
    assert client.read_holding_registers(1, 1, slave=1).registers == [65535]
    assert client.write_register(0, 7, slave=1).exception_code in (4, 0x0B)


def test_another_master_shares_a_bus_and_its_answers(serve, master, slave):
    gateway, port = serve(shares={"field": {"units": [1, 9], "max_age": "1h", "write": True}})
    client = master(port)
    assert client.read_holding_registers(100, 1, slave=1).registers == [4711], "nobody but the other master reads it"
    with ModbusTcpClient("127.0.0.1", port=slave.port) as direct:
        direct.write_register(100, 1, slave=1)
    assert client.read_holding_registers(100, 1, slave=1).registers == [4711], "remembered"
    assert not client.write_register(100, 12, slave=1).isError()
    assert client.read_holding_registers(100, 1, slave=1).registers == [12], "forgotten with the write"
    assert client.read_holding_registers(100, 1, slave=44).exception_code == 0x0A
    slave.close()
    wait_until(lambda: client.read_holding_registers(101, 1, slave=1).isError(), 20, "the bus is gone")
    assert client.read_holding_registers(101, 1, slave=1).exception_code in (0x0A, 0x0B)


def test_masters_share_a_line_of_which_ferrule_itself_reads_nothing(make_gateway, master, closing, tmp_path):
    line = closing(RtuSlave(tmp_path / "line", 1, {1: {("holding", i): 1000 + i for i in range(50)}}))
    port = free_port()
    gateway = make_gateway(
        buses={"line": plant.rtu_bus(line.path, timeout="2s")},
        modbus_servers={"shared": {"listen": f"127.0.0.1:{port}",
                                   "shares": {"line": {"units": [1, 2], "max_age": "0s", "timeout": "30s", "write": True}}}}).start()
    wait_until(lambda: accepts(port), 10, "the server accepts")
    failures = []

    def read(first: int):
        client = master(port)
        for i in range(20):
            address, count = first + i % 5, 1 + i % 7
            answer = client.read_holding_registers(address, count, slave=1)
            if answer.isError() or answer.registers != [1000 + address + k for k in range(count)]:
                failures.append((address, count, str(answer)))

    threads = [threading.Thread(target=read, args=(first,)) for first in (0, 15, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    client = master(port)
    assert client.read_holding_registers(0, 1, slave=2).exception_code == 0x0B, "nobody has that number"
    assert not client.write_registers(10, [1, 2], slave=1).isError()
    assert client.read_holding_registers(10, 2, slave=1).registers == [1, 2]
    status = json.loads(subprocess.run([BINARY, "status", "--json", "--socket", gateway.control], capture_output=True, text=True,
                                       timeout=30 * SLOWNESS, check=False).stdout)
    assert [(server["passed"], server["writes"]) for server in status["modbus_servers"]] == [(63, 0)], status


def test_a_master_on_a_line_reads_points(serve, closing, tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    wire = Process(["socat", f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}"])
    wire.close = wire.kill
    closing(wire)
    wait_until(lambda: near.exists() and far.exists(), 10, "socat made the pty pair")
    serve(type="modbus-rtu", port=str(near), line={"baud": 19200, "parity": "none"}, points=_SHOWN)
    with ModbusSerialClient(str(far), baudrate=19200, parity="N", timeout=5) as client:
        assert client.read_holding_registers(0, 1, slave=1).registers == [20]
        assert not client.write_register(0, 22, slave=1).isError()
        assert client.read_holding_registers(7, 1, slave=1).exception_code == 2
    assert "[0]: \t22" in _mbpoll("-m", "rtu", "-b", 19200, "-P", "none", far)


def test_modbus_serial_reads_and_writes(serve):
    _, port = serve(points=_SHOWN)
    steps = [["readInputRegisters", 2, 4], ["writeRegister", 0, 9], ["readHoldingRegisters", 0, 1, {"until": [9]}],
             ["writeRegisters", 0, [31]], ["readHoldingRegisters", 5, 1], ["readCoils", 0, 1]]
    for unit in (1, 255):  # 255 is the server itself
        script = pathlib.Path(__file__).parent / "js/modbus_master.js"
        result = subprocess.run(["node", script, json.dumps({"port": port, "unit": unit, "steps": steps})], env=javascript_env(),
                                capture_output=True, text=True, timeout=60 * SLOWNESS, check=True)
        said = [json.loads(line) for line in result.stdout.splitlines()]
        assert said == [[1, 0, 0, 0x0020], "done", [9], {"exception": 3}, {"exception": 2}, {"exception": 2}], said


def _capture(directions) -> bytes:
    """What went over a connection to port 502 as a file for tshark: (from the client?, bytes) one after the other."""
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # raw IP
    sent = {True: 0, False: 0}
    for number, (asked, data) in enumerate(directions):
        ports = (40000, 502) if asked else (502, 40000)
        tcp = struct.pack(">HHIIBBHHH", *ports, sent[asked], sent[not asked], 0x50, 0x18, 65535, 0, 0) + data
        sent[asked] += len(data)
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, bytes([192, 0, 2, 2 - asked]),
                             bytes([192, 0, 2, 1 + asked])) + tcp
        capture += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    return capture


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_understands_every_answer(serve, tmp_path):
    _, port = serve(points=_SHOWN, shares={"field": {"units": [9], "max_age": "0s"}})
    asked = ["04 0000 0006", "03 0000 0001", "06 0000 0009", "10 0000 0001 02 0008", "06 0000 001f", "03 0005 0001", "03 0000 0000",
             "01 0000 0001", "2b 0e 01 00", "11", "41 00"]
    functions = [int(pdu[:2], 16) for pdu in asked]
    directions = []
    with socket.create_connection(("127.0.0.1", port), timeout=30 * SLOWNESS) as connection, connection.makefile("rb") as answers:
        for number, pdu in enumerate(asked):
            data = bytes.fromhex(pdu)
            request = struct.pack(">HHHB", number, 0, 1 + len(data), 1) + data
            connection.sendall(request)
            head = answers.read(6)
            directions += [(True, request), (False, head + answers.read(int.from_bytes(head[4:6], "big")))]
    file = tmp_path / "server.pcap"
    file.write_bytes(_capture(directions))
    result = subprocess.run(["tshark", "-r", file, "-Y", "tcp.srcport==502", "-T", "fields", "-E", "occurrence=a", "-e", "mbtcp.trans_id",
                             "-e", "mbtcp.unit_id", "-e", "modbus.func_code", "-e", "modbus.exception_code", "-e", "modbus.regval_uint16",
                             "-e", "_ws.malformed", "-e", "_ws.expert.message"],
                            capture_output=True, text=True, timeout=60 * SLOWNESS, check=True)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:3] for row in rows] == [[str(number), "1", str(function)] for number, function in enumerate(functions)], rows
    assert [row[3] for row in rows] == ["", "", "", "", "3", "2", "3", "2", "1", "1", "1"], rows
    assert rows[1][4] == "20", rows
    assert directions[4][1] == directions[5][1], "a write is confirmed by its echo"
    assert not any(row[5] for row in rows), rows
