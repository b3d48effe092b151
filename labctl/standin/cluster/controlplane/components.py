"""The control plane of one lab: etcd, API server, controller manager and scheduler as supervised processes.

Everything asks for client certificates of the lab's own CA, so another user of the machine gets nowhere. Of an
embedded lab everything listens on loopback, and the API server reaches a node agent by the node's ``InternalDNS``
address (``localhost``): its real addresses are inside the guest. Flags as measured in a lab of three nodes; start 3 s,
450 MB together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from labctl.standin.cluster.controlplane.binaries import Binaries
from labctl.standin.cluster.controlplane.pki import Authority, KeyPair, kubeconfig, service_account_key, write_private
from labctl.standin.cluster.controlplane.probe import Probe
from labctl.standin.process import ProcessSpec

GO_MEMORY = {"GOGC": "40"}
"""A little more collecting for a fifth less memory (Go runtime documentation, GOGC)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Free loopback ports."""

    api: int
    etcd: int
    etcd_peer: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the API server listens, how others reach it, and how it reaches the node agents."""

    bind: str = "127.0.0.1"
    host: str = "127.0.0.1"
    """In kubeconfigs."""
    names: tuple[str, ...] = ()
    """Further names and addresses in its certificate."""
    advertise: str = "192.0.2.1"
    """Endpoint of the Service ``kubernetes``; out of RFC 5737: nobody is told of it without ``endpoint``."""
    endpoint: bool = False
    """Whether that Service gets its endpoint."""
    kubelets: str = "InternalDNS,InternalIP"
    """``--kubelet-preferred-address-types``."""
    tokens: Path | None = None
    """A static token file, for nodes that join."""


LOOPBACK = Reach()
NODE_MASK = {4: 24, 6: 64}
"""Length of a Node's network in each family: the controller manager's own (and kubeadm's) defaults."""
MOST_NETWORKS = 16
"""Its allocator refuses a range with more than 2^16 of them, and one that is smaller than a network."""


