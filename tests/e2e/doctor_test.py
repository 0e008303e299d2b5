"""The tools for the one who has to find out what is wrong."""

import glob
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from rig.cloud import Cloud
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until


def _doctor(file, before=(), env=None):
    process = Process([*before, BINARY, "doctor", file, "--socket", "/tmp/no-such-directory/none.sock"], env=env)
    return process.wait(60), process.out, process.err


def _write(tmp_path, **sections):
    file = tmp_path / "plant.yaml"
    file.write_text(json.dumps({"version": 1, "gateway": {"id": "p", "state_dir": str(tmp_path / "state")},
                                "broker": {"listen": [{"port": free_port()}]}, **sections}))
    return file


def _finding(out, begins):
    """(is it bad, its detail, the command that mends it)"""
    for i, line in enumerate(out):
        if line[5:].startswith(begins):
            bad = line.startswith("BAD")
            return bad, line, out[i + 1].strip() if bad else ""
    raise AssertionError(f"nothing about {begins}: {out}")


def test_doctor_finds_nothing_wrong_where_nothing_is(tmp_path, closing):
    cloud = closing(Cloud(tmp_path / "cloud"))
    file = _write(tmp_path, uplinks={"hq": {"url": f"mqtt://127.0.0.1:{cloud.port}", "out": [{"from": "#"}]}}, queue={"max_size": "1MB"})
    code, out, err = _doctor(file)
    # A machine that keeps no time of its own is the machine's affair.
    assert [line for line in out if line.startswith("BAD") and "clock" not in line] == [], (out, err)
    assert not _finding(out, "uplink hq")[0] and not _finding(out, "listener")[0]
    assert code == (1 if any(line.startswith("BAD") for line in out) else 0)


def test_doctor_names_what_is_wrong_with_the_command_that_mends_it(tmp_path, closing):
    taken = closing(Cloud(tmp_path / "cloud")).port
    nobody = free_port()
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3",
                    "-subj", "/CN=gw", "-keyout", key, "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    key.chmod(0o644)
    point = {"p": {"register": "holding", "address": 0}}
    file = _write(
        tmp_path, broker={"listen": [{"port": taken}]},
        buses={"line": {"type": "modbus-rtu", "port": "/dev/serial/by-id/none"}, "plc": {"type": "modbus-tcp", "host": "127.0.0.1", "port": nobody}},
        devices={"a": {"bus": "line", "unit_id": 1, "points": point}, "b": {"bus": "plc", "points": point}},
        uplinks={"hq": {"url": f"mqtts://127.0.0.1:{nobody}", "out": [{"from": "#"}], "tls": {"cert": str(tmp_path / "cert.pem"), "key": str(key)}}})
    code, out, err = _doctor(file)
    assert code == 1, err
    for begins, detail, mend in (
            ("bus line", "is not there", "ferrule ports"), ("bus plc", "Connection refused", "nc -vz 127.0.0.1"),
            ("uplink hq", "Connection refused", "nc -vz 127.0.0.1"), ("listener", "in use by another program", "sudo ss -ltnp"),
            (f"certificate {tmp_path}", "expires in ", "openssl x509 -in "), (f"key {key}", "everybody may read it", "sudo chmod o= ")):
        bad, line, command = _finding(out, begins)
        assert bad and detail in line and command.startswith(mend) or mend in command, (begins, out)
    assert out[-1].endswith(" found wrong")


def _without_rights():
    """What root lacks who may not read and write everything: then a file's mode counts for its owner."""
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def test_doctor_finds_what_this_user_may_not_use(tmp_path):
    state, tty = tmp_path / "closed", tmp_path / "tty"
    state.mkdir(mode=0o500)
    tty.touch(mode=0o400)
    file = _write(tmp_path, gateway={"id": "p", "state_dir": str(state)}, buses={"line": {"type": "modbus-rtu", "port": str(tty)}},
                  devices={"a": {"bus": "line", "unit_id": 1, "points": {"p": {"register": "holding", "address": 0}}}})
    code, out, err = _doctor(file, before=_without_rights())
    assert code == 1, err
    for begins, detail, mend in ((f"state directory {state}", "cannot be written: Permission denied", "sudo install -d -o ferrule"),
                                 (f"bus line: {tty}", "this user may not use it", "sudo usermod -aG dialout")):
        bad, line, command = _finding(out, begins)
        assert bad and detail in line and command.startswith(mend), out


def test_doctor_finds_what_will_be_wrong(tmp_path, certificates):
    free = shutil.disk_usage(tmp_path).free
    nowhere = "x" * 64 + ".invalid"  # a label too long to be asked for
    file = _write(tmp_path, queue={"max_size": f"{2 * free >> 20}MB"},
                  uplinks={"hq": {"url": f"mqtts://{nowhere}", "out": [{"from": "#"}], "tls": {"ca": str(certificates / "expired.crt")}}})
    code, out, err = _doctor(file)
    assert code == 1, err
    for begins, detail, mend in (("disk", " MB free, the queues may take ", "lower queue.max_size"),
                                 (f"certificate {certificates}", " days ago", "openssl x509 -in "), ("uplink hq", nowhere, "getent hosts")):
        bad, line, command = _finding(out, begins)
        assert bad and detail in line and mend in command, out


