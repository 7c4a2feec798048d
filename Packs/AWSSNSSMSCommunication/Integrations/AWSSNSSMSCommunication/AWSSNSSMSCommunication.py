"""Asks a person a question by SMS and completes the waiting playbook task with the answer.

Out: send-notification registers a question in the integration context, then publishes its text through Amazon SNS.
In: the long-running poller takes replies from an SQS queue, claims the question each one answers, tells XSOAR,
settles the claim, thanks the person and deletes the message.

What always holds: a question is stored before its SMS leaves; it is answered once, with the option on record; a message
leaves the queue only when its effect is durable; shared state changes by compare-and-swap only, in QuestionStore;
boto is called in the AWS section only, and only the main thread talks to the server.
"""

import demistomock as demisto
from CommonServerPython import *

import gc
import json
import math
import random
import re
import secrets
import string
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import cached_property
from operator import itemgetter
from threading import Lock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    RefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session

# ---------------------------------------------------------------- constants

BRAND = "AWS SNS SMS Communication"
CONTEXT_KEY = "entitlements"  # integration context: JSON text of the list of questions
PHONES_KEY = "phones"  # integration context: JSON text of what is remembered of each phone

GSM7_LIMIT, UNICODE_LIMIT = 1530, 630  # AWS End User Messaging SMS: ten parts of 153 or 63 characters
GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: each counts twice

MAX_OPTIONS = 10
MAX_CODE = 9999  # four digits
MAX_ENVELOPES = 5
MAX_ID = 128  # characters of a reply id that are kept; AWS ids are UUIDs
RECEIVE_COUNT = 10  # messages an SQS receive brings, and a batch delete takes, at most
PARALLEL_CALLS = 10  # receives, or batch deletes, at once while many replies wait
BATCH = RECEIVE_COUNT * PARALLEL_CALLS  # replies that are claimed, told and settled together at most
CONTEXT_TRIES = 20
INJECTED = "inject-"  # how the id of a reply begins that no phone sent: it gets no text
KEEP_CLOSED = 4 * 86400.0  # seconds; a queue keeps a message four days by default, so no re-delivery comes later
TELL_FOR = 86400.0  # seconds a claim is told again while XSOAR refuses it
CLAIM_GRACE = 30.0  # seconds left to another container to tell the claim it made
LONGEST_PAUSE = 60.0  # seconds
FEEDBACK_THREADS = 10
HOUR = 3600.0  # seconds
FEEDBACK_PER_HOUR = (
    3  # texts to a phone that are no thank-yous, so that two machines never write to each other for ever
)
REMEMBERED_FEEDBACK = 50  # replies per phone
LONGEST_LIFETIME = 366 * 86400.0  # seconds
REMINDER_GRACE = 10.0  # seconds beyond one poll by which a reminder may be late; a later one is left out
CLOCK_TOLERANCE = 2.0  # seconds by which two clocks of AWS may differ

# Words that opt a phone out of every text of the account when its text begins with one
# (AWS End User Messaging SMS, required opt-out keywords).
OPT_OUT_WORDS = ("ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE")

STS_MARGINS = ((1800, 300), (43201, 900))  # sessions shorter than (s): refresh so long before the end (s)

SUCCESS_TEXT = "{reply_code} - Thank you for your response!"
FAILURE_TEXT = (
    "We couldn't process your response. Please respond with one of the available reply codes: {available_codes}"
)
ALREADY_ANSWERED_TEXT = "You already answered: {chosen_option}."
CLOSED_TEXT = "This question is closed, your reply came too late."
SOMEONE_ELSE_TEXT = "This question was answered by someone else."
REMINDER_HEAD = "Reminder: "
FORMAT_HELP = (
    "The message ends with an entitlement, but is not in the format of SMSAskUser: "
    '"Question - Reply option1 or option2: GUID@incident|task". Nothing was sent. '
    "Use the SMSAskUser automation, or take the entitlement out of the message."
)
NOTHING_OPEN = "No open question matches, so nothing was cancelled. It may have been answered or have expired."
LOCKED = "Replies are ignored for too many wrong codes within an hour, somebody may be guessing: {phones}."
OPTED_OUT = (
    "The phone {phone} has opted out of texts, so AWS would drop the question. Nothing was sent. "
    "Ask another person, or have the number opted in again in the AWS console."
)
MAYBE_SENT = (
    "AWS did not answer, so the SMS to {phone} may have been sent or not: {reason} The question stays open and a reply "
    "to it will be taken; it is not sent again by itself."
)
MAYBE_SENT_PLAIN = "AWS did not answer, so the SMS to {phone} may have been sent or not: {reason}"

ADVICE = {  # AWS error code: what to do about it
    "InvalidClientTokenId": "check the AWS Access Key ID",
    "InvalidAccessKeyId": "check the AWS Access Key ID",
    "UnrecognizedClientException": "check the AWS Access Key ID",
    "SignatureDoesNotMatch": "check the AWS Secret Access Key and the clock of the server",
    "IncompleteSignature": "check the AWS Access Key ID and the AWS Secret Access Key",
    "ExpiredToken": "the credentials of the machine have expired, renew its AWS role",
    "ExpiredTokenException": "the credentials of the machine have expired, renew its AWS role",
    "AccessDenied": "the key or role lacks the permission for {operation}, or the role does not trust it",
    "AccessDeniedException": "the key or role lacks the permission for {operation}",
    "AuthorizationError": "the key or role lacks the permission for {operation}",
    "QueueDoesNotExist": "no such queue, check the SQS Queue URL and the AWS Default Region",
    "NonExistentQueue": "no such queue, check the SQS Queue URL and the AWS Default Region",
    "InvalidAddress": "no such queue, check the SQS Queue URL",
    "InvalidParameter": "check the phone number, the Origination Number and the Sender ID",
    "InvalidParameterValue": "check the parameters of the instance",
    "ParameterValueInvalid": "check the phone number, the Origination Number and the Sender ID",
    "KMSAccessDenied": "the key or role lacks kms:Decrypt on the key of the queue",
    "KmsAccessDenied": "the key or role lacks kms:Decrypt on the key of the queue",
    "OverLimit": "too many messages of the queue are in flight, wait for their visibility timeout",
}
NO_CREDENTIALS = "give AWS Access Key ID and AWS Secret Access Key, or give the machine an AWS role"
NO_ROUTE = "check the network, the proxy settings and the AWS Default Region"
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "Throttled",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "KMSThrottling",
        "KMSThrottlingException",
    }
)


# ---------------------------------------------------------------- errors


class SmsError(Exception):
    """Base of the errors below; the text of each is a sentence for the war room or the health of the instance."""


class SettingsError(SmsError):
    """A parameter of the instance cannot be used."""


class InputError(SmsError):
    """An argument of a command cannot be used."""


class NotAReply(SmsError):
    """A message of the queue is not an inbound SMS; the text says why without its content."""


class StateError(SmsError):
    """The integration context cannot be read or changed; it is as it was."""


class AwsError(SmsError):
    """AWS refused a call or was not reached: surely nothing was done."""


class MaybeSent(AwsError):
    """AWS did not answer: what was asked for may have been done."""


# ---------------------------------------------------------------- settings


class Parameter(NamedTuple):
    display: str
    default: str = ""


PARAMETERS = {
    "defaultRegion": Parameter("AWS Default Region", "us-east-1"),
    "roleArn": Parameter("Role Arn"),
    "roleSessionName": Parameter("Role Session Name", "xsoar-sms"),
    "sessionDuration": Parameter("Role Session Duration", "900"),
    "roleExternalId": Parameter("Role External ID"),
    "sqsQueueUrl": Parameter("SQS Queue URL"),
    "timeout": Parameter("Timeout", "60,10"),
    "retries": Parameter("Retries", "5"),
    "sts_regional_endpoint": Parameter("AWS STS Regional Endpoints", "regional"),
    "pollInterval": Parameter("Poll Interval (seconds)", "10"),
    "entitlementTTL": Parameter("Entitlement TTL (hours)", "24"),
    "replyCodeMode": Parameter("Reply Code Mode", "random"),
    "originationNumber": Parameter("Origination Number"),
    "senderId": Parameter("Sender ID"),
    "smsType": Parameter("SMS Type", "Transactional"),
    "replyFeedbackEnabled": Parameter("Enable Reply Feedback SMS", "true"),
    "successMessage": Parameter("Success Message Template", SUCCESS_TEXT),
    "failureMessage": Parameter("Failure Message Template", FAILURE_TEXT),
    "maxWrongReplies": Parameter("Wrong Replies Allowed Per Hour", "10"),
    "proxy": Parameter("Use system proxy settings", "false"),
    "insecure": Parameter("Trust any certificate (not secure)", "false"),
}


@dataclass(frozen=True)
class Settings:
    """The parameters of the instance, checked. Times are in seconds."""

    region: str
    queue_url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    role_arn: str
    role_session_name: str
    role_session_seconds: int
    role_external_id: str = field(repr=False)
    sts_endpoint: str
    read_timeout: float
    connect_timeout: float
    retries: int
    poll_seconds: int
    lifetime: float
    code_mode: str
    origination_number: str
    sender_id: str
    sms_type: str
    feedback: bool
    success_template: str
    failure_template: str
    max_wrong_replies: int
    proxy: bool
    insecure: bool


def read_settings(params: Mapping[str, Any]) -> Settings:
    """The parameters as XSOAR hands them over, as Settings; SettingsError names the first that cannot be used."""
    access_key, secret_key = key_pair(params)
    region = matching(params, "defaultRegion", r"[a-z]{2}[a-z0-9-]*", "the name of an AWS Region such as us-east-1")
    read_timeout, connect_timeout = timeouts(params)
    return Settings(
        region=region,
        queue_url=queue_url(params, region),
        access_key=access_key,
        secret_key=secret_key,
        role_arn=matching(params, "roleArn", r"(arn:[\w-]+:iam::\d{12}:role/\S+)?", "the ARN of an IAM role"),
        role_session_name=matching(
            params, "roleSessionName", r"[\w+=,.@-]{2,64}", "2 to 64 of the characters a-z A-Z 0-9 _+=,.@-"
        ),
        role_session_seconds=whole_number(params, "sessionDuration", 900, 43200),
        role_external_id=matching(
            params, "roleExternalId", r"([\w+=,.@:/-]{2,1224})?", "2 to 1224 of the characters a-z A-Z 0-9 _+=,.@:/-"
        ),
        sts_endpoint=one_of(params, "sts_regional_endpoint", ("legacy", "regional")),
        read_timeout=read_timeout,
        connect_timeout=connect_timeout,
        retries=whole_number(params, "retries", 0, 10),
        poll_seconds=min(20, whole_number(params, "pollInterval", 1)),
        lifetime=hours(params, "entitlementTTL") * 3600,
        code_mode=one_of(params, "replyCodeMode", ("random", "sequential")),
        origination_number=origination_number(params),
        sender_id=matching(
            params,
            "senderId",
            r"((?=.*[A-Za-z])[A-Za-z0-9-]{1,11})?",
            "1 to 11 letters, digits and hyphens with at least one letter",
        ),
        sms_type=one_of(params, "smsType", ("Transactional", "Promotional")),
        feedback=yes_or_no(params, "replyFeedbackEnabled"),
        success_template=template(params, "successMessage", SUCCESS_VARIABLES),
        failure_template=template(params, "failureMessage", FAILURE_VARIABLES),
        max_wrong_replies=whole_number(params, "maxWrongReplies", 0, 1000),
        proxy=yes_or_no(params, "proxy"),
        insecure=yes_or_no(params, "insecure"),
    )


def unusable(name: str, given: str, accepted: str) -> SettingsError:
    return SettingsError(f'{PARAMETERS[name].display} is "{given}", but it must be {accepted}.')


