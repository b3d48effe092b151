"""What a person need not show to let others see a session with a switch: taken out of its text. Pure.

Passwords, hashes and keys become ``<redacted>``. What relations hang on (MAC addresses, public addresses, users)
becomes another of its kind, the same one everywhere: what labctl parses is parsed as before. What stands in the lab's
own folder stays. Redacting twice changes nothing more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

GONE = "<redacted>"
HOST = "host.example"
_VALUE = r"(?!<redacted>)(?:\"[^\"\n]+\"|[^\s\",]+)"
"""A word, or several in quotes; JSON's quotes around a whole line stay."""
_TYPED = r"(?:[0-9] )?+"
"""NX-OS writes how a secret is encrypted before it: ``password 5 $5$…``."""

_SNMP = r"(?:version \S+ )?+(?:(?:no)?auth |priv )?+"

SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.MULTILINE | re.IGNORECASE))
    for what, pattern in (
        # in each, the group `secret` is what goes; more of them in a line are found one after the other
        ("key", r"(?P<secret>-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----)"),
        ("key", r"(?P<secret>(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+) [A-Za-z0-9+/=]{16,}(?: [^\s\"]+)?)"),
        ("password", rf"(?<![\w-])(?:password|secret) {_TYPED}(?!strength)(?P<secret>{_VALUE})"),
        (
            "password",
            rf"(?<![\w-])(?:key-string|authentication-key|keychain-key) (?!\d+ md5){_TYPED}(?P<secret>{_VALUE})",
        ),
        ("password", rf"message-digest-key \d+ md5 {_TYPED}(?P<secret>{_VALUE})"),
        ("password", rf"authentication-key \d+ md5 (?P<secret>{_VALUE})"),
        ("password", rf"(?:tacacs|radius)-server\b.*? key {_TYPED}(?P<secret>{_VALUE})"),
        ("password", rf"(?<![\w-])pass(?:word|phrase)? is:? (?P<secret>{_VALUE})"),
        ("snmp", rf"snmp-server community (?P<secret>{_VALUE})"),
        ("snmp", rf"snmp-server host \S+ (?:(?:traps|informs) )?+{_SNMP}(?P<secret>{_VALUE})"),
        ("snmp", rf"snmp-server user \S+.*? auth \S+ (?P<secret>{_VALUE})"),
        ("snmp", rf"snmp-server user \S+.*? priv (?:aes-128 |des )?+(?P<secret>{_VALUE})"),
        ("snmp", r"snmp-server (?:contact|location) (?P<secret>(?!<redacted>)\S.*)$"),
        ("hash", r"(?P<secret>\$(?:1|2[aby]?|5|6|8|9|14|nx-pbkdf2|sha512)\$[^\s\",]+)"),
        ("hash", r"(?P<secret>\b0x[0-9a-f]{16,}\b)"),
        ("serial", rf"Processor Board ID:? (?P<secret>{_VALUE})"),
        ("serial", rf"Serial[ -]?(?:Number|Num|No)\.?\s*[:=] *(?P<secret>{_VALUE})"),
        ("serial", rf"License hostid: (?P<secret>{_VALUE})"),
        ("serial", r"^\d+ +[0-9a-f-]{11,17} to [0-9a-f-]{11,17} +(?P<secret>(?!<redacted>)[A-Z0-9]{4,})\s*$"),
        ("serial", r'"[\w-]*(?:serial|board_id|host_?id)[\w-]*": ?"(?P<secret>(?!<redacted>)[^"]+)"'),
        ("password", r'"[\w-]*(?:passw|secret|authkey)[\w-]*": ?"(?P<secret>(?!<redacted>)[^"]+)"'),
    )
)
HOSTS = re.compile(
    r"^(?P<before>\s*(?:ip domain-(?:name|list)|ip name-server|ip host \S+|(?:ntp|logging|sntp) server|"
    r"(?:tacacs|radius)-server host|snmp-server host) )(?P<host>[^\s\"]+)",
    re.MULTILINE,
)
"""Lines of a configuration that name machines around the lab."""
USER = re.compile(r"(?<![\w-])(?P<before>username |snmp-server user )(?P<name>[\w.@-]+)")
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
NAME = re.compile(
    r"\b(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"(?:com|net|org|io|edu|gov|mil|info|biz|dev|cloud|local|lan|corp|internal|intra|home|[a-z]{2}\.uk|de|fr|eu|ch|at|nl|"
    r"se|no|dk|fi|it|es|pl|cz|jp|cn|in|au|ca|br|us)\b"
)
PUBLIC_NAMES = ("cisco.com", "gnu.org", "opensource.org", "projectcalico.org", "kubernetes.io", "k8s.io", HOST)
"""Domains that every switch prints, or that labctl does."""
MAC = re.compile(
    r"(?<![\w.:-])"
    r"(?:[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}|[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}|[0-9a-f]{1,2}(?:-[0-9a-f]{1,2}){5})"
    r"(?![\w:-]|\.\w)",
    re.IGNORECASE,
)
V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
V6 = re.compile(r"(?<![\w:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:]|\.\d)")
OTHER_V4, OTHER_V6 = IPv4Network("198.18.0.0/15"), IPv6Network("2001:db8:ffff::/64")
"""Where replacements of public addresses come from: benchmarking (RFC 2544) and documentation (RFC 3849)."""
WIDEST = {4: 4, 6: 8}
"""Prefix length below which a network of the folder (a default route) says nothing about what is known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is in the lab's folder anyway: networks and MAC addresses."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    macs: frozenset[str] = frozenset()


def known_of(texts: Iterable[str]) -> Known:
    """Every address, network and MAC address that the texts name."""
    networks: set[IPv4Network | IPv6Network] = set()
    macs: set[str] = set()
    for text in texts:
        macs |= {_octets(found) for found in MAC.findall(text)}
        for word in re.findall(r"[0-9A-Fa-f:.]+(?:/\d+)?", text):
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            if network.prefixlen >= WIDEST[network.version]:
                networks.add(network)
    return Known(tuple(sorted(networks, key=str)), frozenset(macs))


class Redactor:
    """Redacts texts of one session after the other; what it replaces is replaced by the same in all of them."""

    def __init__(self, known: Known = Known()) -> None:
        self._known = known
        self._others: dict[str, dict[str, str]] = {"mac": {}, "address": {}, "user": {}}
        self.counts: Counter[str] = Counter()
        """What was taken out, by kind."""

    def text(self, text: str) -> str:
        """The text without it."""
        text = HOSTS.sub(self._host, self.secrets(text))
        text = USER.sub(self._user, text)
        text = MAIL.sub(self._mail, text)
        text = NAME.sub(self._name, text)
        text = MAC.sub(self._mac, text)
        text = V6.sub(self._address, text)
        return V4.sub(self._address, text)

    def secrets(self, text: str) -> str:
        """The text without passwords, hashes, keys and serial numbers alone."""
        for what, pattern in SECRETS:
            text, count = pattern.subn(_without, text)
            if count:
                self.counts[what] += count
        return text

    def _host(self, match: re.Match[str]) -> str:
        if match["host"] == HOST or self._is_known(match["host"]):
            return match[0]
        self.counts["host"] += 1
        return f"{match['before']}{HOST}"

    def _user(self, match: re.Match[str]) -> str:
        name = match["name"]
        if name == "admin" or re.fullmatch(r"user-\d+", name):
            return match[0]
        return f"{match['before']}{self._other('user', name, lambda number: f'user-{number}')}"

    def _mail(self, match: re.Match[str]) -> str:
        if match[0].endswith(f"@{HOST}"):
            return match[0]
        self.counts["mail"] += 1
        return f"someone@{HOST}"

    def _name(self, match: re.Match[str]) -> str:
        if any(match[0] == name or match[0].endswith(f".{name}") for name in PUBLIC_NAMES):
            return match[0]
        self.counts["host"] += 1
        return HOST

    def _mac(self, match: re.Match[str]) -> str:
        """One that was burnt in, of a maker: those that software made up (the second bit of the first octet) stay."""
        octets = _octets(match[0])
        first = int(octets[:2], 16)
        if first & 3 or octets in self._known.macs or not int(octets, 16):
            return match[0]
        other = self._other("mac", octets, lambda number: f"02005e{number:06x}")
        return _like(match[0], other)

    def _address(self, match: re.Match[str]) -> str:
        try:
            address = ip_address(match[0])
        except ValueError:
            return match[0]
        if isinstance(address, IPv6Address) and address.is_link_local and _holds_a_makers_mac(address):
            return self._other("address", str(address), lambda number: f"fe80::{number:x}")
        if not address.is_global or address.is_multicast or self._is_known(match[0]):
            return match[0]
        pool: IPv4Network | IPv6Network = OTHER_V4 if isinstance(address, IPv4Address) else OTHER_V6
        return self._other("address", str(address), lambda number: str(pool[number]))

    def _is_known(self, word: str) -> bool:
        try:
            address = ip_address(word)
        except ValueError:
            return False
        return any(address in network for network in self._known.networks)

    def _other(self, what: str, value: str, make: Callable[[int], str]) -> str:
        others = self._others[what]
        if value not in others:
            others[value] = make(len(others) + 1)
        self.counts[what] += 1
        return others[value]


def _without(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    return f"{match.string[match.start() : start]}{GONE}{match.string[end : match.end()]}"


def _octets(mac: str) -> str:
    """Twelve hexadecimal digits; NX-OS prints some without leading zeros."""
    if "." in mac:
        return mac.replace(".", "").lower()
    return "".join(part.zfill(2) for part in re.split(r"[:-]", mac.lower()))


def _like(written: str, octets: str) -> str:
    """Octets in the way in which another address is written."""
    if "." in written:
        return ".".join(octets[start : start + 4] for start in (0, 4, 8))
    return (":" if ":" in written else "-").join(octets[start : start + 2] for start in range(0, 12, 2))


def _holds_a_makers_mac(address: IPv6Address) -> bool:
    """Modified EUI-64: ``ff:fe`` in the middle, and the bit set that says that a maker gave it (RFC 4291, A)."""
    return address.packed[11:13] == b"\xff\xfe" and bool(address.packed[8] & 2)
