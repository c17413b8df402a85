"""The log's files on S3: written once (If-None-Match), except the checkpoint, which is swapped (If-Match).

The sealer does not trust S3. Each reader checks the bytes against a head or a signature.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from carevouch.store.log.items import error_code
from carevouch.store.log.ports import ObjectDiffers, ObjectMoved, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 answers so when the object exists, is another one, or two conditional writes met.
_MOVED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}


class S3Objects:
    """`ports.Objects` in one bucket, one prefix per strand."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, name: str) -> StoredObject | None:
        """The object; None if there is none."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        return StoredObject(answer["Body"].read(), answer["ETag"])

    def create(self, name: str, data: bytes) -> None:
        """Write once. The same bytes again are fine; others raise `ObjectDiffers`."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in _MOVED:
                raise
            found = self.get(name)
            if found is None or found.data != data:
                raise ObjectDiffers(f"{name} is already stored with other bytes") from None

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        """Replace exactly the state that was read (None: create). Raises `ObjectMoved`."""
        try:
            if before is None:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
            else:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfMatch=before.tag)
        except ClientError as error:
            if error_code(error) in _MOVED | _ABSENT:
                raise ObjectMoved(name) from None
            raise
