"""Docker and containerlab: there, new enough, and allowed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from labctl.doctor.containerlab.hostfindings import as_root
from labctl.doctor.containerlab.model import ContainerHostFacts, DockerFacts
from labctl.doctor.containerlab.needs import LabNeeds
from labctl.doctor.findings import Finding
from labctl.peers import (
    CGROUP_V1_NEWEST,
    CONTAINERLAB_KNOWN,
    CONTAINERLAB_OLDEST,
    CONTAINERLAB_TESTED,
    DEVELOPMENT,
    WRITTEN_FOR,
    Version,
    dotted,
    numbers,
    readers,
)
from labctl.peers import containerlab as row_of

INSTALLATION = "its documentation's page Installation has packages and a script"


def docker(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The daemon: local, answering, of a kind that can do it."""
    if facts.docker_trouble == "remote":
        why = f"DOCKER_HOST is {_public(facts.docker_address)}: containerlab makes the wires in this kernel"
        yield Finding("docker", "error", f"{why}, so Docker must run on it (a unix socket)", "unset DOCKER_HOST")
    elif facts.docker_trouble == "foreign":
        why = f"{facts.docker_words}, which kind and labctl do not drive"
        yield Finding("docker", "error", why, as_root(facts, "apt-get install docker.io"))
    elif facts.docker_trouble == "denied":
        why = f"{facts.user} may not ask Docker ({facts.docker_words}); log in again after"
        yield Finding("docker", "error", why, as_root(facts, f"usermod --append --groups docker {facts.user}"))
    elif facts.docker_trouble == "missing" and not facts.dockerd:
        yield Finding(
            "docker", "error", "the Docker daemon is not installed", as_root(facts, "apt-get install docker.io")
        )
    elif facts.docker is None:
        yield Finding("docker", "error", f"Docker does not answer: {facts.docker_words}",
                      as_root(facts, "systemctl restart docker"))  # fmt: skip
    else:
        answer = facts.docker
        details = f"{answer.storage_driver}, control groups version {answer.cgroup_version}"
        yield Finding("docker", "ok", f"Docker {answer.version} answers ({details})")
        yield from _daemon(facts, answer, needs)
    yield from _client(facts)


