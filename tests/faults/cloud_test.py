"""What a cloud does to an uplink: it never acknowledges, refuses, hangs up, and sends what is no MQTT."""

import itertools
import json
import pathlib
import subprocess
import time

import pytest

import ledger
import plant
from faithful import FaithfulPublisher
from rig.clients import Paho
from rig.gateway import BINARY
from rig.process import SLOWNESS, wait_until
from strange_cloud import ACCEPTED, StrangeCloud, disconnect


@pytest.fixture
def strange(closing):
    return closing(StrangeCloud())


def _publish(gateway, count: int, after: int = 0):
    publisher = ledger.Publisher(gateway.port, 1, per_second=2000, after=after)
    wait_until(lambda: publisher.published >= after + count, 60, f"{count} are published")
    publisher.finish()
    assert publisher.acknowledged, "nothing was acknowledged"
    return publisher


def _wait_for(strange, publisher, what: str = "all arrives"):
    wanted = set(publisher.acknowledged)
    wait_until(lambda: wanted <= {int(payload) for payload in strange.payloads()}, 60, what)


def _first_order(strange) -> list:
    return [int(payload) for payload in dict.fromkeys(strange.payloads())]


def _uplink(gateway) -> dict:
    shown = subprocess.run([BINARY, "status", "--json", "--socket", gateway.control], capture_output=True, text=True, timeout=60)
    return json.loads(shown.stdout)["uplinks"][0]


# FAULTS 18
def test_a_cloud_that_never_acknowledges_is_called_stalled_and_left(strange, make_gateway):
    mended = False

    def acknowledge_once_mended(connection):
        while mended and connection.unacknowledged:
            connection.acknowledge(connection.unacknowledged[0])
    strange.on_publish, strange.on_idle = lambda connection, publish: None, acknowledge_once_mended
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port, window=20, ack_timeout="12s")}).start()
    publisher = _publish(gateway, 3000)

    def memory():
        return int(pathlib.Path(f"/proc/{gateway.process.child.pid}/status").read_text().split("VmRSS:")[1].split()[0])
    before = memory()

    def stalled():
        status = _uplink(gateway)
        return status["stalled"] and status
    status = wait_until(stalled, 40, "it is called stalled")
    assert status["state"] == "online" and status["in_flight"] == 20
    wait_until(lambda: len(strange.connects) > 1, 20, "it is left")
    assert strange.most_unacknowledged == 20, "the window"
    assert memory() - before < 4096, "KiB"
    mended = True
    _wait_for(strange, publisher)
    assert _first_order(strange) == sorted(_first_order(strange))
    assert not _uplink(gateway)["stalled"]


# FAULTS 19
@pytest.mark.parametrize("qos", [1, 2])
def test_what_a_lost_session_had_in_flight_is_sent_again_and_counted(qos, strange, make_gateway):
    lost = False

    def answer_some(connection, publish):
        if lost or qos == 2 and int(publish.payload) % 2:  # PUBREC, and then PUBCOMP, for half of them
            connection.acknowledge(publish)
    strange.on_publish = answer_some
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port, qos, window=100)}).start()
    publisher = FaithfulPublisher(gateway.port, qos, per_second=2000, window=100)

    def unanswered():
        return [payload for payload in strange.payloads() if qos == 1 or int(payload) % 2 == 0]
    wait_until(lambda: len(unanswered()) >= 100, 30, "100 are in flight")
    publisher.finish()
    came, in_flight = len(strange.publishes), unanswered()
    strange.on_idle = lambda connection: len(strange.connects) == 1 and connection.hang_up()
    lost = True
    _wait_for(strange, publisher)
    wait_until(lambda: _uplink(gateway)["queued"] == 0, 20, "all is acknowledged")
    assert strange.payloads()[came:came + 100] == in_flight, "those in flight, in order"
    # At QoS 2 those that were written down already, and waited for room on the wire, count as well.
    assert 100 <= _uplink(gateway)["repeated"] <= 100 * qos
    assert len(strange.publishes) == publisher.published + 100


# FAULTS 20
@pytest.mark.parametrize("reason, text", [(0x87, "Not authorized"), (0x95, "Packet too large")], ids=["0x87", "0x95"])
def test_what_is_refused_for_good_is_parked_and_the_others_go_on(reason, text, strange, make_gateway):
    refused = {"7", "70"}
    strange.on_publish = lambda connection, publish: connection.acknowledge(publish, reason if publish.payload in refused else 0)
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port)}).start()
    publisher = _publish(gateway, 100)
    _wait_for(strange, publisher)

    def parked():
        listed = subprocess.run([BINARY, "queue", "export", "--socket", gateway.control], capture_output=True, text=True, timeout=60)
        rows = [json.loads(line) for line in listed.stdout.splitlines()]
        return len(rows) == len(refused) and rows
    rows = wait_until(parked, 20, "they are parked")
    assert {row["payload"] for row in rows} == refused and all(text in row["reason"] for row in rows), rows
    assert _uplink(gateway)["queued"] == 0
    assert len(strange.connects) == 1
    assert strange.payloads() == [str(number) for number in range(1, publisher.published + 1)]


