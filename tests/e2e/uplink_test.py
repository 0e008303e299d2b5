"""The uplink towards a cloud that is particular about who comes."""

import gzip
import json
import queue
import time

import pytest

import ledger
import plant
from rig.clients import Paho
from rig.cloud import Cloud, Link, NeverAnswers, NeverConnects
from rig.process import wait_until
from rig.slaves import TcpSlave


@pytest.fixture
def strict_cloud(closing, tmp_path):
    return closing(Cloud(tmp_path / "strict", "plant1", "to be or not"))


def _start(make_gateway, cloud, password: str, mqtt):
    """A gateway with an uplink whose password comes from a file beside the configuration."""
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, username="plant1", password="PASSWORD", mqtt=mqtt)})
    (gateway.file.parent / "hq-password").write_text(password + "\n")
    gateway.file.write_text(gateway.file.read_text().replace('"PASSWORD"', "!file hq-password"))
    return gateway.start()


@pytest.mark.parametrize("mqtt", ["3.1.1", 5], ids=["over_311", "over_5"])
def test_password_from_a_file_lets_it_in(mqtt, strict_cloud, make_gateway):
    gateway = _start(make_gateway, strict_cloud, "to be or not", mqtt)
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 10, "the uplink is online")


@pytest.mark.parametrize("mqtt", ["3.1.1", 5], ids=["over_311", "over_5"])
def test_wrong_password_is_said_without_the_password(mqtt, strict_cloud, make_gateway):
    gateway = _start(make_gateway, strict_cloud, "hunter2", mqtt)
    wait_until(lambda: "not authorized" in gateway.process.stderr_text.lower(), 10, "the log says why")
    assert "hunter2" not in gateway.process.stderr_text
    Paho(4).publish(gateway.port, "plant1/x", "kept", qos=1)  # acknowledged: it waits on disk
    assert gateway.process.running


def test_first_matching_route_rewrites_topic_and_sets_qos(cloud, make_gateway, closing):
    subscriber = closing(Paho(4).subscribe(cloud.port, "#", qos=2))
    routes = [{"from": "plant1/+/energy", "to": "billing/{topic}", "qos": 2}, {"from": "plant1/#", "to": "sites/{topic}", "qos": 1},
              {"from": "plain/#"}]
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, out=routes)}).start()
    for topic, qos in (("plant1/a/energy", 1), ("plant1/a/power", 2), ("elsewhere", 2), ("plain/x", 2)):
        Paho(4).publish(gateway.port, topic, topic, qos=qos)
    received = [subscriber.next() for _ in range(3)]
    # Sorted: a broker passes a QoS 1 message on before an earlier QoS 2 message whose exchange is still under way.
    assert sorted((one.topic, one.payload, one.qos) for one in received) == [
        ("billing/plant1/a/energy", "plant1/a/energy", 2), ("plain/x", "plain/x", 2), ("sites/plant1/a/power", "plant1/a/power", 1)]
    subscriber.nothing()


def test_commands_come_from_the_cloud_and_go_back_to_none(cloud, make_gateway, closing):
    routes = {"out": [{"from": "plant1/#", "to": "sites/{topic}", "qos": 1}],
              "in": [{"from": "sites/plant1/+/set", "to": "{topic:1..}", "qos": 1}]}
    Paho(4).publish(cloud.port, "sites/plant1/old/set", "of yesterday", qos=1, retain=True)
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, **routes)}).start()
    here = closing(Paho(4).subscribe(gateway.port, "plant1/+/set", qos=1))
    wait_until(lambda: any("SUBACK" in line and "plant1-uplink" in line for line in cloud.process.err), 10, "the uplink is subscribed")
    there = closing(Paho(4).subscribe(cloud.port, "sites/plant1/valve/set", qos=1))
    Paho(4).publish(cloud.port, "sites/plant1/valve/set", "open", qos=1)
    received = here.next()
    assert (received.topic, received.payload) == ("plant1/valve/set", "open")
    assert there.next().payload == "open"  # what was published there
    here.nothing()
    there.nothing()


def test_others_see_whether_it_is_online(cloud, make_gateway, closing):
    there = closing(Paho(4).subscribe(cloud.port, "plant1/status", qos=1))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, status_topic="plant1/status")}).start()
    online = json.loads(there.next().payload)
    assert (online["state"], online["queued"], online["connections"]) == ("online", 0, 1)
    here = closing(Paho(4).subscribe(gateway.port, "$SYS/broker/connection/hq/state", qos=1))
    while here.next().payload != "1":
        pass
    gateway.kill()
    assert there.next(30).payload == '{"state":"offline"}'
    gateway.start()
    assert json.loads(there.next().payload)["state"] == "online"
    gateway.stop()
    assert there.next().payload == '{"state":"offline"}'


def test_a_password_that_changes_in_its_file_is_taken_up_without_a_restart(cloud, make_gateway, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, username="plant1", password_file=str(token))}).start()
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 10, "the uplink is online")
    token.write_text("second\n")
    wait_until(lambda: gateway.process.stderr_text.count("uplink hq: online") == 2, 20, "it is online again")
    assert "connecting anew with fresh credentials" in gateway.process.stderr_text
    assert "warning" not in gateway.process.stderr_text


