"""A lab's own certificate authority and the certificates that it signs. ECDSA P-256: a key takes a millisecond.

Names and groups are those that kubeadm uses (Kubernetes documentation, "PKI certificates and requirements").
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Files of one certificate (0600)."""

    certificate: Path
    key: Path


class Authority:
    """The CA. Its key stays in memory unless `key_pem` is asked for it."""

    def __init__(self, folder: Path, name: str, key: bytes | None = None) -> None:
        """A new CA, or the one with that name and PEM ``key`` (its certificate is made anew, and as good)."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._key = _loaded(key) if key else ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._now = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
        self._public = self._key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._public)
        certificate = (
            self._builder(self._name, self._public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.crt"
        write_private(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, file: str, common_name: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> KeyPair:
        """A certificate; with ``hosts`` (names or addresses) it serves too."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])
        builder = (
            self._builder(x509.Name(subject), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._public), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = KeyPair(self._folder / f"{file}.crt", self._folder / f"{file}.key")
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        write_private(pair.key, _pem(key))
        return pair

    def kubelet(self, file: str, node: str, hosts: Sequence[str]) -> KeyPair:
        """A kubelet's, as client and as server."""
        return self.issue(file, f"system:node:{node}", ("system:nodes",), hosts)

    def calico_node(self) -> KeyPair:
        """Of calico-node's service account."""
        accounts = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
        return self.issue("calico-node", "system:serviceaccount:kube-system:calico-node", accounts)

    def key_pem(self) -> bytes:
        """The CA's key, for a node that issues its own certificates."""
        return _pem(self._key)

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now)
            .not_valid_after(self._now + LIFETIME)
        )


def service_account_key(folder: Path) -> Path:
    """The key that signs service account tokens."""
    path = folder / "sa.key"
    write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    return path


def kubeconfig(server: str, authority: Path, pair: KeyPair, name: str, user: str) -> str:
    """A kubeconfig with everything inside, so that it can be copied."""
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in (authority, pair.certificate, pair.key)]
    return (
        "apiVersion: v1\nkind: Config\n"
        f"clusters:\n- name: {name}\n  cluster:\n    server: {server}\n    certificate-authority-data: {encoded[0]}\n"
        f"users:\n- name: {user}\n  user:\n"
        f"    client-certificate-data: {encoded[1]}\n    client-key-data: {encoded[2]}\n"
        f"contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {user}\n"
        f"current-context: {name}\n"
    )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)


def _loaded(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is no elliptic curve key")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip
