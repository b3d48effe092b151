"""The stand-in switch as the main process of a container: vrnetlab's contract with containerlab.

``python3 -m labctl.standin.switch.container --username U --password P --hostname H --connection-mode tc --trace``:
waits until the container has as many front panel ports as ``CLAB_INTFS`` says, takes ``/config/startup-config.cfg``
when there is one, serves SSH on port 22, and says in ``/health`` how far it is (``1 starting``, ``0 running``).
Sources: the containerlab kind ``cisco_n9kv``, and vrnetlab's launch and health check for n9kv.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl import pace
from labctl.guest.agent.speed import measure
from labctl.peers import NXOS_DEFAULT
from labctl.standin.switch.frontend import make_device, make_key_pair
from labctl.standin.switch.platform import SwitchIdentity
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

if TYPE_CHECKING:
    import paramiko

    from labctl.standin.switch.shell import Device

HEALTH = Path("/health")
STARTUP = Path("/config/startup-config.cfg")
HOST_KEY = Path("/etc/labctl/ssh_host_ed25519_key")
NETWORK = Path("/sys/class/net")
PORT = re.compile(r"eth([1-9][0-9]*)")
INTERFACES_LIMIT = 1800.0
"""Seconds for the links: containerlab makes them when all boxes of a link run, which takes as long as the slowest."""


def say(text: str) -> None:
    """A line of ``docker logs``."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


def health(code: int, text: str) -> None:
    """Write vrnetlab's one line."""
    temporary = HEALTH.with_suffix(".new")
    temporary.write_text(f"{code} {text}\n")
    temporary.replace(HEALTH)


def front_panel(network: Path = NETWORK) -> dict[str, str]:
    """NX-OS name → kernel name of every port that is there, in the order of their numbers."""
    numbers = sorted(int(match[1]) for path in network.iterdir() if (match := PORT.fullmatch(path.name)))
    return {f"Ethernet1/{number}": f"eth{number}" for number in numbers}


def await_ports(wanted: int, limit: float = INTERFACES_LIMIT) -> dict[str, str]:
    """Until ``wanted`` ports are there. Raises `DeadlinePassed`."""

    def there() -> dict[str, str] | NotYet:
        found = front_panel()
        return found if len(found) >= wanted else NotYet(f"{len(found)} of {wanted} ports are there")

    return wait_for(there, Deadline(limit), every=0.1)


def management() -> tuple[str | None, str | None]:
    """Address of eth0 with prefix length, and the gateway of the default route; as Docker made them."""
    infos = (info for row in _ip("-4", "addr", "show", "dev", "eth0") for info in row.get("addr_info", ()))
    own = next((f"{info['local']}/{info['prefixlen']}" for info in infos), None)
    routes = _ip("route", "show", "default", "dev", "eth0")
    return own, next((str(row["gateway"]) for row in routes if "gateway" in row), None)


def _ip(*words: str) -> list[dict[str, Any]]:
    done = subprocess.run(("ip", "-j", *words), capture_output=True, check=False)
    rows: list[dict[str, Any]] = json.loads(done.stdout or b"[]") if done.returncode == 0 else []
    return rows


def host_key() -> paramiko.PKey:
    """The switch's own key; made at the first start."""
    import paramiko

    if not HOST_KEY.is_file():
        HOST_KEY.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_key_pair(HOST_KEY)
    return paramiko.Ed25519Key.from_private_key_file(str(HOST_KEY))


def serve(hostname: str, username: str, password: str, ports: Mapping[str, str]) -> None:
    """Make the switch, take its startup configuration, serve SSH; returns when it answers."""
    from labctl.guest.client import local_agent
    from labctl.standin.switch.sshd import SshServer

    address, gateway = management()
    identity = SwitchIdentity(hostname, None, ports, address, gateway=gateway, serves=True, nxos_version=NXOS_DEFAULT)
    device = make_device(local_agent(), identity)
    take_startup(device)
    threading.Thread(target=watch_wires, args=(device, dict(ports)), name="wires", daemon=True).start()
    server = SshServer(device, ("", 22), host_key(), (username, password, ""))
    threading.Thread(target=server.serve, name="sshd", daemon=True).start()


def watch_wires(device: Any, ports: Mapping[str, str], every: float = 1.0) -> None:
    """A neighbour that is made anew brings new wires under the old names: what was configured on them is made again."""
    known = {name: _index(name) for name in ports.values()}
    while True:
        threading.Event().wait(every)
        now = {name: _index(name) for name in ports.values()}
        came = {name for name, index in now.items() if index is not None and index != known[name]}
        known |= {name: index for name, index in now.items() if index is not None}
        if came:
            say(f"new wires: {', '.join(sorted(came))}")
            with device.lock:
                for line in device.platform.replugged(came):
                    say(line)


def _index(device: str, network: Path = NETWORK) -> int | None:
    try:
        return int((network / device / "ifindex").read_text())
    except OSError:
        return None


def take_startup(device: Device) -> None:
    """Type in ``/config/startup-config.cfg``; a refused line is logged, as vrnetlab does, and the rest is taken."""
    from labctl.standin.switch.shell import Shell

    if not STARTUP.is_file():
        return
    shell = Shell(device)
    shell.execute("configure terminal")
    lines = STARTUP.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        answer = shell.execute(line)
        if shell.refused:
            say(f"{STARTUP}:{number}: {line.strip()}: {answer.strip()}")
    shell.execute("end")
    device.settle()
    say(f"{STARTUP}: {len(lines)} lines")


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="n9kv-standin", description="labctl's stand-in for a Nexus 9000v")
    parser.add_argument("--username", default=os.environ.get("USERNAME", "admin"))
    parser.add_argument("--password", default=os.environ.get("PASSWORD", "admin"))
    parser.add_argument("--hostname", default="switch")
    parser.add_argument("--connection-mode", default="tc")
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args(arguments)
    pace.know(measure())
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: over.set())
    health(1, "starting")
    wanted = int(os.environ.get("CLAB_INTFS", "0"))
    say(f"{given.hostname}: labctl's stand-in for a Nexus 9000v; waiting for {wanted} ports")
    try:
        ports = await_ports(wanted)
    except DeadlinePassed as passed:
        say(f"gave up: {passed}")
        health(1, passed.reason)
        return 1
    serve(given.hostname, given.username, given.password, ports)
    say(f"{given.hostname}: {len(ports)} ports, SSH answers")
    health(0, "running")
    over.wait()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # threads of the agent and of open sessions go with the container
