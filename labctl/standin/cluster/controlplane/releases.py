"""Release files of Kubernetes and etcd, verified against the checksums that are published beside them.

``LABCTL_K8S_RELEASES`` and ``LABCTL_ETCD_RELEASES`` name other addresses with the same layout (a mirror).
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import tarfile
from collections.abc import Callable
from pathlib import Path

K8S_RELEASES = "https://dl.k8s.io/release"
ETCD_RELEASES = "https://github.com/etcd-io/etcd/releases/download"
CONNECT_LIMIT = 5.0
READ_LIMIT = 60.0
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NotReachable(Exception):
    """A release file cannot be had; the message says which and why."""


def download(target: Path, kubernetes: str, etcd: str, progress: Callable[[str], None]) -> None:
    """Bring all programs into ``target``. Raises `NotReachable`."""
    arch = ARCHITECTURES.get(platform.machine())
    if arch is None:
        raise NotReachable(f"no release files for {platform.machine()}")
    base = f"{os.environ.get('LABCTL_K8S_RELEASES', K8S_RELEASES)}/v{kubernetes}/bin/linux/{arch}"
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"):
        wanted = (fetch(f"{base}/{name}.sha256").decode(errors="replace").split() or ["(nothing)"])[0]
        progress(f"downloading {name} {kubernetes}")
        (target / name).write_bytes(verified(fetch(f"{base}/{name}"), wanted, name))
    archive = f"etcd-v{etcd}-linux-{arch}.tar.gz"
    base = f"{os.environ.get('LABCTL_ETCD_RELEASES', ETCD_RELEASES)}/v{etcd}"
    lines = fetch(f"{base}/SHA256SUMS").decode(errors="replace").splitlines()
    sums = {words[1]: words[0] for line in lines if len(words := line.split()) == 2}
    if archive not in sums:
        raise NotReachable(f"SHA256SUMS has no {archive}")
    progress(f"downloading etcd {etcd}")
    with tarfile.open(fileobj=io.BytesIO(verified(fetch(f"{base}/{archive}"), sums[archive], archive))) as tar:
        name = f"{archive.removesuffix('.tar.gz')}/etcd"
        member = tar.extractfile(name) if name in tar.getnames() else None
        if member is None:
            raise NotReachable(f"{archive} has no etcd")
        (target / "etcd").write_bytes(member.read())


def fetch(address: str) -> bytes:
    """One file. Raises `NotReachable`."""
    import urllib3

    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_LIMIT, read=READ_LIMIT), retries=urllib3.Retry(2, connect=0)
    )
    try:
        answer = pool.request("GET", address)
    except urllib3.exceptions.HTTPError as error:
        raise NotReachable(f"{address}: {type(error).__name__}") from None
    if answer.status != 200:
        raise NotReachable(f"{address}: HTTP {answer.status}")
    return answer.data


def verified(data: bytes, wanted: str, name: str) -> bytes:
    """The data when its SHA-256 is the wanted one."""
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise NotReachable(f"{name} has SHA-256 {found}, published is {wanted}")
    return data
