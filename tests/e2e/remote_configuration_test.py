"""A configuration that comes over MQTT is kept when the uplink is back, and taken back when it is not."""

import copy
import json
import socket
import subprocess

import pytest

import plant
from rig.clients import Mosquitto, Paho
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import Process, wait_until

_ADMIN = ["-u", "admin", "-P", "let me"]
_TOPIC = "ferrule/plant1/config"


def _open(gateway, within="60s"):
    """Starts it as one that takes configurations from `admin`."""
    gateway.config["gateway"]["remote"] = {"topic": _TOPIC, "within": within}
    gateway.config["broker"]["users"] = {
        "admin": {"password": "let me", "subscribe": ["#"], "publish": [f"{_TOPIC}/set", "plant1/#"]},
        "hmi": {"password": "me too", "subscribe": ["#"], "publish": ["plant1/#"]}}
    gateway.write()
    return gateway.start()


def _await_uplink(gateway):
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 20, "the uplink is online")


@pytest.fixture
def gateway(request, make_gateway, cloud):
    """One with an uplink that is online and has so long to come back."""
    gateway = _open(make_gateway(uplinks={"hq": plant.uplink(cloud.port)}), getattr(request, "param", "60s"))
    _await_uplink(gateway)
    return gateway


def _publish(gateway, topic, text, login=_ADMIN):
    assert Process(["mosquitto_pub", "-p", gateway.port, *login, "-q", 1, "-t", topic, "-m", text]).wait(20) == 0


def _request(gateway, wanted):
    """Publishes a configuration; returns who waits for the answer."""
    text = wanted if isinstance(wanted, str) else json.dumps(wanted)
    return Process(["mosquitto_rr", "-p", gateway.port, *_ADMIN, "-q", 1, "-t", f"{_TOPIC}/set", "-e", f"{_TOPIC}/result",
                    "-m", text, "-W", 60])


def _answer(process):
    assert process.wait(80) == 0, process.stderr_text
    return json.loads(process.out[0])


def _ask(gateway, wanted):
    return _answer(_request(gateway, wanted))


def test_one_under_which_the_uplink_comes_back_is_kept(gateway, cloud, closing):
    there = closing(Paho(4).subscribe(cloud.port, "elsewhere/#", qos=1))
    changed = copy.deepcopy(gateway.config)
    changed["uplinks"]["hq"]["out"] = [{"from": "plant1/#", "to": "elsewhere/{topic}", "qos": 1}]
    assert _ask(gateway, changed)["result"] == "ok"
    _publish(gateway, "plant1/x", "new")
    assert there.next().payload == "new"
    assert json.loads(gateway.file.read_text()) == changed, "it is there after a restart, too"
    assert json.loads((gateway.file.parent / "ferrule.yaml.previous").read_text()) == gateway.config


@pytest.mark.parametrize("gateway", ["5s"], indirect=True)
def test_one_under_which_it_does_not_is_taken_back(gateway, cloud, closing):
    there = closing(Paho(4).subscribe(cloud.port, "sites/#", qos=1))
    before = gateway.file.read_text()
    changed = copy.deepcopy(gateway.config)
    changed["uplinks"]["hq"]["url"] = f"mqtt://127.0.0.1:{free_port()}"
    answer = _ask(gateway, changed)
    assert answer["result"] == "rolled-back" and "not online again within 5 s" in answer["why"]
    assert gateway.file.read_text() == before
    _publish(gateway, "plant1/x", "as before")
    assert there.next(30).payload == "as before"


