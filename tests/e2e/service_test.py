"""The gateway as a service: a clean stop within 2 s in every state, and what it tells the service manager."""

import http.client
import json
import re
import signal
import socket
import subprocess
import time
import uuid

import pytest

import ledger
import plant
from rig.clients import Mosquitto, Paho
from rig.cloud import Link, NeverAnswers, NeverConnects
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until
from rig.slaves import TcpSlave
from rig.stuck import stuck, threads

_WITHIN = 2.0  # seconds


def _normal(closing, make_gateway, cloud):
    slave = closing(TcpSlave({1: plant.CELLS}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.device("field")},
                           uplinks={"hq": plant.uplink(cloud.port)}).start()
    closing(Mosquitto(4).subscribe(gateway.port, "plant1/#")).next()
    return gateway


def _uplink_black_hole(closing, make_gateway, cloud):
    gateway = make_gateway(uplinks={"hq": plant.uplink(closing(NeverAnswers()).port)}).start()
    for number in range(5):
        Paho(4).publish(gateway.port, "plant1/x", str(number), qos=1)
    return gateway


def _uplink_connecting(closing, make_gateway, cloud):
    gateway = make_gateway(uplinks={"hq": plant.uplink(closing(NeverConnects()).port)}).start()
    time.sleep(0.5)
    return gateway


def _uplink_cut_under_load(closing, make_gateway, cloud):
    link = closing(Link(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}).start()
    publisher = ledger.Publisher(gateway.port, 2, per_second=500)
    time.sleep(1)
    link.cut(black_hole=True)
    time.sleep(1)
    publisher.finish()
    return gateway


def _slave_silent(closing, make_gateway, cloud):
    gateway = make_gateway(buses={"field": plant.tcp_bus(closing(NeverAnswers()).port, timeout="10s")},
                           devices={"plc": plant.device("field")}).start()
    time.sleep(0.5)  # the bus waits for an answer now
    return gateway


def _slave_connecting(closing, make_gateway, cloud):
    gateway = make_gateway(buses={"field": plant.tcp_bus(closing(NeverConnects()).port, timeout="10s")},
                           devices={"plc": plant.device("field")}).start()
    time.sleep(0.5)
    return gateway


def _serial_port_missing(closing, make_gateway, cloud):
    gateway = make_gateway(buses={"line": plant.rtu_bus("/dev/ferrule-absent")}, devices={"meter": plant.device("line")}).start()
    time.sleep(0.5)
    return gateway


def _just_started(closing, make_gateway, cloud):
    slave = closing(TcpSlave({1: plant.CELLS}))
    return make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": plant.device("field")},
                        uplinks={"hq": plant.uplink(cloud.port)}).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
@pytest.mark.parametrize("state", [_normal, _uplink_black_hole, _uplink_connecting, _uplink_cut_under_load, _slave_silent,
                                   _slave_connecting, _serial_port_missing, _just_started], ids=lambda state: state.__name__.strip("_"))
def test_stops_cleanly_within_two_seconds(state, number, closing, make_gateway, cloud):
    gateway = state(closing, make_gateway, cloud)
    took = gateway.stop(number)
    assert took < _WITHIN, f"{took:.2f} s"


# FAULTS 25
def test_stop_tells_clients_and_keeps_what_is_queued(closing, make_gateway, cloud, link):
    link.cut()
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}).start()
    publisher = ledger.Publisher(gateway.port, 1, per_second=200)
    time.sleep(1)
    gateway.stop()
    gateway.start()
    publisher.finish()
    link.restore()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=False)


