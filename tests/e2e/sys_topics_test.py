"""`$SYS` beside a real mosquitto: the same topics, texts of the same form."""

import pathlib
import pwd
import os
import re
import shutil
import subprocess

import pytest

from rig.gateway import accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until

_MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


def _mosquitto_version() -> str:
    told = subprocess.run([_MOSQUITTO, "-h"], capture_output=True, text=True, check=False).stdout
    return re.search(r"version (\S+)", told).group(1)


class _Mosquitto:
    def __init__(self, directory: pathlib.Path):
        self.port = free_port()
        config = directory / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n"
                          f"user {pwd.getpwuid(os.getuid()).pw_name}\n")
        self.process = Process([_MOSQUITTO, "-c", config])
        wait_until(lambda: accepts(self.port), 10, "mosquitto accepts")

    def close(self):
        self.process.kill()


def _listen(port: int) -> dict[str, str]:
    """What mosquitto_sub gets below $SYS within some rounds, each text with its numbers and names made equal."""
    process = Process(["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "$SYS/broker/#", "-v", "-W", 4 * SLOWNESS])
    process.wait(30)
    forms = {}
    for line in process.out:
        topic, _, text = re.match(r"(\$SYS/\S+(?: messages/count)?)( )(.*)", line).groups()
        if topic.endswith("/version"):
            text = re.sub(r"^\w+", "NAME", text)
        forms[topic] = re.sub(r"\d+\.\d\d$|\d+\.\d+\.\d+|\d+", lambda number: "N" + "." * number.group().count("."), text)
    return forms


@pytest.mark.skipif(_mosquitto_version() != "2.0.11", reason="the topics are those of mosquitto 2.0.11")
def test_topics_and_texts_are_those_of_mosquitto(make_gateway, closing, tmp_path):
    gateway = make_gateway()
    gateway.config["broker"]["sys_interval"] = "1s"
    gateway.write()
    gateway.start()
    theirs = _listen(closing(_Mosquitto(tmp_path)).port)
    ours = _listen(gateway.port)
    assert len(theirs) >= 52
    assert ours == theirs


def test_own_counters_are_beside_them(make_gateway, closing):
    gateway = make_gateway()
    gateway.config["broker"]["sys_interval"] = "1s"
    gateway.config["broker"]["listen"][0]["name"] = "hall 7/east"
    gateway.write()
    gateway.start()
    reader = Process(["mosquitto_sub", "-h", "127.0.0.1", "-p", gateway.port, "-t", "$SYS/ferrule/#", "-v", "-W", 30 * SLOWNESS])

    def value(topic):
        found = [line for line in reader.out if line.startswith(f"$SYS/ferrule/{topic} ")]
        return int(found[-1].rpartition(" ")[2]) if found else -1
    wait_until(lambda: value("listeners/hall 7_east/accepted") >= 2, 20, "the listener's counter")  # the rig's look, and this one
    wait_until(lambda: value("store/commits") >= 0 and value("broker/protocol_errors") == 0, 20, "the store's and the broker's")
    reader.kill()
