"""What an idle gateway takes of a small machine."""

import pathlib
import re

import pytest

from rig.process import SLOWNESS, wait_until


def _kilobytes(gateway, file: str, name: str) -> int:
    text = pathlib.Path(f"/proc/{gateway.process.child.pid}/{file}").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)[1])


@pytest.mark.skipif(SLOWNESS > 1, reason="a sanitizer takes memory of its own")
def test_idle_gateway_takes_12_megabytes_at_most(make_gateway):
    gateway = make_gateway().start()
    # What only the start needed is given back when it is over.
    wait_until(lambda: _kilobytes(gateway, "status", "VmRSS") <= 12_000, 20, "the start's code is forgotten")
    for file, name in (("status", "VmRSS"), ("smaps_rollup", "Pss"), ("status", "RssAnon")):
        print(f"{name:8} {_kilobytes(gateway, file, name):6} kB")
    assert _kilobytes(gateway, "status", "RssAnon") < 4_000  # what nobody shares and nothing can take away