def test_one_with_mistakes_changes_nothing_and_neither_does_one_without_the_right(gateway):
    before = gateway.file.read_text()
    answer = _ask(gateway, "version: 1\nbusses: {}\n")
    assert answer["result"] == "rejected" and 'unknown key (did you mean "buses"?)' in answer["why"]
    with_gateway = copy.deepcopy(gateway.config)
    with_gateway["gateway"]["site"] = "berlin"
    assert "needs a restart" in _ask(gateway, with_gateway)["why"]
    changed = copy.deepcopy(gateway.config) | {"publish": {"qos": 0}}
    _publish(gateway, f"{_TOPIC}/set", json.dumps(changed), ["-u", "hmi", "-P", "me too"])
    assert _ask(gateway, "]")["result"] == "rejected", "the first answer since then is this one's"
    assert gateway.file.read_text() == before
    assert "uplink hq: connecting" not in gateway.process.stderr_text
    assert sorted(path.name for path in gateway.file.parent.glob("*ferrule.yaml*")) == ["ferrule.yaml"]


def test_one_is_refused_while_the_file_needs_a_restart(gateway):
    """There would be no way back."""
    before = copy.deepcopy(gateway.config)
    gateway.config["gateway"]["site"] = "berlin"
    gateway.write()
    answer = _ask(gateway, before | {"publish": {"qos": 0}})
    assert answer["result"] == "rejected" and "another section `gateway`" in answer["why"], answer
    assert json.loads(gateway.file.read_text()) == gateway.config
    assert "uplink hq: connecting" not in gateway.process.stderr_text


def test_going_back_is_tried_until_it_holds(make_gateway, cloud):
    port = free_port()
    gateway = _open(make_gateway(
        uplinks={"hq": plant.uplink(cloud.port)}, buses={"here": {"type": "system"}},
        devices={"box": {"bus": "here", "points": {"load": {"from": "load"}}}},
        modbus_servers={"scada": {"listen": f"127.0.0.1:{port}", "points": [
            {"from": "box/load", "register": "input", "address": 0, "type": "float32"}]}}), "5s")
    _await_uplink(gateway)
    changed = copy.deepcopy(gateway.config)
    del changed["modbus_servers"]
    changed["uplinks"]["hq"]["url"] = f"mqtt://127.0.0.1:{free_port()}"
    waiting = _request(gateway, changed)
    wait_until(lambda: not accepts(port), 20, "the server is gone")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", port))
        thief.listen()
        wait_until(lambda: "cannot go back" in gateway.process.stderr_text, 20, "going back fails")
    assert _answer(waiting)["result"] == "rolled-back"
    assert accepts(port)
    assert gateway.process.stderr_text.count("cannot go back") <= 2, "once for each reason"
    assert _ask(gateway, "]")["result"] == "rejected"


def test_one_that_an_uplink_brought_has_to_leave_it_its_way(make_gateway, cloud, closing):
    gateway = _open(make_gateway(uplinks={"hq": plant.uplink(
        cloud.port, out=[{"from": f"{_TOPIC}/result", "to": "fleet/result"}],
        **{"in": [{"from": "fleet/config/+", "to": "ferrule/plant1/{topic:1..}"}]})}))
    _await_uplink(gateway)
    answers = closing(Paho(4).subscribe(cloud.port, "fleet/result", qos=1))
    changed = copy.deepcopy(gateway.config)
    changed["uplinks"]["hq"]["in"][0]["from"] = "fleet/+/set/not"
    Mosquitto(5).publish(cloud.port, "fleet/config/set", json.dumps(changed), qos=1)
    answer = json.loads(answers.next(20).payload)
    assert answer["result"] == "rejected" and f"no `in` that leads to {_TOPIC}/set" in answer["why"], answer
    changed["uplinks"]["hq"]["in"][0]["from"] = "fleet/#"
    Mosquitto(5).publish(cloud.port, "fleet/config/set", json.dumps(changed), qos=1)
    assert json.loads(answers.next(30).payload)["result"] == "ok"


def _without_its_cloud(gateway):
    """What leaves it in its trial for as long as that may take."""
    changed = copy.deepcopy(gateway.config)
    changed["uplinks"]["hq"]["url"] = f"mqtt://127.0.0.1:{free_port()}"
    return json.dumps(changed)


def _begin_trial(gateway):
    _publish(gateway, f"{_TOPIC}/set", _without_its_cloud(gateway))
    wait_until(lambda: "uplinks connecting anew" in gateway.process.stderr_text or "connection failed" in gateway.process.stderr_text
               or "refused" in gateway.process.stderr_text, 20, "the uplink looks for another cloud")


