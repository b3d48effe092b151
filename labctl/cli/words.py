"""The verbs by what a person wants, and what older labctls and other tools call them. ``--help`` reads this alone:
it imports nothing."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Write a lab": {
        "init": "Write a commented spec to start from.",
        "validate": "Check a spec; all problems at once.",
        "generate": "Render the artifact folder of a spec.",
        "graph": "Draw a lab: nodes, ports, bundles, BGP; as it is configured, or as it runs.",
    },
    "Run it": {
        "up": "Boot, configure and prove a lab; go on after an interruption.",
        "down": "Remove a lab; nothing is left behind.",
        "status": "A lab's nodes, verdict and cost; all labs, their past; live with --watch.",
    },
    "Prove it": {
        "verify": "Run the scenarios on a running lab.",
        "report": "Render a verification's report again, compare two, or by the white paper.",
    },
    "Way back": {
        "reset": "Bring a lab that somebody changed back to what up left.",
        "repair": "Nodes that were restarted, faults that a killed labctl left; one switch anew.",
    },
    "Into the nodes": {
        "ssh": "Log in to a switch, or to its serial console.",
        "exec": "Run a command in a node, or on a switch.",
        "kubectl": "kubectl against a lab's cluster; the path of its kubeconfig.",
        "capture": "Capture packets on an interface of a node.",
        "logs": "Logs of a lab or of one node.",
        "inventory": "A lab's nodes as ssh, Ansible and Nornir read them.",
        "save": "Save the switches' configurations, or a session with them as a test case.",
    },
    "This host": {
        "doctor": "What this host can and cannot do.",
        "setup": "Prepare this host: guest image, control plane, images of containers.",
        "completion": "Completion of verbs, labs and nodes for your shell.",
        "version": "Versions of labctl and of what it boots.",
    },
}
FILES = dict(zip(GROUPS, ("write", "run", "prove", "back", "nodes", "host"), strict=True))
"""The module of `labctl.cli.verbs` that has the verbs of a group."""
VERBS: dict[str, str] = {verb: told for verbs in GROUPS.values() for verb, told in verbs.items()}

WAYS_BACK = """\b
Which way back is for what:
  labctl reset     somebody changed the lab: what differs from what `up` left is changed back
  labctl repair    nodes were restarted and lost their links, or a killed `verify` left a fault open
  labctl repair --rebuild SWITCH    one switch is beyond that: it alone is made anew
  labctl up        `up` itself was interrupted or failed after the push: it goes on
  labctl down, then up    everything anew
"""
"""Of ``reset`` and ``repair``: who reads one of the two may need the other."""

RENAMED: dict[str, tuple[str, ...]] = {
    "calico": ("status", "--bgp"),
    "console": ("ssh", "--console"),
    "figures": ("report", "--paper"),
    "heal": ("repair", "--only", "faults"),
    "images": ("setup", "images"),
    "kubeconfig": ("kubectl", "--print-kubeconfig"),
    "list": ("status", "--all"),
    "rebuild": ("repair", "--rebuild"),
    "record": ("save", "--test-case"),
    "recover": ("repair", "--only", "nodes"),
    "watch": ("status", "--watch"),
}
"""What labctl 0.1 called its verbs → the words that do the same now. They work for one release more."""


def renamed(word: str, rest: list[str]) -> list[str]:
    """The words of today for a verb of 0.1 with its arguments."""
    new = [*RENAMED[word]]
    if word == "calico" and rest[:1] == ["status"]:
        rest = rest[1:]
    elif word == "list" and "--past" in rest:
        new = ["status"]
    elif word == "images" and rest[:1] not in (["list"], ["load"], ["-h"], ["--help"]):
        new.append("list")
    elif word == "rebuild":  # LAB SWITCH, or SWITCH alone
        return ["repair", *rest[:-1], *(["--rebuild"] if rest and not rest[-1].startswith("-") else []), *rest[-1:]]
    return [*new, *rest]


ELSEWHERE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("apply", "create", "deploy", "run", "start"), ("up", "boots, configures and proves a lab")),
    **dict.fromkeys(("delete", "destroy", "stop"), ("down", "removes a lab: it has no pause")),
    **dict.fromkeys(("inspect", "ls", "ps"), ("status", "tells of labs, what their nodes do and how to reach them")),
    "connect": ("ssh", "logs in to a switch; labctl exec LAB NODE opens a shell in a node"),
    "plan": ("reset --dry-run", "tells what in a running lab differs from what up left; labctl validate judges a spec"),
    "render": ("generate", "renders the artifact folder of a spec"),
    "restore": ("reset", "brings a lab back to what up left; labctl help repair says which way back is for what"),
    "shell": ("exec", "opens a shell in a node: labctl exec LAB NODE; labctl ssh logs in to a switch"),
    "test": ("verify", "runs the scenarios on a running lab"),
}
"""What kind, containerlab, netlab, terraform, kubectl and docker call a thing → our verb, and what it does."""
