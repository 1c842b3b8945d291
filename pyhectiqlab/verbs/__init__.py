"""The verbs of Run by noun: each file a mixin whose methods build events and hand them to the outbox."""
