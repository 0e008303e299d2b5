"""Fixtures: each closes what it made, the gateway first."""

import contextlib

import pytest

from rig.cloud import Cloud, Link
from rig.gateway import Gateway


@pytest.fixture
def closing():
    """`closing(thing)` returns the thing and calls its close() when the test ends, the last one first."""
    with contextlib.ExitStack() as stack:
        def register(thing):
            stack.callback(thing.close)
            return thing
        yield register


@pytest.fixture
def cloud(closing, tmp_path):
    return closing(Cloud(tmp_path / "cloud"))


@pytest.fixture
def link(closing, cloud):
    return closing(Link(cloud.port))


@pytest.fixture
def make_gateway(closing, tmp_path):
    """A gateway with these sections of configuration; not started."""
    return lambda **sections: closing(Gateway(tmp_path, sections))
