"""Every way into the broker as strangers' clients take it: TLS and mTLS, WebSocket, Unix socket, IPv6, a socket of systemd's."""

import contextlib
import json
import os
import pathlib
import queue
import resource
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import time

import paho.mqtt.client as paho
import pytest

from rig.certificates import tls
from rig.clients import Mosquitto, Received, javascript_env, new_client_id, paho_client
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until

_WATCHER = Mosquitto(4)


@pytest.fixture
def listening(make_gateway, closing):
    """`listening({...}, {...})` is a gateway with these listeners besides a plain one, and a subscriber to `#` at that one."""
    def start(*listeners):
        gateway = make_gateway()
        gateway.config["broker"]["listen"] += listeners
        gateway.write()
        gateway.start()
        return gateway, closing(_WATCHER.subscribe(gateway.port, "#", qos=2))
    return start


def publish(*arguments, topic="a", payload="x", qos=1, fails=False):
    """By mosquitto_pub, which is given where to as options."""
    process = Process(["mosquitto_pub", "-t", topic, "-m", payload, "-q", qos, "-i", new_client_id(), *arguments])
    code = process.wait(15)
    assert (code != 0) == fails, process.err


@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
@pytest.mark.parametrize("tls_version", ["tlsv1.2", "tlsv1.3"])
def test_mosquitto_publishes_over_tls(listening, certificates, version, tls_version):
    port = free_port()
    gateway, watcher = listening({"port": port, "tls": tls(certificates)})
    for qos in (0, 1, 2):
        publish("-h", "localhost", "-p", port, "--cafile", certificates / "ca.crt", "--tls-version", tls_version, "-V", version,
                qos=qos, payload=f"{qos}")
        assert watcher.next() == Received("a", f"{qos}", qos, False)


def test_mosquitto_shows_its_certificate_and_others_are_refused(listening, certificates):
    port = free_port()
    ca = str(certificates / "ca.crt")
    gateway, watcher = listening({"port": port, "tls": tls(certificates, ca=ca, crl=str(certificates / "ca.crl"))})

    def by(name):
        return ["-h", "localhost", "-p", port, "--cafile", ca] + (
            ["--cert", certificates / f"{name}.crt", "--key", certificates / f"{name}.key"] if name else [])
    publish(*by("client"), payload="of a client")
    assert watcher.next().payload == "of a client"
    for name, reason in ((None, "did not return a certificate"), ("revoked", "certificate revoked"), ("stranger", "self-signed")):
        publish(*by(name), fails=True)
        wait_until(lambda: any(reason in line for line in gateway.process.err), 5, f"the log says {reason}")
    watcher.nothing()