def parameter(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    return ("" if value is None else str(value).strip()) or PARAMETERS[name].default


def matching(params: Mapping[str, Any], name: str, pattern: str, accepted: str) -> str:
    given = parameter(params, name)
    if not re.fullmatch(pattern, given, re.ASCII):
        raise unusable(name, given, accepted)
    return given


def one_of(params: Mapping[str, Any], name: str, accepted: Sequence[str]) -> str:
    given = parameter(params, name)
    if given not in accepted:
        raise unusable(name, given, " or ".join(accepted))
    return given


def yes_or_no(params: Mapping[str, Any], name: str) -> bool:
    given = parameter(params, name)
    try:
        return argToBoolean(given)
    except ValueError as error:
        raise unusable(name, given, "true or false") from error


def whole_number(params: Mapping[str, Any], name: str, lowest: int, highest: int | None = None) -> int:
    given = parameter(params, name)
    accepted = f"a whole number from {lowest}" + (f" to {highest}" if highest is not None else " up")
    if not re.fullmatch("[0-9]{1,18}", given):
        raise unusable(name, given, accepted)
    if not lowest <= int(given) <= (highest or int(given)):
        raise unusable(name, given, accepted)
    return int(given)


def positive_number(text: str, highest: float) -> float | None:
    """The number in text, when it is one above 0 and up to highest; else None."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", text.strip()):
        return None
    value = float(text)
    return value if 0 < value <= highest else None


def hours(params: Mapping[str, Any], name: str) -> float:
    given = parameter(params, name)
    value = positive_number(given, 8760)
    if value is None:
        raise unusable(name, given, "a number of hours above 0 and up to 8760 such as 24 or 0.5")
    return value


def timeouts(params: Mapping[str, Any]) -> tuple[float, float]:
    """Read and connect timeout in seconds; the second is optional in the parameter and then 10."""
    given = parameter(params, "timeout")
    values = [positive_number(part, 3600) for part in given.split(",")]
    if len(values) > 2 or None in values:
        raise unusable(
            "timeout", given, "a read timeout and optionally a connect timeout in seconds, up to 3600, such as 60,10"
        )
    read, connect = (*values, 10.0)[:2]
    return float(read or 0), float(connect or 0)


def key_pair(params: Mapping[str, Any]) -> tuple[str, str]:
    credentials = params.get("credentials") or {}
    access_key, secret_key = (str(credentials.get(key) or "").strip() for key in ("identifier", "password"))
    if bool(access_key) != bool(secret_key):
        given, missing = ("AWS Access Key ID", "AWS Secret Access Key")[:: 1 if access_key else -1]
        raise SettingsError(
            f"{given} was given without {missing}, but it must be both or neither; "
            "neither means the AWS role of the machine."
        )
    return access_key, secret_key


# sqs.REGION.amazonaws.com with whatever before and after it, or the legacy REGION.queue.amazonaws.com
REGION = r"([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)"
QUEUE_REGION = re.compile(rf"(?:^|\.)sqs(?:-fips)?\.{REGION}\.|^{REGION}\.queue\.")


def queue_url(params: Mapping[str, Any], region: str) -> str:
    """The queue's URL. SQS ignores its host and asks the client's Region, so a host of another Region is refused."""
    given = parameter(params, "sqsQueueUrl")
    accepted = "the URL of a queue such as https://sqs.us-east-1.amazonaws.com/123456789012/sms-replies"
    try:
        url = urlsplit(given)
        host = url.hostname or ""
    except ValueError as error:
        raise unusable("sqsQueueUrl", given, accepted) from error
    if url.scheme not in ("https", "http") or not host or not url.path.strip("/") or re.search(r"\s", given):
        raise unusable("sqsQueueUrl", given, accepted)
    told = QUEUE_REGION.search(host)
    if told and region not in told.groups():
        accepted = f"a queue in the AWS Default Region {region}; this one is in {told[1] or told[2]}"
        raise unusable("sqsQueueUrl", given, accepted)
    return given


def origination_number(params: Mapping[str, Any]) -> str:
    given = parameter(params, "originationNumber")
    number = tidy_phone(given)
    if number and not re.fullmatch(r"\+?[0-9]{5,15}", number, re.ASCII):
        raise unusable(
            "originationNumber", mask(given), "a phone number such as +14255550100 or a short code of 5 or more digits"
        )
    return number


SUCCESS_VARIABLES = ("reply_code", "chosen_option", "phone_number")
FAILURE_VARIABLES = ("available_codes", "phone_number")


def template(params: Mapping[str, Any], name: str, variables: Sequence[str]) -> str:
    given = parameter(params, name)
    check_template(PARAMETERS[name].display, given, variables, SettingsError)
    return given


def check_template(name: str, given: str, variables: Sequence[str], kind: type[SmsError]) -> None:
    """Raises an error of the kind, which names the parameter or argument, when the template cannot be filled in."""
    accepted = "a text with no variables but " + " ".join(f"{{{variable}}}" for variable in variables)
    try:
        parts = list(string.Formatter().parse(given))
    except ValueError as error:
        hint = "(a brace of its own is written twice: {{ or }})"
        raise kind(f'{name} is "{given}", but it must be {accepted} {hint}.') from error
    if any(
        variable is not None and (variable not in variables or spec or conversion)
        for _, variable, spec, conversion in parts
    ):
        raise kind(f'{name} is "{given}", but it must be {accepted}.')


# ---------------------------------------------------------------- domain


@dataclass(frozen=True)
class Entitlement:
    """GUID@incident|task: what XSOAR needs to accept an answer. The task is a number, a tag or empty."""

    guid: str
    incident: str
    task: str = ""

    def __str__(self) -> str:
        return f"{self.guid}@{self.incident}" + (f"|{self.task}" if self.task else "")

    @cached_property
    def key(self) -> str:
        """The same for the same entitlement: case does not matter in it."""
        return str(self).lower()


class Status(Enum):
    """How a question ended, as list-entitlements shows it."""

    OPEN = "Open"
    DELIVERING = "Delivering the answer"
    ANSWERED = "Answered"
    EXPIRED = "Expired"
    CANCELLED = "Cancelled"


@dataclass(frozen=True)
class Terms:
    """What a question is asked on beside its text. lifetime and every are in seconds.

    default: what the task is completed with at the end of the lifetime, '' for nothing. reminders: how many times the
    text is sent again, each time after every seconds. thanks: the template of its thank-you, '' for the instance's.
    """

    lifetime: float
    default: str = ""
    reminders: int = 0
    every: float = 0.0
    thanks: str = ""


@dataclass(frozen=True)
class AskText:
    """A message in the SMSAskUser format, taken apart."""

    question: str
    options: tuple[str, ...]
    entitlement: Entitlement


@dataclass(frozen=True)
class Claim:
    """What a question ends with, before and after XSOAR was told. Times are seconds since 1970.

    ending: ANSWERED for the option of a reply, EXPIRED for the default response, CANCELLED for an operator's response.
    """

    option: str
    code: str
    reply_id: str
    at: float
    told_at: float | None = None
    error: str = ""
    ending: Status = Status.ANSWERED


@dataclass(frozen=True)
class Question:
    """One question to one phone. codes: reply code to option, in the order of the options. Times: seconds since 1970.

    sends counts the sends that were not refused, so that a refused one takes out only what it put in. published is when
    AWS took the first SMS, by AWS's own clock; None when it is not known. reminded counts the moments of reminders that
    have passed, sent or not. closed: how it ended without an answer of its own, by another phone or an operator.
    """

    entitlement: Entitlement
    phone: str
    text: str
    codes: Mapping[str, str]
    created: float
    expires: float
    sends: int = 1
    published: float | None = None
    claim: Claim | None = None
    terms: Terms = Terms(lifetime=0.0)
    reminded: int = 0
    closed: Status | None = None

    @property
    def answered(self) -> bool:
        """Whether XSOAR was told what it ended with."""
        return self.claim is not None and self.claim.told_at is not None

    def status_at(self, moment: float) -> Status:
        if self.claim:
            return self.claim.ending if self.answered else Status.DELIVERING
        return self.closed or (Status.OPEN if moment < self.expires else Status.EXPIRED)

    @property
    def over_at(self) -> float:
        """From when nothing more can happen to it: it has expired, and its claim is not told any more."""
        if self.claim:
            return max(self.expires, self.claim.at + TELL_FOR)
        return math.inf if self.terms.default and self.closed is None else self.expires

    def open_at(self, moment: float) -> bool:
        return self.claim is None and self.closed is None and moment < self.expires

    def holds_codes_at(self, moment: float) -> bool:
        """Whether its codes are in use: while it is open, and until XSOAR has been told its answer."""
        return self.open_at(moment) or (self.claim is not None and not self.answered)


class Event(NamedTuple):
    """A reply that counted, and when (seconds since 1970)."""

    reply_id: str
    at: float


@dataclass(frozen=True)
class PhoneRecord:
    """What is remembered of a phone beside its questions.

    feedback: the replies that got a text which was no thank-you; wrong: those with a code that no question has;
    fresh_at: when it was last asked or answered, from which its feedback texts are counted anew.
    """

    feedback: tuple[Event, ...] = ()
    wrong: tuple[Event, ...] = ()
    fresh_at: float = 0.0
    opted_out: bool = False

    def may_get_feedback(self, reply_id: str, now: float) -> bool:
        since = max(self.fresh_at, now - HOUR)
        known = any(event.reply_id == reply_id for event in self.feedback)
        return not known and sum(event.at > since for event in self.feedback) < FEEDBACK_PER_HOUR

    def locked_until(self, max_wrong: int, now: float) -> float | None:
        """The end of the hour that so many wrong replies began; None when there were less, or max_wrong is 0."""
        recent = sorted(event.at for event in self.wrong if now < event.at + HOUR)
        return recent[-max_wrong] + HOUR if 0 < max_wrong <= len(recent) else None

    def with_feedback(self, event: Event) -> "PhoneRecord":
        return replace(self, feedback=(*self.feedback, event)[-REMEMBERED_FEEDBACK:])

    def with_wrong(self, event: Event) -> "PhoneRecord":
        if any(known.reply_id == event.reply_id for known in self.wrong):
            return self
        return replace(self, wrong=(*(known for known in self.wrong if event.at < known.at + HOUR), event))

    def purged(self, now: float) -> "PhoneRecord":
        return replace(
            self,
            feedback=tuple(event for event in self.feedback if now < event.at + KEEP_CLOSED),
            wrong=tuple(event for event in self.wrong if now < event.at + HOUR),
        )

    def worth_keeping(self) -> bool:
        return bool(self.feedback or self.wrong or self.opted_out)


@dataclass(frozen=True)
class State:
    """All that is kept in the integration context. Within a phone the oldest question is first.

    unread: the JSON texts of questions that the change at hand has nothing to do with; they are kept as they are.
    """

    questions: Mapping[str, tuple[Question, ...]] = field(default_factory=dict)
    phones: Mapping[str, PhoneRecord] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def phone(self, number: str) -> PhoneRecord:
        return self.phones.get(number, PhoneRecord())

    def of(self, phone: str) -> tuple[Question, ...]:
        return self.questions.get(phone, ())

    def all(self) -> Iterable[Question]:
        return (question for questions in self.questions.values() for question in questions)

    def find(self, entitlement: Entitlement, phone: str) -> Question | None:
        return next((question for question in self.of(phone) if question.entitlement.key == entitlement.key), None)

    @cached_property
    def _asked(self) -> Mapping[str, tuple[str, ...]]:
        """By the GUID of an entitlement, in lower case, the phones that were asked under it."""
        asked: dict[str, tuple[str, ...]] = {}
        for question in self.all():
            guid = question.entitlement.guid.lower()
            asked[guid] = (*asked.get(guid, ()), question.phone)
        return asked

    def copies(self, entitlement: Entitlement) -> list[Question]:
        """The questions under the entitlement, one for each phone that was asked."""
        found = (self.find(entitlement, phone) for phone in self._asked.get(entitlement.guid.lower(), ()))
        return [question for question in found if question]

    def is_taken(self, entitlement: Entitlement) -> bool:
        """Whether it has an answer, on whichever phone."""
        return any(question.claim for question in self.copies(entitlement))

    def can_be_answered(self, question: Question, moment: float) -> bool:
        """Whether the question is open then, and nobody else who was asked the same has answered."""
        return question.open_at(moment) and not self.is_taken(question.entitlement)

    def put(self, question: Question) -> "State":
        """With the question in place of the one of the same entitlement and phone, else at the end of that phone's."""
        old = self.of(question.phone)
        if self.find(question.entitlement, question.phone) is None:
            return self._with(question.phone, (*old, question))
        new = tuple(question if kept.entitlement.key == question.entitlement.key else kept for kept in old)
        return self._handing_on(self._with(question.phone, new))

    def drop(self, question: Question) -> "State":
        return self._with(question.phone, tuple(kept for kept in self.of(question.phone) if kept != question))

    def _with(self, phone: str, questions: tuple[Question, ...]) -> "State":
        changed = {**self.questions, phone: questions}
        if not questions:
            del changed[phone]
        return replace(self, questions=changed)

    def _handing_on(self, after: "State") -> "State":
        """The state after this one, in which the same phones were asked: the index, if made, holds for it too."""
        if "_asked" in vars(self):
            vars(after)["_asked"] = self._asked
        return after

    def close_others(self, question: Question, ending: Status) -> "State":
        """With the copies of the question on other phones closed, those that are still unanswered."""
        state = self
        for copy in self.copies(question.entitlement):
            if copy.claim is None and copy.closed is None:
                state = state.put(replace(copy, closed=ending))
        return state

    def remember(self, number: str, phone: PhoneRecord) -> "State":
        """With what is remembered of the phone; the same state when that is nothing new."""
        if phone == self.phone(number):
            return self
        return self._handing_on(replace(self, phones={**self.phones, number: phone}))

    def freshened(self, number: str, now: float, *, answered: bool = False) -> "State":
        """With the count of feedback texts to a phone begun anew, where there is one; an answer ends an opt-out too."""
        phone = self.phone(number)
        opted_out = phone.opted_out and not answered
        return (
            self.remember(number, replace(phone, fresh_at=now, opted_out=opted_out)) if phone.worth_keeping() else self
        )


@dataclass(frozen=True)
class Received:
    """A message as SQS handed it over. sent_at: seconds since 1970, when it reached the queue."""

    handle: str
    message_id: str
    body: str
    sent_at: float | None = None


@dataclass(frozen=True)
class Reply:
    """What a phone sent. id is the same when AWS delivers it again; arrived: seconds since 1970 by AWS's clock."""

    phone: str
    text: str
    id: str
    arrived: float | None = None


def tidy_phone(number: str) -> str:
    """The number without the spaces, dashes, dots and parentheses that people write in it."""
    return "".join(
        char for char in number if not (char.isspace() or char in ".()" or unicodedata.category(char) == "Pd")
    )


def phone_number(number: str, argument: str) -> str:
    """The number in E.164, as AWS wants it; InputError names the argument."""
    tidy = tidy_phone(number)
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", tidy, re.ASCII):
        raise InputError(
            f'{argument} is "{mask(number)[:40]}", but it must be a phone number in E.164: '
            "a plus sign and 7 to 15 digits, the first not 0, such as +14255550182."
        )
    return tidy


def mask(number: str) -> str:
    """The number with its middle digits hidden, for logs and error texts."""
    middle = range(5, len(number) - 2)
    return "".join("*" if place in middle and char.isdigit() else char for place, char in enumerate(number))


# With a plus, or what could be one without it; not the account in an ARN or a URL.
NUMBER_IN_TEXT = re.compile(r"(?P<plus>\+)[0-9]{7,15}|(?<![\w/])[0-9]{7,15}(?![\w/]|:\w)")


def mask_numbers(text: str) -> str:
    """What others say, with the phone numbers in it masked."""
    return NUMBER_IN_TEXT.sub(lambda found: mask(found[0]) if found["plus"] else mask(f"+{found[0]}")[1:], text)


def iso_time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- the SMSAskUser text

TOKEN = re.compile(
    r"(?:(?<=[\s:])|^)(?P<guid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@(?P<incident>[^\s|]+)(?:\|(?P<task>\S*))?\s*\Z",
    re.IGNORECASE,
)
SEPARATOR = re.compile(r" -(?= Reply )", re.IGNORECASE)  # two may share a space: " - Reply - Reply "


def parse_message(message: str) -> AskText | None:
    """The message as a question, or None when it carries no entitlement.

    InputError when it ends with an entitlement but is not in the format: a raw entitlement must never reach a phone.
    """
    token = TOKEN.search(message)
    if not token or "://" in re.split(r"\s", message[: token.start()])[-1]:
        return None
    head = message[: token.start()].rstrip()
    separator = next(reversed(list(SEPARATOR.finditer(head))), None)
    question = head[: separator.start()].strip() if separator else ""
    options = head[separator.end() + len(" Reply ") : -1].strip() if separator else ""
    if not question or not options or not head.endswith(":") or len(options.splitlines()) > 1:
        raise InputError(FORMAT_HELP)
    entitlement = Entitlement(token["guid"], token["incident"], token["task"] or "")
    return AskText(question, parse_options(options), entitlement)


QUESTION_ARGUMENTS = ("lifetime", "defaultResponse", "reminders", "reminderInterval", "additionalOptions", "reply")
UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:(second|minute|hour|day)s?)?", re.IGNORECASE)


