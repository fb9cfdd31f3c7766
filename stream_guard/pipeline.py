"""The way of a record: receive -> decode -> route -> screen -> judge -> decide -> publish -> settle -> commit.

Three pumps move it along, each waiting on one port and ending its turn with `_advance`: what came from Kafka, what came
from the engine, what was acknowledged. Two more watch the time and the engine's health. All run on one event loop, so
nothing here needs a lock; everything that decides anything is pure and lives in the modules named below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from stream_guard.accounts import Accounts
from stream_guard.alongside import first_failure
from stream_guard.breaker import Breaker
from stream_guard.deciding import Decider
from stream_guard.delivery.admission import admission
from stream_guard.delivery.backlog import Backlogs
from stream_guard.delivery.brakes import BrakeBounds, Brakes
from stream_guard.delivery.departures import Departures
from stream_guard.delivery.guard import Guard, GuardBounds
from stream_guard.delivery.halts import Halts
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ledger import Ledgers
from stream_guard.delivery.outbox import Outbox, Receipt
from stream_guard.delivery.pace import Pace
from stream_guard.delivery.ports import Report, Sink, Source
from stream_guard.delivery.progress import Progress
from stream_guard.delivery.turns import Turns
from stream_guard.delivery.window import Window
from stream_guard.docket import Docket
from stream_guard.engines.port import Ask, Engine
from stream_guard.errors import InvariantViolated
from stream_guard.events.outcome import Rejection
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case, Outcome
from stream_guard.pronouncing import Pronouncing
from stream_guard.publishing import Publisher
from stream_guard.records import Assigned, Extents, Halted, Intake, Lease, Lost, Record, Revoking, Signal
from stream_guard.routing import Routes
from stream_guard.telemetry.port import Telemetry


class Pipeline:
    """Runs the flow for one member of the consumer group. `wall` gives Unix time in seconds."""

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        engine: Engine,
        docket: Docket,
        bench: Bench[Hearing],
        decider: Decider,
        publisher: Publisher,
        window: Window,
        telemetry: Telemetry,
        wall: Callable[[], float],
        pace: Pace,
        trial: Ask | None = None,
        brakes: BrakeBounds | None = None,
        guard: GuardBounds | None = None,
    ) -> None:
        self._source, self._sink, self._engine = source, sink, engine
        self._docket, self._bench = docket, bench
        self._telemetry, self._wall, self._pace = telemetry, wall, pace
        self.window = window
        self.ledgers: Ledgers[Hearing] = Ledgers()
        self._backlogs = Backlogs()
        self._breaker = Breaker(
            engine, telemetry, pace.probe_s, pace.trial_s, opened=self._recall, closed=self._advance, trial=trial
        )
        self._accounts = Accounts(telemetry, wall, engine.identity.model)
        self._outbox = Outbox(resend_s=pace.resend_s, max_resend_s=pace.max_resend_s)
        self._departures = Departures()
        self._turns = Turns()
        self.halts = Halts(source, telemetry, Brakes(brakes or BrakeBounds()), Guard(guard or GuardBounds()))
        self._pronouncing = Pronouncing(
            decider, publisher, self._outbox, self._turns, self.halts, self._accounts, telemetry, wall
        )
        self._stopping = asyncio.Event()
        self._drained = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._progress = Progress(self._now())

    # -- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until `stop`, then drains for at most `drain_s`. Raises what a port raises; what settled stays stored."""
        pumps = (self._receive, self._judge, self._settle, self._watch_time, self._breaker.watch)
        with first_failure():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pump()) for pump in pumps]
                self._advance()
                await self._stopping.wait()
                self._advance()
                await self._wait_drained()
                for task in tasks:
                    task.cancel()

    def stop(self) -> None:
        """Takes nothing more in; `run` returns once what is in flight has settled, or the drain's time is up."""
        self._stopping.set()

    def enact(self, routes: Routes, trial: Ask | None) -> None:
        """What is read from now on is opened under these routes, and `trial` is what an engine in doubt is asked.

        Call it on the loop's thread: so it falls between two turns. What is in flight keeps its route and its templates.
        """
        self._docket.adopt(routes)
        self._breaker.tries(trial)

    @property
    def asks(self) -> int:
        """Asks open at the engine."""
        return self._bench.asks

    @property
    def unavailable(self) -> str | None:
        """Why the engine is unavailable, None while it is not."""
        return self._breaker.reason

    @property
    def takes_in(self) -> bool:
        """Whether more records are asked for: not while the engine is unavailable, not while stopping."""
        return self.unavailable is None and not self._stopping.is_set()

    @property
    def nothing_flows(self) -> bool:
        """Whether partitions are held, and every one of them is halted."""
        return 0 < len(self.ledgers) <= len(self.halts)

    @property
    def still_s(self) -> float:
        """For how many seconds no ask has ended and nothing was heard of an output, though there are records in flight that are not
        halted, and the engine is there.
        """
        return self._progress.still_s(self._now())

    async def _wait_drained(self) -> None:
        try:
            await asyncio.wait_for(self._drained.wait(), self._pace.drain_s)
        except TimeoutError:
            self._telemetry.assignment("stopped", sum(1 for _ in self.ledgers), drained=False)

    # -- the three pumps ----------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            for signal in await self._source.receive():
                self._on_signal(signal)
            self._advance()

    async def _judge(self) -> None:
        while True:
            self._breaker.heard(completions := await self._engine.completions())
            self._progress.moved(self._now())
            settled = self._bench.completed(completions, self._now(), in_doubt=self._breaker.in_doubt)
            self._accounts.retried(settled.retried)
            if settled.asks:
                self._engine.submit(settled.asks)
            self._engine.cancel(settled.cancel)
            self._decide(settled.outcomes)
            if settled.unavailable is not None:
                self._breaker.trip(settled.unavailable)
            self._advance()

    async def _settle(self) -> None:
        while True:
            reports = await self._sink.reports()
            now = self._now()
            self._progress.moved(now)
            for report in reports:
                self._on_report(report, now)
            self._advance()

    def _advance(self) -> None:
        """Ends a turn. The order matters.

        1. What may be asked now goes to the engine.
        2. What was decided goes to Kafka.
        3. Leases whose work is done (or whose time is up) are released.
        4. What is settled is made ready to be committed.
        5. Partitions are held back, or no longer; the room that all this made is granted to the source.
        """
        now = self._now()
        if self.unavailable is None:
            self._admit(now)
        if outputs := self._outbox.take(now):
            self._sink.send(outputs)
        self._release(now)
        if offsets := self.ledgers.take_committable():
            self._source.store(offsets)
        self.halts.step(now, self.window, self.ledgers)
        if self._stopping.is_set():
            if self.ledgers.drained():
                self._drained.set()
        elif self.takes_in and (credit := self.window.credit()):
            self._source.grant(credit)

    # -- receive, decode, route, screen -------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case Intake(records, seconds, ended):
                self._take_in(records, seconds)
                for lease in filter(self._admits, ended):  # of others the records were turned away
                    self._backlogs.end(lease, ended[lease])
            case Extents(extents, asked_at):
                self._backlogs.extend(extents, asked_at)
            case Assigned(leases):
                self.ledgers.assign(leases)
                self._backlogs.assign(leases)
                self._telemetry.assignment("assigned", len(leases))
            case Revoking(leases):
                self.ledgers.closing(leases)
                self._departures.begin(leases, self._now() + self._pace.drain_s)
            case Lost(leases):
                self._forget(leases)
                self._telemetry.assignment("lost", len(leases), drained=False)
            case Halted(lease, reason) if self.ledgers.holds(lease):
                self.halts.unreadable(lease, reason)

    def _take_in(self, records: Sequence[Record], seconds: float) -> None:
        self.window.enter(len(records), sum(record.weight for record in records))
        live, past, away = admission(records, self._admits)
        if past:
            self._docket.remember(past)
            self._accounts.reread(past)
        for record in (*past, *away):
            self.window.leave(record.weight)
        if not live:
            return
        now = self._now()
        traces = self._telemetry.polled(live, seconds)
        cases: list[Case[Hearing]] = []
        for hearing in self._docket.open(live, traces, now, int(self._wall() * 1000)):
            record = hearing.record
            if record.lease in self.halts.closed:  # since a moment ago, by what came before it in this intake
                self.window.leave(hearing.weight)
                continue
            self.ledgers.open(record.lease, record.offset, hearing, hearing.weight)
            self._turns.open(hearing)
            if hearing.cases:
                cases.extend(hearing.cases)
            elif hearing.screened:
                self._decide(hearing.screened)
            elif isinstance(hearing.outcome, Rejection):
                self._pronouncing.turn_down(hearing, hearing.outcome)
            else:
                self._settled(hearing, now)
        self._decide(self._bench.add(cases, now))

    def _admits(self, lease: Lease) -> bool:
        return not self._stopping.is_set() and lease not in self.halts.closed and self.ledgers.admits(lease)

    # -- judge --------------------------------------------------------------------------------------------------------

    def _admit(self, now: float) -> None:
        admitted = self._bench.admit(now)
        if admitted.asks:
            self._engine.submit(admitted.asks)
        if admitted.cancel:
            self._engine.cancel(admitted.cancel)
        self._decide(admitted.outcomes)

    def _decide(self, outcomes: Iterable[Outcome[Hearing]]) -> None:
        """What is asked again waits for its turn; whatever of it ends at once is decided in turn."""
        now = self._now()
        while again := self._pronouncing.decide(outcomes, now):
            outcomes = self._bench.add(again, now)

    # -- settle, commit -----------------------------------------------------------------------------------------------

    def _on_report(self, report: Report, now: float) -> None:
        receipt = report.output.receipt
        if not isinstance(receipt, Receipt):
            raise InvariantViolated("the sink reports an output that is not ours")
        if report.error is not None:
            self._send_again(report, receipt, now)
            return
        hearing = receipt.hearing
        hearing.awaited_acks -= 1
        self.halts.written(receipt)
        self._accounts.acknowledged(receipt, report.output.topic, now)
        if hearing.settled:
            self._settled(hearing, now)

    def _settled(self, hearing: Hearing, now: float) -> None:
        record, weight = hearing.record, hearing.weight
        if self.ledgers.settle(record.lease, record.offset, weight):  # else it left the window with its lease
            self.window.leave(weight)
            self._accounts.settled(hearing, now)
            self._outbox.add(self._turns.settled(hearing))

    def _send_again(self, report: Report, receipt: Receipt, now: float) -> None:
        if self.ledgers.holds(receipt.hearing.record.lease):  # else its next owner judges the record again
            self._outbox.failed(report.output, receipt, now)
            self.halts.not_written(receipt, report)
            self._telemetry.resent(report.output.topic)

    # -- partitions that leave ----------------------------------------------------------------------------------------

    def _release(self, now: float) -> None:
        """Answers `Revoking` where all work is done or the time is up. What is left is judged by whoever comes next."""
        for leases, drained in self._departures.due(now, self.ledgers.drained):
            self._source.released(leases, self.ledgers.committable(leases))
            self._forget(leases)
            self._telemetry.assignment("revoked", len(leases), drained=drained)

    def _forget(self, leases: Sequence[Lease]) -> None:
        """Ends leases. What is still open in them is dropped: whoever holds the partition next judges it."""
        hearings = self.ledgers.close(leases)
        self._docket.forget(leases)
        self._backlogs.forget(leases)
        self._turns.forget(leases)
        for hearing in hearings:
            self.window.leave(hearing.weight)
        self._engine.cancel(self._bench.drop(hearings))
        self.halts.forget(leases)

    # -- time and health ----------------------------------------------------------------------------------------------

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(self._pace.tick_s)
            now = self._now()
            self._end_overdue(now)
            self._advance()
            self._progress.look(now, rests=self._rests())
            self._accounts.gauges(self.window, self._bench, self.ledgers, self._backlogs)

    def _rests(self) -> bool:
        """Whether nothing need move: nothing is in flight, or only what no restart would help."""
        if self.unavailable is not None or self._stopping.is_set():
            return True
        return all(not ledger or ledger.lease in self.halts for ledger in self.ledgers)

    def _end_overdue(self, now: float) -> None:
        overdue = self._bench.overdue(now, in_doubt=self._breaker.in_doubt)
        self._breaker.unheard(len(overdue.cancel))
        self._engine.cancel(overdue.cancel)
        self._accounts.retried(overdue.retried)
        self._decide(overdue.outcomes)

    def _recall(self) -> None:
        """An outage is nobody's fault: whatever is open waits to be asked again, and no more is taken in."""
        self._engine.cancel(self._bench.recall())
