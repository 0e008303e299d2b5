"""What a link does to an uplink: it flaps, is open on one side only, slow, far away, or loses packets."""

import shutil
import subprocess
import time

import pytest

import ledger
import plant
from chaos import Chaos
from faithful import FaithfulPublisher
from rig.process import SLOWNESS, wait_until


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
    assert took <= 1.5 * 5 + 4 * SLOWNESS, "1.5 times the keep-alive, the back-off, and what a busy machine takes"


def _backlog(gateway, count, width=1):
    publisher = FaithfulPublisher(gateway.port, 1, per_second=5000, window=200, width=width)
    wait_until(lambda: publisher.published >= count, 60, f"{count} are published")
    publisher.finish()
    return publisher


# FAULTS 17
def test_a_slow_link_is_used_to_four_fifths(rounds, cloud, make_gateway, closing):
    rate = 64_000 // 8
    collector = closing(ledger.Collector(cloud.port))
    chaos = closing(Chaos(cloud.port))
    chaos.refuse()
    gateway = make_gateway(uplinks={"hq": plant.uplink(chaos.port)}).start()
    publisher = _backlog(gateway, rounds(350, 3000), width=200)
    chaos.throttle(rate)
    chaos.mend()
    wait_until(lambda: collector.count > 10, 20, "it drains")
    began, before = time.monotonic(), chaos.relayed
    wait_until(lambda: collector.count >= publisher.published - 50, rounds(60, 280), "nearly all has drained")
    per_second = (chaos.relayed - before) / (time.monotonic() - began)
    print(f"{per_second:.0f} of {rate} bytes a second")
    assert per_second >= 0.8 * rate
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=False)
    assert chaos.connections <= 20, "taken for dead because it is slow"


def test_a_far_link_is_filled(cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    chaos = closing(Chaos(cloud.port))
    chaos.refuse()
    gateway = make_gateway(uplinks={"hq": plant.uplink(chaos.port, qos=2)}).start()
    publisher = _backlog(gateway, 1000)
    chaos.delay(0.1)  # for each 4096 bytes or less, there and back
    chaos.mend()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)


@pytest.fixture
def lossy():
    """`lossy(port, share)`: of the packets to and from this port that share is dropped."""
    rules = []

    def change(action, rule):
        return subprocess.run(["iptables", action, "INPUT", "-i", "lo", "-p", "tcp", *rule, "-j", "DROP"], capture_output=True, text=True)

    def drop(port, share):
        if shutil.which("iptables") is None:
            pytest.skip("there is no iptables")
        for side in ("--dport", "--sport"):
            rule = [side, str(port), "-m", "statistic", "--mode", "random", "--probability", str(share)]
            done = change("-A", rule)
            if done.returncode != 0:
                pytest.skip(f"no packets can be dropped here: {done.stderr.strip()}")
            rules.append(rule)
    yield drop
    for rule in rules:
        change("-D", rule)


# FAULTS 17
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_a_link_that_loses_packets(share, lossy, rounds, cloud, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    chaos = closing(Chaos(cloud.port))  # so that nobody else's packets are lost
    gateway = make_gateway(uplinks={"hq": plant.uplink(chaos.port, qos=2)}).start()
    lossy(chaos.port, share)
    publisher = FaithfulPublisher(gateway.port, 2, per_second=200)
    time.sleep(rounds(5, 60))
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=True)
    assert len(publisher.acknowledged) == publisher.published
