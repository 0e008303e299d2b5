"""The fixtures of tests/e2e, and how much of everything there is: a little in CI, all of it with FERRULE_FAULTS=full."""

import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))

from fixtures import *  # noqa: E402, F403

_FULL = os.environ.get("FERRULE_FAULTS") == "full"


@pytest.fixture
def rounds():
    """`rounds(short, full)`: the one that holds in this run; `rounds.full` says which."""
    def choose(short, full):
        return full if _FULL else short
    choose.full = _FULL
    return choose


@pytest.fixture
def dice():
    seed = int(os.environ.get("FERRULE_SEED", random.randrange(1_000_000)))
    print(f"seed {seed} (FERRULE_SEED={seed} repeats the timing)")
    return random.Random(seed)
