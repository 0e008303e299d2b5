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


def _command(unit: pathlib.Path) -> list:
    return re.search(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)[1].split()


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


def test_user_of_the_unit_is_created(installed):
    user = re.search(r"^User=(\S+)$", _find(installed, "ferrule.service").read_text(), re.MULTILINE)[1]
    assert re.search(rf"^u {user} ", _find(installed, "ferrule.conf").read_text(), re.MULTILINE)
