"""A ledger of acknowledged publishes: what was acknowledged has to reach the cloud, whatever dies in between."""

import collections
import queue
import threading
import time

import paho.mqtt.client as paho

from rig.clients import new_client_id, paho_client, paho_connect

TOPICS = [f"plant1/ledger/{i}" for i in range(4)]


class Publisher:
    """Publishes 1, 2, 3 ... over TOPICS in turn to a broker that comes and goes. A number is published once at most: those
    whose acknowledgement did not come before the connection ended may arrive or not; those in `acknowledged` must. It begins
    behind `after`, and writes numbers with `width` digits."""

    def __init__(self, port: int, qos: int, per_second: int, window: int = 40, after: int = 0, width: int = 1):
        self.port, self.qos, self.window, self.width = port, qos, window, width
        self.pause = 1 / per_second
        self.acknowledged = []
        self.published = after
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        """Waits for what is under way, unless the broker is gone."""
        self._stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self):
        while not self._stopping.is_set():
            try:
                self._one_connection()
            except OSError:
                time.sleep(0.02)  # the gateway is dead just now

    def _one_connection(self):
        client = paho_client(new_client_id(), paho.MQTTv311, True)
        client.max_inflight_messages_set(self.window)
        under_way = {}
        client.on_publish = lambda client, userdata, mid: self.acknowledged.append(under_way.pop(mid))
        connected = []
        client.on_connect = lambda client, userdata, flags, code: connected.append(code)
        paho_connect(client, self.port, paho.MQTTv311, True)
        # Our own loop: paho's threads would reconnect and publish again by themselves.
        due = time.monotonic()
        while client.loop(timeout=min(self.pause, 0.01)) == paho.MQTT_ERR_SUCCESS:
            if not connected:
                continue
            if self._stopping.is_set():
                if not under_way:
                    client.disconnect()
                    return
                continue
            while len(under_way) < self.window and time.monotonic() >= due and not self._stopping.is_set():
                due = max(due + self.pause, time.monotonic() - 0.05)
                number = self.published + 1
                info = client.publish(TOPICS[number % len(TOPICS)], str(number).zfill(self.width), self.qos)
                if info.rc != paho.MQTT_ERR_SUCCESS:
                    return
                under_way[info.mid] = number
                self.published = number


class Collector:
    """Everything that arrives at the cloud under `sites/plant1/ledger/`, in order. Its connection must last: what comes while it has
    none is not the gateway's loss."""

    def __init__(self, port: int):
        self.numbers = collections.defaultdict(list)  # by topic
        self.count = 0
        self.corrupt = []
        self.cut_off = False
        self._lock = threading.Lock()
        self.client = paho_client(new_client_id(), paho.MQTTv311, True)
        subscribed = queue.Queue()
        self.client.on_message = self._take
        self.client.on_subscribe = lambda *arguments: subscribed.put(True)
        self.client.on_disconnect = self._end
        paho_connect(self.client, port, paho.MQTTv311, True)
        self.client.loop_start()
        self.client.subscribe("sites/plant1/ledger/#", 2)
        subscribed.get(timeout=10)

    def _take(self, client, userdata, message):
        with self._lock:
            if not message.payload.isdigit():
                self.corrupt.append((message.topic, message.payload))
                return
            self.numbers[message.topic.removeprefix("sites/")].append(int(message.payload))
            self.count += 1

    def _end(self, *arguments):
        self.cut_off = True

    def seen(self) -> set:
        with self._lock:
            return {number for numbers in self.numbers.values() for number in numbers}

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def wait_for_all(publisher: Publisher, collector: Collector, stalled_after: float = 30):
    """Returns when all that was acknowledged has arrived, or nothing came for `stalled_after` seconds; then a second more for
    what should not come."""
    count, since = collector.count, time.monotonic()
    while not collector.seen().issuperset(publisher.acknowledged) and time.monotonic() - since < stalled_after:
        assert not collector.cut_off, "the test's own connection to the cloud ended"
        time.sleep(0.2)
        if collector.count != count:
            count, since = collector.count, time.monotonic()
    time.sleep(1)


def check(publisher: Publisher, collector: Collector, exactly_once: bool):
    """Nothing that was not published, no acknowledged number missing, order kept per topic, and with `exactly_once` none twice."""
    seen = collector.seen()
    missing = sorted(set(publisher.acknowledged) - seen)
    duplicates = collector.count - len(seen)
    print(f"published {publisher.published}, acknowledged {len(publisher.acknowledged)}, arrived {len(seen)}, "
          f"lost {len(missing)}, duplicates {duplicates}")
    assert not collector.cut_off, "the test's own connection to the cloud ended"
    assert publisher.acknowledged, "nothing was acknowledged"
    assert not collector.corrupt, f"never published: {collector.corrupt[:10]}"
    assert not missing, f"{len(missing)} acknowledged and lost: {missing[:20]}"
    for topic, numbers in collector.numbers.items():
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == sorted(first_seen), f"out of order on {topic}: {_disorder(first_seen)}"
    if exactly_once:
        assert duplicates == 0, f"{duplicates} duplicates"


def _disorder(numbers: list) -> str:
    return ", ".join(f"{b} after {a}" for a, b in zip(numbers, numbers[1:]) if b < a)[:300]
