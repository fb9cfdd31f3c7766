"""A world in which what is severe is asked about again, with more effort, while all else goes on."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard.judging.escalation import Triggers
from stream_guard.records import TopicPartition
from stream_guard.routing import Escalation, Route
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank, Verdict
from tests.simulation.corpus import GOES_ON, lifted
from tests.simulation.coverage import Coverage
from tests.simulation.log import SimRecord
from tests.simulation.rest import check_end
from tests.simulation.schedule import make_schedule
from tests.simulation.world import World


def escalating(route: Route) -> Route:
    """A route of the corpus that asks again."""
    higher = {
        view: {template.policy.id: lifted(template.policy, view) for template in templates}
        for view, templates in route.templates.items()
    }
    return replace(route, escalation=Escalation(Triggers(severity=GOES_ON), 60.0, None, higher))


class EscalatingWorld(World):
    """Any world, with routes that ask again."""

    def __init__(self, seed: int, coverage: Coverage) -> None:
        super().__init__(make_schedule(seed), coverage)

    def routes(self) -> tuple[Route, ...]:
        """Those of the corpus."""
        return tuple(map(escalating, super().routes()))

    def produce(self, tp: TopicPartition, number: int) -> None:
        """What it may be asked under again is known of each record."""
        super().produce(tp, number)
        record = self.logs[tp][-1]
        if record is not None:
            view = record.content.view
            record.lifted = {name: lifted(template.policy, view) for name, template in record.templates.items()}

    def check(self, _: World) -> None:
        """Each first word has been followed up: by a last one, or by an abstention, and then it stands."""
        check_end(self)
        for log in self.logs.values():
            for record in log:
                if record is not None and record.landed.messages:
                    self._check(record)

    def _check(self, record: SimRecord) -> None:
        verdicts = [message for message in record.landed.messages if isinstance(message, Verdict)]
        slots = fold(record.landed.messages).slots
        for slot in {verdict.slot for verdict in verdicts if verdict.rank is Rank.PROVISIONAL}:
            # Redelivered after a crash, a record may also be too late to be asked about at all.
            gave_up = any(verdict.slot == slot and verdict.abstention is not None for verdict in verdicts)
            entry = slots[slot]
            self.coverage.met("escalated", f"{entry.rank}, {'given up' if gave_up else 'judged'}")
            if entry.rank is not Rank.FINAL and not gave_up:
                self.fail(f"at rest, {record!r} under {entry.policy_id} is {entry.rank}, and nobody followed it up")
