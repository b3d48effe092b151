"""What containerlab findings are made from, read from made-up files, programs and a made-up daemon."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from labctl.doctor import facts
from labctl.doctor.facts import ALL_MODULES, ask, container_host_facts

ABOUT = {
    "Driver": "overlay2", "CgroupVersion": "2", "KernelVersion": "6.1.0", "OperatingSystem": "Debian GNU/Linux 12",
    "DockerRootDir": "/", "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}  # fmt: skip
IMAGE = {
    "Created": "2026-07-15T10:11:12.123456789Z",
    "Config": {
        "Entrypoint": ["/launch.py"], "Healthcheck": {"Test": ["CMD", "/healthcheck.py"]},
        "Labels": None, "ExposedPorts": {"22/tcp": {}},
    },
}  # fmt: skip
NETWORKS = [
    {"Name": "kind", "Id": "0123456789abcdef", "EnableIPv6": True, "Labels": {}, "Options": {},
     "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}, {"Subnet": "fc00:f853:ccd:e793::/64"}]}},
    {"Name": "host", "Id": "f", "EnableIPv6": False, "Labels": None, "Options": None, "IPAM": {"Config": None}},
]  # fmt: skip
CONTAINERS = [
    {"Names": ["/fab-worker"], "State": "exited", "Labels": {"io.x-k8s.kind.cluster": "fab"},
     "NetworkSettings": {"Networks": {"kind": {}}}},
]  # fmt: skip


@contextmanager
def daemon(folder: Path, **answers: Any) -> Iterator[str]:
    """A Docker daemon on a unix socket that has one image. Of ``answers`` a number is a status, None never comes."""
    bodies = {
        "version": {"Version": "28.5.2", "ApiVersion": "1.44", "Components": [{"Name": "Engine"}]},
        "info": ABOUT,
        "images/there:1/json": IMAGE,
        "networks": NETWORKS,
        "containers/json": CONTAINERS,
        **answers,
    }  # fmt: skip
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].lstrip("/")
            name = path.split("/", 1)[1] if path.startswith("v1.") else path
            if name in bodies and bodies[name] is None:
                over.wait(30)
                return
            found = bodies.get(name, 404)
            failed = isinstance(found, int)
            body = json.dumps({"message": "it broke"} if failed else found).encode()
            self.send_response(found if failed else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: Any) -> None:
            pass

    path = folder / "d.sock"
    with ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


def test_a_daemon_that_answers(tmp_path: Path) -> None:
    with daemon(tmp_path) as address:
        answer, trouble, _ = ask(address, ["there:1", "away:1"])
    assert trouble is None
    assert answer is not None
    assert (answer.version, answer.info["Driver"], answer.info["CgroupVersion"]) == ("28.5.2", "overlay2", "2")
    assert answer.disk_free is not None
    assert answer.images == {"there:1": IMAGE, "away:1": None}
    assert (answer.networks, answer.containers) == (NETWORKS, CONTAINERS)


def test_podman_is_no_docker(tmp_path: Path) -> None:
    body = {"Version": "5", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}
    with daemon(tmp_path, version=body) as address:
        assert ask(address, [])[1] == "foreign"


def test_a_daemon_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "ANSWER_LIMIT", 0.2)
    with daemon(tmp_path, info=None) as address:
        _, trouble, said = ask(address, [])
    assert trouble == "silent"
    assert "timed out" in said.lower()


def test_a_daemon_that_fails_is_silent(tmp_path: Path) -> None:
    with daemon(tmp_path, info=500) as address:
        _, trouble, said = ask(address, [])
    assert trouble == "silent"
    assert "it broke" in said


def test_nothing_listens(tmp_path: Path) -> None:
    asked = ask(f"unix://{tmp_path}/none.sock", [])
    assert asked == (None, "missing", f"nothing listens on {tmp_path}/none.sock")


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:2375", "ssh://ada@far"])
def test_a_remote_daemon_is_not_asked(address: str) -> None:
    assert ask(address, ["x"])[1] == "remote"


def test_capabilities_of_a_bounding_set(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    status = tmp_path / "self" / "status"
    assert facts.lacking_capabilities(tmp_path) == ()
    status.write_text("Name:\tx\nCapBnd:\t000001ffffffffff\n")
    assert facts.lacking_capabilities(tmp_path) == ()
    status.write_text("CapBnd:\t000001fffeffffff\n")  # what a Firecracker sandbox of ours had
    assert facts.lacking_capabilities(tmp_path) == ("CAP_SYS_RESOURCE",)
    status.write_text("CapBnd:\t00000000a80425fb\n")  # Docker's default for a container
    assert facts.lacking_capabilities(tmp_path) == ("CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE")


def test_modules_as_modprobe_finds_them(tmp_path: Path) -> None:
    (tmp_path / "sys" / "module" / "bonding").mkdir(parents=True)
    folder = tmp_path / "lib" / "6.1"
    folder.mkdir(parents=True)
    names = ("bonding", "vxlan", "8021q", "act_mirred", "vrf")
    unknown = facts.modules(names, "6.1", tmp_path / "sys", tmp_path / "lib")
    assert unknown == {"bonding": "loaded", **dict.fromkeys(names[1:], "unknown")}
    (folder / "modules.builtin").write_text("kernel/drivers/net/vxlan/vxlan.ko\n")
    dependencies = "kernel/net/8021q/8021q.ko.xz: kernel/net/802/mrp.ko.xz\nkernel/net/sched/act-mirred.ko:\n"
    (folder / "modules.dep").write_text(dependencies)
    known = facts.modules(names, "6.1", tmp_path / "sys", tmp_path / "lib")
    assert list(known.values()) == ["loaded", "loaded", "loadable", "loadable", "missing"]


def test_virtualisation_and_containers_as_containerlab_sees_them(tmp_path: Path) -> None:
    assert (facts.virtualisation(tmp_path), facts.in_container(tmp_path)) == (False, True)
    (tmp_path / "cpuinfo").write_text("flags : fpu svm\n")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "status").write_text("Name:\tkthreadd\nState: S\n")
    assert (facts.virtualisation(tmp_path), facts.in_container(tmp_path)) == (True, False)
    (tmp_path / "2" / "status").write_text("Name:\tbash\nkthreadd\n")
    assert facts.in_container(tmp_path)


def test_kvm_is_opened(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    assert facts.kvm_refusal(device, root=True) == f"there is no {device}"
    device.touch()
    assert facts.kvm_refusal(device, root=True) is None
    device.unlink()
    device.mkdir()
    assert "Is a directory" in (facts.kvm_refusal(device, root=True) or "")


def test_a_kvm_that_a_user_may_not_open_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(facts.os, "open", refused)
    assert facts.kvm_refusal(tmp_path, root=False) is None  # a privileged container opens it as root
    assert "not even by root" in (facts.kvm_refusal(tmp_path, root=True) or "")


def test_routes_without_default_ones(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eno1\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t001014AC\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n"
    )
    (route,) = facts.routes(tmp_path)
    assert (str(route[0]), route[1]) == ("172.20.16.0/20", "tun0")
    assert facts.routes(tmp_path / "nowhere") == ()


def test_ipv6(tmp_path: Path) -> None:
    switch = tmp_path / "sys/net/ipv6/conf/all/disable_ipv6"
    switch.parent.mkdir(parents=True)
    (tmp_path / "net").mkdir()
    assert not facts.ipv6(tmp_path)
    (tmp_path / "net" / "if_inet6").touch()
    switch.write_text("0\n")
    assert facts.ipv6(tmp_path)
    switch.write_text("1\n")
    assert not facts.ipv6(tmp_path)


def test_debian(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    assert facts.debian(file) is None
    file.write_text('ID=debian\nVERSION_ID="13"\n')
    assert facts.debian(file) == 13
    file.write_text('ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n')
    assert facts.debian(file) is None
    file.write_text("ID=debian\nVERSION_CODENAME=sid\n")
    assert facts.debian(file) is None


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


LOGO = 'test "$1 $CLAB_VERSION_CHECK" = "version disable" || exit 1\necho " logo"\necho "    version: 0.79.1"\n'


@pytest.mark.parametrize(
    ("script", "version", "said"),
    [
        (LOGO, (0, 79, 1), ""),
        ("echo '    version: v1.2'", (1, 2), ""),
        ("echo not today >&2; exit 3", None, "not today"),
        ("exit 3", None, "exit code 3"),
    ],
)
def test_what_containerlab_says(tmp_path: Path, script: str, version: tuple[int, ...] | None, said: str) -> None:
    path = program(tmp_path / "bin", "containerlab", script)
    found = facts.containerlab(str(tmp_path / "bin"), {})
    assert found is not None
    assert (found.path, found.version, found.said, found.setuid) == (str(path), version, said, False)
    assert facts.containerlab(str(tmp_path), {}) is None


def test_a_containerlab_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "PROGRAM_LIMIT", 0.1)
    program(tmp_path / "bin", "containerlab", "exec sleep 30")
    found = facts.containerlab(str(tmp_path / "bin"), {"PATH": "/usr/bin:/bin"})
    assert found is not None
    assert (found.version, found.said) == (None, "no answer within 0.1 s")


def test_a_whole_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one, with programs and a daemon of the test."""
    program(tmp_path / "bin", "containerlab", LOGO)
    program(tmp_path / "bin", "docker", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", raising=False)
    with daemon(tmp_path) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        found = container_host_facts(None)
    assert found.docker is not None
    assert found.containerlab is not None
    assert found.containerlab.version == (0, 79, 1)
    assert found.docker_cli == str(tmp_path / "bin" / "docker")
    assert found.memory_free > 0
    assert set(found.modules) == set(ALL_MODULES)
    assert (found.kind_network, found.docker.images) == ("kind", {})
