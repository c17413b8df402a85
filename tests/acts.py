"""Acts as tests append them: a function decides the plan, in the writer's own loop of attempts."""

from collections.abc import Callable
from dataclasses import dataclass

from carevouch.kernel.ids import Doc
from carevouch.store.documents import ActNames, ActPlan, ActRequest, CommittedAct, Writer


@dataclass(frozen=True)
class First:
    """The first document of an act, by a function of its names."""

    named: Callable[[ActNames], Doc]

    def doc(self, names: ActNames) -> Doc:
        return self.named(names)


def perform(
    writer: Writer,
    request: ActRequest,
    first: Callable[[ActNames], Doc],
    build: Callable[[ActNames], ActPlan],
) -> CommittedAct:
    """Append the act that `build` decides, once per Idempotency-Key."""
    attempts = writer.attempts(request, First(first))
    for names in attempts:
        with attempts:
            attempts.append(build(names))
    return attempts.committed