def node_cidrs(pod_ranges: Sequence[str]) -> tuple[str, ...]:
    """Flags by which each Node gets its ``podCIDRs``; a range without room for such networks: none gets one."""
    networks = [ip_network(text) for text in pod_ranges]
    fitting = all(0 <= NODE_MASK[network.version] - network.prefixlen <= MOST_NETWORKS for network in networks)
    if not networks or not fitting:
        return ("--allocate-node-cidrs=false",)
    return ("--allocate-node-cidrs=true", f"--cluster-cidr={','.join(map(str, networks))}")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that is ready to be started."""

    processes: tuple[ProcessSpec, ...]
    authority: Authority
    ports: Ports
    admin_kubeconfig: Path
    folder: Path
    reach: Reach = LOOPBACK

    @property
    def server(self) -> str:
        return f"https://{self.reach.host}:{self.ports.api}"

    def client(self, file: str, user: str, groups: Sequence[str]) -> KeyPair:
        """A client certificate for a user of the API."""
        return self.authority.issue(file, user, groups)


def control_plane(
    binaries: Binaries,
    folder: Path,
    logs: Path,
    admin_kubeconfig: Path,
    ports: Ports,
    lab: str,
    service_ranges: Sequence[str],
    reach: Reach = LOOPBACK,
    pod_ranges: Sequence[str] = (),
) -> ControlPlane:
    """Make certificates and kubeconfigs under ``folder`` and say what to run.

    ``pod_ranges``: one a family, out of which each Node gets a network (kubeadm's ``podSubnet``).
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(folder / "pki", f"labctl {lab}")
    server, local = f"https://{reach.host}:{ports.api}", f"https://127.0.0.1:{ports.api}"
    hosts = ("localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", *reach.names)
    serving = authority.issue("apiserver", "kube-apiserver", hosts=hosts)
    etcd = authority.issue("etcd", "etcd", hosts=("localhost", "127.0.0.1"))
    kubelet = authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",))
    admin = authority.issue("admin", "kubernetes-admin", ("system:masters",))
    write_private(admin_kubeconfig, kubeconfig(server, authority.certificate, admin, lab, f"{lab}-admin").encode())
    accounts = service_account_key(folder / "pki")
    configs = {}
    # the controllers act under one identity instead of forty service accounts whose tokens would cost a second
    for component, groups in (("kube-controller-manager", ("system:masters",)), ("kube-scheduler", ())):
        pair = authority.issue(component, f"system:{component}", groups)
        configs[component] = folder / f"{component}.kubeconfig"
        write_private(configs[component], kubeconfig(local, authority.certificate, pair, lab, component).encode())
    etcd_address = f"https://127.0.0.1:{ports.etcd}"
    ca = str(authority.certificate)
    processes = (
        ProcessSpec(
            "etcd",
            (
                str(binaries.path("etcd")), f"--data-dir={folder / 'etcd'}", "--name=lab", "--unsafe-no-fsync",
                f"--listen-client-urls={etcd_address}", f"--advertise-client-urls={etcd_address}",
                f"--listen-peer-urls=https://127.0.0.1:{ports.etcd_peer}",
                f"--initial-advertise-peer-urls=https://127.0.0.1:{ports.etcd_peer}",
                f"--initial-cluster=lab=https://127.0.0.1:{ports.etcd_peer}",
                f"--cert-file={etcd.certificate}", f"--key-file={etcd.key}", "--client-cert-auth",
                f"--trusted-ca-file={ca}",
                f"--peer-cert-file={etcd.certificate}", f"--peer-key-file={etcd.key}", "--peer-client-cert-auth",
                f"--peer-trusted-ca-file={ca}", "--log-level=warn",
            ),
            logs / "etcd.log",
            env=GO_MEMORY,
            ready=Probe("etcd", ports.etcd, "/health", ca, str(etcd.certificate), str(etcd.key)),
        ),
        ProcessSpec(
            "kube-apiserver",
            (
                str(binaries.path("kube-apiserver")), f"--etcd-servers={etcd_address}", f"--etcd-cafile={ca}",
                f"--etcd-certfile={etcd.certificate}", f"--etcd-keyfile={etcd.key}",
                f"--service-cluster-ip-range={','.join(service_ranges)}", f"--bind-address={reach.bind}",
                f"--secure-port={ports.api}", f"--tls-cert-file={serving.certificate}",
                f"--tls-private-key-file={serving.key}", f"--client-ca-file={ca}",
                "--anonymous-auth=false", "--authorization-mode=Node,RBAC",
                f"--service-account-key-file={accounts}", f"--service-account-signing-key-file={accounts}",
                "--service-account-issuer=https://kubernetes.default.svc", "--enable-admission-plugins=NodeRestriction",
                "--disable-admission-plugins=ServiceAccount",
                f"--endpoint-reconciler-type={'lease' if reach.endpoint else 'none'}",
                f"--advertise-address={reach.advertise}",
                f"--kubelet-certificate-authority={ca}", f"--kubelet-client-certificate={kubelet.certificate}",
                f"--kubelet-client-key={kubelet.key}", f"--kubelet-preferred-address-types={reach.kubelets}",
                "--allow-privileged=true", "--profiling=false",
                *((f"--token-auth-file={reach.tokens}",) if reach.tokens else ()),
            ),
            logs / "kube-apiserver.log",
            env=GO_MEMORY,
            ready=Probe("kube-apiserver", ports.api, "/readyz", ca, str(admin.certificate), str(admin.key)),
            after=("etcd",),
        ),
        ProcessSpec(
            "kube-controller-manager",
            (
                str(binaries.path("kube-controller-manager")), f"--kubeconfig={configs['kube-controller-manager']}",
                f"--service-account-private-key-file={accounts}", f"--root-ca-file={ca}", "--leader-elect=false",
                *node_cidrs(pod_ranges), "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400",
                "--profiling=false",
            ),
            logs / "kube-controller-manager.log",
            env=GO_MEMORY,
            after=("kube-apiserver",),
        ),
        ProcessSpec(
            "kube-scheduler",
            (
                str(binaries.path("kube-scheduler")), f"--kubeconfig={configs['kube-scheduler']}",
                "--leader-elect=false", "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400",
                "--profiling=false",
            ),
            logs / "kube-scheduler.log",
            env=GO_MEMORY,
            after=("kube-apiserver",),
        ),
    )  # fmt: skip
    return ControlPlane(processes, authority, ports, admin_kubeconfig, folder, reach)
