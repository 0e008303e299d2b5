"""Node-RED on the plant floor: a flow of its MQTT nodes takes values from the embedded broker and gives others back."""

import json
import os
import pathlib

import pytest

from rig.clients import Mosquitto, Received
from rig.process import Process, wait_until

_MODULES = pathlib.Path(os.environ.get("FERRULE_NODE_RED", str(pathlib.Path(__file__).parents[2] / "build/node-red")))
_SETTINGS = "module.exports = {flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: false, logging: {console: {level: 'info'}}};"


def _flow(port: int, version: int):
    """plant/temperature, parsed as JSON -> twice its value -> hmi/twice, retained."""
    broker = {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port), "clientid": "node-red",
              "autoConnect": True, "usetls": False, "protocolVersion": str(version), "keepalive": "60", "cleansession": True,
              "birthTopic": "hmi/state", "birthQos": "1", "birthRetain": "true", "birthPayload": "up", "birthMsg": {},
              "closeTopic": "hmi/state", "closeQos": "1", "closeRetain": "true", "closePayload": "down", "closeMsg": {},
              "willTopic": "hmi/state", "willQos": "1", "willRetain": "true", "willPayload": "lost", "willMsg": {}}
    return [
        {"id": "tab", "type": "tab", "label": "plant"},
        broker,
        {"id": "in", "z": "tab", "type": "mqtt in", "topic": "plant/temperature", "qos": "2", "datatype": "json", "broker": "broker",
         "nl": False, "rap": True, "rh": 0, "inputs": 0, "wires": [["twice"]]},
        {"id": "twice", "z": "tab", "type": "function", "func": "msg.payload = String(2 * msg.payload.v); msg.topic = ''; return msg;",
         "outputs": 1, "wires": [["out"]]},
        {"id": "out", "z": "tab", "type": "mqtt out", "topic": "hmi/twice", "qos": "1", "retain": "true", "broker": "broker",
         "wires": []},
    ]


class _NodeRed:
    def __init__(self, directory: pathlib.Path, port: int, version: int):
        directory.mkdir()
        (directory / "settings.js").write_text(_SETTINGS)
        (directory / "flows.json").write_text(json.dumps(_flow(port, version)))
        self.process = Process(["node", _MODULES / "node_modules/node-red/red.js", "--userDir", directory])
        wait_until(lambda: any("Connected to broker" in line for line in self.process.out) or not self.process.running, 60,
                   "Node-RED connects")
        assert self.process.running, self.process.out + self.process.err

    def close(self):
        self.process.kill()


@pytest.mark.parametrize("version", [4, 5], ids=["311", "5"])
def test_a_flow_reads_and_writes_values(version, make_gateway, closing, tmp_path):
    port = make_gateway().start().port
    other = Mosquitto(version)
    state = closing(other.subscribe(port, "hmi/state", qos=1))
    node_red = closing(_NodeRed(tmp_path / "node-red", port, version))
    assert state.next() == Received("hmi/state", "up", 1, False)
    results = closing(other.subscribe(port, "hmi/twice", qos=1))
    for value in (20.5, 21):
        other.publish(port, "plant/temperature", json.dumps({"ts": 1, "v": value, "q": "good"}), qos=2, retain=True)
        assert results.next() == Received("hmi/twice", f"{2 * value:g}", 1, False)
    assert closing(other.subscribe(port, "hmi/twice", qos=1)).next() == Received("hmi/twice", "42", 1, True)
    node_red.close()  # killed: its will says so
    assert state.next() == Received("hmi/state", "lost", 1, False)
