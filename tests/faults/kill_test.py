"""kill -9 at any moment, and at each step: nothing acknowledged is lost, no QoS 2 publication arrives twice, in order."""

import time

import pytest

import ledger
import plant
from faithful import FaithfulPublisher
from rig.process import wait_until

# Between every two steps of the way from a client to the cloud (mqtt/failpoint.hpp).
_STEPS = ("store.commit", "store.between-files", "store.committed", "broker.acknowledge", "uplink.send", "uplink.sent", "link.record",
          "link.recorded", "uplink.settled")


def _check(publisher, collector, qos):
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=qos == 2)
    assert len(publisher.acknowledged) == publisher.published


# FAULTS 1
@pytest.mark.parametrize("qos", [1, 2])
def test_killed_while_publishing(qos, dice, rounds, cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=qos)}).start()
    publisher = FaithfulPublisher(gateway.port, qos, per_second=1000)
    for _ in range(rounds(12, 100)):
        time.sleep(dice.uniform(0.05, 0.4))
        gateway.kill()
        gateway.start()
    _check(publisher, collector, qos)


# FAULTS 2
def test_killed_while_a_backlog_drains(dice, rounds, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port, qos=2)}).start()
    publisher = FaithfulPublisher(gateway.port, 2, per_second=5000, window=200)
    kills, backlog = rounds(8, 100), rounds(4_000, 60_000)
    wait_until(lambda: publisher.published >= backlog, 120, "there is a backlog")
    publisher.finish()
    link.restore()
    for _ in range(kills):
        before = collector.count
        wait_until(lambda: collector.count > before, 20, "it drains")
        time.sleep(dice.uniform(0, 0.05))
        gateway.kill()
        gateway.start()
    _check(publisher, collector, 2)


# FAULTS 3
@pytest.mark.parametrize("step", _STEPS)
def test_killed_at_each_step(step, dice, rounds, cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2)})
    gateway.spawn({"FERRULE_KILL_AT": f"{step}:{dice.randint(1, 100)}"})
    publisher = FaithfulPublisher(gateway.port, 2, per_second=2000)
    for i in range(rounds(3, 20)):
        wait_until(lambda: not gateway.process.running, 30, f"{step} is passed")
        gateway.process.wait(5)
        gateway.spawn({"FERRULE_KILL_AT": f"{step}:{dice.randint(1, 100)}"} if i < rounds(3, 20) - 1 else None)
    _check(publisher, collector, 2)
