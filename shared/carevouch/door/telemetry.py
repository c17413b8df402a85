"""Facts for operators, never about people: log lines as JSON, metrics in CloudWatch's embedded format."""

import json

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class EmfTell:
    """Writes log lines and metrics with Powertools; the functions without an HTTP door use it.

    Each has its own metrics, because Powertools' `Metrics` is one set for the whole process.
    """

    def __init__(self, service: str) -> None:
        self._logger = Logger(service=service)
        self._metrics = EphemeralMetrics(namespace="Carevouch", service=service)

    def count(self, name: str, value: float) -> None:
        """Add to a metric, in seconds if its name ends so, else as a count."""
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        self._metrics.add_metric(name=name, unit=unit, value=value)

    def error(self, message: str, **facts: str) -> None:
        """Write a line for the person whom an alarm calls. `facts` hold ids and codes only."""
        self._logger.error(message, extra=facts)

    def flush(self) -> None:
        """Write the metrics of this invocation to stdout, from which CloudWatch reads them."""
        if self._metrics.metric_set:
            print(json.dumps(self._metrics.serialize_metric_set()))  # noqa: T201 - EMF is read from stdout
            self._metrics.clear_metrics()
