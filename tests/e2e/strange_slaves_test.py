"""Slaves that others wrote and that misbehave: pymodbus with its fault injection, and modbus-serial for Node.js."""

import importlib.util
import json

import pytest

import plant
from rig.clients import Mosquitto
from rig.slaves import FaultySlave, JavaScriptSlave

# Debian 13's pymodbus has it no more.
_INJECTS_FAULTS = all(importlib.util.find_spec(module) for module in ("aiohttp", "pymodbus.server.reactive"))


def _bus(port: int) -> dict:
    return plant.tcp_bus(port, timeout="300ms", reconnect="100ms..200ms", offline={"after": 2, "retry": "100ms..300ms"})


@pytest.mark.skipif(not _INJECTS_FAULTS, reason="this pymodbus does not inject faults")
@pytest.mark.parametrize("fault", [{"response_type": "error", "error_code": 4}, {"response_type": "error", "error_code": 6},
                                   {"response_type": "error", "error_code": 11}, {"response_type": "empty"},
                                   {"response_type": "stray", "data_len": 9}, {"response_type": "stray", "data_len": 250},
                                   {"response_type": "delayed", "delay_by": 0.7}], ids=lambda fault: "-".join(map(str, fault.values())))
def test_faults_cost_values_and_never_make_wrong_ones(fault, closing, make_gateway):
    slave = closing(FaultySlave({1: plant.CELLS}))
    points = {name: plant.POINTS[name] for name in ("uint16", "float32_cdab", "uint64", "coil_on")}
    gateway = make_gateway(buses={"field": _bus(slave.port)},
                           devices={"plc": plant.device("field", interval="100ms", points=points)}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/#", qos=1))
    good, bad = set(), set()

    def until(condition):
        while not condition():
            publication = subscriber.next(timeout=30)
            point = publication.topic.removeprefix("plant1/plc/")
            value = json.loads(publication.payload)
            (good if value["q"] == "good" else bad).add(point)
            (bad if value["q"] == "good" else good).discard(point)
            assert value["q"] != "good" or plant.equal(point, value["v"]), publication

    until(lambda: good == set(points))
    slave.answer(**fault, clear_after=0)
    until(lambda: bad == set(points))
    slave.answer(response_type="normal")
    until(lambda: good == set(points))


def test_values_come_from_modbus_serial_and_commands_arrive_there(closing, make_gateway):
    slave = closing(JavaScriptSlave({1: plant.CELLS}))
    points = plant.POINTS | {"uint16": {**plant.POINTS["uint16"], "write": {"readback": "2s"}},
                             "coil_on": {**plant.POINTS["coil_on"], "write": {"readback": "2s"}}}
    gateway = make_gateway(buses={"field": _bus(slave.port)}, devices={"plc": plant.device("field", points=points)}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/#", qos=1))
    missing = set(points)
    while missing:
        publication = subscriber.next(timeout=30)
        point = publication.topic.removeprefix("plant1/plc/")
        value = json.loads(publication.payload)
        if value["q"] == "good":
            assert plant.equal(point, value["v"]), publication
            missing.discard(point)
    for point, value in (("uint16", "7"), ("coil_on", "false")):
        Mosquitto(5).publish(gateway.port, f"plant1/plc/{point}/set", value, qos=1)
        while True:
            publication = subscriber.next(timeout=30)
            if publication.topic == f"plant1/plc/{point}/set/result":
                assert json.loads(publication.payload)["result"] == "ok", publication
                break
