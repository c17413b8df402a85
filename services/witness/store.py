"""The memory of a witness, in a DynamoDB table of its own: one conditional put per origin decides.

Every read is strongly consistent. A call that may or may not have happened raises `OutcomeUnknown`; a failed
condition may also mean that an earlier try of the client library won, so that `Witness` reads again. Keys:
`W#<origin>` with `state` (what was cosigned last) and `audit` (how far the audit came); `C#<hash of the
origin>` the cosigned checkpoint for readers; `N#…` the wrapped keys (`store.DynamoLedger.store_secret`).
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.witness.request import State, origin_hash
from carevouch.witness.witness import Progress, StateMoved

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FAILED = "ConditionalCheckFailedException"
# Answers after which nothing was written for certain.
_REFUSED = {"ValidationException", "AccessDeniedException", "ResourceNotFoundException"}
_NAMES = {"#size": "size", "#root": "root"}
Item = dict[str, Any]


class DynamoWitness:
    """`witness.WitnessStore` in one table with the keys pk and sk."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, origin: str) -> State:
        """The state; of a log never cosigned, the empty one."""
        item = self._get(f"W#{origin}", "state")
        return State() if item is None else State(int(item["size"]["N"]), item["root"]["B"])

    def swap(self, origin: str, before: State, after: State) -> None:
        """Replace exactly `before`; raises `StateMoved`, `OutcomeUnknown`."""
        condition = "#size = :size AND #root = :root"
        if before == State():
            condition = f"attribute_not_exists(pk) OR ({condition})"
        item = {"size": {"N": str(after.size)}, "root": {"B": after.root}}
        known = {":size": {"N": str(before.size)}, ":root": {"B": before.root}}
        self._put(f"W#{origin}", "state", item, condition, known, _NAMES)

    def keep(self, origin: str, size: int, note: bytes) -> None:
        """Store the cosigned checkpoint for readers, unless a larger one is there."""
        item, known = {"size": {"N": str(size)}, "note": {"B": note}}, {":size": {"N": str(size)}}
        condition = "attribute_not_exists(pk) OR #size <= :size"
        try:
            self._put(f"C#{origin_hash(origin)}", "checkpoint", item, condition, known, {"#size": "size"})
        except StateMoved:
            return

    def kept(self, name: str) -> bytes | None:
        """The cosigned checkpoint of the log whose origin hashes to `name` (hex)."""
        item = self._get(f"C#{name}", "checkpoint")
        note: bytes | None = None if item is None else item["note"]["B"]
        return note

    def audited(self, origin: str) -> Progress:
        """How far the audit has come."""
        item = self._get(f"W#{origin}", "audit")
        return Progress() if item is None else Progress(item["data"]["B"], int(item["version"]["N"]))

    def advance(self, origin: str, before: Progress, data: bytes) -> None:
        """Replace exactly `before`; raises `StateMoved`, `OutcomeUnknown`."""
        item = {"version": {"N": str(before.version + 1)}, "data": {"B": data}}
        if before.version:
            known = {":version": {"N": str(before.version)}}
            self._put(f"W#{origin}", "audit", item, "version = :version", known)
        else:
            self._put(f"W#{origin}", "audit", item, "attribute_not_exists(pk)")

    def _get(self, pk: str, sk: str) -> Item | None:
        key: Item = {"pk": {"S": pk}, "sk": {"S": sk}}
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _put(
        self,
        pk: str,
        sk: str,
        item: Item,
        condition: str,
        values: Item | None = None,
        names: dict[str, str] | None = None,
    ) -> None:
        ask: Item = {"ConditionExpression": condition}
        if values:
            ask["ExpressionAttributeValues"] = values
        if names:
            ask["ExpressionAttributeNames"] = names
        whole: Item = {"pk": {"S": pk}, "sk": {"S": sk}, **item}
        try:
            self._client.put_item(TableName=self._table, Item=whole, **ask)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code == _FAILED:
                raise StateMoved from None
            if code in _REFUSED:
                raise
            raise OutcomeUnknown(f"DynamoDB gave no certain answer: {code}") from error
        except BotoCoreError as error:
            raise OutcomeUnknown(f"DynamoDB gave no certain answer: {type(error).__name__}") from error
