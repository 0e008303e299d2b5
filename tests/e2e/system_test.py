"""The machine that the gateway runs on is a bus too."""

import json
import os

from rig.clients import Mosquitto


def test_machine_is_published_and_what_it_has_not_is_bad(make_gateway, closing):
    gateway = make_gateway(buses={"here": {"type": "system"}}, devices={"box": {"bus": "here", "interval": "200ms", "points": {
        "uptime": {"from": "uptime"}, "memory": {"from": "memory_available"}, "disk": {"from": "disk_used", "path": "/"},
        "loop": {"from": "link", "interface": "lo"}, "gone": {"from": "one_wire", "sensor": "28-no-such-sensor"}}}}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/box/#", qos=1))
    heard = {}
    while len(heard) < 5:
        publication = subscriber.next(timeout=30)
        heard[publication.topic.removeprefix("plant1/box/")] = json.loads(publication.payload)
    with open("/proc/uptime", encoding="ascii") as file:
        assert 0 < heard["uptime"]["v"] <= float(file.read().split()[0])
    assert 0 < heard["memory"]["v"] <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 <= heard["disk"]["v"] <= 100
    assert heard["loop"]["v"] is True
    assert heard["gone"]["q"] == "bad" and heard["gone"]["err"] == "point-rejected"
