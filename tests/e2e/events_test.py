"""What was wrong and who did what, as an operator finds it afterwards."""

import json
import signal
import sqlite3

import plant
from rig.clients import Mosquitto
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave


def _events(gateway):
    process = Process([BINARY, "events", "--json", "--socket", gateway.control])
    assert process.wait(20) == 0, process.err
    return json.loads("\n".join(process.out))


def _find(gateway, kind, state):
    wait_until(gateway.control.exists, 10, "the control socket is there")
    return wait_until(lambda: [event for event in _events(gateway) if (event["kind"], event["state"]) == (kind, state)], 30,
                      f"{kind} is {state}")[0]


def test_lost_bus_is_an_event_that_is_resolved_and_survives_a_restart(make_gateway, closing):
    port = free_port()
    device = {"bus": "field", "interval": "100ms", "points": {"p": {"register": "holding", "address": 100, "type": "uint16"}}}
    gateway = make_gateway(buses={"field": {**plant.tcp_bus(port), "reconnect": "200ms..500ms"}}, devices={"meter": device}).start()
    heard = closing(Mosquitto(5).subscribe(gateway.port, "$SYS/ferrule/events", qos=1))
    lost = _find(gateway, "bus-lost", "open")
    assert lost["who"] == "bus field" and "refused" in lost["cause"], lost
    assert json.loads(heard.next(timeout=20).payload)["id"] == lost["id"]
    closing(TcpSlave({1: {("holding", 100): 7}}, port=port))
    resolved = _find(gateway, "bus-lost", "resolved")
    assert resolved["id"] == lost["id"] and resolved["at"] < resolved["resolved"]
    gateway.stop()
    gateway.start()
    assert _find(gateway, "bus-lost", "resolved") == resolved
    assert [event["kind"] for event in _events(gateway)] == ["start", "bus-lost", "stop", "start"]


def test_write_is_audited_with_who_and_what(make_gateway, closing):
    slave = closing(TcpSlave({1: {("holding", 100): 7}}))
    point = {"register": "holding", "address": 100, "type": "uint16", "write": {"max": 10}}
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)},
                           devices={"meter": {"bus": "field", "points": {"p": point}}}).start()
    heard = closing(Mosquitto(5).subscribe(gateway.port, "plant1/meter/p", qos=1))
    assert json.loads(heard.next(timeout=20).payload)["v"] == 7
    for value in (5, 50):
        assert Process(["mosquitto_pub", "-p", gateway.port, "-i", "hmi", "-q", 1, "-t", "plant1/meter/p/set", "-m", value]).wait(10) == 0
    wait_until(lambda: len([event for event in _events(gateway) if event["kind"] == "write"]) == 2, 20, "both writes")
    # The one that is refused at once may be answered first, and before the other was read.
    writes = sorted(event["cause"] for event in _events(gateway) if event["kind"] == "write")
    assert writes[-1] == "plant1/meter/p/set: 7 -> 5: ok"
    assert writes[0].replace("5 ->", "7 ->") == "plant1/meter/p/set: 7 -> 50: rejected: 50 is above the maximum, 10"
    assert {event["who"] for event in _events(gateway) if event["kind"] == "write"} == {"client hmi"}


def test_logins_and_reloads_are_audited(make_gateway, tmp_path):
    gateway = make_gateway()
    (tmp_path / "secret").write_text("right")
    (tmp_path / "secret").chmod(0o600)
    gateway.config["broker"]["users"] = {"hmi": {"password": {"$file": "secret"}}}
    text = json.dumps(gateway.config).replace('{"$file": "secret"}', "!file secret")
    gateway.file.write_text(text)
    gateway.start()
    for password, expected in (("wrong", "login-failed"), ("right", "login")):
        Process(["mosquitto_pub", "-p", gateway.port, "-u", "hmi", "-P", password, "-t", "x", "-m", "y", "-i", "c1"]).wait(20)
        event = _find(gateway, expected, "noted")
        assert event["who"] == "user hmi" and "127.0.0.1" in event["cause"], event
        assert "wrong" not in event["cause"].replace("wrong user", "").replace("wrong password", "") or expected == "login"
    assert "login: user hmi: from client 'c1' (127.0.0.1:" in gateway.process.stderr_text
    gateway.process.signal(signal.SIGHUP)
    _find(gateway, "reload", "noted")
    gateway.file.write_text(text + "nonsense: {")
    gateway.process.signal(signal.SIGHUP)
    _find(gateway, "reload-failed", "noted")


def test_event_file_is_for_the_gateway_alone(make_gateway):
    gateway = make_gateway().start()
    _find(gateway, "start", "noted")
    gateway.stop()
    file = gateway.state_dir / "events.db"
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as database:
        assert [kind for kind, in database.execute("SELECT kind FROM event ORDER BY id")] == ["start", "stop"]
