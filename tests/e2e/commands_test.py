"""Commands that strangers' clients publish reach strangers' slaves once, and are answered."""

import json

import pytest

import plant
from rig.clients import Mosquitto, Paho
from rig.cloud import Link
from rig.slaves import TcpSlave

# Written values, and what comes back as the point's value.
_WRITES = [("uint16", "7", 7), ("int16_scaled", "-1.5", -1.5), ("coil_off", "on", True), ("bit_field", "2", 2),
           ("float32_cdab", '{"v": 21.5}', 21.5), ("uint64", "18446744073709551613", 18446744073709551613),
           ("int8_high", "-7", -7), ("scale_factor", "12.3", 12.3), ("string", "OK", "OK")]


def _writable(**limits) -> dict:
    return {name: {**plant.POINTS[name], "write": limits or True} for name, _, _ in _WRITES}


def _result(subscriber, timeout: float = 10) -> dict:
    publication = subscriber.next(timeout)
    assert publication.topic.endswith("/set/result") and not publication.retain, publication
    return json.loads(publication.payload)


def test_command_is_written_read_back_and_answered(bus, make_gateway, closing):
    device = plant.device("field") | {"points": _writable(readback="2s")}
    gateway = make_gateway(buses={"field": bus}, devices={"plc": device}).start()
    results = closing(Paho(5).subscribe(gateway.port, "plant1/plc/+/set/result", qos=1))
    values = closing(Paho(4).subscribe(gateway.port, "plant1/plc/+", qos=1))
    for point, payload, expected in _WRITES:
        Mosquitto(5).publish(gateway.port, f"plant1/plc/{point}/set", payload, qos=1)
        result = _result(results)
        assert (result["result"], result["v"]) == ("ok", expected), point
        while True:
            publication = values.next()
            if publication.topic == f"plant1/plc/{point}" and json.loads(publication.payload)["v"] == expected:
                break


def test_command_beyond_its_limits_or_retained_is_rejected_and_not_written(bus, make_gateway, closing):
    device = plant.device("field") | {"points": {"uint16": {**plant.POINTS["uint16"], "write": {"min": 1, "max": 9}}}}
    gateway = make_gateway(buses={"field": bus}, devices={"plc": device}).start()
    results = closing(Paho(4).subscribe(gateway.port, "plant1/plc/uint16/set/result", qos=1))
    for payload, retain, why in [("10", False, "10 is above the maximum, 9"), ("5", True, "a command must not be retained"),
                                 ("off", False, "the payload is no JSON")]:
        Mosquitto(4).publish(gateway.port, "plant1/plc/uint16/set", payload, qos=1, retain=retain)
        result = _result(results)
        assert result["result"] == "rejected" and why in result["why"], result
    subscriber = closing(Mosquitto(4).subscribe(gateway.port, "plant1/plc/uint16", qos=1))
    assert json.loads(subscriber.next().payload)["v"] == 65535


def test_command_to_a_lost_device_times_out_and_is_not_sent_when_it_comes_back(make_gateway, closing):
    link = closing(Link(closing(TcpSlave({1: plant.CELLS})).port))
    device = plant.device("field") | {"points": {"uint16": {**plant.POINTS["uint16"], "write": {"timeout": "500ms"}}}}
    gateway = make_gateway(buses={"field": plant.tcp_bus(link.port, reconnect="100ms..200ms")}, devices={"plc": device}).start()
    values = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/uint16", qos=1))
    assert json.loads(values.next().payload)["v"] == 65535
    results = closing(Paho(4).subscribe(gateway.port, "plant1/plc/uint16/set/result", qos=1))
    link.close()  # refuses connections: what is accepted and closed again might have been sent
    while json.loads(values.next().payload)["q"] != "bad":
        pass
    Mosquitto(4).publish(gateway.port, "plant1/plc/uint16/set", "5", qos=1)
    assert _result(results)["result"] == "timeout"
    closing(Link(link.target, link.port))
    while (back := json.loads(values.next().payload))["q"] == "bad":
        pass
    assert back["v"] == 65535
    values.nothing(within=1)
