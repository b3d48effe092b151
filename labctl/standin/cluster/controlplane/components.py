"""The control plane of one lab: etcd, API server, controller manager and scheduler as supervised processes.

Everything listens on loopback and asks for client certificates of the lab's own CA, so another user of the machine
gets nowhere. The API server reaches a node agent by the node's ``InternalDNS`` address (``localhost``): its real
addresses are inside the guest. Flags as measured in a lab of three nodes; start 3 s, 450 MB together.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.standin.cluster.controlplane.binaries import Binaries
from labctl.standin.cluster.controlplane.pki import Authority, KeyPair, kubeconfig, service_account_key, write_private
from labctl.standin.process import ProcessSpec
from labctl.waiting import NotYet

GO_MEMORY = {"GOGC": "40"}
"""A little more collecting for a fifth less memory (Go runtime documentation, GOGC)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Free loopback ports."""

    api: int
    etcd: int
    etcd_peer: int


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that is ready to be started."""

    processes: tuple[ProcessSpec, ...]
    authority: Authority
    ports: Ports
    admin_kubeconfig: Path
    folder: Path

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports.api}"

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
) -> ControlPlane:
    """Make certificates and kubeconfigs under ``folder`` and say what to run."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(folder / "pki", f"labctl {lab}")
    server = f"https://127.0.0.1:{ports.api}"
    hosts = ("localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
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
        write_private(configs[component], kubeconfig(server, authority.certificate, pair, lab, component).encode())
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
            ready=lambda: _answers(ports.etcd, authority.certificate, etcd, "/health", "etcd"),
        ),
        ProcessSpec(
            "kube-apiserver",
            (
                str(binaries.path("kube-apiserver")), f"--etcd-servers={etcd_address}", f"--etcd-cafile={ca}",
                f"--etcd-certfile={etcd.certificate}", f"--etcd-keyfile={etcd.key}",
                f"--service-cluster-ip-range={','.join(service_ranges)}", "--bind-address=127.0.0.1",
                f"--secure-port={ports.api}", f"--tls-cert-file={serving.certificate}",
                f"--tls-private-key-file={serving.key}", f"--client-ca-file={ca}",
                "--anonymous-auth=false", "--authorization-mode=Node,RBAC",
                f"--service-account-key-file={accounts}", f"--service-account-signing-key-file={accounts}",
                "--service-account-issuer=https://kubernetes.default.svc", "--enable-admission-plugins=NodeRestriction",
                "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
                "--advertise-address=192.0.2.1",
                f"--kubelet-certificate-authority={ca}", f"--kubelet-client-certificate={kubelet.certificate}",
                f"--kubelet-client-key={kubelet.key}", "--kubelet-preferred-address-types=InternalDNS,InternalIP",
                "--allow-privileged=true", "--profiling=false",
            ),
            logs / "kube-apiserver.log",
            env=GO_MEMORY,
            ready=lambda: _answers(ports.api, authority.certificate, admin, "/readyz", "kube-apiserver"),
            after=("etcd",),
        ),
        ProcessSpec(
            "kube-controller-manager",
            (
                str(binaries.path("kube-controller-manager")), f"--kubeconfig={configs['kube-controller-manager']}",
                f"--service-account-private-key-file={accounts}", f"--root-ca-file={ca}", "--leader-elect=false",
                "--allocate-node-cidrs=false", "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400",
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
    return ControlPlane(processes, authority, ports, admin_kubeconfig, folder)


def _answers(port: int, authority: Path, pair: KeyPair, path: str, name: str) -> NotYet | None:
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(pair.certificate, pair.key)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5.0, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return NotYet(f"{name} does not answer yet: {error}")
    finally:
        connection.close()
    if answer.status == 200:
        return None
    failing = [line for line in body.splitlines() if line.startswith("[-]")]
    return NotYet(f"{name}: HTTP {answer.status} {', '.join(failing) or body[:200]}")