@pytest.mark.skipif(SLOWNESS > 1, reason="the sanitizers and libfaketime intercept the same functions")
def test_doctor_finds_that_the_clock_is_not_set(tmp_path):
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
    code, out, err = _doctor(_write(tmp_path), env={**os.environ, "LD_PRELOAD": library, "FAKETIME": "@2020-01-01 00:00:00"})
    assert code == 1, err
    bad, line, command = _finding(out, "clock")
    assert bad and "not set" in line and command == "sudo timedatectl set-ntp true", out


def test_doctor_ends_at_a_configuration_with_mistakes(tmp_path):
    file = _write(tmp_path, nonsense={})
    code, out, _ = _doctor(file)
    assert code == 1 and out[0].startswith("BAD  configuration: ") and f"ferrule check {file}" in "\n".join(out)


def test_doctor_asks_the_gateway_that_runs(make_gateway):
    gateway = make_gateway(buses={"plc": {"type": "modbus-tcp", "host": "127.0.0.1", "port": free_port()}},
                           devices={"d": {"bus": "plc", "points": {"p": {"register": "coil", "address": 0}}}}).start()
    wait_until(gateway.control.exists, 10, "the control socket is there")

    def asked():
        process = Process([BINARY, "doctor", gateway.file])
        process.wait(60)
        return process.out
    wait_until(lambda: any(line.startswith("BAD  gateway: bus plc") for line in asked()), 20, "the gateway's own problem")
    assert not any("listener" in line for line in asked())  # the port is its own


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_diag_packs_what_a_report_needs_without_secrets(running, make_gateway, tmp_path):
    gateway = make_gateway()
    gateway.config["uplinks"] = {"hq": {"url": f"mqtt://127.0.0.1:{free_port()}", "username": "u", "password": "s3cret!", "out": [{"from": "#"}]}}
    gateway.write()
    if running:
        gateway.start()
        wait_until(gateway.control.exists, 10, "the control socket is there")
    output = tmp_path / "report.tar.gz"
    process = Process([BINARY, "diag", gateway.file, "--output", output, "--socket", gateway.control])
    assert process.wait(60) == 0, process.err
    assert process.out == [str(output)] and os.stat(output).st_mode & 0o077 == 0
    with tarfile.open(output) as archive:
        files = {name.rsplit("/", 1)[-1]: archive.extractfile(name).read().decode(errors="replace")
                 for name in archive.getnames() if archive.getmember(name).isfile()}
    assert "s3cret!" not in "".join(files.values()) and '"hq"' in files["configuration.yaml"]
    assert {"status.json", "points.json", "events.json", "version.txt", "system.txt", "disk.txt", "journal.txt"} <= files.keys()
    assert ("uptime" in files["status.json"]) == running


def test_diag_packs_each_file_of_a_directory(tmp_path):
    configuration = tmp_path / "conf.d"
    configuration.mkdir()
    (configuration / "1.yaml").write_text("gateway: {id: plant1}\n")
    (configuration / "2.yaml").write_text("uplinks:\n  hq:\n    password: s3cret!\n")
    output = tmp_path / "report.tar.gz"
    process = Process([BINARY, "diag", configuration, "--output", output, "--socket", tmp_path / "none.sock"])
    assert process.wait(60) == 0, process.err
    with tarfile.open(output) as archive:
        files = {"/".join(name.split("/")[1:]): archive.extractfile(name).read().decode()
                 for name in archive.getnames() if "/configuration/" in name}
    assert set(files) == {"configuration/1.yaml", "configuration/2.yaml"}
    assert "plant1" in files["configuration/1.yaml"] and "s3cret!" not in files["configuration/2.yaml"]


def test_users_are_added_changed_and_removed_once(tmp_path):
    file = tmp_path / "users"

    def users(verb, password=None):
        # Without one where none is read: the pipe would break.
        return Process([BINARY, "users", verb, file, "hmi"], stdin=password and password + "\n")
    assert users("passwd").wait(30) == 65
    assert users("add", "one").wait(30) == 0 and file.read_text().startswith("hmi:$argon2id$")
    before = file.read_text()
    assert users("add").wait(30) == 65 and file.read_text() == before
    assert users("passwd", "two").wait(30) == 0 and file.read_text() != before
    assert users("rm").wait(30) == 0 and "hmi" not in file.read_text()
    assert users("rm").wait(30) == 65


def test_completion_completes_verbs_and_options(tmp_path):
    script = ('eval "$(ferrule completion)"; for words in "ferrule sta" "ferrule status --js"; do COMP_WORDS=($words); '
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ferrule; echo "${COMPREPLY[*]}"; done')
    path = f"{os.path.dirname(BINARY)}:{os.environ['PATH']}"
    shown = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["status", "--json"], shown
