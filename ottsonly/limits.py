"""Limits against abuse: one atomic counter for each key and window of time."""

import time
from datetime import UTC, datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from ottsonly.encryption import keyed_hash
from ottsonly.models import Counter
from ottsonly.mongo import connection


def allow(key: str, *, limit: int, seconds: int) -> bool:
    """Count one use of `key` and say whether it is still within `limit` uses per `seconds`.

    The window is fixed (it starts at multiples of `seconds`). Phones and addresses are stored as
    keyed hashes: counters need no personal data.
    """
    window = int(time.time() // seconds)
    kind, _, subject = key.partition(":")
    document = f"{kind}:{keyed_hash('counter', subject)}:{window}"
    expires_at = datetime.fromtimestamp((window + 1) * seconds, tz=UTC).replace(tzinfo=None)
    return _increment(document, expires_at) <= limit


def _increment(document: str, expires_at: datetime) -> int:
    connection.ensure_connection()
    collection = connection.database[Counter._meta.db_table]
    for last in (False, True):
        try:
            counted = collection.find_one_and_update(
                {"key": document},
                {"$inc": {"count": 1}, "$setOnInsert": {"expires_at": expires_at}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            return int(counted["count"])
        except DuplicateKeyError:
            # Two first uses met: the second upsert finds the document of the first.
            if last:
                raise
    raise AssertionError("unreachable")
