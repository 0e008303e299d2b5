"""Commands that the cloud kept while the gateway was off: dropped, unless they are asked for."""

import time

import pytest

import plant
from rig.clients import Paho
from rig.process import wait_until

_WAYS = [{"mqtt": 5}, {"mqtt": "3.1.1"}, {"mqtt": 5, "client": "paho"}, {"mqtt": "3.1.1", "client": "paho"}]


def _start(make_gateway, cloud, **more):
    routes = {"out": [{"from": "plant1/#", "qos": 1}], "in": [{"from": "cloud/#", "to": "commands/{topic:1..}", "qos": 2}]}
    return make_gateway(uplinks={"hq": plant.uplink(cloud.port, **routes, **more)}).start()


def _listen(gateway, closing):
    """With a session that lasts: nothing that the gateway passes on escapes it."""
    here = closing(Paho(4).subscribe(gateway.port, "commands/#", qos=2, clean=False))
    here.client.reconnect_delay_set(1, 1)
    return here


def _until(here, cloud, payload):
    """What is passed on until a command of now is."""
    received = []
    deadline = time.monotonic() + 60
    while payload not in received:
        assert time.monotonic() < deadline, f"{payload} is not passed on: {received}"
        Paho(4).publish(cloud.port, "cloud/valve", payload, qos=1)
        received += [here.next().payload for _ in range(here.received.qsize())]
    return received


@pytest.mark.parametrize("way", _WAYS, ids=["over_5", "over_311", "paho_over_5", "paho_over_311"])
def test_what_the_cloud_kept_is_dropped_at_a_restart(way, cloud, make_gateway, closing):
    gateway = _start(make_gateway, cloud, **way)
    here = _listen(gateway, closing)
    _until(here, cloud, "before")
    gateway.kill()
    for i in range(25):  # more than mosquitto sends at once
        Paho(4).publish(cloud.port, f"cloud/{i}", "missed", qos=1 + i % 2)
    gateway.start()
    assert "missed" not in _until(here, cloud, "after")


def test_what_the_cloud_kept_is_taken_when_it_is_asked_for(cloud, make_gateway, closing):
    gateway = _start(make_gateway, cloud, missed_commands="keep")
    here = _listen(gateway, closing)
    _until(here, cloud, "before")
    gateway.kill()
    for i in range(25):
        Paho(4).publish(cloud.port, f"cloud/{i}", "missed", qos=1 + i % 2)
    gateway.start()
    received = []
    while received.count("missed") < 25:  # QoS 1 may overtake QoS 2
        received.append(here.next(30).payload)


def test_what_the_cloud_keeps_while_the_connection_is_cut_is_taken(cloud, link, make_gateway, closing):
    gateway = _start(make_gateway, link)
    here = _listen(gateway, closing)
    _until(here, cloud, "before")
    link.cut()
    wait_until(lambda: "connection lost" in gateway.process.stderr_text, 10, "the gateway knows")
    Paho(4).publish(cloud.port, "cloud/valve", "meanwhile", qos=1)
    link.restore()
    while here.next(30).payload != "meanwhile":
        pass  # one of before may still have been on its way
