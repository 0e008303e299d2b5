"""What an operator asks the running gateway."""

import json
import socket
import stat

import plant
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave


def _ask(gateway, *arguments):
    process = Process([BINARY, *arguments, "--socket", gateway.state_dir / "control.sock"])
    return process.wait(20), process.out, process.err


def _status(gateway):
    code, out, err = _ask(gateway, "status", "--json")
    assert code in (0, 1), err
    return code, json.loads("\n".join(out))


def _device(bus):
    return {"bus": bus, "interval": "100ms", "points": {"p": {"register": "holding", "address": 100, "type": "uint16"}}}


def test_status_tells_the_dead_from_the_living(make_gateway, closing):
    slave = closing(TcpSlave({1: {("holding", 100): 7}}))
    gateway = make_gateway(buses={"good": plant.tcp_bus(slave.port), "bad": plant.tcp_bus(free_port())},
                           devices={"meter": _device("good"), "plc": _device("bad")}).start()
    wait_until(lambda: len(_status(gateway)[1]["problems"]) == 1 and
               _status(gateway)[1]["buses"][0]["devices"][0]["state"] == "ok", 20, "one device is good, one is not")
    code, status = _status(gateway)
    assert code == 1 and status["problems"][0].startswith("bus bad: "), status
    assert status["id"] == "plant1" and status["broker"]["listening"] == [f"127.0.0.1:{gateway.port}"]
    code, out, err = _ask(gateway, "status")
    assert code == 1 and not err
    assert out[1] == "1 problem:" and out[2].startswith("  bus bad: "), out


def test_status_ends_with_0_when_all_is_well(make_gateway):
    gateway = make_gateway().start()
    code, out, _ = _ask(gateway, "status")
    assert code == 0 and out[1].startswith("all is well: "), out


def test_status_says_that_no_gateway_runs(tmp_path):
    process = Process([BINARY, "status", "--socket", tmp_path / "none.sock"])
    assert process.wait(10) == 69
    assert process.err[0].startswith("ferrule: no gateway answers at "), process.err


def test_control_socket_speaks_lines_of_json_and_goes_with_the_gateway(make_gateway):
    gateway = make_gateway().start()
    path = gateway.state_dir / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rw") as lines:
        client.connect(str(path))
        lines.write('{"id": 1, "command": "points"}\n{"id": 2, "command": "nonsense"}\n')
        lines.flush()
        assert json.loads(lines.readline()) == {"id": 1, "result": []}
        answer = json.loads(lines.readline())
        assert answer["id"] == 2 and answer["error"]["code"] == "unknown-command"
    gateway.stop()
    assert not path.exists()


def test_gateway_runs_without_a_control_socket_that_nobody_asked_for(make_gateway, tmp_path):
    gateway = make_gateway()
    (gateway.state_dir / "control.sock").mkdir(parents=True)
    gateway.start()
    assert "exists and is no socket; ferrule status and its kin cannot ask this gateway" in gateway.process.stderr_text


def test_gateway_does_not_start_without_the_control_socket_that_it_names(make_gateway, tmp_path):
    gateway = make_gateway()
    gateway.config["gateway"]["control"] = "/proc/control.sock"
    gateway.write()
    gateway.spawn()
    assert gateway.process.wait(10) == 69
    assert "gateway.control" in gateway.process.stderr_text
