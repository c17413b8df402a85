"""The memory of used assertions, until they expire (RFC 7523, section 3, jti)."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u, sha256

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def name_of(client: str, jti: str) -> str:
    """The key of an assertion: a hash, because a jti is the client's own text, of any length."""
    return b64u(sha256(jcs([client, jti])))


class DynamoAssertions:
    """One conditional put per assertion; DynamoDB's time-to-live removes it after its expiry."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def spend(self, client: str, jti: str, exp_seconds: int) -> bool:
        """Whether this was the first use of the assertion."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={"pk": {"S": name_of(client, jti)}, "expires": {"N": str(exp_seconds + 60)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True
