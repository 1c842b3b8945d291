"""A restored copy of a lab beside the lab that it is of: it tells nobody of anything, and takes nobody's profile."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

from pyhectiqlab.profile import load_profiles
from pyhectiqlab.store.backups.backup import backup, note
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from .api import Api, wait_until
from .test_notices import Chat, add, admin, chat, ended

__all__ = ["chat"]


def test_a_copy_beside_its_lab_sends_no_notices_and_leaves_the_profile(
    own_lab: RealLab, tmp_path: Path, chat: Chat
) -> None:
    with own_lab:
        add(own_lab, chat.url, "--on", "failed,lab")
        chat.status = 503
        ended(Api.of(own_lab), "waits", "failed")  # its notice waits in the snapshot, too
        assert admin(own_lab, "backup", str(tmp_path / "backups")).returncode == 0
        chat.status = 200
        wait_until(lambda: len(chat.got) == 1, 30)
        (snapshot,) = (tmp_path / "backups").glob("20*")
        before = load_profiles(own_lab.credentials)["local"]
        restored = run_command("admin", "restore", str(snapshot), "--data", str(tmp_path / "again"))
        assert "notify unmute" in restored.stdout

        with ForkedLab(tmp_path / "again", own_lab.home) as copy:
            assert copy.profile == f"local-{copy.port}" and "notify unmute" in copy.log()
            profiles = load_profiles(own_lab.credentials)
            assert profiles["local"] == before
            api = Api(copy.url, profiles[copy.profile].secret_api_key)
            state = api.get("/admin/status")
            assert state["notices_muted"] and "muted" in json.dumps(state["advice"])
            assert [t["waiting"] for t in state["notices"]] == [0]
            ended(api, "unheard", "failed")
            copy.stop()
            own = {"HECTIQLAB_HOME": str(own_lab.home)}
            printed = run_command("admin", "status", "--json", "--data", str(copy.data_dir), env=own)
            assert json.loads(printed.stdout)["data"] == str(copy.data_dir), "not of the lab with the same id"
            copy.start()
            assert admin(copy, "notify", "unmute").returncode == 0
            heard = ended(api, "heard", "failed")
            wait_until(lambda: len(chat.got) == 2, 30)
            assert chat.got[1][0]["run"]["id"] == heard
            assert api.get("/admin/status")["notices_muted"] is None


def test_whoever_hears_of_the_lab_hears_once_that_the_backup_is_old(
    own_lab: RealLab, tmp_path: Path, chat: Chat
) -> None:
    with own_lab:
        add(own_lab, chat.url, "--on", "lab")
        taken = backup(own_lab.data_dir, tmp_path / "backups")
        with contextlib.closing(open_beside(own_lab.data_dir)) as storage, storage.meta.writing() as tx:
            note(tx, replace(taken, taken=time.time() - 3 * 86_400))
        own_lab.restart()
        wait_until(lambda: chat.got, 30)
        assert "last backup of the lab is 3 days old" in chat.got[0][0]["text"]
        api = Api.of(own_lab)
        assert any("3 days old" in alert for alert in api.get("/me")["alerts"])
        own_lab.restart()
        wait_until(lambda: any("3 days old" in alert for alert in Api.of(own_lab).get("/me")["alerts"]), 30)
        assert own_lab.log().count("3 days old") == 1 and len(chat.got) == 1


def test_a_service_account_without_power_scrapes_with_a_key_for_that(own_lab: RealLab) -> None:
    with own_lab:
        assert admin(own_lab, "user", "add", "scraper", "--service", "--role", "viewer").returncode == 0
        key = admin(own_lab, "user", "add-key", "scraper", "prometheus", "--only-metrics").stdout.strip()
        other = admin(own_lab, "user", "add-key", "scraper", "plain").stdout.strip()
        assert Api(own_lab.url, key).raw("GET", "/metrics").status_code == 200
        assert Api(own_lab.url, key).raw("GET", "/runs").status_code == 403
        assert Api(own_lab.url, other).raw("GET", "/metrics").status_code == 403
