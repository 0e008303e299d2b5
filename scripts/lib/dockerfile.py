#!/usr/bin/env python3
"""Reads a Dockerfile, and writes what its last stage does as a script for a fresh system without a container engine.

Usage: scripts/lib/dockerfile.py install|run < Dockerfile
  install   what its RUN lines do, as root; what they COPY from other stages has to be there
  run       starts what the image starts, as its user, until it is healthy, and stops it
"""

import json
import re
import shlex
import sys


def stages(text: str) -> list:
    """The stages, each a list of (instruction, what follows it), the first of which is FROM."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found = []
    for instruction, rest in (line.split(None, 1) for line in lines if line.strip()):
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, rest.strip()))
    return found


def only(stage: list, instruction: str) -> str:
    [rest] = [rest for name, rest in stage if name == instruction]
    return rest


def health_command(stage: list) -> str:
    return only(stage, "HEALTHCHECK").split("CMD ", 1)[1]


def start_command(stage: list) -> list:
    return json.loads(only(stage, "ENTRYPOINT")) + json.loads(only(stage, "CMD"))


def _install(stage: list) -> str:
    return "\n".join(["set -eux", *(rest for name, rest in stage if name == "RUN")])


def _run(stage: list) -> str:
    user = only(stage, "USER")
    return f"""set -eux
ip link set lo up
export {only(stage, "ENV")}
(exec setpriv --reuid={user} --regid={user} --init-groups {shlex.join(start_command(stage))}) &
tries=0
until setpriv --reuid={user} --regid={user} --init-groups sh -c {shlex.quote(health_command(stage))}; do
  tries=$((tries + 1))
  test "$tries" -lt 100
  sleep 0.2
done
kill -{only(stage, "STOPSIGNAL").removeprefix("SIG")} $!
wait $!"""


if __name__ == "__main__":
    print({"install": _install, "run": _run}[sys.argv[1]](stages(sys.stdin.read())[-1]))
