"""One node's iptables: several owners (kube-proxy, Felix) say their chains, the whole table is restored at once.

User chains are declared, built-in chains are flushed and filled: applying a text twice changes nothing, and a
restarted owner leaves no second copy of its jumps.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labctl.guest.api import AgentError, Op
from labctl.guest.client import Agent

BUILT_IN = {
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}


@dataclass(frozen=True, slots=True)
class Chains:
    """Rules of one owner in one table of one family: chain → rules without ``-A CHAIN``."""

    family: int
    table: str
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Firewall:
    """All owners of one node."""

    def __init__(self, agent: Agent, namespace: str) -> None:
        self._agent = agent
        self._namespace = namespace
        self._owners: dict[str, tuple[Chains, ...]] = {}
        self._applied: dict[int, str] = {}
        self._known: dict[tuple[int, str], set[str]] = {}
        self._lock = threading.Lock()

    def put(self, owner: str, chains: Sequence[Chains]) -> None:
        """Replace what an owner wants. Raises `AgentError` with iptables' words."""
        with self._lock:
            self._owners[owner] = tuple(chains)
            ops = []
            texts = {}
            users: dict[tuple[int, str], set[str]] = {}
            for family in (4, 6):
                text = self._text(family, users)
                if text and text != self._applied.get(family):
                    texts[family] = text
                    ops.append(Op("iptables" if family == 4 else "ip6tables", text))
            failures = self._agent.batch(self._namespace, ops) if ops else []
            if failures:
                raise AgentError(f"iptables-restore: {failures[0].message}")
            self._applied.update(texts)
            self._known.update(users)  # only now: what a refused text would have removed is still there

    def _text(self, family: int, user_chains: dict[tuple[int, str], set[str]]) -> str:
        """The text; ``user_chains`` is told which chains there are once it is applied."""
        parts = []
        for table, built_in in BUILT_IN.items():
            rules = self._rules(family, table)
            known = self._known.get((family, table), set())
            if rules or known:
                users = {chain for chain in rules if chain not in built_in}
                user_chains[family, table] = users
                parts += _table(table, rules, sorted(known - users))
        return "\n".join(parts) + "\n" if parts else ""

    def _rules(self, family: int, table: str) -> dict[str, list[str]]:
        """Of all owners in one table, by chain."""
        merged: dict[str, list[str]] = {}
        wanted = [chains for owner in sorted(self._owners) for chains in self._owners[owner]]
        for chains in wanted:
            if (chains.family, chains.table) == (family, table):
                for chain, rules in chains.rules.items():
                    merged.setdefault(chain, []).extend(rules)
        return merged


def _table(table: str, rules: Mapping[str, Sequence[str]], stale: Sequence[str]) -> list[str]:
    """The lines that iptables-restore reads; ``stale``: chains that were and are no more."""
    users = [chain for chain in rules if chain not in BUILT_IN[table]]
    return [
        f"*{table}",
        *(f":{chain} - [0:0]" for chain in (*users, *stale)),
        *(f"-F {chain}" for chain in BUILT_IN[table]),
        *(f"-A {chain} {rule}" for chain, own in rules.items() for rule in own),
        *(f"-X {chain}" for chain in stale),
        "COMMIT",
    ]