def test_a_gateway_that_is_killed_in_the_trial_starts_with_the_file_as_it_was(gateway, cloud, closing):
    before = gateway.file.read_text()
    _begin_trial(gateway)
    gateway.kill()
    assert gateway.file.read_text() == before
    gateway.start()
    _await_uplink(gateway)
    there = closing(Paho(4).subscribe(cloud.port, "sites/#", qos=1))
    _publish(gateway, "plant1/x", "as before")
    assert there.next(30).payload == "as before"
    assert sorted(path.name for path in gateway.file.parent.glob("*ferrule.yaml*")) == ["ferrule.yaml"], "nothing is left of it"
    changed = copy.deepcopy(gateway.config) | {"publish": {"qos": 0}}
    assert _ask(gateway, changed)["result"] == "ok", "another one may come"


def test_one_that_is_retained_is_refused_and_does_not_come_again(gateway):
    before = gateway.file.read_text()
    changed = json.dumps(copy.deepcopy(gateway.config) | {"publish": {"qos": 0}})
    request = Process(["mosquitto_pub", "-p", gateway.port, *_ADMIN, "-q", 1, "-r", "-t", f"{_TOPIC}/set", "-m", changed])
    assert request.wait(20) == 0
    wait_until(lambda: "it must not be retained" in gateway.process.stderr_text, 20, "it is refused")
    gateway.kill()
    gateway.start()  # with the retained one in the broker's file
    _await_uplink(gateway)
    assert _ask(gateway, "]")["result"] == "rejected", "it is not at work"
    assert "configuration from client" in gateway.process.stderr_text and ": ok" not in gateway.process.stderr_text
    assert gateway.file.read_text() == before


def test_while_one_is_on_trial_another_is_refused(gateway):
    _begin_trial(gateway)
    answer = _ask(gateway, gateway.config)
    assert answer["result"] == "rejected" and "another configuration is being taken over" in answer["why"], answer


def test_without_an_uplink_that_could_prove_it_one_is_refused_and_its_text_is_shown_to_nobody(make_gateway, closing):
    gateway = _open(make_gateway(uplinks={"hq": plant.uplink(free_port(), out=[
        {"from": "ferrule/#", "to": "sites/{topic:1..}", "qos": 1}])}))
    wait_until(gateway.control.exists, 20, "the control socket is there")
    tap = Process([BINARY, "tap", f"{_TOPIC}/#", "--json", "--socket", gateway.control])
    closing(_Closer(tap))
    wait_until(lambda: open("/proc/net/unix").read().count(str(gateway.control)) > 1, 10, "the tap is connected")
    subprocess.run([BINARY, "status", "--socket", gateway.control], capture_output=True, timeout=30)  # asked behind it
    answer = _ask(gateway, gateway.config)
    assert answer["result"] == "rejected" and "no uplink is online" in answer["why"], answer
    wait_until(lambda: len(tap.out) >= 2, 10, "the request and the answer")
    request, told = (json.loads(line) for line in tap.out[:2])
    size = len(json.dumps(gateway.config))
    assert (request["topic"], request["bytes"], request["withheld"]) == (f"{_TOPIC}/set", size, True), request
    assert "payload" in told and "let me" not in "".join(tap.out)

    def rows():
        listed = subprocess.run([BINARY, "queue", "export", "--queued", "--socket", gateway.control], capture_output=True, text=True,
                                timeout=30, check=True).stdout
        assert "let me" not in listed
        return {row["topic"]: row for row in map(json.loads, listed.splitlines())}
    wait_until(lambda: len(rows()) == 2, 10, "both are in the queue")
    queued = rows()["sites/plant1/config/set"]
    assert (queued["bytes"], queued["withheld"]) == (size, True) and "payload" not in queued
    assert "payload" in rows()["sites/plant1/config/result"]


class _Closer:
    def __init__(self, process):
        self.close = process.kill
