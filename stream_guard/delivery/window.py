"""How much is in flight, and how much more there is room for."""

from __future__ import annotations

from msgspec import Struct

from stream_guard.errors import InvariantViolated


class Bounds(Struct, frozen=True):
    """What may be in flight at most, whatever the input.

    `record_bytes` is the size of the largest record that is expected: room is reserved for it with each credit, because
    a credit is given before the record is seen.
    """

    records: int = 1_000
    bytes: int = 268_435_456
    record_bytes: int = 1_048_576


class Window:
    """Counts records from the moment a credit is given for them until they are settled or dropped."""

    __slots__ = ("_bounds", "_credit", "bytes", "records")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._credit = 0
        self.records = 0
        self.bytes = 0

    def fullness(self, records: int, size: int) -> float:
        """Which part of the window so many records of so many bytes (`size`) fill, by count or by size, whichever is more.

        1 by size is where no room is left for the largest record, as `credit` has it.
        """
        usable = max(self._bounds.bytes - self._bounds.record_bytes, 1)
        return max(records / self._bounds.records, size / usable)

    def credit(self) -> int:
        """Takes all the room there is, to be granted to the source. Returns records; small change is kept back."""
        room = min(self._bounds.records - self.records, (self._bounds.bytes - self.bytes) // self._bounds.record_bytes)
        if not self.records:
            room = max(room, 1)  # bounds smaller than one record must not stop everything
        more = room - self._credit
        if more <= 0 or (more < self._bounds.records // 8 and self._credit):
            return 0
        self._credit += more
        return more

    def enter(self, records: int, size: int) -> None:
        """Records came that credit was given for. `size` in bytes, of their documents too."""
        self._credit -= records
        self.records += records
        self.bytes += size
        if self._credit < 0:
            raise InvariantViolated(f"the source delivered {-self._credit} records more than it was granted")

    def leave(self, size: int) -> None:
        """One record is settled or dropped."""
        self.records -= 1
        self.bytes -= size
        if self.records < 0 or self.bytes < 0:
            raise InvariantViolated("more left the window than came in")
