"""Who may do what: mosquitto's clients with right and wrong passwords, its password files, SCRAM, and a reload."""

import base64
import hashlib
import hmac
import os
import pty
import signal
import socket
import stat
import struct
import subprocess

import pytest

from rig.gateway import BINARY
from rig.process import Process, wait_until

_VERSIONS = {"311": "311", "5": "5"}
_USERS = {
    "hmi": {"password": "swordfish", "subscribe": ["plant1/#", "!plant1/pay/#"], "publish": ["plant1/+/+/set"]},
    "admin": {"password": "of all", "subscribe": ["#"], "publish": ["#"]},
}


@pytest.fixture(params=_VERSIONS)
def version(request):
    return _VERSIONS[request.param]


@pytest.fixture
def guarded(make_gateway):
    """A running gateway with these keys in its broker section."""
    def start(**keys):
        gateway = make_gateway()
        gateway.config["broker"].update(keys)
        gateway.write()
        return gateway.start()
    return start


def _mosquitto(tool, gateway, version, *arguments, user=None, password=None):
    login = ["-u", user, "-P", password] if user else []
    return Process(["stdbuf", "-oL", f"mosquitto_{tool}", "-h", "127.0.0.1", "-p", gateway.port, "-V", version, *login, *arguments])


def _publish(gateway, version, topic, payload, **login):
    process = _mosquitto("pub", gateway, version, "-q", "1", "-t", topic, "-m", payload, **login)
    return process.wait(10), process


def _subscribed(gateway, version, *filters, **login):
    """A mosquitto_sub that has what is retained at `ready` and goes on."""
    arguments = [word for one in filters for word in ("-t", one)]
    return _mosquitto("sub", gateway, version, "-v", "-d", *arguments, **login)


def _passwd(*arguments, password):
    return subprocess.run([BINARY, "passwd", *map(str, arguments)], input=password + "\n", text=True, capture_output=True, timeout=60)


# Passwords

def test_right_password_is_let_in_and_a_wrong_one_is_told_so(guarded, version):
    gateway = guarded(users=_USERS)
    code, _ = _publish(gateway, version, "plant1/a/b/set", "1", user="hmi", password="swordfish")
    assert code == 0
    for user, password in (("hmi", "wrong"), ("nobody", "swordfish")):
        code, process = _publish(gateway, version, "plant1/a/b/set", "1", user=user, password=password)
        assert code != 0
        wrong = "bad user name or password" if version == "311" else "Bad User Name or Password"
        assert wrong.lower() in (process.stderr_text + "\n".join(process.out)).lower(), process.stderr_text
    code, process = _publish(gateway, version, "plant1/a/b/set", "1")
    assert code != 0 and "not authori" in process.stderr_text.lower(), process.stderr_text
    gateway.stop()
    assert "swordfish" not in gateway.process.stderr_text


@pytest.mark.parametrize("kind", ["sha512-pbkdf2", "sha512"])
def test_password_file_of_mosquitto_is_taken(guarded, tmp_path, kind):
    arguments = ["-H", "sha512"] if kind == "sha512" else []
    subprocess.run(["mosquitto_passwd", *arguments, "-c", "-b", tmp_path / "users", "alice", "right horse"], check=True)
    gateway = guarded(password_file="users", everyone={"publish": ["#"]})
    assert _publish(gateway, "311", "a", "1", user="alice", password="right horse")[0] == 0
    assert _publish(gateway, "311", "a", "1", user="alice", password="wrong horse")[0] != 0


def test_guessing_is_shut_out_for_a_while(guarded):
    gateway = guarded(users=_USERS, limits={"failed_logins": 2, "ban": "2s..2s"})
    for _ in range(2):
        assert _publish(gateway, "5", "plant1/a/b/set", "1", user="hmi", password="wrong")[0] != 0
    code, process = _publish(gateway, "5", "plant1/a/b/set", "1", user="hmi", password="swordfish")
    assert code != 0 and "banned" in process.stderr_text.lower(), process.stderr_text
    wait_until(lambda: _publish(gateway, "5", "plant1/a/b/set", "1", user="hmi", password="swordfish")[0] == 0, 10, "let in again")


# Rules

def test_publishing_is_denied_by_rule(guarded, version):
    gateway = guarded(users=_USERS)
    watcher = _subscribed(gateway, version, "#", user="admin", password="of all")
    wait_until(lambda: any("SUBACK" in line for line in watcher.out), 10, "subscribed")
    code, process = _publish(gateway, version, "plant1/boiler/mode", "denied", user="hmi", password="swordfish")
    assert code == 0  # the acknowledgement is all that 3.1.1 knows
    if version == "5":
        assert "not authorized" in process.stderr_text.lower(), process.stderr_text
    assert _publish(gateway, version, "plant1/boiler/mode/set", "allowed", user="hmi", password="swordfish")[0] == 0
    wait_until(lambda: "plant1/boiler/mode/set allowed" in watcher.out, 10, "delivered")
    assert not any("denied" in line for line in watcher.out)
    watcher.kill()


