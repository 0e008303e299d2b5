"""A Sparkplug host application: mqtt.js and the decoder sparkplug-payload in one process."""

import json
import pathlib
import queue

from rig.clients import javascript_env
from rig.process import SLOWNESS, Process


class SparkplugHost:
    """Connected to the broker at `port` and subscribed; nothing is said about its own state until `state` is called."""

    def __init__(self, port: int, host_id: str = "scada"):
        program = pathlib.Path(__file__).parents[1] / "js/sparkplug_host.js"
        self.process = Process(["node", program, json.dumps({"port": port, "id": host_id})], env=javascript_env(), stdin="", more_stdin=True)
        self.port = port
        assert self._line(20) == {"ready": True}, self.process.stderr_text

    def _line(self, timeout: float) -> dict:
        try:
            return json.loads(self.process.out_queue.get(timeout=timeout * SLOWNESS))
        except queue.Empty:
            raise AssertionError(f"nothing within {timeout} s; {self.process.stderr_text}") from None

    def _order(self, **order):
        self.process.child.stdin.write(json.dumps(order) + "\n")
        self.process.child.stdin.flush()

    def state(self, online: bool):
        self._order(state=online)

    def command(self, topic: str, *metrics):
        self._order(topic=topic, metrics=[dict(zip(("name", "type", "value"), metric)) for metric in metrics])

    def next(self, timeout: float = 15) -> tuple:
        """Type, device ("" is the node), payload; its metrics as {name: metric}."""
        event = self._line(timeout)
        assert "error" not in event, event
        assert not event["retain"], event
        _, _, kind, _, *device = event["topic"].split("/")
        device = device[0] if device else ""
        payload = event["payload"]
        metrics = payload.get("metrics", [])
        payload["metrics"] = {metric["name"]: metric for metric in metrics}
        return kind, device, payload

    def until(self, kind: str, device: str = "", holds=lambda payload: True, timeout: float = 15):
        """The next message of that kind and device for which `holds`."""
        while True:
            found, of, payload = self.next(timeout)
            if (found, of) == (kind, device) and holds(payload):
                return payload

    def close(self):
        self.process.kill()