# FAULTS 20
def test_a_cloud_whose_quota_is_used_up_is_waited_for(strange, make_gateway):
    full = True
    strange.on_publish = lambda connection, publish: connection.acknowledge(publish, 0x97 if full else 0)
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port, window=10)}).start()
    publisher = _publish(gateway, 100)
    time.sleep(4)
    came = list(strange.publishes)
    assert len(came) <= 10 * (came[-1].at - came[0].at + 1.5), "a window, once a second at most"
    full = False
    _wait_for(strange, publisher)
    wait_until(lambda: _uplink(gateway)["queued"] == 0, 20, "nothing waits any more")
    assert _first_order(strange) == sorted(_first_order(strange))
    assert len(strange.connects) == 1 and _uplink(gateway)["parked"] == 0


# FAULTS 20
@pytest.mark.parametrize("reason", [0x93, 0x96], ids=["0x93", "0x96"])
def test_a_cloud_that_hangs_up_because_it_gets_too_much_gets_less(reason, strange, make_gateway):
    since, acknowledged_at = [], [0.0]

    def too_much(connection, publish):
        now = time.monotonic()
        since[:] = [at for at in since if now - at < 1] + [now]
        if (len(connection.unacknowledged) > 30) if reason == 0x93 else (len(since) > 150):
            since.clear()
            connection.send(disconnect(reason))
            connection.hang_up()

    def acknowledge_all(connection):
        if time.monotonic() - acknowledged_at[0] < 0.05:
            return
        acknowledged_at[0] = time.monotonic()
        for publish in list(connection.unacknowledged):
            connection.acknowledge(publish)
    strange.on_publish, strange.on_idle = too_much, acknowledge_all
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port)}).start()
    publisher = _publish(gateway, 600)
    _wait_for(strange, publisher)
    print(f"{len(strange.connects)} connections, {len(strange.publishes)} PUBLISHes")
    assert len(strange.connects) > 1
    assert all(later - one > 0.45 for one, later in zip(strange.connects, strange.connects[1:])), strange.connects
    assert len(strange.connects) <= strange.connects[-1] - strange.connects[0] + 1.5, "less than one a second"
    assert _uplink(gateway)["parked"] == 0
    assert _first_order(strange) == sorted(_first_order(strange))


_TOO_LONG = b"\x20\xff\xff\xff\xff\x7f"  # a variable byte integer of five bytes
_HOSTILE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 64, _TOO_LONG, b"\x20\x03\0\0", b"\x20\x02\0\0",
    b"\x20\x03\x02\0\0", b"\x20\x06\0\0\x03\x21\0\0",  # flags that are reserved, a Receive Maximum of 0
    b"\x20\x09\0\0\x06\x21\0\1\x21\0\1", b"\x20\x04\0\0\x7f\x21",  # a property twice, properties beyond the packet
    ACCEPTED + ACCEPTED, ACCEPTED + b"\x40\x02\xff\xfe", ACCEPTED + b"\x90\x04\0\7\0\0", ACCEPTED + b"\x10\x00",
    ACCEPTED + b"\x30\xff\xff\xff\x7f", ACCEPTED + b"\x36\x05\0\1ab\0", ACCEPTED + b"\x32\x06\0\1\xff\0\1\0",
    ACCEPTED + disconnect(0x82), ACCEPTED + b"\xf0\x02\0\0",
]


# FAULTS 21
def test_a_hostile_cloud_ends_connections_and_nothing_else(strange, make_gateway, closing):
    greetings = list(_HOSTILE)

    def greet(connection):
        connection.hostile = bool(greetings)
        connection.send(greetings.pop(0)) if greetings else connection.accept()

    def end_some_time(connection):
        if getattr(connection, "hostile", False) and time.monotonic() - connection.began > 0.3:
            connection.hang_up()
    strange.on_connect, strange.on_idle = greet, end_some_time
    strange.on_publish = lambda connection, publish: None if connection.hostile else connection.acknowledge(publish)
    route = {"from": "fleet/#", "to": "commands/{topic:1..}", "qos": 2}
    gateway = make_gateway(uplinks={"hq": plant.uplink(strange.port, **{"in": [route]})}).start()
    here = closing(Paho(4).subscribe(gateway.port, "local/#", qos=1))
    publisher = _publish(gateway, 200)
    numbers = itertools.count()
    deadline = time.monotonic() + 60 * SLOWNESS
    while greetings:
        assert time.monotonic() < deadline, f"{len(greetings)} of {len(_HOSTILE)} are left"
        payload = str(next(numbers))
        Paho(4).publish(gateway.port, "local/x", payload, qos=1)
        assert here.next().payload == payload
    _wait_for(strange, publisher)
    assert gateway.process.running
    # Half of the shortest back-off; but 3.1.1 may be tried right behind 5.
    assert all(third - one > 0.045 for one, third in zip(strange.connects, strange.connects[2:])), strange.connects