def parse_duration(text: str, argument: str) -> float:
    """Seconds of '30 seconds', '15 minutes', '2 hours', '1 day'; a number alone is minutes. InputError otherwise."""
    found = DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * UNITS[(found[2] or "minute").lower()] if found else 0.0
    if not 0 < seconds <= LONGEST_LIFETIME:
        raise InputError(
            f'{argument} is "{text[:40]}", but it must be a duration up to 366 days such as "15 minutes" or "2 hours". '
            "Nothing was sent."
        )
    return seconds


def parse_terms(args: Mapping[str, str], lifetime: float) -> Terms:
    """The terms in the arguments of send-notification; lifetime, in seconds, holds where none is given.

    InputError names the argument that cannot be used.
    """
    lifetime = parse_duration(args["lifetime"], "lifetime") if args.get("lifetime") else lifetime
    reminders = parse_reminders(args.get("reminders") or "0")
    every = lifetime / (reminders + 1)
    if args.get("reminderInterval"):
        every = parse_duration(args["reminderInterval"], "reminderInterval")
    if reminders * every >= lifetime:
        raise InputError(
            f"reminders is {reminders}, but only {math.ceil(lifetime / every) - 1} fit into the lifetime of "
            f"{lifetime:g} seconds with {every:g} seconds between them. Nothing was sent."
        )
    thanks = args.get("reply") or ""
    check_template("reply", thanks, SUCCESS_VARIABLES, InputError)
    return Terms(lifetime, (args.get("defaultResponse") or "").strip(), reminders, every, thanks)


def parse_reminders(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text.strip()):
        raise InputError(f'reminders is "{text[:40]}", but it must be a whole number from 0 to 999. Nothing was sent.')
    return int(text)


def with_options(ask: AskText, additional: str) -> AskText:
    """The question with further options, separated by commas. InputError when they are no options, or too many."""
    added = [option.strip() for option in additional.split(",")] if additional.strip() else []
    return replace(ask, options=check_options((*ask.options, *added)))


def parse_options(text: str) -> tuple[str, ...]:
    return check_options(tuple(option.strip() for option in re.split(r"\sor\s", text, flags=re.IGNORECASE)))


def check_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """The options, when there are up to ten and each is a text of its own."""
    if len(options) > MAX_OPTIONS:
        raise InputError(
            f"The message offers {len(options)} options, but at most {MAX_OPTIONS} are accepted. Nothing was sent."
        )
    places: dict[str, int] = {}
    for place, option in enumerate(options, 1):
        first = places.setdefault(option.casefold(), place)
        if not option or first != place:
            fault = f"the same as option {first}, whatever the case" if option else "empty"
            raise InputError(
                f"Option {place} of the message is {fault}, but each must be a text of its own. Nothing was sent."
            )
    return options


def codes_text(codes: Mapping[str, str], joint: str = " or ") -> str:
    return joint.join(f"{option} ({code})" for code, option in codes.items())


def reminder_sms(question: Question) -> str:
    return REMINDER_HEAD + question_sms(question.text, question.codes)


def question_sms(text: str, codes: Mapping[str, str]) -> str:
    return f"{text}\n{codes_text(codes)}"


def sms_length(text: str) -> tuple[int, int]:
    """How long AWS counts the text, and how long it may be: GSM-7 characters, else UTF-16 units."""
    if all(char in GSM7_BASIC or char in GSM7_EXTENDED for char in text):
        return len(text) + sum(char in GSM7_EXTENDED for char in text), GSM7_LIMIT
    return sum(2 if ord(char) > 0xFFFF else 1 for char in text), UNICODE_LIMIT


def check_length(text: str) -> str:
    """The text, when it fits one SMS; InputError says how long it is and what is allowed."""
    length, limit = sms_length(text)
    if length > limit:
        raise InputError(
            f"The SMS would be {length} characters long, but at most {limit} are allowed "
            f"({GSM7_LIMIT} in the GSM-7 alphabet, {UNICODE_LIMIT} with any other character). "
            "Shorten it. Nothing was sent."
        )
    return text


# ---------------------------------------------------------------- reply codes


def allocate_codes(
    options: Sequence[str],
    in_use: Iterable[str],
    resting: Iterable[str],
    mode: str,
    draw: Callable[[Sequence[int], int], Sequence[int]],
) -> dict[str, str]:
    """A free code for each option. draw takes so many of the free numbers at random. InputError when too few are free.

    Numbers are compared by value (7 and 0007 are one), as a person may leave zeros out. A random code is never the
    number that an option is named by: who texts "30" for the option 30 must not hit the code of another option. Codes
    that rest, as the phone had them lately, are drawn only when too few others are free; sequential ones never rest.
    """
    busy = {int(code) for code in in_use}
    if mode == "sequential":
        numbers = [number for number in range(1, MAX_CODE + 1) if number not in busy][: len(options)]
        return named(numbers, options, "{}")
    busy |= {int(option) for option in options if re.fullmatch("[0-9]{1,4}", option)}
    rested = busy | {int(code) for code in resting}
    free = [number for number in range(MAX_CODE + 1) if number not in rested]
    if len(free) < len(options):
        free = [number for number in range(MAX_CODE + 1) if number not in busy]
    return named(draw(free, min(len(free), len(options))), options, "{:04}")


def named(numbers: Sequence[int], options: Sequence[str], form: str) -> dict[str, str]:
    if len(numbers) < len(options):
        raise InputError(
            "The phone has too many open questions: no reply codes are free. Wait for answers. Nothing was sent."
        )
    return {form.format(number): option for number, option in zip(numbers, options, strict=False)}


# ---------------------------------------------------------------- inbound messages


def parse_reply(received: Received) -> Reply:
    """The reply in a message of the queue, through up to five envelopes. NotAReply for anything else."""
    layer, ids, arrived = parse_json(received.body), [received.message_id], received.sent_at
    for _ in range(MAX_ENVELOPES + 1):
        if "originationNumber" in layer and "messageBody" in layer:
            return reply_from(layer, ids, arrived)
        if "messageId" in layer:
            ids.insert(0, layer["messageId"])
        arrived = parse_time(layer.get("timestamp")) or arrived
        layer = open_envelope(layer)
    raise NotAReply(f"it has more than {MAX_ENVELOPES} envelopes")


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object, the first letter of its keys in lower case. Whole numbers are read as floats: their text may be
    endless, and no number is of use here."""
    try:
        value = json.loads(text, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise NotAReply("it is not JSON") from error
    return fields(value)


def fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotAReply("it is not a JSON object")
    lowered = {key[:1].lower() + key[1:]: item for key, item in value.items()}
    return lowered | {key: item for key, item in value.items() if key[:1].islower()}


def open_envelope(layer: dict[str, Any]) -> dict[str, Any]:
    """What is inside an SNS notification, or inside the one record of an event that carries one."""
    records = layer.get("records")
    if isinstance(records, list) and len(records) == 1:
        return fields(fields(records[0]).get("sns"))
    if layer.get("type", "Notification") != "Notification" or "message" not in layer:
        raise NotAReply("it is neither an inbound SMS nor an SNS notification of one")
    message = layer["message"]
    return parse_json(message) if isinstance(message, str) else fields(message)


def reply_from(payload: dict[str, Any], ids: Sequence[Any], arrived: float | None) -> Reply:
    phone, text = payload["originationNumber"], payload["messageBody"]
    if not isinstance(phone, str) or not isinstance(text, str):
        raise NotAReply("its originationNumber and messageBody are not both text")
    known = (item for item in (payload.get("inboundMessageId"), *ids) if isinstance(item, str) and item.strip())
    return Reply(tidy_phone(phone[:MAX_ID]), text, next(known, "")[:MAX_ID], arrived)


def parse_time(text: Any) -> float | None:
    """An SNS timestamp such as 2026-01-02T03:04:05.678Z in seconds since 1970; None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


# ---------------------------------------------------------------- matching


CODE_AND_OPTION = re.compile(r"(?P<code>[0-9]{1,4})\s+(?P<option>.+)", re.DOTALL)
OPTION_AND_CODE = re.compile(r"(?P<option>.+?)\s*\((?P<code>[0-9]{1,4})\)", re.DOTALL)
OPT_OUT = re.compile(rf"(?:{'|'.join(OPT_OUT_WORDS)})(?!\w)", re.IGNORECASE)


class Reading(NamedTuple):
    """The digits of a code and the words beside them. More than four digits are never a code."""

    digits: str
    words: str = ""


@dataclass(frozen=True)
class Said:
    """What a text says: a code, or that the phone opts out. "30 min (1234)" can be read in two ways."""

    readings: tuple[Reading, ...] = ()
    opts_out: bool = False


class Match(NamedTuple):
    question: Question
    code: str

    @property
    def option(self) -> str:
        """What it ends with: the option of the code, but for a default or an operator's response."""
        return self.question.claim.option if self.question.claim else self.question.codes[self.code]


class Meaning(Enum):
    ANSWER = "answers a question"
    REPEAT = "was taken before"
    OVER = "has a code of a question that is over"
    WRONG = "has a code that no question has"
    UNCLEAR = "has no code"
    OPT_OUT = "opts out"
    IGNORED = "comes from a phone that is locked"
    ENDING = "is no reply: the question ended by itself, or an operator ended it"


@dataclass(frozen=True)
class Verdict:
    """What a reply means. match: the question it answers, now or earlier. feedback: the text to send when none."""

    reply: Reply
    meaning: Meaning
    match: Match | None = None
    feedback: str = ""


def fold(text: str) -> str:
    """The text as people mean it: plain digits, one case, single spaces, no punctuation around it."""
    return " ".join(trim(unicodedata.normalize("NFKC", text)).casefold().split())


def trim(text: str, keep: str = "") -> str:
    """The text without white space, punctuation and quotes at its ends, but for the characters to keep."""
    inner = [place for place, char in enumerate(text) if char in keep or not is_edge(char)]
    return text[inner[0] : inner[-1] + 1] if inner else ""


def is_edge(char: str) -> bool:
    """White space, control and format characters, punctuation; the backtick and the acute accent serve as quotes."""
    return char.isspace() or unicodedata.category(char)[0] in "PZC" or char in "`\u00b4\u0301"


