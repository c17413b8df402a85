"""Policies for the tests: the example of the specification, and one log with whatever lines a test wants."""

from carevouch.ledger.policy import (
    Policy,
    parse_policy,
)
from tests.unit.ledger.witnesses import (
    LOG_KEY,
    ed25519,
    vkey,
)

W1, W2 = vkey("w1"), vkey("w2")
ED_PUBLIC = ed25519("w1").public
TWO_LEVELS = f"""# The example of the specification.
log {LOG_KEY.vkey}

witness X1 {vkey("w1")}
witness X2 {vkey("w2")}
witness X3 {vkey("w3")}
group X-witnesses 2 X1 X2 X3

witness Y1 {vkey("w4")}
witness Y2 {vkey("w5")}
witness Y3 {vkey("w6")}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def policy(text: str | bytes) -> Policy:
    return parse_policy(text if isinstance(text, bytes) else text.encode())


def with_log(*lines: str) -> Policy:
    return policy("\n".join((f"log {LOG_KEY.vkey}", *lines)))
