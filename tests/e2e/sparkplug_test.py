"""The edge node as a host application of others sees it: decoded by npm's sparkplug-payload, over mosquitto."""

import queue

import pytest

import plant
from rig.clients import Paho
from rig.cloud import Link
from rig.process import SLOWNESS, wait_until
from rig.slaves import TcpSlave
from rig.sparkplug import SparkplugHost

_NAMES = {"bool": "Boolean", "int8": "Int8", "uint8": "UInt8", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt64",
          "int64": "Int64", "uint64": "UInt64", "float16": "Float", "float32": "Float", "float64": "Double", "bcd16": "UInt16",
          "bcd32": "UInt64", "string": "String"}


def _type(point: dict) -> str:
    if {"scale", "offset", "scale_factor"} & point.keys():
        return "Double"
    return _NAMES[point.get("type", "bool" if "bit" in point and "bit_count" not in point else "uint16")]


@pytest.fixture
def host(cloud, closing):
    return closing(SparkplugHost(cloud.port))


def _gateway(make_gateway, bus, uplink_port, points=None, **sparkplug):
    uplink = {"url": f"mqtt://127.0.0.1:{uplink_port}", "client_id": "plant1-edge", "reconnect": "100ms..400ms",
              "sparkplug": {"group": "site1", **sparkplug}}
    device = {"bus": "field", "unit_id": 1, "interval": "100ms", "format": "sparkplug", "points": points or plant.POINTS}
    return make_gateway(buses={"field": bus}, devices={"plc": device}, uplinks={"scada": uplink}).start()


def _number(value):
    """64-bit integers come as text."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


def _is_full(payload) -> bool:
    return all(metric.get("value") is not None for metric in payload["metrics"].values())


def test_births_wait_for_the_host_and_have_every_type_and_value(closing, make_gateway, host):
    host.state(False)
    gateway = _gateway(make_gateway, plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port), host.port, primary_host="scada")
    wait_until(lambda: "uplink scada: online" in gateway.process.stderr_text, 10, "the uplink is online")
    host.state(True)
    kind, device, node = host.next()
    assert (kind, device, int(node["seq"])) == ("NBIRTH", "", 0)
    rebirth = node["metrics"]["Node Control/Rebirth"]
    assert rebirth["value"] is False and rebirth["type"] == "Boolean" and "alias" not in rebirth
    assert int(node["metrics"]["bdSeq"]["value"]) == 0 and node["metrics"]["bdSeq"]["type"] == "Int64"
    birth = host.until("DBIRTH", "plc")
    while not _is_full(birth):  # of the first answer only
        host.command("spBv1.0/site1/NCMD/plant1", ("Node Control/Rebirth", "Boolean", True))
        birth = host.until("DBIRTH", "plc")
    assert birth["metrics"].keys() == plant.POINTS.keys()
    for name, metric in birth["metrics"].items():
        assert metric["type"] == _type(plant.POINTS[name]), name
        assert plant.equal(name, _number(metric["value"])), (name, metric)
    gateway.stop()
    assert int(host.until("NDEATH")["metrics"]["bdSeq"]["value"]) == 0


def test_what_a_cut_link_held_up_comes_as_historical_and_nothing_is_missing(cloud, closing, host, make_gateway):
    slave = closing(TcpSlave({1: plant.CELLS}))
    link = closing(Link(cloud.port))
    points = {"uint16": {**plant.POINTS["uint16"], "write": True}}
    gateway = _gateway(make_gateway, plant.tcp_bus(slave.port), link.port, points)
    host.until("DBIRTH", "plc")
    host.command("spBv1.0/site1/DCMD/plant1/plc", ("uint16", "UInt16", 1))
    host.until("DDATA", "plc", lambda payload: payload["metrics"]["uint16"]["value"] == 1)
    link.cut()
    assert int(host.until("NDEATH")["metrics"]["bdSeq"]["value"]) == 0
    payloads = queue.Queue()
    local = closing(Paho(4).subscribe(gateway.port, "plant1/plc", qos=1))
    local.client.on_message = lambda client, userdata, message: payloads.put(message.payload)
    for value in (2, 3, 4):
        Paho(4).publish(gateway.port, "plant1/plc/uint16/set", str(value), qos=1)
        while bytes([0x58, value]) not in payloads.get(timeout=10 * SLOWNESS):  # long_value
            pass
    link.restore()
    node = host.until("NBIRTH")
    assert int(node["metrics"]["bdSeq"]["value"]) == 1
    assert host.until("DBIRTH", "plc")["metrics"]["uint16"]["value"] == 4
    held_up = []
    while len(held_up) < 3:
        metric = host.until("DDATA", "plc")["metrics"]["uint16"]
        assert metric.get("isHistorical"), metric
        if metric["value"] in (2, 3, 4):
            held_up.append((metric["value"], int(metric["timestamp"])))
    assert [value for value, _ in held_up] == [2, 3, 4]
    assert sorted(at for _, at in held_up) == [at for _, at in held_up]
    host.command("spBv1.0/site1/DCMD/plant1/plc", ("uint16", "UInt16", 5))
    live = host.until("DDATA", "plc", lambda payload: payload["metrics"]["uint16"]["value"] == 5)
    assert not live["metrics"]["uint16"].get("isHistorical")


def test_a_dead_device_is_told_and_told_again_when_it_lives(closing, host, make_gateway):
    wire = closing(Link(closing(TcpSlave({1: plant.CELLS})).port))
    _gateway(make_gateway, plant.tcp_bus(wire.port, reconnect="100ms..200ms"), host.port, {"uint16": plant.POINTS["uint16"]})
    host.until("DBIRTH", "plc")
    wire.cut()
    host.until("DDEATH", "plc")
    wire.restore()
    assert host.until("DBIRTH", "plc")["metrics"]["uint16"]["value"] == 65535
