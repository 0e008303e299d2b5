"""The gateway is killed again and again while clients publish: persistent sessions get all that was acknowledged, in order, and
QoS 2 exactly once, whether their clients are there or come back in the end."""

import collections
import json
import os
import pathlib
import random
import threading
import time

import paho.mqtt.client as paho
import pytest

from rig.clients import javascript_env, paho_client, paho_connect
from rig.process import Process, wait_until

_KILLS = 20
_TOPICS = [f"cell/{i}" for i in range(3)]
_FILTER = "cell/#"


class _Faithful:
    """A paho client with a persistent session, on a thread of its own from `begin` on, that comes back whenever the connection ends."""

    def __init__(self, port: int, client_id: str):
        self.client = paho_client(client_id, paho.MQTTv311, False)
        self.port = port
        self.connected = threading.Event()
        self.stopping = threading.Event()
        self.client.on_connect = self._on_connect
        self.thread = threading.Thread(target=self._run, daemon=True)

    def begin(self):
        self.thread.start()
        return self

    def _on_connect(self, client, userdata, flags, code):
        self.on_connected()
        self.connected.set()

    def on_connected(self):
        pass

    def on_turn(self):
        pass

    def _run(self):
        first = True
        while not self.stopping.is_set():
            try:
                self._remember_releases()
                paho_connect(self.client, self.port, paho.MQTTv311, False) if first else self.client.reconnect()
                first = False
                while self.client.loop(timeout=0.005) == paho.MQTT_ERR_SUCCESS and not self.stopping.is_set():
                    if self.connected.is_set():
                        self.on_turn()
            except OSError:
                time.sleep(0.02)  # the gateway is dead just now
            self.connected.clear()

    def _remember_releases(self):
        """paho takes a publication that it has released for a new one when a second attempt to connect follows a failed one."""
        for message in self.client._out_messages.values():
            if message.state == paho.mqtt_ms_resend_pubrel:
                message.state = paho.mqtt_ms_wait_for_pubcomp

    def close(self):
        self.stopping.set()
        self.thread.join(30)


class _Publisher(_Faithful):
    """Publishes 1, 2, 3 ... and repeats, as paho does, what was not acknowledged when a connection ended."""

    def __init__(self, port: int, qos: int, per_second: int):
        self.qos, self.pause, self.window = qos, 1 / per_second, 50
        self.published, self.under_way, self.acknowledged = 0, {}, []
        self.finishing = False
        self.due = time.monotonic()
        super().__init__(port, "publisher")
        self.client.max_inflight_messages_set(self.window)
        self.client.on_publish = lambda client, userdata, mid: self.acknowledged.append(self.under_way.pop(mid))

    def on_turn(self):
        while not self.finishing and len(self.under_way) < self.window and time.monotonic() >= self.due:
            self.due = max(self.due + self.pause, time.monotonic() - 0.05)
            self.published += 1
            info = self.client.publish(_TOPICS[self.published % len(_TOPICS)], str(self.published), self.qos)
            self.under_way[info.mid] = self.published

    def finish(self):
        self.finishing = True
        wait_until(lambda: not self.under_way, 60, "all is acknowledged")


class _Reader(_Faithful):
    def __init__(self, port: int, qos: int):
        self.qos, self.came = qos, []
        self.subscribed = threading.Event()
        super().__init__(port, "reader")
        self.client.on_message = lambda client, userdata, message: self.came.append((message.topic, int(message.payload)))
        self.client.on_subscribe = lambda *arguments: self.subscribed.set()

    def on_connected(self):
        if not self.subscribed.is_set():
            self.client.subscribe(_FILTER, self.qos)


def _check(who: str, came: list, publisher: _Publisher, exactly_once: bool):
    numbers = collections.Counter(number for _, number in came)
    missing = sorted(set(publisher.acknowledged) - set(numbers))
    print(f"{who}: {len(publisher.acknowledged)} acknowledged, {len(numbers)} arrived, {len(came) - len(numbers)} twice")
    assert not missing, f"{who}: {len(missing)} acknowledged and lost: {missing[:20]}"
    for topic in _TOPICS:
        order = list(dict.fromkeys(number for of, number in came if of == topic))
        assert order == sorted(order), f"{who}: out of order on {topic}"
    if exactly_once:
        twice = [number for number, times in numbers.items() if times > 1]
        assert not twice, f"{who}: twice: {twice[:20]}"


