"""The settings table: what each variable accepts, and what a wrong value is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhectiqlab import settings
from pyhectiqlab.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("home")


def test_every_default_is_understood() -> None:
    for setting in settings.TABLE.values():
        value = settings.get(setting.name)
        assert (value is None) == (setting.default is None), setting.name


def test_every_setting_has_a_variable_a_unit_and_a_meaning() -> None:
    variables = [s.variable for s in settings.TABLE.values()]
    assert len(set(variables)) == len(variables)
    for setting in settings.TABLE.values():
        assert setting.variable.startswith("HECTIQLAB_") and setting.unit and setting.meaning


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("keep_dry", "no", False),
        ("keep_dry", "1", True),
        ("exit_timeout", "0", 0.0),
        ("exit_timeout", "1.5", 1.5),
        ("spool_max_bytes", "4GiB", 4 << 30),
        ("spool_max_bytes", "512m", 512 << 20),
        ("spool_max_bytes", "2097152", 2 << 20),
        ("spool_max_bytes", "2 MB", 2 << 20),
        ("mode", " Offline ", "offline"),
        ("variables", "DATA_DIR, MY_*", ("DATA_DIR", "MY_*")),
        ("start_method", "spawn", "spawn"),
        ("project", "my project", "my project"),
    ],
)
def test_a_value_is_read(monkeypatch: pytest.MonkeyPatch, name: str, raw: str, value: object) -> None:
    monkeypatch.setenv(settings.TABLE[name].variable, raw)
    assert settings.get(name) == value


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("keep_dry", "maybe"),
        ("variables", "A, B-C"),
        ("variables", "A/B"),
        ("exit_timeout", "soon"),
        ("exit_timeout", "-1"),
        ("exit_timeout", "nan"),
        ("exit_timeout", "inf"),
        ("spool_max_bytes", "lots"),
        ("spool_max_bytes", "1"),
        ("spool_max_bytes", "1e400"),
        ("mode", "onlin"),
        ("start_method", "thread"),
    ],
)
def test_a_value_that_is_not_understood_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, raw: str
) -> None:
    variable = settings.TABLE[name].variable
    monkeypatch.setenv(variable, raw)
    with pytest.raises(ConfigurationError, match=f"{variable}='{raw}' is not understood: it takes ") as caught:
        settings.get(name)
    assert "\n" not in str(caught.value)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HECTIQLAB_MODE", "")
    monkeypatch.setenv("HECTIQLAB_API_KEY", "")
    assert settings.get("mode") == "online"
    assert settings.get("api_key") is None


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "\t"])
@pytest.mark.parametrize("name", ["url", "api_key", "profile", "project", "mode", "exit_timeout"])
def test_a_line_break_at_the_end_is_no_part_of_a_value(monkeypatch: pytest.MonkeyPatch, name: str, end: str) -> None:
    raw = {"mode": "offline", "exit_timeout": "3"}.get(name, "team/vision")
    monkeypatch.setenv(settings.TABLE[name].variable, raw)
    plain = settings.get(name)
    monkeypatch.setenv(settings.TABLE[name].variable, raw + end)
    assert settings.get(name) == plain
    monkeypatch.delenv(settings.TABLE[name].variable)
    unset = settings.get(name)
    monkeypatch.setenv(settings.TABLE[name].variable, end)
    assert settings.get(name) == unset


def test_a_relative_path_stays_where_it_was_first_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    raw = f"home-of-{tmp_path.name}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HECTIQLAB_HOME", raw)
    assert settings.home() == tmp_path / raw
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert settings.home() == tmp_path / raw and settings.pinned()["HECTIQLAB_HOME"] == str(tmp_path / raw)
    monkeypatch.setenv("HECTIQLAB_HOME", raw + "\n")
    assert settings.home() == tmp_path / raw


def test_a_home_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HECTIQLAB_HOME", "~nobody-of-this-name/lab")
    with pytest.raises(ConfigurationError, match="HOME"):
        settings.home()
    assert settings.pinned() == {}


def test_paths_follow_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.credentials_path() == home / "credentials"
    assert settings.spool_dir() == home / "spool"
    monkeypatch.setenv("HECTIQLAB_CREDENTIALS", "~/keys")
    assert settings.credentials_path() == Path.home() / "keys"
