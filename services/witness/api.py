"""The words about a witness."""

from carevouch.door.api import TEXT, Operation, Schema, list_of, object_of
from services.witness import views

SCHEMAS: dict[str, Schema] = {
    "AboutWitness": object_of(
        {
            "name": TEXT,
            "vkeys": list_of(TEXT),
            "logs": list_of(object_of({"origin": TEXT, "log": TEXT})),
        }
    ),
}
OPERATIONS = {
    views.add_checkpoint: Operation(
        "Cosign a checkpoint, or refuse with the reason",
        {200: "text/plain"},
        anyone="the log's signature identifies the caller",
        body="text/plain",
    ),
    views.about: Operation(
        "The witness's name and keys, and the logs that it knows",
        {200: "AboutWitness"},
        anyone="keys and logs of a witness are public",
    ),
    views.checkpoint: Operation(
        "The largest checkpoint of a log that this witness cosigned",
        {200: "text/plain"},
        anyone="cosigned checkpoints are public",
    ),
}