def understand(text: str) -> Said:
    """What the text of a reply says. One that is longer than an SMS can be says nothing."""
    if len(text) > GSM7_LIMIT:
        return Said()
    text = unicodedata.normalize("NFKC", text)
    bare = trim(text)
    if OPT_OUT.match(bare):
        return Said(opts_out=True)
    if re.fullmatch("[0-9]+", bare):
        return Said((Reading(bare),))
    forms = (CODE_AND_OPTION.fullmatch(bare), OPTION_AND_CODE.fullmatch(trim(text, keep="()")))
    return Said(tuple(Reading(form["code"], fold(form["option"])) for form in forms if form))


def find_matches(said: Said, questions: Iterable[Question]) -> list[Match]:
    """The codes that the text has, in the order of the questions; by the first reading of it that has any."""
    every = [Match(question, code) for question in questions for code in question.codes]
    found = (find_reading(reading, every) for reading in said.readings)
    return next((matches for matches in found if matches), [])


def find_reading(reading: Reading, every: Sequence[Match]) -> list[Match]:
    """The codes that have the digits, else those that have their value.

    None when words beside the digits are not the option of the code.
    """
    if len(reading.digits) > len(str(MAX_CODE)):
        return []
    same_value = [match for match in every if int(match.code) == int(reading.digits)]
    exact = [match for match in same_value if match.code == reading.digits]
    return [match for match in exact or same_value if reading.words in ("", fold(match.question.codes[match.code]))]


def claim_replies(
    state: State, replies: Sequence[Reply], settings: Settings, now: float
) -> tuple[State, list[Verdict]]:
    """Judge the replies in their order, each against what the ones before it left."""
    verdicts = []
    for reply in replies:
        verdicts.append(judge(state, reply, settings, now))
        state = record(state, verdicts[-1], now)
    return state, verdicts


def judge(state: State, reply: Reply, settings: Settings, now: float) -> Verdict:
    """What the reply means for the questions of its phone, but for those whose entitlement another phone has taken."""
    questions, phone = state.of(reply.phone), state.phone(reply.phone)
    earlier = next((q for q in questions if q.claim and reply.id and q.claim.reply_id == reply.id), None)
    if earlier and earlier.claim:
        return Verdict(reply, Meaning.REPEAT, Match(earlier, earlier.claim.code))
    if phone.locked_until(settings.max_wrong_replies, now):
        return Verdict(reply, Meaning.IGNORED)
    said = understand(reply.text)
    if said.opts_out:
        return Verdict(reply, Meaning.OPT_OUT)
    untaken = [q for q in questions if q.closed is None and not state.is_taken(q.entitlement)]
    matches = find_matches(said, [q for q in untaken if answerable(q, reply, now)])
    if len(matches) == 1:
        return Verdict(reply, Meaning.ANSWER, matches[0])
    open_questions = [q for q in untaken if now < q.expires]
    over = [] if matches else find_matches(said, [q for q in questions if q not in open_questions])
    meaning, text = explain(said, over_sms(state, over), open_questions, reply.phone, settings)
    wanted = settings.feedback and not is_own(settings, reply.phone) and phone.may_get_feedback(reply.id, now)
    return Verdict(reply, meaning, feedback=text if wanted else "")


def answerable(question: Question, reply: Reply, now: float) -> bool:
    """Whether the question was open when the reply reached AWS: asked before, by AWS's own clocks, and not expired.

    Where AWS's clocks tell nothing, or nothing that can be true of a reply to this question, it counts as given now.
    """
    arrived = now if reply.arrived is None else reply.arrived
    if reply.arrived is not None and question.published is not None and arrived + CLOCK_TOLERANCE < question.published:
        return False
    return (arrived if question.created <= arrived <= now else now) < question.expires


def explain(
    said: Said, over: str | None, open_questions: Sequence[Question], phone: str, settings: Settings
) -> tuple[Meaning, str]:
    """Why a reply answers nothing, and the text that says so: empty when the phone has no part in any question.

    over: what it gets to hear when its code is of a question that is over, else None.
    """
    if over is not None:
        return Meaning.OVER, over
    if not open_questions:
        return Meaning.UNCLEAR, ""
    return Meaning.WRONG if said.readings else Meaning.UNCLEAR, failure_sms(settings, phone, open_questions)


def over_sms(state: State, over: Sequence[Match]) -> str | None:
    """What a reply with codes of questions that are over gets to hear of the latest; None when it has no such code.

    Nothing, while XSOAR has not taken the answer of someone else: all who were asked hear of it then.
    """
    if not over:
        return None
    question = over[-1].question
    if question.claim and question.claim.ending is Status.ANSWERED:
        return ALREADY_ANSWERED_TEXT.format(chosen_option=question.claim.option)
    if question.closed is not Status.ANSWERED:
        return CLOSED_TEXT
    untold = any(copy.claim and not copy.answered for copy in state.copies(question.entitlement))
    return "" if untold else SOMEONE_ELSE_TEXT


def refuse_own(settings: Settings, phone: str) -> None:
    if is_own(settings, phone):
        raise InputError(
            f"{mask(phone)} is the Origination Number of the instance, but a text must go to another phone. "
            "Nothing was sent."
        )


def record(state: State, verdict: Verdict, now: float) -> State:
    """The state with what the verdict changes. A phone that was never asked leaves no trace."""
    number, event = verdict.reply.phone, Event(verdict.reply.id, now)
    if verdict.meaning is Meaning.ANSWER and verdict.match:
        question, code = verdict.match
        claim = Claim(verdict.match.option, code, verdict.reply.id, now)
        state = state.put(replace(question, claim=claim)).close_others(question, Status.ANSWERED)
        return state.freshened(number, now, answered=True)
    phone = state.phone(number)
    if verdict.meaning is Meaning.OPT_OUT and state.of(number):
        phone = replace(phone, opted_out=True)
    if verdict.meaning is Meaning.WRONG:
        phone = phone.with_wrong(event)
    return state.remember(number, phone.with_feedback(event) if verdict.feedback else phone)


def is_own(settings: Settings, phone: str) -> bool:
    """Whether the phone is the number that texts are sent from: a text to it would come back as a reply."""
    return bool(settings.origination_number) and phone.lstrip("+") == settings.origination_number.lstrip("+")


def failure_sms(settings: Settings, phone: str, questions: Sequence[Question]) -> str:
    """The failure text with the codes of all these questions, oldest first; with as many as one SMS can hold."""
    codes = [f"{option} ({code})" for question in questions for code, option in question.codes.items()]
    for count in range(len(codes), -1, -1):
        listed = ", ".join(codes[:count] + ["..."] * (count < len(codes)))
        text = settings.failure_template.format(available_codes=listed, phone_number=phone)
        length, limit = sms_length(text)
        if length <= limit:
            break
    return text


def success_sms(settings: Settings, match: Match) -> str:
    return (match.question.terms.thanks or settings.success_template).format(
        reply_code=match.code, chosen_option=match.option, phone_number=match.question.phone
    )


# ---------------------------------------------------------------- what time brings


def end_overdue(state: State, now: float) -> tuple[State, list[Verdict]]:
    """Claim the default response for each entitlement whose lifetime is over and which nobody has answered.

    One that several phones were asked under, one after the other, is over with the last of them.
    """
    verdicts = []
    for question in [q for q in state.all() if q.terms.default and q.closed is None and q.expires <= now]:
        copies = state.copies(question.entitlement)
        if not any(copy.claim or copy.open_at(now) for copy in copies):
            state, verdict = end(state, question, question.terms.default, Status.EXPIRED, now)
            verdicts.append(verdict)
    return state, verdicts


def end(state: State, question: Question, response: str, ending: Status, now: float) -> tuple[State, Verdict]:
    """The question claimed with a response that no phone gave, its copies on other phones closed."""
    claim = Claim(response, "", "", now, ending=ending)
    claimed = replace(question, claim=claim)
    verdict = Verdict(Reply(question.phone, "", ""), Meaning.ENDING, Match(claimed, ""))
    return state.put(claimed).close_others(question, ending), verdict


class Sms(NamedTuple):
    """A text to be sent."""

    phone: str
    text: str


def remind(state: State, grace: float, now: float) -> tuple[State, list[Sms]]:
    """Count the reminders whose moment has come, and give the texts of those that are at most grace seconds late.

    An older moment passed while no poller ran: its reminder is left out, the next one is sent at its time.
    """
    reminders = []
    for question in list(state.all()):
        due = moments_passed(question, now)
        if due > question.reminded and state.can_be_answered(question, now):
            state = state.put(replace(question, reminded=due))
            if now - (question.created + due * question.terms.every) <= grace:
                reminders.append(Sms(question.phone, reminder_sms(question)))
    return state, reminders


def moments_passed(question: Question, now: float) -> int:
    """How many of a question's reminders should have gone out by now."""
    terms = question.terms
    return min(terms.reminders, int((now - question.created) / terms.every)) if terms.reminders else 0


def next_moment(state: State, now: float) -> float | None:
    """When the next question ends with a default response, or is due for a reminder; None when none will."""
    moments = []
    for question in state.all():
        if question.open_at(now):
            terms = question.terms
            moments += [question.expires] if terms.default else []
            moments += [question.created + (question.reminded + 1) * terms.every] if reminders_left(question) else []
    return min(moments, default=None)


def reminders_left(question: Question) -> int:
    return question.terms.reminders - question.reminded


# ---------------------------------------------------------------- the integration context

T = TypeVar("T")
WRITTEN = "_written"  # the attribute in which a question keeps its JSON text


def question_to_json(question: Question) -> str:
    """The question as JSON text in one line, without what is as it is at first. It is made once for each question."""
    if WRITTEN not in vars(question):
        vars(question)[WRITTEN] = json.dumps(question_fields(question), separators=(",", ":"))
    return str(vars(question)[WRITTEN])


def question_fields(question: Question) -> dict[str, Any]:
    claim, usual = question.claim, asdict(Terms(question.expires - question.created))
    always = {
        "guid": question.entitlement.guid,
        "incident": question.entitlement.incident,
        "task": question.entitlement.task,
        "phone": question.phone,
        "text": question.text,
        "codes": dict(question.codes),
        "created": question.created,
        "expires": question.expires,
    }
    later = {
        "sends": question.sends if question.sends != 1 else None,
        "published": question.published,
        "claim": claim and {**asdict(claim), "ending": claim.ending.value},
        "terms": {name: value for name, value in asdict(question.terms).items() if value != usual[name]} or None,
        "reminded": question.reminded or None,
        "closed": question.closed and question.closed.value,
    }
    return always | {name: value for name, value in later.items() if value is not None}


TEXT_FIELDS = itemgetter("guid", "incident", "task", "phone", "text")
CODE = re.compile("[0-9]{1,4}")
K = TypeVar("K")


def checked(value: Any, kind: type[K]) -> K:
    if not isinstance(value, kind):
        raise TypeError
    return value


def checked_code(code: str) -> str:
    if not CODE.fullmatch(code):
        raise ValueError
    return code


def claim_from_json(item: Any, codes: Mapping[str, str]) -> Claim:
    """The claim of a question with these codes; TypeError, ValueError or KeyError when the item is none."""
    stored = checked(item, dict)
    option, code, reply_id, error = (checked(stored[name], str) for name in ("option", "code", "reply_id", "error"))
    ending = Status(stored.get("ending", Status.ANSWERED.value))
    if ending is Status.ANSWERED and codes[code] != option:
        raise ValueError
    return Claim(option, code, reply_id, float(stored["at"]), number_from_json(stored["told_at"]), error, ending)


def number_from_json(item: Any) -> float | None:
    return None if item is None else float(item)


def question_from_json(written: str) -> Question:
    """The question; TypeError, ValueError or KeyError when the text is none."""
    stored = checked(json.loads(written), dict)
    guid, incident, task, phone, text = (checked(field, str) for field in TEXT_FIELDS(stored))
    codes = {checked_code(code): checked(option, str) for code, option in checked(stored["codes"], dict).items()}
    created, expires = float(stored["created"]), float(stored["expires"])
    question = Question(
        entitlement=Entitlement(guid, incident, task),
        phone=phone,
        text=text,
        codes=codes,
        created=created,
        expires=expires,
        sends=int(stored.get("sends", 1)),
        published=number_from_json(stored.get("published")),
        claim=claim_from_json(stored["claim"], codes) if stored.get("claim") is not None else None,
        terms=Terms(**{"lifetime": expires - created, **stored.get("terms", {})}),
        reminded=int(stored.get("reminded", 0)),
        closed=Status(stored["closed"]) if stored.get("closed") else None,
    )
    vars(question)[WRITTEN] = written
    return question


def items_of(written: str) -> list[str]:
    """The JSON texts of the items of a list: it is written with each in a line of its own, but may have been edited."""
    lines = written[1:-1].split(",\n")
    as_written = written[:1] + written[-1:] == "[]" and all(line[:1] + line[-1:] == "{}" for line in lines)
    if as_written and "},{" not in written and "}, {" not in written:
        return lines
    return [json.dumps(item) for item in checked(json.loads(written), list)]


class About(NamedTuple):
    """What asking has to do with: the phone, whose codes are in use, and the entitlement, which may be answered."""

    phone: str
    guid: str


