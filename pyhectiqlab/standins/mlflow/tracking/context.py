"""mlflow.tracking.context.registry: tags of the surroundings, which the run has anyway."""

from __future__ import annotations

from typing import Any


class _Registry:
    @staticmethod
    def resolve_tags(tags: Any = None, ignore: Any = None) -> dict[str, Any]:
        return dict(tags or {})


registry = _Registry()
resolve_tags = registry.resolve_tags
