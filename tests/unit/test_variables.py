"""Environment variables that are stored: of a list, those that a setting adds, and never secrets."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.capture.variables import CHARS_MAX, VARIABLES_MAX, own_variables, variables

pytestmark = pytest.mark.usefixtures("home")


def test_those_that_bear_on_a_training_are_stored_and_no_others() -> None:
    relevant = {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "OMP_NUM_THREADS": "4",
        "NCCL_DEBUG": "",
        "SLURM_JOB_ID": "17",
        "HF_HOME": "/x",
    }
    others = {"HOME": "/root", "PATH": "/bin", "USER": "me", "MY_DATA": "/data", "OMP": "1", "XCUDA_X": "1"}
    assert variables({**others, **relevant}) == dict(sorted(relevant.items()))
    assert variables({**others, **relevant}, ["MY_*", "USER"]).keys() == {*relevant, "MY_DATA", "USER"}


WORDS = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "JWT", "AUTH", "COOKIE"]


@given(
    st.sampled_from(["HF_", "SLURM_", "CUDA_", "MY_"]),
    st.text("AbC_", max_size=5),
    st.sampled_from([*WORDS, *(word.lower() for word in WORDS)]),
    st.text("AbC_", max_size=5),
)
def test_what_is_named_like_a_secret_is_never_stored(prefix: str, before: str, word: str, after: str) -> None:
    name = f"{prefix}{before}{word}{after}"
    assert variables({name: "x"}, [name, "MY_*"]) == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:pass@hub.example.org/x", "https://***@hub.example.org/x"),
        ("--lr 0.1 --hub-token abc", "--lr 0.1 --hub-token ***"),
        ("a  b password=x", "a  b password=***"),
        ("bearer hf_abcdefghijklmnopqrst", "bearer ***"),
        ("x=ghp_0123456789abcdefghij,y", "x=***,y"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc", "***"),
        ("max_split_size_mb:128,expandable_segments:True", "max_split_size_mb:128,expandable_segments:True"),
        ("\udcff", "?"),
    ],
)
def test_secrets_in_values_are_hidden(value: str, shown: str) -> None:
    assert variables({"HF_X": value}) == {"HF_X": shown}


def test_it_is_bounded() -> None:
    stored = variables({f"SLURM_{i:04}": "x" * 5000 for i in range(1000)})
    assert len(stored) == VARIABLES_MAX and {len(value) for value in stored.values()} == {CHARS_MAX}


def test_settings_add_names_and_turn_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    for name in [name for name in os.environ if variables({name: ""}) or name.startswith("HECTIQLAB_")]:
        if name not in {"HECTIQLAB_HOME", "HECTIQLAB_CREDENTIALS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("MY_DATA", "/data")
    assert own_variables(said.append) == {"OMP_NUM_THREADS": "4"}
    monkeypatch.setenv("HECTIQLAB_VARIABLES", "OTHER, MY_*")
    assert own_variables(said.append) == {"MY_DATA": "/data", "OMP_NUM_THREADS": "4"}
    monkeypatch.setenv("HECTIQLAB_STORE_VARIABLES", "0")
    assert own_variables(said.append) == {} and said == []
    for name, wrong in (("HECTIQLAB_STORE_VARIABLES", "maybe"), ("HECTIQLAB_VARIABLES", "MY-DATA")):
        monkeypatch.setenv("HECTIQLAB_STORE_VARIABLES", "1")
        monkeypatch.setenv(name, wrong)
        assert own_variables(said.append) == {} and name in said.pop()
