"""What came out of Kafka, put together again by event. Pure."""

from __future__ import annotations

from msgspec import Struct

from stream_guard.demo.firehose import Sent
from stream_guard.events.outcome import IgnoredReason
from stream_guard.identity import Slot
from stream_guard.judging.judgement import MENDABLE
from stream_guard.records import Headers
from stream_guard.verdicts.dead_letter import DeadLetter
from stream_guard.verdicts.dead_letter import decode as decode_dead_letter
from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.model import Ruling, Verdict


class Heard(Struct, frozen=True):
    """An event, and everything that was published for it. `raw` are the verdicts' values as they stood in Kafka."""

    sent: Sent
    ruling: Ruling
    verdicts: tuple[Verdict, ...]
    raw: tuple[bytes, ...]
    letter: DeadLetter | None


class Tally:
    """Knows what was sent, and tells of each event once all is there that has to be there."""

    def __init__(self) -> None:
        self._open: dict[str, _Hearing] = {}

    def send(self, sent: Sent) -> None:
        """An event is on its way. Of one that must be ignored nothing is ever heard."""
        if sent.post.fate not in frozenset(IgnoredReason):
            self._open[sent.key] = _Hearing(sent)

    @property
    def open(self) -> int:
        """Events that are on their way, and not heard of in full."""
        return len(self._open)

    def verdict(self, key: bytes | None, value: bytes | None) -> Heard | None:
        """A record of the verdicts' topic. Raises MessageError where it is not of the contract."""
        verdict = decode_verdict(value or b"")
        if hearing := self._hearing(key):
            hearing.verdicts.setdefault(verdict.slot, (verdict, value or b""))
        return self._heard(key)

    def ruling(self, key: bytes | None, value: bytes | None) -> Heard | None:
        """A record of the rulings' topic. Raises MessageError where it is not of the contract."""
        ruling = decode_ruling(value or b"")
        if hearing := self._hearing(key):
            hearing.ruling = ruling
        return self._heard(key)

    def dead_letter(self, key: bytes | None, value: bytes | None, headers: Headers) -> Heard | None:
        """A record of the dead letters' topic. Raises MessageError where it is not of the contract."""
        letter, original = decode_dead_letter(key, value, headers)
        if hearing := self._hearing(original.key):
            hearing.letters.setdefault(letter.policy_id, letter)
        return self._heard(original.key)

    def _hearing(self, key: bytes | None) -> _Hearing | None:
        return self._open.get((key or b"").decode())

    def _heard(self, key: bytes | None) -> Heard | None:
        hearing = self._hearing(key)
        heard = hearing.heard() if hearing else None
        if heard is not None:
            del self._open[heard.sent.key]
        return heard


class _Hearing:
    """What has come for one event so far."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.ruling: Ruling | None = None
        self.verdicts: dict[Slot, tuple[Verdict, bytes]] = {}
        self.letters: dict[str | None, DeadLetter] = {}

    def heard(self) -> Heard | None:
        ruling = self.ruling
        if ruling is None or (len(self.verdicts), len(self.letters)) != self._expected(ruling):
            return None
        verdicts = tuple(verdict for verdict, _ in self.verdicts.values())
        raw = tuple(value for _, value in self.verdicts.values())
        return Heard(self.sent, ruling, verdicts, raw, next(iter(self.letters.values()), None))

    def _expected(self, ruling: Ruling) -> tuple[int, int]:
        """How many verdicts and dead letters a ruling comes with."""
        if ruling.reason is not None:
            return 0, 1
        mendable = sum(v.abstention is not None and v.abstention.reason in MENDABLE for v, _ in self.verdicts.values())
        return len(ruling.entries), mendable
