"""The inbox on Amazon SQS: one FIFO queue, deduplicated and throttled per group (high throughput)."""

import contextlib
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import OutcomeUnknown
from services.sealer.inbox import MAX_ENTRIES, Message, calls

# A failed message is delivered again after so long. Its visibility lasts six times the function's timeout.
AGAIN_SECONDS = 5


class SqsInbox:
    """`inbox.Inbox` in the queue at `url`."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Sequence[Message]) -> None:
        """Send all messages. If a later call fails, the messages of earlier calls stay, and do no harm."""
        for call in calls(messages):
            entries: Any = [
                {
                    "Id": str(number),
                    "MessageBody": message.body,
                    "MessageGroupId": message.group,
                    "MessageDeduplicationId": message.dedup,
                }
                for number, message in enumerate(call)
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (ClientError, BotoCoreError) as error:
                raise OutcomeUnknown(f"the inbox gave no certain answer: {type(error).__name__}") from error
            if answer.get("Failed"):
                raise OutcomeUnknown("the inbox did not take all messages")

    def again(self, receipts: Sequence[str]) -> None:
        """Deliver failed messages again soon. If this call fails too, their visibility ends by itself."""
        for at in range(0, len(receipts), MAX_ENTRIES):
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": AGAIN_SECONDS}
                for number, receipt in enumerate(receipts[at : at + MAX_ENTRIES])
            ]
            with contextlib.suppress(ClientError, BotoCoreError):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
