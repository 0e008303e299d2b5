"""CAN: frames of a stand-in bus become publications and commands become frames; Wireshark reads the capture."""

import json
import pathlib
import shutil
import subprocess

import pytest

from rig.can_bus import ERROR, EXTENDED, CanBus
from rig.clients import Mosquitto, Paho
from rig.gateway import BINARY
from rig.process import SLOWNESS, Process, wait_until

_EXAMPLES = pathlib.Path(__file__).parents[2] / "config/examples"
_DBC = _EXAMPLES / "engine.dbc"
_POINTS = {"speed": {"signal": "EEC1.EngineSpeed"}, "current": {"signal": "Pack.Current"}, "voltage": {"signal": "Pack.Voltage"},
           "state": {"signal": "Pack.State"}, "balancing": {"signal": "Pack.Balancing"}, "cell1": {"signal": "Cells.Cell1"},
           "cell3": {"signal": "Cells.Cell3"}, "coolant": {"pgn": 65262, "source": 0, "start_bit": 0, "length": 8, "offset": -40, "unit": "°C"},
           "limit": {"signal": "Command.ChargeLimit", "stale_after": "0s", "write": {"max": 80}},
           "contactor": {"signal": "Command.Contactor", "stale_after": "0s", "write": True}}


def _bits(data: bytes, start: int, length: int, big: bool) -> int:
    """The bits of a signal, one by one, as the DBC format numbers them."""
    bits = []
    for _ in range(length):
        bits.append(data[start // 8] >> (start % 8) & 1)
        start = (start + 15 if start % 8 == 0 else start - 1) if big else start + 1
    return int("".join(map(str, bits if big else reversed(bits))), 2)


def _next(subscriber, point, wanted):
    """The next publication of the point for which `wanted` holds; 30 s at most."""
    for _ in range(200):
        publication = subscriber.next(timeout=30)
        value = json.loads(publication.payload)
        if publication.topic.endswith("/" + point) and wanted(value):
            return value
    raise AssertionError(f"nothing like that for {point}")


def _good(value):
    return value["q"] == "good"


@pytest.fixture
def bus(closing):
    return closing(CanBus())


@pytest.fixture
def gateway(make_gateway, bus):
    # As long as a loaded machine needs between two frames.
    device = {"bus": "can", "dbc": str(_DBC), "stale_after": "60s", "points": _POINTS}
    return make_gateway(buses={"can": {"type": "can", "interface": bus.interface, "reconnect": "100ms..200ms"}},
                        devices={"node": device}).start()


def test_frames_become_values_and_the_bus_may_go_and_come_back(gateway, bus, closing):
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/node/#", qos=1))
    assert _next(subscriber, "speed", lambda value: value["q"] == "bad")["err"] == "port-lost"
    bus.begin()
    pack = bytes.fromhex("ff38 13c4 0a00 0000")
    bus.say(0x400, pack)
    assert _next(subscriber, "current", _good)["v"] == round((_bits(pack, 7, 16, True) - 0x10000) * 0.1, 9) == -20
    assert _next(subscriber, "voltage", _good)["v"] == round(_bits(pack, 23, 16, True) * 0.01, 9) == 50.6
    assert _next(subscriber, "state", _good)["v"] == "discharging"
    assert _next(subscriber, "balancing", _good)["v"] is True
    speed = bytes.fromhex("f0ff7d6813ffffff")
    bus.say(EXTENDED | 0x0CF00421, speed)
    assert _next(subscriber, "speed", _good)["v"] == _bits(speed, 24, 16, False) * 0.125 == 621
    bus.say(EXTENDED | 0x18FEEE21, bytes.fromhex("5affffffffffffff"))
    bus.say(EXTENDED | 0x18FEEE00, bytes.fromhex("78ffffffffffffff"))
    assert _next(subscriber, "coolant", _good)["v"] == 80, "that of the source that is meant"
    bus.say(0x401, bytes.fromhex("01e40ce50c000000"))
    bus.say(0x401, bytes.fromhex("00d20ed30e000000"))
    assert _next(subscriber, "cell3", _good)["v"] == 3.3
    assert _next(subscriber, "cell1", _good)["v"] == 3.794
    bus.say(EXTENDED | 0x0CF00421, bytes.fromhex("f0ff7dffffffffff"))
    assert _next(subscriber, "speed", lambda value: value["q"] == "bad")["err"] == "invalid", "not available"
    bus.end()
    assert _next(subscriber, "voltage", lambda value: value["q"] == "bad")["err"] == "port-lost"
    bus.begin()
    bus.say(0x400, pack)
    assert _next(subscriber, "voltage", _good)["v"] == 50.6


def test_commands_become_frames(gateway, bus, closing):
    bus.begin()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/node/limit", "plant1/node/contactor", qos=1))
    results = closing(Paho(5).subscribe(gateway.port, "plant1/node/+/set/result", qos=1))

    def command(point, payload):
        Mosquitto(5).publish(gateway.port, f"plant1/node/{point}/set", payload, qos=1)
        return json.loads(results.next(timeout=30).payload)

    refused = command("limit", "30")
    assert refused["result"] == "rejected" and "nobody has said what else is in message 500" in refused["why"]
    bus.say(0x500, bytes([20, 0xF0]))
    assert _next(subscriber, "limit", _good)["v"] == 20
    assert command("limit", "30")["result"] == "ok"
    assert bus.heard.get(timeout=30) == (0x500, bytes([30, 0xF0]))
    assert command("contactor", "true")["result"] == "ok"
    assert bus.heard.get(timeout=30) == (0x500, bytes([30, 0xF1]))
    assert "maximum" in command("limit", "81")["why"]
    assert bus.heard.empty()


def test_what_the_controller_says_is_shown(gateway, bus, closing):
    bus.begin()

    def status():
        process = Process([BINARY, "status", "--json", "--socket", gateway.control])
        process.wait(20)
        return json.loads("\n".join(process.out))["buses"][0]

    bus.say(0x400, bytes(8))
    bus.say(ERROR | 0x4, bytes([0, 0x20, 0, 0, 0, 0, 135, 0]))
    wait_until(lambda: "error-passive" in status()["trouble"], 30, "the trouble is shown")
    assert status()["connected"] and status()["counts"]["errors"] == 1
    wait_until(lambda: any("error-passive: most frames are damaged" in line for line in gateway.process.err), 30, "it is logged")
    bus.say(ERROR | 0x40, bytes(8))
    wait_until(lambda: status()["counts"]["bus_off"] == 1, 30, "bus-off is counted")
    assert any("bus can: " in line and "bus-off" in line for line in gateway.process.err), gateway.process.err


def _watched(gateway, bus, *arguments):
    bus.begin()
    process = Process([BINARY, *arguments, "--socket", gateway.control])
    subscriber = Mosquitto(5).subscribe(gateway.port, "plant1/node/voltage", qos=1)
    try:
        for i in range(100):  # until the watcher is there
            bus.say(EXTENDED | 0x0CF00400, bytes.fromhex("f0ff7d6813ffffff"))
            bus.say(0x400, bytes([0, 0, 0, i, 0, 0, 0, 0]))
            _next(subscriber, "voltage", lambda value, i=i: value["v"] == pytest.approx(i * 0.01))
            if i > 3 and (process.out or i > 50):
                break
    finally:
        subscriber.close()
    return process


def test_trace_shows_frames_as_candump_does(gateway, bus):
    process = _watched(gateway, bus, "trace", "can")
    wait_until(lambda: any(line.endswith("< 0CF00400#F0FF7D6813FFFFFF") for line in process.out), 30, "the frame is shown")
    assert any(" < 400#000000" in line for line in process.out)
    process.kill()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_reads_the_capture(gateway, bus, tmp_path):
    file = tmp_path / "bus.pcap"
    process = _watched(gateway, bus, "trace", "can", "--pcap", file)
    wait_until(lambda: file.exists() and file.stat().st_size > 200, 30, "frames are captured")
    process.kill()
    result = subprocess.run(["tshark", "-r", file, "-T", "fields", "-e", "can.id", "-e", "can.flags.xtd", "-e", "can.len", "-e", "data.data"],
                            capture_output=True, text=True, timeout=60 * SLOWNESS, check=False)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [str(0x0CF00400), "1", "8", "f0ff7d6813ffffff"] in rows or [str(0x0CF00400), "True", "8", "f0ff7d6813ffffff"] in rows, rows
    assert any(row[0] == str(0x400) and row[3].startswith("000000") for row in rows), rows


def test_import_makes_configuration_that_passes_check(tmp_path):
    process = Process([BINARY, "import", "dbc", _DBC, "--device", "genset"])
    assert process.wait(10) == 0, process.err
    assert "      EngineSpeed: {signal: EEC1.EngineSpeed}  # 0..8031.875, rpm" in process.out, process.out
    (tmp_path / "made.yaml").write_text("\n".join(process.out))
    checked = Process([BINARY, "check", tmp_path / "made.yaml"])
    assert checked.wait(10) == 0, checked.err
    assert "1 buses, 1 devices, 13 points" in checked.out[0], checked.out
    broken = tmp_path / "broken.dbc"
    broken.write_text(_DBC.read_text().replace("16@0- (0.1,0)", "16@0- (0.1;0)"))
    process = Process([BINARY, "import", "dbc", broken])
    assert process.wait(10) == 78
    assert f"{broken}:14:28: error: here stands ," in process.stderr_text, process.err


def test_explain_and_doctor_know_can(tmp_path):
    process = Process([BINARY, "explain", _EXAMPLES / "can.yaml", "battery/limit"])
    assert process.wait(10) == 0, process.err
    assert process.out[:2] == ["bus        pack: can1", "driver     device battery, point limit"]
    assert "commands   plant1/battery/limit/set" in process.out
    file = tmp_path / "absent.yaml"
    file.write_text((_EXAMPLES / "can.yaml").read_text().replace("can0", "fcan77").replace("engine.dbc", str(_DBC))
                    .replace("/var/lib/ferrule", str(tmp_path)))
    process = Process([BINARY, "doctor", file])
    process.wait(30)
    assert any("BAD  bus genset: fcan77: is not there" in line for line in process.out), process.out
