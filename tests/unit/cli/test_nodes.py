"""Into the nodes of a lab: exec, ssh, capture, inventory, status, logs; with the lab named, or the one there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.state import lab_state
from tests.unit.cli.conftest import Here, Run

# --- which lab ---------------------------------------------------------------------------------------------------


def test_the_one_lab_is_meant(run: Run, here: Here) -> None:
    meant, named = (run("status", *lab).out.splitlines() for lab in ((), ("whitepaper",)))
    changed = [pair for pair in zip(meant, named, strict=True) if pair[0] != pair[1]]
    assert all(line.startswith("  cost  ") for pair in changed for line in pair), "what a lab costs is measured anew"
    assert run("exec", "node01", "--", "sh", "-c", "exit 5").code == 5
    assert run("kubectl", "--print-kubeconfig").out == f"{here.state.kubeconfig}\n"
    assert run("logs", "--tail", "0", "-n", "1").code == 3, "nothing is logged, but it found the lab"


def test_several_labs_are_listed_and_the_one_that_runs_is_meant(
    run: Run, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab_state("other").make()
    for arguments in (("status", "--watch"), ("verify",), ("down",), ("ssh",), ("exec", "--", "ls")):
        done = run(*arguments)
        assert done.code == 2
        assert "[which-lab]\n  hint: name one of other, whitepaper\n  next: labctl status --all\n" in done.err
    assert [row["name"] for row in json.loads(run("status", "--json").out)] == ["other", "whitepaper"]
    other = Here(lab_state("other"))
    other.observe = lambda: here.observe().__class__("embedded", None, alive=False, nodes={})  # type: ignore[method-assign]
    monkeypatch.setattr("labctl.runtime.select.runtime_of", lambda state: other if state.name == "other" else here)
    assert run("status").out.startswith("lab whitepaper: running")
    other.agent.close()


def test_no_lab_at_all(run: Run) -> None:
    assert run("status").out == "no labs\n"
    for verb in ("down", "ssh", "inventory", "reset", "repair"):
        done = run(verb)
        assert done.code == 2
        assert done.err == "error: no lab is named, and none runs [which-lab]\n  next: labctl up whitepaper\n"


def test_a_lab_that_is_misspelt_is_not_taken_for_a_node(run: Run, here: Here) -> None:
    done = run("exec", "whitepapr", "node01", "--", "ls")
    assert (done.code, "hint: did you mean whitepaper?" in done.err) == (2, True)


# --- exec, ssh ---------------------------------------------------------------------------------------------------


def test_a_program_that_is_not_there_is_127(run: Run, here: Here) -> None:
    done = run("exec", "whitepaper", "node01", "--", "no-such-program")
    assert done.code == 127
    assert done.err.startswith("error: node01 has no program no-such-program [not-started]\n")


def test_one_that_cannot_be_executed_is_126(run: Run, here: Here) -> None:
    Path("text").write_text("")
    done = run("exec", "whitepaper", "node01", "--", str(Path("text").absolute()))
    assert (done.code, "cannot be executed [not-started]" in done.err) == (126, True)


def test_without_a_command_it_is_a_shell(run: Run, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    stream = here.stream
    monkeypatch.setattr(
        here, "stream", lambda node, argv, tty=None: asked.append(argv) or stream(node, ["true"], tty=tty)
    )
    assert run("exec", "node01").code == 0
    assert asked[0][0] == "sh"


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Programs that labctl became."""
    seen: list[list[str]] = []

    def execv(_program: str, argv: list[str]) -> None:
        seen.append(argv)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return seen


def test_exec_on_a_switch_is_its_nxos_command_line(run: Run, here: Here, became: list[list[str]]) -> None:
    run("exec", "whitepaper", "leaf2101", "--", "show", "version")
    run("exec", "leaf2101")
    run("ssh", "whitepaper", "leaf2101", "--", "show", "version")
    login = ["ssh", "-F", str(here.state.ssh_config), "leaf2101"]
    assert became == [[*login, "show", "version"], login, [*login, "show", "version"]]


def test_the_linux_below_a_switch_is_asked_for(run: Run, here: Here) -> None:
    assert run("exec", "whitepaper", "leaf2101", "--linux", "--", "sh", "-c", "exit 7").code == 7


def test_ssh_to_a_node_leads_to_exec(run: Run, here: Here) -> None:
    done = run("ssh", "whitepaper", "node01", "--", "ls", "-l")
    assert done.code == 2
    assert "error: node01 is a node, not a switch: it has a shell, but no SSH [no-such-switch]" in done.err
    assert "next: labctl exec whitepaper node01 -- ls -l\n" in done.err


