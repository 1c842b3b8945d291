"""The file of options, and files with secrets: what is wrong with one is said in a line, and no other lab is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pyhectiqlab.cli import main

from ..labs import ForkedLab


def refused(*words: str, config: Path | None = None) -> str:
    env = {} if config is None else {"HECTIQLAB_CONFIG": str(config)}
    done = CliRunner().invoke(main, words, env=env)
    (line,) = done.output.strip().splitlines()
    assert done.exit_code == 1 and line.startswith("Error: "), done.output
    return line


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HECTIQLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "lab.conf"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("database = x\n", "is not understood: write a line [lab]"),
        ("[lab]\ndatabse = x\n", "lab.conf: `hectiqlab server` has no option --databse."),
        ("[lab]\nport = eighty\n", "lab.conf: --port: 'eighty' is not a valid integer range"),
        (
            "[lab]\ndatabase = @/absent\n",
            "@/absent: the file cannot be read (No such file or directory): correct the path",
        ),
        ("[lab]\ndatabase = @{folder}/empty\n", "the file is empty: write the address into it"),
        ("[lab]\ndatabase = postgresql://lab@db/lab\n", "go together: --points and --files missing"),
    ],
)
def test_a_file_that_does_not_name_a_lab(config: Path, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "empty").touch()
    config.write_text(text.replace("{folder}", str(tmp_path)))
    assert says in refused("server", "--config", str(config))
    if "port" not in text:
        assert says in refused("admin", "user", "list", config=config)


def test_names_of_groups_in_a_file_may_have_blanks(config: Path) -> None:
    config.write_text(
        "[lab]\noidc-issuer = https://a.example\noidc-client-id = x\noidc-role = Lab Admins=admin; Staff=chief\n"
    )
    assert "--oidc-role 'Staff=chief' is not understood" in refused("server", "--config", str(config))


def test_a_file_that_cannot_be_read(config: Path, tmp_path: Path) -> None:
    for words in (("server",), ("admin", "status"), ("login-link",)):
        assert "lab.conf cannot be read (No such file or directory): name another" in refused(*words, config=config)
    assert "cannot be read (Is a directory)" in refused("server", "--config", str(tmp_path))


def test_a_move_to_a_file_that_is_not_there_makes_no_folder_of_its_name(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "lab"
    with ForkedLab(data, tmp_path / "home"):
        pass
    assert "is not there: correct the path" in refused("admin", "move", "--data", str(data), "--to", str(config))
    assert not config.exists()


def test_commands_take_the_folder_that_the_file_names(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "lab"
    with ForkedLab(data, tmp_path / "home"):
        pass
    config.write_text(f"[lab]\ndata = {data}\nport = 8099\n")
    backup = CliRunner().invoke(
        main, ["admin", "backup", str(tmp_path / "kept")], env={"HECTIQLAB_CONFIG": str(config)}
    )
    assert backup.exit_code == 0 and "0 runs" in backup.output
