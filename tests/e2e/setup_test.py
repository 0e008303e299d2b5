"""`ferrule run --setup`: somebody has just installed Ferrule, or has broken its configuration."""

import http.client
import json
import os
import shutil
import subprocess

import pytest

from rig import usb_machine
from rig.accessibility import Tree, faint_texts
from rig.browser import Browser
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until


@pytest.fixture
def set_up(closing, tmp_path):
    """`ferrule run FILE --setup` as a process, and its port."""
    def start(file, around=(), **env):
        port = free_port()
        process = Process([*around, BINARY, "run", file, "--setup", f"127.0.0.1:{port}"], env={**os.environ, "STATE_DIRECTORY": str(tmp_path), **env})
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
    status, answer = _ask(port, "POST", {"text": "version: 1\n", "write": True})
    assert status == 409 and "is there already" in answer["error"]["message"]
    assert [_ask(port, "POST", body)[0] for body in ({}, [], {"text": 1}, {"text": "version: 9\n"})] == [400] * 4
    assert _ask(port, "POST", {"text": "version: 1\n"}) == (200, {"warnings": []})
    (tmp_path / "other.yaml").write_text("bind: a secret\n")
    told = _ask(port, "POST", {"text": "broker: {listen: !include other.yaml}\n"})[1]["error"]["message"]
    assert f"{tmp_path}/other.yaml:1:" in told and "secret" not in told, told
    broker = free_port()
    file.write_text(f"version: 1\nbroker: {{listen: [{{port: {broker}}}]}}\n")
    assert _ask(port)[1]["ready"] is True
    wait_until(lambda: accepts(broker), 20, "the gateway runs")
    process.signal(15)
    assert process.wait(20) == 0


@pytest.fixture
def open_form(set_up, closing, tmp_path):
    """The form in a browser, for a file that is not there yet."""
    def start(around=()):
        if shutil.which("chromium") is None:
            pytest.skip("chromium is not installed")
        file = tmp_path / "plant.yaml"
        _, port = set_up(file, around)
        browser = closing(Browser())
        browser.do("goto", url=f"http://127.0.0.1:{port}/")
        browser.wait_for("#verdict", "is not there yet")
        wait_until(lambda: browser.evaluate("document.querySelector('#uplinks button') !== null"), 20, "the form is there")
        browser.file, browser.place = file, f"127.0.0.1:{port}"
        return browser
    return start


@pytest.fixture
def form(open_form):
    return open_form()


def _fill(browser, **fields):
    for where, fill in fields.items():
        for name, text in fill.items():
            selector = f"{where} [name={name}]"
            kind = browser.evaluate(f"document.querySelector({json.dumps(selector)})?.tagName ?? ''")
            assert kind, f"there is no {selector}"
            browser.do("select" if kind == "SELECT" else "fill", selector=selector, text=text)


