"""Every listener, every protocol version and every QoS, by four strangers' clients: one table, one gateway."""

import dataclasses
import json
import os
import pathlib
import queue
import socket
import ssl
import tempfile

import paho.mqtt.client as paho
import pytest

import plant
from rig.certificates import tls
from rig.clients import Mosquitto, Paho, Received, javascript_env, new_client_id
from rig.gateway import Gateway
from rig.ports import free_port
from rig.process import Process, wait_until

_PAHO_CLIENT = os.environ.get("FERRULE_PAHO_CLIENT", str(pathlib.Path(__file__).parents[2] / "build/dev/tests/e2e/paho_client"))
_VERSIONS = (3, 4, 5)  # 3: MQTT 3.1
_ALL = [[qos, str(qos)] for qos in (0, 1, 2)]  # what each row publishes and has to get back


@dataclasses.dataclass(frozen=True)
class _Way:
    name: str
    settings: dict  # of the listener
    secure: bool = False
    mutual: bool = False
    websocket: bool = False
    host: str = "localhost"

    @property
    def port(self):
        return self.settings["port"]

    def url(self, plain="mqtt", secure="mqtts"):
        scheme = ("wss" if self.secure else "ws") if self.websocket else secure if self.secure else plain
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.fixture
def ways(make_gateway, certificates):
    """A gateway with every kind of listener."""
    encrypted = {"tls": tls(certificates)}
    mutual = {"tls": tls(certificates, ca=str(certificates / "ca.crt"), crl=str(certificates / "ca.crl"))}
    websocket = {"protocol": "websocket"}
    with tempfile.TemporaryDirectory() as directory:  # a socket's path has at most 107 bytes
        all_ways = [_Way("tcp", {"port": free_port()}), _Way("tls", {"port": free_port(), **encrypted}, secure=True),
                    _Way("mtls", {"port": free_port(), **mutual}, secure=True, mutual=True),
                    _Way("ws", {"port": free_port(), **websocket}, websocket=True),
                    _Way("wss", {"port": free_port(), **websocket, **encrypted}, secure=True, websocket=True),
                    _Way("wss_mtls", {"port": free_port(), **websocket, **mutual}, secure=True, mutual=True, websocket=True),
                    _Way("unix", {"unix": f"{directory}/mqtt.sock"})]
        if _has_ipv6():
            all_ways.append(_Way("ipv6", {"port": free_port(), "bind": "::1"}, host="::1"))
        gateway = make_gateway()
        gateway.config["broker"]["listen"] += [way.settings for way in all_ways]
        gateway.write()
        gateway.start()
        yield all_ways
        gateway.stop()


def _rows(ways, serves):
    return [(way, version) for way in ways if serves(way) for version in _VERSIONS]


def test_mosquittos_clients(ways, certificates):
    def where(way, version):
        to = ["--unix", way.settings["unix"]] if way.name == "unix" else ["-h", way.host, "-p", way.port]
        to += ["--cafile", certificates / "ca.crt"] if way.secure else []
        to += ["--cert", certificates / "client.crt", "--key", certificates / "client.key"] if way.mutual else []
        return [*to, "-V", {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}[version], "-t", f"{way.name}/{version}", "-i", new_client_id()]
    rows = _rows(ways, lambda way: not way.websocket)  # mosquitto 2.0's clients have no WebSocket
    subscribers = []
    for way, version in rows:
        subscriber = Process(["stdbuf", "-oL", "mosquitto_sub", *where(way, version), "-q", 2, "-C", 3, "-W", 30, "-d", "-F", "got %q %p"])
        subscribers.append(subscriber)
    for subscriber in subscribers:
        while not subscriber.out_queue.get(timeout=30).startswith("Subscribed"):
            pass
    for qos in (0, 1, 2):
        publishers = [Process(["mosquitto_pub", *where(way, version), "-q", qos, "-m", qos]) for way, version in rows]
        assert [publisher.wait(30) for publisher in publishers] == [0] * len(rows)
    for (way, version), subscriber in zip(rows, subscribers):
        assert subscriber.wait(30) == 0, f"{way.name}, version {version}: {subscriber.out}"
        assert sorted(line for line in subscriber.out if line.startswith("got ")) == ["got 0 0", "got 1 1", "got 2 2"], way


def test_mqttjs(ways, certificates):
    rows = [{"url": way.url(), "version": version, "topic": f"{way.name}/{version}", "mutual": way.mutual}
            for way, version in _rows(ways, lambda way: way.name != "unix")]  # mqtt.js has no Unix sockets
    files = {"ca": str(certificates / "ca.crt"), "cert": str(certificates / "client.crt"), "key": str(certificates / "client.key")}
    script = pathlib.Path(__file__).parent / "js/matrix.js"
    process = Process(["node", script, json.dumps({**files, "rows": rows})], env=javascript_env())
    assert process.wait(60) == 0, process.err
    came = {row["topic"]: row["came"] for row in map(json.loads, process.out)}
    assert came == {row["topic"]: _ALL for row in rows}


