"""Stops, reloads and starts under load."""

import signal
import time

import ledger
import plant
from faithful import FaithfulPublisher


# FAULTS 25
def test_stopped_and_reloaded_under_load(dice, rounds, cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2)}).start()
    publisher = FaithfulPublisher(gateway.port, 2, per_second=1000)
    for _ in range(rounds(8, 100)):
        time.sleep(dice.uniform(0.02, 0.3))
        if dice.random() < 0.5:
            gateway.process.signal(signal.SIGHUP)
        else:
            gateway.stop()
            gateway.start()
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    assert len(publisher.acknowledged) == publisher.published
