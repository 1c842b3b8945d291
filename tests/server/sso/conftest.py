"""Fixtures of the tests of single sign-on: a provider in a process of its own, and a lab that trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.testing.lab import RealLab

from ...labs import ForkedLab
from ...oidc_provider import Provider, running_provider
from .world import ENV, Browser, options


@pytest.fixture(scope="package")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="package")
def lab(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("sso")
    more = ("--oidc-project", "team=shared:member;guests=shared:viewer", "--oidc-label", "Team login")
    with ForkedLab(folder / "data", folder / "home", *options(provider, *more), env=ENV) as real:
        yield real


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Any]:
    """Start a lab with other options."""
    labs = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> RealLab:
        labs.append(ForkedLab(tmp_path / "data", tmp_path / "home", *arguments, env=env or ENV))
        return labs[-1].start()

    yield start
    for lab in labs:
        lab.kill()


@pytest.fixture
def browser(lab: RealLab, provider: Provider) -> Browser:
    return Browser(lab, provider)
