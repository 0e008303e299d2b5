"""What changes in the configuration is taken over while the gateway runs, and what has not changed is not touched."""

import json
import signal
import time

import pytest
from pymodbus.client import ModbusTcpClient

import plant
from rig.clients import Mosquitto, Paho
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave


def _ask(gateway, *arguments):
    process = Process([BINARY, *arguments, "--socket", gateway.control])
    return process.wait(30), "\n".join(process.out), "\n".join(process.err)


def _reload(gateway):
    gateway.write()
    code, out, err = _ask(gateway, "reload")
    assert code == 0, err
    return out.strip()


def _status(gateway):
    code, out, err = _ask(gateway, "status", "--json")
    assert code in (0, 1), err
    return json.loads(out)


def _bus(gateway, name):
    return next((bus for bus in _status(gateway)["buses"] if bus["name"] == name), None)


def _polls(gateway, name):
    return sum(device["polls"] for device in _bus(gateway, name)["devices"])


def _device(bus, address, **point):
    return {"bus": bus, "interval": "50ms",
            "points": {"p": {"register": "holding", "address": address, "type": "uint16", "when": "poll", **point}}}


@pytest.fixture
def running(make_gateway, closing):
    """Two buses at one slave that holds at each address the address; and an uplink to nowhere, so that all waits."""
    slave = closing(TcpSlave({1: {("holding", address): address for address in range(100, 110)}}))
    gateway = make_gateway(
        buses={"steady": plant.tcp_bus(slave.port), "changing": plant.tcp_bus(slave.port) | {"host": "localhost"}},
        devices={"meter": _device("steady", 100), "plc": _device("changing", 101)},
        uplinks={"cloud": {"url": f"mqtt://127.0.0.1:{free_port()}", "out": [{"from": "plant1/#"}]}}).start()
    wait_until(gateway.control.exists, 10, "the control socket is there")
    wait_until(lambda: _bus(gateway, "changing")["connected"] and _bus(gateway, "steady")["connected"], 20, "both are polled")
    return gateway


def _value(gateway, topic):
    """The retained value, or nothing."""
    process = Process(["mosquitto_sub", "-p", gateway.port, "-t", topic, "-C", 1, "-W", 2])
    process.wait(20)
    return json.loads(process.out[0])["v"] if process.out and process.out[0].startswith("{") else None


def test_only_the_bus_that_changed_restarts_while_all_else_goes_on_under_load(running, closing):
    seen = closing(Mosquitto(5).subscribe(running.port, "plant1/meter/p", qos=1))
    before = _polls(running, "steady")
    address = 101
    for _ in range(20):
        address = 203 - address  # 101, 102, 101 ...
        running.config["devices"]["plc"] = _device("changing", address)
        assert _reload(running) == "users and rules taken over; buses untouched: 1; restarted: changing"
        wait_until(lambda: _value(running, "plant1/plc/p") == address, 20, "the bus reads another register")
    assert _bus(running, "steady")["connects"] == 1
    assert _polls(running, "steady") > before, "its counters go on"
    # Every poll is published: a gap would show in the times that the values carry.
    times = _times(seen, until=time.time() * 1000)
    assert len(times) >= 10
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 5000, "no poll was left out for long"
    assert times == sorted(times)
    assert _status(running)["uplinks"][0]["queued"] > len(times), "what waits for the cloud goes on waiting"


def test_a_window_under_way_is_published_when_its_bus_restarts_and_at_the_end(running, closing):
    seen = closing(Mosquitto(5).subscribe(running.port, "plant1/plc/p", qos=1))

    def gather(address):
        window = {"every": "24h", "values": ["last", "count"]}
        running.config["devices"]["plc"] = _device("changing", address, window=window)
        _reload(running)
        wait_until(lambda: _bus(running, "changing") and _polls(running, "changing") > 3, 20, "some values are gathered")

    def window_of(address):
        window = wait_until(lambda: (found := json.loads(seen.next().payload)).get("last") == address and found, 20, "it comes")
        assert window["count"] >= 3 and window["q"] == "good" and window["from"] < window["ts"], window

    gather(102)
    gather(103)
    window_of(102)
    running.stop()
    window_of(103)


