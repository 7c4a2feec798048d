"""moto where its own way costs more than what is measured over it.

For every request moto lists its folder to find the service. It asks the clock twice for every message of a queue at
each look, and gathers all attributes of the queue for every message it hands out: with a thousand replies waiting, a
receive of ten takes a quarter of a second.
"""

import time
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue


class Dispatcher(DomainDispatcherApplication):
    """moto's WSGI application for all services, which finds the service of a host once."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._services: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """The service's name; None when there is none."""
        if host not in self._services:
            self._services[host] = super().get_backend_for_host(host)
        return self._services[host]


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