@pytest.fixture
def service_manager():
    """The datagram socket that systemd would listen on, in the abstract namespace: `messages()` are the assignments so far."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"ferrule-{uuid.uuid4()}"
        listening.bind("\0" + name)
        listening.setblocking(False)
        received = []

        def messages():
            try:
                while True:
                    received.append(listening.recv(4096).decode())
            except BlockingIOError:
                return received
        yield {"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "400000"}, messages


def test_tells_the_service_manager(make_gateway, service_manager):
    environment, messages = service_manager
    gateway = make_gateway().start(environment)
    wait_until(lambda: any("READY=1" in message for message in messages()), 5, "READY=1")
    assert "READY=1" in messages()[0]  # nothing before it
    seen = len([message for message in messages() if "WATCHDOG=1" in message])
    time.sleep(3)  # at least once in each half of 400 ms, were the machine idle; of these the socket holds ten
    Paho(4).publish(gateway.port, "a", "b", qos=1)  # who does not read holds up nobody
    assert len([message for message in messages() if "WATCHDOG=1" in message]) - seen >= 5
    gateway.stop()
    assert any("STOPPING=1" in message for message in messages())


def test_tells_the_service_manager_how_it_is(make_gateway, service_manager, closing):
    environment, messages = service_manager
    slave = closing(TcpSlave({1: plant.CELLS}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port), "gone": plant.tcp_bus(free_port())},
                           devices={"plc": plant.device("field"), "dead": plant.device("gone")},
                           uplinks={"hq": plant.uplink(free_port())}).start(environment)
    def told():
        return [line for message in messages() for line in message.splitlines() if line.startswith("STATUS=")]
    wait_until(told, 10, "a status")
    assert re.fullmatch(r"STATUS=[01]/2 devices ok, uplink hq [a-z-]+, queue \d+", told()[0]), told()
    wait_until(lambda: told()[-1].startswith("STATUS=1/2 devices ok, uplink hq "), 30, "one device is good, one is not")
    gateway.stop()
    assert told()[-1] == "STATUS=stopping"


def _health(port):
    """The codes and texts of /healthz and /readyz."""
    answers = []
    for path in ("/healthz", "/readyz"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOWNESS)
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read().decode()))
        connection.close()
    return answers


def _status(gateway):
    """How `ferrule status` ends, what it says is stuck, and its first problem."""
    result = subprocess.run([BINARY, "status", "--json", "--socket", gateway.control], capture_output=True, text=True, timeout=30 * SLOWNESS)
    status = json.loads(result.stdout)
    return result.returncode, status["stuck"], next(iter(status["problems"]), None)


_NAMES = {"bus-field": "bus field", "modbus server s": "modbus server scada", "passwords": "password checks", "store": "the store",
          "uplink": "uplink hq"}


@pytest.mark.parametrize("names", [["bus-field"], sorted(_NAMES)], ids=["one", "each"])
def test_is_not_kept_alive_with_a_thread_that_hangs(names, make_gateway, service_manager, closing, cloud):
    environment, messages = service_manager
    port = free_port()
    gateway = make_gateway(
        buses={"field": plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port)}, devices={"plc": plant.one_point("field")},
        uplinks={"hq": plant.uplink(cloud.port, keep_alive="5s")},
        modbus_servers={"scada": {"listen": f"127.0.0.1:{free_port()}",
                                  "points": [{"from": "plc/uint16", "register": "input", "address": 0}]}})
    gateway.config["gateway"]["http"] = f"127.0.0.1:{port}"
    gateway.config["broker"]["users"] = {"ann": {"password": "right", "publish": ["#"]}}
    gateway.write()
    gateway.start({**environment, "FERRULE_PATIENCE": "2"})

    def log_in():
        """Work for the threads that check passwords and for the store, which writes events."""
        client = Process(["mosquitto_pub", "-p", str(gateway.port), "-u", "ann", "-P", "right", "-t", "a", "-m", "b"])
        client.close = client.kill
        return closing(client)

    assert log_in().wait(20) == 0
    wait_until(lambda: messages() and _health(port) == [(200, "ok\n")] * 2, 20, "all is well")
    told = [_NAMES[name] for name in names]
    verdict = f"{', '.join(told)} {'is' if len(told) == 1 else 'are'} stuck"
    with stuck(gateway.process.child.pid, names):
        log_in()
        wait_until(lambda: messages() and _health(port) == [(503, verdict + "\n")] * 2, 60, verdict)
        wait_until(lambda: _status(gateway) == (70, verdict, f"{verdict}: only a restart mends that"), 20, "ferrule status says so")
        seen = len(messages())
        fed = len([message for message in messages() if "WATCHDOG=1" in message])
        wait_until(lambda: len([message for message in messages()[seen:] if message.startswith(f"STATUS={verdict}: ")]) > 5, 20, "STATUS")
        assert len([message for message in messages() if "WATCHDOG=1" in message]) == fed
    wait_until(lambda: len([message for message in messages() if "WATCHDOG=1" in message]) > fed, 20, "fed again")
    wait_until(lambda: _health(port) == [(200, "ok\n")] * 2, 20, "all is well again")
    for name in told:
        assert f"thread of {name} is stuck" in gateway.process.stderr_text
        wait_until(lambda name=name: f"thread of {name} moves again" in gateway.process.stderr_text, 20, f"{name} moves again")


def test_is_not_kept_alive_with_a_loop_that_hangs(make_gateway, service_manager):
    environment, messages = service_manager
    gateway = make_gateway().start(environment)
    wait_until(lambda: any("WATCHDOG=1" in message for message in messages()), 20, "it is kept alive")
    pid = gateway.process.child.pid
    with stuck(pid, [threads(pid)[pid]]):
        seen = len(messages())
        time.sleep(1)  # more than twice WATCHDOG_USEC
        assert len(messages()) == seen
    wait_until(lambda: "WATCHDOG=1" in messages()[seen:], 20, "it is kept alive again")


def test_never_tells_ready_when_it_cannot_start(make_gateway, service_manager):
    environment, messages = service_manager
    gateway = make_gateway()
    with socket.create_server(("127.0.0.1", gateway.port)):
        gateway.spawn(environment)
        assert gateway.process.wait(10) == 69
    assert not any("READY=1" in message for message in messages())


def test_log_tells_what_runs(make_gateway):
    gateway = make_gateway(buses={"field": plant.tcp_bus(1)}, devices={"plc": plant.device("field")}).start()
    wait_until(lambda: f"1 buses, 1 devices, {len(plant.POINTS)} points, 0 uplinks" in gateway.process.stderr_text, 5, "what runs")
