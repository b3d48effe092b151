"""What the endpoints of every runtime refuse, in the same words; and the ssh_config that both write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labctl.errors import HostError, InconclusiveError, UsageError, did_you_mean


def no_cluster(lab: str) -> UsageError:
    """Of a lab without one."""
    return UsageError(f"lab {lab} has no cluster", code="no-cluster")


def _near(name: str, known: Iterable[str]) -> str | None:
    names = [*known]
    return did_you_mean(name, names, f"it has {', '.join(names)}")


def no_interface(node: str, name: str, known: Iterable[str]) -> UsageError:
    """``known``: those that the node has."""
    return UsageError(f"{node} has no interface {name}", code="no-such-interface", hint=_near(name, known))


def no_node(lab: str, name: str, known: Iterable[str], what: str = "node") -> UsageError:
    """``what``: ``node`` or ``switch``."""
    return UsageError(
        f"lab {lab} has no {what} {name}",
        code=f"no-such-{what}",
        hint=_near(name, known),
        next_command=f"labctl status {lab}",
    )


def no_console(lab: str, switch: str) -> HostError:
    """Of a stand-in."""
    return HostError(
        f"{switch} is a stand-in and has no serial console: its SSH answers as soon as it runs",
        code="no-console",
        next_command=f"labctl ssh {lab} {switch}",
    )


def not_running(lab: str, why: str) -> InconclusiveError:
    """Of a lab that ended."""
    return InconclusiveError(f"lab {lab} does not run", code="not-running", hint=why, next_command=f"labctl down {lab}")


def ssh_config(hosts: Mapping[str, Mapping[str, str]]) -> str:
    """An OpenSSH client configuration (ssh_config(5)): one alias a switch, with its options."""
    blocks = (
        "".join([f"Host {name}\n", *(f"  {option} {value}\n" for option, value in options.items())])
        for name, options in hosts.items()
    )
    return "\n".join(blocks)
