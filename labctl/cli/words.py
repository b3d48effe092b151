"""The verbs by what a person wants, and what other tools call them. ``--help`` reads this alone: it imports nothing."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "A lab's life": {
        "init": "Write a commented spec to start from.",
        "validate": "Check a spec; all problems at once.",
        "generate": "Render the artifact folder of a spec.",
        "up": "Boot, configure and prove a lab.",
        "down": "Remove a lab; nothing is left behind.",
        "list": "Every lab of this user; records of those that are gone.",
        "status": "A lab's boxes, how to reach each, its last verdict, what it costs.",
    },
    "Prove": {
        "verify": "Run the scenarios on a running lab.",
        "report": "Render a verification's report again, or compare two.",
        "figures": "The white paper's figures and claims, with results.",
    },
    "Look": {
        "watch": "A live table of a lab's sessions, links and pods.",
        "graph": "Draw a lab: boxes, ports, bundles, BGP; as it is configured, or as it runs.",
        "calico": "Calico on the nodes: BGP sessions.",
        "capture": "Capture packets on an interface of a node.",
        "logs": "Logs of a lab or of one node.",
    },
    "Into the boxes": {
        "ssh": "Log in to a switch.",
        "exec": "Run a command in a node, or on a switch.",
        "kubectl": "kubectl against a lab's cluster.",
        "kubeconfig": "Path of a lab's kubeconfig.",
        "inventory": "A lab's boxes as ssh, Ansible and Nornir read them.",
        "console": "Serial console of a switch, before SSH answers.",
        "save": "Save the switches' configurations, there and here.",
        "record": "Record a session with the switches as a test case.",
    },
    "Mend": {
        "reset": "Bring a lab back to what up left, without a new boot.",
        "recover": "Repair boxes that were restarted.",
        "rebuild": "Make one switch anew.",
        "heal": "Undo what a killed labctl left broken.",
    },
    "This host": {
        "doctor": "What this host can and cannot do.",
        "setup": "Prepare this host: guest image and control plane.",
        "images": "Images that a lab needs; load an archive.",
        "completion": "Completion of verbs, labs and nodes for your shell.",
        "version": "Versions of labctl and of what it boots.",
    },
}
VERBS: dict[str, str] = {verb: told for verbs in GROUPS.values() for verb, told in verbs.items()}

ELSEWHERE: dict[str, tuple[str, str]] = {
    "apply": ("up", "boots, configures and proves a lab"),
    "connect": ("ssh", "logs in to a switch; labctl exec LAB NODE opens a shell in a node"),
    "create": ("up", "boots, configures and proves a lab"),
    "delete": ("down", "removes a lab"),
    "deploy": ("up", "boots, configures and proves a lab"),
    "destroy": ("down", "removes a lab"),
    "inspect": ("status", "tells what a lab's boxes do and how to reach them"),
    "ls": ("list", "lists the labs of this user"),
    "plan": ("reset --dry-run", "tells what in a running lab differs from what up left; labctl validate judges a spec"),
    "ps": ("list", "lists the labs of this user"),
    "render": ("generate", "renders the artifact folder of a spec"),
    "run": ("up", "boots, configures and proves a lab"),
    "shell": ("exec", "opens a shell in a node: labctl exec LAB NODE; labctl ssh logs in to a switch"),
    "start": ("up", "boots, configures and proves a lab"),
    "stop": ("down", "removes a lab: it has no pause"),
    "test": ("verify", "runs the scenarios on a running lab"),
}
"""What kind, containerlab, netlab, terraform, kubectl and docker call a thing → our verb, and what it does."""
