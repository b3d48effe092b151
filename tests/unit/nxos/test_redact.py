"""Nothing secret leaks, what labctl parses stays parseable, and twice is as good as once."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.nxos.inventory import module_trouble_of_text, ports
from labctl.nxos.redact import GONE, Known, Redactor, known_of
from labctl.nxos.tree import compare, parse

SECRET = "Sup3rS3cretValue"
PUBLIC_KEY = "AAAAB3NzaC1yc2EAAAADAQABAAABgQC7"

LINES = [
    "username admin password 5 {} role network-admin",
    "username admin password 5 $5$KLMNOP$" + "{}" + " role network-admin",
    "username admin passphrase  lifetime 99999 warntime 14 gracetime 3",
    "enable secret 5 {}",
    "    password 3 {}",
    "    password {}",
    "snmp-server community {} group network-operator",
    "snmp-server host 192.168.9.9 traps version 2c {}",
    "snmp-server host 192.168.9.9 {}",
    "snmp-server user admin network-admin auth md5 {} priv aes-128 {} localizedkey",
    "snmp-server user admin network-admin auth md5 0x1234567890abcdef1234567890abcdef priv {} localizedkey",
    "snmp-server contact {} of the lab",
    "snmp-server location {}",
    'tacacs-server host 10.9.9.9 key 7 "{}" port 49',
    "radius-server key 7 {}",
    "  key-string 7 {}",
    "ntp authentication-key 1 md5 {} 7",
    "  ip ospf message-digest-key 1 md5 3 {}",
    "  ip ospf authentication-key 3 {}",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "Processor Board ID {}",
    "Serial Number: {}",
    "License hostid: VDH={}",
    '{{"proc_board_id": "{}"}}',
    '{{"serialnum": "{}", "mac": "x"}}',
    '{{"encrypt_password": "{}"}}',
    "ip domain-name {}.corp.example.org",
    "ntp server {}.time.de use-vrf management",
    "logging server {}",
    "ip host {} 10.1.1.1",
    "username {} password 5 x role network-admin",
    "write to {}@company.com",
    "see {}.company.com for more",
]


@pytest.mark.parametrize("line", LINES)
def test_nothing_secret_stays(line: str) -> None:
    text = f"hostname leaf1\n{line.format(*[SECRET] * line.count('{}'))}\nfeature bgp\n"
    found = Redactor().text(text)
    if "passphrase" not in line and "ip host" not in line:
        assert SECRET.lower() not in found.lower()
    assert found.startswith("hostname leaf1\n")
    assert found.endswith("\nfeature bgp\n")
    assert Redactor().text(found) == found, "twice is as good as once"


def test_public_keys_and_hashes_go_wherever_they_stand() -> None:
    text = f"username admin sshkey ssh-rsa {PUBLIC_KEY}== bob@laptop\nfoo $6$abc$def, bar 0x{'ab' * 16}\n"
    found = Redactor().text(text)
    assert found == f"username admin sshkey {GONE}\nfoo {GONE}, bar {GONE}\n"


def test_the_serial_in_show_module() -> None:
    head = "Mod  MAC-Address(es)                         Serial-Num\n---  ---\n"
    text = f"{head}1    00-ad-1a-2b-3c-4d to 00-ad-1a-2b-3c-8d  9VXYZABC123\n"
    found = Redactor().text(text)
    assert "9VXYZABC123" not in found
    assert "00-ad-1a" not in found
    assert Redactor().text(found) == found


def test_a_known_value_stays_what_is_parsed() -> None:
    """Lines that look like secrets and are none."""
    text = "\n".join([
        "no password strength-check", "      send-community", "      send-community extended",
        "BGP community entries [0/0], BGP clusterlist entries [6/24]", "  set community 65000:1",
        "            Oper Key                    Port State", "username admin passphrase  lifetime 99999 warntime 14",
    ])  # fmt: skip
    assert Redactor().text(text) == text


def test_relations_hold() -> None:
    redactor = Redactor()
    first = redactor.text("Eth1/1  32768,f8-7b-20-1-0-7  0x101\nf87b.2001.0007 dynamic\n8.8.8.8 9.9.9.9 8.8.8.8\n")
    assert first == "Eth1/1  32768,02-00-5e-00-00-01  0x101\n0200.5e00.0001 dynamic\n198.18.0.1 198.18.0.2 198.18.0.1\n"
    assert redactor.text("via 8.8.8.8 at f8:7b:20:01:00:07") == "via 198.18.0.1 at 02:00:5e:00:00:01"
    assert (redactor.counts["mac"], redactor.counts["address"]) == (3, 4)


def test_what_software_made_up_and_what_the_folder_has_stays() -> None:
    known = known_of(
        [
            "fabric forwarding anycast-gateway-mac 2020.0000.00aa",
            "ip route 0.0.0.0/0 x\n12.1.0.0/16",
            "2600:193:168:1::4",
        ]
    )
    assert ip_network("12.1.0.0/16") in known.networks
    assert ip_network("0.0.0.0/0") not in known.networks
    text = "2020.0000.00aa 0200.0a00.0202 fe-f8-86-b8-5f-7e 12.1.3.4 10.1.2.3 2600:193:168:1::4 224.0.0.5 12:00:00"
    assert Redactor(known).text(text) == text
    assert Redactor().text("12.1.3.4 2600:193:168:1::4") == "198.18.0.2 2001:db8:ffff::1"


def test_a_link_local_address_holds_its_makers_mac() -> None:
    assert Redactor().text("fe80::fa7b:20ff:fe01:7 fe80::1 fe80::fe:ff:fe00:1") == "fe80::1 fe80::1 fe80::fe:ff:fe00:1"


def test_names_that_every_switch_prints_stay() -> None:
    text = "TAC support: http://www.cisco.com/tac\nhttp://www.gnu.org/licenses/\nnxos64-cs.10.5.4.M.bin\n"
    assert Redactor().text(text) == text


CONFIG = """\
username admin password 5 $5$KLMNOP$abcdefgh role network-admin
hostname leaf1
interface Ethernet1/1
  ip address 10.4.0.1/31
