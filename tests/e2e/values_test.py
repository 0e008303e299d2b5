"""Values that strangers' slaves hold arrive, correct, at strangers' clients and at the cloud."""

import json
import re
import time

import pytest

import plant
from rig.cloud import Link, NeverAnswers
from rig.clients import Mosquitto, MqttJs, Paho
from rig.process import Process
from rig.slaves import RtuSlave, TcpSlave

_PAYLOAD = re.compile(r'^\{"ts":(\d{13}),"v":([^,{}"]+|"[^"]*"),"q":"good"\}$')


def _expect_all(subscriber, prefix: str, began: float, qos: int):
    """Every point arrives under `prefix`, with a payload of the documented shape, the right value and the time of now."""
    missing = set(plant.EXPECTED)
    while missing:
        publication = subscriber.next(timeout=15)
        assert publication.topic.startswith(prefix), publication
        point = publication.topic.removeprefix(prefix)
        shape = _PAYLOAD.match(publication.payload)
        assert shape, publication
        assert began - 1 <= int(shape[1]) / 1000 <= time.time() + 1, publication
        assert plant.equal(point, json.loads(shape[2])), f"{publication}, expected {plant.EXPECTED[point]!r}"
        assert publication.qos == qos, publication
        missing.discard(point)


@pytest.mark.parametrize("client", [Mosquitto(4), MqttJs(5)], ids=["mosquitto_sub_311", "mqttjs_5"])
def test_values_arrive_at_local_client(bus, client, make_gateway, closing):
    began = time.time()
    gateway = make_gateway(buses={"field": bus}, devices={"plc": plant.device("field")}).start()
    _expect_all(closing(client.subscribe(gateway.port, "plant1/#", qos=1)), "plant1/plc/", began, qos=1)


def test_values_arrive_with_several_reads_under_way(make_gateway, closing):
    slave = closing(TcpSlave({unit: plant.CELLS for unit in (1, 2, 3)}))
    devices = {f"plc{unit}": plant.device("field", unit, max_registers=8) for unit in (1, 2, 3)}
    began = time.time()
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port, pipeline=4)}, devices=devices).start()
    subscribers = {name: closing(Mosquitto(5).subscribe(gateway.port, f"plant1/{name}/#", qos=1)) for name in devices}
    for name, subscriber in subscribers.items():
        _expect_all(subscriber, f"plant1/{name}/", began, qos=1)


@pytest.mark.parametrize("mqtt", [4, 5], ids=["over_311", "over_5"])
def test_values_arrive_at_cloud(bus, mqtt, cloud, make_gateway, closing):
    began = time.time()
    subscriber = closing(Paho(4).subscribe(cloud.port, "sites/#", qos=2))
    make_gateway(buses={"field": bus}, devices={"plc": plant.device("field")}, publish={"qos": 2},
                 uplinks={"hq": plant.uplink(cloud.port, qos=2, mqtt={4: "3.1.1", 5: 5}[mqtt])}).start()
    _expect_all(subscriber, "sites/plant1/plc/", began, qos=2)


def test_change_of_value_is_published_and_equal_values_are_not(make_gateway, closing):
    slave = closing(TcpSlave({1: plant.CELLS}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.one_point("field")}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/uint16", qos=1))
    assert json.loads(subscriber.next().payload)["v"] == 65535
    subscriber.nothing(within=1)  # five polls
    address = plant.POINTS["uint16"]["address"]
    mbpoll = Process(["mbpoll", "-m", "tcp", "-p", slave.port, "-a", 1, "-t", 4, "-0", "-r", address, "127.0.0.1", 7])
    assert mbpoll.wait(10) == 0, mbpoll.out
    assert json.loads(subscriber.next().payload)["v"] == 7
    subscriber.nothing(within=1)


def test_lost_device_keeps_its_last_value_with_its_time_and_comes_back(make_gateway, closing):
    link = closing(Link(closing(TcpSlave({1: plant.CELLS})).port))
    gateway = make_gateway(buses={"field": plant.tcp_bus(link.port, reconnect="100ms..200ms", offline={"after": 3, "retry": "100ms..200ms"})},
                           devices={"plc": plant.one_point("field")}).start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/uint16", qos=1))
    good = json.loads(subscriber.next().payload)
    link.cut()
    bad = json.loads(subscriber.next().payload)
    assert (bad["v"], bad["q"], bad["err"]) == (65535, "bad", "port-lost")
    assert good["ts"] <= bad["ts"] < time.time() * 1000  # of the last good poll
    link.restore()
    while (back := json.loads(subscriber.next().payload))["q"] == "bad":
        pass
    assert back["v"] == 65535 and back["ts"] > bad["ts"] and "err" not in back


def test_retained_value_meets_a_late_client(make_gateway, closing):
    slave = closing(TcpSlave({1: plant.CELLS}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.one_point("field")}).start()
    closing(Mosquitto(4).subscribe(gateway.port, "plant1/#", qos=1)).next()
    late = closing(Mosquitto(4).subscribe(gateway.port, "plant1/#", qos=1)).next()
    assert late.retain and json.loads(late.payload)["v"] == 65535


def _collect(subscriber, seconds: float) -> list:
    end = time.monotonic() + seconds
    publications = []
    while (left := end - time.monotonic()) > 0:
        try:
            publications.append(subscriber.next(timeout=left))
        except AssertionError:
            break
    return publications


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_silent_unit_goes_bad_with_its_cause_and_does_not_stop_the_other(kind, make_gateway, closing, tmp_path):
    if kind == "tcp":
        # pymodbus answers for a unit that it does not know with an exception; a listener that says nothing is truly silent.
        buses = {"a": plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port),
                 "b": plant.tcp_bus(closing(NeverAnswers()).port, timeout="100ms")}
    else:
        buses = {"a": plant.rtu_bus(closing(RtuSlave(tmp_path / "line", 1, {1: plant.CELLS})).path, timeout="100ms")}
    devices = {"living": plant.one_point("a", when="poll"),
               "dead": plant.one_point("b" if kind == "tcp" else "a", unit_id=9)}
    gateway = make_gateway(buses=buses, devices=devices).start()
    subscriber = closing(Mosquitto(4).subscribe(gateway.port, "plant1/#", qos=1))
    publications = _collect(subscriber, 4)
    dead = [json.loads(one.payload) for one in publications if one.topic == "plant1/dead/uint16"]
    assert dead and all(payload["q"] == "bad" and payload["v"] is None for payload in dead), dead
    assert dead[-1]["err"] == "timeout"
    living = [json.loads(one.payload) for one in publications if one.topic == "plant1/living/uint16"]
    # 20 polls in 4 s; an RTU line shares its time with the dead unit's timeouts.
    assert len(living) >= 12 and all(payload["q"] == "good" and payload["v"] == 65535 for payload in living), len(living)
    assert "dead" in gateway.process.stderr_text  # the log says which device
