"""`ferrule run --setup`: somebody has just installed Ferrule, or has broken its configuration."""

import http.client
import json
import os
import shutil
import subprocess

import pytest

from rig.browser import Browser
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until


@pytest.fixture
def set_up(closing, tmp_path):
    """`ferrule run FILE --setup` as a process, and its port."""
    def start(file, **env):
        port = free_port()
        process = Process([BINARY, "run", file, "--setup", f"127.0.0.1:{port}"], env={**os.environ, "STATE_DIRECTORY": str(tmp_path), **env})
        wait_until(lambda: accepts(port) or not process.running, 20, "the setup answers")
        assert process.running, process.stderr_text
        closing(_Closer(process))
        return process, port
    return start


class _Closer:
    def __init__(self, process):
        self.close = process.kill


def _ask(port: int, method: str = "GET", body=None, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * SLOWNESS)
    connection.request(method, "/api/v1/setup", None if body is None else json.dumps(body), {"Content-Type": "application/json", **fields})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_broken_configuration_is_shown_and_runs_once_it_is_mended(set_up, tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text("version: 1\nbuses: {plc: {type: modbus-tcp, hots: 10.0.0.5}}\n")
    process, port = set_up(file)
    status, found = _ask(port)
    assert status == 200 and found["there"] and not found["ready"]
    assert 'plant.yaml:2:' in found["trouble"] and 'did you mean "host"?' in found["trouble"], found
    assert _ask(port, Host="evil.example")[0] == 403
    assert _ask(port, "POST", {}, **{"Content-Type": "text/plain"})[0] == 415
    status, answer = _ask(port, "POST", {"id": "plant1"})
    assert status == 409 and "is there already" in answer["error"]["message"]
    broker = free_port()
    file.write_text(f"version: 1\nbroker: {{listen: [{{port: {broker}}}]}}\n")
    assert _ask(port)[1]["ready"] is True
    wait_until(lambda: accepts(broker), 20, "the gateway runs")
    process.signal(15)
    assert process.wait(20) == 0


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_form_makes_a_first_configuration(set_up, closing, tmp_path):
    file = tmp_path / "plant.yaml"
    _, port = set_up(file)
    browser = closing(Browser())
    browser.do("goto", url=f"http://127.0.0.1:{port}/")
    browser.wait_for("#verdict", "is not there yet")
    browser.do("fill", selector="#id", text="plant7")
    browser.do("fill", selector="#tcp", text="10.0.0.5 plc2:1502")
    browser.do("fill", selector="#cloud", text="hq.example")
    browser.do("click", selector="#form button")
    browser.wait_for("#refused", "uplinks.cloud.url")
    assert not file.exists()
    browser.do("fill", selector="#cloud", text="mqtt://hq.example")
    browser.do("click", selector="#form button")
    browser.wait_for("#verdict", "the gateway starts")
    checked = subprocess.run([BINARY, "check", file], capture_output=True, text=True)
    assert checked.returncode == 0 and "3 buses, 3 devices" in checked.stdout, checked
    text = file.read_text()
    assert 'id: "plant7"' in text and f"http: 127.0.0.1:{port}" in text and 'host: "plc2", port: 1502' in text


def test_setup_is_for_this_machine_only(tmp_path):
    process = Process([BINARY, "run", tmp_path / "none.yaml", "--setup", "0.0.0.0:8080"])
    assert process.wait(20) == 64
    assert "this machine only" in process.stderr_text


def test_nothing_is_served_when_the_configuration_runs(tmp_path):
    file = tmp_path / "plant.yaml"
    broker, port = free_port(), free_port()
    file.write_text(f"version: 1\nbroker: {{listen: [{{port: {broker}}}]}}\n")
    process = Process([BINARY, "run", file, "--setup", f"127.0.0.1:{port}"], env={**os.environ, "STATE_DIRECTORY": str(tmp_path)})
    wait_until(lambda: accepts(broker), 20, "the gateway runs")
    assert not accepts(port)
    process.signal(15)
    assert process.wait(20) == 0
