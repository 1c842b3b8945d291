"""What every MetaStore promises: subclass MetaStoreSuite, and give a fixture `place`. Interface: store/meta.py."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in ("accounts", "events", "files", "registry", "runs", "searches", "together", "transactions")
    )
)

from .suite import MetaStoreSuite as MetaStoreSuite  # noqa: E402
