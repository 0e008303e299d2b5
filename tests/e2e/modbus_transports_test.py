"""Values over Modbus ASCII, on a line and over TCP, UDP and Modbus/TCP Security, from pymodbus's servers."""

import json
import pathlib
import subprocess

import pytest

import plant
from rig.clients import Mosquitto
from rig.slaves import OtherSlave

_MAKE_CERTIFICATES = pathlib.Path(__file__).parents[1] / "certificates/make.sh"


@pytest.fixture(params=["ascii", "ascii_tcp", "udp", "tls"])
def slave(request, closing, tmp_path):
    if request.param == "tls":
        subprocess.run([_MAKE_CERTIFICATES, tmp_path], check=True, capture_output=True)
    return closing(OtherSlave(request.param, tmp_path, {1: plant.CELLS}))


def test_values_arrive_and_commands_are_carried_out(slave, make_gateway, closing):
    points = {name: plant.POINTS[name] for name in ("uint16", "float32_cdab", "string", "coil_on", "uint64")}
    points["uint16"] = {**points["uint16"], "write": {"readback": "2s"}}
    # The server needs its time to begin.
    bus = {**slave.bus, "timeout": "1s", "reconnect": "100ms..200ms", "offline": {"after": 3, "retry": "100ms..500ms"}}
    gateway = make_gateway(buses={"field": bus}, devices={"plc": plant.device("field") | {"points": points}}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/#", qos=1))
    missing = set(points)
    while missing:
        publication = subscriber.next(timeout=20)
        value = json.loads(publication.payload)
        point = publication.topic.removeprefix("plant1/plc/")
        if value["q"] == "good" and plant.equal(point, value["v"]):
            missing.discard(point)
    Mosquitto(5).publish(gateway.port, "plant1/plc/uint16/set", "7", qos=1)
    while True:
        publication = subscriber.next(timeout=20)
        if publication.topic == "plant1/plc/uint16/set/result":
            assert json.loads(publication.payload)["result"] == "ok", publication
            break