router bgp 65102
  neighbor 10.2.1.5
    password 3 9125d59c18a9b015
    remote-as 65102
"""


def test_a_configuration_still_compares() -> None:
    found = Redactor().text(CONFIG)
    assert "9125d59c" not in found
    assert compare(parse(CONFIG), parse(found)) == []


def test_json_stays_json() -> None:
    body = {
        "TABLE_interface": {
            "ROW_interface": [{"interface": "Ethernet1/1", "eth_hw_addr": "f87b.2001.0007", "ip": "8.8.8.8"}]
        },
        "proc_board_id": SECRET,
    }
    found: Any = json.loads(Redactor().text(json.dumps(body)))
    assert ports(found) == {"Ethernet1/1"}
    assert found["proc_board_id"] == GONE
    text = "--- ----- ---\n1    64   ok\n27   0    active *\n"
    assert module_trouble_of_text(Redactor().text(text)) is None


WORDS = st.text('abcdefghijklmnopqrstuvwxyz0123456789.:-/$ \n"', max_size=60)


@given(st.lists(st.one_of(WORDS, st.sampled_from(LINES)), max_size=6).map("\n".join))
def test_twice_changes_nothing_more(text: str) -> None:
    once = Redactor().text(text)
    assert Redactor().text(once) == once


@given(st.from_regex(r"[A-Za-z0-9]{12,20}", fullmatch=True), st.sampled_from(LINES[:21]))
def test_no_value_of_a_secret_line_leaks(value: str, line: str) -> None:
    if "passphrase" in line:
        return
    found = Redactor(Known()).text(line.format(*[f"Zq{value}"] * line.count("{}")))
    assert f"Zq{value}" not in found
