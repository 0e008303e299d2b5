"""What Ferrule shows to other masters: pymodbus, mbpoll and libmodbus ask."""

import json
import struct
import subprocess

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

import plant
from rig.clients import Mosquitto, Paho
from rig.gateway import accepts
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave

_POINTS = {"temperature": {"register": "holding", "address": 0, "type": "int16", "scale": 0.1},
           "energy": {"register": "holding", "address": 1, "type": "uint64"},
           "setpoint": {"register": "holding", "address": 10, "write": {"min": 5, "max": 30}}}
_CELLS = {("holding", 0): 0xFF85, ("holding", 1): 0x0020, ("holding", 2): 0, ("holding", 3): 0, ("holding", 4): 1,
          ("holding", 10): 20, ("holding", 100): 4711}
_SHOWN = [{"from": "plc/temperature", "register": "input", "address": 0, "type": "float32"},
          {"from": "plc/energy", "register": "input", "address": 2, "type": "uint64", "byte_order": "CDAB"},
          {"from": "plc/setpoint", "register": "holding", "address": 0, "write": True}]


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
    mbpoll = subprocess.run(["mbpoll", "-m", "tcp", "-p", str(port), "-a", "1", "-0", "-r", "0", "-c", "1", "-t", "4", "-1", "127.0.0.1"],
                            capture_output=True, text=True, timeout=30)
    assert mbpoll.returncode == 0 and "[0]: \t25" in mbpoll.stdout, mbpoll.stdout + mbpoll.stderr
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


def test_a_master_on_a_line_reads_points(serve, closing, tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    wire = Process(["socat", f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}"])
    wire.close = wire.kill
    closing(wire)
    wait_until(lambda: near.exists() and far.exists(), 10, "socat made the pty pair")
    serve(type="modbus-rtu", port=str(near), line={"baud": 19200, "parity": "none"}, unit_id=5, points=_SHOWN)
    client = ModbusSerialClient(str(far), baudrate=19200, parity="N", timeout=5)
    assert client.connect()
    closing(client)
    assert client.read_holding_registers(0, 1, slave=5).registers == [20]
    assert not client.write_register(0, 22, slave=5).isError()
    assert client.read_holding_registers(7, 1, slave=5).exception_code == 2
