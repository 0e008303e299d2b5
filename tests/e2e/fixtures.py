"""Fixtures: each closes what it made, the gateway first."""

import contextlib
import pathlib
import subprocess

import pytest

import plant
from rig.clock import Clock
from rig.cloud import Cloud, Link
from rig.gateway import Gateway
from rig.process import SLOWNESS
from rig.slaves import RtuSlave, SerialServer, TcpSlave


@pytest.fixture
def closing():
    """`closing(thing)` returns the thing and calls its close() when the test ends, the last one first."""
    with contextlib.ExitStack() as stack:
        def register(thing):
            stack.callback(thing.close)
            return thing
        yield register


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A directory with those that tests/certificates/make.sh makes."""
    directory = tmp_path_factory.mktemp("certificates")
    subprocess.run([pathlib.Path(__file__).parents[1] / "certificates/make.sh", directory], check=True, capture_output=True)
    return directory


@pytest.fixture
def cloud(closing, tmp_path):
    return closing(Cloud(tmp_path / "cloud"))


@pytest.fixture
def link(closing, cloud):
    return closing(Link(cloud.port))


@pytest.fixture
def clock(tmp_path):
    if SLOWNESS > 1:
        pytest.skip("the sanitizers and libfaketime intercept the same functions")
    return Clock(tmp_path)


@pytest.fixture
def make_gateway(closing, tmp_path):
    """A gateway with these sections of configuration; not started."""
    return lambda **sections: closing(Gateway(tmp_path, sections))


@pytest.fixture(params=["tcp", "rtu", "rtu_tcp"])
def bus(request, closing, tmp_path):
    """The bus section for a slave that holds the plant's values."""
    if request.param == "tcp":
        return plant.tcp_bus(closing(TcpSlave({1: plant.CELLS})).port)
    slave = closing(RtuSlave(tmp_path / "line", 1, {1: plant.CELLS}))
    if request.param == "rtu_tcp":
        return plant.rtu_tcp_bus(closing(SerialServer(slave)).port)
    return plant.rtu_bus(slave.path)
