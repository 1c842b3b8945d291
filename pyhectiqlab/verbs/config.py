"""Run's verbs for its config and meta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..capture.values import check_key
from ..client.saying import say_once
from .guard import never_breaks

if TYPE_CHECKING:
    from ..client.outbox import Outbox


class ConfigVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    @never_breaks
    def add_config(self, config: Any, prefix: str = "") -> None:
        """Merge `config` into the run's config: new elements are added, old ones replaced. Never waits.

        A value that msgpack has no type for is stored as its text, a tuple as a list. Some values cannot be stored: one
        that cannot be read (a property or `__str__` raises), one that contains itself, and one that is nested deeper
        than 48. A text that says so is stored in its place, and a line is printed on stderr.

        A run's config may have 8 MiB and 50,000 values in all. Values that later calls add beyond that are counted as
        losses.

        Args:
            config: a Config, dict or other mapping, an argparse.Namespace or a dataclass; nested ones too.
            prefix: store all of it nested below this name.

        Raises:
            TypeError: it is not a mapping.
            ValueError: it alone is larger than 8 MiB or 50,000 values, or has a single value of some 4 MiB. Nothing of
                the call is stored then.
        """
        from ..capture.plain import config_parts, has_names

        if not has_names(config):
            raise TypeError(f"add_config takes a Config or a dict, not {type(config).__name__}")
        values = self._plain("add_config", config)
        for part in config_parts({prefix: values} if prefix else values):
            self._outbox.event("config", {"values": part})

    @never_breaks
    def add_meta(self, key: str, value: Any) -> None:
        """Store one value beside the run's config. Never waits.

        Args:
            key: name of the value.
            value: anything that `add_config` takes as a value.

        Raises:
            TypeError, ValueError: a key that is not allowed, or a value that is too large: over 4 MiB, a list of more
                than 262,144 items, a map of more than 65,536 entries.
        """
        check_key(key)
        self._outbox.event("meta", {"key": key, "value": self._plain("add_meta", value)})

    def _plain(self, verb: str, value: Any) -> Any:
        """Return the part of a value that can be stored. Print which part cannot."""
        from ..capture.plain import gaps_text, plain_and_gaps

        plain, gaps = plain_and_gaps(value)
        if gaps:
            say_once(f"Run.{verb}: {gaps_text(gaps)}. All else is stored.")
        return plain
