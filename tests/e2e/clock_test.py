"""The wall clock jumps: an RTC without a battery, a first NTP answer, a user. Only time stamps may follow it."""

import json
import time

import pytest

import ledger
import plant
from rig.clients import Paho
from rig.process import wait_until
from rig.slaves import TcpSlave

_DAY = 24 * 3600


def _next_with_time(subscriber, clock) -> dict:
    """The next value that carries the time of the clock as it is now."""
    def look():
        payload = json.loads(subscriber.next(timeout=5).payload)
        return abs(payload["ts"] / 1000 - clock.offset - time.time()) < 60 and payload
    return wait_until(look, 10, "a value with the new time")


# FAULTS 23
def test_polling_and_connections_do_not_notice(clock, cloud, make_gateway, closing):
    slave = closing(TcpSlave({1: plant.CELLS}))
    subscriber = closing(Paho(4).subscribe(cloud.port, "sites/#", qos=1))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.one_point("field", when="poll")},
                           uplinks={"hq": plant.uplink(cloud.port, keep_alive="5s")}).start(clock.environment)
    for offset in (0, 365 * _DAY, -_DAY, -20 * 365 * _DAY, 0):
        clock.jump(offset)
        assert _next_with_time(subscriber, clock)["q"] == "good"
    time.sleep(6)  # longer than the keep-alive
    assert gateway.process.stderr_text.count("uplink hq: online") == 1
    assert "lost" not in gateway.process.stderr_text


def test_values_read_before_the_clock_is_set_say_so_until_it_is(clock, make_gateway, closing):
    slave = closing(TcpSlave({1: plant.CELLS}))
    clock.jump(-50 * 365 * _DAY)  # a gateway without a battery
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)},
                           devices={"plc": plant.one_point("field", when="poll")}).start(clock.environment)
    subscriber = closing(Paho(4).subscribe(gateway.port, "plant1/plc/uint16", qos=1))
    before = _next_with_time(subscriber, clock)
    assert (before["v"], before["q"], before["err"]) == (65535, "uncertain", "clock-not-set")
    clock.jump(0)
    after = _next_with_time(subscriber, clock)
    assert (after["v"], after["q"], after.get("err")) == (65535, "good", None)


# FAULTS 23
@pytest.mark.parametrize("jump", [365 * _DAY, -_DAY], ids=["a_year_ahead", "a_day_back"])
def test_queue_outlives_it(jump, clock, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}).start(clock.environment)
    publisher = ledger.Publisher(gateway.port, 1, per_second=200)
    time.sleep(0.5)
    clock.jump(jump)
    time.sleep(0.5)
    publisher.finish()
    gateway.stop()
    gateway.start(clock.environment)
    link.restore()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=False)
