"""A mosquitto of our own as the cloud, and the link to it, which can be cut."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import threading

from rig.gateway import accepts
from rig.ports import free_port
from rig.process import Process, wait_until


class Cloud:
    """mosquitto on a free port, with persistence and without limits on what it queues; `user` and `password`: it wants these;
    `extra`: more lines of its configuration."""

    def __init__(self, directory: pathlib.Path, user: str = "", password: str = "", extra: str = ""):
        self.port = free_port()
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "mosquitto.conf"
        access = "allow_anonymous true"
        if user:
            passwords = directory / "passwords"
            subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, user, password], check=True, capture_output=True)
            access = f"allow_anonymous false\npassword_file {passwords}"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n{access}\npersistence true\npersistence_location {directory}/\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\nlog_dest stderr\nlog_type all\n"
            f"user {pwd.getpwuid(os.getuid()).pw_name}\n{extra}\n")
        binary = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        self.process = Process([binary, "-c", config])
        wait_until(lambda: accepts(self.port), 10, "mosquitto accepts")

    def close(self):
        self.process.kill()


class Link:
    """A TCP relay to `target` on a free port. `cut` closes what is connected; meanwhile new connections are closed at once, or,
    when it is a black hole, accepted and never answered."""

    def __init__(self, target: int, port: int | None = None):
        self.target = target
        self.port = port or free_port()
        self._open = True
        self._up = True
        self._black_hole = False
        self._lock = threading.Lock()
        self._connections = []
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, black_hole: bool = False):
        with self._lock:
            self._up, self._black_hole = False, black_hole
            self._drop_all()

    def restore(self):
        with self._lock:
            self._up = True
            self._drop_all()  # those that hang in the black hole

    def close(self):
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._drop_all()
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept, and would keep the port open
        self._listening.close()

    def _drop_all(self):
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the peer was first
            connection.close()
        self._connections.clear()

    def _accept(self):
        while self._open:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                if not self._open or (not self._up and not self._black_hole):
                    near.close()
                    continue
                self._connections.append(near)
                if not self._up:
                    continue
                try:
                    far = self._reach()
                except OSError:
                    near.close()
                    continue
                self._connections.append(far)
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near), daemon=True).start()

    def _reach(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.target))

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class NeverConnects:
    """A loopback port whose accept queue is full: a connect to it hangs, as to a host behind a dead route."""

    def __init__(self):
        self.port = free_port()
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", self.port))
        self._listening.listen(0)
        self._fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)

    def close(self):
        for one in (*self._fillers, self._listening):
            one.close()


class NeverAnswers:
    """A port that accepts connections and reads what comes, and says nothing."""

    def __init__(self):
        self._link = Link(0)
        self._link.cut(black_hole=True)
        self.port = self._link.port

    def close(self):
        self._link.close()
