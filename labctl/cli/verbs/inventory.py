"""``labctl inventory``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import Lab, OnLab, lab_argument, open_lab
from labctl.cli.output import result, result_json
from labctl.errors import InconclusiveError

if TYPE_CHECKING:
    from labctl.folder import Lab as Rendered
    from labctl.runtime.api import SshEndpoint


@click.command(cls=OnLab)
@lab_argument
@click.option("--format", "form", type=click.Choice(["ssh", "ansible", "nornir", "json"]), default="ssh",
              show_default=True, help="ssh_config(5); Ansible's YAML; hosts of Nornir's SimpleInventory.")  # fmt: skip
def command(lab: str, form: str) -> None:
    """Print how stock tools reach the switches of running LAB; json has its other nodes, too.

    Ansible and Nornir get the lab's key, and the password where there is none: keep what is printed to yourself.

    \b
    labctl inventory whitepaper > lab.ssh; ssh -F lab.ssh leaf2101
    labctl inventory whitepaper --format ansible > hosts.yml; ansible-inventory -i hosts.yml --list
    labctl inventory whitepaper --format nornir > hosts.yaml
    """
    opened = open_lab(lab)
    if form == "ssh":
        opened.endpoints()  # a lab that does not run is an error, not an old file
        config = opened.state_folder.ssh_config
        if not config.is_file():
            raise InconclusiveError(
                f"no switch of lab {lab} takes logins yet", code="not-running", next_command=f"labctl status {lab}"
            )
        result(config.read_text().rstrip())
        return
    import yaml

    from labctl.folder import load_folder

    rendered = load_folder(opened.folder).lab
    switches = {name: opened.endpoints().ssh(name) for name in rendered.switches}
    if form == "json":
        result_json(_json(opened, rendered, switches))
        return
    body = (ansible if form == "ansible" else nornir)({name: rendered.nodes[name].role for name in switches}, switches)
    result(yaml.safe_dump(body, sort_keys=False).rstrip())


def ansible(roles: dict[str, str], switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """One group a role under ``switches``, for cisco.nxos over network_cli. The lab's host keys are not the user's."""
    groups: dict[str, Any] = {}
    for name, ssh in switches.items():
        login = (
            {"ansible_ssh_private_key_file": str(ssh.key_file)} if ssh.key_file else {"ansible_password": ssh.password}
        )
        facts = {"ansible_host": ssh.host, "ansible_port": ssh.port, "ansible_user": ssh.username}
        group = groups.setdefault(f"{roles[name]}s", {"hosts": {}})
        group["hosts"][name] = facts | login
    settings = {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "cisco.nxos.nxos",
        "ansible_host_key_checking": False,
    }
    return {"all": {"children": {"switches": {"vars": settings, "children": groups}}}}


def nornir(roles: dict[str, str], switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """``hosts.yaml`` of SimpleInventory; the platform is netmiko's name, scrapli has one of its own."""
    body: dict[str, Any] = {}
    for name, ssh in switches.items():
        keys = {"use_keys": True, "key_file": str(ssh.key_file)} if ssh.key_file else {}
        scrapli = {"auth_strict_key": False} | ({"auth_private_key": str(ssh.key_file)} if ssh.key_file else {})
        body[name] = {
            "hostname": ssh.host,
            "port": ssh.port,
            "username": ssh.username,
            **({} if ssh.key_file else {"password": ssh.password}),
            "platform": "cisco_nxos",
            "data": {"role": roles[name]},
            "connection_options": {
                "netmiko": {"extras": keys},
                "scrapli": {"platform": "cisco_nxos", "extras": scrapli},
            },
        }
    return body


def _json(opened: Lab, rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    state = opened.state_folder
    seen = opened.runtime.observe().nodes
    rows = []
    for name, node in rendered.nodes.items():
        row: dict[str, Any] = {"name": name, "kind": node.kind, "role": node.role}
        if name in switches:
            ssh = switches[name]
            row |= {"host": ssh.host, "port": ssh.port, "username": ssh.username, "network_os": "nxos"}
            row |= {"key_file": str(ssh.key_file)} if ssh.key_file else {"password": ssh.password}
        else:
            row["exec"] = ["labctl", "exec", opened.name, name, "--"]
        rows.append(row | {"management": seen[name].management if name in seen else None})
    return {
        "schema": "labctl.inventory/v1",
        "lab": opened.name,
        "ssh_config": str(state.ssh_config),
        "kubeconfig": str(opened.endpoints().kubeconfig()) if rendered.kube_nodes else None,
        "nodes": rows,
    }
