"""Twilio, as the bridge sees it: it posts the SMS that a number receives to the webhook, and signs the form."""

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import boto3
import bridge
import pytest

HOST = "abc123.lambda-url.us-east-1.on.aws"
NUMBER = "+14255550170"


class Twilio:
    """A Twilio account whose number has the Function URL of the bridge as its webhook; `posted` keeps the events."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.posted: list[dict[str, Any]] = []

    def receives(self, sender: str, text: str) -> int:
        """The number receives an SMS: Twilio posts it, and gets an HTTP status."""
        sid = f"SM{uuid.uuid4().hex}"
        form = {"ToCountry": "US", "MessageSid": sid, "NumMedia": "0", "From": sender, "To": NUMBER, "Body": text}
        return self.post({**form, "SmsSid": sid, "FromCity": "", "ApiVersion": "2010-04-01"})

    def post(self, form: Mapping[str, str]) -> int:
        """Sign the form and post it to the Function URL."""
        self.posted.append(self._event(form))
        return status(self.posted[-1])

    def posts_again(self) -> int:
        """The last request comes once more, as it was, at another time."""
        again = {**self.posted[-1], "requestContext": context()}
        return status(again)

    def _event(self, form: Mapping[str, str]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads"""
        signed = f"https://{HOST}/" + "".join(f"{name}{form[name]}" for name in sorted(form))
        digest = hmac.new(self.token.encode(), signed.encode(), hashlib.sha1).digest()
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {
                "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
                "x-twilio-signature": base64.b64encode(digest).decode(),
                "host": HOST,
            },
            "requestContext": context(),
            "body": base64.b64encode(urlencode(form).encode()).decode(),
            "isBase64Encoded": True,
        }


def context() -> dict[str, Any]:
    return {"domainName": HOST, "http": {"method": "POST", "path": "/"}, "timeEpoch": int(time.time() * 1000)}


def status(event: Mapping[str, Any]) -> int:
    """What the bridge answers to the event."""
    code: int = bridge.handler(event)["statusCode"]
    return code


def start_bridge(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """This process becomes a new one of the function, with that environment: nothing is remembered."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # It keeps the first keys that it found.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    bridge.client.cache_clear()
    bridge.tokens_of_this_process.cache_clear()
