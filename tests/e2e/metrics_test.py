"""The numbers, by the programs that will read them."""

import http.client
import json
import pathlib
import re
import socket
import subprocess
import urllib.request

import pytest

import plant
from rig.gateway import accepts
from rig.ports import free_port
from rig.process import SLOWNESS, wait_until
from rig.slaves import TcpSlave

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def gateway(make_gateway, closing, cloud):
    slave = closing(TcpSlave({1: {("holding", 100): 7}}))
    device = {"interval": "100ms", "points": {"p": {"register": "holding", "address": 100, "type": "uint16"}}}
    gateway = make_gateway(buses={"good": plant.tcp_bus(slave.port), "bad": plant.tcp_bus(free_port())},
                           devices={"meter": {"bus": "good", **device}, "plc": {"bus": "bad", **device}},
                           uplinks={"hq": plant.uplink(cloud.port)})
    gateway.http = free_port()
    gateway.config["gateway"]["http"] = f"127.0.0.1:{gateway.http}"
    gateway.write()
    gateway.start()
    wait_until(lambda: accepts(gateway.http), 10, "the gateway serves numbers")
    return gateway


def _get(gateway, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.http}{path}", timeout=10 * SLOWNESS) as answer:
        return answer.read().decode()


def _samples(gateway):
    lines = [line for line in _get(gateway, "/metrics").splitlines() if not line.startswith("#")]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_metrics_please_promtool(gateway):
    checked = subprocess.run(["promtool", "check", "metrics"], input=_get(gateway, "/metrics"), capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stdout and not checked.stderr, checked


def test_metrics_tell_what_happens(gateway):
    ok = 'ferrule_device_polls_total{bus="good",device="meter",result="ok"}'
    wait_until(lambda: _samples(gateway)[ok] >= 3 and _samples(gateway)['ferrule_uplink_up{uplink="hq"}'] == 1, 20,
               "three polls and the uplink")
    samples = _samples(gateway)
    assert samples['ferrule_device_up{bus="good",device="meter"}'] == 1
    assert samples['ferrule_device_up{bus="bad",device="plc"}'] == 0
    assert samples['ferrule_bus_connected{bus="good"}'] == 1 and samples['ferrule_bus_connected{bus="bad"}'] == 0
    assert samples['ferrule_poll_duration_seconds_count{bus="good"}'] >= 3
    assert samples['ferrule_poll_duration_seconds_bucket{bus="good",le="+Inf"}'] == \
        samples['ferrule_poll_duration_seconds_count{bus="good"}']
    assert 0 < samples['ferrule_poll_duration_seconds_sum{bus="good"}']
    assert samples["process_resident_memory_bytes"] > 1e6 and samples["process_open_fds"] > 5


def test_health_and_readiness(gateway):
    assert _get(gateway, "/healthz") == "ok\n" and _get(gateway, "/readyz") == "ok\n"


def _status_of(port, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=15 * SLOWNESS) as client:
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    (b"GET /metrics HTTP/3.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000, 431),
    (b"GET /healthz?why HTTP/1.0\r\n\r\n", 200),
], ids=["nothing_there", "post", "no_request", "tls", "version", "long", "query"])
def test_server_refuses_what_it_does_not_serve(gateway, request_bytes, status):
    assert _status_of(gateway.http, request_bytes) == status
    assert _get(gateway, "/healthz") == "ok\n"


def test_head_has_the_fields_without_the_body(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.http, timeout=10 * SLOWNESS)
    connection.request("HEAD", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Content-Length") == "3" and answer.read() == b""


def test_request_split_into_bytes_is_served(gateway):
    with socket.create_connection(("127.0.0.1", gateway.http), timeout=10 * SLOWNESS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            client.sendall(bytes([byte]))
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_every_metric_is_documented_and_every_documented_one_is_there(gateway):
    documented = set(re.findall(r"^\| `(\w+)`", (_ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    served = set(re.findall(r"^# TYPE (\w+)", _get(gateway, "/metrics"), re.MULTILINE))
    assert served == documented


def _names_in(text):
    names = set(re.findall(r"\b((?:ferrule|process)_[a-z_]+)", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "prometheus-alerts.yaml"])
def test_shipped_files_use_only_metrics_that_are_there(gateway, file):
    served = set(re.findall(r"^# TYPE (\w+)", _get(gateway, "/metrics"), re.MULTILINE))
    used = _names_in((_ROOT / "ops" / file).read_text())
    assert used and used <= served, used - served


def test_alert_rules_please_promtool(tmp_path):
    checked = subprocess.run(["promtool", "check", "rules", _ROOT / "ops/prometheus-alerts.yaml"], capture_output=True, text=True)
    assert checked.returncode == 0, checked
    tested = subprocess.run(["promtool", "test", "rules", _ROOT / "tests/ops/alerts_test.yaml"], capture_output=True, text=True)
    assert tested.returncode == 0, tested


def _under(node, key):
    """Every value of that key, at any depth."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return ([node[key]] if isinstance(node, dict) and key in node else []) + [one for child in children for one in _under(child, key)]


def test_dashboard_asks_what_promtool_understands(tmp_path):
    dashboard = json.loads((_ROOT / "ops/grafana-dashboard.json").read_text())
    variables = {f"${variable['name']}": "gw.*" for variable in dashboard["templating"]["list"]}
    expressions = _under(dashboard["panels"], "expr")
    assert len(expressions) >= 20
    for name, value in variables.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    assert not [expression for expression in expressions if "$" in expression]
    rules = tmp_path / "rules.yaml"  # JSON is YAML
    rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
        {"record": f"panel:{i}", "expr": expression} for i, expression in enumerate(expressions)]}]}))
    checked = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
    assert checked.returncode == 0 and f"{len(expressions)} rules found" in checked.stdout, checked


def test_every_alert_has_a_test():
    alerts = set(re.findall(r"alert: (\w+)", (_ROOT / "ops/prometheus-alerts.yaml").read_text()))
    assert alerts and alerts == set(re.findall(r"alertname: (\w+)", (_ROOT / "tests/ops/alerts_test.yaml").read_text()))


def test_gateway_without_http_listens_nowhere_else(make_gateway):
    gateway = make_gateway().start()
    assert "http:" not in gateway.process.stderr_text