def _public(address: str) -> str:
    """An address without a user and password in it."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _daemon(facts: ContainerHostFacts, answer: DockerFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    if answer.kernel != facts.kernel or answer.system == "Docker Desktop":
        why = f"Docker runs on another kernel ({answer.system}, {answer.kernel}) than this one ({facts.kernel})"
        yield Finding("docker-kernel", "error", f"{why}: containerlab's wires would end here")
    if "rootless" in answer.security:
        why = "Docker runs rootless: containerlab cannot wire its containers"
        yield Finding("docker-rootless", "error", why, "unset DOCKER_HOST")
    if "userns" in answer.security:
        why = "Docker maps users (userns-remap), which allows no privileged containers"
        yield Finding("docker-userns", "error", f"{why}; take it out of daemon.json, then restart",
                      as_root(facts, "systemctl restart docker"))  # fmt: skip
    if answer.cgroup_version == "1" and (needs is None or needs.cluster == "kind"):
        newer = needs is not None and numbers(needs.kubernetes or "")[:2] > CGROUP_V1_NEWEST
        why = "control groups version 1: Kubernetes from 1.35 on does not start on them"
        yield Finding(
            "cgroups", "error" if newer else "warning", f"{why}; boot with systemd.unified_cgroup_hierarchy=1"
        )
    if answer.storage_driver == "vfs":
        why = "Docker's storage driver is vfs: every container is a whole copy of its image"
        yield Finding("docker-storage", "warning", f"{why}; set overlay2 in daemon.json, then restart",
                      as_root(facts, "systemctl restart docker"))  # fmt: skip
    modules = sorted({"apparmor", "selinux"} & answer.security)
    if modules:
        yield Finding("docker-security", "ok", f"{', '.join(modules)}: privileged containers are not confined by it")


def _client(facts: ContainerHostFacts) -> Iterator[Finding]:
    if facts.docker_cli:
        yield Finding("docker-cli", "ok", facts.docker_cli)
    else:
        # Debian's docker.io had the client in it until 12
        package = "docker-cli" if (facts.debian or 0) >= 13 else "docker.io"
        fix = as_root(facts, f"apt-get install {package}")
        yield Finding("docker-cli", "error", "no docker on PATH: the kind inside containerlab runs it", fix)
    if facts.docker_context:
        why = f"docker's context is {facts.docker_context}, which kind would use and containerlab would not"
        yield Finding("docker-context", "error", f"{why}: both must reach one Docker", "docker context use default")


def containerlab(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The program, its version, whether it reads this lab's folder, and how it becomes root."""
    program, minimum = facts.containerlab, dotted(CONTAINERLAB_OLDEST)
    if program is None:
        yield Finding("containerlab", "error", f"no containerlab on PATH ({minimum} or newer; {INSTALLATION})")
        return
    if program.version is None:
        yield Finding("containerlab", "error", f"{program.path} does not tell its version: {program.said}",
                      f"{program.path} version")  # fmt: skip
    elif program.version == DEVELOPMENT:
        why = f"{program.path} is a build without a version: it is taken for {WRITTEN_FOR} or newer"
        yield Finding("containerlab", "warning", f"{why}; `--target containerlab=VERSION` says otherwise")
    elif program.version < CONTAINERLAB_OLDEST:
        why = f"containerlab {dotted(program.version)} is too old: {minimum} or newer"
        yield Finding("containerlab", "error", why, as_root(facts, "containerlab version upgrade"))
    else:
        yield _new_enough(program.version, program.path)
    if needs and needs.moved_keys and program.version and program.version >= CONTAINERLAB_OLDEST:
        yield from _reading(program.version, needs)
    yield _rights(facts, program.path, setuid=program.setuid)


def _new_enough(version: Version, path: str) -> Finding:
    """What nobody has run labctl with is never called well."""
    what = f"containerlab {dotted(version)} ({path})"
    if version[:2] <= CONTAINERLAB_TESTED:
        return Finding("containerlab", "ok", what)
    tested, known = dotted(CONTAINERLAB_TESTED), dotted(CONTAINERLAB_KNOWN)
    if version[:2] <= CONTAINERLAB_KNOWN:
        why = f"{what}: labctl was run with {tested}, and knows this one by its release notes"
    else:
        why = f"{what} is newer than any that labctl knows (up to {known}; it was run with {tested})"
    return Finding("containerlab", "warning", why)


def _reading(version: Version, needs: LabNeeds) -> Iterator[Finding]:
    keys = needs.moved_keys
    if not keys <= row_of(version).cluster_keys:
        why = f"topology.clab.yml says {', '.join(sorted(keys))} of a node, which {readers(keys)} reads"
        target = f"switch={needs.switch},cluster={needs.cluster},containerlab={dotted(version[:2])}"
        fix = f"labctl generate SPEC -o DIR --target {target}"
        yield Finding("topology", "error", f"containerlab {dotted(version)} does not read this folder: {why}", fix)


def _rights(facts: ContainerHostFacts, path: str, *, setuid: bool) -> Finding:
    if facts.root:
        return Finding("rights", "ok", "root")
    if not setuid:
        why = f"containerlab needs root: run labctl as root, or give {path} root's SUID bit"
        return Finding("rights", "error", why, f"sudo chown root {path} && sudo chmod u+s {path}")
    if facts.clab_group and "clab_admins" not in facts.groups:
        why = f"{facts.user} is not in the group clab_admins, which containerlab asks for; log in again after"
        return Finding("rights", "error", why, f"sudo usermod --append --groups clab_admins {facts.user}")
    member = ", clab_admins" if facts.clab_group else ""
    return Finding("rights", "ok", f"{facts.user}, with containerlab's SUID bit{member}")
