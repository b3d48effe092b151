"""``labctl reset`` after damage of every kind: all is as ``up`` left it, for stock tools and ``status --watch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import Done, Labctl
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
LAB = "whitepaper"
NODES = ("master", "node01", "node02", "ext1")
KINDS = ("namespaces,nodes,deployments,daemonsets,services,configmaps,serviceaccounts,networkpolicies,"
         "ippools.crd.projectcalico.org,bgppeers.crd.projectcalico.org,"
         "bgpconfigurations.crd.projectcalico.org")  # fmt: skip
TYPED = {
    "leaf2101": """
        vlan 77
        name mine
        interface Ethernet1/1
        shutdown
        description mine
        interface Vlan3001
        no ip address 192.168.1.1/24
        interface loopback77
        ip address 77.7.7.7/32
        router bgp 65102
        vrf vrf-001
        no neighbor 192.168.1.11
        """,
    "leaf2102": """
        no feature bgp
        no router ospf UNDERLAY
        interface loopback1002
        vrf member mine
        """,
    "spine1": """
        hostname mine
        """,
}
KUBECTL = """
    create namespace mine
    -n mine create deployment web --image=nginx:1.27
    -n default create configmap mine --from-literal=a=b
    run extra --image=busybox:1.36 -- sleep infinity
    delete deployment nginx-dual
    scale deployment pingtest --replicas=1
    delete service nginx-service
    label node node01 mine=yes
    cordon node02
    delete ippools.crd.projectcalico.org --all
    delete bgppeers.crd.projectcalico.org --all
    patch bgpconfigurations.crd.projectcalico.org default --type merge -p {"spec":{"nodeToNodeMeshEnabled":true}}
    -n kube-system patch configmap calico-config --type merge -p {"data":{"veth_mtu":"1400"}}
    """
EXEC = """
    node01 ip link set eth1 down
    node01 ip address add 9.9.9.9/32 dev bond0
    node01 ip route add 8.0.0.0/16 via 192.168.1.1
    node02 ip route del 192.168.100.0/24
    node02 ip link add mine type dummy
    master ip link del bond0
    ext1 ip link set eth1 down
    """


def rows(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def rows_of(text: str) -> list[str]:
    """Of a configuration, in any order; times stand in comments."""
    return sorted(line for line in text.splitlines() if not line.startswith("!"))


def state(labctl: Labctl, folder: Path) -> dict[str, Any]:
    """The lab as stock tools show it, without what runs by itself (status, versions, interfaces of pods)."""
    labctl("save", LAB, "-o", folder).expect(0)
    found: dict[str, Any] = {path.name: rows_of(path.read_text()) for path in sorted(folder.glob("*.cfg"))}
    for item in labctl("kubectl", LAB, "--", "get", KINDS, "-A", "-o", "json").expect(0).json()["items"]:
        meta = item["metadata"]
        key = f"{item['kind']} {meta.get('namespace', '-')}/{meta['name']}"
        found[key] = {"labels": meta.get("labels"), "spec": item.get("spec"), "data": item.get("data")}
    for node in NODES:
        for family in ("-4", "-6"):
            routes = labctl("exec", LAB, node, "--", "ip", family, "route").expect(0).out.splitlines()
            found[f"{node} {family}"] = sorted(row.strip() for row in routes if "dev cali" not in row)
    for leaf in ("leaf2101", "leaf2102", "leaf2999"):
        body = labctl("ssh", LAB, leaf, "--", "show ip route vrf vrf-001 | json").expect(0).json()
        prefixes = body["TABLE_vrf"]["ROW_vrf"]["TABLE_addrf"]["ROW_addrf"]["TABLE_prefix"]["ROW_prefix"]
        found[f"{leaf} routes"] = sorted(f"{row['ipprefix']} {row['ucast-nhops']}" for row in prefixes)
    return found


def test_damage_of_every_kind_is_undone(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    assert "nothing to do" in labctl("reset", LAB).expect(0).out
    first = state(labctl, tmp_path / "first")

    for switch, lines in TYPED.items():
        labctl("ssh", LAB, switch, stdin="\n".join(["configure terminal", *rows(lines), "end", "exit", ""])).expect(0)
    for line in rows(KUBECTL):
        labctl("kubectl", LAB, "--", *line.split()).expect(0)
    for line in rows(EXEC):
        labctl("exec", LAB, line.split()[0], "--", *line.split()[1:]).expect(0)

    def hurt() -> bool | NotYet:
        """LACP and BGP find out what was done to them, in their time."""
        seen = labctl("status", LAB, "--watch", "--once", "--json").expect(0).json()
        alone = {row["node"] for row in seen["lacp"] if len(row["distributing"]) < 2}
        down = [row for row in seen["sessions"] if row["state"] != "Established"]
        return (bool(down) and alone >= {"node01", "master"}) or NotYet(f"alone: {alone}, down: {down}")

    wait_for(hurt, Deadline(patient(15.0)))

    pending = labctl("reset", LAB, "--dry-run", "--json").expect(6).json()["changes"]
    places = [row["name"] for row in pending]
    assert places == ["spine1", "leaf2101", "leaf2102", "master", "node01", "node02", "ext1", "kubernetes"]
    done = labctl("reset", LAB, "--json").expect(0).json()
    assert [row["name"] for row in done["changes"]] == places
    assert done["report"]["verdict"] == "PASS"

    def equal() -> bool | NotYet:
        now = state(labctl, tmp_path / "now")
        different = {key: (first.get(key), now.get(key)) for key in first | now if first.get(key) != now.get(key)}
        return NotYet(json.dumps(different, indent=1)) if different else True

    wait_for(equal, Deadline(patient(15.0)))
    assert "nothing to do" in labctl("reset", LAB).expect(0).out
    assert "all well" in labctl("status", LAB, "--watch", "--once").expect(0).out
