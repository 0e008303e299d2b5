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

    def _render(self, template: str, payload: str) -> str:
        try:
            value_json = json.loads(payload)
        except ValueError:
            value_json = None
        return _JINJA.from_string(self.config[template]).render(value=payload, value_json=value_json)

    def state(self, payload: str) -> str:
        return self._render("value_template", payload)

    def available(self, payload: str) -> str:
        return self._render("availability_template", payload)


def _entities(gateway, closing) -> dict:
    announcement = closing(Mosquitto(5).subscribe(gateway.port, "homeassistant/device/+/config", qos=1)).next()
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
    entities = _entities(gateway, closing)
    assert {name: entity.config["platform"] for name, entity in entities.items()} == {
        "uint16": "sensor", "coil_off": "switch", "coil_on": "binary_sensor"}
    values = closing(Paho(4).subscribe(gateway.port, "plant1/#", qos=1))
    expected = {"uint16": "65535", "coil_off": "off", "coil_on": "on"}
    switched = False
    while expected:
        publication = values.next()
        for name, entity in entities.items():
            if entity.config["state_topic"] != publication.topic:
                continue
            state = entity.state(publication.payload)
            if state:  # a shared message may be about other points
                assert entity.available(publication.payload) == "online", publication
            if expected.get(name) == state:
                del expected[name]
        if not expected and not switched:
            switched = True
            switch = entities["coil_off"].config
            Mosquitto(4).publish(gateway.port, switch["command_topic"], switch["payload_on"], qos=1)
            expected = {"coil_off": "on"}
