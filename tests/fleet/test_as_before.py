"""Tests of a lab that is alone, while each request goes to another one of three: some of each topic."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_accounts import (
    test_a_changed_password_ends_the_other_web_sessions,
    test_keys_are_made_with_basic_and_listed,
    test_login_and_logout,
    test_with_the_cookie_a_change_needs_the_csrf_token,
    test_wrong_passwords_are_told_alike_and_then_slowed_down,
    user,
)
from ..server.test_actions import (
    test_each_change_is_in_the_audit_log_and_told_to_pages,
    test_many_runs_are_deleted_and_restored,
)
from ..server.test_attempts import (
    test_a_run_is_completed_when_all_its_ranks_are,
    test_processes_of_one_script_are_one_attempt_and_its_own_process_speaks_for_them,
    test_ranks_of_one_job_share_its_attempt_across_a_restart_of_the_launcher,
)
from ..server.test_command_logins import (
    stranger,
    test_a_command_gets_a_key_once_somebody_confirmed_its_code,
    test_codes_are_not_guessed,
)
from ..server.test_logs import test_new_lines_are_told_to_whoever_watches, test_who_follows_gets_each_later_line_once
from ..server.test_sessions import (
    test_sixteen_at_once_attach_to_one_run,
    test_the_states_a_script_sets_come_in_order,
)
from ..server.test_stream import (
    test_a_project_tells_of_new_runs,
    test_one_stream_is_of_several_runs_and_projects_that_are_known,
    test_points_states_and_changes_arrive,
)
from ..server.test_uploads import (
    test_a_file_arrives_in_pieces,
    test_the_same_file_again_goes_on_with_the_unfinished_upload,
    test_uploads_at_once_are_all_kept,
)
