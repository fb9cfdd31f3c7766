"""How much each key may have judged: one bucket of tokens a key, pure. Others' keys are nothing to it."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from msgspec import Struct

from stream_guard.judging.terms import Quota

_LONG_KEY = 64


class _Bucket(Struct):
    balance: float
    """Tokens left; below zero is a debt."""
    at: float


class Quotas:
    """The buckets of all keys. A key may go on while it has anything left, and then pays the whole price.

    So a content larger than the bucket is possible: it leaves a debt, and what comes next waits until that is paid off.
    Buckets live in memory alone: after a restart, or on another member, each key begins with a full one.

    At most `keys` buckets are kept. Beyond, the one that was paid from longest ago is forgotten, however full: its key
    has then a full one again. That is in favour of the memory: whoever commands so many keys escapes a quota by key.
    """

    def __init__(self, keys: int = 100_000) -> None:
        self._keys = keys
        self._buckets: OrderedDict[str | bytes, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def spent(self, key: str, quota: Quota, now: float) -> bool:
        """Whether a key has nothing left. `now` in seconds of the loop."""
        bucket = self._buckets.get(_short(key))
        return bucket is not None and _balance(bucket, quota, now) <= 0

    def pay(self, key: str, quota: Quota, tokens: int, now: float) -> None:
        """Takes the price of one content from a key, whatever it has left: ask first whether it `spent` all."""
        key_ = _short(key)
        bucket = self._buckets.get(key_)
        balance = float(quota.tokens) if bucket is None else _balance(bucket, quota, now)
        self._buckets[key_] = _Bucket(balance - tokens, now)
        self._buckets.move_to_end(key_)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)


def _balance(bucket: _Bucket, quota: Quota, now: float) -> float:
    return min(bucket.balance + (now - bucket.at) * quota.tokens / quota.per_s, float(quota.tokens))


def _short(key: str) -> str | bytes:
    """A record's key may be as long as a record: what is kept of it must not be."""
    return key if len(key) <= _LONG_KEY else blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
