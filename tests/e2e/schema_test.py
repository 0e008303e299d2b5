"""`ferrule schema` in an editor: yaml-language-server, which nobody here wrote, finds every example right and broken files wrong."""

import json
import os
import pathlib
import subprocess
import threading

import pytest

from rig.gateway import BINARY

_SOURCE = pathlib.Path(__file__).parents[2]
_SERVER = pathlib.Path(os.environ.get("FERRULE_JAVASCRIPT", _SOURCE / "build/javascript"),
                       "node_modules/yaml-language-server/bin/yaml-language-server")

_PLANT = """version: 1
buses:
  plc: {type: modbus-tcp, host: 10.0.0.5}
devices:
  boiler:
    bus: plc
    points:
      supply: {register: holding, address: 100, type: int16}
"""


class Editor:
    """Speaks the Language Server Protocol, as far as diagnostics need it."""

    def __init__(self, schema):
        self._settings = {"yaml": {"schemas": {schema.as_uri(): ["*.yaml"]}, "schemaStore": {"enable": False}, "validate": True,
                                   "customTags": ["!env scalar", "!file scalar", "!credential scalar", "!include scalar"]}}
        self._process = subprocess.Popen(["node", _SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._deadline = threading.Timer(100, self._process.kill)  # then `_receive` fails
        self._deadline.start()
        self._send({"id": 1, "method": "initialize", "params": {
            "processId": None, "rootUri": None,
            "capabilities": {"workspace": {"configuration": True}, "textDocument": {"publishDiagnostics": {}}}}})
        self._wait(lambda message: message.get("id") == 1 and "method" not in message)
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": self._settings}})

    def close(self):
        self._deadline.cancel()
        self._process.kill()
        self._process.wait()

    def diagnostics(self, name, text):
        """What is wrong in a file: (line from 1, message) of each."""
        uri = f"file:///{name}"
        self._send({"method": "textDocument/didOpen",
                    "params": {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}}})
        found = self._wait(lambda message: message.get("method") == "textDocument/publishDiagnostics"
                           and message["params"]["uri"] == uri)
        return [(one["range"]["start"]["line"] + 1, one["message"]) for one in found["params"]["diagnostics"]]

    def _wait(self, is_wanted):
        while not is_wanted(message := self._receive()):
            if message.get("method") == "workspace/configuration":
                self._send({"id": message["id"], "result": [self._settings.get(item.get("section"), {})
                                                            for item in message["params"]["items"]]})
            elif "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self):
        size = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name == b"Content-Length" else size
        assert size, "the language server has ended, or says nothing"
        return json.loads(self._process.stdout.read(size))


@pytest.fixture
def editor(tmp_path):
    if not _SERVER.exists():
        pytest.skip("yaml-language-server is not installed: ./scripts/test does")
    schema = tmp_path / "ferrule.schema.json"
    schema.write_bytes(subprocess.run([BINARY, "schema"], check=True, capture_output=True).stdout)
    editor = Editor(schema)
    yield editor
    editor.close()


def test_an_editor_finds_examples_right_and_broken_files_wrong(editor):
    examples = sorted((_SOURCE / "config/examples").glob("*.yaml"))
    assert len(examples) > 5
    for example in examples:
        assert editor.diagnostics(example.name, example.read_text()) == [], example.name
    for tag in ("!env HQ", "!file secrets/hq", "!credential hq"):
        text = _PLANT + f"uplinks: {{hq: {{url: mqtt://hq, password: {tag}, out: [{{from: '#'}}]}}}}\n"
        assert editor.diagnostics(tag.split()[0][1:] + ".yaml", text) == [], tag
    broken = [
        ("a key that is not there", _PLANT.replace("bus: plc", "buss: plc"), 6, "buss"),
        ("a key of another type of bus", _PLANT.replace("host", "interface"), 3, "interface"),
        ("a key that is missing", _PLANT.replace(", host: 10.0.0.5", ""), 3, "host"),
        ("a word that is none of its list", _PLANT.replace("modbus-tcp", "modbus-tpc"), 3, "modbus-tcp"),
        ("a type that is none", _PLANT.replace("int16", "int17"), 8, "int16"),
        ("a number beyond its limits", _PLANT + "broker: {limits: {receive_maximum: 65536}}\n", 9, "65535"),
        ("a number in quotes", _PLANT + 'publish: {qos: "1"}\n', 9, "integer"),
        ("a duration without a unit", _PLANT.replace("10.0.0.5", "10.0.0.5, timeout: 500"), 3, ""),
        ("a size without a unit", _PLANT + "queue: {max_size: 512}\n", 9, ""),
        ("a list where a map belongs", _PLANT + "uplinks: [a]\n", 9, "object"),
        ("a word for a boolean", _PLANT + "publish: {retain: on}\n", 9, "boolean"),
        ("a section that is not there", _PLANT + "brokers: {}\n", 9, "brokers"),
    ]
    for what, text, line, word in broken:
        found = editor.diagnostics(what.replace(" ", "-") + ".yaml", text)
        assert any(at == line and word in message for at, message in found), (what, found)


def test_fmt_brings_files_into_form_and_check_names_those_that_are_not(tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text("# A plant.\n\nbuses:\n    plc:\n        host: '10.0.0.5'   # the old one\n        type: modbus-tcp\n\n\nversion: 1\n")
    run = lambda *arguments: subprocess.run([BINARY, "fmt", *arguments, file], capture_output=True, text=True)
    check = run("--check")
    assert (check.returncode, check.stdout) == (1, f"{file}\n")
    assert "    plc" in file.read_text(), "--check writes nothing"
    assert run().returncode == 0
    assert file.read_text() == ('# A plant.\n\nversion: 1\nbuses:\n  plc:\n    type: modbus-tcp\n'
                                '    host: "10.0.0.5"   # the old one\n')
    assert (run("--check").returncode, run("--check").stdout) == (0, "")
    file.write_text("version: 1\nversion: 2\n")
    broken = run()
    assert broken.returncode == 78 and "is given twice" in broken.stderr
    assert file.read_text() == "version: 1\nversion: 2\n"


_OLD = """# The plant.
version: 1
gateway: {id: plant1, state_dir: state}
queue:
  backfill: live-first   # the dashboard first
  backfill_rate: 200
uplinks:
  hq: !include hq.yaml
"""
_OLD_UPLINK = 'url: mqtt://127.0.0.1:1\nout: [{from: "plant1/#"}]\nqueue: {backfill: live-first, backfill_rate: 5}\n'


def test_a_file_of_an_older_version_goes_on_to_be_read_and_migrate_rewrites_it_when_asked(tmp_path):
    file, part = tmp_path / "plant.yaml", tmp_path / "hq.yaml"
    file.write_text(_OLD)
    part.write_text(_OLD_UPLINK)
    run = lambda *arguments: subprocess.run([BINARY, *arguments, file], capture_output=True, text=True)
    old = run("check")
    assert old.returncode == 0
    assert f"{file}:6:3: warning: queue.backfill_rate: is \"backfill: {{rate: 200}}\" since version 2" in old.stderr
    assert f"{part}:3:31: warning: uplinks.hq.queue.backfill_rate: " in old.stderr
    look = run("migrate", "--check")
    assert look.returncode == 1 and "backfill_rate" in look.stdout
    assert (file.read_text(), part.read_text()) == (_OLD, _OLD_UPLINK), "nothing is rewritten without being asked"
    assert run("migrate").returncode == 0
    assert file.read_text() == ("# The plant.\nversion: 2\ngateway: {id: plant1, state_dir: state}\nqueue:\n"
                                "  backfill: {rate: 200}   # the dashboard first\nuplinks:\n  hq: !include hq.yaml\n")
    assert part.read_text() == 'url: mqtt://127.0.0.1:1\nout: [{from: "plant1/#"}]\nqueue: {backfill: {rate: 5}}\n'
    assert ((tmp_path / "plant.yaml.v1").read_text(), (tmp_path / "hq.yaml.v1").read_text()) == (_OLD, _OLD_UPLINK)
    new = run("check")
    assert (new.returncode, new.stderr, new.stdout) == (0, "", old.stdout)
    assert run("migrate", "--check").returncode == 0
    file.write_text("version: 3\nsomething: new\n")
    newer = run("check")
    assert newer.returncode == 78 and "needs a newer Ferrule" in newer.stderr and "something" not in newer.stderr