# How the JSON text of a question begins, unless it was edited.
HEAD = re.compile(r'{"guid":"([^"\\]*)","incident":"[^"\\]*","task":"[^"\\]*","phone":"(\+[0-9]*)",')


def concerns(item: str, about: About | None) -> bool:
    """Whether a question has to be read, given as JSON text: it is of the phone or of the entitlement, or looks odd."""
    head = HEAD.match(item) if about else None
    return not about or not head or head[2] == about.phone or head[1].lower() == about.guid.lower()


def events_from_json(item: Any) -> tuple[Event, ...]:
    return tuple(Event(checked(reply_id, str), float(at)) for reply_id, at in checked(item, list))


def phone_from_json(item: Any) -> PhoneRecord:
    """What is remembered of a phone; TypeError, ValueError or KeyError when the item is nothing of it."""
    stored = checked(item, dict)
    return PhoneRecord(
        feedback=events_from_json(stored["feedback"]),
        wrong=events_from_json(stored.get("wrong", [])),
        fresh_at=float(stored.get("fresh_at", 0)),
        opted_out=checked(stored.get("opted_out", False), bool),
    )


def read_state(
    context: Mapping[str, Any], known: Mapping[str, Question] | None = None, about: About | None = None
) -> State:
    """What the integration context holds; StateError when it holds something else, which must then be left alone.

    known: questions by their JSON text, which are not read anew. about: what has nothing to do with it is not read.
    """
    questions: dict[str, list[Question]] = {}
    wanted: list[str] = []
    unread: list[str] = []
    try:
        for item in items_of(context.get(CONTEXT_KEY) or "[]"):
            (wanted if concerns(item, about) else unread).append(item)
        for item in wanted:
            question = (known or {}).get(item) or question_from_json(item)
            questions.setdefault(question.phone, []).append(question)
        phones = checked(json.loads(context.get(PHONES_KEY) or "{}"), dict)
        remembered = {number: phone_from_json(item) for number, item in phones.items()}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateError(
            f"The integration context holds {CONTEXT_KEY} that cannot be read ({type(error).__name__}); they were left "
            "as they are. Repair them, or reset the integration cache of the instance to lose all open questions."
        ) from error
    return State({phone: tuple(asked) for phone, asked in questions.items()}, remembered, tuple(unread))


def phone_to_json(phone: PhoneRecord) -> dict[str, Any]:
    return {
        "feedback": [list(event) for event in phone.feedback],
        "wrong": [list(event) for event in phone.wrong],
        "fresh_at": phone.fresh_at,
        "opted_out": phone.opted_out,
    }


def write_state(state: State) -> dict[str, str]:
    phones = {number: phone_to_json(phone) for number, phone in state.phones.items()}
    return {
        CONTEXT_KEY: "[" + ",\n".join([*state.unread, *map(question_to_json, state.all())]) + "]",
        PHONES_KEY: json.dumps(phones, separators=(",", ":")),
    }


def purge(state: State, lifetime: float, now: float) -> State:
    """Without what is over for so long that no re-delivery of a reply can ask for it, nor a code of it need rest.

    The same state when there is no such thing.
    """
    keep = max(lifetime, KEEP_CLOSED)
    questions = {phone: tuple(q for q in known if now < q.over_at + keep) for phone, known in state.questions.items()}
    phones = {number: phone.purged(now) for number, phone in state.phones.items()}
    purged = replace(
        state,
        questions={phone: known for phone, known in questions.items() if known},
        phones={number: phone for number, phone in phones.items() if phone.worth_keeping()},
    )
    return state if purged == state else purged


class QuestionStore:
    """The questions in the integration context, which all containers of the instance share.

    What was read or written last is kept, and taken for what a context holds that has the very same texts.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._read: tuple[Any, ...] = ()
        self._state = State()

    def read(self) -> State:
        """The state now. StateError when it cannot be had or understood: never an empty state."""
        return self._understand(self._load()[0], None)

    def _understand(self, context: Mapping[str, Any], about: About | None) -> State:
        read = (context.get(CONTEXT_KEY), context.get(PHONES_KEY), about)
        if read != self._read:
            known = {question_to_json(question): question for question in self._state.all()}
            self._state = read_state(context, known, about)
            self._read = read
        return self._state

    def update(self, change: Callable[[State], tuple[State, T]], about: About | None = None) -> T:
        """Apply change to the state by compare-and-swap and return its second result.

        change is called again from a fresh read after a conflict, so it must be pure. Nothing is written when it
        returns the state it was given. What it raises ends the update with nothing written. StateError after 20
        conflicts, or when the context cannot be read or written. With about, change sees only what has to do with it;
        the rest is kept without being read, which is ten times as fast with ten thousand questions.
        """
        for attempt in range(CONTEXT_TRIES):
            context, version = self._load()
            before = self._understand(context, about)
            after, result = change(before)
            if after is before:
                return result
            texts = write_state(after)
            if self._save({**context, **texts}, version):
                self._read, self._state = (texts[CONTEXT_KEY], texts[PHONES_KEY], about), after
                return result
            self._sleep(jitter() * min(1.0, 0.02 * 2**attempt))
        raise StateError(
            f"The integration context was changed by others {CONTEXT_TRIES} times in a row; nothing was written. "
            "Try again."
        )

    def check(self) -> None:
        """Write the state as it is; StateError as update. It shows whether a context that failed works again."""
        self.update(lambda state: (replace(state), None))

    def _load(self) -> tuple[dict[str, Any], int]:
        try:
            versioned = demisto.getIntegrationContextVersioned(True)  # noqa: FBT003
            return versioned.get("context") or {}, versioned["version"]
        except Exception as error:
            raise StateError(f"The integration context cannot be read: {brief(error)}.") from error

    def _save(self, context: dict[str, Any], version: int) -> bool:
        """Whether the context was written; False when another container was faster."""
        try:
            demisto.setIntegrationContextVersioned(context, version, True)  # noqa: FBT003
        except ValueError as conflict:
            demisto.debug(f"The integration context changed meanwhile: {brief(conflict)}")
            return False
        except Exception as error:
            raise StateError(f"The integration context cannot be written: {brief(error)}.") from error
        return True


def jitter() -> float:
    """A random part of a wait, so that those who met once do not meet again."""
    return random.uniform(0.5, 1)  # noqa: S311


def brief_sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, SmsError) else f"{brief(error)}."


def brief(error: BaseException) -> str:
    """The error in at most 200 characters, its phone numbers masked."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return mask_numbers(text).strip().rstrip(".")[:200]


# ---------------------------------------------------------------- AWS

AWS_FAILURES = (ClientError, BotoCoreError, ResponseParserError)


def aws_error(error: Exception, operation: str) -> AwsError:
    """What AWS or the way to it said, as one sentence with the error code and what to do about it."""
    code, said = error_code(error), brief(error)
    if isinstance(error, ClientError):
        said = str(error.response.get("Error", {}).get("Message") or code)
        failed = str(error.operation_name or operation)
        advice = ADVICE.get(code, "look the code up in the AWS documentation").format(operation=failed)
        text = f"AWS refused {failed} with {code}: {advice}. It said: {said.strip().rstrip('.')}."
    elif isinstance(error, NoCredentialsError):
        text = f"{operation} needs AWS credentials and the machine has none: {NO_CREDENTIALS}."
    else:
        text = f"{operation} failed with {code}: {NO_ROUTE}. It said: {said}."
    text = mask_numbers(text)
    return AwsError(text) if surely_not_done(error, operation) else MaybeSent(text)