def _times(subscriber, until):
    """Of the values that arrive, up to the one that is `until` or later: their times in milliseconds since 1970."""
    times = []
    while not times or times[-1] < until:
        times.append(json.loads(subscriber.next().payload)["ts"])
    return times


def test_a_bus_can_come_and_go_and_leaves_no_retained_value_behind(running):
    port = running.config["buses"]["steady"]["port"]
    running.config["buses"]["third"] = {**running.config["buses"]["steady"], "host": "127.0.0.2"}
    running.config["devices"]["oven"] = _device("third", 105)
    assert _reload(running) == "users and rules taken over; buses untouched: 2; new: third"
    assert _bus(running, "third")["port"] == f"127.0.0.2:{port}"
    del running.config["buses"]["changing"], running.config["devices"]["plc"]
    wait_until(lambda: _value(running, "plant1/plc/p") == 101, 10, "there is a retained value")
    assert _reload(running) == "users and rules taken over; buses untouched: 2; ended: changing"
    assert _bus(running, "changing") is None
    assert _value(running, "plant1/plc/p") is None
    assert _value(running, "plant1/meter/p") == 100


def test_commands_go_to_the_points_that_there_are_now(running):
    running.config["devices"]["plc"]["points"]["p"]["write"] = True
    _reload(running)
    command = ["mosquitto_rr", "-p", running.port, "-q", 1, "-e", "answer", "-W", 10]
    for topic, result in (("plant1/plc/p/set", "ok"), ("plant1/meter/p/set", "rejected")):
        process = Process([*command, "-t", topic, "-m", "4711"])
        process.wait(20)
        assert json.loads(process.out[0])["result"] == result, topic
    wait_until(lambda: _value(running, "plant1/plc/p") == 4711, 10, "it was written")


@pytest.mark.parametrize("change, cause", [
    (lambda config: config["buses"]["steady"].update(prot=502), "buses.steady.prot: unknown key"),
    (lambda config: config.update(queue={"durability": "process-crash"}), "another `durability` of its queue needs a restart"),
    (lambda config: config["gateway"].update(id="plant2"), "another section `gateway`: that needs a restart"),
    (lambda config: config["broker"].update(limits={"queued": 5}), "another section `broker`: that needs a restart"),
    (lambda config: config["broker"]["listen"].append({"port": 1}), "other listeners: that needs a restart"),
], ids=["mistake", "uplinks", "gateway", "broker", "listeners"])
def test_what_cannot_be_taken_over_changes_nothing(running, change, cause):
    before = _polls(running, "changing")
    running.config["devices"]["plc"] = _device("changing", 107)
    change(running.config)
    running.write()
    code, _, err = _ask(running, "reload")
    assert code == 78
    assert cause in err
    assert _polls(running, "changing") >= before and _bus(running, "changing")["connects"] == 1
    assert _value(running, "plant1/plc/p") == 101


def test_many_at_once_and_a_stop_in_the_middle_end_well(running):
    running.config["devices"]["plc"] = _device("changing", 103)
    running.write()
    asking = [Process([BINARY, "reload", "--socket", running.control]) for _ in range(8)]
    for _ in range(20):
        running.process.signal(signal.SIGHUP)
    for process in asking:
        assert process.wait(30) == 0, process.err
    wait_until(lambda: _value(running, "plant1/plc/p") == 103, 10, "the last one counts")
    running.config["devices"]["plc"] = _device("changing", 104)
    running.write()
    running.process.signal(signal.SIGHUP)
    time.sleep(0.01)
    running.stop()


