"""What a link does to an uplink: it flaps, it is open on one side only."""

import time

import ledger
import plant
from chaos import Chaos
from faithful import FaithfulPublisher
from rig.process import wait_until


# FAULTS 16
def test_a_link_that_flaps(dice, rounds, cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    chaos = closing(Chaos(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(chaos.port, qos=2)}).start()
    publisher = FaithfulPublisher(gateway.port, 2, per_second=200)
    times, pause = rounds(12, 300), rounds(0.3, 1.0)
    began = time.monotonic()
    for _ in range(times):
        time.sleep(pause)
        dice.choice([chaos.cut, chaos.half_close, chaos.refuse])()
        time.sleep(pause)
        chaos.mend()
    took = time.monotonic() - began
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    assert chaos.connections <= 2 * times + took / 0.1  # the shortest pause between two attempts


# FAULTS 15
def test_a_half_open_connection_is_found(cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    chaos = closing(Chaos(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(chaos.port, qos=2, keep_alive="5s")}).start()
    publisher = FaithfulPublisher(gateway.port, 2, per_second=100)
    wait_until(lambda: collector.count > 20, 20, "it flows")
    chaos.swallow()  # this connection for ever; the next one goes through
    began, connections = time.monotonic(), chaos.connections
    wait_until(lambda: chaos.connections > connections, 20, "it connects anew")
    took = time.monotonic() - began
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    print(f"found after {took:.1f} s")
