"""Bounds that client and lab both hold, with their units. Settings that a user may change are in settings.py."""

from __future__ import annotations

PROTOCOL_VERSION = 1
PROTOCOL_MIN = 1

KEY_BYTES_MAX = 1024
NAME_BYTES_MAX = 512
KIND_BYTES_MAX = 64
EVENT_BYTES_MAX = 4 << 20  # one event's fields, packed
MAP_LENGTH_MAX = 1 << 16  # entries of one map of an event
ARRAY_LENGTH_MAX = 1 << 18  # items of one list of an event
FIELDS_DEPTH_MAX = 64  # nesting of an event's fields
TIME_MAX_US = 1 << 62  # a wall time lies within ± this many µs of 1970
CONFIG_BYTES_MAX = 16 << 20  # a run's config, packed
NOTE_CHARS_MAX = 1 << 20
PAPER_BYTES_MAX = 1 << 20
TAG_COLOR_CHARS_MAX = 32
TAG_DESCRIPTION_CHARS_MAX = 4096
RECORD_BYTES_MAX = (1 << 24) - 1  # the length field of a record has 24 bits
BATCH_RECORD_BYTES_MAX = 1 << 20  # what one journal frame, and so one batch, holds
INGEST_BYTES_MAX = 16 << 20  # one request body, also after decompression
BATCHES_PER_REQUEST_MAX = 256
KILL_OUTRANKS_S = 0.1  # how much later than a rank's failure another rank's kill may be told, and still be its cause
STEP_MIN = -(1 << 63)
STEP_MAX = (1 << 63) - 1
