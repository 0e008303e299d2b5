"""The ways to a cloud that strangers offer: mosquitto's WebSocket listener, tinyproxy, microsocks."""

import shutil
import subprocess

import pytest

import plant
from rig.clients import Paho
from rig.cloud import Cloud
from rig.gateway import accepts
from rig.ports import free_port
from rig.process import Process, wait_until


@pytest.fixture
def web_cloud(closing, tmp_path):
    """Speaks WebSocket on `ws_port`, and over TLS on `wss_port` with `certificate`; MQTT on `port`."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   cwd=tmp_path, check=True, capture_output=True)
    ws, wss = free_port(), free_port()
    cloud = closing(Cloud(tmp_path / "cloud", extra=f"listener {ws} 127.0.0.1\nprotocol websockets\n"
                          f"listener {wss} 127.0.0.1\nprotocol websockets\ncertfile {tmp_path}/cert.pem\n"
                          f"keyfile {tmp_path}/key.pem\n"))
    cloud.ws_port, cloud.wss_port, cloud.certificate = ws, wss, tmp_path / "cert.pem"
    return cloud


def _delivers(cloud, make_gateway, closing, **uplink):
    subscriber = closing(Paho(4).subscribe(cloud.port, "#", qos=2))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=2, **uplink)}).start()
    payloads = ["short", "x" * 200, "y" * 70_000, *map(str, range(100))]
    for payload in payloads:
        Paho(4).publish(gateway.port, "plant1/x", payload, qos=2)
    assert [subscriber.next().payload for _ in payloads] == payloads


def test_delivers_over_websocket(web_cloud, make_gateway, closing):
    _delivers(web_cloud, make_gateway, closing, url=f"ws://127.0.0.1:{web_cloud.ws_port}")


def test_delivers_over_secure_websocket(web_cloud, make_gateway, closing):
    _delivers(web_cloud, make_gateway, closing, url=f"wss://localhost:{web_cloud.wss_port}/mqtt", tls={"ca": str(web_cloud.certificate)})


def test_says_that_there_is_no_websocket(cloud, make_gateway):
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, url=f"ws://127.0.0.1:{cloud.port}")}).start()
    wait_until(lambda: "is this a port for WebSocket?" in gateway.process.stderr_text, 10, "the log says why")


class _Proxy(Process):
    def __init__(self, port, program, *arguments):
        super().__init__([shutil.which(program), *arguments])
        self.port = port
        wait_until(lambda: accepts(port), 10, f"{program} accepts")

    def close(self):
        self.kill()


@pytest.fixture
def tinyproxy(closing, tmp_path):
    port = free_port()
    (tmp_path / "tinyproxy.conf").write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\nBasicAuth ferrule Secret1\n"
                                             "LogLevel Info\n")
    return closing(_Proxy(port, "tinyproxy", "-d", "-c", tmp_path / "tinyproxy.conf")).port


@pytest.fixture
def microsocks(closing):
    port = free_port()
    return closing(_Proxy(port, "microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "ferrule", "-P", "Secret1")).port


@pytest.mark.parametrize("kind", ["tinyproxy", "microsocks"])
def test_delivers_through_a_proxy(kind, request, web_cloud, make_gateway, closing):
    port = request.getfixturevalue(kind)
    scheme = {"tinyproxy": "http", "microsocks": "socks5"}[kind]
    _delivers(web_cloud, make_gateway, closing, url=f"wss://localhost:{web_cloud.wss_port}", tls={"ca": str(web_cloud.certificate)},
              proxy={"url": f"{scheme}://127.0.0.1:{port}", "username": "ferrule", "password": "Secret1"})


@pytest.mark.parametrize("kind", ["tinyproxy", "microsocks"])
def test_says_that_a_proxy_refuses_us(kind, request, cloud, make_gateway):
    port = request.getfixturevalue(kind)
    scheme = {"tinyproxy": "http", "microsocks": "socks5"}[kind]
    wrong = {"url": f"{scheme}://127.0.0.1:{port}", "username": "ferrule", "password": "wrong"}
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, proxy=wrong)}).start()
    wait_until(lambda: "it does not take our user name and password" in gateway.process.stderr_text, 10, "the log says why")
