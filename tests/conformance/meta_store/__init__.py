"""What every MetaStore promises: subclass MetaStoreSuite, give its fixtures. Interface: pyhectiqlab/store/meta.py."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{path.stem}" for path in Path(__file__).parent.glob("[!_]*.py")))

from .suite import MetaStoreSuite as MetaStoreSuite  # noqa: E402
