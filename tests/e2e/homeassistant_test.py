"""What Home Assistant is told by discovery, read as it does: templates by Jinja, commands from what was announced."""

import json

import jinja2
import pytest

import plant
from rig.clients import Mosquitto, Paho
from rig.slaves import TcpSlave

_JINJA = jinja2.Environment()
_JINJA.filters["to_json"] = json.dumps  # one of Home Assistant's own


class _Entity:
    """One component of an announcement, and what Home Assistant would show of it."""

    def __init__(self, component: dict):
        self.config = component
        self._words = {}

    @staticmethod
    def _render(template: str, payload: str, **more) -> str:
        try:
            value_json = json.loads(payload)
        except ValueError:
            value_json = None
        return _JINJA.from_string(template).render(value=payload, value_json=value_json, **more)

    def state(self, payload: str) -> str:
        return self._render(self.config["value_template"], payload)

    def command(self, value) -> str:
        """What Home Assistant publishes for a value that somebody has chosen."""
        return _JINJA.from_string(self.config.get("command_template", "{{ value }}")).render(value=value)

    def take(self, topic: str, payload: str):
        for one in self.config["availability"]:
            word = self._render(one["value_template"], payload) if one["topic"] == topic else ""
            if word in ("online", "offline"):
                self._words[topic] = word

    def available(self) -> bool:
        """`availability_mode: all`."""
        assert self.config["availability_mode"] == "all"
        return all(self._words.get(one["topic"]) == "online" for one in self.config["availability"])


def _entities(port, closing) -> dict:
    announcement = closing(Mosquitto(5).subscribe(port, "homeassistant/device/+/config", qos=1)).next()
    assert announcement.topic == "homeassistant/device/plant1_plc/config"
    told = json.loads(announcement.payload)
    assert told["device"]["name"] == "plc" and told["origin"]["name"] == "Ferrule"
    return {name: _Entity(component) for name, component in told["components"].items()}


@pytest.mark.parametrize("payload_format", ["json", "raw", "json-device"])
def test_home_assistant_reads_and_writes_what_was_announced(payload_format, make_gateway, closing):
    points = {"uint16": plant.POINTS["uint16"], "coil_off": {**plant.POINTS["coil_off"], "write": {"readback": "2s"}},
              "coil_on": plant.POINTS["coil_on"]}
    gateway = make_gateway(
        buses={"field": plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port)},
        devices={"plc": plant.device("field") | {"points": points}},
        publish={"format": payload_format, "when": "poll", "homeassistant": {"discovery": "homeassistant"}}).start()
    entities = _entities(gateway.port, closing)
    assert {name: entity.config["platform"] for name, entity in entities.items()} == {
        "uint16": "sensor", "coil_off": "switch", "coil_on": "binary_sensor"}
    values = closing(Paho(4).subscribe(gateway.port, "plant1/#", qos=1))
    expected = {"uint16": "65535", "coil_off": "off", "coil_on": "on"}
    switched = False
    while expected:
        publication = values.next()
        for name, entity in entities.items():
            entity.take(publication.topic, publication.payload)
            if entity.config["state_topic"] != publication.topic:
                continue
            state = entity.state(publication.payload)
            if expected.get(name) == state:
                del expected[name]
        if not expected and not switched:
            switched = True
            switch = entities["coil_off"].config
            Mosquitto(4).publish(gateway.port, switch["command_topic"], switch["payload_on"], qos=1)
            expected = {"coil_off": "on"}
    assert all(entity.available() for entity in entities.values())


def test_numbers_and_words_are_written_as_home_assistant_writes_them(make_gateway, closing):
    points = {"setpoint": {"register": "holding", "address": 1, "type": "int16", "scale": 0.1, "unit": "°C",
                           "write": {"min": 5, "max": 30, "step": 0.5, "readback": "2s"}},
              "mode": {"register": "holding", "address": 2, "type": "uint16", "enum": {0: "off", 1: "auto", 2: "by hand"},
                       "write": {"readback": "2s"}}}
    slave = closing(TcpSlave({1: {("holding", 1): 200, ("holding", 2): 0}}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.device("field") | {"points": points}},
                           publish={"homeassistant": {"discovery": "homeassistant"}}).start()
    entities = _entities(gateway.port, closing)
    number, select = entities["setpoint"], entities["mode"]
    assert (number.config["platform"], select.config["platform"]) == ("number", "select")
    values = closing(Paho(4).subscribe(gateway.port, "plant1/plc/+", qos=1))
    wanted = number.config["min"] + 3 * number.config["step"]
    word = select.config["options"][2]
    Mosquitto(5).publish(gateway.port, number.config["command_topic"], number.command(wanted), qos=1)
    Mosquitto(5).publish(gateway.port, select.config["command_topic"], select.command(word), qos=1)
    missing = {("plc/setpoint", "6.5"), ("plc/mode", "by hand")}
    while missing:
        publication = values.next()
        entity = next(one for one in entities.values() if one.config["state_topic"] == publication.topic)
        missing.discard((publication.topic.removeprefix("plant1/"), entity.state(publication.payload)))


def test_a_gateway_that_is_killed_or_cut_off_is_unavailable_where_home_assistant_is(cloud, link, make_gateway, closing):
    routes = [{"from": "plant1/#", "qos": 1}, {"from": "homeassistant/#", "qos": 1}]
    gateway = make_gateway(
        buses={"field": plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port)},
        devices={"plc": plant.one_point("field")}, publish={"homeassistant": {"discovery": "homeassistant"}},
        uplinks={"hq": plant.uplink(link.port, out=routes)}).start()
    entity = _entities(cloud.port, closing)["uint16"]
    there = closing(Paho(4).subscribe(cloud.port, "plant1/#", qos=1))

    def wait_for(available):
        while entity.available() != available:
            publication = there.next(30)
            entity.take(publication.topic, publication.payload)

    wait_for(True)
    here = closing(Paho(4).subscribe(gateway.port, "plant1/status", qos=1)).next()
    assert (json.loads(here.payload), here.retain) == ({"state": "online"}, True)
    gateway.kill()
    wait_for(False)
    gateway.start()
    wait_for(True)
    link.cut()
    wait_for(False)
    link.restore()
    wait_for(True)
    gateway.stop()
    wait_for(False)