def error_code(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return type(error).__name__
    return str(error.response.get("Error", {}).get("Code") or "an unknown error").rsplit(".", 1)[-1]


def surely_not_done(error: Exception, operation: str) -> bool:
    """Whether AWS cannot have done what was asked: it said no, or the request never left.

    A server error (5xx) and a lost connection leave that open.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return status < 500 or error_code(error) in THROTTLED or error.operation_name != operation
    if isinstance(error, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(error)
    return isinstance(error, BotoCoreError) and not isinstance(error, HTTPClientError)


class AssumedRole(CredentialProvider):
    """Credentials of the role in the settings, which renew themselves shortly before they end.

    botocore's own windows (15 minutes) would assume the role anew for every request of a 900 second session.
    """

    METHOD = "assume-role"

    def __init__(self, settings: Settings, source: Session, config: Config) -> None:
        super().__init__()
        self._settings, self._source, self._config = settings, source, config

    def load(self) -> RefreshableCredentials:
        settings, source = self._settings, self._source.get_credentials()
        if source is None:
            raise NoCredentialsError
        margin = next(margin for seconds, margin in STS_MARGINS if settings.role_session_seconds < seconds)
        names = {"RoleSessionName": settings.role_session_name, "DurationSeconds": settings.role_session_seconds}
        if settings.role_external_id:
            names["ExternalId"] = settings.role_external_id
        fetcher = AssumeRoleCredentialFetcher(
            self._client, source, settings.role_arn, extra_args=names, expiry_window_seconds=margin
        )
        return RefreshableCredentials.create_from_metadata(
            fetcher.fetch_credentials(), fetcher.fetch_credentials, self.METHOD, margin, margin * 2 // 3
        )

    def _client(self, service: str, **credentials: Any) -> Any:
        verify = False if self._settings.insecure else None
        return self._source.create_client(
            service, region_name=self._settings.region, verify=verify, config=self._config, **credentials
        )


class Aws:
    """One session, and one client per service for the life of the process. Clients may be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    def client(self, service: str, attempts: int, longest_wait: float = 0) -> Any:
        """The client of the service, made at the first call: with so many attempts a request, and patience for a
        request that AWS may hold open for longest_wait seconds."""
        with self._lock:
            if service not in self._clients:
                verify = False if self._settings.insecure else None
                self._clients[service] = self._session.client(
                    service, verify=verify, config=self._config(attempts, longest_wait)
                )
            return self._clients[service]

    def _config(self, attempts: int, longest_wait: float = 0) -> Config:
        return Config(
            read_timeout=max(self._settings.read_timeout, longest_wait + 10 if longest_wait else 0),
            connect_timeout=self._settings.connect_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=2 * FEEDBACK_THREADS,
            proxies=None if self._settings.proxy else {},
        )

    @cached_property
    def _session(self) -> Any:
        settings, core = self._settings, Session()
        core.set_config_variable("region", settings.region)
        core.set_config_variable("sts_regional_endpoints", settings.sts_endpoint)
        if settings.access_key:
            core.set_credentials(settings.access_key, settings.secret_key)
        if settings.role_arn:
            provider = AssumedRole(settings, core, self._config(settings.retries + 1))
            core = Session()
            core.register_component("credential_provider", CredentialResolver([provider]))
        return boto3.Session(botocore_session=core, region_name=settings.region)


class SentSms(NamedTuple):
    """at: when AWS took it, by AWS's clock (seconds since 1970); None when AWS did not say."""

    message_id: str
    at: float | None


class SmsSender:
    """Sends texts through SNS Publish. Safe to use from threads.

    botocore would send a text again after a read timeout, and Publish has no idempotency token, so its retries are
    off; a send is repeated here only when it surely did not happen.
    """

    def __init__(self, aws: Aws, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._aws, self._settings, self._sleep = aws, settings, sleep

    def send(self, phone: str, text: str) -> SentSms:
        """Send one text. AwsError: it was not sent, MaybeSent: AWS did not say, InputError: it is too long,
        or for the number that it would be sent from."""
        check_length(text)
        refuse_own(self._settings, phone)
        try:
            return self._keep_trying(phone, text)
        except AWS_FAILURES as error:
            failure = aws_error(error, "Publish")
            raise type(failure)(str(failure).replace(phone.lstrip("+"), mask(phone).lstrip("+"))) from error

    def _keep_trying(self, phone: str, text: str) -> SentSms:
        for attempt in range(self._settings.retries):
            try:
                return self._publish(phone, text)
            except AWS_FAILURES as error:
                if not worth_another_try(error):
                    raise
            self._sleep(jitter() * min(20.0, 0.5 * 2**attempt))
        return self._publish(phone, text)

    def _publish(self, phone: str, text: str) -> SentSms:
        response = self._aws.client("sns", attempts=1).publish(
            PhoneNumber=phone, Message=text, MessageAttributes=self._attributes()
        )
        return SentSms(response["MessageId"], date_of(response))

    def has_opted_out(self, phone: str) -> bool:
        """Whether the phone has opted out: AWS would take a text to it and drop it. False when AWS does not tell,
        for want of the permission sns:CheckIfPhoneNumberIsOptedOut or for any other reason."""
        try:
            answer = self._aws.client("sns", attempts=1).check_if_phone_number_is_opted_out(phoneNumber=phone)
        except AWS_FAILURES as error:
            demisto.debug(
                f"Whether the phone has opted out is not known: {aws_error(error, 'CheckIfPhoneNumberIsOptedOut')}"
            )
            return False
        return bool(answer.get("isOptedOut"))

    def _attributes(self) -> dict[str, dict[str, str]]:
        values = {
            "AWS.SNS.SMS.SMSType": self._settings.sms_type,
            "AWS.SNS.SMS.SenderID": self._settings.sender_id,
            "AWS.MM.SMS.OriginationNumber": self._settings.origination_number,
        }
        return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value}


def date_of(response: Mapping[str, Any]) -> float | None:
    """The Date header of a response in seconds since 1970."""
    header = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return None


def worth_another_try(error: Exception) -> bool:
    """Whether a send surely did not happen and may do better in a moment: throttled, or no connection."""
    if isinstance(error, ClientError):
        return error_code(error) in THROTTLED
    return isinstance(error, (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError))


class ReplyQueue:
    """The SQS queue that inbound texts arrive in."""

    def __init__(self, aws: Aws, settings: Settings) -> None:
        self._aws, self._settings = aws, settings
        self._threads = ThreadPoolExecutor(PARALLEL_CALLS)

    @property
    def _client(self) -> Any:
        return self._aws.client("sqs", self._settings.retries + 1, longest_wait=self._settings.poll_seconds)

    def receive(self, wait: int) -> list[Received]:
        """Up to a hundred messages, as soon as there are any, after wait seconds (0 to 20) none.

        They stay on the queue, hidden for its visibility timeout. More than ten come when the first call is full.
        """
        first = self._receive(wait)
        if len(first) < RECEIVE_COUNT:
            return first
        more = self._threads.map(self._receive_more, range(PARALLEL_CALLS - 1))
        return [*first, *(message for messages in more for message in messages)]

    def _receive_more(self, _call: int) -> list[Received]:
        """What else waits. Nothing when AWS fails: what the first call brought is handled all the same."""
        try:
            return self._receive(0)
        except AwsError:
            return []

    def _receive(self, wait: int) -> list[Received]:
        response = self._call(
            "receive_message",
            MaxNumberOfMessages=RECEIVE_COUNT,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [received_message(message) for message in response.get("Messages", [])]

    def delete(self, messages: Sequence[Received]) -> int:
        """Delete the messages for good; returns how many AWS did not delete: those are delivered again.

        AwsError when a call failed, after the others were made: some may be deleted. To delete one again does no harm.
        """
        batches = [messages[start : start + RECEIVE_COUNT] for start in range(0, len(messages), RECEIVE_COUNT)]
        calls = [self._threads.submit(self._delete_batch, batch) for batch in batches]
        wait(calls)
        return sum(call.result() for call in calls)

    def _delete_batch(self, batch: Sequence[Received]) -> int:
        entries = [{"Id": str(place), "ReceiptHandle": message.handle} for place, message in enumerate(batch)]
        return len(self._call("delete_message_batch", Entries=entries).get("Failed", []))

    def has_dead_letter_queue(self) -> bool:
        return bool(self.attributes(["RedrivePolicy"]).get("RedrivePolicy"))

    def attributes(self, names: Sequence[str]) -> dict[str, str]:
        return dict(self._call("get_queue_attributes", AttributeNames=list(names)).get("Attributes", {}))

    def _call(self, method: str, **arguments: Any) -> Any:
        operation = "".join(word.capitalize() for word in method.split("_"))
        try:
            return getattr(self._client, method)(QueueUrl=self._settings.queue_url, **arguments)
        except AWS_FAILURES as error:
            raise aws_error(error, operation) from error


def received_message(message: Mapping[str, Any]) -> Received:
    sent = str(message.get("Attributes", {}).get("SentTimestamp", ""))
    return Received(
        handle=message["ReceiptHandle"],
        message_id=message.get("MessageId", ""),
        body=message.get("Body", ""),
        sent_at=int(sent) / 1000 if re.fullmatch("[0-9]{1,15}", sent, re.ASCII) else None,
    )


# ---------------------------------------------------------------- the conversation


@dataclass(frozen=True)
class Asked:
    """A question that was sent."""

    question: Question
    message_id: str


class Asking(NamedTuple):
    """A question as registered, and as it was before: None when it was not there."""

    question: Question
    before: Question | None


@dataclass(frozen=True)
class Outcome:
    """What became of a reply. done: its effect is durable, or it can have none, so its message may be deleted.

    texts: the feedback to send, to its phone and to others who were asked; each is given to one container only.
    """

    verdict: Verdict
    done: bool
    texts: tuple[Sms, ...] = ()
    error: str = ""


def draw_at_random(numbers: Sequence[int], count: int) -> Sequence[int]:
    """So many of the numbers, in random order, by the system's cryptographic generator."""
    return secrets.SystemRandom().sample(numbers, count)


class Sweep(NamedTuple):
    """What a look at all that is stored brought: outcomes of claims, reminders to send, locked phones with the end of
    each lock, and in how many seconds the next question ends or is due for a reminder."""

    outcomes: list[Outcome]
    reminders: list[Sms]
    locked: dict[str, float]
    next_in: float


class Passed(NamedTuple):
    """The state after what time brought, and what it brought."""

    state: State
    endings: list[Verdict]
    reminders: list[Sms]


class Settled(NamedTuple):
    """By entitlement: '' for a claim settled here and now, its error for one that XSOAR did not take, None for one that
    another container had settled; and the texts to others who were asked the same."""

    errors: dict[str, str | None]
    notices: dict[str, tuple[Sms, ...]]


class Conversation:
    """Asking and answering: the only place where the questions, XSOAR and AWS meet."""

    def __init__(
        self,
        settings: Settings,
        store: QuestionStore,
        sender: SmsSender,
        now: Callable[[], float] = time.time,
        draw: Callable[[Sequence[int], int], Sequence[int]] = draw_at_random,
    ) -> None:
        self._settings, self._store, self._sender = settings, store, sender
        self._now, self._draw = now, draw

    def ask(self, ask: AskText, phone: str, terms: Terms | None = None) -> Asked:
        """Send a question with reply codes, on terms that default to the instance's lifetime and nothing else.

        1. The question is registered. A crash now leaves a question that nobody was asked; it expires.
        2. The SMS is published. A crash now leaves a question that was asked and can be answered.
        3. AWS's time of the SMS is noted, so that no older reply answers. A crash before that costs this check only.
        4. Instead of 3, when AWS refused the SMS, it is taken out again. A crash before that is like one after 1.

        Sent again while open, the entitlement keeps its codes and expires later. InputError, StateError before 2;
        AwsError when the SMS was refused, MaybeSent when AWS did not answer: then the question stays.
        """
        refuse_own(self._settings, phone)
        if self._sender.has_opted_out(phone):
            raise InputError(OPTED_OUT.format(phone=mask(phone)))
        terms = terms or Terms(self._settings.lifetime)
        asking = self._store.update(
            lambda state: self._register(state, ask, phone, terms), About(phone, ask.entitlement.guid)
        )
        question = asking.question
        try:
            sent = self._sender.send(phone, question_sms(question.text, question.codes))
        except MaybeSent as error:
            raise MaybeSent(MAYBE_SENT.format(phone=mask(phone), reason=error)) from error
        except AwsError as error:
            self._withdraw(asking, error)
            raise
        self._note_published(question, sent)
        return Asked(question, sent.message_id)

    def _note_published(self, question: Question, sent: SentSms) -> None:
        try:
            about = About(question.phone, question.entitlement.guid)
            self._store.update(lambda state: (note_published(state, question, sent.at), None), about)
        except StateError as error:  # the SMS is out: the question must be answerable all the same
            demisto.error(
                f"When a question was published could not be noted, so an older reply could answer it: {error}"
            )

    def _withdraw(self, asking: Asking, refusal: AwsError) -> None:
        try:
            about = About(asking.question.phone, asking.question.entitlement.guid)
            self._store.update(lambda state: (withdraw(state, asking), None), about)
        except StateError as error:
            raise AwsError(
                f"{refusal} Its question stays registered until it expires, as it could not be taken out: {error}"
            ) from error

    def _register(self, state: State, ask: AskText, phone: str, terms: Terms) -> tuple[State, Asking]:
        now = self._now()
        if state.is_taken(ask.entitlement):
            raise InputError(
                "The entitlement of this question has been answered. Ask again with a new one. Nothing was sent."
            )
        state = purge(state, self._settings.lifetime, now)
        known = state.find(ask.entitlement, phone)
        if known and not known.open_at(now):
            state, known = state.drop(known), None
        question = self._again(known, ask, terms, now) if known else self._first(state, ask, phone, terms, now)
        check_length(reminder_sms(question) if terms.reminders else question_sms(question.text, question.codes))
        return state.put(question).freshened(phone, now), Asking(question, known)

    def _first(self, state: State, ask: AskText, phone: str, terms: Terms, now: float) -> Question:
        in_use = [code for question in state.of(phone) if question.holds_codes_at(now) for code in question.codes]
        resting = [code for question in state.of(phone) for code in question.codes]
        codes = allocate_codes(ask.options, in_use, resting, self._settings.code_mode, self._draw)
        return Question(ask.entitlement, phone, ask.question, codes, now, now + terms.lifetime, terms=terms)

    def _again(self, known: Question, ask: AskText, terms: Terms, now: float) -> Question:
        if tuple(known.codes.values()) != ask.options:
            raise InputError(
                "The entitlement of this question is open with other options. Ask with a new one. Nothing was sent."
            )
        expires = max(known.expires, now + terms.lifetime)
        question = replace(known, text=ask.question, expires=expires, sends=known.sends + 1, terms=terms)
        return replace(question, reminded=moments_passed(question, now))

    def notify(self, phone: str, text: str) -> SentSms:
        """Send a text that asks nothing. AwsError, MaybeSent, InputError as SmsSender.send."""
        try:
            return self._sender.send(phone, text)
        except MaybeSent as error:
            raise MaybeSent(MAYBE_SENT_PLAIN.format(phone=mask(phone), reason=error)) from error

    def answer(self, replies: Sequence[Reply]) -> list[Outcome]:
        """Take replies, oldest first; an outcome for each, in their order.

        1. claim: one compare-and-swap writes what each reply chose. A crash now: look_after tells them.
        2. tell: XSOAR gets each option. A crash now: the claim is told again, the same option, which changes nothing.
        3. settle: one compare-and-swap marks what was told. A crash now costs the thank-you, nothing else.

        A claim that XSOAR did not take stays, its outcome is not done. StateError when the context fails: then nothing
        is lost, the replies are still on the queue.
        """
        verdicts = self._store.update(lambda state: claim_replies(state, replies, self._settings, self._now()))
        return self._outcomes(verdicts, self._deliver([v.match for v in verdicts if v.match]))

    def look_after(self, min_age: float | None = 0, *, ends: bool = True) -> Sweep:
        """Do what time brings, and tell again what XSOAR has not taken.

        1. claim and record: one compare-and-swap claims the default response of each question whose lifetime is over,
           counts the reminders that are due and forgets what is long over. A crash now: the claims are told later, the
           reminders are left out.
        2. tell and 3. settle, as in answer.

        Told again are the claims of at least min_age seconds and at most a day: those of a container that died, or that
        XSOAR refused; none when min_age is None. Older ones are left to the operator, in list-entitlements. Without
        ends, what time brings waits for the next look.
        """
        state, endings, reminders = self._store.update(lambda state: self._pass_time(state, ends=ends))
        now = self._now()
        new = {verdict.match.question.entitlement.key for verdict in endings if verdict.match}
        old = [] if min_age is None else untold_claims(state, now, min_age)
        waiting = endings + [v for v in old if v.match and v.match.question.entitlement.key not in new]
        outcomes = self._outcomes(waiting, self._deliver([verdict.match for verdict in waiting if verdict.match]))
        moment = next_moment(state, now)
        next_in = math.inf if moment is None else max(0.0, moment - now)
        return Sweep(outcomes, reminders, locked_phones(state, self._settings, now), next_in)

    def _pass_time(self, before: State, *, ends: bool) -> tuple[State, Passed]:
        if not ends:
            return before, Passed(before, [], [])
        now = self._now()
        state, endings = end_overdue(purge(before, self._settings.lifetime, now), now)
        state, reminders = remind(state, self._settings.poll_seconds + REMINDER_GRACE, now)
        return state, Passed(state, endings, reminders)

    def cancel(self, wanted: Callable[[Question], bool], response: str) -> list[Outcome]:
        """Close the open questions that are wanted, and complete their tasks with the response unless it is empty.

        1. claim or close, in one compare-and-swap; a crash now: look_after tells the claims. 2. tell and 3. settle, as
        in answer. An outcome for each question closed. A cancel that died before XSOAR took its response is finished
        too; no other claim is touched.
        """
        verdicts = self._store.update(lambda state: cancel(state, wanted, response, self._now()))
        return self._outcomes(
            verdicts, self._deliver([v.match for v in verdicts if v.match and v.match.question.claim])
        )

    def _deliver(self, matches: Sequence[Match]) -> Settled:
        """Tell each claim once and settle those told."""
        claims = {match.question.entitlement.key: match for match in matches if not match.question.answered}
        errors = {key: self._tell(match) for key, match in claims.items()}
        if not errors:
            return Settled({}, {})
        feedback = self._settings.feedback
        return self._store.update(lambda state: settle(state, claims.values(), errors, self._now(), feedback=feedback))

    def _tell(self, match: Match) -> str:
        entitlement, phone = match.question.entitlement, match.question.phone
        try:
            demisto.handleEntitlementForUser(
                entitlement.incident, entitlement.guid, phone, match.option, entitlement.task
            )
        except Exception as error:
            return f"XSOAR did not take the answer: {brief(error)}."
        return ""

    def _outcomes(self, verdicts: Sequence[Verdict], settled: Settled) -> list[Outcome]:
        outcomes = []
        for verdict in verdicts:
            outcomes.append(self._outcome(verdict, settled))
            if verdict.match and outcomes[-1].done:
                settled.errors[verdict.match.question.entitlement.key] = None  # a second copy of a reply gets no thanks
        return outcomes

    def _outcome(self, verdict: Verdict, settled: Settled) -> Outcome:
        phone = verdict.reply.phone
        if verdict.match is None:
            return Outcome(verdict, done=True, texts=(Sms(phone, verdict.feedback),) if verdict.feedback else ())
        key = verdict.match.question.entitlement.key
        error = settled.errors.get(key)
        if error:
            return Outcome(verdict, done=False, error=error)
        nobody = verdict.reply.id.startswith(INJECTED) or is_own(self._settings, phone)
        if error is None or not self._settings.feedback or verdict.meaning is Meaning.ENDING:
            return Outcome(verdict, done=True)
        thanks = () if nobody else (Sms(phone, success_sms(self._settings, verdict.match)),)
        return Outcome(verdict, done=True, texts=(*thanks, *settled.notices.get(key, ())))

    def check_context(self) -> None:
        """StateError while the context cannot be read and written."""
        self._store.check()

    def state(self) -> State:
        """What is stored now. StateError when it cannot be read."""
        return self._store.read()

    def open_questions(self, phone: str) -> list[Question]:
        """The questions that the phone can answer now, oldest first. StateError when the context cannot be read."""
        state = self.state()
        return [question for question in state.of(phone) if state.can_be_answered(question, self._now())]


def cancel(state: State, wanted: Callable[[Question], bool], response: str, now: float) -> tuple[State, list[Verdict]]:
    """The wanted open questions closed; with a response, which one claim per entitlement holds, their copies too.

    The verdicts are those, and before them what was cancelled earlier and XSOAR has not taken yet.
    """
    verdicts = [v for v in untold_claims(state, now, 0) if v.match and is_cancelled(v.match.question, wanted)]
    still_open = [question for question in state.all() if state.can_be_answered(question, now)]
    keys = {q.entitlement.key for q in still_open if response and wanted(q)}
    for question in [q for q in still_open if q.entitlement.key in keys or wanted(q)]:
        if response and not state.is_taken(question.entitlement):
            state, verdict = end(state, question, response, Status.CANCELLED, now)
        else:
            closed = replace(question, closed=Status.CANCELLED)
            state, verdict = (
                state.put(closed),
                Verdict(Reply(question.phone, "", ""), Meaning.ENDING, Match(closed, "")),
            )
        verdicts.append(verdict)
    return state, verdicts


def is_cancelled(question: Question, wanted: Callable[[Question], bool]) -> bool:
    return question.claim is not None and question.claim.ending is Status.CANCELLED and wanted(question)


def locked_phones(state: State, settings: Settings, now: float) -> dict[str, float]:
    ends = {number: phone.locked_until(settings.max_wrong_replies, now) for number, phone in state.phones.items()}
    return {number: end for number, end in ends.items() if end}


def meaning_of(claim: Claim) -> Meaning:
    return Meaning.REPEAT if claim.ending is Status.ANSWERED else Meaning.ENDING


def untold_claims(state: State, now: float, min_age: float) -> list[Verdict]:
    """The claims of at least min_age seconds and at most a day that XSOAR has not taken, as verdicts."""
    claims = [(question, question.claim) for question in state.all() if question.claim and not question.answered]
    return [
        Verdict(Reply(question.phone, claim.code, claim.reply_id), meaning_of(claim), Match(question, claim.code))
        for question, claim in claims
        if min_age <= now - claim.at < TELL_FOR
    ]


def settle(
    state: State, claims: Iterable[Match], errors: Mapping[str, str], now: float, *, feedback: bool
) -> tuple[State, Settled]:
    """The claims marked as told, or with their error; with feedback, the others who were asked hear of an answer."""
    result = Settled({}, {})
    for match in claims:
        known = state.find(match.question.entitlement, match.question.phone)
        if known is None or known.claim is None:
            continue
        key, error = known.entitlement.key, errors[known.entitlement.key]
        result.errors[key] = None if known.answered else error
        if known.answered:
            continue
        state = state.put(replace(known, claim=replace(known.claim, told_at=None if error else now, error=error)))
        if feedback and not error and known.claim.ending is Status.ANSWERED:
            state, result.notices[key] = notify_others(state, known, now)
    return state, result


def notify_others(state: State, answered: Question, now: float) -> tuple[State, tuple[Sms, ...]]:
    """The texts to those whose copies of the question the answer has closed, counted as feedback to each."""
    event = Event(f"closed-{answered.entitlement.key}", now)
    closed = [copy.phone for copy in state.copies(answered.entitlement) if copy.closed is Status.ANSWERED]
    told = [number for number in closed if state.phone(number).may_get_feedback(event.reply_id, now)]
    for number in told:
        state = state.remember(number, state.phone(number).with_feedback(event))
    return state, tuple(Sms(number, SOMEONE_ELSE_TEXT) for number in told)


def note_published(state: State, question: Question, at: float | None) -> State:
    """With the time by AWS's clock at which the question's first SMS was taken."""
    known = state.find(question.entitlement, question.phone)
    if known is None or known.published is not None or at is None:
        return state
    return state.put(replace(known, published=at))


def withdraw(state: State, asking: Asking) -> State:
    """Without what one refused send put in: the question, or new words and a later end when it was sent before."""
    known = state.find(asking.question.entitlement, asking.question.phone)
    if known is None or known.claim:
        return state
    if known.sends == 1:
        return state.drop(known)
    before = asking.before or known
    kept = replace(known, text=before.text, expires=before.expires, terms=before.terms, reminded=before.reminded)
    return state.put(replace(kept, sends=known.sends - 1))


def make_conversation(settings: Settings) -> Conversation:
    return Conversation(settings, QuestionStore(), SmsSender(Aws(settings), settings))


# ---------------------------------------------------------------- commands


def check_instance(settings: Settings) -> str:
    """'ok' when the reply queue answers; AwsError otherwise. The settings were checked when they were read."""
    ReplyQueue(Aws(settings), settings).attributes(["QueueArn"])
    return "ok"


def send_notification(args: Mapping[str, str], settings: Settings) -> CommandResults:
    """send-notification: a question when the message is in the SMSAskUser format, else a plain text."""
    phone, message = phone_number(args.get("to") or "", "to"), args.get("message") or ""
    if not message.strip():
        raise InputError("message is empty, but it must be the text to send. Nothing was sent.")
    ask, conversation = parse_message(message), make_conversation(settings)
    if ask:
        terms = parse_terms(args, settings.lifetime)
        return asked_results(conversation.ask(with_options(ask, args.get("additionalOptions") or ""), phone, terms))
    refuse_terms(args)
    sent = conversation.notify(phone, message)
    return CommandResults(
        outputs_prefix="AWS.SNS.SMS",
        outputs={"MessageId": sent.message_id, "PhoneNumber": phone},
        readable_output=f"The SMS was sent to {phone}. Its message ID is {sent.message_id}.",
    )


def refuse_terms(args: Mapping[str, str]) -> None:
    """InputError when a message that asks nothing comes with arguments that only a question can have."""
    given = [name for name in QUESTION_ARGUMENTS if args.get(name)]
    if given:
        raise InputError(
            f"{' and '.join(given)} can only go with a question, but the message has no entitlement. Nothing was sent. "
            f"Ask with the SMSAskUser automation, or leave out {'it' if len(given) == 1 else 'them'}."
        )


def asked_results(asked: Asked) -> CommandResults:
    question = asked.question
    codes = codes_text(question.codes)
    return CommandResults(
        outputs_prefix="AWS.SNS.SMS",
        outputs={
            "MessageId": asked.message_id,
            "PhoneNumber": question.phone,
            "Entitlement": str(question.entitlement),
            "ReplyCode": codes,
            "CodesToOptions": dict(question.codes),
        },
        readable_output=(
            f"The question was sent to {question.phone} with the reply codes {codes}. "
            f"Its message ID is {asked.message_id}."
        ),
    )


def list_entitlements(args: Mapping[str, str], settings: Settings) -> CommandResults:
    """aws-sns-sms-list-entitlements: open questions, newest first; the answered ones too when asked for."""
    phone = phone_number(args["phone_number"], "phone_number") if args.get("phone_number") else ""
    with_answered, now = flag(args, "show_answered"), time.time()
    state = make_conversation(settings).state()
    questions = [
        question
        for question in state.all()
        if phone in ("", question.phone) and (question.holds_codes_at(now) or (over(question, now) and with_answered))
    ]
    newest_first = sorted(questions, key=lambda question: question.created, reverse=True)
    rows = [entitlement_row(question, state.phone(question.phone), settings, now) for question in newest_first]
    about = f" of {phone}" if phone else ""
    table = tableToMarkdown(f"Entitlements{about}", rows, headers=list(entitlement_headers(rows)), removeNull=True)
    return CommandResults(
        outputs_prefix="AWS.SNS.SMS.Entitlement",
        outputs_key_field=["EntitlementID", "PhoneNumber"],
        outputs=rows,
        readable_output=table if rows else f"There are no {'' if with_answered else 'open '}questions{about}.",
    )


def over(question: Question, now: float) -> bool:
    return question.status_at(now) not in (Status.OPEN, Status.DELIVERING)


def flag(args: Mapping[str, str], name: str) -> bool:
    try:
        return argToBoolean(args.get(name) or "false")
    except ValueError as error:
        raise InputError(f'{name} is "{args[name]}", but it must be true or false.') from error


def entitlement_row(question: Question, phone: PhoneRecord, settings: Settings, now: float) -> dict[str, Any]:
    claim = question.claim
    return {
        "EntitlementID": str(question.entitlement),
        "PhoneNumber": question.phone,
        "Status": question.status_at(now).value,
        "ReplyCodes": codes_text(question.codes),
        "Message": question.text[:100],
        "Created": iso_time(question.created),
        "ExpiresAt": iso_time(question.expires),
        "RemindersLeft": reminders_left(question) if question.open_at(now) else 0,
        "DefaultResponse": question.terms.default or None,
        "AgeHours": round((now - question.created) / 3600, 2),
        "Answered": question.answered,
        "AnsweredAt": iso_time(claim.told_at if claim else None),
        "ChosenOption": claim.option if claim else None,
        "Error": claim.error or None if claim else None,
        "Locked": phone.locked_until(settings.max_wrong_replies, now) is not None,
        "OptedOut": phone.opted_out,
    }


def entitlement_headers(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    return rows[0].keys() if rows else ()


def cancel_entitlement(args: Mapping[str, str], settings: Settings) -> CommandResults:
    """aws-sns-sms-cancel-entitlement: open questions closed, their tasks completed with the response if any."""
    wanted_id = (args.get("entitlement_id") or "").strip().lower()
    phone = phone_number(args["phone_number"], "phone_number") if args.get("phone_number") else ""
    if not wanted_id and not phone:
        raise InputError("entitlement_id and phone_number are both empty, but at least one must say what to cancel.")

    def wanted(question: Question) -> bool:
        entitlement = question.entitlement
        return phone in ("", question.phone) and wanted_id in ("", entitlement.key, entitlement.guid.lower())

    response = (args.get("response") or "").strip()
    rows = [cancelled_row(outcome, response) for outcome in make_conversation(settings).cancel(wanted, response)]
    table = tableToMarkdown("Cancelled questions", rows, headers=list(entitlement_headers(rows)), removeNull=True)
    return CommandResults(
        outputs_prefix="AWS.SNS.SMS.Cancelled",
        outputs_key_field=["EntitlementID", "PhoneNumber"],
        outputs=rows,
        readable_output=table if rows else NOTHING_OPEN,
    )


def cancelled_row(outcome: Outcome, response: str) -> dict[str, Any]:
    question = outcome.verdict.match.question if outcome.verdict.match else None
    return {
        "EntitlementID": str(question.entitlement) if question else None,
        "PhoneNumber": outcome.verdict.reply.phone,
        "Response": (question.claim.option if question and question.claim else response) or None,
        "Error": outcome.error or None,
    }


def inject_reply(args: Mapping[str, str], settings: Settings) -> CommandResults:
    """aws-sns-sms-inject-reply: what a reply from the queue does, without AWS and without feedback texts."""
    phone = phone_number(args.get("phone_number") or "", "phone_number")
    text = args.get("reply_code") or ""
    conversation = make_conversation(replace(settings, feedback=False))
    outcome = conversation.answer([Reply(phone, text, f"{INJECTED}{uuid.uuid4()}")])[0]
    error = outcome.error if outcome.verdict.match else no_match(outcome.verdict, conversation.open_questions(phone))
    return injected_results(outcome.verdict, error)


def no_match(verdict: Verdict, questions: Sequence[Question]) -> str:
    """Why an injected reply answered nothing, with what would have."""
    phone = verdict.reply.phone
    if verdict.meaning is Meaning.IGNORED:
        return f"Replies from {phone} are ignored for now, as it sent too many wrong codes within an hour."
    codes = ", ".join(codes_text(question.codes, ", ") for question in questions)
    active = f"Its active codes are: {codes}." if codes else "It has no open questions."
    return f'"{verdict.reply.text}" is no reply code of {phone}. {active}'


def injected_results(verdict: Verdict, error: str) -> CommandResults:
    match = verdict.match
    entitlement = match.question.entitlement if match else Entitlement("", "")
    outputs = {
        "Success": not error,
        "PhoneNumber": verdict.reply.phone,
        "ReplyCode": match.code if match else verdict.reply.text,
        "ChosenOption": match.option if match else None,
        "EntitlementGUID": entitlement.guid or None,
        "IncidentID": entitlement.incident or None,
        "TaskID": entitlement.task or None,
        "Error": error or None,
    }
    told = error or f'The reply chose "{outputs["ChosenOption"]}" in incident {entitlement.incident}.'
    return CommandResults(outputs_prefix="AWS.SNS.SMS.TestReply", outputs=outputs, readable_output=told)


# ---------------------------------------------------------------- the long-running loop


class Health:
    """The text under the instance: one sentence for each thing that fails, empty when all is well.

    It is written when it changes only; a write that the server refused is made up for at the next change or check.
    """

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}
        self._shown: str | None = None

    def failing(self, what: str) -> bool:
        return what in self._failing

    def fails(self, what: str, sentence: str, *, exactly: bool = False) -> None:
        """Show and log the sentence, unless the one that is shown says the same; exactly: also what differs in a number
        only is news."""
        shown = self._failing.get(what, "")
        if sentence != shown and (exactly or gist(sentence) != gist(shown)):
            demisto.error(sentence)
            self._failing[what] = sentence
        self.show()

    def works(self, *things: str) -> None:
        for what in things:
            self._failing.pop(what, None)
        self.show()

    def show(self) -> None:
        text = " ".join(self._failing.values())
        if text == self._shown:
            return
        try:
            demisto.updateModuleHealth(text)
            self._shown = text
        except Exception as error:  # the server is busy: the poller must go on
            demisto.debug(f"The health of the instance could not be written: {brief(error)}")


def gist(sentence: str) -> str:
    """The sentence without words that hold a digit: AWS and XSOAR put times and request ids into an error, which
    differ each time."""
    return re.sub(r"\S*[0-9]\S*", "", sentence)


class Pause:
    """Seconds to wait after a failure: 1, 2, 4 and so on, to a minute and no further."""

    def __init__(self) -> None:
        self._next = 1.0

    def longer(self) -> float:
        seconds, self._next = self._next, min(LONGEST_PAUSE, self._next * 2)
        return seconds

    def reset(self) -> None:
        self._next = 1.0


class FeedbackDesk:
    """Sends feedback texts in threads, so that a slow SNS holds no reply up. One that fails is not sent again.

    Its failure is the health until a text goes out, or none was refused for an hour: there may be none to send.
    """

    def __init__(self, sender: SmsSender, clock: Callable[[], float] = time.monotonic) -> None:
        self._sender, self._clock = sender, clock
        self._failed_at = 0.0
        self._pool = ThreadPoolExecutor(FEEDBACK_THREADS)
        self._sending: list[Future[SentSms]] = []

    def send(self, outcomes: Iterable[Outcome]) -> None:
        self.send_texts(text for outcome in outcomes for text in outcome.texts)

    def send_texts(self, texts: Iterable[Sms]) -> None:
        self._sending += [self._pool.submit(self._sender.send, text.phone, text.text) for text in texts]

    def report(self, health: Health) -> None:
        """Say how the texts went that ended since the last report; the main thread calls it, as it logs."""
        ended = {future for future in self._sending if future.done()}
        self._sending = [future for future in self._sending if future not in ended]
        errors = [error for error in (future.exception() for future in ended) if error]
        for error in errors:
            health.fails("feedback", f"A feedback SMS could not be sent, the answer stands: {brief_sentence(error)}")
            self._failed_at = self._clock()
        if not errors and (ended or self._clock() > self._failed_at + HOUR):
            health.works("feedback")


class Poller:
    """Takes replies from the queue for as long as the instance is enabled. It survives every error."""

    def __init__(
        self,
        settings: Settings,
        queue: ReplyQueue,
        conversation: Conversation,
        desk: FeedbackDesk,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._queue, self._conversation, self._desk = settings, queue, conversation, desk
        self._sleep, self._clock = sleep, clock
        self._health, self._pause, self._claims_pause = Health(), Pause(), Pause()
        self._time_due, self._claims_due, self._claims_min_age = 0.0, 0.0, 0.0
        self._behind, self._behind_since = True, clock()
        self._malformed = 0
        self._undeleted: list[Received] = []

    def run(self) -> None:
        """Poll for ever."""
        while True:
            try:
                self.poll()
                self._pause.reset()
            except Exception as error:
                self._health.fails(*problem(error))
                self._time_due, self._behind = self._clock(), isinstance(error, StateError)
                if self._behind:
                    self._claims_due, self._behind_since = self._clock(), self._clock()
                self._sleep(self._pause.longer())

    def poll(self) -> None:
        """One poll: what time brings is done, then what the queue brings within its wait is handled.

        At the start, and after the context failed, it is the other way round for ends and reminders: a reply that came
        meanwhile answers first.
        """
        self._check_context()
        retry = self._clock() >= self._claims_due
        if retry or self._clock() >= self._time_due:
            min_age = self._claims_min_age if retry else None
            self._look_after(self._conversation.look_after(min_age, ends=not self._behind), retried=retry)
        messages = self._queue.receive(self._wait())
        self._health.works("AWS")
        self._handle(messages)
        self._watch_backlog(messages)
        self._health.works("poller")
        self._desk.report(self._health)

    def _check_context(self) -> None:
        """After a failure take nothing off the queue before the context is written again: each time that a message is
        taken in vain brings it closer to the dead-letter queue."""
        if self._health.failing("integration context"):
            self._conversation.check_context()
            self._health.works("integration context")

    def _watch_backlog(self, messages: Sequence[Received]) -> None:
        """Be behind until the queue brings less than it could, for one poll interval at most."""
        full, late = len(messages) >= RECEIVE_COUNT, self._clock() >= self._behind_since + self._settings.poll_seconds
        if self._behind and (late or not full):
            self._behind, self._time_due = False, self._clock()

    def _wait(self) -> int:
        """Seconds to wait for a reply: the poll interval, but no longer than until a claim or a question is due."""
        due = self._clock() if self._behind else min(self._claims_due, self._time_due)
        return max(1, min(self._settings.poll_seconds, math.ceil(due - self._clock())))

    def _look_after(self, sweep: Sweep, *, retried: bool) -> None:
        """Only a look at all claims tells that XSOAR takes answers again. One that it refuses holds up no other
        question: what time brings is looked for at every poll."""
        self._desk.send_texts(sweep.reminders)
        self._time_due = self._clock() + min(self._settings.poll_seconds, sweep.next_in)
        if sweep.locked:
            text = LOCKED.format(phones=", ".join(map(lock_text, sweep.locked.items())))
            self._health.fails("locks", text, exactly=True)
        else:
            self._health.works("locks")
        error = self._deliver(sweep.outcomes)
        if error:
            self._health.fails("XSOAR", error)
        elif retried:
            self._health.works("XSOAR")
            self._claims_pause.reset()
            self._claims_due, self._claims_min_age = self._clock() + CLAIM_GRACE, CLAIM_GRACE

    def _deliver(self, outcomes: Sequence[Outcome]) -> str:
        """Send feedback; the first error of telling XSOAR, after which the claims are looked after again soon."""
        self._desk.send(outcomes)
        error = next((outcome.error for outcome in outcomes if outcome.error), "")
        if error:
            self._claims_due, self._claims_min_age = self._clock() + self._claims_pause.longer(), 0.0
        return error

    def _handle(self, messages: Sequence[Received]) -> None:
        """Answer with the replies among the messages, oldest first, then delete what is done with."""
        replies, malformed = sort_messages(messages)
        outcomes = self._conversation.answer([reply for _, reply in replies]) if replies else []
        self._watch_xsoar(self._deliver(outcomes), outcomes)
        self._watch_locks(outcomes)
        self._delete([message for (message, _), outcome in zip(replies, outcomes, strict=False) if outcome.done])
        self._reject(malformed)

    def _watch_xsoar(self, error: str, outcomes: Sequence[Outcome]) -> None:
        """Show that XSOAR refuses answers; when it takes them again, look after those it refused at the next poll."""
        if not self._health.failing("XSOAR"):
            if error:
                self._health.fails("XSOAR", error)
        elif not error and any(outcome.verdict.meaning is Meaning.ANSWER for outcome in outcomes):
            self._claims_due = self._clock()

    def _watch_locks(self, outcomes: Sequence[Outcome]) -> None:
        """Show a lock as health at the next poll, and log what a locked phone sends."""
        meanings = [outcome.verdict.meaning for outcome in outcomes]
        if Meaning.WRONG in meanings and self._settings.max_wrong_replies:
            self._claims_due = self._clock()
        if Meaning.IGNORED in meanings:
            demisto.error(f"{meanings.count(Meaning.IGNORED)} replies of locked phones were ignored.")

    def _delete(self, messages: Sequence[Received]) -> None:
        """Delete the messages, and the last of those that AWS did not let go of before. That AWS refuses it is shown,
        but holds no reply up: a message that comes again changes nothing."""
        self._undeleted = [*self._undeleted, *messages][-BATCH:]
        if not self._undeleted:
            return
        try:
            failed = self._queue.delete(self._undeleted)
        except AwsError as error:
            self._health.fails("deleting", f"Replies stay on the queue, their answers stand: {error}")
            return
        self._undeleted = []
        self._health.works("deleting")
        if failed:
            demisto.info(f"{failed} messages of the queue were not deleted; they will come again and change nothing.")

    def _reject(self, malformed: Sequence[tuple[Received, NotAReply]]) -> None:
        """Leave what is no reply to the dead-letter queue; without one delete it: it can never have an effect."""
        if not malformed:
            return
        self._malformed += len(malformed)
        reasons = "; ".join(sorted({str(reason) for _, reason in malformed}))
        demisto.error(
            f"{len(malformed)} messages of the queue are no replies: {reasons}. Since the start: {self._malformed}."
        )
        if not self._queue.has_dead_letter_queue():
            self._delete([message for message, _ in malformed])


def sort_messages(
    messages: Iterable[Received],
) -> tuple[list[tuple[Received, Reply]], list[tuple[Received, NotAReply]]]:
    """The replies among the messages, oldest first, and the messages that are none, with the reason."""
    replies, malformed = [], []
    for message in messages:
        try:
            replies.append((message, parse_reply(message)))
        except NotAReply as reason:
            malformed.append((message, reason))
    return sorted(replies, key=lambda pair: pair[1].arrived or 0), malformed


def lock_text(lock: tuple[str, float]) -> str:
    return f"{mask(lock[0])} until {iso_time(lock[1])}"


def problem(error: Exception) -> tuple[str, str]:
    """What failed, and the sentence about it."""
    if isinstance(error, AwsError):
        return "AWS", str(error)
    if isinstance(error, StateError):
        return "integration context", str(error)
    return "poller", str(error) if isinstance(error, SmsError) else f"The poller failed and goes on: {brief(error)}."


def run_poller(params: Mapping[str, Any]) -> None:
    """long-running-execution. It never returns: parameters that cannot be used are its health until they are changed,
    at which the server starts it anew."""
    health = Health()
    while True:
        try:
            settings = read_settings(params)
            break
        except SettingsError as error:
            health.fails("parameters", str(error))
            time.sleep(LONGEST_PAUSE)
    aws, store = Aws(settings), QuestionStore()
    sender = SmsSender(aws, settings)
    Poller(settings, ReplyQueue(aws, settings), Conversation(settings, store, sender), FeedbackDesk(sender)).run()


# ---------------------------------------------------------------- main


def main() -> None:
    gc.freeze()  # what the imports made stays: a collection in the middle of a command need not walk through it
    command = demisto.command()
    try:
        params, args = demisto.params(), demisto.args()
        handle_proxy()
        commands: dict[str, Callable[[], Any]] = {
            "long-running-execution": lambda: run_poller(params),
            "test-module": lambda: check_instance(read_settings(params)),
            "send-notification": lambda: send_notification(args, read_settings(params)),
            "aws-sns-sms-send-notification": lambda: send_notification(args, read_settings(params)),
            "aws-sns-sms-list-entitlements": lambda: list_entitlements(args, read_settings(params)),
            "aws-sns-sms-cancel-entitlement": lambda: cancel_entitlement(args, read_settings(params)),
            "aws-sns-sms-inject-reply": lambda: inject_reply(args, read_settings(params)),
        }
        if command not in commands:
            raise NotImplementedError(f"{command} is not a command of {BRAND}.")  # noqa: TRY301
        return_results(commands[command]())
    except Exception as error:
        expected = isinstance(error, (SmsError, NotImplementedError))
        return_error(str(error) if expected else f"{command} failed: {brief(error)}.")


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
