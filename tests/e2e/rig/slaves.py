"""Modbus slaves by other people's servers, each in a process of its own."""

import json
import os
import pathlib
import sys
import urllib.request

from rig.clients import javascript_env
from rig.gateway import accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until

RTU_SLAVE = os.environ.get("FERRULE_RTU_SLAVE", str(pathlib.Path(__file__).parents[3] / "build/dev/tests/e2e/rtu_slave"))


def _lines(units: dict) -> str:
    """`{unit: {(table, address): value}}` as both programs read it."""
    return "".join(f"{unit} {table} {address} {value}\n"
                   for unit, cells in units.items() for (table, address), value in cells.items())


class TcpSlave:
    """pymodbus on a free port."""

    def __init__(self, units: dict, port: int = 0):
        self.port = port or free_port()
        self.process = Process([sys.executable, pathlib.Path(__file__).with_name("tcp_slave.py"), self.port], stdin=_lines(units))
        wait_until(lambda: accepts(self.port), 15, "pymodbus accepts")

    def close(self):
        self.process.kill()


class TickingSlave:
    """pymodbus on a free port; `units` are the devices' numbers. What they say changes with each reading, and each `stall`-th reading
    comes too late: see ticking_slave.py."""

    def __init__(self, units: dict, stall: int):
        self.port = free_port()
        program = pathlib.Path(__file__).with_name("ticking_slave.py")
        self.process = Process([sys.executable, program, self.port, stall, *(f"{unit}={device}" for unit, device in units.items())])
        wait_until(lambda: accepts(self.port), 15, "pymodbus accepts")

    def stalls(self) -> list[tuple[float, float]]:
        """In seconds since 1970."""
        return [tuple(map(float, line.split())) for line in list(self.process.out)]

    def close(self):
        self.process.kill()


class FaultySlave:
    """pymodbus on a free port; `answer(response_type=..., ...)` says how it answers from then on, as pymodbus calls it."""

    def __init__(self, units: dict):
        self.port, self.web_port = free_port(), free_port()
        program = pathlib.Path(__file__).with_name("faulty_slave.py")
        self.process = Process([sys.executable, program, self.port, self.web_port], stdin=_lines(units))
        for port in (self.port, self.web_port):
            wait_until(lambda port=port: accepts(port), 15, "pymodbus accepts")

    def answer(self, **how):
        request = urllib.request.Request(f"http://127.0.0.1:{self.web_port}/", json.dumps(how).encode())
        with urllib.request.urlopen(request, timeout=10 * SLOWNESS) as response:
            assert response.status == 200

    def close(self):
        self.process.kill()


class JavaScriptSlave:
    """modbus-serial on a free port."""

    def __init__(self, units: dict):
        self.port = free_port()
        cells = {unit: {f"{table} {address}": value for (table, address), value in held.items()} for unit, held in units.items()}
        program = pathlib.Path(__file__).parents[1] / "js/modbus_slave.js"
        self.process = Process(["node", program, json.dumps({"port": self.port, "units": cells})], env=javascript_env())
        assert self.process.out_queue.get(timeout=20 * SLOWNESS) == "serving", self.process.stderr_text

    def close(self):
        self.process.kill()


class RtuSlave:
    """libmodbus's server at one end of a pty pair; `path` is the other."""

    def __init__(self, directory: pathlib.Path, unit: int, units: dict):
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "master"
        far = directory / "slave"
        self.wire = Process(["socat", f"pty,raw,echo=0,link={self.path}", f"pty,raw,echo=0,link={far}"])
        wait_until(lambda: self.path.exists() and far.exists(), 10, "socat made the pty pair")
        self.process = Process([RTU_SLAVE, far, unit], stdin=_lines(units))
        assert self.process.out_queue.get(timeout=10) == "serving"

    def close(self):
        self.process.kill()
        self.wire.kill()


class SerialServer:
    """socat as a serial server: passes bytes between a TCP port and the line of an RtuSlave."""

    def __init__(self, slave: RtuSlave):
        self.port = free_port()
        self.slave = slave
        self.process = Process(["socat", f"tcp-listen:{self.port},bind=127.0.0.1,reuseaddr,fork", f"open:{slave.path},raw,echo=0"])
        wait_until(lambda: accepts(self.port), 15, "socat listens")

    def close(self):
        self.process.kill()
        self.slave.close()


class OtherSlave:
    """pymodbus over UDP, TLS (with the certificates of `directory`), ASCII on a pty pair in `directory` or behind socat as a serial server.
    `bus` is its section."""

    def __init__(self, kind: str, directory: pathlib.Path, units: dict):
        self.processes = []
        port = free_port()
        if kind in ("ascii", "ascii_tcp"):
            near, far = directory / "near", directory / "far"
            self._run(["socat", f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}"])
            wait_until(lambda: near.exists() and far.exists(), 10, "socat made the pty pair")
            arguments = [far]
            self.bus = {"type": "modbus-ascii", "port": str(near), "line": {"parity": "none", "data_bits": 8}}
            if kind == "ascii_tcp":
                self._run(["socat", f"tcp-listen:{port},bind=127.0.0.1,reuseaddr,fork", f"open:{near},raw,echo=0"])
                self.bus = {"type": "modbus-ascii-tcp", "host": "127.0.0.1", "port": port}
        elif kind == "udp":
            arguments = [port]
            self.bus = {"type": "modbus-udp", "host": "127.0.0.1", "port": port}
        else:
            arguments = [port] + [directory / name for name in ("ca.crt", "server.crt", "server.key")]
            files = {name: str(directory / file) for name, file in (("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key"))}
            self.bus = {"type": "modbus-tls", "host": "localhost", "port": port, "tls": files}
        self._run([sys.executable, pathlib.Path(__file__).with_name("tcp_slave.py"), kind.removesuffix("_tcp"), *arguments], _lines(units))

    def _run(self, command, stdin=None):
        self.processes.append(Process(command, stdin=stdin))

    def close(self):
        for process in reversed(self.processes):
            process.kill()
