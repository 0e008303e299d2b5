"""The unit as it is installed: systemd accepts it and finds it hardened, and what it starts exists."""

import os
import pathlib
import re
import subprocess

import pytest

_BUILD = pathlib.Path(os.environ.get("FERRULE_BUILD", str(pathlib.Path(__file__).parents[2] / "build/dev")))


@pytest.fixture
def installed(tmp_path):
    """The root of an installation with the prefix that the build was configured for."""
    root = tmp_path / "root"
    subprocess.run(["cmake", "--install", _BUILD], check=True, capture_output=True, env={**os.environ, "DESTDIR": str(root)})
    return root


def _find(root: pathlib.Path, name: str) -> pathlib.Path:
    [file] = [file for file in root.rglob(name) if file.is_file()]
    return file


def _setting(unit: pathlib.Path, name: str) -> list:
    return re.search(rf"^{name}=(.+)$", unit.read_text(), re.MULTILINE)[1].split()


def _command(unit: pathlib.Path) -> list:
    return _setting(unit, "ExecStart")


def _analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})


def test_systemd_accepts_the_unit(installed, tmp_path):
    # `verify` looks for the program on this machine; point it to where this test installed it.
    source = _find(installed, "ferrule.service")
    program = _command(source)[0]
    unit = tmp_path / "ferrule.service"
    unit.write_text(source.read_text().replace(program, str(installed) + program))
    result = _analyze("verify", "--man=no", unit)
    assert result.returncode == 0 and "ferrule.service" not in result.stderr, result.stderr


def test_systemd_finds_the_unit_hardened(installed):
    result = _analyze("security", "--offline=true", "--no-pager", _find(installed, "ferrule.service"))
    exposure = re.search(r"Overall exposure level for ferrule\.service: ([\d.]+)", result.stdout)
    assert exposure, result.stdout + result.stderr
    assert float(exposure[1]) <= 1.5, result.stdout


def test_unit_starts_the_installed_program_with_the_installed_configuration(installed):
    unit = _find(installed, "ferrule.service")
    assert re.search(r"^Type=notify$", unit.read_text(), re.MULTILINE)
    assert re.search(r"^WatchdogSec=", unit.read_text(), re.MULTILINE)
    program, verb, file = _command(unit)
    assert verb == "run"
    assert subprocess.run([str(installed) + program, "check", str(installed) + file], capture_output=True).returncode == 0


def test_reload_of_the_unit_asks_the_gateway_and_fails_when_it_says_no(installed):
    program, *words = _setting(_find(installed, "ferrule.service"), "ExecReload")
    assert words == ["reload"]
    # Without a gateway that could say yes.
    assert subprocess.run([str(installed) + program, *words, "--socket", "/nonexistent/control.sock"], capture_output=True).returncode != 0


def test_unit_is_not_started_again_with_a_wrong_command_line_or_configuration(installed, tmp_path):
    unit = _find(installed, "ferrule.service")
    program = str(installed) + _command(unit)[0]
    (tmp_path / "wrong.yaml").write_text("broker: 7\n")
    codes = [subprocess.run([program, *words], capture_output=True).returncode
             for words in (["run", "--no-such-option"], ["run", tmp_path / "wrong.yaml"])]
    assert sorted(_setting(unit, "RestartPreventExitStatus")) == sorted(map(str, codes)) == ["64", "78"]
    assert _setting(unit, "Restart") == ["on-failure"]


def test_user_of_the_unit_is_created(installed):
    [user] = _setting(_find(installed, "ferrule.service"), "User")
    [sysusers] = installed.rglob("sysusers.d/ferrule.conf")
    assert re.search(rf"^u {user} ", sysusers.read_text(), re.MULTILINE)
    assert re.search(rf"^m {user} dialout$", sysusers.read_text(), re.MULTILINE)


def test_place_for_secrets_and_rule_for_serial_adapters_are_installed(installed, tmp_path):
    [tmpfiles] = installed.rglob("tmpfiles.d/ferrule.conf")
    # Owners, who need not exist here, left out: what systemd makes of it.
    line = re.fullmatch(r"d (\S+) (\d+) root ferrule", tmpfiles.read_text().splitlines()[-1])
    own = tmp_path / "own.conf"
    own.write_text(f"d {line[1]} {line[2]} - -\n")
    (tmp_path / "made").mkdir()
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path / 'made'}", own], check=True)
    assert oct((tmp_path / "made/etc/ferrule/secrets").stat().st_mode & 0o777) == "0o750"
    [rules] = installed.rglob("udev/rules.d/60-ferrule.rules")
    [rule] = [line for line in rules.read_text().splitlines() if not line.startswith("#")]
    assert re.fullmatch(r'\w+=="add", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR\{latency_timer\}="1"', rule)
