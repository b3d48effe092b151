"""The user's configuration: what it says, everything that is wrong with it at once, and no password in any message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.cli.configured import UserConfig, load_user_config
from labctl.errors import SpecError, UsageError

Golden = Callable[[str, str], None]
SECRET = "sECRET-77"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages show the path that was given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABCTL_CONFIG", "config.yaml")


def write(text: str, mode: int = 0o600, name: str = "config.yaml") -> None:
    Path(name).write_text(text)
    Path(name).chmod(mode)


def read() -> UserConfig:
    return load_user_config()


def message() -> str:
    with pytest.raises(SpecError) as caught:
        read()
    return caught.value.render() + "\n"


def test_images_and_a_login() -> None:
    write(f'images: {{switch: "a/b:1", leaf: c}}\ncredentials: {{username: lab, password: "{SECRET}"}}\n')
    assert read() == UserConfig({"switch": "a/b:1", "leaf": "c"}, {"username": "lab", "password": SECRET})
    assert SECRET not in repr(read())


def test_a_password_in_a_file_of_its_own() -> None:
    write("credentials:\n  password_file: secret\n", 0o644)
    write(f"{SECRET}\n", name="secret")
    assert read().credentials["password"] == SECRET


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "images:\n", "images: {}\ncredentials: {}\n"])
def test_a_file_that_says_nothing(text: str) -> None:
    write(text, 0o644)
    assert read() == UserConfig()


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LABCTL_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert read() == UserConfig()
    (tmp_path / "labctl").mkdir()
    write("images: {leaf: a}\n", name="labctl/config.yaml")
    assert read() == UserConfig({"leaf": "a"})
    monkeypatch.setenv("LABCTL_CONFIG", "nowhere.yaml")
    with pytest.raises(UsageError, match=r"there is no file nowhere\.yaml, which LABCTL_CONFIG names"):
        read()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys", "image: {}\nimages: {leef: a:1, switch: b:1}\ncredentials: {user: x}\n"),
        ("values", "images: {switch: 5, leaf: A B, spine: []}\ncredentials: {username: 1st, password: 12345}\n"),
        ("types", "images: a/b:1\ncredentials: [admin]\n"),
        ("two-passwords", f"credentials:\n  password: {SECRET}\n  password_file: {SECRET}\n"),
        ("password", f"credentials:\n  username: lab\n  password: '{SECRET} with a blank'\n"),
        ("syntax", f"images: {{switch: a:1\ncredentials: {{password: {SECRET}}}\n"),
        ("a-word", "vrnetlab\n"),
        ("no-such-file", "credentials: {password_file: nowhere}\n"),
        ("duplicate", "images: {leaf: a:1, leaf: b:1}\n"),
    ],
)
def test_message_of_a_bad_configuration(name: str, text: str, golden: Golden) -> None:
    write(text)
    golden(f"userconfig/{name}.txt", message())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_password_that_others_may_read_is_refused_with_the_command_to_type(mode: int) -> None:
    write(f"credentials: {{password: {SECRET}}}\n", mode)
    text = message()
    assert "[open-to-others]" in text
    assert f"(mode {mode:o})" in text
    assert "hint: chmod 600 config.yaml" in text


def test_so_is_a_file_of_its_own() -> None:
    write("credentials: {password_file: secret}\n", 0o644)
    write(f"{SECRET}\n", 0o644, "secret")
    assert "hint: chmod 600 secret" in message()


@pytest.mark.parametrize(
    "password", ["", "a b", 'a"b', "a'b", "a\\b", "a#b", "a?b", "$HOME", "{{x}}", "-x", "a;b", "ä", "a\n", "x" * 65]
)
def test_a_password_that_would_reach_the_switch_as_another_is_refused(password: str) -> None:
    """It goes through YAML, a shell-like split and an NX-OS line."""
    write("credentials: {password_file: secret}\n")
    write(password, name="secret")
    if password == "a\n":
        assert read().credentials["password"] == "a"
    else:
        text = message()
        assert "[bad-password]" in text
        assert len(password) < 3 or password not in text


def test_no_message_shows_a_password() -> None:
    for text in (
        f"credentials: {{password: '{SECRET}'\n",
        f"credentials:\n  password:\n    {SECRET}: x\n",
        f"credentials: {{pasword: x, password: '{SECRET} '}}\n",
        f"images: 5\ncredentials: {{password: [{SECRET}]}}\n",
        f"{{credentials: {{'password': {SECRET}}}, credentials: {{}}}}\n",
    ):
        write(text)
        assert SECRET not in message(), text


def test_a_file_that_is_no_text() -> None:
    Path("config.yaml").write_bytes(b"\xff\xfe\x00")
    assert "this is not UTF-8 text" in message()
    Path("config.yaml").write_bytes(f"credentials: {{password: {SECRET}\xff}}".encode("latin-1"))
    assert SECRET not in message()
