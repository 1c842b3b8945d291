"""A running lab reads its database now and then, and says what the disk has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyhectiqlab.server.lab import Lab
from pyhectiqlab.server.status.status import status
from pyhectiqlab.server.tending import damage_watch
from pyhectiqlab.store.opening import open_storage

from .api import wait_until
from .test_damage import flip


def test_a_bit_that_flips_under_a_running_lab_is_told_once_by_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in a log line, among the alerts, in the state, and to whoever wants notices. Commits go on
    meanwhile.
    """
    monkeypatch.setattr(damage_watch, "FIRST_S", 0.0)
    monkeypatch.setattr(damage_watch, "AGAIN_S", 0.01)
    folder = tmp_path / "data"
    lab = Lab(open_storage(folder))
    with lab.meta.writing() as tx:
        tx.set_lab_value("large", "a note " * 5000)
    lab.stop()  # now it is in the file, not in the log alone
    lab = Lab(open_storage(folder))
    messages: list[str] = []
    monkeypatch.setattr(lab.damage, "_tell", messages.append)
    lab.start()
    try:
        turns = [0]
        look = lab.damage.look

        def counted() -> None:
            look()
            turns[0] += 1

        monkeypatch.setattr(lab.damage, "look", counted)
        wait_until(lambda: turns[0] >= 2)
        assert (lab.damage.sentences, messages) == ([], [])
        flip(folder / "lab.db", (folder / "lab.db").read_bytes().index(b"a note a note"), 1)
        wait_until(lambda: lab.damage.sentences)
        lab.write(lambda tx: tx.set_lab_value("small", "1"))
        seen = turns[0]
        wait_until(lambda: turns[0] >= seen + 2)
        (what,) = lab.damage.sentences
        assert what.startswith("lab.db: page ") and what.endswith("holds other bytes than were written")
        assert messages == [f"The lab's data are damaged: {what}."] and messages[0] in lab.alerts()
        assert [what in record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [True]
        assert what in status(lab.storage, lab, time.time())["damage"]
    finally:
        lab.stop()


def test_a_long_look_ends_with_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhectiqlab.store.sqlite_files.sums._AT_ONCE", 1)  # a page each, with a pause behind it
    monkeypatch.setattr(damage_watch, "FIRST_S", 0.0)
    monkeypatch.setattr(damage_watch, "PAUSE_S", 3600.0)
    Lab(open_storage(tmp_path / "data")).stop()  # its pages are in the file now
    lab = Lab(open_storage(tmp_path / "data"))
    began = [0]
    find = lab.storage.find_damage

    def find_counting(go_on: Callable[[], bool]) -> list[str]:
        def counted() -> bool:
            began[0] += 1
            return go_on()

        return find(counted)

    monkeypatch.setattr(lab.storage, "find_damage", find_counting)
    lab.start()
    wait_until(lambda: began[0])
    lab.stop()
    assert (began[0], lab.damage.sentences) == (1, [])
