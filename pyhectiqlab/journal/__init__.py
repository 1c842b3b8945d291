"""The journal: append-only segments between the queues and the lab. Bytes and sequence numbers only. See FORMAT.md."""

from .frames import Ack, Data, Keys, Lost
from .journal import Journal, Location
from .tail import Tail

__all__ = ["Ack", "Data", "Journal", "Keys", "Location", "Lost", "Tail"]
