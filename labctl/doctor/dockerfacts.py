"""Asks the Docker daemon, within seconds; a daemon that cannot be asked is a fact too."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from labctl.doctor.model import ContainerFact, DockerFacts, ImageFact, NetworkFact, Trouble
from labctl.errors import HostError
from labctl.host import text
from labctl.runtime.containerlab.dockerhost import DockerHost

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
CONNECT_LIMIT = 2.0
"""Seconds until a daemon's socket takes a connection."""
ANSWER_LIMIT = 10
"""Seconds for each answer: a machine that boots another lab at the same time takes some."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: facts, or what is wrong and in which words."""

    facts: DockerFacts | None
    trouble: Trouble | None = None
    words: str = ""


def address_of(environment: Mapping[str, str]) -> str:
    """Where containerlab looks for Docker: DOCKER_HOST, else the usual socket. It knows no contexts."""
    return environment.get("DOCKER_HOST") or DEFAULT_ADDRESS


def context_of(environment: Mapping[str, str]) -> str | None:
    """The context that the docker CLI uses instead, by its own rules: DOCKER_HOST, DOCKER_CONTEXT, its config file."""
    if environment.get("DOCKER_HOST"):
        return None
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "/")) / ".docker")
    chosen: object = environment.get("DOCKER_CONTEXT")
    if not chosen:
        try:
            chosen = json.loads((folder / "config.json").read_text()).get("currentContext")
        except (OSError, ValueError, AttributeError):
            return None
    return str(chosen) if chosen and chosen != "default" else None


def ask(address: str, references: Iterable[str]) -> Asked:
    """Ask the daemon at an address for itself, some images, and all networks and containers."""
    if not address.startswith("unix://"):
        return Asked(None, "remote", f"{address.partition('://')[0]} address")
    refused = _refused(address.removeprefix("unix://"))
    if refused:
        return refused
    try:
        with DockerHost(Path(address.removeprefix("unix://")), limit=ANSWER_LIMIT).asking("look at this host") as api:
            return _answers(api, references)
    except (HostError, ValueError) as error:
        return Asked(None, "silent", str(error.__cause__ or error))


def _refused(path: str) -> Asked | None:
    """Why a socket takes no connection; told apart here, since the library gives all of it as one exception."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_LIMIT)
        try:
            probe.connect(path)
        except PermissionError:
            return Asked(None, "denied", f"{path}: permission denied")
        except (FileNotFoundError, ConnectionRefusedError):
            return Asked(None, "missing", f"nothing listens on {path}")
        except OSError as error:
            return Asked(None, "silent", f"{path}: {error}")
    return None


def _answers(client: Any, references: Iterable[str]) -> Asked:
    from docker.errors import NotFound

    version, about = client.version(), client.info()
    names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    if any("podman" in name.lower() for name in names):
        return Asked(None, "foreign", "Podman answers there")
    images: dict[str, ImageFact | None] = {}
    for reference in references:
        try:
            images[reference] = _image(client.inspect_image(reference))
        except NotFound:
            images[reference] = None
    root_dir = str(about.get("DockerRootDir", ""))
    return Asked(
        DockerFacts(
            version=str(version.get("Version", "")),
            storage_driver=str(about.get("Driver", "")),
            cgroup_version=str(about.get("CgroupVersion", "1")),  # daemons that do not say know only the first
            kernel=str(about.get("KernelVersion", "")),
            system=str(about.get("OperatingSystem", "")),
            security=frozenset(_security(about.get("SecurityOptions") or ())),
            root_dir=root_dir,
            disk_free=_free(root_dir),
            images=images,
            networks=tuple(_network(row) for row in client.networks()),
            containers=tuple(_container(row) for row in client.containers(all=True)),
        )
    )


def _security(options: Iterable[str]) -> Iterable[str]:
    """``name=seccomp,profile=builtin`` → ``seccomp``."""
    for option in options:
        yield option.partition(",")[0].removeprefix("name=")


def _free(root_dir: str) -> int | None:
    try:
        return shutil.disk_usage(root_dir).free
    except OSError:
        return None


def _image(body: Mapping[str, Any]) -> ImageFact:
    config = body.get("Config") or {}
    return ImageFact(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        healthcheck=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
        labels=config.get("Labels") or {},
        ports=frozenset(config.get("ExposedPorts") or ()),
        created=_moment(str(body.get("Created") or "")),
    )


def _moment(written: str) -> datetime | None:
    """RFC 3339 with as many fractional digits as Go likes; None for builders that write no time, or the year 1."""
    try:
        moment = datetime.strptime(written[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if moment.year > 1970 else None


def _network(row: Mapping[str, Any]) -> NetworkFact:
    subnets = [str(part.get("Subnet") or "") for part in (row.get("IPAM") or {}).get("Config") or ()]
    name = str(row.get("Name", ""))
    bridge = (row.get("Options") or {}).get("com.docker.network.bridge.name")
    return NetworkFact(
        name=name,
        subnets=tuple(IPv4Network(subnet, strict=False) for subnet in subnets if subnet and ":" not in subnet),
        ipv6=bool(row.get("EnableIPv6")) and any(":" in subnet for subnet in subnets),
        labels=row.get("Labels") or {},
        bridge=str(bridge or f"br-{str(row.get('Id', ''))[:12]}"),
    )


def _container(row: Mapping[str, Any]) -> ContainerFact:
    return ContainerFact(
        name=str((row.get("Names") or [""])[0]).removeprefix("/"),
        running=row.get("State") == "running",
        labels=row.get("Labels") or {},
        networks=tuple((row.get("NetworkSettings") or {}).get("Networks") or ()),
    )


def daemon_pid(run: Path, proc: Path) -> str | None:
    """The process of the daemon on this machine, by its pid file; None when that is gone, or another program."""
    pid = text(run / "docker.pid").strip()
    return pid if pid.isdecimal() and text(proc / pid / "comm").strip() == "dockerd" else None
