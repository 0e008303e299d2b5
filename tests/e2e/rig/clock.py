"""A wall clock of a gateway that jumps, by libfaketime."""

import glob
import pathlib


class Clock:
    """The wall clock of a gateway that is started with `environment`; the monotonic one stays true."""

    def __init__(self, directory: pathlib.Path):
        self._file = directory / "clock"
        self.jump(0)
        self.environment = {
            "LD_PRELOAD": glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0], "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1"}

    def jump(self, seconds: int):
        """Away from the true time by so much, from now on."""
        self.offset = seconds
        self._file.write_text(f"{seconds:+d}s\n")