def _by_paho(way, version, certificates):
    first = [paho.CallbackAPIVersion.VERSION1] if hasattr(paho, "CallbackAPIVersion") else []
    client = paho.Client(*first, client_id=new_client_id(), protocol=version, transport="websockets" if way.websocket else "tcp")
    if way.secure:
        context = ssl.create_default_context(cafile=certificates / "ca.crt")
        if way.mutual:
            context.load_cert_chain(certificates / "client.crt", certificates / "client.key")
        client.tls_set_context(context)
    topic = f"{way.name}/{version}"
    received, subscribed = queue.Queue(), queue.Queue()
    client.on_message = lambda client, userdata, message: received.put([message.qos, message.payload.decode()])
    client.on_subscribe = lambda *arguments: subscribed.put(True)
    client.on_connect = lambda client, *rest: client.subscribe(topic, 2)
    client.connect(way.host, way.port)
    client.loop_start()
    try:
        subscribed.get(timeout=30)
        for qos in (0, 1, 2):
            client.publish(topic, str(qos), qos).wait_for_publish(30)
        return sorted(received.get(timeout=30) for _ in _ALL)
    finally:
        client.disconnect()
        client.loop_stop()


def test_paho_python(ways, certificates):
    for way, version in _rows(ways, lambda way: way.name != "unix"):  # paho 1.6 has no Unix sockets
        assert _by_paho(way, version, certificates) == _ALL, f"{way.name}, version {version}"


def test_pahos_cpp_library(ways, certificates):
    rows = _rows(ways, lambda way: way.name != "unix")  # it has no Unix sockets
    files = [certificates / "ca.crt", certificates / "client.crt", certificates / "client.key"]
    clients = [Process([_PAHO_CLIENT, way.url("tcp", "ssl"), version, f"{way.name}/{version}", new_client_id(),
                        *(files if way.mutual else files[:1] if way.secure else [])]) for way, version in rows]
    for (way, version), client in zip(rows, clients):
        assert client.wait(60) == 0, f"{way.name}, version {version}: {client.stderr_text}"
        assert sorted(client.out) == ["0 0", "1 1", "2 2"], f"{way.name}, version {version}"


@pytest.mark.parametrize("mqtt", ["3.1.1", 5], ids=["over_311", "over_5"])
def test_pahos_cpp_library_brings_an_uplink_here(make_gateway, closing, tmp_path, mqtt):
    """Paho C++ (on Paho C) is what carries an uplink with `client: paho`; here its cloud is another gateway's broker."""
    cloud = closing(Gateway(tmp_path / "cloud", {})).start()
    watcher = closing(Mosquitto(5).subscribe(cloud.port, "#", qos=2))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2, client="paho", mqtt=mqtt)}).start()
    for number in range(20):
        Paho(4).publish(gateway.port, "plant1/x", str(number), qos=2)
    assert [watcher.next() for _ in range(20)] == [Received("sites/plant1/x", str(number), 2, False) for number in range(20)]


@pytest.mark.parametrize("identity, user", [("common-name", "hmi"), ("san-dns", "hmi.plant"), ("san-email", "hmi@plant.example"),
                                            ("san-uri", "urn:plant:hmi")])
def test_a_certificate_logs_its_user_in(make_gateway, certificates, identity, user):
    gateway = make_gateway()
    mutual = tls(certificates, ca=str(certificates / "ca.crt"), crl=str(certificates / "ca.crl"), identity=identity)
    port = free_port()
    gateway.config["broker"] |= {
        "listen": [{"port": gateway.port, "bind": "127.0.0.1", "anonymous": True}, {"port": port, "tls": mutual}],
        "users": {"nobody": {"password": "x"}},
        "anonymous": {"subscribe": ["#"]}}
    if ":" in user:  # cannot be listed: it has what everyone may do
        gateway.config["broker"]["everyone"] = {"publish": ["of/hmi"]}
    else:
        gateway.config["broker"]["users"][user] = {"publish": ["of/hmi"]}
    gateway.write()
    gateway.start()
    watcher = Process(["stdbuf", "-oL", "mosquitto_sub", "-p", gateway.port, "-t", "#", "-v", "-d"])
    while not watcher.out_queue.get(timeout=30).startswith("Subscribed"):
        pass

    def publish(topic, name, *more):
        publisher = Process(["mosquitto_pub", "-h", "localhost", "-p", port, "--cafile", certificates / "ca.crt", "-V", "mqttv5", "-q", 1,
                             "--cert", certificates / f"{name}.crt", "--key", certificates / f"{name}.key", "-t", topic, "-m", "x",
                             "-i", new_client_id(), *more])
        return publisher.wait(30), publisher.stderr_text + "".join(publisher.out)
    assert publish("of/hmi", "client")[0] == 0
    _, said = publish("of/others", "client")
    assert "Not authorized" in said  # PUBACK 0x87: it is in, and no rule allows this
    assert publish("of/hmi", "client", "-u", "somebody")[0] != 0  # not the certificate's name
    assert publish("of/hmi", "revoked")[0] != 0
    assert publish("of/hmi", "stranger")[0] != 0
    wait_until(lambda: any(line.startswith("of/") for line in watcher.out), 10, "what was allowed arrives")
    gateway.stop()
    watcher.kill()
    assert [line for line in watcher.out if line.startswith("of/")] == ["of/hmi x"]