def test_compressed_payloads_are_what_gunzip_reads(cloud, make_gateway, closing):
    payloads = queue.Queue()
    subscriber = closing(Paho(4).subscribe(cloud.port, "plant1/#", qos=1))
    subscriber.client.on_message = lambda client, userdata, message: payloads.put(message.payload)
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, out=[{"from": "plant1/#", "compress": "gzip"}])}).start()
    text = "temperature " * 1000
    Paho(4).publish(gateway.port, "plant1/x", text, qos=1)
    payload = payloads.get(timeout=10)
    assert len(payload) < 200
    assert gzip.decompress(payload).decode() == text


class _Deaf:
    """An uplink's server that hangs in one way or another."""

    def __init__(self, how: str, cloud):
        self.server = {"in_tcp": NeverConnects, "in_connect": NeverAnswers}.get(how, lambda: Link(cloud.port))()
        self.port = self.server.port

    def hang(self):
        if isinstance(self.server, Link):
            self.server.cut(black_hole=True)

    def close(self):
        self.server.close()


@pytest.mark.parametrize("how", ["in_tcp", "in_connect", "while_online"])
def test_an_uplink_that_hangs_holds_up_no_other(how, cloud, make_gateway, closing, tmp_path):
    deaf = closing(_Deaf(how, closing(Cloud(tmp_path / "other"))))
    other = plant.uplink(deaf.port, client_id="plant1-other", keep_alive="5s")
    gateway = make_gateway(uplinks={"a-deaf": other, "hq": plant.uplink(cloud.port)}).start()
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 10, "hq is online")
    if how == "while_online":
        wait_until(lambda: "uplink a-deaf: online" in gateway.process.stderr_text, 10, "the other is, too")
    collector = closing(ledger.Collector(cloud.port))
    deaf.hang()
    publisher = ledger.Publisher(gateway.port, 1, per_second=100)
    slowest, number = 0.0, 0
    began = time.monotonic()
    while time.monotonic() - began < 8:
        number = publisher.published + 20
        asked = time.monotonic()
        wait_until(lambda: number in collector.seen(), 10, "it comes")
        slowest = max(slowest, time.monotonic() - asked)
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=False)
    assert collector.count == publisher.published  # nothing was sent twice either: the connection held
    assert gateway.process.stderr_text.count("uplink hq: online") == 1
    print(f"20 messages took {slowest:.2f} s at most")
    assert slowest < 5, "20 messages of 100 a second"


def test_goes_back_to_the_first_server_when_it_is_there_again(cloud, link, make_gateway, closing, tmp_path):
    other = closing(Cloud(tmp_path / "other"))
    both = plant.uplink(link.port, 2, url=[f"mqtt://127.0.0.1:{port}" for port in (link.port, other.port)], failback="1s")
    gateway = make_gateway(uplinks={"hq": both}).start()
    collectors = [closing(ledger.Collector(one.port)) for one in (cloud, other)]
    publisher = ledger.Publisher(gateway.port, 2, per_second=100)
    log = gateway.process

    def online_at(port, times):
        return lambda: log.stderr_text.count(f"uplink hq: online at 127.0.0.1:{port}") == times
    wait_until(online_at(link.port, 1), 10, "it is online at the first")
    link.cut()
    link.close()
    wait_until(online_at(other.port, 1), 20, "it is online at the other")
    time.sleep(2)  # the first is looked for in vain
    assert online_at(other.port, 1)()
    closing(Link(cloud.port, link.port))
    wait_until(online_at(link.port, 2), 20, "it is back")
    assert "connecting anew to its first server, which is there again" in log.stderr_text
    publisher.finish()
    wait_until(lambda: collectors[0].seen() | collectors[1].seen() >= set(publisher.acknowledged), 20, "all of it arrives")


def test_a_cloud_gets_a_format_of_its_own(cloud, make_gateway, closing):
    there = closing(Paho(4).subscribe(cloud.port, "#", qos=1))
    slave = closing(TcpSlave({1: plant.CELLS}))
    routes = [{"from": "plant1/boiler/#", "to": "lake/{topic:1..}", "format": "influx"}]
    gateway = make_gateway(
        buses={"plc": plant.tcp_bus(slave.port)},
        devices={"boiler": plant.device("plc") | {"when": "poll", "points": {"supply": plant.POINTS["uint16"]}}},
        uplinks={"lake": plant.uplink(cloud.port, out=routes)}).start()
    here = closing(Paho(4).subscribe(gateway.port, "#", qos=1))
    for _ in range(3):
        received = there.next()
        assert received.topic == "lake/boiler/supply"
        assert received.payload.startswith("boiler,point=supply value=65535")
        received = here.next()
        assert received.topic == "plant1/boiler/supply", "nobody here sees what is for the route"
        assert '"v":65535' in received.payload
