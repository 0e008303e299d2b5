"""Threads of a child that hang, as in a call into the kernel that does not come back."""

import contextlib
import ctypes
import errno
import os
import pathlib

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000


def threads(pid: int) -> dict[int, str]:
    """Thread id -> name."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has ended
            found[int(task.name)] = (task / "comm").read_text().rstrip("\n")
    return found


def _ptrace(request: int, thread: int):
    if _libc.ptrace(request, thread, None, None) != 0:
        number = ctypes.get_errno()
        if request == _PTRACE_SEIZE and number == errno.EPERM:
            pytest.skip("nobody may hold threads here")
        raise OSError(number, f"ptrace: {os.strerror(number)}")


@contextlib.contextmanager
def stuck(pid: int, names: list[str]):
    """Stops the threads of these names wherever they are, and no other; they go on at the end. For the thread that started the child."""
    there = threads(pid)
    assert set(names) <= set(there.values()), f"of {names} there are {sorted(there.values())}"
    stopped = [thread for thread, name in there.items() if name in names]
    for thread in stopped:
        _ptrace(_PTRACE_SEIZE, thread)
        _ptrace(_PTRACE_INTERRUPT, thread)
        os.waitpid(thread, _WALL)
    try:
        yield
    finally:
        for thread in stopped:
            _ptrace(_PTRACE_DETACH, thread)
