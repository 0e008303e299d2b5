"""MQTT clients that strangers wrote, behind one interface: mosquitto's tools, mqtt.js and paho-python, in 3.1.1 (4) and 5."""

import dataclasses
import itertools
import json
import os
import pathlib
import queue
import signal
import subprocess
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from rig.process import SLOWNESS, Process

_JAVASCRIPT = pathlib.Path(os.environ.get("FERRULE_JAVASCRIPT", str(pathlib.Path(__file__).parents[3] / "build/javascript")))
_EXPIRY = 600  # seconds a session outlives its connection
_ids = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Received:
    topic: str
    payload: str
    qos: int
    retain: bool


def new_client_id() -> str:
    return f"client-{os.getpid()}-{next(_ids)}"


class Subscriber:
    """What every client below returns from `subscribe`: connected and subscribed."""

    def __init__(self):
        self.received = queue.Queue()

    def next(self, timeout: float = 10) -> Received:
        timeout *= SLOWNESS
        try:
            return self.received.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"nothing received within {timeout} s") from None

    def nothing(self, within: float = 0.3):
        try:
            raise AssertionError(f"unexpected: {self.received.get(timeout=within)}")
        except queue.Empty:
            pass


class _ProcessSubscriber(Subscriber):
    """A client program that prints a JSON object per publication among other lines."""

    def __init__(self, command, is_ready, env=None):
        super().__init__()
        self.process = Process(command, env=env)
        deadline = time.monotonic() + 15 * SLOWNESS
        while True:
            try:
                line = self.process.out_queue.get(timeout=0.5)
            except queue.Empty:
                assert self.process.running and time.monotonic() < deadline, f"not subscribed: {self.process.out + self.process.err}"
                continue
            if is_ready(line):
                break
            self._take(line)  # a session that continues may deliver before the SUBACK

    def _take(self, line: str):
        if not line.startswith("{"):
            return
        event = json.loads(line)
        assert "error" not in event, event
        if "topic" in event:
            self.received.put(Received(event["topic"], event.get("payload") or "", event["qos"], bool(event["retain"])))

    def next(self, timeout: float = 10) -> Received:
        timeout *= SLOWNESS
        deadline = time.monotonic() + timeout
        while self.received.empty():
            try:
                self._take(self.process.out_queue.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"nothing received within {timeout} s; {self.process.err}") from None
        return self.received.get()

    def nothing(self, within: float = 0.3):
        time.sleep(within)
        while not self.process.out_queue.empty():
            self._take(self.process.out_queue.get())
        super().nothing(0.01)

    def close(self):
        if self.process.running:
            self.process.signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:  # mosquitto_sub disconnects in its signal handler, which now and then deadlocks
                self.process.kill()

    def die(self):
        """Ends without a DISCONNECT."""
        self.process.kill()


class Mosquitto:
    """mosquitto_sub and mosquitto_pub."""

    name = "mosquitto"

    def __init__(self, version: int):
        self.version = version
        self.leaves_with_will = version == 5  # mosquitto_sub answers SIGTERM with DISCONNECT 0x04

    def _session(self, client_id, clean):
        if clean:
            return ["-i", client_id or new_client_id()]
        return ["-i", client_id, "-c"] + (["-x", str(_EXPIRY)] if self.version == 5 else [])

    def subscribe(self, port, *filters, qos=0, client_id=None, clean=True, will=None):
        command = ["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-V", {4: "311", 5: "5"}[self.version],
                   "-q", qos, "-F", "%j", "-d", *self._session(client_id, clean)]
        for one in filters:
            command += ["-t", one]
        if will:
            command += ["--will-topic", will["topic"], "--will-payload", will["payload"], "--will-qos", will["qos"]]
        return _ProcessSubscriber(command, lambda line: line.startswith("Subscribed"))

    def publish(self, port, topic, payload, qos=0, retain=False):
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-V", {4: "311", 5: "5"}[self.version], "-q", qos, "-t", topic,
                   "-i", new_client_id()]
        command += (["-m", payload] if payload else ["-n"]) + (["-r"] if retain else [])
        process = Process(command)
        assert process.wait(15) == 0, process.stderr_text


