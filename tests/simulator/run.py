"""One seed, from the first act to the calm after the last: the actors, their acts, and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Key
from carevouch.kernel.times import later
from carevouch.store.log.ports import EventRow, IndexRow
from services.sealer.invocation import handle
from services.sealer.quarantine import WORLD
from services.sealer.sweep import CERTIFICATES
from tests.simulator.deployment import HONEST, Deployment, Plan
from tests.simulator.end_rules import judge
from tests.simulator.events import Deed, Kind, Session, event, forged, id_of
from tests.simulator.schedule import Broken, Killed, Schedule
from tests.simulator.stores import Table
from tests.unit.sealing.acts import START, respelled

# Of ten acts most are true; the others are what a broken or hostile producer stores.
KINDS = (Kind.TRUE,) * 9 + (Kind.FORGED, Kind.NONSENSE, Kind.EPOCH, Kind.SEAL_BY, Kind.AHEAD, Kind.TWIN)
SERVICES = ("records", "records", "operator")
# Past every seal_by, so that what waits for an epoch or a certificate that never comes is answered.
LONG_AFTER = 1_300
# An event dated so long ago was stored late: no number below its own can still arrive.
LONG_AGO = 2 * 3_600
# A number that no producer comes to.
HUGE = 10**9
LAST_STEPS = 8
# One sweep finds everything; a second one must find nothing to do.
CALM_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class SeedResult:
    """The result of a seed."""

    seed: int
    hash: str
    steps: int
    events: int
    stuck: bool
    schedule: Schedule


class Failed(AssertionError):
    """A seed under which a promise was broken, with the command that plays it again."""

    def __init__(self, message: str, trace: list[str]) -> None:
        super().__init__(message)
        self.trace = trace


def play(seed: int, plan: Plan = HONEST, planted: str = "") -> SeedResult:
    """Play one seed. Raises `Failed` where a promise does not hold."""
    stage = Stage(Deployment(seed, plan))
    try:
        stage.act()
        stuck = stage.settle()
        events = judge(stage.deployment, stuck=stuck)
    except (Broken, AssertionError) as breach:
        last = "\n  ".join(stage.deployment.schedule.trace[-LAST_STEPS:])
        more = f" --planted {planted}" if planted else ""
        raise Failed(
            f"seed {seed}: {breach}\nthe last steps:\n  {last}\n"
            f"again: .venv/bin/python -m tests.simulator --seed {seed}{more} --trace",
            stage.deployment.schedule.trace,
        ) from breach
    schedule = stage.deployment.schedule
    return SeedResult(seed, schedule.hash, len(schedule.trace), events, stuck, schedule)


class Stage:
    """The actors of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._chance = deployment.chance
        self._sessions = [
            Session(SERVICES[number], f"key {number}", later(START, -LONG_AGO))
            for number in range(self._chance.between(1, len(SERVICES)))
        ]
        self._numbers = dict.fromkeys(self._sessions, 0)
        self._late: list[Session] = []
        self._backups: list[Table] = []
        self.restored = False

    def act(self) -> None:
        """Run all actors until they have ended; in some seeds twice, with a restore in between."""
        chance = self._chance
        for turn in range(chance.pick((1, 1, 2))):
            if turn:
                self._restore_in_quiet()
            self._spawn(turn)
            self.deployment.schedule.run()

    def _spawn(self, turn: int) -> None:
        schedule, chance = self.deployment.schedule, self._chance
        for session in self._sessions:
            schedule.spawn(f"producer {session.name}", partial(self._produce, session, turn))
        for number in range(chance.between(1, 3)):
            schedule.spawn(f"stream {number}", self._deliver)
        if self.deployment.strands > 1:
            for number in range(2):
                schedule.spawn(f"inbox {number}", self._receive)
        for number in range(chance.between(0, 2)):
            schedule.spawn(f"sweep {number}", partial(self._invoke, {}), held=True)
        schedule.spawn("backup", self._back_up, held=True)
        if chance.happens(0.2):
            schedule.spawn("restorer", self._restore, held=True)

    def settle(self) -> bool:
        """Show all rows in the index, and sweep until calm. Returns whether a restore left the log stuck."""
        deployment = self.deployment
        deployment.schedule.calm_down()
        deployment.events.hidden.clear()
        for session in self._late:
            self._certify(session)
        deployment.clock.advance(LONG_AFTER)
        try:
            for _ in range(CALM_ROUNDS):
                handle({}, deployment.environment())
        except IntegrityFault as fault:
            if not self.restored:
                raise Broken(f"it does not go on, and nothing was restored: {fault.message}") from fault
            return True
        return False

    # --- producers

    def _produce(self, session: Session, turn: int) -> None:
        chance, schedule = self._chance, self.deployment.schedule
        if chance.happens(0.2):
            self._list_nobody(session)
        if session.service != "operator" and not turn:
            if chance.happens(0.2):
                self._late.append(session)  # Its certificate's row is stored last of all.
            else:
                schedule.pause(f"stores the certificate of {session.name}")
                self._certify(session)
        for _ in range(chance.between(1, 4)):
            schedule.pause(f"{session.name} acts", idle=chance.below(30))
            self.deployment.clock.advance(chance.below(3))
            self._store(session, chance.pick(KINDS))
            if chance.happens(0.05):
                self._deface(session)
            if chance.happens(0.1):
                self._lie(session)

    def _store(self, session: Session, kind: Kind) -> None:
        self._numbers[session] += 1
        n, time = self._numbers[session], self.deployment.clock()
        if n == 1 and session not in self._late and self._chance.happens(0.3):
            time = session.made
        name = id_of(session, n)
        others = [deed.id for deed in self.deployment.watch.deeds if deed.id and deed.session != session]
        if kind is Kind.TWIN and others:
            name = self._chance.pick(others)
        self._put(session, n, kind, event(session, n, time, kind, name), name)

    def _deface(self, session: Session) -> None:
        """Store an event again, with the other spelling of its signature."""
        true = [
            deed for deed in self.deployment.watch.deeds if deed.session == session and deed.kind is Kind.TRUE
        ]
        if true:
            deed = self._chance.pick(true)
            index = (session.kid, self._chance.pick((deed.n, HUGE)))
            self._put(session, deed.n, Kind.TWIN, respelled(deed.text), deed.id, index=index)

    def _lie(self, session: Session) -> None:
        """Let the index say something false about a number of this key."""
        chance, earlier = self._chance, [deed for deed in self.deployment.watch.deeds if not deed.hostile]
        n = chance.pick((self._numbers[session] + 1, HUGE))
        match chance.below(3):
            case 0 if earlier:  # an earlier event, once more, under a number of this key
                old = chance.pick(earlier)
                self._put(old.session, old.n, old.kind, old.text, old.id, index=(session.kid, n))
            case 1:  # an event that nobody signed
                text = forged(event(session, n, session.made, Kind.TRUE, id_of(session, n)))
                self._put(session, n, Kind.FORGED, text, id_of(session, n), index=(session.kid, n))
            case _:
                self.deployment.events.lies.append((session.kid, IndexRow(Key("P#someone", "nothing"), n)))

    def _list_nobody(self, session: Session) -> None:
        """Let the index list a false certificate, as if all others were made before it."""
        row = IndexRow(Key(f"K#{'A' * 43}", "cert"), session.made_n + HUGE)
        self.deployment.events.lies.append((CERTIFICATES + session.service, row))

    def _put(
        self,
        session: Session,
        n: int,
        kind: Kind,
        text: str,
        name: str | None,
        *,
        index: tuple[str, int] | None = None,
    ) -> None:
        """Store a row. `index` holds the index attributes of a hostile one."""
        deployment, hostile = self.deployment, index is not None
        number = len(deployment.watch.deeds)
        key = Key("P#someone", f"Observation#{number}#v#0000000001")
        deployment.events.rows[key] = EventRow(key, text, *(index or (session.kid, n)), (key,))
        deployment.events.homes[key] = key
        if self._chance.happens(0.3):
            deployment.events.hidden.add(key)
        deed = Deed(key, text, session, n, kind, None if kind is Kind.NONSENSE else name, hostile)
        deployment.watch.stored(deed, deployment.table.notes.cursors)
        deployment.schedule.note(f"  stored {kind}: number {n} of {session.name}")
        deployment.stream.write(key)

    def _certify(self, session: Session) -> None:
        self.deployment.events.certified[session.kid] = session.certificate

    # --- the sealer's invocations

    def _deliver(self) -> None:
        stream = self.deployment.stream
        for _ in range(self._chance.between(2, 4)):
            self.deployment.schedule.pause("the stream polls", idle=self._chance.below(60))
            batch = stream.take()
            if batch:
                stream.answer(batch, self._invoke({"Records": batch}))

    def _receive(self) -> None:
        inbox = self.deployment.inbox
        for _ in range(self._chance.between(2, 6)):
            self.deployment.schedule.pause("the inbox polls", idle=self._chance.below(80))
            records = inbox.receive(self._chance.between(1, 10))
            if records:
                answer = self._invoke({"Records": records})
                everything = [{"itemIdentifier": record["messageId"]} for record in records]
                inbox.answer(records, answer or {"batchItemFailures": everything})

    def _invoke(self, invocation: Mapping[str, Any]) -> Any:
        """The answer of an invocation in an environment of its own; None if it died or failed."""
        try:
            return handle(invocation, self.deployment.environment())
        except (Killed, *WORLD):
            return None

    # --- an operator who restores a backup of the ledger's table

    def _back_up(self) -> None:
        self.deployment.schedule.pause("a backup is made")
        self._backups.append(self.deployment.table.copy("backup"))

    def _restore(self) -> None:
        """Restore a backup while others write, which no operator should do.

        The log may stop then, and must not fork. DynamoDB restores into a new table, and the actors at work
        go on with the old one.
        """
        self._back_up()
        self.deployment.schedule.pause("the table is restored", idle=self._chance.below(200))
        self.restored = self.deployment.watch.restored = True
        self.deployment.table = self._chance.pick(self._backups).copy("a restored table")

    def _restore_in_quiet(self) -> None:
        """Restore a backup while no actor writes. All must go on as if nothing had happened."""
        self.deployment.schedule.note("the table is restored while nobody writes")
        self.deployment.table = self._chance.pick(self._backups).copy("a restored table")
