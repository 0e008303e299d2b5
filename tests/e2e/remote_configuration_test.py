"""A configuration that comes over MQTT is kept when the uplink is back, and taken back when it is not."""

import copy
import json

import pytest

import plant
from rig.clients import Paho
from rig.ports import free_port
from rig.process import Process, wait_until

_ADMIN = ["-u", "admin", "-P", "let me"]
_TOPIC = "ferrule/plant1/config"


@pytest.fixture
def gateway(request, make_gateway, cloud):
    """One that takes configurations from `admin`, with an uplink that is online and has so long to come back."""
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port)})
    gateway.config["gateway"]["remote"] = {"topic": _TOPIC, "within": getattr(request, "param", "60s")}
    gateway.config["broker"]["users"] = {
        "admin": {"password": "let me", "subscribe": ["#"], "publish": [f"{_TOPIC}/set", "plant1/#"]},
        "hmi": {"password": "me too", "subscribe": ["#"], "publish": ["plant1/#"]}}
    gateway.write()
    gateway.start()
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 20, "the uplink is online")
    return gateway


def _publish(gateway, topic, text, login=_ADMIN):
    assert Process(["mosquitto_pub", "-p", gateway.port, *login, "-q", 1, "-t", topic, "-m", text]).wait(20) == 0


def _ask(gateway, wanted):
    """Publishes a configuration; returns the answer."""
    text = wanted if isinstance(wanted, str) else json.dumps(wanted)
    process = Process(["mosquitto_rr", "-p", gateway.port, *_ADMIN, "-q", 1, "-t", f"{_TOPIC}/set", "-e", f"{_TOPIC}/result",
                       "-m", text, "-W", 60])
    assert process.wait(80) == 0, process.stderr_text
    return json.loads(process.out[0])


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
