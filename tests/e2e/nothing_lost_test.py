"""The uplink is cut under load and the gateway killed in the middle: nothing acknowledged is lost, no QoS 2 message comes twice."""

import os
import random
import time

import pytest

import ledger
import plant

_KILLS = 20


@pytest.fixture
def dice():
    seed = int(os.environ.get("FERRULE_SEED", random.randrange(1_000_000)))
    print(f"seed {seed} (FERRULE_SEED={seed} repeats the timing)")
    return random.Random(seed)


def _cycle(dice, gateway, link):
    """Cut, restore and kill -9 in random order within a second and a half; then the gateway is started again."""
    cut = dice.uniform(0, 0.6)
    actions = sorted([(cut, lambda: link.cut(black_hole=dice.random() < 0.5)), (cut + dice.uniform(0.1, 0.9), link.restore),
                      (dice.uniform(0.2, 1.5), gateway.kill)], key=lambda action: action[0])
    began = time.monotonic()
    for at, action in actions:
        time.sleep(max(0.0, began + at - time.monotonic()))
        action()
        if action == gateway.kill:
            gateway.start()


# FAULTS 1
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("mqtt", ["3.1.1", 5], ids=["over_311", "over_5"])
@pytest.mark.parametrize("client", ["ferrule", "paho"])
def test_acknowledged_survives_cuts_and_kills(qos, mqtt, client, dice, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port, qos=qos, mqtt=mqtt, client=client)}).start()
    publisher = ledger.Publisher(gateway.port, qos, per_second=200)
    for _ in range(_KILLS):
        _cycle(dice, gateway, link)
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=qos == 2)


def test_backlog_of_a_long_cut_arrives_in_order(cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port, qos=2)}).start()
    publisher = ledger.Publisher(gateway.port, 2, per_second=1000)
    time.sleep(3)
    publisher.finish()
    assert collector.count == 0
    gateway.stop()  # what is queued survives a clean stop, too
    gateway.start()
    link.restore()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    assert collector.count == publisher.published
