"""Has this host's own kernel what a lab needs? Tried in a throw-away box, for the ``netns`` launcher. Never cached."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.guest import netns

TRIAL_LIMIT = 20.0
"""Seconds; a trial takes a quarter of one."""
HOST_TOOLS = ("setpriv", "unshare", "mount", "pivot_root", "chroot", "tar")
_DONE = "labctl: all tried"

Trial = Callable[[Sequence["Feature"]], str | frozenset[str]]
"""Tries features; gives the names of those that are missing, or why nothing could be tried."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something of the kernel: how a person knows it, and a command that only works with it. In order: v0 is first."""

    name: str
    attempt: str
    own_module: str = ""

    @property
    def module(self) -> str:
        """The kernel module that brings it; named like the feature unless said otherwise."""
        return self.own_module or self.name


FEATURES: tuple[Feature, ...] = (
    Feature("veth", "ip link add v0 type veth peer name v1"),
    Feature("bridge", "ip link add b0 type bridge"),
    Feature("bridge vlan_filtering", "ip link add b1 type bridge vlan_filtering 1", "bridge"),
    Feature("bonding", "ip link add o0 type bond mode 802.3ad"),
    Feature("8021q", "ip link add link v0 name v0.5 type vlan id 5"),
    Feature("vrf", "ip link add r0 type vrf table 10"),
    Feature("vxlan", "ip link add x0 type vxlan id 10 dstport 4789 local 127.0.0.1 nolearning"),
    Feature("dummy", "ip link add d0 type dummy"),
    Feature("ipip", "ip link add i0 type ipip local 127.0.0.1 remote 127.0.0.2"),
    Feature("gretap", "ip link add g0 type gretap local 127.0.0.1 remote 127.0.0.2", "ip_gre"),
    Feature("clsact", "tc qdisc replace dev v0 clsact", "sch_ingress"),
    Feature("cls_flower", "tc filter replace dev v0 ingress protocol ipv6 prio 1 flower ip_proto icmpv6"),
    Feature("cls_matchall", "tc filter replace dev v0 ingress protocol arp prio 2 matchall classid 1:1"),
    Feature("cls_fw", "tc filter replace dev v0 egress protocol all prio 3 handle 1 fw classid 1:1"),
    Feature("act_mirred", "tc actions add action mirred egress redirect dev lo"),
    Feature("act_skbedit", "tc actions add action skbedit mark 1"),
    Feature("act_gact", "tc actions add action drop"),
    Feature("iptables-legacy nat", "iptables-legacy -t nat -A POSTROUTING -j MASQUERADE", "iptable_nat"),
    Feature("ip6tables-legacy nat", "ip6tables-legacy -t nat -A POSTROUTING -j MASQUERADE", "ip6table_nat"),
    Feature("iptables-legacy filter", "iptables-legacy -A FORWARD -j REJECT", "iptable_filter"),
    Feature("iptables-legacy mangle", "iptables-legacy -t mangle -A FORWARD -j MARK --set-mark 1", "iptable_mangle"),
    Feature("xt_addrtype", "iptables-legacy -A FORWARD -m addrtype --dst-type LOCAL"),
    Feature("xt_comment", "iptables-legacy -A FORWARD -m comment --comment x"),
    Feature("xt_conntrack", "iptables-legacy -A FORWARD -m conntrack --ctstate NEW"),
    Feature("xt_statistic", "iptables-legacy -A FORWARD -m statistic --mode random --probability 0.5"),
)


def netns_refusal(image: Path, *, load: bool = True) -> str | None:
    """Why boxes cannot live in this host's kernel; None when they can.

    Without ``load`` no module is loaded: what this host's modprobe could bring counts as there.
    """
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in HOST_TOOLS if shutil.which(name, path=netns.PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if load:
        netns.load_modules()
        wanted = FEATURES
    else:
        wanted = tuple(one for one in FEATURES if not netns.modprobe("-n", "-q", one.module))
    return judge(lambda features: _try(image, features), wanted)


def judge(trial: Trial, wanted: Sequence[Feature] = FEATURES) -> str | None:
    """The refusal's words for what a trial says."""
    answer = trial(wanted)
    if isinstance(answer, str):
        return f"a box cannot be made on this host: {answer}"
    lacking = [one.name for one in wanted if one.name in answer]
    return f"the kernel of this host ({os.uname().release}) lacks {', '.join(lacking)}" if lacking else None


def script(features: Iterable[Feature]) -> str:
    """Tries each one in the box; writes the numbers of what was refused, then that all was tried."""
    lines = ["umount -l /old", "mount -t tmpfs tmpfs /run", "ip link set lo up"]
    lines += [f"{one.attempt} >/dev/null 2>&1 || echo {number}" for number, one in enumerate(features)]
    return "\n".join((*lines, f"echo '{_DONE}'", ""))


def read_answer(features: Sequence[Feature], out: str, err: str) -> str | frozenset[str]:
    """What the script's output says."""
    lines = out.split("\n")
    if _DONE not in lines:
        words = [line for line in err.splitlines() if line.strip() and not line[0].isspace()]  # mount adds advice
        return words[-1] if words else "it ended without a word"
    return frozenset(features[int(line)].name for line in lines if line.isdecimal())


def _try(image: Path, features: Sequence[Feature]) -> str | frozenset[str]:
    with tempfile.TemporaryDirectory(prefix="labctl-netns-") as folder:
        box = netns.command(image, Path(folder), script(features), size="16m", agent=None)
        try:
            done = subprocess.run(
                box, capture_output=True, check=False, timeout=TRIAL_LIMIT, stdin=subprocess.DEVNULL, text=True
            )
        except subprocess.TimeoutExpired:
            return f"it is not there within {TRIAL_LIMIT:.0f} s"
    return read_answer(features, done.stdout, done.stderr)
