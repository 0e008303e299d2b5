"""The uplink over TLS, to mosquitto with certificates of openssl."""

import shutil
import subprocess

import pytest

import plant
from rig.clients import Paho
from rig.cloud import Cloud
from rig.ports import free_port
from rig.process import wait_until


def _openssl(directory, name: str, *more: str):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", *more],
                   cwd=directory, check=True, capture_output=True)


@pytest.fixture
def files(tmp_path):
    """ca.pem, which signed server.pem and gw.pem, and other.pem, which did not."""
    directory = tmp_path / "tls"
    directory.mkdir()
    for ca in ("ca", "other"):
        _openssl(directory, ca)
    for name, host in (("server", "localhost"), ("gw", "gw")):
        _openssl(directory, name, "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{host}",
                 "-addext", "basicConstraints=CA:FALSE")
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
    return plant.uplink(cloud.port, url=f"mqtts://localhost:{cloud.tls_port}", tls=tls, **more)


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
