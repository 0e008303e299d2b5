"""Commands from the cloud while the gateway is killed: none is carried out twice."""

import collections
import threading
import time

import paho.mqtt.client as paho

import ledger
import plant
from faithful import FaithfulPublisher
from rig.clients import Paho, new_client_id, paho_client
from rig.process import wait_until


class _Local:
    """A subscriber at the gateway whose session lasts, and that comes back whenever the gateway does."""

    def __init__(self, port: int):
        self.numbers = collections.Counter()
        self.subscribed = threading.Event()
        self.client = paho_client(new_client_id(), paho.MQTTv311, False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda client, userdata, message: self.numbers.update([int(message.payload)])
        self.client.on_subscribe = lambda *arguments: self.subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("commands/#", 2)
        assert self.subscribed.wait(10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


# FAULTS 1
def test_no_command_comes_twice_though_the_gateway_is_killed(dice, rounds, cloud, make_gateway, closing):
    route = {"from": "plant1/ledger/#", "to": "commands/{topic:2..}", "qos": 2}
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2, out=[], missed_commands="keep", **{"in": [route]})}).start()
    local = closing(_Local(gateway.port))
    publisher = FaithfulPublisher(cloud.port, 2, per_second=300)
    kills = rounds(10, 100)
    for _ in range(kills):
        time.sleep(dice.uniform(0.1, 0.6))
        gateway.kill()
        gateway.start()
    time.sleep(2)
    publisher.finish()
    count, since = 0, time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.1)
        if sum(local.numbers.values()) != count:
            count, since = sum(local.numbers.values()), time.monotonic()
    twice = [number for number, times in local.numbers.items() if times > 1]
    lost = publisher.published - len(local.numbers)
    print(f"published {publisher.published}, arrived {len(local.numbers)}, twice {len(twice)}, lost {lost} in {kills} kills")
    assert not twice, f"carried out twice: {twice[:20]}"
    # Between the commit of its packet identifier and that of the local session a command is lost rather than repeated.
    assert lost <= kills * 100, "more than what the cloud has in flight"
    assert len(local.numbers) > 100


# FAULTS 1
def test_missed_commands_are_dropped_though_exchanges_of_ours_go_on(dice, cloud, make_gateway, closing):
    route = {"from": "fleet/#", "to": "commands/{topic:1..}", "qos": 2}
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2, **{"in": [route]})})
    gateway.start({"FERRULE_KILL_AT": f"link.recorded:{dice.randint(10, 60)}"})
    local = closing(_Local(gateway.port))
    publisher = FaithfulPublisher(gateway.port, 2, per_second=2000)
    wait_until(lambda: not gateway.process.running, 30, "it is killed")
    gateway.process.wait(5)
    for number in range(100, 130):
        Paho(4).publish(cloud.port, "fleet/valve", str(number), qos=1 + number % 2)
    gateway.start()
    deadline = time.monotonic() + 60
    while 7 not in local.numbers:
        assert time.monotonic() < deadline, "commands of now are not passed on"
        Paho(4).publish(cloud.port, "fleet/valve", "7", qos=1)
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    assert set(local.numbers) == {7}, "commands of before the start were passed on"
    assert "the cloud forgets what it kept" in gateway.process.stderr_text, "there was no exchange under way"
