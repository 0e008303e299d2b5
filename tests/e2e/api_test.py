"""The HTTP API, by Python's own HTTP client: reading, logging in, writing, parked messages and streams."""

import http.client
import json
import pathlib
import ssl
import subprocess

import pytest

import plant
from rig.clients import Mosquitto
from rig.cloud import Cloud
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import SLOWNESS, wait_until
from rig.slaves import TcpSlave

_OPENAPI = json.loads((pathlib.Path(__file__).parents[2] / "docs/openapi.json").read_text())
_TOKEN = "0123456789abcdef0123456789abcdef"


def _fits(value, schema) -> bool:
    if "$ref" in schema:
        schema = _OPENAPI["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema:
        return any(_fits(value, one) for one in schema["oneOf"])
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
    if value is None:
        return schema.get("nullable", False)
    if "type" not in schema:
        return True
    if not isinstance(value, kinds[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return False
    if schema["type"] == "array":
        return all(_fits(one, schema["items"]) for one in value)
    members = schema.get("properties", {})
    return all(name in value for name in schema.get("required", [])) and \
        all(_fits(one, members[name]) for name, one in value.items() if name in members) if schema["type"] == "object" else True


class _Api:
    def __init__(self, port: int):
        self.port = port
        self.fields = {}

    def open(self, method: str, path: str, body=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOWNESS)
        headers = {**self.fields, **fields}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
        return connection.getresponse()

    def ask(self, method: str, path: str, body=None, **fields):
        """The status and the answer, which are what openapi.json says."""
        answer = self.open(method, path, body, **fields)
        text = answer.read()
        value = json.loads(text) if text else None
        said = _OPENAPI["paths"]["/" + path.split("?")[0]][method.lower()]["responses"][str(answer.status)].get("content")
        assert (said is None) == (value is None) and (said is None or _fits(value, said["application/json"]["schema"])), (path, value)
        return answer.status, value

    def get(self, path: str, **fields):
        status, answer = self.ask("GET", path, **fields)
        assert status == 200, answer
        return answer

    def log_in(self, user: str, password: str):
        answer = self.open("POST", "login", {"user": user, "password": password})
        session = json.loads(answer.read())
        assert answer.status == 200, session
        self.fields = {"Cookie": answer.getheader("Set-Cookie").split(";")[0], "X-CSRF-Token": session["csrf"]}
        return session

    def log_in_status(self, user: str, password: str) -> int:
        return self.ask("POST", "login", {"user": user, "password": password})[0]


def _events(answer, path):
    """The events of a stream, as they come: their name and what they say, which is what openapi.json says."""
    schemas = _OPENAPI["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]["x-events"]
    name = ""
    for line in answer:
        line = line.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            assert _fits(event, schemas[name]), (name, event)
            yield name, event


def _next(events, name: str, wanted=lambda event: True):
    return next(event for known, event in events if known == name and wanted(event))


@pytest.fixture
def site(make_gateway, closing):
    """A running gateway with one device, and its API; with these keys of `gateway.http`."""
    def start(http=None, uplinks=None):
        slave = closing(TcpSlave({1: plant.CELLS}))
        points = {"uint16": plant.POINTS["uint16"], "coil": {**plant.POINTS["coil_off"], "write": True},
                  "set": {**plant.POINTS["int16_scaled"], "unit": "°C", "write": {"min": -10, "max": 50, "readback": "5s"}}}
        gateway = make_gateway(buses={"line1": plant.tcp_bus(slave.port)}, devices={"plc": plant.device("line1") | {"points": points}},
                               **({"uplinks": uplinks} if uplinks else {}))
        port = free_port()
        place = f"127.0.0.1:{port}"
        gateway.config["gateway"]["http"] = {"listen": place, **http} if http else place
        gateway.write()
        gateway.start()
        wait_until(lambda: accepts(port), 10, "the API answers")
        api = _Api(port)
        api.gateway = gateway
        return api
    return start


def _users(tmp_path) -> dict:
    """As `ferrule passwd` and `!file` give them; JSON has no tags, so the token stands in the file itself."""
    file = tmp_path / "page-users"
    subprocess.run([BINARY, "passwd", file, "anna"], input="right\n", text=True, check=True, capture_output=True)
    subprocess.run([BINARY, "passwd", file, "guest"], input="guest\n", text=True, check=True, capture_output=True)
    return {"password_file": str(file), "users": {"anna": {"role": "operate"}}, "tokens": {"scada": {"token": _TOKEN}}}


def _wait_for_values(api):
    wait_until(lambda: all(point["quality"] == "good" for point in api.get("values")), 20, "all values are good")


def test_without_users_this_machine_reads_and_nobody_writes(site):
    api = site()
    _wait_for_values(api)
    status = api.get("status")
    assert status["problems"] == [] and status["id"] == "plant1"
    device = api.get("devices")[0]
    assert device["name"] == "plc" and device["bus"] == "line1" and device["unit_id"] == 1 and device["state"] == "ok"
    assert 0 < device["round_trip"] < 60 and 0 <= device["last_good"] < 60
    assert [(point["point"], point["value"]) for point in api.get("values?device=plc")] == \
        [("uint16", "65535"), ("coil", "false"), ("set", "23.4")]
    assert api.get("values?device=none") == []
    assert [point["point"] for point in api.get("writable")] == ["coil", "set"]
    assert api.get("events?limit=1")[0]["kind"] == "start"
    assert api.get("queue") == [] and api.get("configuration")["reload"] is None
    assert api.get("session") == {"user": None, "role": "read", "csrf": None, "login": False}
    code, answer = api.ask("POST", "write", {"device": "plc", "point": "set", "value": 1})
    assert code == 403 and answer["error"]["code"] == "read-only"
    assert api.ask("GET", "status", Host="evil.example:8080")[0] == 403
    assert api.ask("GET", "events?limit=x")[0] == 400


def test_login_writes_with_its_token_and_leaves_a_trace(site, tmp_path):
    api = site(_users(tmp_path))
    assert api.ask("GET", "status")[0] == 401 and api.get("session")["login"] is True
    assert api.log_in_status("anna", "wrong") == 401 and api.log_in_status("nobody", "right") == 401
    assert api.ask("POST", "login", {"user": "anna", "password": "right"}, **{"Content-Type": "text/plain"})[0] == 415
    assert api.log_in("anna", "right")["role"] == "operate"
    _wait_for_values(api)
    write = {"device": "plc", "point": "set", "value": 21.5}
    csrf = api.fields.pop("X-CSRF-Token")
    assert api.ask("POST", "write", write)[1]["error"]["code"] == "csrf"
    api.fields["X-CSRF-Token"] = csrf
    assert api.ask("POST", "write", write) == (200, {"result": "ok", "why": "", "v": 21.5})
    wait_until(lambda: api.get("values?device=plc")[2]["value"] == "21.5", 10, "the value is read")
    code, answer = api.ask("POST", "write", {**write, "value": 51})
    assert code == 200 and answer["result"] == "rejected" and "above the maximum, 50" in answer["why"]
    for body in ({}, {**write, "point": "uint16"}, {**write, "value": None}, {"device": 1}):
        assert api.ask("POST", "write", body)[0] == 400, body
    kinds = [(event["kind"], event["who"]) for event in api.get("events")]
    assert kinds.count(("write", "user anna (127.0.0.1)")) == 2 and ("login", "user anna") in kinds
    assert ("login-failed", "user nobody") in kinds
    journal = api.gateway.process.stderr_text
    assert "login-failed: user anna: from 127.0.0.1 by the page: wrong login" in journal
    assert "login-failed: user nobody: " in journal and "login: user anna: from 127.0.0.1 by the page" in journal
    assert api.ask("POST", "logout", {})[0] == 204
    assert api.ask("GET", "status")[0] == 401


def test_guests_and_tokens_read_only(site, tmp_path):
    api = site(_users(tmp_path))
    api.log_in("guest", "guest")
    assert api.ask("POST", "write", {"device": "plc", "point": "set", "value": 1})[1]["error"]["code"] == "read-only"
    program = _Api(api.port)
    program.fields = {"Authorization": f"Bearer {_TOKEN}"}
    assert program.get("status")["id"] == "plant1"
    assert program.ask("POST", "queue/drop", {"uplink": "hq", "seqs": [1]})[0] == 403
    program.fields = {"Authorization": "Bearer wrong"}
    assert program.ask("GET", "status")[0] == 401


def test_over_tls_the_cookie_is_secure(site, certificates, tmp_path):
    tls = {"cert": str(certificates / "server.crt"), "key": str(certificates / "server.key")}
    api = site({**_users(tmp_path), "tls": tls})
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=20 * SLOWNESS, context=ssl._create_unverified_context())
    connection.request("POST", "/api/v1/login", json.dumps({"user": "anna", "password": "right"}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Set-Cookie").endswith("; HttpOnly; SameSite=Strict; Secure")


def test_openapi_says_what_is_served(site, tmp_path):
    api = site({**_users(tmp_path), "tokens": {"all": {"token": _TOKEN, "role": "operate"}}})
    token = {"Authorization": f"Bearer {_TOKEN}"}
    open_to_all = {"/login", "/session"}
    for path, methods in _OPENAPI["paths"].items():
        for method, operation in methods.items():
            if path not in open_to_all:
                assert api.ask(method.upper(), path[1:], {} if method == "post" else None)[0] == 401, path
            if method == "get" and "application/json" in operation["responses"]["200"]["content"]:
                api.get(path[1:], **token)
        other = "POST" if "get" in methods else "GET"
        answer = api.open(other, path[1:])
        assert answer.status == 405 and answer.getheader("Allow") in ("GET, HEAD", "POST"), path


def test_streams_tell_values_events_and_publications(site, tmp_path):
    api = site()
    _wait_for_values(api)
    answer = api.open("GET", "live?device=plc")
    assert answer.getheader("Content-Type") == "text/event-stream"
    live = _events(answer, "/live")
    assert _next(live, "events")[0]["kind"] == "start"
    assert _next(live, "status")["id"] == "plant1"
    values = _next(live, "values")
    assert values["device"] == "plc" and values["total"] == 3 and len(values["points"]) == 3
    assert _next(live, "status")["uptime"] > 0  # and goes on
    tap = _events(api.open("GET", "tap?filter=other/%23"), "/tap")
    Mosquitto(5).publish(api.gateway.port, "other/a", "hello", qos=1)
    item = _next(tap, "publication")
    assert item["topic"] == "other/a" and item["payload"] == "hello"
    Mosquitto(5).publish(api.gateway.port, "plant1/plc/uint16/set", "1", qos=1)  # no such command: noted, and told
    assert "uint16" in _next(live, "event", lambda event: event["kind"] == "write")["cause"]
    assert api.ask("GET", "tap?filter=a/%23/b")[0] == 400


def test_ninth_stream_of_a_user_and_seventeenth_of_all_are_refused_and_the_rest_is_served(site):
    names = ("one", "two", "three")
    tokens = {name: f"{_TOKEN}-{name}" for name in names}
    api = site({"tokens": {name: {"token": token} for name, token in tokens.items()}})

    def stream(name, path="tap"):
        return api.open("GET", path, Authorization=f"Bearer {tokens[name]}")
    streams = [stream(name) for name in names[:2] for _ in range(8)]
    assert {answer.status for answer in streams} == {200}
    assert stream("one", "live").status == 429 and stream("three").status == 503
    assert api.get("status", Authorization=f"Bearer {tokens['one']}")["id"] == "plant1"
    streams.pop().close()
    wait_until(lambda: stream("two").status == 200, 10, "there is room again")


def test_values_come_in_pages(site):
    api = site()
    everything = [point["point"] for point in api.get("values")]
    assert len(everything) == 3

    def page(query):
        return [point["point"] for point in api.get(f"values?{query}")]
    assert page("limit=2") == everything[:2] and page("limit=2&after=2") == everything[2:] and page("after=3&device=plc") == []
    for wrong in ("limit=10001", "limit=some", "after=-1"):
        assert api.ask("GET", f"values?{wrong}")[0] == 400, wrong


def test_metrics_count_into_the_requests_of_an_address(site):
    port = site().port

    def status(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * SLOWNESS)
        connection.request("GET", path)
        return connection.getresponse().status
    wait_until(lambda: 429 in [status("/metrics") for _ in range(50)], 100, "too many requests")
    assert status("/healthz") == 200


def test_parked_messages_are_listed_retried_and_dropped(site, closing, tmp_path):
    cloud = closing(Cloud(tmp_path / "cloud", extra="max_packet_size 300"))
    api = site(_users(tmp_path), uplinks={"hq": plant.uplink(cloud.port)})
    api.log_in("anna", "right")
    for payload in ("x" * 400, "y" * 400):
        Mosquitto(5).publish(api.gateway.port, "plant1/large", payload, qos=1)

    def parked():
        return api.get("queue?uplink=hq")["rows"]
    wait_until(lambda: len(parked()) == 2, 20, "two are parked")
    first, second = parked()
    assert first["topic"] == "sites/plant1/large" and "Packet too large" in first["reason"] and api.get("queue") == ["hq"]
    assert api.ask("POST", "queue/drop", {"uplink": "hq", "seqs": [first["seq"]]}) == (200, 1)
    assert api.ask("POST", "queue/retry", {"uplink": "hq", "seqs": [second["seq"]]}) == (200, 1)  # and is refused again
    wait_until(lambda: [row["seq"] for row in parked()] not in ([], [second["seq"]]), 20, "it is parked under another number")
    assert api.ask("POST", "queue/drop", {"uplink": "hq", "seqs": "all"})[0] == 400
    assert [event["cause"] for event in api.get("events") if event["kind"] == "queue"] == \
        ["1 parked messages of uplink hq dropped", "1 parked messages of uplink hq sent again"]


def test_failed_reload_says_what_is_wrong_where(site):
    api = site()
    api.gateway.config["buses"]["line1"]["hots"] = "x"
    api.gateway.write()
    api.gateway.process.signal(1)
    wait_until(lambda: api.get("configuration")["reload"], 10, "the reload failed")
    last = api.get("configuration")["reload"]
    assert last["ok"] is False and "hots: unknown key" in last["text"], last