def test_openssl_finds_the_certificate_of_the_name_and_resumes(listening, certificates, tmp_path):
    port = free_port()
    listening({"port": port, "tls": tls(certificates, sni=[tls(certificates, "other")])})

    def s_client(*arguments, for_seconds="1"):
        command = ["timeout", for_seconds, "openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", certificates / "ca.crt",
                   *arguments]
        return subprocess.run(list(map(str, command)), stdin=subprocess.PIPE, capture_output=True, text=True).stdout
    assert "subject=CN = localhost" in s_client("-servername", "localhost").replace("CN=", "CN = ")
    assert "subject=CN = other.plant" in s_client("-servername", "b.wild.plant").replace("CN=", "CN = ")
    assert "Protocol  : TLSv1.2" in s_client("-tls1_2")
    assert "Cipher is (NONE)" in s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    session = tmp_path / "session"
    for version in ("-tls1_2", "-tls1_3"):
        process = subprocess.Popen(["openssl", "s_client", "-connect", f"localhost:{port}", version, "-sess_out", session],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(session.exists, 10, "a ticket came")
        process.communicate("", timeout=10)
        assert "Reused, TLSv1." in s_client(version, "-sess_in", session)
        session.unlink()


def test_certificates_are_renewed_without_dropping_anybody(listening, certificates, tmp_path):
    port = free_port()
    for kind in ("crt", "key"):
        shutil.copy(certificates / f"server.{kind}", tmp_path / f"gw.{kind}")
    gateway, _ = listening({"port": port, "tls": tls(tmp_path, "gw")})

    def names():
        context = ssl.create_default_context(cafile=certificates / "ca.crt")
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as wrapped:
            return [name for _, name in wrapped.getpeercert()["subjectAltName"]]
    client = paho_client(new_client_id(), paho.MQTTv311, True)
    client.tls_set(certificates / "ca.crt")
    lost = queue.Queue()
    client.on_disconnect = lambda *arguments: lost.put(arguments)
    client.connect("localhost", port)
    client.loop_start()
    assert "localhost" in names()
    for kind in ("key", "crt"):
        shutil.copy(certificates / f"other.{kind}", tmp_path / f"new.{kind}")
        (tmp_path / f"new.{kind}").rename(tmp_path / f"gw.{kind}")
    wait_until(lambda: "other.plant" in names(), 10, "the new certificate is shown")
    client.publish("a", "still here", 1).wait_for_publish(10)
    assert lost.empty()
    client.disconnect()
    client.loop_stop()


def _javascript_publish(url, certificates, version, payload):
    script = pathlib.Path(__file__).parent / "js/publish_to.js"
    options = {"url": url, "ca": str(certificates / "ca.crt"), "version": version, "payload": payload}
    process = Process(["node", script, json.dumps(options)], env=javascript_env())
    assert process.wait(15) == 0, process.out + process.err


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_mqttjs_publishes_over_websocket(listening, certificates, version, secure):
    port = free_port()
    listener = {"port": port, "protocol": "websocket", "path": "/mqtt"}
    _, watcher = listening({**listener, "tls": tls(certificates)} if secure else listener)
    for payload in ("x", "y" * 100_000):
        _javascript_publish(f"{'wss' if secure else 'ws'}://localhost:{port}/mqtt", certificates, version, payload)
        assert watcher.next() == Received("a", payload, 2, False)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_paho_subscribes_over_websocket(listening, certificates, secure):
    port = free_port()
    listener = {"port": port, "protocol": "websocket"}
    gateway, _ = listening({**listener, "tls": tls(certificates)} if secure else listener)
    first = [paho.CallbackAPIVersion.VERSION1] if hasattr(paho, "CallbackAPIVersion") else []
    client = paho.Client(*first, client_id=new_client_id(), transport="websockets")
    if secure:
        client.tls_set(certificates / "ca.crt")
    received, subscribed = queue.Queue(), queue.Queue()
    client.on_message = lambda client, userdata, message: received.put(message.payload)
    client.on_subscribe = lambda *arguments: subscribed.put(True)
    client.on_connect = lambda client, *rest: client.subscribe("big", 1)
    client.connect("localhost", port)
    client.loop_start()
    subscribed.get(timeout=15)
    payloads = [bytes([i]) * 100_000 for i in range(20)]
    publisher = paho_client(new_client_id(), paho.MQTTv311, True)
    publisher.connect("127.0.0.1", gateway.port)
    publisher.loop_start()
    for payload in payloads:
        publisher.publish("big", payload, 1).wait_for_publish(15)
    assert [received.get(timeout=15) for _ in payloads] == payloads
    for one in (client, publisher):
        one.disconnect()
        one.loop_stop()


def test_browser_talks_to_the_broker(listening, certificates):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    port, foreign = free_port(), free_port()
    _, watcher = listening({"port": port, "protocol": "websocket"},
                           {"port": foreign, "protocol": "websocket", "origins": ["https://hmi.plant"]})
    script = pathlib.Path(__file__).parent / "js/browser.js"
    process = Process(["node", script, json.dumps({"port": port, "foreign": foreign})], env=javascript_env())
    assert process.wait(60) == 0, process.out + process.err
    assert watcher.next() == Received("browser", "hello", 1, False)
    assert json.loads(process.out[-1]) == {"echo": "hello", "clean": True, "foreign": "refused"}


@pytest.fixture
def short_path():
    """A socket's path has at most 107 bytes: tmp_path, which is below the checkout, is soon longer."""
    with tempfile.TemporaryDirectory() as directory:
        yield pathlib.Path(directory)


def test_unix_socket_has_its_mode_and_survives_a_kill(listening, short_path):
    path = short_path / "mqtt.sock"
    gateway, watcher = listening({"unix": str(path), "mode": "0600"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    publish("--unix", path, payload="local")
    assert watcher.next().payload == "local"
    gateway.kill()
    assert path.exists()
    gateway.start()
    publish("--unix", path, payload="again")
    gateway.stop()
    assert not path.exists()


def test_ipv6_takes_ipv4_only_when_asked_to(listening):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    port = free_port()
    _, watcher = listening({"port": port, "bind": "::1"})
    publish("-h", "::1", "-p", port, payload="six")
    assert watcher.next().payload == "six"
    assert not accepts(port)


def test_socket_of_systemd_is_taken_over(make_gateway, certificates):
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("systemd-socket-activate is not installed")
    gateway = make_gateway()
    passed = free_port()
    gateway.config["broker"]["listen"].append({"systemd": "mqtt", "anonymous": True, "tls": tls(certificates)})
    gateway.write()
    gateway.process = Process(["systemd-socket-activate", "-l", f"127.0.0.1:{passed}", "--fdname=mqtt", BINARY, "run", gateway.file],
                              env={**os.environ})
    wait_until(lambda: accepts(passed) or not gateway.process.running, 20, "the socket is there")
    wait_until(lambda: accepts(gateway.port), 20, "the gateway runs")
    publish("-h", "localhost", "-p", passed, "--cafile", certificates / "ca.crt")
    gateway.stop()


def _proxy_header(source):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton(source) + socket.inet_aton("10.0.0.1")
            + (50000).to_bytes(2, "big") + (1883).to_bytes(2, "big"))


def test_client_behind_a_proxy_is_known_by_its_own_address(listening):
    port = free_port()
    gateway, _ = listening({"port": port, "proxy_protocol": ["127.0.0.1"]})
    with socket.create_connection(("127.0.0.1", port)) as proxy:
        proxy.sendall(_proxy_header("192.0.2.9") + b"\xc0\x00")  # not a CONNECT
        assert proxy.recv(1) == b""
    wait_until(lambda: any("192.0.2.9:50000" in line for line in gateway.process.err), 5, "the log names the client")


def test_check_shows_what_is_wrong_with_certificates(certificates, tmp_path):
    file = tmp_path / "ferrule.yaml"

    def check(listener):
        file.write_text(f"version: 1\nbroker:\n  listen:\n    - {json.dumps(listener)}\n")
        return subprocess.run([BINARY, "check", file], capture_output=True, text=True)
    missing = check({"port": 0, "tls": {"cert": "gone.crt", "key": str(certificates / "server.key")}})
    assert missing.returncode == 78
    assert "ferrule.yaml:4:35: error: broker.listen[0].tls.cert: cannot read" in missing.stderr
    mixed = check({"port": 0, "tls": {"cert": str(certificates / "server.crt"), "key": str(certificates / "other.key")}})
    assert mixed.returncode == 78
    assert ".tls.key: the key" in mixed.stderr and "is not that of the certificate" in mixed.stderr
    old = check({"port": 0, "tls": tls(certificates, "expired")})
    assert old.returncode == 0
    assert "ferrule.yaml:4:35: warning: broker.listen[0].tls.cert: the certificate CN=localhost" in old.stderr
    assert "expired on 2020-01-01" in old.stderr


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12_000:
        pytest.skip(f"at most {hard} files can be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# FAULTS 27
def test_ten_thousand_half_open_connections_do_not_disturb_the_others(many_files, make_gateway, certificates, closing):
    secured = free_port()
    gateway = make_gateway()
    gateway.config["broker"]["listen"].append({"port": secured, "tls": tls(certificates)})
    gateway.config["broker"]["limits"] = {"connections": 20_000, "half_open": 15_000, "connect_timeout": "5m"}
    gateway.write()
    gateway.start()
    watcher = closing(_WATCHER.subscribe(gateway.port, "#", qos=2))
    with contextlib.ExitStack() as stack:
        for i in range(10_000):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", secured if i % 2 else gateway.port)))
            one.send(b"\x10" if i % 4 else b"\x16")  # the first byte of a CONNECT or of a TLS handshake, or not
        times = []
        for i in range(20):
            began = time.monotonic()
            publish("-h", "127.0.0.1", "-p", gateway.port, payload=f"{i}", qos=2)
            times.append(time.monotonic() - began)
            assert watcher.next().payload == f"{i}"
        assert sorted(times)[10] < 0.5 * SLOWNESS, f"a QoS 2 publish took {sorted(times)[10]:.3f} s"
