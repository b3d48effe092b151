"""What goes into the guest image: data that the builder reads; its hash is the image's key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

SUITE = "trixie"
FORMAT = 2
"""Of what labctl itself writes into an image; counts up when the code that does it gives other files, since the key is
hashed over it. 2: linux.uml writes all registers back (`labctl.guest.image.write_all`)."""

PACKAGES = (
    "frr", "bird2", "iproute2", "iptables", "nftables", "tcpdump", "curl", "iputils-ping", "busybox-static",
    "nginx-light", "python3-minimal", "libpython3-stdlib", "kmod", "procps", "util-linux", "user-mode-linux",
    "ca-certificates",
)  # fmt: skip

KERNEL_PACKAGE = "linux-image-cloud-amd64"
"""The metapackage whose dependency holds QEMU's kernel; it is unpacked, not installed."""

MODULES = (
    # file systems and block
    "overlay", "ext4", "virtio_blk", "virtio_pci", "virtio_console", "virtio_rng",
    # links
    "veth", "bridge", "bonding", "8021q", "vrf", "vxlan", "dummy", "ipip", "gre", "ip_gre", "ip6_tunnel", "sit", "ifb",
    # traffic control
    "sch_ingress", "sch_netem", "sch_prio", "sch_fq_codel", "cls_flower", "cls_matchall", "cls_fw", "cls_basic",
    "act_mirred", "act_skbedit", "act_gact", "act_pedit", "act_vlan",
    # packet capture
    "af_packet",
    # netfilter
    "ip_tables", "ip6_tables", "iptable_nat", "ip6table_nat", "iptable_filter", "ip6table_filter", "iptable_mangle",
    "ip6table_mangle", "iptable_raw", "ip6table_raw", "nf_conntrack", "nf_nat", "xt_MASQUERADE", "xt_mark",
    "xt_statistic", "xt_comment", "xt_addrtype", "xt_conntrack", "xt_set", "xt_nat", "xt_tcpudp", "xt_multiport",
    "xt_REDIRECT", "xt_recent", "xt_physdev", "xt_limit", "xt_state", "xt_CT", "xt_rpfilter", "xt_NFLOG", "ipt_REJECT",
    "ip6t_REJECT", "ip6t_rpfilter", "ip_set", "ip_set_hash_ip", "ip_set_hash_net", "nf_tables", "nft_compat", "nft_nat",
    "nft_masq", "nft_chain_nat", "nft_ct",
)  # fmt: skip

LOAD = (
    "veth", "bridge", "bonding", "8021q", "vrf", "vxlan", "dummy", "ipip", "ip_gre", "cls_flower", "cls_matchall",
    "cls_fw", "act_mirred", "act_skbedit", "act_gact", "sch_ingress", "af_packet", "iptable_nat", "iptable_filter",
    "iptable_mangle", "ip6table_nat", "ip6table_filter", "ip6table_mangle", "xt_MASQUERADE", "xt_mark",
    "xt_statistic", "xt_comment", "xt_addrtype", "xt_conntrack", "ipt_REJECT", "ip6t_REJECT",
)  # fmt: skip
"""Loaded at boot; the rest are loaded when something asks for them."""


def script(name: str) -> str:
    """A shell script of the recipe."""
    return resources.files(__package__).joinpath(name).read_text()


SCRIPTS = ("hook.sh", "pack.sh", "lab-init", "lab-init2", "initramfs-init")


@dataclass(frozen=True, slots=True)
class Flavour:
    """A kind of guest."""

    packages: tuple[str, ...] = PACKAGES
    modules: tuple[str, ...] = MODULES

    def key(self, made_as: int = FORMAT) -> str:
        """Names the image: a hash over everything that goes into it."""
        digest = hashlib.sha256()
        parts = (SUITE, *self.packages, KERNEL_PACKAGE, *self.modules, *(script(name) for name in SCRIPTS))
        for part in (*parts, *([f"format {made_as}"] if made_as > 1 else [])):
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()[:16]


LAB = Flavour()
"""What a lab of the embedded runtime boots."""
