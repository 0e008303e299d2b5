"""`ferrule queue`: what the cloud refused for good is listed, exported, sent again and removed, on a gateway that runs and on
the files of one that does not."""

import json
import subprocess

import ledger
import plant
from rig.clients import new_client_id, paho_client, paho_connect
from rig.cloud import Cloud
from rig.gateway import BINARY
from rig.process import wait_until

import paho.mqtt.client as paho


def _queue(*arguments, code=0) -> str:
    result = subprocess.run([BINARY, "queue", *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert result.returncode == code, result.stderr
    return result.stdout


def _rows(*arguments) -> list:
    return [json.loads(line) for line in _queue(*arguments).splitlines()]


def _publish(gateway, payloads):
    client = paho_client(new_client_id(), paho.MQTTv311, True)
    paho_connect(client, gateway.port, paho.MQTTv311, True)
    client.loop_start()
    for payload in payloads:
        client.publish("plant1/ledger/0", payload, 1).wait_for_publish()
    client.disconnect()
    client.loop_stop()


def test_refused_messages_are_listed_exported_retried_and_dropped(closing, tmp_path, make_gateway):
    cloud = closing(Cloud(tmp_path / "cloud", extra="max_packet_size 300"))
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port)}).start()
    running = ["--socket", gateway.control]
    stopped = ["--state-dir", gateway.state_dir]
    wait_until(gateway.control.exists, 20, "the control socket is there")
    _publish(gateway, ["1", "x" * 400, "2", b"\xff" * 400])
    wait_until(lambda: collector.count == 2 and len(_queue("ls", *running).splitlines()) == 2, 20, "two are parked")

    rows = _rows("export", *running)
    assert [row["topic"] for row in rows] == ["sites/plant1/ledger/0"] * 2
    assert rows[0]["payload"] == "x" * 400 and "payload_base64" in rows[1]
    assert all("Packet too large" in row["reason"] and row["uplink"] == "hq" for row in rows)
    assert "xxx" in _queue("show", rows[0]["seq"], *running)

    assert _queue("retry", rows[0]["seq"], *running) == "1 are sent again\n"  # and refused once more, under another number
    wait_until(lambda: rows[0]["seq"] not in [row["seq"] for row in _rows("ls", "--json", *running)]
               and len(_rows("ls", "--json", *running)) == 2, 20, "it is parked again")
    _queue("drop", *running, code=64)
    assert _queue("drop", rows[1]["seq"], *running) == "1 dropped\n"
    for done in ("sent again", "dropped"):  # for the journal
        wait_until(lambda done=done: f": 1 parked messages of uplink hq {done}" in gateway.process.stderr_text, 10, done)
    gateway.stop()

    left = _rows("export", *stopped)
    assert [row["payload"] for row in left] == ["x" * 400]
    assert _queue("retry", "--all", *stopped) == "1 are sent again\n"
    assert _queue("ls", *stopped) == ""
    assert [row["payload"] for row in _rows("export", "--queued", *stopped)] == ["x" * 400]
    gateway.start()
    wait_until(gateway.control.exists, 20, "the control socket is there")
    wait_until(lambda: len(_queue("ls", *running).splitlines()) == 1, 20, "it is refused again")
    assert _queue("drop", "--all", *running) == "1 dropped\n"
    assert _queue("ls", *running) == ""
    _publish(gateway, ["3"])
    wait_until(lambda: collector.count == 3, 20, "what fits still arrives")
