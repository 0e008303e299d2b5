"""`ferrule uplink test`: every step with its time, and a plain reason where the way ends."""

import json
import re
import subprocess

import pytest

from rig.clients import Paho
from rig.cloud import Cloud
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import Process, wait_until

EX_USAGE, EX_UNAVAILABLE = 64, 69


@pytest.fixture
def test_uplink(tmp_path):
    def run(*arguments, **uplink):
        file = tmp_path / "plant.yaml"
        settings = {"client_id": "plant1", "out": [{"from": "plant1/#", "to": "sites/{topic}"}], **uplink}
        file.write_text(json.dumps({"version": 1, "gateway": {"id": "plant1"}, "uplinks": {"hq": settings}}))
        process = Process([BINARY, "uplink", "test", file, *(arguments or ["hq"])])
        code = process.wait(30)
        steps = {}
        for line in process.out:
            if match := re.fullmatch(r"  (\w+) +\d+ ms  (.*)", line):
                steps[match[1]] = match[2]
        return code, steps, process
    return run


def test_a_way_that_works(test_uplink, cloud, closing):
    subscriber = closing(Paho(4).subscribe(cloud.port, "#", qos=1))
    code, steps, process = test_uplink(url=f"mqtt://127.0.0.1:{cloud.port}")
    assert code == 0, process.out
    assert list(steps) == ["DNS", "TCP", "CONNECT", "PUBLISH"]
    assert "MQTT 5 as plant1-test" in steps["CONNECT"]
    received = subscriber.next()
    assert (received.topic, received.qos) == ("sites/plant1/ferrule-test", 1)


def test_it_publishes_nothing_when_it_is_not_to(test_uplink, cloud, closing):
    subscriber = closing(Paho(4).subscribe(cloud.port, "#", qos=1))
    code, steps, _ = test_uplink("hq", "--no-publish", "--as-itself", url=f"mqtt://127.0.0.1:{cloud.port}", mqtt="3.1.1")
    assert code == 0 and list(steps) == ["DNS", "TCP", "CONNECT"]
    assert "MQTT 3.1.1 as plant1;" in steps["CONNECT"]
    subscriber.nothing()


def test_a_name_that_there_is_not(test_uplink):
    code, steps, _ = test_uplink(url="mqtt://no-such-host.invalid")
    assert code == EX_UNAVAILABLE and list(steps) == ["DNS"] and "FAILED: cannot resolve" in steps["DNS"]


def test_a_port_where_nobody_listens(test_uplink):
    code, steps, _ = test_uplink(url=f"mqtt://127.0.0.1:{free_port()}")
    assert code == EX_UNAVAILABLE and list(steps) == ["DNS", "TCP"] and "Connection refused" in steps["TCP"]


def test_a_wrong_password(test_uplink, closing, tmp_path):
    strict = closing(Cloud(tmp_path / "strict", "me", "right"))
    code, steps, _ = test_uplink(url=f"mqtt://127.0.0.1:{strict.port}", username="me", password="wrong")
    assert code == EX_UNAVAILABLE and "FAILED: MQTT 5: refused: Not authorized" in steps["CONNECT"]


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
def test_a_certificate_that_is_not_trusted_and_one_that_is(scheme, test_uplink, closing, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   cwd=tmp_path, check=True, capture_output=True)
    port = free_port()
    protocol = "protocol websockets\n" if scheme == "wss" else ""
    closing(Cloud(tmp_path / "cloud", extra=f"listener {port} 127.0.0.1\n{protocol}certfile {tmp_path}/cert.pem\n"
                  f"keyfile {tmp_path}/key.pem\n"))
    wait_until(lambda: accepts(port), 10, "mosquitto accepts there too")
    code, steps, _ = test_uplink(url=f"{scheme}://localhost:{port}")
    assert code == EX_UNAVAILABLE and "comes from a CA that is not in the machine's list" in steps["TLS"]
    code, steps, process = test_uplink(url=f"{scheme}://localhost:{port}", tls={"ca": str(tmp_path / "cert.pem")})
    assert code == 0, process.out
    assert "certificate for localhost until 20" in steps["TLS"]
    assert ("WebSocket" in steps) == (scheme == "wss")


def test_a_name_that_no_uplink_has(test_uplink):
    code, _, process = test_uplink("nowhere", url="mqtt://a")
    assert code == EX_USAGE and "there are: hq" in process.stderr_text
