"""Bounds that client and lab both hold, with their units. Settings that a user may change are in settings.py."""

from __future__ import annotations

PROTOCOL_VERSION = 1
PROTOCOL_MIN = 1

KEY_BYTES_MAX = 1024
NAME_BYTES_MAX = 512
NAME_PARTS_MAX = 32  # parts of PROJECT/NAME: both names may have slashes, and the lab tries each as the one between
KIND_BYTES_MAX = 64
EVENT_BYTES_MAX = 4 << 20  # one event's fields, packed
MAP_LENGTH_MAX = 1 << 16  # entries of one map of an event
ARRAY_LENGTH_MAX = 1 << 18  # items of one list of an event
FIELDS_DEPTH_MAX = 64  # nesting of an event's fields
TIME_MAX_US = 1 << 62  # a wall time lies within ± this many µs of 1970
PAPER_BYTES_MAX = 1 << 20
TAG_COLOR_CHARS_MAX = 32
TAG_DESCRIPTION_CHARS_MAX = 4096
RECORD_BYTES_MAX = (1 << 24) - 1  # the length field of a record has 24 bits
BATCH_RECORD_BYTES_MAX = 1 << 20  # what one journal frame, and so one batch, holds
INGEST_BYTES_MAX = 16 << 20  # one request body, also after decompression
BATCHES_PER_REQUEST_MAX = 256
HEARTBEAT_RUNS_MAX = 4096  # runs in one heartbeat; a client names HEARTBEAT_RUNS, and sends several for more
HEARTBEAT_RUNS = 256
KILL_OUTRANKS_S = 1.0  # a kill that is reported this much later than a rank's failure may still be its cause
REQUEST_OUTRANKS_S = 0.1  # the same of a signal that asks a process to end
STEP_MIN = -(1 << 63)
STEP_MAX = (1 << 63) - 1

# What one run may have at the lab. Events beyond a bound are accepted and kept as events. What they ask for is not
# done, and is counted as a loss of the run, by the reason beside the bound. Requests beyond a bound are refused, with
# 422 and the code full.
NOTE_CHARS_MAX = 1 << 16  # note_cut: what is beyond it is cut off an event; an edit that is longer is refused
TAGS_MAX = 200  # tags_full
META_MAX = 10_000  # keys, counted for each attempt: meta_full
META_BYTES_MAX = 4 << 20  # keys and values of all of them: meta_full
CONFIG_BYTES_MAX = 8 << 20  # config_full
CONFIG_VALUES_MAX = 50_000  # numbers, texts and the like in it, and the maps and lists that they are in: config_full
CONFIGS_BYTES_MAX = 16 << 20  # of all attempts: config_full
STATES_AT_ONCE_MAX = 20  # states and ends of a run in one request, the last ones: states_cut
SESSIONS_MAX = 10_000  # attachments of processes
DETAIL_CHARS_MAX = 1 << 16  # of the detail of an end: a longer text loses its middle, and says so
WRITERS_MAX = 100_000  # streams of events; the batches of others are refused
ARTIFACTS_MAX = 100_000  # versions of files of a run; and as many that a project shares

# What one project, or one user, may have. Calls beyond it are refused likewise.
RUNS_MAX = 200_000  # of a project
VERSIONS_MAX = 20_000  # of its models and datasets
PROJECTS_MAX = 1_000  # that one user owns
VIEWS_MAX = 200  # that one user has in a project
VIEW_CHARS_MAX = 1 << 17  # of the JSON of one
FORMER_NAMES_MAX = 20  # of a project, which lead to it

# What one answer may cost. Pages that reach a bound end early, with a `next`.
ANSWER_BYTES_MAX = 4 << 20  # of the items of one page, about
LOOKED_AT_BYTES_MAX = 16 << 20  # of events that a search in logs reads for one page
BUCKETS_OF_ANSWER_MAX = 400_000  # of all series together
NOTE_CHARS_LISTED = 1_000  # of a run in a list; its page has all of it
TAGS_LISTED = 20  # likewise
SESSIONS_LISTED = 200  # on the page of a run, the newest; GET /runs/{run}/sessions has all
