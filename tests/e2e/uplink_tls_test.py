"""The uplink over TLS, to mosquitto with certificates of openssl."""

import shutil
import signal
import subprocess
import time

import pytest

import plant
from rig.clients import Paho
from rig.cloud import Cloud, Link
from rig.ports import free_port
from rig.process import wait_until


_DAY = 24 * 3600


def _openssl(directory, name: str, *more: str, days: int = 30):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                    "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", *more],
                   cwd=directory, check=True, capture_output=True)


def _issue(directory, name: str, host: str, days: int):
    _openssl(directory, name, "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{host}",
             "-addext", "basicConstraints=CA:FALSE", days=days)


@pytest.fixture
def files(tmp_path):
    """ca.pem, which signed server.pem (for 2 days) and gw.pem, and other.pem, which did not."""
    directory = tmp_path / "tls"
    directory.mkdir()
    for ca in ("ca", "other"):
        _openssl(directory, ca)
    _issue(directory, "server", "localhost", 2)
    _issue(directory, "gw", "gw", 30)
    return directory


@pytest.fixture
def tls_cloud(closing, tmp_path, files):
    """Wants a certificate on `tls_port`; `port` is without TLS."""
    port = free_port()
    cloud = closing(Cloud(tmp_path / "cloud", extra=f"listener {port} 127.0.0.1\ncertfile {files}/server.pem\n"
                          f"keyfile {files}/server.key\ncafile {files}/ca.pem\nrequire_certificate true"))
    cloud.tls_port = port
    return cloud


def _uplink(cloud, files, **more):
    tls = {"ca": str(files / "trusted.pem"), "cert": str(files / "gw.pem"), "key": str(files / "gw.key")}
    return plant.uplink(cloud.port, **{"url": f"mqtts://localhost:{cloud.tls_port}", "tls": tls, **more})


def test_delivers_with_certificates_on_both_sides(tls_cloud, files, make_gateway, closing):
    shutil.copy(files / "ca.pem", files / "trusted.pem")
    subscriber = closing(Paho(4).subscribe(tls_cloud.port, "#", qos=2))
    gateway = make_gateway(uplinks={"hq": _uplink(tls_cloud, files, qos=2)}).start()
    Paho(4).publish(gateway.port, "plant1/x", "safe", qos=2)
    received = subscriber.next()
    assert (received.topic, received.payload, received.qos) == ("sites/plant1/x", "safe", 2)


# FAULTS 22
def test_says_what_is_wrong_and_goes_on_once_the_file_is_replaced(tls_cloud, files, make_gateway, closing):
    shutil.copy(files / "other.pem", files / "trusted.pem")
    subscriber = closing(Paho(4).subscribe(tls_cloud.port, "#", qos=2))
    gateway = make_gateway(uplinks={"hq": _uplink(tls_cloud, files, qos=2)}).start()
    Paho(4).publish(gateway.port, "plant1/x", "kept", qos=2)
    wait_until(lambda: "comes from a CA that is not in" in gateway.process.stderr_text, 10, "the log says why")
    shutil.copy(files / "ca.pem", files / "trusted.pem")
    assert subscriber.next().payload == "kept"


# FAULTS 22
def test_a_certificate_that_runs_out_ends_no_session_and_lets_no_new_one_begin(tls_cloud, files, clock, make_gateway, closing):
    shutil.copy(files / "ca.pem", files / "trusted.pem")
    link = closing(Link(tls_cloud.tls_port))
    subscriber = closing(Paho(4).subscribe(tls_cloud.port, "#", qos=2))
    gateway = make_gateway(uplinks={"hq": _uplink(tls_cloud, files, qos=2, url=f"mqtts://localhost:{link.port}")})
    gateway.start(clock.environment)
    wait_until(lambda: "uplink hq: online" in gateway.process.stderr_text, 20, "it is online")
    clock.jump(3 * _DAY)
    Paho(4).publish(gateway.port, "plant1/x", "within the session", qos=2)
    assert subscriber.next().payload == "within the session"
    link.cut()
    link.restore()
    wait_until(lambda: "has expired on" in gateway.process.stderr_text, 20, "the log says why")
    Paho(4).publish(gateway.port, "plant1/x", "kept", qos=2)
    subscriber.nothing(1)
    _issue(files, "server", "localhost", 10)
    tls_cloud.process.signal(signal.SIGHUP)
    assert subscriber.next(20).payload == "kept"
    subscriber.nothing()


# FAULTS 22
def test_a_clock_at_1970_is_named_and_the_queue_waits_until_it_is_set(tls_cloud, files, clock, make_gateway, closing):
    shutil.copy(files / "ca.pem", files / "trusted.pem")
    subscriber = closing(Paho(4).subscribe(tls_cloud.port, "#", qos=2))
    clock.jump(-int(time.time()) + 3600)
    gateway = make_gateway(uplinks={"hq": _uplink(tls_cloud, files, qos=2)}).start(clock.environment)
    Paho(4).publish(gateway.port, "plant1/x", "of 1970", qos=2)
    wait_until(lambda: "this machine's date is 1970-01-01" in gateway.process.stderr_text, 20, "the log says why")
    gateway.kill()
    gateway.start(clock.environment)
    clock.jump(0)
    assert subscriber.next(20).payload == "of 1970"
    subscriber.nothing()
