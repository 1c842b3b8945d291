"""Layout of a queue file: where each word of the header is. Drawn in README.md."""

from __future__ import annotations

MAGIC = b"HQLQUEUE"
VERSION = 1
HEADER_BYTES = 4096

# Word indices, in units of 8 bytes.
W_VERSION = 1
W_CAPACITY = 2
W_TABLE_BYTES = 3

# Stored by the producer only (one cache line from byte 128).
TAIL = 16  # position up to which records are published
TABLE = 17  # bytes of the intern table in use
FLUSH = 18  # counts the requests to send everything at once
CLOSED = 19  # 1: this producer will not put again; LET_GO: it does not look at the queue any more, either
LOST = 20  # events that could be put nowhere (the spill file failed)
END = 21  # how the producer's process ends, as it says itself (capture/ending.py); 0: it has said nothing

# Stored by the consumer only (from byte 256).
HEAD = 32  # position up to which the ring is drained: free for the producer
SPILL = 33  # bytes of the spill file drained
JOURNALED = 34  # cursor: sequence number up to which events are in the journal; stored before HEAD and SPILL move
SENT = 35  # cursor: … have been sent
ACKED = 36  # cursor: … are committed at the lab
ACKED_RING = 39  # the same in positions of the ring and bytes of the spill file, for flush
ACKED_SPILL = 40
ALIVE_MS = 41  # CLOCK_MONOTONIC, milliseconds, when the uploader last looked
UPLOADER_PID = 42
STOPPED = 43  # why the uploader does not send this writer's events: one of the two words below, or 0
UPLOADER_LOST = 44  # events given up by the uploader
SPOOL_FULL = 45  # 1: the spool's budget is used up, so do not spill
LOST_TOLD = 46  # how many of LOST were reported to the lab

# Words of STOPPED.
IS_DELETED = 1  # the run was deleted at the lab
IS_REFUSED = 2  # the lab takes nothing of it now; it is asked again later

LET_GO = 2
WORDS = HEADER_BYTES // 8
