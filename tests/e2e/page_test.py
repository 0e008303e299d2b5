"""The page of the gateway in a real Chromium: what an operator sees and does there."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

import plant
from rig.accessibility import Tree, faint_texts
from rig.browser import Browser
from rig.clients import Mosquitto
from rig.cloud import Cloud, Link
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import wait_until
from rig.slaves import TcpSlave

_SCREENSHOTS = os.environ.get("FERRULE_SCREENSHOTS")  # a directory that gets some
_ROW = "[...document.querySelectorAll('#values tr')].find((row) => row.cells[0].textContent === '{}')"
pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")


def _picture(browser, name: str):
    if _SCREENSHOTS:
        browser.do("screenshot", path=str(pathlib.Path(_SCREENSHOTS) / name))


class _Site:
    """A gateway with a boiler whose set-point can be written, behind a link; an uplink behind another; and a page for anna."""

    def __init__(self, make_gateway, closing, cloud_port, tmp_path):
        self.field = closing(Link(closing(TcpSlave({1: plant.CELLS})).port))
        self.cloud = closing(Link(cloud_port))
        users = tmp_path / "page-users"
        subprocess.run([BINARY, "passwd", users, "anna"], input="right\n", text=True, check=True, capture_output=True)
        points = {"flow": {**plant.POINTS["uint16"], "unit": "l/h"}, "pump": {**plant.POINTS["coil_on"], "write": True},
                  "setpoint": {**plant.POINTS["int16_scaled"], "unit": "°C", "write": {"min": -10, "max": 80, "readback": "5s"}}}
        self.port = free_port()
        self.gateway = make_gateway(
            buses={"line1": plant.tcp_bus(self.field.port, timeout="500ms", reconnect="100ms..200ms", offline={"after": 2, "retry": "100ms..200ms"})},
            devices={"boiler": plant.device("line1") | {"points": points}}, uplinks={"hq": plant.uplink(self.cloud.port)})
        self.gateway.config["gateway"]["http"] = {"listen": f"127.0.0.1:{self.port}", "password_file": str(users),
                                                  "users": {"anna": {"role": "operate"}}}
        self.gateway.write()
        self.start()

    def start(self):
        self.gateway.start()
        wait_until(lambda: accepts(self.port), 10, "the page is served")


@pytest.fixture
def site(make_gateway, closing, tmp_path):
    cloud = closing(Cloud(tmp_path / "cloud", extra="max_packet_size 300"))
    return _Site(make_gateway, closing, cloud.port, tmp_path)


@pytest.fixture
def browser(closing):
    return closing(Browser())


def _log_in(browser, site):
    browser.do("goto", url=f"http://127.0.0.1:{site.port}/")
    browser.wait_for("#verdict", "Log in")
    browser.do("fill", selector="#user", text="anna")
    browser.do("fill", selector="#password", text="right")
    browser.do("click", selector="#login-form button")
    browser.wait_for("#verdict", "All is well")
    wait_until(lambda: _value(browser, "boiler/setpoint")[1] not in ("", "–"), 20, "the set-point is shown")


def _value(browser, point: str) -> list:
    return browser.evaluate(f"[...({_ROW.format(point)}?.cells ?? [])].map((cell) => cell.textContent)") or [""] * 5


def _is_content(browser):
    """Nothing went wrong in the page, and it asked nobody else."""
    assert browser.do("complaints") == {"complaints": [], "foreign": []}


def test_values_are_live_and_a_write_goes_to_the_device_and_back_on_every_screen(site, browser):
    _log_in(browser, site)
    assert _value(browser, "boiler/setpoint")[1:4] == ["23.4", "°C", "good"]
    assert _value(browser, "boiler/flow")[1:4] == ["65535", "l/h", "good"]
    browser.do("click", selector="#values tr:nth-child(3) button")
    browser.wait_for("#point-title", "boiler/setpoint")
    assert browser.evaluate("document.activeElement.textContent") == "boiler/setpoint"
    browser.do("fill", selector="#new-value", text="42.5")
    browser.do("click", selector="#write button")
    browser.wait_for("#ask-text", "Write 42.5 °C to boiler/setpoint? It is 23.4 now.")
    browser.do("click", selector="#ask button[value=no]")
    browser.do("click", selector="#write button")
    browser.do("click", selector="#ask button[value=yes]")
    browser.wait_for("#written", "42.5 was written to boiler/setpoint and was read back.")
    wait_until(lambda: _value(browser, "boiler/setpoint")[1] == "42.5", 20, "the value is shown")
    browser.wait_for("#events", "user anna (127.0.0.1): plant1/boiler/setpoint/set: 23.4 -> 42.5: ok, read back 42.5")
    browser.wait_for("#topics", "plant1/boiler/setpoint")
    browser.wait_for("#devices", "boiler")
    browser.wait_for("#uplinks", "hq: online")
    assert browser.evaluate("document.querySelector('#trend svg').getAttribute('aria-label')").startswith("Trend: ")
    overflow = browser.evaluate("[document.scrollingElement.scrollHeight <= innerHeight, document.scrollingElement.scrollWidth <= innerWidth]")
    assert overflow == [True, True]
    _picture(browser, "page.png")
    light = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.do("scheme", name="dark")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert faint_texts(browser) == []
    browser.do("viewport", width=390, height=844)  # a phone: one column
    lefts = browser.evaluate("[...new Set([...document.querySelectorAll('section')].map((one) => one.getBoundingClientRect().left))]")
    assert len(lefts) == 1
    assert browser.evaluate("document.scrollingElement.scrollWidth") <= 390
    _picture(browser, "page-phone.png")
    tree = Tree(browser)
    assert tree.nameless() == []
    assert tree.names("heading")[:3] == ["Ferrule plant1", "Buses and devices", "Uplinks and queues"]
    assert tree.names("table") == ["Buses and devices", "Values"]
    assert [header for header in tree.names("columnheader")] == ["Device", "State", "Reply in", "Last good", "Point", "Value", "Unit", "Quality", "Age"]
    assert any(name.startswith("Trend: ") for name in tree.names("img") + tree.names("image")), tree.nodes
    assert [len(tree.names(role)) for role in ("main", "banner", "alert")] == [1, 1, 1]
    _is_content(browser)


# From now on: when the page shows that the gateway is dead, and for how long its own clock stood still meanwhile.
_WATCH_FOR_DEATH = """
    const began = performance.now()
    let last = began
    window.late = 0
    const watch = setInterval(() => {
      const now = performance.now()
      if (now - last > 150) window.late += now - last - 50
      last = now
      if (!document.body.classList.contains('dead')) return
      window.died = now - began
      clearInterval(watch)
    }, 50)"""


def test_cut_device_cut_uplink_and_a_gateway_that_is_gone_are_said_in_words_and_heal(site, browser):
    _log_in(browser, site)
    browser.do("click", selector="#values tr:nth-child(1) button")
    site.field.cut(black_hole=True)
    browser.wait_for("#verdict", "problem")
    browser.wait_for("#verdict", "boiler: no reply in 500 ms, unit 1 on line1, silent for ")
    wait_until(lambda: _value(browser, "boiler/flow")[3].startswith("bad: "), 20, "the value is bad in words")
    assert browser.evaluate(f"getComputedStyle({_ROW.format('boiler/flow')}.cells[1]).backgroundImage").startswith("repeating-linear-gradient")
    site.cloud.cut()
    browser.wait_for("#verdict", "2 problems: ")
    browser.wait_for("#uplinks", "Last error: ")
    assert faint_texts(browser) == []
    _picture(browser, "page-problems.png")
    site.cloud.restore()
    site.field.restore()
    browser.wait_for("#verdict", "All is well", timeout=40)
    wait_until(lambda: browser.evaluate("document.querySelectorAll('#trend .gap').length > 0"), 10, "the trend has a gap")
    _is_content(browser)
    began = time.monotonic()
    browser.evaluate(_WATCH_FOR_DEATH)
    site.gateway.kill()
    killing = 1000 * (time.monotonic() - began)
    browser.wait_for("#verdict", "The gateway has not answered for", timeout=10)
    died, late = wait_until(lambda: browser.evaluate("window.died && [window.died, window.late]"), 5, "the page has seen it")
    assert died - late - killing < 3000, f"shown after {died:.0f} ms, of which the kill took {killing:.0f} and the page stood still for {late:.0f}"
    assert browser.text("#alarm") == "The gateway does not answer." and browser.evaluate("document.body.className") == "dead"
    assert faint_texts(browser) == []  # what was so before is still to be read
    site.start()
    browser.wait_for("#verdict", "Log in", timeout=40)  # its sessions ended with it


def test_topics_are_filtered_and_held_refused_messages_dropped_and_configuration_errors_shown(site, browser):
    _log_in(browser, site)
    browser.do("fill", selector="#topics-form input", text="other/#")
    browser.do("press", key="Enter")
    wait_until(lambda: browser.text("#topics") == "", 20, "the topics begin anew")

    def publish_until(words):
        def seen():
            Mosquitto(5).publish(site.gateway.port, "other/a", words, qos=0)
            return words in browser.text("#topics") + browser.text("#topics-form button")
        wait_until(seen, 20, f"{words} is shown")
    publish_until("first")
    browser.do("click", selector="#topics-form button")
    publish_until("new")
    assert "Go on" in browser.text("#topics-form button") and "new" not in browser.text("#topics")
    Mosquitto(5).publish(site.gateway.port, "plant1/report", "x" * 400, qos=1)
    browser.wait_for("#parked-list", "sites/plant1/report (400 bytes): Packet too large")
    browser.do("click", selector="#parked-list button[aria-label^=Drop]")
    browser.wait_for("#ask-text", "Drop the message for sites/plant1/report at hq?")
    browser.do("click", selector="#ask button[value=yes]")
    wait_until(lambda: browser.text("#parked-list") == "", 20, "it is gone")
    browser.wait_for("#events", "1 parked messages of uplink hq dropped")
    browser.do("fill", selector="#events-form input", text="Parked MESSAGES")
    browser.do("press", key="Enter")
    wait_until(lambda: browser.evaluate("[...document.querySelectorAll('#events li')].map((one) => one.textContent.includes('dropped'))") == [True],
               20, "one event has these words")
    browser.do("fill", selector="#events-form input", text="")
    browser.do("press", key="Enter")
    browser.wait_for("#events", "login user anna")
    browser.do("click", selector="#events-form button")
    site.gateway.config["buses"]["line1"]["hots"] = "x"
    site.gateway.write()
    site.gateway.process.signal(1)
    browser.wait_for("#mistakes", "hots: unknown key")
    browser.wait_for("#events-form button", "Go on (1 new)")
    assert "reload-failed" not in browser.text("#events")
    browser.do("click", selector="#events-form button")
    browser.wait_for("#events", "reload-failed gateway")
    _is_content(browser)


# What a person cannot get at: parts of the page beyond the window, and of a section beyond what is shown of it. Lists may be scrolled,
# but have to show something.
_OUT_OF_SIGHT = """
    [...document.querySelectorAll('html, body, header, main, section, .scroll')].filter((one) => one.offsetParent !== null || one === document.documentElement)
      .map((one) => {
        const box = one.getBoundingClientRect(), name = `${one.tagName} ${one.className} ${one.id}`
        if (box.bottom > innerHeight + 1 || box.right > innerWidth + 1) return `${name} ends at ${box.right}, ${box.bottom}`
        if (one.scrollWidth > one.clientWidth + 1) return `${name} is wider than what is shown of it`
        if (one.classList.contains('scroll')) return one.clientHeight < 40 && one.scrollHeight > one.clientHeight + 1 ? `${name} has ${one.clientHeight} pixels` : ''
        return one.scrollHeight > one.clientHeight + 1 ? `${name} is longer than what is shown of it` : ''
      }).filter((why) => why)"""


def test_plant_of_many_devices_is_on_one_screen(make_gateway, closing, tmp_path, browser):
    units = range(1, 17)
    slave = closing(TcpSlave({unit: plant.CELLS for unit in units}))
    few = {name: plant.POINTS[name] for name in ("uint16", "float64", "string")}
    buses = {"line1": plant.tcp_bus(slave.port), "line2": plant.tcp_bus(slave.port) | {"host": "localhost"}, "gone": plant.tcp_bus(free_port())}
    devices = {f"{bus}-meter-with-a-long-name-{unit}": plant.device(bus, unit) | {"points": few} for bus in buses for unit in units}
    port = free_port()
    gateway = make_gateway(buses=buses, devices=devices, uplinks={f"cloud{i}": plant.uplink(free_port()) for i in (1, 2, 3)})
    gateway.config["gateway"]["http"] = f"127.0.0.1:{port}"
    gateway.write()
    gateway.start()
    wait_until(lambda: accepts(port), 10, "the page is served")
    browser.do("goto", url=f"http://127.0.0.1:{port}/")
    browser.wait_for("#verdict", "problems: bus gone")
    browser.wait_for("#uplinks", "the oldest for ")
    rows = wait_until(lambda: (all_rows := browser.evaluate(
        "[...document.querySelectorAll('#devices tr')].map((row) => [...row.cells].map((cell) => cell.textContent))")) and
        all(row[1] == "ok" for row in all_rows if row[0].startswith("line1-")) and all_rows, 20, "the devices of the line are good")
    titles, good = [row[0] for row in rows if len(row) == 1], [row for row in rows if row[0].startswith("line1-")]
    assert len(rows) == 51 and len(good) == 16
    assert re.fullmatch(rf"line1 \(127\.0\.0\.1:{slave.port}\): \d+ % busy", titles[0]) and "refused" in titles[2], titles
    for _, state, reply, last in good:
        assert state == "ok" and re.fullmatch(r"\d+(\.\d)? ms", reply) and re.fullmatch(r"\d+(\.\d)? s ago", last), good
    assert all(row[1].startswith("failing: ") and row[2:] == ["–", "never"] for row in rows if row[0].startswith("gone-")), rows[-1]
    assert re.search(r"cloud1: [a-z-]+\d+ messages waiting, the oldest for \d+(\.\d)? s", browser.text("#uplinks")), browser.text("#uplinks")
    assert browser.evaluate(_OUT_OF_SIGHT) == []
    browser.evaluate("document.querySelector('.values').style.fontSize = '60px'")
    assert browser.evaluate(_OUT_OF_SIGHT) != []  # it would be seen
    _is_content(browser)


def _tab_to(browser, selector: str):
    for _ in range(60):
        browser.do("press", key="Tab")
        if browser.evaluate(f"document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def test_keyboard_alone_logs_in_chooses_and_writes(site, browser):
    browser.do("goto", url=f"http://127.0.0.1:{site.port}/")
    browser.wait_for("#verdict", "Log in")
    browser.do("type", text="anna")  # the dialog has the focus
    browser.do("press", key="Tab")
    browser.do("type", text="right")
    browser.do("press", key="Enter")
    browser.wait_for("#verdict", "All is well")
    wait_until(lambda: _value(browser, "boiler/setpoint")[3] == "good", 20, "the set-point is read")
    _tab_to(browser, "#values tr:nth-child(3) button")
    browser.do("press", key="Enter")
    browser.wait_for("#point-title", "boiler/setpoint")
    _tab_to(browser, "#new-value")
    browser.do("type", text="7")
    browser.do("press", key="Enter")
    browser.wait_for("#ask-text", "Write 7 °C")
    _tab_to(browser, "#ask button[value=yes]")
    browser.do("press", key="Enter")
    browser.wait_for("#written", "7 was written to boiler/setpoint")
    _is_content(browser)


def test_page_is_small_and_loads_nothing_from_elsewhere(site):
    def load(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/{path}", timeout=20) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            return answer.read()
    web = pathlib.Path(__file__).parents[2] / "web"
    files = [file.name for file in web.iterdir() if file.is_file()]
    assert "page.js" in files
    bodies = {name: load("" if name == "index.html" else name) for name in files}
    for name, body in bodies.items():
        assert body == (web / name).read_bytes(), name
        assert b"//" not in body.replace(b"http://www.w3.org/2000/svg", b"") or name.endswith(".js"), name
    assert sum(len(gzip.compress(body)) for body in bodies.values()) <= 40_000
