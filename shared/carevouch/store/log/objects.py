"""The log's files on S3: written once (If-None-Match), except the checkpoint, which is swapped (If-Match).

S3 is not trusted by the sealer: what is read here is checked against a head or a signature by whoever reads.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from carevouch.store.log.ports import ObjectDiffers, ObjectMoved, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 says so when the object is there already, is another one, or two conditional writes met.
_MOVED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}


class S3Objects:
    """`ports.Objects` in one bucket, one prefix per strand."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, name: str) -> StoredObject | None:
        """The object, or None."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return StoredObject(answer["Body"].read(), answer["ETag"])

    def create(self, name: str, data: bytes) -> None:
        """Write once; the same bytes again are fine."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) not in _MOVED:
                raise
            found = self.get(name)
            if found is None or found.data != data:
                raise ObjectDiffers(f"{name} is already stored with other bytes") from None

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        """Replace exactly the state that was read."""
        try:
            if before is None:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
            else:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfMatch=before.tag)
        except ClientError as error:
            if _code(error) in _MOVED | _ABSENT:
                raise ObjectMoved(name) from None
            raise


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
