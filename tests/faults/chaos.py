"""A TCP relay that delays, cuts, half-closes, throttles, swallows and refuses."""

import socket
import threading
import time

from rig.ports import free_port

_PIECE = 4096


class Chaos:
    """Relays to `target` from a free port `port`. What is relayed takes `delay` seconds and no more than `rate` bytes a second in each
    direction. `connections` counts, and `relayed`, the bytes to the target."""

    def __init__(self, target: int):
        self.target, self.port = target, free_port()
        self.connections = self.relayed = 0
        self._delay = self._rate = 0
        self._up = self._open = True
        self._pairs = []
        self._lock = threading.Lock()
        self._listen()

    def delay(self, seconds: float):
        self._delay = seconds

    def throttle(self, bytes_per_second: int):
        self._rate = bytes_per_second

    def cut(self):
        """What is connected is closed, and what connects too."""
        self._up = False
        self._each(lambda near, far, state: self._end(near, far))

    def half_close(self):
        """The target's side says that it sends no more; ours may go on."""
        self._each(lambda near, far, state: near.shutdown(socket.SHUT_WR))

    def swallow(self):
        """Of what is connected by now nothing gets through any more, and nobody is told."""
        self._each(lambda near, far, state: state.update(swallow=True))

    def refuse(self):
        """Nobody listens."""
        self._listening.close()
        self.cut()

    def mend(self):
        self._up = True
        if self._listening.fileno() < 0:
            self._listen()

    def close(self):
        self._open = False
        self.refuse()

    def _listen(self):
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._listening.settimeout(0.1)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _each(self, action):
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            try:
                action(*pair)
            except OSError:
                pass  # it has ended

    def _accept(self, listening):
        while self._open and listening.fileno() >= 0:
            try:
                near, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            if not self._up:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            state = {"swallow": False}
            for one in (near, far):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # Little on its way; but TCP does not fill a window that is small beside its segments.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * _PIECE if self._rate else 2 * _PIECE)
            with self._lock:
                self._pairs.append((near, far, state))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink, state), daemon=True).start()

    def _pump(self, source, sink, state):
        due = 0.0
        try:
            while data := source.recv(_PIECE if not self._rate else max(1, min(_PIECE, self._rate // 20))):
                if state["swallow"]:
                    continue
                if self._delay:
                    time.sleep(self._delay)
                if self._rate:
                    now = time.monotonic()
                    due = max(due, now - 0.1) + len(data) / self._rate
                    time.sleep(max(0.0, due - now))
                sink.sendall(data)
                if sink.getpeername()[1] == self.target:
                    self.relayed += len(data)
        except OSError:
            pass
        if not state["swallow"]:
            self._end(source, sink)

    @staticmethod
    def _end(*sockets):
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
