"""What CI may lack: a test that is skipped there for a package or a program that is missing has to be listed here.

A skip of any other kind (a right that the machine does not give, a file system that shares blocks) is not a concern of
this list. Where CI=true, one that is missing and not listed fails the run, at its end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import pytest

# Only in the extra `integrations`, or in no extra: these are too large for each run of CI. Their tests are run by hand,
# and docs/compatibility.md says with which releases.
FRAMEWORKS = {
    "accelerate", "fastai", "gymnasium", "ignite", "keras", "lightning", "pytorch_lightning", "ray",
    "stable_baselines3", "tensorflow", "torchtitan", "torchvision", "transformers", "ultralytics", "xgboost",
}  # fmt: skip
# PyTorch, if there is no build for CPUs; Aim, for Python 3.13 and later. scripts/test says so in a line of its own.
ELSEWHERE = {"torch", "pytorch", "aim"}
LISTED = FRAMEWORKS | ELSEWHERE

_MISSING = re.compile(
    r"([\w.]+) is not installed|could not import '([\w.]+)'|no ([\w.]+) on this machine|needs (nginx|openssl)",
    re.IGNORECASE,
)


def missing(reason: str) -> str | None:
    """Return which package or program a reason for a skip names; None: it names none."""
    match = _MISSING.search(reason)
    if match is None:
        return None
    return next(name for name in match.groups() if name)


def unlisted(reasons: Iterable[str]) -> list[str]:
    """Return the reasons that name something missing that CI has to have."""
    names = {reason: missing(reason) for reason in reasons}
    return sorted(reason for reason, name in names.items() if name and name.partition(".")[0].lower() not in LISTED)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail, under CI, if something was skipped because of what is missing and not listed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = [report.longrepr for report in reporter.stats.get("skipped", ())]
    reasons = unlisted(said[2] for said in skipped if isinstance(said, tuple))
    if reasons:
        reporter.section("Skipped for what is missing, and not listed in tests/skips.py", red=True)
        for reason in reasons:
            reporter.line(reason)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
