"""The fixtures of all end-to-end tests."""

from fixtures import *  # noqa: F403
