"""The credentials file, and which profile is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyhectiqlab import profile as profiles
from pyhectiqlab.base.texts import address
from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.profile import AuthProvider, load_profiles, remove_profile, resolve, save_profile
from pyhectiqlab.transport import LabClient

pytestmark = pytest.mark.usefixtures("home")


def save(name: str, **changes: str) -> Path:
    values = {"url": f"http://{name}.lab", "username": "ann", "secret_api_key": f"key-{name}", "api_key_uuid": "id"}
    return save_profile(name, **(values | changes))


def wrong(what: str, name: str | None = None) -> str:
    with pytest.raises(ConfigurationError, match=what) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_profile_is_read_back(home: Path) -> None:
    assert save("a b.c", project="vision") == home / "credentials"
    profile = load_profiles()["a b.c"]
    assert profile == profiles.Profile("a b.c", "http://a b.c.lab", "ann", "key-a b.c", "id", "vision")
    assert "key-" not in repr(profile)


def test_the_file_and_its_folder_are_the_owners_alone(home: Path) -> None:
    mask = os.umask(0)
    try:
        path = save("a")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_other_tables_and_what_is_unknown_in_them_stay(home: Path) -> None:
    home.mkdir()
    (home / "credentials").write_text('[old]\nusername = "bo"\nsecret_api_key = "k"\nfrom_the_future = [1, 2]\n')
    save("new")
    assert list(load_profiles()) == ["old", "new"]
    assert "from_the_future" in (home / "credentials").read_text()
    remove_profile("new")
    assert list(load_profiles()) == ["old"]
    assert [p.name for p in home.iterdir()] == ["credentials"]


def test_a_link_to_the_file_stays_a_link(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "credentials").symlink_to(tmp_path / "real")
    save("a")
    assert (home / "credentials").is_symlink() and (tmp_path / "real").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"[a]\nurl = 'x'\nurl =\n", "line 3"),
        (b"[a]\n\xff\n", "line 2"),
        (b"stray = 1\n", "'stray'"),
        (b"[a]\nurl = 1\n", "url of profile 'a'"),
    ],
)
def test_a_corrupt_file_is_told_with_its_place(home: Path, text: bytes, where: str) -> None:
    home.mkdir()
    (home / "credentials").write_bytes(text)
    message = wrong(where)
    assert str(home / "credentials") in message


def test_a_corrupt_file_is_not_written_over(home: Path) -> None:
    home.mkdir()
    (home / "credentials").write_text("[a\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        save("b")
    with pytest.raises(ConfigurationError, match="line 1"):
        remove_profile("b")
    assert (home / "credentials").read_text() == "[a\n"


def test_a_folder_in_its_place_is_told(home: Path) -> None:
    (home / "credentials").mkdir(parents=True)
    wrong("cannot be read")


def test_others_who_can_read_it_are_told_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save("a")
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    load_profiles()
    load_profiles()
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("chmod 600") == 1


def test_the_only_profile_is_used() -> None:
    save("whatever")
    assert resolve().name == "whatever"


def test_of_several_default_is_used_then_local() -> None:
    save("a")
    save("local")
    assert resolve().name == "local"
    save("default")
    assert resolve().name == "default"


def test_of_several_others_none_is_guessed() -> None:
    save("a")
    save("b")
    assert "a, b" in wrong("HECTIQLAB_PROFILE")


def test_no_profile_at_all_says_how_to_get_one() -> None:
    assert "hectiqlab server" in wrong("hectiqlab add-profile")
    assert not AuthProvider().is_logged()
    assert "not logged in" in repr(AuthProvider())


def test_the_variable_is_obeyed_even_with_one_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a")
    monkeypatch.setenv("HECTIQLAB_PROFILE", "b")
    assert "it has a" in wrong("'b'")
    save("b")
    assert resolve().name == "b"


def test_a_name_given_wins_over_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a")
    save("b")
    monkeypatch.setenv("HECTIQLAB_PROFILE", "b")
    monkeypatch.setenv("HECTIQLAB_URL", "http://other")
    monkeypatch.setenv("HECTIQLAB_API_KEY", "other")
    assert (resolve("a").url, resolve("a").secret_api_key) == ("http://a.lab", "key-a")
    wrong("'c'", "c")


def test_address_and_key_of_the_environment_need_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "credentials").write_text("[corrupt\n")
    monkeypatch.setenv("HECTIQLAB_URL", "http://e")
    monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
    assert resolve() == profiles.Profile("environment", "http://e", secret_api_key="k")


def test_a_key_of_the_environment_wins_over_the_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a", project="vision")
    monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
    assert resolve() == profiles.Profile("a", "http://a.lab", secret_api_key="k", project="vision")


def test_a_key_is_not_shown_to_a_lab_that_did_not_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a")
    monkeypatch.setenv("HECTIQLAB_URL", "http://b.lab/")
    wrong("HECTIQLAB_API_KEY")
    save("b")
    assert resolve().secret_api_key == "key-b"
    monkeypatch.setenv("HECTIQLAB_PROFILE", "a")  # named: the user's word
    assert (resolve().url, resolve().secret_api_key) == ("http://b.lab", "key-a")


def test_a_profile_of_an_older_client_needs_only_an_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "credentials").write_text('[old]\nusername = "bo"\nsecret_api_key = "k"\napi_key_uuid = "u"\n')
    wrong("no address")
    monkeypatch.setenv("HECTIQLAB_PROFILE", "old")
    monkeypatch.setenv("HECTIQLAB_URL", "http://lab")
    assert (resolve().url, resolve().secret_api_key) == ("http://lab", "k")


def test_another_credentials_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HECTIQLAB_CREDENTIALS", str(tmp_path / "deep" / "keys.toml"))
    assert save("a") == tmp_path / "deep" / "keys.toml"
    assert AuthProvider().is_logged()
    assert (AuthProvider().username, AuthProvider().url, AuthProvider().profile.name) == ("ann", "http://a.lab", "a")


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "environment"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        save(name)


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8090/", "http://localhost:8090"),
        ("//10.0.0.5:8080/lab", "http://10.0.0.5:8080/lab"),
        ("[::1]:8080", "http://[::1]:8080"),
        (" https://lab.example.com/ ", "https://lab.example.com"),
        ("lab.example.com", "lab.example.com"),  # nobody can know whether it is http or https
        ("htp:/x", "htp:/x"),
        ("", ""),
    ],
)
def test_the_scheme_is_put_in_front_of_an_address_that_can_have_only_one(
    typed: str, means: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address(typed) == means
    if means:
        monkeypatch.setenv("HECTIQLAB_URL", typed)
        monkeypatch.setenv("HECTIQLAB_API_KEY", "k")
        assert resolve().url == means


def test_one_place_is_one_place_however_it_is_written() -> None:
    same = ["http://127.0.0.1:8080", "localhost:8080", "HTTP://LOCALHOST:8080/", "http://[::1]:8080/api/v1"]
    assert all(profiles.same_address(a, b) for a in same for b in same)
    other = ["https://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8080/lab", "http://lab:8080"]
    assert not any(profiles.same_address(a, "http://127.0.0.1:8080") for a in other)
    assert profiles.same_address("https://lab.example.com:443", "https://LAB.example.com")


def test_the_id_of_the_lab_is_kept_with_its_profile_also_at_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a", lab_id="f00d")
    assert load_profiles()["a"].lab_id == resolve("a").lab_id == "f00d"
    monkeypatch.setenv("HECTIQLAB_PROFILE", "a")
    monkeypatch.setenv("HECTIQLAB_URL", "http://elsewhere")
    assert resolve().lab_id == "f00d", "another lab may be there, which gets no key then"


def test_a_line_break_at_the_end_of_what_a_profile_says_is_no_part_of_it(home: Path) -> None:
    save("lab", url="http://lab:1 ", secret_api_key="key\n", project="vision\r\n")
    profile = resolve()
    assert (profile.url, profile.secret_api_key, profile.project) == ("http://lab:1", "key", "vision")


@pytest.mark.parametrize("key", ["ke\ny", "ke\ty", "ke\0y", "k\u201cey", "ke y"])
def test_a_key_that_can_be_none_is_told_and_not_shown(home: Path, key: str) -> None:
    with pytest.raises(ConfigurationError, match="HECTIQLAB_API_KEY") as caught:
        LabClient("http://127.0.0.1:1", key)
    assert key not in str(caught.value) and repr(key)[1:-1] not in str(caught.value)
