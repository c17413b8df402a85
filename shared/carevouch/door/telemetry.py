"""Facts for operators: log lines as JSON, metrics in the embedded format of CloudWatch."""

import json

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class EmfTell:
    """`Telemetry` with Powertools: log lines as JSON, metrics in CloudWatch's embedded format.

    Each has metrics of its own: those of Powertools' `Metrics` are one set for the whole process.
    """

    def __init__(self, service: str) -> None:
        self._logger = Logger(service=service)
        self._metrics = EphemeralMetrics(namespace="Carevouch", service=service)

    def count(self, name: str, value: float) -> None:
        """A metric."""
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        self._metrics.add_metric(name=name, unit=unit, value=value)

    def error(self, message: str, **facts: str) -> None:
        """A line for whoever is woken by an alarm."""
        self._logger.error(message, extra=facts)

    def flush(self) -> None:
        """Write the metrics of this invocation."""
        if self._metrics.metric_set:
            print(json.dumps(self._metrics.serialize_metric_set()))  # noqa: T201 - EMF is read from stdout
            self._metrics.clear_metrics()
