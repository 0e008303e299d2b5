"""A cluster of RabbitMQ nodes with the MQTT plugin, from Debian's packages, as processes of ours beside whatever else runs here."""

import os
import pathlib
import secrets
import signal
import subprocess

from rig.gateway import accepts
from rig.ports import free_port
from rig.process import SLOWNESS, Process, wait_until

_BIN = pathlib.Path("/usr/lib/rabbitmq/bin")  # /usr/sbin has wrappers that want to be rabbitmq or root
_COOKIE = secrets.token_hex(16)  # who knows it can run anything in a node, and nodes listen on every address
# One scheduler each, which sleeps when there is nothing to do: several nodes share a small machine.
_FRUGAL = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"


def is_installed() -> bool:
    return (_BIN / "rabbitmq-server").exists()


class Node:
    """One node: `port` speaks MQTT. It keeps its directory, and so its place in the cluster, over kills and starts."""

    def __init__(self, directory: pathlib.Path, name: str, first: str, epmd_port: int, queue_type: str):
        directory.mkdir(parents=True)
        self.name = name
        self.port, self._amqp, self._distribution = free_port(), free_port(), free_port()
        (directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self._amqp}\nmqtt.listeners.tcp.default = 127.0.0.1:{self.port}\n"
            f"mqtt.allow_anonymous = true\nmqtt.durable_queue_type = {queue_type}\nmqtt.subscription_ttl = undefined\n"
            f"cluster_formation.peer_discovery_backend = classic_config\ncluster_formation.classic_config.nodes.1 = {first}\n"
            "cluster_formation.randomized_startup_delay_range.min = 0\ncluster_formation.randomized_startup_delay_range.max = 1\n"
            "cluster_partition_handling = pause_minority\nlog.console = true\nlog.file = false\nlog.console.level = warning\n")
        (directory / "plugins").write_text("[rabbitmq_mqtt].\n")
        self._env = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8", "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"), "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_DIST_PORT": str(self._distribution), "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_FRUGAL} -setcookie {_COOKIE}",
            "RABBITMQ_CTL_ERL_ARGS": f"-setcookie {_COOKIE}", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_PORT": str(epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_LOGS": "-",
            "ERL_CRASH_DUMP": str(directory / "erl_crash.dump"),
            "RUNNING_UNDER_SYSTEMD": "true"}  # no shell between us and the Erlang machine
        self.process = None

    def start(self):
        self.process = Process([_BIN / "rabbitmq-server"], env=self._env)

    def wait_until_up(self):
        wait_until(lambda: accepts(self.port) or not self.process.running, 180, f"{self.name} accepts MQTT")
        assert self.process.running, f"{self.name} ended: {self.process.out[-20:]} {self.process.stderr_text[-2000:]}"

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.running and accepts(self.port)

    def kill(self):
        """kill -9."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(10)

    def control(self, *words) -> str:
        done = subprocess.run([_BIN / "rabbitmqctl", "-q", *map(str, words)], env=self._env, capture_output=True, text=True,
                              timeout=120 * SLOWNESS)
        assert done.returncode == 0, f"rabbitmqctl {words}: {done.stdout} {done.stderr}"
        return done.stdout


class RabbitCluster:
    """`nodes` of them, joined. Subscriptions that outlive their connections are quorum queues, or `mirrored` ones, which RabbitMQ 4 has
    no more."""

    def __init__(self, directory: pathlib.Path, nodes: int = 3, mirrored: bool = False):
        epmd_port = free_port()
        self._epmd = Process(["epmd", "-port", epmd_port, "-address", "127.0.0.1"])
        self.nodes = [Node(directory / f"rabbit{i}", f"rabbit{i}@localhost", "rabbit0@localhost", epmd_port,
                           "classic" if mirrored else "quorum") for i in range(nodes)]
        try:
            self.nodes[0].start()  # the others join it
            self.nodes[0].wait_until_up()
            for node in self.nodes[1:]:
                node.start()
            for node in self.nodes[1:]:
                node.wait_until_up()
            if mirrored:
                self.nodes[0].control("set_policy", "--apply-to", "queues", "all", "^mqtt-subscription-",
                                      '{"ha-mode":"all","ha-sync-mode":"automatic"}')
        except BaseException:
            self.close()
            raise

    def queues(self) -> dict:
        """Messages that wait in each queue, by its name."""
        rows = [line.split("\t") for line in self.nodes[0].control("list_queues", "-s", "name", "messages").splitlines()]
        return {name: int(messages) for name, messages in rows}

    def close(self):
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
        self._epmd.kill()
