"""Wireshark's MQTT dissector as the judge of what the broker sends: sessions with every type of packet, captured and dissected."""

import shutil
import signal
import socket
import subprocess
import time

import pytest

from rig.process import SLOWNESS, Process, wait_until

_FROM_BROKER = {2, 3, 4, 5, 6, 7, 9, 11, 13}  # CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK PINGRESP
_DISCONNECT = 14


class _Capture:
    """tshark on the loopback interface, for one port."""

    def __init__(self, port: int, file):
        self.port, self.file = port, file
        self.process = Process(["tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", file])
        wait_until(lambda: not self.process.running or any("Capturing on" in line for line in self.process.err), 20, "tshark captures")
        time.sleep(0.5)  # it says so before it does
        if not self.process.running:
            pytest.skip("capture is not permitted here: " + self.process.stderr_text)

    def close(self):
        if self.process.running:
            self.process.signal(signal.SIGINT)
            self.process.wait(20)

    def dissect(self, display_filter: str, *fields: str) -> list[list[str]]:
        command = ["tshark", "-r", self.file, "-d", f"tcp.port=={self.port},mqtt", "-Y", display_filter, "-T", "fields", "-E", "occurrence=a"]
        for field in fields:
            command += ["-e", field]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60 * SLOWNESS, check=True)
        return [line.split("\t") for line in result.stdout.splitlines()]


class _Wire:
    """A client whose bytes the test writes itself, so that it can use everything."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10 * SLOWNESS)

    def talk(self, packets: str, until: int) -> bytes:
        """Sends packets given in hexadecimal, and reads until a packet of type `until` has come."""
        self.socket.sendall(bytes.fromhex(packets))
        got = b""
        while not any(kind == until for kind, _ in self._packets(got)):
            more = self.socket.recv(65536)
            assert more, f"closed after {got.hex()}"
            got += more
        return got

    @staticmethod
    def _packets(stream: bytes):
        while len(stream) >= 2:
            length, shift, at = 0, 0, 1
            while at < len(stream):
                length |= (stream[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if stream[at - 1] < 0x80:
                    break
            if at + length > len(stream):
                return
            yield stream[0] >> 4, stream[at:at + length]
            stream = stream[at + length:]

    def close(self):
        self.socket.close()


def _text(value: str) -> str:
    return len(value).to_bytes(2, "big").hex() + value.encode().hex()


def _packet(first: str, body: str) -> str:
    size = len(body) // 2
    assert size < 128
    return f"{first}{size:02x}{body}"


def _session(port: int, five: bool):
    """Everything a server can send, AUTH excepted, which belongs to authentication methods."""
    none = "00" if five else ""
    pair = "26" + _text("key") + _text("value")
    user = f"{len(pair) // 2:02x}{pair}" if five else ""
    connect5 = "1100000e10" + "220005" + "210003"  # session expiry, topic aliases, receive maximum
    wire = _Wire(port)
    wire.talk(_packet("10", _text("MQTT") + ("05" if five else "04") + "020000" + (f"{len(connect5) // 2:02x}{connect5}" if five else "") +
                      _text("judged")), until=2)
    wire.talk(_packet("82", "0001" + ("020b07" if five else "") + _text("judge/#") + "02"), until=9)
    wire.talk("c000", until=13)
    wire.talk(_packet("30", _text("judge/a") + user + "7830"), until=3)
    wire.talk(_packet("32", _text("judge/a") + "000a" + none + "7831"), until=3)
    wire.talk(_packet("34", _text("judge/a") + "000b" + none + "7832"), until=3)
    wire.talk("6202000b", until=7)
    wire.talk("40020001" + "50020002", until=6)  # for what came to this client: PUBACK, PUBREC
    wire.talk("70020002" + _packet("32", _text("$own") + "000c" + none), until=4)  # not allowed: a reason in MQTT 5
    wire.talk(_packet("a2", "0002" + none + _text("judge/#") + _text("nothing")), until=11)
    other = _Wire(port)
    other.talk(_packet("10", _text("MQTT") + ("05" if five else "04") + "020000" + none + _text("judged")), until=2)
    if five:
        wire.talk("", until=_DISCONNECT)
    other.socket.sendall(bytes.fromhex("e000"))
    for each in (wire, other):
        assert each.socket.recv(65536) == b""
        each.close()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("five", [False, True], ids=["311", "5"])
def test_the_dissector_finds_nothing_malformed(make_gateway, closing, tmp_path, five):
    port = make_gateway().start().port
    capture = closing(_Capture(port, tmp_path / "session.pcapng"))
    _session(port, five)
    time.sleep(1)  # until the kernel has handed on the last of it
    capture.close()
    ours = f"tcp.srcport == {port}"
    types = {int(kind) for row in capture.dissect(f"{ours} && mqtt", "mqtt.msgtype") for kind in row[0].split(",")}
    assert types == (_FROM_BROKER | {_DISCONNECT} if five else _FROM_BROKER)
    bad = capture.dissect(f"{ours} && (_ws.malformed || (mqtt && _ws.expert.severity >= \"Warning\"))", "frame.number", "mqtt.msgtype",
                          "_ws.expert.message")
    assert bad == []