def _mosquitto_sub(port: int, qos: int, *more):
    return Process(["mosquitto_sub", "-p", port, "-i", "away", "-c", "-q", qos, "-t", _FILTER, *more])


def _mqttjs(port: int, qos: int):
    options = {"port": port, "clientId": "modern", "filter": _FILTER, "qos": qos}
    process = Process(["node", pathlib.Path(__file__).parent / "js/faithful.js", json.dumps(options)], env=javascript_env())
    wait_until(lambda: '"ready"' in process.out, 20, "mqtt.js has subscribed")
    return process


@pytest.mark.parametrize("qos", [1, 2])
def test_sessions_get_what_was_acknowledged_before_each_kill(qos, make_gateway, closing):
    seed = int(os.environ.get("FERRULE_SEED", random.randrange(1_000_000)))
    print(f"seed {seed} (FERRULE_SEED={seed} repeats the timing)")
    dice = random.Random(seed)
    gateway = make_gateway().start()
    assert _mosquitto_sub(gateway.port, qos, "-E").wait(20) == 0
    reader = closing(_Reader(gateway.port, qos).begin())
    assert reader.subscribed.wait(20)
    modern = _mqttjs(gateway.port, qos)
    publisher = closing(_Publisher(gateway.port, qos, per_second=400).begin())
    for _ in range(_KILLS):
        time.sleep(dice.uniform(0.05, 1.0))
        gateway.kill()
        gateway.start()
    publisher.finish()
    assert len(publisher.acknowledged) == publisher.published > _KILLS
    wait_until(lambda: len({number for _, number in reader.came}) == publisher.published, 60, "the reader has all")
    wait_until(lambda: len(set(modern.out)) > publisher.published, 60, "mqtt.js has all")  # and has said that it is ready
    away = _mosquitto_sub(gateway.port, qos, "-F", "%t %p", "-W", 120)
    wait_until(lambda: len(set(away.out)) >= publisher.published, 60, "the one who was away has all")
    time.sleep(1)  # for what should not come
    away.kill()
    modern.kill()
    came = [json.loads(line) for line in modern.out if line.startswith("[")]
    _check("mqtt.js", [(topic, int(number)) for topic, number in came], publisher, exactly_once=qos == 2)
    _check("reader", reader.came, publisher, exactly_once=qos == 2)
    lines = [line.split() for line in away.out]
    _check("away", [(topic, int(number)) for topic, number in lines], publisher, exactly_once=qos == 2)


def test_retained_publications_and_wills_survive_a_kill(make_gateway, closing):
    gateway = make_gateway().start()
    watch = Process(["mosquitto_sub", "-p", gateway.port, "-i", "dog", "-t", "other", "--will-topic", "dog/gone", "--will-payload",
                     "yes", "--will-retain"])
    for number in range(50):
        assert Process(["mosquitto_pub", "-p", gateway.port, "-t", f"kept/{number}", "-r", "-q", 1, "-m", number]).wait(20) == 0
    assert Process(["mosquitto_pub", "-p", gateway.port, "-t", "kept/7", "-r", "-q", 1, "-n"]).wait(20) == 0
    gateway.kill()
    watch.kill()  # so that it does not come back
    gateway.start()
    kept = Process(["mosquitto_sub", "-p", gateway.port, "-t", "kept/#", "-t", "dog/gone", "-F", "%t %p", "-W", 60])
    wait_until(lambda: len(kept.out) >= 50, 20, "what was retained, and the will")
    time.sleep(0.5)
    kept.kill()
    assert sorted(kept.out) == sorted([f"kept/{n} {n}" for n in range(50) if n != 7] + ["dog/gone yes"])


def test_a_second_gateway_with_the_same_state_is_refused(make_gateway, tmp_path):
    gateway = make_gateway().start()
    second = Process([os.environ.get("FERRULE", gateway.process.command[0]), "run", gateway.file])
    assert second.wait(20) == 73  # EX_CANTCREAT
    assert "held by another process" in second.stderr_text