def test_subscribing_is_denied_by_rule(guarded, version):
    gateway = guarded(users=_USERS)
    process = _subscribed(gateway, version, "plant2/#", user="hmi", password="swordfish")
    assert process.wait(10) != 0 or "denied" in process.stderr_text.lower()
    assert "denied" in (process.stderr_text + "\n".join(process.out)).lower(), process.stderr_text


def test_a_wide_subscription_gets_what_may_be_read(guarded, version):
    gateway = guarded(users=_USERS)
    wide = _subscribed(gateway, version, "#", user="hmi", password="swordfish")
    wait_until(lambda: any("SUBACK" in line for line in wide.out), 10, "subscribed")
    for topic in ("plant2/a", "plant1/pay/a", "plant1/a"):
        assert _publish(gateway, version, topic, "x", user="admin", password="of all")[0] == 0
    wait_until(lambda: "plant1/a x" in wide.out, 10, "delivered")
    assert not any(line.startswith(("plant2", "plant1/pay")) for line in wide.out)
    wide.kill()


# ferrule passwd, and SCRAM with a client from the standard library

class _Scram:
    """An MQTT 5 client of RFC 5802 and section 4.12 of the specification, by hand."""

    METHOD = b"SCRAM-SHA-256"

    def __init__(self, port, user, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.user, self.password = user, password
        self.nonce = base64.b64encode(os.urandom(12)).decode()

    @staticmethod
    def _text(value):
        return struct.pack(">H", len(value)) + value

    def _properties(self, data):
        inside = b"\x15" + self._text(self.METHOD) + b"\x16" + self._text(data.encode())
        return self._length(len(inside)) + inside

    @staticmethod
    def _length(number):
        encoded = bytearray()
        while True:
            number, digit = divmod(number, 128)
            encoded.append(digit | (0x80 if number else 0))
            if not number:
                return bytes(encoded)

    def _send(self, first, body):
        self.socket.sendall(bytes([first]) + self._length(len(body)) + body)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the connection was closed"
            data += piece
        return data

    def _receive(self):
        first, length = self._exactly(2)
        shift, total = 7, length & 0x7F
        while length & 0x80:
            length = self._exactly(1)[0]
            total |= (length & 0x7F) << shift
            shift += 7
        return first, self._exactly(total)

    @staticmethod
    def _data(body):
        """The Authentication Data among the properties that end `body`."""
        at = body.index(b"\x16", body.index(_Scram.METHOD) + len(_Scram.METHOD))
        size = struct.unpack(">H", body[at + 1:at + 3])[0]
        return body[at + 3:at + 3 + size].decode()

    def _dialogue(self, send_first):
        bare = f"n={self.user},r={self.nonce}"
        send_first("n,," + bare)
        first, body = self._receive()
        assert first == 0xF0 and body[0] == 0x18, (first, body)
        challenge = self._data(body)
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce) + 16
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        digest = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
        client_key = digest(salted, b"Client Key")
        without_proof = f"c=biws,r={fields['r']}"
        message = f"{bare},{challenge},{without_proof}".encode()
        signature = digest(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = f"{without_proof},p={base64.b64encode(proof).decode()}"
        self._send(0xF0, b"\x18" + self._properties(final))
        self.verifier = "v=" + base64.b64encode(digest(digest(salted, b"Server Key"), message)).decode()
        return self._receive()

    def connect(self):
        """The reason code of the CONNACK; the server has proved itself when it is 0."""
        def connect(data):
            self._send(0x10, self._text(b"MQTT") + b"\x05\x02\x00\x00" + self._properties(data) + self._text(b"scram"))
        first, body = self._dialogue(connect)
        assert first == 0x20
        if body[1] == 0:
            assert self._data(body) == self.verifier
        return body[1]

    def again(self):
        """Logs in again; true when both sides proved themselves."""
        self.nonce = base64.b64encode(os.urandom(12)).decode()
        first, body = self._dialogue(lambda data: self._send(0xF0, b"\x19" + self._properties(data)))
        return first == 0xF0 and body[0] == 0 and self._data(body) == self.verifier

    def close(self):
        self.socket.close()


def test_scram_proves_both_sides_and_again(guarded, closing):
    gateway = guarded(users=_USERS)
    client = closing(_Scram(gateway.port, "hmi", "swordfish"))
    assert client.connect() == 0
    assert client.again()
    assert closing(_Scram(gateway.port, "hmi", "wrong")).connect() == 0x86
    assert closing(_Scram(gateway.port, "nobody", "swordfish")).connect() == 0x86


def test_ferrule_passwd_writes_what_the_broker_takes(guarded, tmp_path, closing):
    file = tmp_path / "users"
    assert _passwd(file, "hmi", password="spaced out: é").returncode == 0
    assert _passwd("--no-scram", file, "plain", password="other").returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert lines[0].startswith("hmi:$argon2id$v=19$") and ":SCRAM-SHA-256$65536:" in lines[0]
    assert lines[1].startswith("plain:$argon2id$v=19$") and "SCRAM" not in lines[1]
    gateway = guarded(password_file="users", everyone={"publish": ["#"]})
    assert _publish(gateway, "5", "a", "1", user="hmi", password="spaced out: é")[0] == 0
    assert closing(_Scram(gateway.port, "hmi", "spaced out: é")).connect() == 0
    assert _publish(gateway, "5", "a", "1", user="plain", password="other")[0] == 0
    assert closing(_Scram(gateway.port, "plain", "other")).connect() == 0x86


def test_ferrule_passwd_changes_and_removes_one_user_only(tmp_path):
    file = tmp_path / "users"
    for user in ("a", "b"):
        assert _passwd("--no-scram", file, user, password=user).returncode == 0
    file.chmod(0o640)
    before = file.read_text().splitlines()
    assert _passwd("--no-scram", file, "a", password="new").returncode == 0
    after = file.read_text().splitlines()
    assert after[0] != before[0] and after[1] == before[1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert _passwd("--delete", file, "a", password="").returncode == 0
    assert file.read_text().splitlines() == [before[1]]
    assert list(tmp_path.iterdir()) == [file]
    refused = _passwd("--delete", file, "a", password="")
    assert refused.returncode == 65 and 'has no user "a"' in refused.stderr
    for user, password, code in (("a:b", "x", 64), ("a", "", 65), ("", "x", 64)):
        assert _passwd(file, user, password=password).returncode == code
    assert file.read_text().splitlines() == [before[1]]


def _type(file, user, *lines):
    """Runs `ferrule passwd` at a terminal, types, and returns its exit code and what the terminal showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(BINARY, [BINARY, "passwd", "--no-scram", str(file), user])
    shown = b""
    for prompt, line in zip((b"Password: ", b"Again: "), lines):
        while prompt not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, line)
    try:
        while piece := os.read(terminal, 1000):
            shown += piece
    except OSError:
        pass  # it has ended
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_ferrule_passwd_asks_at_a_terminal_and_shows_nothing(tmp_path):
    file = tmp_path / "users"
    code, shown = _type(file, "hmi", b"secreX\x7ft\r", b"secret\r")
    assert code == 0 and "secre" not in shown
    assert file.read_text().startswith("hmi:$argon2id$")
    before = file.read_text()
    code, shown = _type(file, "hmi", b"secret\r", b"other\r")
    assert code == 65 and "differ" in shown
    assert _type(file, "hmi", b"sec\x03")[0] == 65
    assert file.read_text() == before


# Reload

def test_sighup_takes_over_users_and_rules(guarded):
    gateway = guarded(users=_USERS)
    stays = _subscribed(gateway, "5", "#", user="admin", password="of all")
    goes = _subscribed(gateway, "5", "plant1/#", user="hmi", password="swordfish")
    for one in (stays, goes):
        wait_until(lambda: any("SUBACK" in line for line in one.out), 10, "subscribed")
    gateway.config["broker"]["users"] = {
        "admin": {**_USERS["admin"], "subscribe": ["new/#"]}, "press": {"password": "p", "publish": ["new/#", "old/#"]}}
    gateway.write()
    gateway.process.signal(signal.SIGHUP)
    wait_until(lambda: "Received DISCONNECT (135)" in goes.out, 10, "hmi is thrown out")
    for topic in ("old/x", "new/x"):
        assert _publish(gateway, "5", topic, "1", user="press", password="p")[0] == 0
    wait_until(lambda: "new/x 1" in stays.out, 10, "delivered under the new rules")
    assert "old/x 1" not in stays.out
    assert stays.running
    for one in (stays, goes):
        one.kill()


def test_sighup_takes_over_a_credential_that_has_changed(make_gateway, tmp_path):
    (tmp_path / "hmi").write_text("swordfish\n")
    gateway = make_gateway()
    gateway.config["broker"]["users"] = {"hmi": {**_USERS["hmi"], "password": "PASSWORD"}}
    gateway.write()
    gateway.file.write_text(gateway.file.read_text().replace('"PASSWORD"', "!credential hmi"))
    gateway.start(env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    login = lambda password: _publish(gateway, "5", "plant1/a/b/set", "1", user="hmi", password=password)[0]
    assert login("swordfish") == 0
    (tmp_path / "hmi").write_text("marlin\n")
    gateway.process.signal(signal.SIGHUP)
    wait_until(lambda: login("marlin") == 0, 10, "the new password holds")
    assert login("swordfish") != 0


def test_sighup_with_a_mistake_changes_nothing(guarded):
    gateway = guarded(users=_USERS)
    gateway.config["broker"]["users"] = {"hmi": {"password": "new", "subscribe": ["a/#/b"]}}
    gateway.write()
    gateway.process.signal(signal.SIGHUP)
    wait_until(lambda: "all stays as it was" in gateway.process.stderr_text, 10, "the mistake is told")
    assert "broker.users.hmi.subscribe" in gateway.process.stderr_text
    assert _publish(gateway, "5", "plant1/a/b/set", "1", user="hmi", password="swordfish")[0] == 0
