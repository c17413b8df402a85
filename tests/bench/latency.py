"""How long each call to AWS takes: assumed, for warm calls within the region.

Both the bill (a function is paid while it waits) and the simulation of many strands hang on these figures, so
they stand in one place, where a reader can put in their own.
"""

from collections.abc import Mapping

from tests.bench.calls import Counted

# Seconds of a call.
LATENCY = {
    "dynamodb:BatchGetItem": 0.008,
    "dynamodb:BatchWriteItem": 0.012,
    "dynamodb:GetItem": 0.004,
    "dynamodb:PutItem": 0.006,
    "dynamodb:Query": 0.005,
    "dynamodb:UpdateItem": 0.006,
    "kms:Sign": 0.012,
    "s3:GetObject": 0.025,
    "s3:PutObject": 0.035,
    "sqs:SendMessageBatch": 0.012,
}
# Until an invocation begins.
CALL_SECONDS = 0.02
# Lines of a checkpoint, each a signature of KMS; where calls are counted, the log's keys are in memory.
LINES = 2
# The sealer's memory, and its share of a CPU, of which a function gets a whole one at 1,769 MB.
SEALER_GB, SEALER_CPU = 1.0, 1_024 / 1_769


def seconds(counted: Counted, latency: Mapping[str, float] = LATENCY) -> float:
    """How long these calls take, one after the other."""
    return sum(number * latency[name] for name, number in counted.calls.items())
