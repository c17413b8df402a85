"""The identity functions: the door, the token authorizer of all doors, and the sweeper of erasures."""

import json
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from carevouch.door.http import Door
from carevouch.store.documents.erasure import ErasureReport
from services.identity.authorizer import authorize
from services.identity.routes import ROUTES
from services.identity.wiring import authorizer_ports, cors_origin, ports

door = Door("identity", cors_origin)
door.serve(ROUTES, ports)
app = door.chalice


def authorizer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway asks whether a token is good."""
    return authorize(event, authorizer_ports())


def sweeper(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Every few minutes: finish the erasures that a crash cut short, and tell of those that do not finish."""
    return tell(ports().eraser.sweep(), door)


def tell(swept: ErasureReport, told: Door) -> dict[str, int]:
    """The counts, as the answer, a log line and the metric that an alarm watches."""
    counts = {"finished": swept.finished, "failed": swept.failed}
    told.logger.info("swept", extra=counts)
    told.metrics.add_metric(name="ErasuresFailed", unit=MetricUnit.Count, value=swept.failed)
    print(json.dumps(told.metrics.serialize_metric_set()))  # noqa: T201 - EMF is read from standard output
    told.metrics.clear_metrics()
    return counts
