"""Serial sensors on a pty pair: what they say arrives at a stranger's client."""

import json
import pathlib
import threading

import pytest

from rig.clients import Mosquitto
from rig.process import Process
from rig.gateway import BINARY
from rig.sensors import Sensor

# Sentences of the NMEA 0183 standard's well-known examples.
FIX = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
COURSE = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
RECEIVER = {
    "bus": "line", "stale_after": "2s",
    "frame": {"start": "$", "end": "\r\n", "max_length": 82, "checksum": "nmea"}, "fields": {"split": ","},
    "points": {"satellites": {"only": "^..GGA,", "from": 7, "type": "uint8"},
               "speed": {"only": "^..RMC,", "from": 7, "unit": "kn"}}}


def _bus(sensor, **more):
    return {"line": {"type": "serial", "port": str(sensor.path), **more}}


def _next(subscriber, point, wanted):
    """The next publication of the point for which `wanted` holds; 30 s at most."""
    for _ in range(100):
        publication = subscriber.next(timeout=30)
        value = json.loads(publication.payload)
        if publication.topic.endswith("/" + point) and wanted(value):
            return value
    raise AssertionError(f"nothing like that for {point}")


def test_receiver_that_talks_is_heard_and_its_silence_is_told(make_gateway, closing, tmp_path):
    sensor = closing(Sensor(tmp_path / "line"))
    gateway = make_gateway(buses=_bus(sensor, line={"baud": 4800}), devices={"gps": RECEIVER}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/gps/#", qos=1))
    done = threading.Event()

    def talk():
        while not done.wait(0.2):
            sensor.say(b"8.038,N\r\n" + FIX + COURSE[:20])
            sensor.say(COURSE[20:] + b"$GPGGA,nonsense*00\r\n\x00\xff\xfe")

    talker = threading.Thread(target=talk, daemon=True)
    talker.start()
    assert _next(subscriber, "satellites", lambda value: value["q"] == "good")["v"] == 8
    assert _next(subscriber, "speed", lambda value: value["q"] == "good")["v"] == 22.4
    done.set()
    talker.join()
    assert _next(subscriber, "speed", lambda value: value["q"] == "bad")["err"] == "timeout"
    sensor.say(FIX + COURSE)
    assert _next(subscriber, "speed", lambda value: value["q"] == "good")["v"] == 22.4
    assert any("bus line: device gps, listening" in line and "bad-reply: a damaged frame: its checksum says 00" in line
               for line in gateway.process.err), gateway.process.err
    assert sum("bad-reply" in line for line in gateway.process.err) == 1, "repeats are kept back"


def test_scale_and_binary_sensor_are_asked(make_gateway, closing, tmp_path):
    gas = bytes([0xFF, 0x86, 0x02, 0x60, 0x47, 0, 0, 0, 0xD1])
    sensor = closing(Sensor(tmp_path / "line", {b"P\r\n": b"ST,GS,+  12.345kg\r\n", b"\xff\x01\x86": gas}))
    gateway = make_gateway(buses=_bus(sensor, timeout="5s"), devices={
        "scale": {"bus": "line", "request": {"send": r"P\r\n", "interval": "200ms"}, "frame": {"end": "\r\n"},
                  "match": r"^(?<state>..),GS,(?<weight>[-+ ]*[\d.]+)kg$",
                  "points": {"weight": {"from": "weight", "unit": "kg"}, "state": {"from": "state", "type": "string"}}},
        "gas": {"bus": "line", "request": {"send": r"\xFF\x01\x86", "interval": "200ms"},
                "frame": {"start": r"\xFF\x86", "length": 9, "checksum": {"algorithm": "sum8-complement", "from": 1}},
                "points": {"co2": {"at": 2, "type": "uint16", "unit": "ppm"}}}}).start()
    subscriber = closing(Mosquitto(4).subscribe(gateway.port, "plant1/#", qos=1))
    wanted = {"plant1/scale/weight": 12.345, "plant1/scale/state": "ST", "plant1/gas/co2": 608}
    while wanted:
        publication = subscriber.next(timeout=30)
        value = json.loads(publication.payload)
        if value["q"] == "good":
            assert value["v"] == wanted.pop(publication.topic, value["v"])


@pytest.mark.parametrize("device, mistake", [
    ("{bus: b, frame: {end: \"\\n\"}, match: '(?<w>x)', points: {p: {from: wieght}}}",
     "bad.yaml:3:72: error: devices.d.points.p.from: the regular expression has no group \"wieght\" (its groups are w)"),
    ("{bus: b, frame: {start: a}, points: {p: {at: 0, type: uint8}}}",
     "bad.yaml:3:22: error: devices.d.frame: what ends a frame? (end: \"\\r\\n\", length: 9, length: {at: 2}, or gap: 20ms)"),
])
def test_mistakes_are_shown_where_they_stand(tmp_path: pathlib.Path, device, mistake):
    file = tmp_path / "bad.yaml"
    file.write_text("buses: {b: {type: serial, port: /dev/ttyS0}}\ndevices:\n  d: " + device + "\n")
    process = Process([BINARY, "check", "bad.yaml"], cwd=tmp_path)
    assert process.wait(10) == 78
    assert mistake in process.err, process.err
