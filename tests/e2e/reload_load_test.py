"""A configuration that changes again and again while the gateway is at work: whom it does not concern notices nothing."""

import json
import queue

import paho.mqtt.client as paho

import ledger
import plant
from rig.clients import new_client_id, paho_client, paho_connect
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave

_RELOADS = 12
_BETWEEN = 600  # messages
_PER_SECOND = 2000
_INTERVAL = 50  # ms


class _Observer:
    """A local subscriber: what arrives, and how often it was connected."""

    def __init__(self, port):
        self.connects, self.numbers, self.times = 0, [], []
        subscribed = queue.Queue()
        self.client = paho_client(new_client_id(), paho.MQTTv311, False)
        self.client.on_connect = self._connected
        self.client.on_message = self._take
        self.client.on_subscribe = lambda *arguments: subscribed.put(True)
        paho_connect(self.client, port, paho.MQTTv311, False)
        self.client.loop_start()
        self.client.subscribe([("plant1/ledger/#", 1), ("plant1/box/load", 1)])
        subscribed.get(timeout=15)

    def _connected(self, *arguments):
        self.connects += 1

    def _take(self, client, userdata, message):
        if message.topic == "plant1/box/load":
            self.times.append(json.loads(message.payload)["ts"])
        else:
            self.numbers.append(int(message.payload))

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def _ask(gateway, *arguments):
    process = Process([BINARY, *arguments, "--socket", gateway.control])
    code = process.wait(60)
    return code, "\n".join(process.out), process.stderr_text


def _plc(address):
    return {"bus": "changing", "interval": "50ms", "points": {"p": {"register": "holding", "address": address, "type": "uint16"}}}


def test_a_reload_under_load_is_noticed_by_nobody_whom_it_does_not_concern(cloud, make_gateway, closing):
    slave = closing(TcpSlave({1: {("holding", 101): 101, ("holding", 102): 102}}))
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(
        buses={"steady": {"type": "system"}, "changing": plant.tcp_bus(slave.port)},
        devices={"box": {"bus": "steady", "interval": f"{_INTERVAL}ms", "points": {"load": {"from": "load", "when": "poll"}}},
                 "plc": _plc(101)},
        uplinks={"hq": plant.uplink(cloud.port), "nowhere": plant.uplink(free_port(), out=[{"from": "plant1/ledger/#", "qos": 1}])}).start()
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 20, "the uplink is online")
    wait_until(gateway.control.exists, 20, "the control socket is there")
    observer = closing(_Observer(gateway.port))
    publisher = ledger.Publisher(gateway.port, 1, per_second=_PER_SECOND)
    for i in range(_RELOADS):
        enough = collector.count + _BETWEEN
        wait_until(lambda: collector.count >= enough, 60, "messages go through broker and uplink")
        gateway.config["devices"]["plc"] = _plc(102 - i % 2)
        gateway.write()
        code, out, err = _ask(gateway, "reload")
        assert (code, out.strip()) == (0, "users and rules taken over; buses untouched: 1; restarted: changing"), err
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)  # at QoS 1 a connection that lasts repeats nothing
    wait_until(lambda: len(observer.numbers) >= len(publisher.acknowledged), 30, "the subscriber has all")

    assert observer.connects == 1, "the subscriber's connection lasted"
    assert sorted(observer.numbers) == sorted(publisher.acknowledged) and len(set(observer.numbers)) == len(observer.numbers)
    status = json.loads(_ask(gateway, "status", "--json")[1])
    uplinks = {uplink["name"]: uplink for uplink in status["uplinks"]}
    assert uplinks["hq"]["connections"] == 1
    assert uplinks["nowhere"]["queued"] == len(publisher.acknowledged), "what waits is all there"
    steady = next(bus for bus in status["buses"] if bus["name"] == "steady")
    assert steady["connects"] <= 1
    # A machine that is busy elsewhere makes a poll late now and then; a reload that did would do so each time.
    gaps = [later - earlier for earlier, later in zip(observer.times, observer.times[1:])]
    late = [gap for gap in gaps if gap > 4 * _INTERVAL]
    print(f"{publisher.published} messages, {_RELOADS} reloads, {len(gaps)} polls, the longest gap {max(gaps)} ms")
    assert len(gaps) > 2 * _RELOADS and min(gaps) >= 0
    assert len(late) < _RELOADS / 2, f"late beside {_RELOADS} reloads: {late}"
