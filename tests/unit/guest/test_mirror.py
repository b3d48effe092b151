"""Where a build's packages come from, by what distributions have in /etc."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.guest.image import DEBIAN_KEYS, mirror

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\n'
UBUNTU_22_04 = 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nID=ubuntu\nID_LIKE=debian\n'
UBUNTU_24_04 = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n'
DEB822 = (
    "Types: deb\nURIs: http://mirror.example/{name}/\nSuites: {suite} {suite}-updates\nComponents: main\n"
    "Signed-By: /usr/share/keyrings/{name}-archive-keyring.gpg\n"
)
ONE_LINE = "# {suite}\ndeb [arch=amd64] http://mirror.example/{name} {suite} main\n"
KEYS = [f"--keyring={DEBIAN_KEYS}"]


@pytest.mark.parametrize(
    ("release", "sources", "words"),
    [
        pytest.param(
            DEBIAN_12, {"sources.list.d/debian.sources": DEB822.format(name="debian", suite="bookworm")},
            ["http://mirror.example/debian/"], id="debian",
        ),
        pytest.param(
            DEBIAN_12, {"sources.list": ONE_LINE.format(name="debian", suite="bookworm")},
            ["http://mirror.example/debian"], id="debian-one-line",
        ),
        pytest.param(DEBIAN_12, {}, [], id="debian-without-sources"),
        pytest.param(
            UBUNTU_24_04,
            {"sources.list": "# Ubuntu sources have moved to /etc/apt/sources.list.d/ubuntu.sources\n",
             "sources.list.d/ubuntu.sources": DEB822.format(name="ubuntu", suite="noble")},
            KEYS, id="ubuntu-24.04",
        ),
        pytest.param(
            UBUNTU_22_04, {"sources.list": ONE_LINE.format(name="ubuntu", suite="jammy")}, KEYS, id="ubuntu-22.04"
        ),
    ],
)  # fmt: skip
def test_only_a_debian_hosts_own_mirror_is_taken(
    release: str, sources: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    for name, text in {
        "etc/os-release": release,
        **{f"etc/apt/{name}": text for name, text in sources.items()},
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert mirror(tmp_path) == words