# --- capture -----------------------------------------------------------------------------------------------------


def test_a_filter_that_is_none(run: Run, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tcpdump, which compiles filters in a node, is not on every host: the words are its own, their way is real."""
    message = "tcpdump: can't parse filter expression: syntax error"
    (tmp_path / "tcpdump").write_text(f'#!/bin/sh\necho "{message}" >&2\nexit 1\n')
    (tmp_path / "tcpdump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    done = run("capture", "whitepaper", "node01:bond0", "--", "bogus", "filter")
    assert done.code == 2
    assert done.err.startswith(
        "error: 'bogus filter' is no capture filter: can't parse filter expression: syntax error "
    )
    assert "[bad-filter]\n  hint: see pcap-filter(7)\n" in done.err


@pytest.mark.parametrize(
    ("typed", "asked"),
    [("eth1/1", "Ethernet1/1"), ("Eth1/1", "Ethernet1/1"), ("e1/1", "Ethernet1/1"), ("ethernet1/1", "Ethernet1/1"),
     ("po11", "port-channel11"), ("Po11", "port-channel11"), ("vlan3001", "Vlan3001"), ("lo0", "loopback0"),
     ("eth1", "eth1"), ("br0", "br0")],
)  # fmt: skip
def test_short_names_of_interfaces(
    run: Run, here: Here, monkeypatch: pytest.MonkeyPatch, typed: str, asked: str
) -> None:
    class Over:
        def read(self) -> None: ...
        def close(self) -> None: ...

    names: list[str] = []
    monkeypatch.setattr(here, "capture", lambda _node, name, _words: names.append(name) or Over())
    assert run("capture", "whitepaper", f"leaf2101:{typed}").code == 0
    run("capture", "whitepaper", f"node01:{typed}")
    assert names == [asked, typed], "a node's interfaces have no short names"


# --- inventory ---------------------------------------------------------------------------------------------------


def test_ssh_reads_the_inventory(run: Run, here: Here) -> None:
    Path("lab.ssh").write_text(run("inventory", "whitepaper").out)
    done = subprocess.run(
        ["ssh", "-G", "-F", "lab.ssh", "leaf2101"], capture_output=True, text=True, check=True, timeout=30
    )
    assert {"hostname 127.0.0.1", "port 20003"} <= set(done.stdout.splitlines())


def test_a_lab_that_has_no_logins_yet_has_no_inventory(run: Run, here: Here) -> None:
    here.state.ssh_config.unlink()
    done = run("inventory")
    assert (done.code, "takes logins yet [not-running]" in done.err) == (3, True)


def test_ansible_reads_the_inventory(run: Run, here: Here) -> None:
    body = yaml.safe_load(run("inventory", "--format", "ansible").out)
    switches = body["all"]["children"]["switches"]
    assert switches["vars"]["ansible_network_os"] == "cisco.nxos.nxos"
    assert switches["vars"]["ansible_connection"] == "ansible.netcommon.network_cli"
    assert {name: sorted(group["hosts"]) for name, group in switches["children"].items()} == {
        "spines": ["spine1", "spine2"], "leafs": ["leaf2101", "leaf2102"], "borders": ["leaf2999"],
    }  # fmt: skip
    key = str(here.state.secrets / "switch_key")
    leaf = switches["children"]["leafs"]["hosts"]["leaf2101"]
    assert leaf.pop("ansible_ssh_private_key_file") == key
    assert leaf == {"ansible_host": "127.0.0.1", "ansible_port": 20000, "ansible_user": "admin"}


def test_nornir_reads_the_inventory(run: Run, here: Here) -> None:
    hosts = yaml.safe_load(run("inventory", "whitepaper", "--format", "nornir").out)
    assert len(hosts) == 5
    known = {"hostname", "port", "username", "password", "platform", "groups", "data", "connection_options"}
    assert all(set(host) <= known for host in hosts.values())
    assert (hosts["leaf2999"]["hostname"], hosts["leaf2999"]["data"]) == ("127.0.0.1", {"role": "border"})
    assert "password" not in hosts["leaf2999"], "it has a key"


def test_the_inventory_as_json(run: Run, here: Here) -> None:
    body = json.loads(run("inventory", "--format", "json").out)
    rows = {row["name"]: row for row in body["nodes"]}
    assert (rows["leaf2101"]["port"], rows["leaf2101"]["network_os"]) == (20000, "nxos")
    assert rows["node01"]["exec"] == ["labctl", "exec", "whitepaper", "node01", "--"]
    assert body["kubeconfig"] == str(here.state.kubeconfig)


# --- status -----------------------------------------------------------------------------------------------------


def test_status_says_how_to_reach_each_node_and_what_the_lab_is(run: Run, here: Here) -> None:
    (here.state.evidence / "evidence.json").write_text('{"verdict": "PASS"}')
    here.state.kubeconfig.write_text("")
    done = run("status", "whitepaper")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "lab whitepaper: running (embedded, uml)"
    facts = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:8]}
    assert facts["target"].startswith("switch standin, cluster standin")
    assert "calico 3.20.0" in facts["versions"]
    assert facts["verdict"] == "PASS, 0s ago"
    assert "GB (PSS)" in facts["cost"]
    assert "of a processor since it began" in facts["cost"]
    for label in ("evidence", "ssh_config", "kubeconfig"):
        assert facts[label].endswith(f"labs/whitepaper/{label}")
    leaf = next(line for line in lines if line.startswith("leaf2101"))
    assert leaf.endswith("   127.0.0.1:20000")
    assert lines[-3:] == [
        "labctl ssh whitepaper SWITCH logs in to a switch",
        "labctl exec whitepaper NODE opens a shell in any other node",
        "addresses are those inside the guest: from here they are not reached",
    ]


def test_status_as_json(run: Run, here: Here) -> None:
    body = json.loads(run("status", "--json").out)
    assert (body["schema"], body["state"], body["verdict"], body["kubeconfig"]) == (
        "labctl.status/v1", "running", None, None,
    )  # fmt: skip
    assert body["cost"]["memory"] > 1 << 20
    rows = {row["name"]: row for row in body["nodes"]}
    assert (rows["leaf2101"]["reach"], rows["leaf2101"]["ssh"]) == ("labctl ssh whitepaper leaf2101", "127.0.0.1:20000")
    assert (rows["node01"]["reach"], rows["node01"]["ssh"]) == ("labctl exec whitepaper node01", None)


def test_a_lab_that_does_not_run_is_not_said_to_be_reached(run: Run, here: Here) -> None:
    here.alive = False
    done = run("status", "whitepaper")
    assert "logs in" not in done.out
    assert done.out.endswith("next: labctl down whitepaper\n")


def test_all_labs_and_their_past(run: Run, here: Here) -> None:
    (here.state.evidence / "evidence.json").write_text('{"verdict": "FAIL"}')
    assert run("status", "--all").out.splitlines()[1].split() == [
        "whitepaper",
        "running",
        "embedded",
        "uml",
        "9",
        "FAIL",
        "0s",
    ]
    assert run("status", "--past").out == "no records\n"
    folder = here.state.keep_record()
    rows = run("status", "--past").out.splitlines()
    assert rows[0].split() == ["LAB", "ENDED", "VERDICT", "RECORD"]
    assert rows[1].split() == ["whitepaper", "0s", "ago", "FAIL", str(folder)]
    body = json.loads(run("status", "--past", "whitepaper", "--json").out)
    assert [(row["lab"], row["verdict"], row["folder"]) for row in body["records"]] == [
        ("whitepaper", "FAIL", str(folder))
    ]
    assert run("status", "--past", "other").out == "no records of lab other\n"


# --- logs --------------------------------------------------------------------------------------------------------


def test_the_last_lines_of_each_log(run: Run, here: Here) -> None:
    here.logged = "==> daemon.log <==\none\ntwo\nthree\n==> guest.log <==\nfour"
    assert run("logs", "whitepaper", "--tail", "2").out == "==> daemon.log <==\ntwo\nthree\n==> guest.log <==\nfour\n"
    assert run("logs").out == here.logged + "\n"


def test_logs_follow_what_comes(run: Run, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        "==> a.log <==\none\n==> b.log <==\nx",
        "==> a.log <==\none\n==> b.log <==\nx\ny",
        "==> a.log <==\ntwo\n==> b.log <==\ny\nz\n==> c.log <==\nnew",
    ]

    def logs(_node: str | None = None) -> str:
        if not looks:
            raise KeyboardInterrupt  # the way to end it
        return looks.pop(0)

    monkeypatch.setattr(here, "logs", logs)
    monkeypatch.setattr("labctl.cli.verbs.nodes.PAUSE", 0)
    done = run("logs", "whitepaper", "-f", "-n", "1")
    assert done.code == 0
    assert done.out == (
        "==> a.log <==\none\n==> b.log <==\nx\ny\n==> a.log <==\ntwo\n==> b.log <==\nz\n==> c.log <==\nnew\n"
    )
