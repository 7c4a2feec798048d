"""Puts the SMS that a Twilio number receives on the reply queue, in the envelope in which Amazon SNS brings a reply.

An AWS Lambda function behind a Function URL, which is the webhook of the number. A request goes this way:

    read    the Function URL event, into the URL, the form and the signature as Twilio sent them
    verify  the signature, with the auth token from Secrets Manager           403 when it does not fit
    parse   the form, into an SMS                                             400 when it is none
    send    the SMS to the queue                                              503 when AWS does not take it
    answer  with empty TwiML: the person gets no text from Twilio             200

What always holds: nothing is on the queue that Twilio did not sign; 200 means that it is there; a request that cannot
be read is answered, never raised; logs hold no number, text or token, and nothing of a request that was not verified.

A request that comes again, from Twilio or from somebody who recorded it, has the same MessageSid, which becomes the
inboundMessageId: the pack takes it for the duplicate it is, as long as it remembers the question.
"""

import base64
import hmac
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# ---------------------------------------------------------------- constants

# A form of Twilio has some 30 short fields and a text of at most 1,600 characters. An SQS message holds 262,144 bytes,
# and a byte of a form becomes seven at most: the \u0001 of a control character, escaped twice.
MAX_BODY = 32_768
# HMAC-SHA1 in base64.
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")
TOKEN = re.compile(r"[A-Za-z0-9]+")
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
PHONE_OR_SHORT_CODE = re.compile(r"\+?[0-9]{3,15}")
# https://www.twilio.com/docs/messaging/api/message-resource: SM for SMS, MM for a text with pictures.
MESSAGE_SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
# Seconds for which the tokens serve; and from one read of the secret to the next, so that strangers cause no storm.
TOKEN_SECONDS = 300
READ_PAUSE_SECONDS = 30
FAILED_READ_PAUSE_SECONDS = 1
# Twilio waits 15 seconds for an answer: two calls with two attempts each have to fit in.
AWS_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'

logger = logging.getLogger("twilio-bridge")

# ---------------------------------------------------------------- refusals


class Refusal(Exception):
    """Why nothing was put on the queue; the sentence is for Twilio's error log and ours."""

    status = 500


class NotVerified(Refusal):
    """Twilio did not sign it, or it cannot be read and so not be verified."""

    status = 403


class NotAMessage(Refusal):
    """Twilio signed it, but it is not an SMS from a phone."""

    status = 400


class Unavailable(Refusal):
    """AWS failed: the same request can succeed later."""

    status = 503


# ---------------------------------------------------------------- values


@dataclass(frozen=True)
class Request:
    """What Twilio sent. urls: the ways to write the URL it may have signed; arrived: seconds since 1970."""

    urls: Sequence[str]
    form: Mapping[str, Sequence[str]] = field(repr=False)
    signature: str = field(repr=False)
    arrived: float


@dataclass(frozen=True)
class Sms:
    """An SMS that a phone sent to a number of the Twilio account."""

    sid: str
    sender: str = field(repr=False)
    receiver: str = field(repr=False)
    text: str = field(repr=False)


# ---------------------------------------------------------------- reading


def read_request(event: Any, now: float) -> Request:
    """The request in a Function URL event of format 2.0; NotVerified when it cannot be one that Twilio signed."""
    try:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        signature = headers.get("x-twilio-signature", "")
        if not SIGNATURE.fullmatch(signature):
            raise NotVerified("The request has no X-Twilio-Signature, so it is not from Twilio.")
        context = event["requestContext"]
        urls = possible_urls(context["domainName"], event["rawPath"], event.get("rawQueryString", ""))
        return Request(urls, read_form(event), signature, context.get("timeEpoch", now * 1000) / 1000)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotVerified("The request cannot be read, so it cannot be verified.") from error


def possible_urls(host: str, path: str, query: str) -> list[str]:
    """The URL as Twilio was given it: with or without the slash that a client sends when there is no path."""
    paths = [path, ""] if path == "/" else [path]
    return [f"https://{host}{path}{'?' if query else ''}{query}" for path in paths]


