"""A handset: texts it received, and replies as AWS hands them on."""

import re
import time
import uuid
from typing import Any

from emulator.cloud import Cloud, Text

# `Yes (1234) or No (5678)` in a question, `Yes (1234), No (5678)` in a list of codes.
OFFER = re.compile(r"(?P<option>.+?) \((?P<code>\d+)\)(?: or |, |$)")


class Phone:
    """One phone number. Texts are read in the order AWS took them; each `expects` reads one."""

    def __init__(self, number: str, cloud: Cloud) -> None:
        self.number = number
        self._cloud = cloud
        self._read = 0

    @property
    def texts(self) -> list[Text]:
        """Everything this phone received, oldest first."""
        return [text for text in self._cloud.texts if text.phone == self.number]

    def expects(self, *fragments: str, within: float = 10) -> str:
        """Wait up to `within` seconds for the next unread text, which has to hold every fragment, and return it.

        Raises AssertionError with what came instead.
        """
        if not self._cloud.wait_until(lambda: len(self.texts) > self._read, within):
            raise AssertionError(f"{self.number} got no text within {within:g} s. {self._history()}")
        text = self.texts[self._read].text
        self._read += 1
        missing = [fragment for fragment in fragments if fragment not in text]
        if missing:
            raise AssertionError(f"{self.number} expected {missing} in the text {text!r}. {self._history()}")
        return text

    def codes(self, text: str) -> dict[str, str]:
        """The reply codes in a question or in a list of codes, by option; AssertionError when there are none.

        An option that several open questions offer maps to the newest of its codes.
        """
        offers = text.splitlines()[-1].rpartition("reply codes: ")[2] if text else ""
        found = {offer["option"]: offer["code"] for offer in OFFER.finditer(offers)}
        if not found:
            raise AssertionError(f"There are no reply codes in the text {text!r}.")
        return found

    def replies(self, text: str, **payload_overrides: Any) -> str | None:
        """Text back to the two-way number.

        `payload_overrides` replace fields of the published JSON, or add to them. Returns the SNS message id, None when
        AWS handles the text itself (STOP and the like).
        """
        return self._cloud.inbound({**self._payload(text), **payload_overrides})

    def unexpected(self) -> list[str]:
        """The texts that no `expects` has read."""
        return [text.text for text in self.texts[self._read :]]

    def _payload(self, text: str) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html"""
        sent = self.texts
        return {
            "originationNumber": self.number,
            "destinationNumber": self._cloud.two_way_number,
            "messageKeyword": "KEYWORD_123456789012",
            "messageBody": text,
            "inboundMessageId": str(uuid.uuid4()),
            "previousPublishedMessageId": sent[-1].message_id if sent else None,
        }

    def _history(self) -> str:
        lines = [f"{time.strftime('%H:%M:%S', time.localtime(text.time))} {text.text!r}" for text in self.texts]
        return "It received: " + ("; ".join(lines) or "nothing") + "."
