"""A machine with a USB serial adapter, as programs that look into /sys and /dev see it."""

import pathlib
import shutil
import subprocess

import pytest

BY_ID = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K2X-if00-port0"

# Run with mounts of its own: $1 is the directory, "$@" behind it the program.
_MOUNT = """set -e
fake=$1
shift
for one in null urandom; do touch "$fake/dev/$one"; mount --bind "/dev/$one" "$fake/dev/$one"; done
mount --rbind "$fake/sys" /sys
mount --rbind "$fake/dev" /dev
exec "$@"
"""


def around(directory: pathlib.Path) -> list:
    """What to write before a command so that it runs on such a machine, made of a new directory. Skips where nobody may mount."""
    usb = directory / "sys/devices/usb1/1-1"
    port = usb / "1-1:1.0/ttyUSB0"
    (port / "tty/ttyUSB0").mkdir(parents=True)
    for name, text in {"busnum": "1", "devnum": "7", "idVendor": "0403", "idProduct": "6001", "product": "FT232R USB UART",
                       "manufacturer": "FTDI", "serial": "A10K2X"}.items():
        (usb / name).write_text(text + "\n")
    (port / "tty/ttyUSB0/device").symlink_to("../../../ttyUSB0")
    (directory / "sys/class/tty").mkdir(parents=True)
    (directory / "sys/class/tty/ttyUSB0").symlink_to("../../devices/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0")
    by_id = directory / BY_ID.removeprefix("/")
    by_id.parent.mkdir(parents=True)
    by_id.symlink_to("../../ttyUSB0")
    (directory / "dev/ttyUSB0").touch()
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", _MOUNT, "sh", directory]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("nobody may mount here")
    return command