def read_form(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values of each field, blank ones too, in their order; ValueError when the body is no form in UTF-8."""
    body = event.get("body") or ""
    raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    if len(raw) > MAX_BODY:
        raise ValueError("the body is too long")
    return parse_qs(raw.decode("utf-8"), keep_blank_values=True)


# ---------------------------------------------------------------- verifying


def sign(token: str, url: str, form: Mapping[str, Sequence[str]]) -> str:
    """The signature that Twilio gives a form posted to the URL.

    https://www.twilio.com/docs/usage/security#validating-requests: the URL followed by the sorted fields, name and
    value joined; a field that comes repeatedly is signed with each of its different values, sorted.
    """
    fields = "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    digest = hmac.digest(token.encode(), f"{url}{fields}".encode("utf-8", "surrogatepass"), "sha1")
    return base64.b64encode(digest).decode()


def is_signed(request: Request, tokens: Sequence[str]) -> bool:
    """Whether one of the tokens signed the request; the time it takes does not tell how much of a signature fits."""
    signatures = [sign(token, url, request.form) for token in tokens for url in request.urls]
    return any(hmac.compare_digest(signature, request.signature) for signature in signatures)


class Tokens:
    """The auth tokens in the secret: one, or the old and the new one while the token is rotated.

    `read` gives the text of the secret; `clock` counts seconds. Unavailable when they cannot be had.
    """

    def __init__(self, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._known: tuple[str, ...] = ()
        self._read_at = self._tried_at = float("-inf")

    def known(self) -> tuple[str, ...]:
        """The tokens as they were at most 300 seconds ago."""
        if not self._known or self._clock() - self._read_at >= TOKEN_SECONDS:
            self._refresh()
        return self._known

    def newer(self) -> tuple[str, ...]:
        """The tokens as they are now; none when they were read less than 30 seconds ago."""
        if self._clock() - self._read_at < READ_PAUSE_SECONDS:
            return ()
        self._refresh()
        return self._known

    def _refresh(self) -> None:
        if self._clock() - self._tried_at < FAILED_READ_PAUSE_SECONDS:
            raise Unavailable("The secret could not be read a moment ago.")
        self._tried_at = self._clock()
        tokens = tuple(self._read().split())
        if not tokens or not all(map(TOKEN.fullmatch, tokens)):
            raise Unavailable("The secret must hold Twilio's auth token as plain text, and nothing else.")
        self._known, self._read_at = tokens, self._tried_at


def verify(request: Request, tokens: Tokens) -> None:
    """NotVerified unless Twilio signed the request; the tokens are read anew before it is refused."""
    if not is_signed(request, tokens.known()) and not is_signed(request, tokens.newer()):
        raise NotVerified(
            "The X-Twilio-Signature does not fit. The webhook's URL must be the Function URL itself, and the secret "
            "must hold the auth token of the Twilio account that owns the number."
        )


# ---------------------------------------------------------------- parsing


def read_sms(form: Mapping[str, Sequence[str]]) -> Sms:
    """The SMS in a verified form; NotAMessage says what is missing."""
    return Sms(
        sid=value_of(form, "MessageSid", MESSAGE_SID),
        sender=value_of(form, "From", PHONE),
        receiver=value_of(form, "To", PHONE_OR_SHORT_CODE),
        text=value_of(form, "Body", re.compile(".*", re.DOTALL)),
    )


def value_of(form: Mapping[str, Sequence[str]], name: str, pattern: re.Pattern[str]) -> str:
    """The only value of a field: one of two could be one that nobody meant."""
    values = form.get(name, ())
    if len(values) != 1 or not pattern.fullmatch(values[0]):
        raise NotAMessage(f"The request is not an SMS from a phone: {name} must be there once, as it is in an SMS.")
    return values[0]


def envelope(sms: Sms, arrived: float) -> str:
    """The SMS as the queue holds one that AWS received: an SNS notification around the payload of two-way SMS.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html and
    https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html
    """
    payload = {
        "originationNumber": sms.sender,
        "destinationNumber": sms.receiver,
        "messageBody": sms.text,
        "inboundMessageId": sms.sid,
    }
    time_of_arrival = datetime.fromtimestamp(arrived, timezone.utc).isoformat(timespec="milliseconds")
    notification = {
        "Type": "Notification",
        "MessageId": sms.sid,
        "Timestamp": time_of_arrival.replace("+00:00", "Z"),
        "Message": json.dumps(payload),
    }
    return json.dumps(notification)


# ---------------------------------------------------------------- AWS


@cache
def client(service: str) -> Any:
    # boto3's types know services by their literal names only.
    connect: Any = boto3.client
    return connect(service, config=AWS_CONFIG)


def read_secret() -> str:
    """The text of the secret that TOKEN_SECRET_ARN names; Unavailable when AWS does not give it."""
    try:
        answer = client("secretsmanager").get_secret_value(SecretId=os.environ["TOKEN_SECRET_ARN"])
    except (BotoCoreError, ClientError) as error:
        raise unavailable("Secrets Manager did not give the auth token", error) from error
    return str(answer.get("SecretString", ""))


def send_to_queue(body: str) -> None:
    """Put the message on the queue that QUEUE_URL names; Unavailable when AWS did not confirm it: it may be there."""
    try:
        client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=body)
    except (BotoCoreError, ClientError) as error:
        raise unavailable("The queue did not take the message", error) from error


def unavailable(what: str, error: Exception) -> Unavailable:
    """The failure by AWS's error code: the message of an error can repeat what was sent."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return Unavailable(f"{what}: {code}.")


# ---------------------------------------------------------------- the function


@cache
def tokens_of_this_process() -> Tokens:
    return Tokens(read_secret)


def handler(event: Any, _context: Any = None) -> dict[str, Any]:
    """What AWS Lambda calls, and what the Function URL answers Twilio with; raises nothing.

    1 verify, 2 put on the queue, 3 answer. A crash after 2 leaves Twilio to send it again: the duplicate has the same
    inboundMessageId.
    """
    logger.setLevel(logging.INFO)
    try:
        sms = take(event)
    except Refusal as refusal:
        logger.log(logging.ERROR if refusal.status >= 500 else logging.WARNING, "%d: %s", refusal.status, refusal)
        return answer(refusal.status, "text/plain; charset=utf-8", str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever it is, Twilio gets a status that lets it try again
        logger.error("500: %s", type(error).__name__)  # noqa: TRY400 - the traceback could hold the text
        return answer(500, "text/plain; charset=utf-8", "The request could not be handled.")
    logger.info("%s is on the queue.", sms.sid)
    return answer(200, "text/xml", EMPTY_TWIML)


def take(event: Any) -> Sms:
    """Verify the event's request and put its SMS on the queue; a Refusal says why not."""
    request = read_request(event, time.time())
    verify(request, tokens_of_this_process())
    sms = read_sms(request.form)
    send_to_queue(envelope(sms, request.arrived))
    return sms


def answer(status: int, content_type: str, body: str) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type}, "body": body}
