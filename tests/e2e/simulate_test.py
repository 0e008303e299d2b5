"""The devices that `ferrule simulate` serves for a configuration, as a gateway and as strangers see them."""

import json
import signal

import pytest

import plant
from rig.clients import Mosquitto
from rig.gateway import BINARY
from rig.process import Process, wait_until

_BUSES = {"panel": plant.tcp_bus(502, host="10.0.0.5"), "line": plant.rtu_bus("/dev/ttyUSB7", line={"baud": 115200, "parity": "none"})}
_POINTS = {"voltage": {"register": "input", "address": 0, "type": "float32", "unit": "V"},
           "count": {"register": "holding", "address": 10, "type": "uint32", "unit": "kWh"}}
_DEVICES = {bus: {"bus": bus, "unit_id": 3, "interval": "100ms", "points": _POINTS} for bus in _BUSES}


@pytest.fixture
def simulation(tmp_path, closing):
    """Starts a simulation with those options; returns its process and the buses that it prints."""
    def start(*options):
        file = tmp_path / "plant.yaml"
        file.write_text(json.dumps({"version": 1, "gateway": {"id": "plant1"}, "buses": _BUSES, "devices": _DEVICES}))
        process = Process([BINARY, "simulate", file, *options])
        process.close = process.kill
        closing(process)
        wait_until(lambda: len(process.out) == 1 + len(_BUSES) or not process.running, 20, "the buses are printed")
        assert process.out[0] == "buses:", process.err
        return process, process.out

    return start


def _start_gateway(make_gateway, lines):
    """A gateway with the simulated buses in place of the configured ones."""
    gateway = make_gateway(devices=_DEVICES)
    gateway.file.write_text("\n".join(lines) + "\n" + "".join(
        f"{key}: {json.dumps(value)}\n" for key, value in gateway.config.items() if key != "buses"))
    return gateway.start()


def test_a_gateway_polls_what_a_simulation_serves(simulation, make_gateway, closing):
    process, lines = simulation()
    gateway = _start_gateway(make_gateway, lines)
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/+/voltage", qos=1))
    seen = set()
    while seen != set(_BUSES):
        publication = subscriber.next(timeout=15)
        assert 200 < json.loads(publication.payload)["v"] < 260, publication
        seen.add(publication.topic.split("/")[1])
    process.signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "requests" in process.err[-1]


def test_faults_of_a_simulation_reach_the_gateway(simulation, make_gateway, closing):
    _, lines = simulation("--exception", 1, "--exception-code", 4)
    gateway = _start_gateway(make_gateway, lines)
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/panel/voltage", qos=1))
    assert json.loads(subscriber.next(timeout=15).payload)["err"] == "device-busy"