def javascript_env():
    """The environment in which node finds the packages of tests/e2e/js."""
    return {**os.environ, "NODE_PATH": str(_JAVASCRIPT / "node_modules")}


class MqttJs:
    """mqtt.js."""

    name = "mqttjs"
    leaves_with_will = False

    def __init__(self, version: int):
        self.version = version

    @staticmethod
    def _command(options):
        return ["node", pathlib.Path(__file__).parents[1] / "js/client.js", json.dumps(options)]

    def subscribe(self, port, *filters, qos=0, client_id=None, clean=True, will=None):
        options = {"port": port, "version": self.version, "clientId": client_id or new_client_id(), "clean": clean,
                   "expiry": 0 if clean else _EXPIRY, "will": will, "subscribe": {"filters": filters, "qos": qos}}
        return _ProcessSubscriber(self._command(options), lambda line: '"ready"' in line, env=javascript_env())

    def publish(self, port, topic, payload, qos=0, retain=False):
        options = {"port": port, "version": self.version, "clientId": new_client_id(), "clean": True, "expiry": 0,
                   "publish": {"topic": topic, "payload": payload, "qos": qos, "retain": retain}}
        process = Process(self._command(options), env=javascript_env())
        assert process.wait(15) == 0, process.out + process.err


def paho_client(client_id: str, version: int, clean: bool) -> paho.Client:
    """A paho client of either major release (1.6 in Debian 12, 2.1 in Debian 13)."""
    first = [paho.CallbackAPIVersion.VERSION1] if hasattr(paho, "CallbackAPIVersion") else []
    return paho.Client(*first, client_id=client_id, protocol=version, **({"clean_session": clean} if version == paho.MQTTv311 else {}))


def paho_connect(client: paho.Client, port: int, version: int, clean: bool, keepalive: int = 60):
    if version == paho.MQTTv311:
        client.connect("127.0.0.1", port, keepalive)
        return
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0 if clean else _EXPIRY
    client.connect("127.0.0.1", port, keepalive, clean_start=clean, properties=properties)


class PahoSubscriber(Subscriber):
    def __init__(self, version, port, filters, qos, client_id, clean, will):
        super().__init__()
        self.client = paho_client(client_id, version, clean)
        self.client.on_message = lambda client, userdata, message: self.received.put(
            Received(message.topic, message.payload.decode(), message.qos, bool(message.retain)))
        subscribed = queue.Queue()
        self.client.on_subscribe = lambda *arguments: subscribed.put(True)
        connected = queue.Queue()
        self.client.on_connect = lambda client, userdata, flags, *rest: connected.put(flags)
        if will:
            self.client.will_set(will["topic"], will["payload"], will["qos"])
        paho_connect(self.client, port, version, clean)
        self.client.loop_start()
        connected.get(timeout=15)
        if version == paho.MQTTv311:
            self.client.subscribe([(one, qos) for one in filters])
        else:
            self.client.subscribe([(one, SubscribeOptions(qos)) for one in filters])
        subscribed.get(timeout=15)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def die(self):
        # Stopping the loop keeps it from reconnecting; the socket is then closed without a DISCONNECT.
        self.client.loop_stop()
        self.client.socket().close()


class Paho:
    """paho-python."""

    name = "paho"
    leaves_with_will = False

    def __init__(self, version: int):
        self.version = version

    def subscribe(self, port, *filters, qos=0, client_id=None, clean=True, will=None):
        return PahoSubscriber(self.version, port, filters, qos, client_id or new_client_id(), clean, will)

    def publish(self, port, topic, payload, qos=0, retain=False):
        client = paho_client(new_client_id(), self.version, True)
        paho_connect(client, port, self.version, True)
        client.loop_start()
        client.publish(topic, payload or None, qos, retain).wait_for_publish(15)
        client.disconnect()
        client.loop_stop()


CLIENTS = (Mosquitto, MqttJs, Paho)
