"""The suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyhectiqlab.store.meta import MetaStore

from ...stores import MetaPlace
from .accounts import AccountsSuite
from .edits import EditsSuite
from .events import EventsSuite
from .files import FilesSuite
from .forks import ForksSuite
from .people import PeopleSuite
from .projects import ProjectsSuite
from .registry import RegistrySuite
from .runs import RunsSuite
from .searches import SearchesSuite
from .sso import SsoSuite
from .texts import TextsSuite
from .together import TogetherSuite
from .together_files import TogetherFilesSuite
from .totals import TotalsSuite
from .transactions import TransactionsSuite
from .views import ViewsSuite
from .world import World


class MetaStoreSuite(
    AccountsSuite,
    PeopleSuite,
    SsoSuite,
    ProjectsSuite,
    RunsSuite,
    EventsSuite,
    EditsSuite,
    FilesSuite,
    ForksSuite,
    RegistrySuite,
    SearchesSuite,
    TextsSuite,
    TransactionsSuite,
    TotalsSuite,
    ViewsSuite,
    TogetherSuite,
    TogetherFilesSuite,
):
    """Subclass it, and give fixtures: `place`, in which nothing is kept, and `empty_place`, which nobody has opened."""

    @pytest.fixture
    def place(self) -> Iterator[MetaPlace]:
        raise NotImplementedError

    @pytest.fixture
    def empty_place(self) -> Iterator[MetaPlace]:
        raise NotImplementedError

    @pytest.fixture
    def store(self, place: MetaPlace) -> Iterator[MetaStore]:
        store = place.open()
        yield store
        store.close()

    @pytest.fixture
    def world(self, store: MetaStore) -> World:
        return World(store)
