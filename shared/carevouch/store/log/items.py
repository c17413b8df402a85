"""Calls of DynamoDB that the ledger's tables share: batches, queries page by page, and what an error means.

DynamoDB ends a batch or a page where it likes; these functions go on until all is read or written.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB's limits of key lengths, in bytes.
MAX_PK, MAX_SK = 2_048, 1_024
# Limits of BatchGetItem and BatchWriteItem.
BATCH_GET, BATCH_WRITE = 100, 25
# Items of one page of a query.
PAGE = 500
# A throttled batch call leaves items undone. After so many rounds the caller tries the whole batch again.
MAX_ROUNDS = 8
CONDITION_FAILED = "ConditionalCheckFailedException"
# After these answers nothing was written for certain.
_REFUSED = {"ValidationException", "AccessDeniedException", "ResourceNotFoundException"}

Item = dict[str, Any]


def item_key(key: Key) -> dict[str, Any]:
    """The key attributes of an item."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def is_storable(key: Key) -> bool:
    """Whether DynamoDB takes a key of this length: one bad key would fail a whole batch."""
    return 1 <= len(key.pk.encode()) <= MAX_PK and 1 <= len(key.sk.encode()) <= MAX_SK


def batch_get(
    client: "DynamoDBClient", table: str, keys: Sequence[Key], fields: Sequence[str] = ()
) -> Iterator[Item]:
    """The items that exist, strongly consistent, in no order. A key that DynamoDB does not take has none.

    Raises `OutcomeUnknown` if DynamoDB leaves some unread.
    """
    names = {f"#f{number}": name for number, name in enumerate(fields)}
    storable = [key for key in dict.fromkeys(keys) if is_storable(key)]
    for at in range(0, len(storable), BATCH_GET):
        question: Item = {
            "Keys": [item_key(key) for key in storable[at : at + BATCH_GET]],
            "ConsistentRead": True,
        }
        if names:
            question |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        left: Any = {table: question}
        for _ in range(MAX_ROUNDS):
            answer = client.batch_get_item(RequestItems=left)
            yield from answer["Responses"].get(table, [])
            left = answer.get("UnprocessedKeys")
            if not left:
                break
        else:
            raise OutcomeUnknown("DynamoDB did not give all rows")


def batch_put(client: "DynamoDBClient", table: str, items: Sequence[Item]) -> None:
    """Write the items over whatever is there. Raises `OutcomeUnknown` if DynamoDB leaves some unwritten."""
    for at in range(0, len(items), BATCH_WRITE):
        left: Any = {table: [{"PutRequest": {"Item": item}} for item in items[at : at + BATCH_WRITE]]}
        for _ in range(MAX_ROUNDS):
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems")
            if not left:
                break
        else:
            raise OutcomeUnknown("DynamoDB did not take all rows")


def query_all(client: "DynamoDBClient", question: Item) -> Iterator[Item]:
    """All items of a query, page by page."""
    page = {**question, "Limit": PAGE}
    while True:
        answer = client.query(**page)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        page["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def put_once(client: "DynamoDBClient", table: str, item: Item) -> None:
    """Write the item unless its key is taken; the first one stays."""
    try:
        client.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
    except ClientError as error:
        if error_code(error) != CONDITION_FAILED:
            raise


def error_code(error: ClientError) -> str:
    """The code in an answer of DynamoDB or S3; empty if it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def write_fault(error: ClientError | BotoCoreError) -> Exception:
    """The error to raise for a failed write: `OutcomeUnknown`, unless DynamoDB wrote nothing for certain."""
    if isinstance(error, ClientError) and error_code(error) in _REFUSED:
        return error
    return OutcomeUnknown(f"DynamoDB gave no certain answer: {type(error).__name__}")
