"""What can be wrong with an audit store."""

from __future__ import annotations


class AuditError(Exception):
    """Base of the store's failures; the text says what, where and what to do."""


class NoStore(AuditError):
    """There is no audit store at that place."""


class ForeignTopic(AuditError):
    """The store holds another topic's records: offsets of a topic that was made anew mean nothing beside them."""


class StoreChanged(AuditError):
    """Files vanished again and again while they were read: something removes them faster than they can be read."""
