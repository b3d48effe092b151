"""A spec that cannot even be read: what is said of files, folders, bytes; and manifests beside the spec."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import SpecError
from labctl.spec.load import load, loads

Golden = Callable[[str, str], None]
GOOD = b"name: lab\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages show the path that was typed."""
    monkeypatch.chdir(tmp_path)


def message(path: str) -> str:
    with pytest.raises(SpecError) as caught:
        load(Path(path))
    assert caught.value.exit_code == 2
    return caught.value.render() + "\n"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("latin-1", "name: lab\nfabric:\n  spines: [späne]\n".encode("latin-1")),
        ("utf-16", "name: lab\n".encode("utf-16")),
        ("control-character", b"name: lab\nfabric: {spines: 2}\nname\x07: bell\n"),
        ("null-bytes", b"\x00" * 64),
        ("huge", GOOD + b"# padding\n" * 200_000),
        ("nothing", b""),
        ("blank", b"\n\n   \n"),
        ("only-null", b"null\n"),
        ("a-word", b"whitepaper\n"),
    ],
)
def test_message_of_a_file_that_is_no_spec(name: str, raw: bytes, golden: Golden) -> None:
    Path("lab.yaml").write_bytes(raw)
    golden(f"spec/files/{name}.txt", message("lab.yaml"))


def test_message_of_a_missing_file(golden: Golden) -> None:
    golden("spec/files/missing.txt", message("nowhere/lab.yaml"))


def test_message_of_a_folder(golden: Golden) -> None:
    Path("labs").mkdir()
    golden("spec/files/folder.txt", message("labs"))


def test_message_of_a_file_without_rights() -> None:
    Path("lab.yaml").write_bytes(GOOD)
    Path("lab.yaml").chmod(0)
    Path().chmod(0o755)
    was = os.geteuid()
    os.seteuid(was or 65534)  # root reads everything: as nobody, then
    try:
        assert "Permission denied" in message("lab.yaml")
    finally:
        os.seteuid(was)


def test_a_device_without_end_is_too_large() -> None:
    assert "larger than 1024 KiB" in message("/dev/zero")


def test_a_byte_order_mark_and_windows_line_ends_are_no_trouble() -> None:
    Path("lab.yaml").write_bytes(b"\xef\xbb\xbfname: lab\r\nfabric: {spines: 1}\r\n")
    assert load(Path("lab.yaml")).fabric.spines == 1


WEB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("manifest-syntax", "kind: {\n"),
        ("manifest-no-object", f"{WEB}---\nkind: Pod\n---\n- 1\n"),
        ("manifest-empty", "# nothing\n"),
        ("manifest-tab", "kind: Pod\nmetadata:\n\tname: a\n"),
    ],
)
def test_message_of_a_manifest_beside_the_spec(name: str, text: str, golden: Golden) -> None:
    Path("web.yaml").write_text(text)
    Path("lab.yaml").write_text("name: lab\nworkloads: [web.yaml]\n")
    golden(f"spec/files/{name}.txt", message("lab.yaml"))


def test_did_you_mean_a_manifest(golden: Golden) -> None:
    Path("frontend.yaml").write_text(WEB)
    Path("lab.yaml").write_text("name: lab\nworkloads: [frontent.yaml]\n")
    golden("spec/files/manifest-near.txt", message("lab.yaml"))


def test_a_manifest_is_kept_byte_for_byte_and_may_stand_in_a_folder_below() -> None:
    Path("apps").mkdir()
    Path("apps/web.yml").write_text(WEB + "# a comment, and {{ braces }}\n")
    spec = loads("lab.yaml", "name: lab\nworkloads: [nginx, apps/web.yml]\n")
    assert dict(spec.manifests) == {"web": WEB + "# a comment, and {{ braces }}\n"}


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(WEB)
    Path("inner").mkdir()
    Path("inner/web.yaml").symlink_to(outside)
    Path("inner/lab.yaml").write_text("name: lab\nworkloads: [web.yaml]\n")
    assert "web.yaml is not beside the spec or below" in message("inner/lab.yaml")


def test_another_name_is_judged_too() -> None:
    Path("lab.yaml").write_text("name: lab\n")
    assert load(Path("lab.yaml"), name="other").name == "other"
    with pytest.raises(SpecError) as caught:
        load(Path("lab.yaml"), name="leaf101")
    assert caught.value.problems[0].code == "duplicate-name"
