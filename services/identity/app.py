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
    """Answer API Gateway whether a token is valid."""
    return authorize(event, authorizer_ports())


def sweeper(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Finish the erasures that a crash cut short, every few minutes, and report those that fail."""
    return report(ports().eraser.sweep(), door)


def report(swept: ErasureReport, at: Door) -> dict[str, int]:
    """Log the counts, add the metric that an alarm watches, and return the counts."""
    counts = {"finished": swept.finished, "failed": swept.failed}
    at.logger.info("swept", extra=counts)
    at.metrics.add_metric(name="ErasuresFailed", unit=MetricUnit.Count, value=swept.failed)
    print(json.dumps(at.metrics.serialize_metric_set()))  # noqa: T201 - EMF is read from standard output
    at.metrics.clear_metrics()
    return counts