def test_a_trace_ends_with_its_bus(running):
    process = Process([BINARY, "trace", "changing", "--socket", running.control])
    wait_until(lambda: len(process.out) > 3, 10, "it shows something")
    running.config["devices"]["plc"] = _device("changing", 103)
    _reload(running)
    assert process.wait(10) != 0
    assert "the bus ended" in process.stderr_text


def _register(master):
    answer = master.read_input_registers(0, 1, slave=1)
    return None if answer.isError() else answer.registers[0]


def test_a_modbus_server_goes_on_unless_what_it_shows_has_changed(running, closing):
    port = free_port()
    running.config["modbus_servers"] = {
        "scada": {"listen": f"127.0.0.1:{port}", "points": [{"from": "plc/p", "register": "input", "address": 0, "type": "uint16"}]}}
    _reload(running)
    wait_until(lambda: accepts(port), 10, "the server accepts")
    master = closing(ModbusTcpClient("127.0.0.1", port=port, timeout=10))
    assert master.connect()
    wait_until(lambda: _register(master) == 101, 10, "it shows the point")
    running.config["devices"]["meter"] = _device("steady", 105)
    assert _reload(running).endswith("restarted: steady")
    assert master.is_socket_open() and _register(master) == 101, "its connection is the same"
    running.config["devices"]["plc"] = _device("changing", 106)
    assert _reload(running).endswith("restarted: changing")
    again = closing(ModbusTcpClient("127.0.0.1", port=port, timeout=10))
    wait_until(lambda: again.connect() and _register(again) == 106, 10, "it shows what the point is now")


def test_uplinks_come_change_and_go_while_others_and_what_waits_are_not_touched(make_gateway, cloud, closing):
    steady, changing, late = (closing(Paho(4).subscribe(cloud.port, f"{name}/#", qos=1)) for name in ("steady", "changing", "late"))
    nowhere = f"mqtt://127.0.0.1:{free_port()}"

    def uplink(name, **keys):
        return plant.uplink(cloud.port, client_id=name, out=[{"from": "plant1/#", "to": f"{name}/{{topic}}", "qos": 1}]) | keys

    gateway = make_gateway(uplinks={"steady": uplink("steady"), "changing": uplink("changing", url=nowhere)}).start()
    wait_until(lambda: "uplink steady: online" in gateway.process.stderr_text, 20, "one is online")
    publish = lambda text: Paho(4).publish(gateway.port, "plant1/x", text, qos=1)
    publish("waits")
    # One that changes keeps its queue, and what is published meanwhile is not lost.
    gateway.config["uplinks"]["changing"] = uplink("changing")
    gateway.config["uplinks"]["late"] = uplink("late")
    assert "; new uplinks: late; uplinks connecting anew: changing" in _reload(gateway)
    publish("after")
    assert [changing.next(30).payload for _ in range(2)] == ["waits", "after"]
    assert late.next(30).payload == "after"
    assert [steady.next().payload for _ in range(2)] == ["waits", "after"]
    # One that is gone takes nothing any more, and its file waits for the day it comes back.
    gateway.config["uplinks"]["changing"] = uplink("changing", url=nowhere)
    _reload(gateway)
    publish("left behind")
    back = gateway.config["uplinks"].pop("changing")
    assert _reload(gateway).endswith("; uplinks ended: changing")
    assert [one["name"] for one in _status(gateway)["uplinks"]] == ["steady", "late"]
    publish("for others")
    gateway.config["uplinks"]["changing"] = back | {"url": f"mqtt://127.0.0.1:{cloud.port}"}
    wait_until(lambda: "new uplinks: changing" in _ask_reload(gateway), 20, "its file is free again")
    publish("again")
    assert [changing.next(30).payload for _ in range(2)] == ["left behind", "again"]
    assert gateway.process.stderr_text.count("uplink steady: online") == 1


def _ask_reload(gateway):
    gateway.write()
    return _ask(gateway, "reload")[1]