def test_form_of_the_schema_makes_a_first_configuration(form):
    shown = "[...document.querySelectorAll('section')].filter((one) => one.offsetParent !== null).map((one) => one.id).join()"
    assert form.evaluate(shown) == "first"
    _fill(form, **{"#gateway": {"id": "plant7"}})
    form.do("click", selector=".add-bus")
    _fill(form, **{"#buses .bus": {"name": "plc", "type": "modbus-tcp"}})
    _fill(form, **{"#buses .bus": {"host": "10.0.0.5"}})
    assert form.evaluate("document.querySelector('#buses [name=host]').required")
    form.do("click", selector=".add-device")
    _fill(form, **{"#devices .device": {"name": "boiler", "bus": "plc"}})
    assert not form.evaluate("document.querySelector('#devices [name=frame]') !== null"), "a key of serial sensors"
    form.do("click", selector=".add-point")
    _fill(form, **{".point": {"name": "flow", "register": "input", "address": "0x10", "type": "float32", "unit": "l/s"}})
    form.do("click", selector=".add-uplink")
    _fill(form, **{".uplink": {"name": "hq", "url": "hq.example", "password": "!file secrets/hq"}})
    form.do("click", selector=".add-out")
    _fill(form, **{".out": {"from": "plant7/#", "to": "sites/{topic}"}})
    form.do("click", selector="#make")
    form.wait_for("#refused", "uplinks.hq.url")  # in the words of `ferrule check`
    assert not form.file.exists()
    (form.file.parent / "secrets").mkdir()
    (form.file.parent / "secrets/hq").write_text("a password\n")
    _fill(form, **{".uplink": {"url": "mqtt://hq.example"}})
    form.do("click", selector="#make")
    form.wait_for("#fine", "nothing wrong")
    assert form.evaluate(shown) == "first,review"
    form.do("click", selector="#write")
    form.wait_for("#verdict", "the gateway starts")
    assert form.file.read_text() == f"""version: 2
gateway:
  id: plant7
  http: "{form.place}"
buses:
  plc: {{type: modbus-tcp, host: "10.0.0.5"}}
devices:
  boiler:
    bus: plc
    points:
      flow: {{register: input, address: 0x10, type: float32, unit: l/s}}
uplinks:
  hq:
    url: "mqtt://hq.example"
    password: !file secrets/hq
    out:
      - {{from: "plant7/#", to: "sites/{{topic}}"}}
"""
    checked = subprocess.run([BINARY, "check", form.file], capture_output=True, text=True)
    assert checked.returncode == 0 and "1 buses, 1 devices, 1 points, 1 uplinks" in checked.stdout, checked
    said = form.do("complaints")
    assert not said["foreign"] and not [line for line in said["complaints"] if "status of 400" not in line], said


def test_every_field_of_the_form_is_named_explained_and_checked(form):
    form.do("click", selector=".add-bus")
    _fill(form, **{"#buses .bus": {"name": "line1", "type": "modbus-rtu"}})
    form.evaluate("document.querySelectorAll('#buses details, #gateway details').forEach((one) => { one.open = true })")
    wait_until(lambda: form.evaluate("document.querySelector('#buses [name=turnaround]') !== null"), 20, "More is open")
    unnamed = form.evaluate("""[...document.querySelectorAll('form input, form select')].filter((one) =>
        !document.querySelector(`label[for="${one.id}"]`)?.textContent || !document.getElementById(one.getAttribute('aria-describedby'))).length""")
    assert unnamed == 0
    assert form.evaluate("document.querySelector('#buses [name=port]').getAttribute('list')") == "ports"
    assert form.evaluate("document.querySelector('#buses [name=turnaround]').placeholder") == "100ms"
    assert form.evaluate("[...document.querySelector('#buses [name=parity]').options].map((one) => one.value).join()") == ",none,even,odd"
    for name, wrong, right in (("retries", "11", "10"), ("timeout", "5", "5s"), ("baud", "fast", "19200")):
        for text, fine in ((wrong, False), (right, True), ("", True)):
            _fill(form, **{"#buses .bus": {name: text}})
            assert form.evaluate(f"document.querySelector('#buses [name={name}]').validity.valid") == fine, (name, text)
    assert form.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert Tree(form).nameless() == [] and faint_texts(form) == []


def test_form_offers_the_serial_ports_of_the_machine(open_form, tmp_path):
    form = open_form(usb_machine.around(tmp_path / "machine"))
    form.do("click", selector="#buses .found")
    value = "document.querySelector('#buses .bus [name={}]').value"
    assert [form.evaluate(value.format(name)) for name in ("name", "type", "port")] == ["line1", "modbus-rtu", usb_machine.BY_ID]
    offered = "[...document.querySelector('#buses [name=port]').list.options].map((one) => [one.value, one.label])"
    assert form.evaluate(offered) == [[usb_machine.BY_ID, "FT232R USB UART - A10K2X"]]


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
