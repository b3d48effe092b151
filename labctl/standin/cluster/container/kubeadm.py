"""``kubeadm`` of a stand-in node, as far as kind calls it: ``init`` and ``join`` with ``--config FILE``.

``init`` makes the cluster's CA and certificates, starts etcd, API server, controller manager and scheduler on the port
and under the names that kind expects, and writes ``admin.conf``; ``join`` takes the CA from the API with the bootstrap
token. Both then start the node's agent and return when its Node is registered.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from labctl.errors import InconclusiveError, LabctlError, LabError
from labctl.pace import limit, paced
from labctl.standin.cluster.container.config import KubeadmConfig, read_config
from labctl.standin.cluster.container.objects import JOIN, JOINERS, SYSTEM
from labctl.standin.cluster.container.record import KUBERNETES, LOGS, NodeRecord
from labctl.standin.cluster.container.start import VERSION, start
from labctl.standin.cluster.controlplane.binaries import Binaries
from labctl.standin.cluster.controlplane.components import Ports, Reach, control_plane
from labctl.standin.cluster.controlplane.pki import Authority, write_private
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

PROGRAMS = Path("/usr/local/lib/labctl/controlplane")
JOIN_LIMIT = 120.0
ETCD_PORTS = (2379, 2380)
DEFAULT_SERVICES = ("10.96.0.0/16",)


def init(config: KubeadmConfig) -> NodeRecord:
    """Certificates, ``admin.conf`` and the processes of a control plane; nothing is started yet."""
    host, _, port = config.endpoint.rpartition(":")
    pki = KUBERNETES / "pki"
    pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    tokens = pki / "tokens.csv"
    user = f"system:bootstrap:{config.token.partition('.')[0]}"
    write_private(tokens, f'{config.token},{user},{user},"{JOINERS}"\n'.encode())
    reach = Reach(
        bind="0.0.0.0",  # noqa: S104 - the other nodes and kind's port come over eth0; all need a certificate or token
        host=host,
        names=(host, socket.gethostname(), *config.addresses, *config.names),
        advertise=config.addresses[0],
        endpoint=True,
        kubelets="InternalIP",
        tokens=tokens,
    )
    binaries = Binaries(PROGRAMS, VERSION.read_text().strip().removeprefix("v"), "the image")
    plane = control_plane(
        binaries, KUBERNETES, LOGS, KUBERNETES / "admin.conf", Ports(int(port), *ETCD_PORTS), config.cluster,
        config.services or DEFAULT_SERVICES, reach, config.pods,
    )  # fmt: skip
    write_private(pki / "ca.key", plane.authority.key_pem())
    issue(plane.authority, config)
    return NodeRecord(config.name, True, plane.server, config.pods, plane.processes)  # noqa: FBT003


def join(config: KubeadmConfig) -> NodeRecord:
    """Take the CA from the API. Raises `InconclusiveError` when it does not give it."""
    try:
        data = wait_for(lambda: _ask(config), Deadline(paced(JOIN_LIMIT)), every=0.5)
    except DeadlinePassed as passed:
        raise InconclusiveError(f"https://{config.endpoint}: {passed.reason}", code="no-join") from None
    issue(Authority(KUBERNETES / "pki", f"labctl {config.cluster}", data["ca.key"]), config)
    write_private(KUBERNETES / "pki" / "ca.crt", data["ca.crt"])
    pods = tuple(json.loads(data["cluster.json"])["pods"])
    return NodeRecord(config.name, False, f"https://{config.endpoint}", pods, ())  # noqa: FBT003


def _ask(config: KubeadmConfig) -> dict[str, bytes] | NotYet:
    import urllib3

    # kind says unsafeSkipCAVerification: the CA is what is asked for
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    with urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False, timeout=limit("connect")) as pool:
        try:
            answer = pool.request(
                "GET",
                f"https://{config.endpoint}{SYSTEM}/secrets/{JOIN}",
                headers={"Authorization": f"Bearer {config.token}"},
            )
        except urllib3.exceptions.HTTPError as error:
            return NotYet(f"the API does not answer: {error}")
        if answer.status != 200:
            return NotYet(f"HTTP {answer.status}: {answer.data[:200].decode(errors='replace')}")
        return {name: base64.b64decode(text) for name, text in answer.json()["data"].items()}


def issue(authority: Authority, config: KubeadmConfig) -> None:
    """The node's own certificates: kubelet (client and server), and Calico's service account."""
    hosts = (*config.addresses, socket.gethostname(), "localhost", "127.0.0.1")
    authority.kubelet("kubelet", config.name, hosts)
    authority.calico_node()


def main(arguments: Sequence[str]) -> int:
    """0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="kubeadm", description="kubeadm of a labctl stand-in node")
    parser.add_argument("verb", choices=("init", "join"))
    parser.add_argument("--config", type=Path, required=True)
    given, _ = parser.parse_known_args(arguments)
    try:
        config = read_config(given.config, given.verb, socket.gethostname())
        record = init(config) if given.verb == "init" else join(config)
        record.write()
        start(record)
    except (LabctlError, OSError) as error:
        words = error.message if isinstance(error, LabError | LabctlError) else str(error)
        sys.stderr.write(f"error: {words}\n")
        return 1
    sys.stdout.write(f"node {record.name}: {given.verb} is done\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
