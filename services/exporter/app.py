"""The exporter's Lambda entry point, for the operator."""

from typing import Any

from services.exporter import wiring
from services.exporter.export import parse_request


def exporter(event: dict[str, Any], context: Any) -> Any:
    """Export the blocks of a span: `{"from", "to", "prefix"?}`. The same request again continues."""
    request = parse_request(event, wiring.clock())
    return wiring.exporter(context.get_remaining_time_in_millis).run(request)
