"""A moto queue whose requests cost the same however many messages wait in it.

moto asks the clock twice for every message of the queue at each look, and gathers all attributes of the queue for every
message it hands out: with a thousand replies waiting, a receive of ten takes a quarter of a second.
"""

import time
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue


class LongQueue(Queue):
    """moto's Queue with the same answers, for queues that are not FIFO."""

    @property
    def messages(self) -> list[Message]:
        """Those that a receive may hand out now."""
        now = time.time() * 1000
        return [message for message in self._messages if message.visible_at < now >= message.delayed_until]

    def delete_message(self, receipt_handle: str) -> None:
        """Delete the message that ever had this receipt handle; again does nothing. Raises ReceiptHandleIsInvalid."""
        if receipt_handle in self.deleted_messages:
            return
        message = next((item for item in self._messages if item.had_receipt_handle(receipt_handle)), None)
        if message is None:
            raise ReceiptHandleIsInvalid
        self.pending_messages.discard(message)
        self.deleted_messages.update(handle for handle in message.all_receipt_handles if handle)
        self._messages = [item for item in self._messages if item is not message]


def quicken(backend: Any, name: str) -> None:
    """Make the queue of this name a LongQueue; no queue of the backend lets go of a message for its age any more."""
    backend.queues[name].__class__ = LongQueue
    backend.is_message_valid_based_on_retention_period = _always


def _always(_queue: str, _message: Message) -> bool:
    return True
