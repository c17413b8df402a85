"""The words about the records use cases."""

from carevouch.door.api import OPEN, TEXT, TEXT_OR_NULL, WHOLE, Operation, Schema, list_of, object_of
from services.records import describe, everything, feed, ledger, read, revisions, search, transaction, write

_READER = "the author, the person, a party that the document names, or an organisation under a consent"
_PAGE = {
    "_count": "the number of entries in a page",
    "_cursor": "the position of the page, from the `next` link of the page before",
}
SCHEMAS: dict[str, Schema] = {
    "OpenApiDocument": OPEN,
    "BlockAddress": object_of({"strand": WHOLE, "sequenceNo": WHOLE}),
    "CommittedView": object_of(
        {
            "blockAddress": {"anyOf": [{"$ref": "BlockAddress"}, {"type": "null"}]},
            "hash": TEXT,
            "prev": TEXT_OR_NULL,
            "metadata": object_of({"id": TEXT, "version": WHOLE, "txTime": TEXT_OR_NULL, "txId": TEXT}),
            "time": TEXT,
            "type": TEXT,
            "index": WHOLE,
            "level": TEXT,
            "links": OPEN,
        },
        {"data": OPEN, "kind": TEXT},
    ),
    "RevisionLine": object_of(
        {
            "version": WHOLE,
            "time": TEXT,
            "event": TEXT,
            "type": TEXT,
            "index": WHOLE,
            "leaf": TEXT,
            "prev": TEXT_OR_NULL,
        }
    ),
    "RevisionHistory": {
        "anyOf": [
            list_of({"$ref": "RevisionLine"}),
            {"$ref": "CommittedView"},
            object_of({"revisions": list_of({"$ref": "CommittedView"}), "next": TEXT_OR_NULL}),
        ]
    },
    "RevisionFeed": object_of({"records": list_of({"$ref": "CommittedView"}), "next": TEXT}),
    "Opening": OPEN,
}
OPERATIONS = {
    describe.metadata: Operation(
        "The capabilities of this FHIR server", {200: "CapabilityStatement"}, anyone="discovery"
    ),
    describe.openapi: Operation("This description", {200: "OpenApiDocument"}, anyone="discovery"),
    transaction.bundle: Operation(
        "Store a Bundle: a transaction is one act, a batch one act per entry",
        {200: "Bundle"},
        who="a provider linked with the person",
        body="Bundle",
        refusals=(412,),
    ),
    search.search: Operation(
        "Search the documents of one person, or of a directory type",
        {200: "Bundle"},
        who=_READER,
        query={
            "patient": "the person; required except for directory types (see /fhir/metadata)",
            "_sort": "date or -date",
            **_PAGE,
        },
    ),
    read.read: Operation("Read a document", {200: "{type}", 304: ""}, who=_READER),
    read.history: Operation("All versions of a document", {200: "Bundle"}, who=_READER, query=_PAGE),
    read.vread: Operation("One version of a document", {200: "{type}", 304: ""}, who=_READER),
    write.create: Operation(
        "Create a document",
        {200: "{type}", 201: "{type}"},
        who="a provider linked with the person",
        body="{type}",
        headers=("If-None-Exist",),
        refusals=(412,),
    ),
    write.update: Operation(
        "Update a document",
        {200: "{type}"},
        who="its author, or a linked provider under a consent to correct",
        body="{type}",
    ),
    everything.everything: Operation(
        "All documents about a person that the caller may see",
        {200: "Bundle"},
        who=_READER,
        query={"_type": "the types to answer, separated by commas", **_PAGE},
    ),
    revisions.history: Operation(
        "A document's versions in the log",
        {200: "RevisionHistory"},
        who=_READER,
        query={
            "at": "the version that was current at this RFC 3339 time, by block time",
            "from": "the versions that were current at this RFC 3339 time or later",
            "to": "the versions that were current before this RFC 3339 time",
            **_PAGE,
        },
    ),
    feed.feed: Operation(
        "A person's sealed revisions, from a position",
        {200: "RevisionFeed"},
        who=_READER,
        query={
            "position": "`next` of the page before; without it, the feed starts at the beginning",
            "limit": "the number of records in a page, at most 500",
        },
    ),
    revisions.revision: Operation(
        "One version of a document, as the log has it", {200: "CommittedView"}, who=_READER
    ),
    ledger.opening: Operation(
        "The opening of one version, which proves it offline", {200: "Opening"}, who=_READER
    ),
}
