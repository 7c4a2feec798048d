"""The integration, section by section as in the module: what each accepts, what it refuses and with which sentence.

A question is followed from the arguments of a command to the text on the phone, and a reply from the body of an SQS
message to the call that resumes the playbook. What needs a second process stands in `tests/`.
"""

# Full-width and typographic characters are what some of the texts are about.
# ruff: noqa: N813, RUF001

import demistomock as demisto

import contextlib
import importlib.util
import io
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import AWSSNSSMSCommunication as sms
import botocore.session
import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

# ---------------------------------------------------------------- builders

PHONE, OTHER_PHONE = "+14255550182", "+14255550183"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/sms-replies"
GUID = "2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f20"
NOW = 1767225600.0  # 2026-01-01T00:00:00Z
DAY = 86400.0
FAILURE = "We couldn't process your response. Please respond with one of the available reply codes: "


def params(**changes: Any) -> dict[str, Any]:
    return {"sqsQueueUrl": QUEUE, "credentials": {"identifier": "AKIAEXAMPLE", "password": "s3cr3t"}, **changes}


def settings(**changes: Any) -> sms.Settings:
    return sms.read_settings(params(**changes))


def entitlement(number: int = 1, incident: str = "77", task: str = "3") -> sms.Entitlement:
    return sms.Entitlement(f"{number:08}-0000-4000-8000-000000000000", incident, task)


def claim(option: str = "Yes", code: str = "1234", **changes: Any) -> sms.Claim:
    return sms.Claim(option, code, **{"reply_id": "r-1", "at": NOW, **changes})


def question(number: int = 1, phone: str = PHONE, **changes: Any) -> sms.Question:
    fields = {"text": "Restart db-7?", "codes": {"1234": "Yes", "5678": "No"}, "created": NOW, "expires": NOW + DAY}
    return sms.Question(entitlement=entitlement(number), phone=phone, **{**fields, **changes})


def state(*questions: sms.Question) -> sms.State:
    result = sms.State()
    for each in questions:
        result = result.put(each)
    return result


def remembered(number: str = PHONE, **changes: Any) -> sms.State:
    """A state that holds nothing but what is remembered of a phone; its times are the events' own."""
    return sms.State().remember(number, sms.PhoneRecord(**changes))


def events(*numbers: int, at: float = NOW) -> tuple[sms.Event, ...]:
    return tuple(sms.Event(f"in-{number}", at) for number in numbers)


def reply(text: str = "1234", reply_id: str = "r-1", phone: str = PHONE, arrived: float | None = None) -> sms.Reply:
    return sms.Reply(phone, text, reply_id, arrived)


def payload(text: Any = "1234", **changes: Any) -> dict[str, Any]:
    return {"originationNumber": PHONE, "messageBody": text, "inboundMessageId": "in-1", **changes}


def envelope(message: Any, **changes: Any) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    topic = {"TopicArn": "arn:aws:sns:us-east-1:123456789012:sms-replies", "SignatureVersion": "1", "Signature": "c2ln"}
    stamps = {"Type": "Notification", "MessageId": "sns-1", "Timestamp": "2026-01-01T00:00:01.500Z"}
    return {**stamps, **topic, "Message": text, **changes}


def received(body: Any, number: int = 1, sent_at: float | None = NOW) -> sms.Received:
    text = body if isinstance(body, str) else json.dumps(body)
    return sms.Received(f"handle-{number}", f"sqs-{number}", text, sent_at)


def sms_ask_user() -> ModuleType:
    """The automation of this pack, as a module."""
    path = Path(__file__).parents[2] / "Scripts/SMSAskUser/SMSAskUser.py"
    spec = importlib.util.spec_from_file_location("SMSAskUser", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(code: str, status: int = 400, operation: str = "Publish", message: str = "No.") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


def text_of(outcome: sms.Outcome) -> str:
    """The one text of an outcome; empty when it has none."""
    [text] = outcome.texts or (sms.Sms(PHONE, ""),)
    assert text.phone == outcome.verdict.reply.phone
    return text.text


def first(free: Sequence[int], count: int) -> Sequence[int]:
    """A draw that is no draw: the smallest free numbers."""
    return free[:count]


class Crash(BaseException):
    """The container is killed here."""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Server:
    """Stands for the server behind `demisto`: a versioned context, entitlements, logs, health and the war room.

    `meanwhile` holds what other containers do just before the next writes, `fail` the errors of the next calls by name.
    """

    def __init__(self) -> None:
        self.context: dict[str, Any] = {}
        self.version = 1
        self.reads, self.writes = 0, 0
        self.meanwhile: list[Callable[[], None]] = []
        self.fail: dict[str, list[BaseException | None]] = {}
        self.told: list[tuple[str, ...]] = []
        self.errors: list[str] = []
        self.infos: list[str] = []
        self.debugs: list[str] = []
        self.health: list[str] = []
        self.entries: list[Any] = []

    def read(self, refresh: bool) -> dict[str, Any]:
        self._fail("read")
        assert refresh, "a cached context may be old"
        self.reads += 1
        return {"context": dict(self.context), "version": self.version}

    def write(self, context: dict[str, Any], version: int, sync: bool) -> None:
        self._fail("write")
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if version != self.version:
            raise ValueError("stored version is newer")
        assert sync, "a write that is not synced may be lost"
        self.context, self.version, self.writes = dict(context), self.version + 1, self.writes + 1
        self._fail("written")

    def tell(self, *answer: str) -> None:
        self._fail("tell")
        self.told.append(answer)
        self._fail("told")

    def update_health(self, text: str) -> None:
        self._fail("health")
        self.health.append(text)

    def _fail(self, call: str) -> None:
        error = self.fail[call].pop(0) if self.fail.get(call) else None
        if error:
            raise error

    def store(self, *questions: sms.Question) -> None:
        """As another container writes it."""
        self.context, self.version = {**self.context, **sms.write_state(state(*questions))}, self.version + 1

    @property
    def state(self) -> sms.State:
        return sms.read_state(self.context)

    @property
    def questions(self) -> list[sms.Question]:
        return list(self.state.all())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    replaced: dict[str, Any] = {
        "getIntegrationContextVersioned": server.read,
        "setIntegrationContextVersioned": server.write,
        "handleEntitlementForUser": server.tell,
        "updateModuleHealth": server.update_health,
        "results": server.entries.append,
        "error": server.errors.append,
        "info": server.infos.append,
        "debug": server.debugs.append,
    }
    for name, function in replaced.items():
        monkeypatch.setattr(demisto, name, function)
    return server


class FakeAws:
    """Stands for Aws: a client whose publish takes the errors of `fail` in turn and records the texts that left.

    `date` is the Date header of its answers, `opted_out` what it says of a phone: an exception is raised.
    """

    def __init__(self, *fail: Exception | None) -> None:
        self.fail = list(fail)
        self.date: str | None = "Thu, 01 Jan 2026 00:00:00 GMT"
        self.opted_out: dict[str, bool | Exception] = {}
        self.checked: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.before_publish: Callable[[], None] = lambda: None

    def client(self, service: str, attempts: int, longest_wait: float = 0) -> Any:
        assert (service, attempts, longest_wait) == ("sns", 1, 0)
        return self

    def check_if_phone_number_is_opted_out(self, **request: str) -> dict[str, bool]:
        self.checked.append(request["phoneNumber"])
        told = self.opted_out.get(request["phoneNumber"], False)
        if isinstance(told, Exception):
            raise told
        return {"isOptedOut": told}

    def publish(self, **request: Any) -> dict[str, Any]:
        self.before_publish()
        error = self.fail.pop(0) if self.fail else None
        if error:
            raise error
        self.texts.append((request["PhoneNumber"], request["Message"]))
        headers = {"date": self.date} if self.date is not None else {}
        return {"MessageId": f"m-{len(self.texts)}", "ResponseMetadata": {"HTTPHeaders": headers}}


def talk_of(chosen: sms.Settings, aws: Any, clock: Clock, draw: Any = first) -> sms.Conversation:
    return sms.Conversation(
        chosen, sms.QuestionStore(clock.sleep), sms.SmsSender(aws, chosen, clock.sleep), clock, draw
    )


def conversation(aws: Any, clock: Clock, draw: Any = first, **changes: Any) -> sms.Conversation:
    return talk_of(settings(**changes), aws, clock, draw)


# ---------------------------------------------------------------- settings


def test_settings_with_only_a_queue_have_the_defaults_of_the_specification() -> None:
    # Given an instance with nothing but the required parameters
    # When its parameters are read
    read = sms.read_settings({"sqsQueueUrl": QUEUE, "defaultRegion": "us-east-1"})
    # Then everything else has its default
    assert read == sms.Settings(
        region="us-east-1",
        queue_url=QUEUE,
        access_key="",
        secret_key="",
        role_arn="",
        role_session_name="xsoar-sms",
        role_session_seconds=900,
        role_external_id="",
        sts_endpoint="regional",
        read_timeout=60.0,
        connect_timeout=10.0,
        retries=5,
        poll_seconds=10,
        lifetime=86400.0,
        code_mode="random",
        origination_number="",
        sender_id="",
        sms_type="Transactional",
        feedback=True,
        success_template="{reply_code} - Thank you for your response!",
        failure_template="We couldn't process your response. Please respond with one of the available reply codes: "
        "{available_codes}",
        max_wrong_replies=10,
        proxy=False,
        insecure=False,
    )


def test_settings_left_empty_are_the_same_as_settings_left_out() -> None:
    # Given every text emptied and every checkbox without a value, as XSOAR hands them over
    empty = dict.fromkeys(sms.PARAMETERS, "") | {"credentials": {"identifier": "", "password": ""}, "proxy": None}
    # When read, Then nothing differs from an instance without them
    assert sms.read_settings({**empty, "sqsQueueUrl": QUEUE}) == sms.read_settings({"sqsQueueUrl": QUEUE})


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        pytest.param(
            {"roleArn": "arn:aws:iam::123456789012:role/sms"}, "role_arn", "arn:aws:iam::123456789012:role/sms"
        ),
        pytest.param(
            {"roleArn": "arn:aws-us-gov:iam::123456789012:role/a/b"},
            "role_arn",
            "arn:aws-us-gov:iam::123456789012:role/a/b",
        ),
        pytest.param({"roleSessionName": "soc@example.com"}, "role_session_name", "soc@example.com"),
        pytest.param({"sessionDuration": "43200"}, "role_session_seconds", 43200),
        pytest.param({"roleExternalId": "ext:id/1"}, "role_external_id", "ext:id/1"),
        pytest.param({"timeout": "30"}, "read_timeout", 30.0),
        pytest.param({"timeout": "30"}, "connect_timeout", 10.0, id="connect timeout left out"),
        pytest.param({"timeout": " 30 , 2.5 "}, "connect_timeout", 2.5),
        pytest.param({"retries": "0"}, "retries", 0),
        pytest.param({"retries": "10"}, "retries", 10),
        pytest.param({"sts_regional_endpoint": "legacy"}, "sts_endpoint", "legacy"),
        pytest.param({"pollInterval": "1"}, "poll_seconds", 1),
        pytest.param({"pollInterval": "20"}, "poll_seconds", 20),
        pytest.param({"pollInterval": "300"}, "poll_seconds", 20, id="long poll interval is 20"),
        pytest.param({"entitlementTTL": "0.5"}, "lifetime", 1800.0, id="half an hour"),
        pytest.param({"entitlementTTL": "168"}, "lifetime", 604800.0, id="a week"),
        pytest.param({"replyCodeMode": "sequential"}, "code_mode", "sequential"),
        pytest.param({"originationNumber": "+1 (425) 555-0100"}, "origination_number", "+14255550100"),
        pytest.param({"originationNumber": "24273"}, "origination_number", "24273", id="short code"),
        pytest.param({"senderId": "ACME-SOC"}, "sender_id", "ACME-SOC"),
        pytest.param({"smsType": "Promotional"}, "sms_type", "Promotional"),
        pytest.param({"replyFeedbackEnabled": False}, "feedback", False),
        pytest.param({"successMessage": "Got {{{chosen_option}}}"}, "success_template", "Got {{{chosen_option}}}"),
        pytest.param({"successMessage": "Thanks"}, "success_template", "Thanks", id="no variable"),
        pytest.param({"failureMessage": "{phone_number}?"}, "failure_template", "{phone_number}?"),
        pytest.param({"maxWrongReplies": "0"}, "max_wrong_replies", 0),
        pytest.param({"maxWrongReplies": "1000"}, "max_wrong_replies", 1000),
        pytest.param({"proxy": True}, "proxy", True),
        pytest.param({"insecure": True}, "insecure", True),
        pytest.param({"sqsQueueUrl": f"  {QUEUE}\n"}, "queue_url", QUEUE, id="white space around"),
    ],
)
def test_parameter_that_can_be_used_is_taken(given: dict[str, Any], field: str, value: Any) -> None:
    # Given one parameter, When read, Then its setting has the value
    assert getattr(settings(**given), field) == value


QUEUE_SENTENCE = "the URL of a queue such as https://sqs.us-east-1.amazonaws.com/123456789012/sms-replies."
NUMBER_SENTENCE = "a phone number such as +14255550100 or a short code of 5 or more digits."
TIMEOUT_SENTENCE = "a read timeout and optionally a connect timeout in seconds, up to 3600, such as 60,10."
HOURS_SENTENCE = "a number of hours above 0 and up to 8760 such as 24 or 0.5."
EXTERNAL_ID_SENTENCE = "2 to 1224 of the characters a-z A-Z 0-9 _+=,.@:/-."
SENDER_SENTENCE = "1 to 11 letters, digits and hyphens with at least one letter."
SUCCESS_SENTENCE = "a text with no variables but {reply_code} {chosen_option} {phone_number}"
FAILURE_SENTENCE = "a text with no variables but {available_codes} {phone_number}"
BRACES_SENTENCE = " (a brace of its own is written twice: {{ or }})."


@pytest.mark.parametrize(
    ("name", "value", "display", "accepted"),
    [
        ("defaultRegion", "US East", "AWS Default Region", "the name of an AWS Region such as us-east-1."),
        ("roleArn", "sms-role", "Role Arn", "the ARN of an IAM role."),
        ("roleArn", "arn:aws:iam::123456789012:user/sms", "Role Arn", "the ARN of an IAM role."),
        ("roleSessionName", "x", "Role Session Name", "2 to 64 of the characters a-z A-Z 0-9 _+=,.@-."),
        ("roleSessionName", "the soc", "Role Session Name", "2 to 64 of the characters a-z A-Z 0-9 _+=,.@-."),
        ("sessionDuration", "899", "Role Session Duration", "a whole number from 900 to 43200."),
        ("sessionDuration", "43201", "Role Session Duration", "a whole number from 900 to 43200."),
        ("sessionDuration", "1h", "Role Session Duration", "a whole number from 900 to 43200."),
        ("roleExternalId", "x", "Role External ID", EXTERNAL_ID_SENTENCE),
        ("sqsQueueUrl", "", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "sms-replies", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "arn:aws:sqs:us-east-1:123456789012:sms-replies", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "https://sqs.us-east-1.amazonaws.com/", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "https://sqs.us-east-1.amazonaws.com/1/a b", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "ftp://127.0.0.1/queue", "SQS Queue URL", QUEUE_SENTENCE),
        ("sqsQueueUrl", "http://[::1/queue", "SQS Queue URL", QUEUE_SENTENCE),
        ("timeout", "soon", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "60,", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "60,10,5", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "0", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "-5", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "3601", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "nan", "Timeout", TIMEOUT_SENTENCE),
        ("timeout", "1e2", "Timeout", TIMEOUT_SENTENCE),
        ("retries", "11", "Retries", "a whole number from 0 to 10."),
        ("retries", "-1", "Retries", "a whole number from 0 to 10."),
        ("retries", "2.5", "Retries", "a whole number from 0 to 10."),
        ("retries", "many", "Retries", "a whole number from 0 to 10."),
        ("retries", "٣", "Retries", "a whole number from 0 to 10."),
        ("sts_regional_endpoint", "global", "AWS STS Regional Endpoints", "legacy or regional."),
        ("pollInterval", "0", "Poll Interval (seconds)", "a whole number from 1 up."),
        ("pollInterval", "-3", "Poll Interval (seconds)", "a whole number from 1 up."),
        ("pollInterval", "ten", "Poll Interval (seconds)", "a whole number from 1 up."),
        ("entitlementTTL", "0", "Entitlement TTL (hours)", HOURS_SENTENCE),
        ("entitlementTTL", "-1", "Entitlement TTL (hours)", HOURS_SENTENCE),
        ("entitlementTTL", "a day", "Entitlement TTL (hours)", HOURS_SENTENCE),
        ("entitlementTTL", "inf", "Entitlement TTL (hours)", HOURS_SENTENCE),
        ("entitlementTTL", "8761", "Entitlement TTL (hours)", HOURS_SENTENCE),
        ("replyCodeMode", "Random", "Reply Code Mode", "random or sequential."),
        ("originationNumber", "two-way", "Origination Number", NUMBER_SENTENCE),
        ("originationNumber", "2427", "Origination Number", NUMBER_SENTENCE),
        ("senderId", "ACME SOC", "Sender ID", SENDER_SENTENCE),
        ("senderId", "ACMESECURITY", "Sender ID", SENDER_SENTENCE),
        ("senderId", "12345", "Sender ID", SENDER_SENTENCE),
        ("smsType", "Marketing", "SMS Type", "Transactional or Promotional."),
        ("replyFeedbackEnabled", "perhaps", "Enable Reply Feedback SMS", "true or false."),
        ("maxWrongReplies", "-1", "Wrong Replies Allowed Per Hour", "a whole number from 0 to 1000."),
        ("maxWrongReplies", "1001", "Wrong Replies Allowed Per Hour", "a whole number from 0 to 1000."),
        ("maxWrongReplies", "few", "Wrong Replies Allowed Per Hour", "a whole number from 0 to 1000."),
        ("proxy", "perhaps", "Use system proxy settings", "true or false."),
        ("insecure", "perhaps", "Trust any certificate (not secure)", "true or false."),
        ("successMessage", "Thanks {name}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "Thanks {available_codes}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "Thanks {}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "Thanks {0}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "{reply_code!r}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "{reply_code:>999}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "{reply_code.__class__}", "Success Message Template", SUCCESS_SENTENCE + "."),
        ("successMessage", "Thanks }", "Success Message Template", SUCCESS_SENTENCE + BRACES_SENTENCE),
        ("failureMessage", "Try {", "Failure Message Template", FAILURE_SENTENCE + BRACES_SENTENCE),
        ("failureMessage", "Try {reply_code}", "Failure Message Template", FAILURE_SENTENCE + "."),
    ],
)
def test_parameter_that_cannot_be_used_is_named_with_what_was_given_and_what_is_accepted(
    name: str, value: str, display: str, accepted: str
) -> None:
    # Given one parameter that cannot be used
    # When the parameters are read
    with pytest.raises(sms.SettingsError) as error:
        settings(**{name: value})
    # Then the sentence has its displayed name, the value and what is accepted
    assert str(error.value) == f'{display} is "{value}", but it must be {accepted}'


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        pytest.param(
            {"identifier": "AKIAEXAMPLE", "password": ""},
            "AWS Access Key ID was given without AWS Secret Access Key, but it must be both or neither; "
            "neither means the AWS role of the machine.",
            id="no secret",
        ),
        pytest.param(
            {"password": "s3cr3t"},
            "AWS Secret Access Key was given without AWS Access Key ID, but it must be both or neither; "
            "neither means the AWS role of the machine.",
            id="no key",
        ),
    ],
)
def test_half_a_key_pair_is_refused_without_its_value(credentials: dict[str, str], sentence: str) -> None:
    # Given half a key pair, When read
    with pytest.raises(sms.SettingsError) as error:
        settings(credentials=credentials)
    # Then the sentence names both halves and shows neither
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("credentials", "pair"),
    [
        pytest.param({"identifier": " AKIAEXAMPLE ", "password": "s3cr3t\n"}, ("AKIAEXAMPLE", "s3cr3t"), id="both"),
        pytest.param({"identifier": "", "password": ""}, ("", ""), id="neither"),
        pytest.param({}, ("", ""), id="empty"),
        pytest.param(None, ("", ""), id="not given"),
    ],
)
def test_both_keys_or_neither_are_taken(credentials: Any, pair: tuple[str, str]) -> None:
    # Given a whole key pair or none, When read, Then it is taken, without the white space of copy and paste
    read = settings(credentials=credentials)
    assert (read.access_key, read.secret_key) == pair


def test_secrets_are_never_in_the_repr_of_settings() -> None:
    # Given an instance with keys and an external ID
    read = settings(credentials={"identifier": "AKIAEXAMPLE", "password": "s3cr3t"}, roleExternalId="external-9")
    # When its settings are printed, Then neither of the three is there
    assert "AKIAEXAMPLE" not in repr(read)
    assert "s3cr3t" not in repr(read)
    assert "external-9" not in repr(read)


@pytest.mark.parametrize(
    ("region", "url"),
    [
        pytest.param("eu-west-1", "https://sqs.eu-west-1.amazonaws.com/123456789012/q", id="standard"),
        pytest.param("us-east-1", "https://SQS.US-EAST-1.amazonaws.com/123456789012/q", id="upper case"),
        pytest.param("us-east-1", "https://queue.amazonaws.com/123456789012/q", id="legacy, no region"),
        pytest.param("us-west-2", "https://us-west-2.queue.amazonaws.com/123456789012/q", id="legacy with region"),
        pytest.param("cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", id="China"),
        pytest.param(
            "us-gov-west-1", "https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q", id="GovCloud, FIPS"
        ),
        pytest.param("us-east-1", "https://sqs.us-east-1.api.aws/123456789012/q", id="dual stack"),
        pytest.param("us-east-1", "https://vpce-0a1b-2c3d.sqs.us-east-1.vpce.amazonaws.com/1/q", id="VPC endpoint"),
        pytest.param(
            "us-east-1", "https://vpce-0a1b-us-east-1a.sqs.us-east-1.vpce.amazonaws.com/1/q", id="zonal endpoint"
        ),
        pytest.param("ap-southeast-2", "http://localhost:4566/000000000000/q", id="localhost"),
        pytest.param("ap-southeast-2", "http://127.0.0.1:5000/123456789012/q", id="IPv4"),
        pytest.param("ap-southeast-2", "http://[::1]:5000/123456789012/q", id="IPv6"),
        pytest.param("ap-southeast-2", "https://sqs.example.com/123456789012/q", id="a host of one's own"),
        pytest.param("eu-central-1", "http://sqs.eu-central-1.localhost.localstack.cloud:4566/1/q", id="localstack"),
    ],
)
def test_queue_of_the_default_region_or_of_no_telling_host_is_accepted(region: str, url: str) -> None:
    # Given a queue URL whose host tells the default region or none, When read, Then it is taken as it is
    assert settings(defaultRegion=region, sqsQueueUrl=url).queue_url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("https://sqs.eu-west-1.amazonaws.com/123456789012/q", "eu-west-1", id="standard"),
        pytest.param("https://us-west-2.queue.amazonaws.com/123456789012/q", "us-west-2", id="legacy"),
        pytest.param("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1", id="China"),
        pytest.param("https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1", id="GovCloud, FIPS"),
        pytest.param("https://vpce-0a-b.sqs.us-east-2.vpce.amazonaws.com/1/q", "us-east-2", id="VPC endpoint"),
        pytest.param("http://sqs.eu-central-1.localhost.localstack.cloud:4566/1/q", "eu-central-1", id="localstack"),
        pytest.param(
            "https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/q", "eusc-de-east-1", id="European Sovereign Cloud"
        ),
    ],
)
def test_queue_of_another_region_is_refused_with_both_regions(url: str, told: str) -> None:
    # Given a queue in another region than the default one, When read
    with pytest.raises(sms.SettingsError) as error:
        settings(defaultRegion="us-east-1", sqsQueueUrl=url)
    # Then the sentence tells both
    assert str(error.value) == (
        f'SQS Queue URL is "{url}", but it must be a queue in the AWS Default Region us-east-1; this one is in {told}.'
    )


def test_queue_behind_a_host_whose_name_looks_like_a_region_is_accepted() -> None:
    # Given a host that tells no region, but has a name with hyphens and a number, When read, Then it is accepted
    assert settings(sqsQueueUrl="https://my-proxy-1.example.com/123456789012/q").queue_url


def test_poll_interval_of_ten_digits_is_treated_as_twenty() -> None:
    # Given a very long interval, When read, Then it is 20 as any larger number
    assert settings(pollInterval="3000000000").poll_seconds == 20


def test_module_import_reads_nothing_and_every_parameter_of_the_yaml_is_known() -> None:
    # Given the parameters that the instance form shows
    form = Path(__file__).with_name("AWSSNSSMSCommunication.yml").read_text().split("\nscript:")[0]
    shown = [line.split("name: ")[1] for line in form.splitlines() if line.startswith("  name: ")]
    # When compared with those that are checked, Then all are, but the switch of the poller, which the server reads
    assert set(shown) == {*sms.PARAMETERS, "credentials", "longRunning"}


def test_defaults_of_the_yaml_are_those_of_the_code_and_the_readme_has_every_parameter() -> None:
    # Given the instance form and the README
    folder = Path(__file__).parent
    form = yaml.safe_load((folder / "AWSSNSSMSCommunication.yml").read_text())["configuration"]
    readme = (folder / "README.md").read_text()
    # When compared with the code, Then displays and defaults are the same, and the README has a row for each
    known = {item["name"]: item for item in form if item["name"] in sms.PARAMETERS}
    assert {name: item["display"] for name, item in known.items()} == {
        name: parameter.display for name, parameter in sms.PARAMETERS.items()
    }
    optional = {name: str(item["defaultvalue"]) for name, item in known.items() if item.get("defaultvalue")}
    assert optional == {name: sms.PARAMETERS[name].default for name in optional}
    assert optional["maxWrongReplies"] == "10"
    assert [item["display"] for item in known.values() if f"| {item['display']} |" not in readme] == []


# ---------------------------------------------------------------- domain


NOT_E164 = (
    "but it must be a phone number in E.164: a plus sign and 7 to 15 digits, the first not 0, such as +14255550182."
)


@pytest.mark.parametrize(
    "written",
    [
        "+14255550182",
        "+1 425 555 0182",
        "+1 (425) 555-0182",
        "+1.425.555.0182",
        " +1425-555-0182 ",
        pytest.param("+1\u00a0425\u2011555\u20130182", id="no-break space, typographic dashes"),
    ],
)
def test_phone_number_with_what_people_write_in_it_is_e164(written: str) -> None:
    # Given a number as people write it, When read, Then only plus and digits are left
    assert sms.phone_number(written, "to") == "+14255550182"


@pytest.mark.parametrize("number", ["+1234567", "+123456789012345"])
def test_phone_number_of_seven_to_fifteen_digits_is_accepted(number: str) -> None:
    # Given the shortest and the longest, When read, Then they are taken
    assert sms.phone_number(number, "to") == number


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("14255550182", "14255****82", id="no plus"),
        pytest.param("+04255550182", "+0425*****82", id="first digit 0"),
        pytest.param("+123456", "+123456", id="six digits"),
        pytest.param("+1234567890123456", "+1234**********56", id="sixteen digits"),
        pytest.param("+1425555o182", "+1425***o*82", id="a letter in it"),
        pytest.param("++14255550182", "++142******82", id="two plus signs"),
        pytest.param("+１４２５５５５０１８２", "+１４２５*****８２", id="full-width digits"),
        pytest.param("+14255550182,+14255550183", "+1425*******,+*********83", id="two numbers"),
        pytest.param("the boss", "the boss", id="a name"),
    ],
)
def test_phone_number_that_is_not_e164_is_an_error_that_hides_its_middle(number: str, shown: str) -> None:
    # Given what is no E.164 number, When read
    with pytest.raises(sms.InputError) as error:
        sms.phone_number(number, "to")
    # Then the sentence names the argument and the format
    assert str(error.value) == f'to is "{shown}", {NOT_E164}'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (sms.Entitlement(GUID, "1234", "7"), f"{GUID}@1234|7"),
        (sms.Entitlement(GUID, "1234"), f"{GUID}@1234"),
    ],
)
def test_entitlement_is_written_as_xsoar_writes_it(text: sms.Entitlement, written: str) -> None:
    # Given an entitlement with and without a task, When written, Then as GUID@incident|task
    assert str(text) == written


def test_question_is_open_until_the_instant_it_expires() -> None:
    # Given a question that expires in a day
    asked = question(expires=NOW + DAY)
    # When the instant comes, Then it is open before and not at it
    assert asked.open_at(NOW + DAY - 0.001)
    assert not asked.open_at(NOW + DAY)


@pytest.mark.parametrize(
    ("asked", "moment", "held"),
    [
        pytest.param(question(), NOW, True, id="open"),
        pytest.param(question(), NOW + DAY, False, id="expired"),
        pytest.param(question(claim=claim()), NOW + 5 * DAY, True, id="claimed, XSOAR not told, long past"),
        pytest.param(question(claim=claim(told_at=NOW)), NOW, False, id="answered"),
    ],
)
def test_codes_are_in_use_while_open_and_until_xsoar_was_told(asked: sms.Question, moment: float, held: bool) -> None:
    # Given a question, When looked at, Then its codes are in use or free again
    assert asked.holds_codes_at(moment) is held


# ---------------------------------------------------------------- the SMSAskUser text


@pytest.mark.parametrize(
    ("head", "text", "options"),
    [
        pytest.param("Restart db-7? - Reply Yes or No:", "Restart db-7?", ("Yes", "No"), id="plain"),
        pytest.param("Q - Reply A or B or C or D:", "Q", ("A", "B", "C", "D"), id="four options"),
        pytest.param("Q - Reply OK:", "Q", ("OK",), id="one option"),
        pytest.param("Q - Reply 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10:", "Q", (*"123456789", "10"), id="ten"),
        pytest.param(
            "Line 1\nLine 2\r\n\r\nLine 4 - Reply Yes or No:", "Line 1\nLine 2\r\n\r\nLine 4", ("Yes", "No"), id="lines"
        ),
        pytest.param(
            "Why - Reply a or b? - Reply Yes or No:", "Why - Reply a or b?", ("Yes", "No"), id="its own separator"
        ),
        pytest.param(
            "Stop or go or wait? - Reply Yes or No:", "Stop or go or wait?", ("Yes", "No"), id="or in the question"
        ),
        pytest.param("Note: a: b:: c - Reply Yes or No:", "Note: a: b:: c", ("Yes", "No"), id="colons"),
        pytest.param(f"Is {GUID}@9|9 known? - Reply Yes or No:", f"Is {GUID}@9|9 known?", ("Yes", "No"), id="a GUID"),
        pytest.param("Fire 🔥? - Reply 👍 or 👎:", "Fire 🔥?", ("👍", "👎"), id="emoji"),
        pytest.param(
            "Use {x} or %s at 50%? - Reply {y} or 100%:", "Use {x} or %s at 50%?", ("{y}", "100%"), id="braces"
        ),
        pytest.param("Q - Reply Now: today or Later:", "Q", ("Now: today", "Later"), id="a colon in an option"),
        pytest.param("Q - Reply Order or Floor or Oreo:", "Q", ("Order", "Floor", "Oreo"), id="or within words"),
        pytest.param("Q - Reply Yes OR No Or Maybe:", "Q", ("Yes", "No", "Maybe"), id="OR in another case"),
        pytest.param("Q  - Reply   Yes  or   No  :", "Q", ("Yes", "No"), id="more spaces"),
        pytest.param("Q - Reply Yes - now or No - never:", "Q", ("Yes - now", "No - never"), id="dashes in options"),
    ],
)
def test_message_in_the_format_is_taken_apart(head: str, text: str, options: tuple[str, ...]) -> None:
    # Given a message of SMSAskUser, When parsed, Then question, options and entitlement come apart
    parsed = sms.parse_message(f"{head} {GUID}@1234|7")
    assert parsed == sms.AskText(text, options, sms.Entitlement(GUID, "1234", "7"))


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        pytest.param(f" {GUID}@1234|7", (GUID, "1234", "7"), id="task number"),
        pytest.param(f" {GUID}@1234|approval_task", (GUID, "1234", "approval_task"), id="task tag"),
        pytest.param(f" {GUID}@1234|a|b", (GUID, "1234", "a|b"), id="a bar in the task"),
        pytest.param(f" {GUID}@1234", (GUID, "1234", ""), id="no task"),
        pytest.param(f" {GUID}@1234|", (GUID, "1234", ""), id="empty task"),
        pytest.param(f" {GUID}@c3d1-4e5f-playground|7", (GUID, "c3d1-4e5f-playground", "7"), id="playground"),
        pytest.param(f" {GUID.upper()}@1234|7", (GUID.upper(), "1234", "7"), id="upper case"),
        pytest.param(f"{GUID}@1234|7", (GUID, "1234", "7"), id="right after the colon"),
        pytest.param(f"\n{GUID}@1234|7", (GUID, "1234", "7"), id="on a line of its own"),
        pytest.param(f"\t{GUID}@1234|7 \n", (GUID, "1234", "7"), id="white space around"),
    ],
)
def test_entitlement_at_the_end_is_taken_apart(token: str, parts: tuple[str, str, str]) -> None:
    # Given an entitlement in one of its forms, When parsed, Then GUID, incident and task come apart
    parsed = sms.parse_message(f"Restart db-7? - Reply Yes or No:{token}")
    assert parsed == sms.AskText("Restart db-7?", ("Yes", "No"), sms.Entitlement(*parts))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("The build is green.", id="no entitlement"),
        pytest.param("Q - Reply Yes or No:", id="format without an entitlement"),
        pytest.param(f"Open https://xsoar.example.com/#/external/form/{GUID}@1234|7", id="last part of a path"),
        pytest.param(f"https://xsoar.example.com/ask?entitlement={GUID}@1234", id="in a query"),
        pytest.param(f"Done with {GUID}@1234|7 at last", id="not at the end"),
        pytest.param(f"See {GUID}", id="a GUID alone"),
        pytest.param(f"See x{GUID}@1234", id="end of a longer word"),
        pytest.param("See 2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f2@1234", id="a digit too few"),
        pytest.param(f"See {GUID}@", id="no incident"),
        pytest.param(f"Clone https://ci:{GUID}@git.example.com/runbooks", id="password in a URL"),
    ],
)
def test_message_without_an_entitlement_of_its_own_is_plain(message: str) -> None:
    # Given a text that ends with no entitlement, or with one inside a URL, When parsed, Then it is no question
    assert sms.parse_message(message) is None


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(f"{GUID}@1234|7", id="nothing else"),
        pytest.param(f"Restart db-7? {GUID}@1234|7", id="no options"),
        pytest.param(f"Restart db-7?:{GUID}@1234|7", id="no options, after a colon"),
        pytest.param(f"Restart db-7? Reply Yes or No: {GUID}@1234|7", id="no dash"),
        pytest.param(f"Restart db-7? - Reply Yes or No {GUID}@1234|7", id="no colon"),
        pytest.param(f"Restart db-7? - Reply: {GUID}@1234|7", id="no options after Reply"),
        pytest.param(f"Restart db-7? - Reply : {GUID}@1234|7", id="a space for options"),
        pytest.param(f" - Reply Yes or No: {GUID}@1234|7", id="no question"),
        pytest.param(f"Restart db-7? - Reply Yes or\nNo: {GUID}@1234|7", id="options on two lines"),
        pytest.param(f"Restart db-7? -Reply Yes or No: {GUID}@1234|7", id="no space after the dash"),
    ],
)
def test_entitlement_without_the_format_is_an_error_that_explains_it(message: str) -> None:
    # Given a message that ends with an entitlement and is not in the format, When parsed
    with pytest.raises(sms.InputError) as error:
        sms.parse_message(message)
    # Then the sentence explains the format
    assert str(error.value) == (
        "The message ends with an entitlement, but is not in the format of SMSAskUser: "
        '"Question - Reply option1 or option2: GUID@incident|task". Nothing was sent. '
        "Use the SMSAskUser automation, or take the entitlement out of the message."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            "1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11",
            "The message offers 11 options, but at most 10 are accepted. Nothing was sent.",
            id="eleven",
        ),
        pytest.param(
            "Yes or No or YES",
            "Option 3 of the message is the same as option 1, whatever the case, but each must be a text of its own. "
            "Nothing was sent.",
            id="another case",
        ),
        pytest.param(
            "Straße or STRASSE",
            "Option 2 of the message is the same as option 1, whatever the case, but each must be a text of its own. "
            "Nothing was sent.",
            id="another case of a sharp s",
        ),
        pytest.param(
            "Yes or  or No",
            "Option 2 of the message is empty, but each must be a text of its own. Nothing was sent.",
            id="empty",
        ),
    ],
)
def test_options_that_cannot_be_offered_are_an_error(options: str, sentence: str) -> None:
    # Given options that are too many, alike or empty, When parsed
    with pytest.raises(sms.InputError) as error:
        sms.parse_message(f"Q - Reply {options}: {GUID}@1234|7")
    # Then the sentence says which and why
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("message", "options", "task"),
    [
        pytest.param("Restart db-7?", ("yes", "no"), "7", id="plain"),
        pytest.param(
            "Why - Reply a or b: c?\nPlease.", ("Now", "At night", "Never", "Ask Bob"), "approval_task", id="traps"
        ),
        pytest.param(f"{GUID}@1 again {{x}} 100% 🔥", ("👍 + 1", "{no}"), "", id="a GUID, braces, emoji"),
    ],
)
def test_text_that_smsaskuser_renders_is_read_back(message: str, options: tuple[str, ...], task: str) -> None:
    # Given the text that the automation of this pack makes
    script = sms_ask_user()
    rendered = script.render(message, options, script.render_entitlement(GUID, "1234", task))
    # When the integration parses it, Then nothing is lost
    assert sms.parse_message(rendered) == sms.AskText(message, options, sms.Entitlement(GUID, "1234", task))


def test_phone_gets_the_question_and_the_codes_and_nothing_else() -> None:
    # Given a question of two lines with two codes, When rendered for the phone
    text = sms.question_sms("Restart db-7?\nIt is slow.", {"1234": "Yes", "5678": "No"})
    # Then there is neither GUID nor incident
    assert text == "Restart db-7?\nIt is slow.\nYes (1234) or No (5678)"


@pytest.mark.parametrize(
    ("text", "length", "limit"),
    [
        pytest.param("a" * 1530, 1530, 1530, id="1530 letters"),
        pytest.param("€" * 765, 1530, 1530, id="765 euro signs count twice"),
        pytest.param("{}[]~^|\\€\f", 20, 1530, id="all characters that count twice"),
        pytest.param("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ ¤¡ÄÖÑÜ§¿äöñüà", 45, 1530, id="GSM-7 beyond ASCII"),
        pytest.param("ж" * 630, 630, 630, id="630 letters outside GSM-7"),
        pytest.param("a" * 629 + "ç", 630, 630, id="one letter outside GSM-7"),
        pytest.param("🔥" * 315, 630, 630, id="315 emoji count twice"),
        pytest.param("don’t", 5, 630, id="a typographic apostrophe"),
        pytest.param("tab\t", 4, 630, id="a tab is outside GSM-7"),
        pytest.param("`", 1, 630, id="a backtick is outside GSM-7"),
    ],
)
def test_length_is_counted_as_aws_counts_it(text: str, length: int, limit: int) -> None:
    # Given a text, When measured, Then GSM-7 characters or UTF-16 units are counted, and it fits
    assert sms.sms_length(text) == (length, limit)
    assert sms.check_length(text) == text


@pytest.mark.parametrize(
    ("text", "length", "limit"),
    [
        pytest.param("a" * 1531, 1531, 1530, id="1531 letters"),
        pytest.param("a" * 1529 + "€", 1531, 1530, id="a euro sign at the end"),
        pytest.param("ж" * 631, 631, 630, id="631 outside GSM-7"),
        pytest.param("a" * 629 + "🔥", 631, 630, id="an emoji at the end"),
    ],
)
def test_text_longer_than_an_sms_is_an_error_with_both_lengths(text: str, length: int, limit: int) -> None:
    # Given one character too many, When checked
    with pytest.raises(sms.InputError) as error:
        sms.check_length(text)
    # Then the sentence says how long it is and what is allowed
    assert str(error.value) == (
        f"The SMS would be {length} characters long, but at most {limit} are allowed "
        "(1530 in the GSM-7 alphabet, 630 with any other character). Shorten it. Nothing was sent."
    )


# ---------------------------------------------------------------- reply codes

TOO_MANY = "The phone has too many open questions: no reply codes are free. Wait for answers. Nothing was sent."


def test_random_codes_are_four_digits_in_the_order_of_the_options() -> None:
    # Given a draw of 7 and 9041, When codes are allocated, Then they have four digits
    codes = sms.allocate_codes(("Yes", "No"), (), (), "random", lambda _free, _count: [7, 9041])
    assert codes == {"0007": "Yes", "9041": "No"}
    assert list(codes) == ["0007", "9041"]


def test_random_codes_are_drawn_from_0000_to_9999_without_those_in_use() -> None:
    # Given codes of both modes in use
    offered: set[int] = set()

    def draw(free: Sequence[int], count: int) -> Sequence[int]:
        offered.update(free)
        return free[:count]

    # When codes are allocated
    sms.allocate_codes(("Yes", "No"), ("0000", "42", "9999"), (), "random", draw)
    # Then the draw is among all others
    assert set(range(10000)) - offered == {0, 42, 9999}


@pytest.mark.usefixtures("server")
def test_random_codes_are_drawn_with_the_cryptographic_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a generator of the system that draws the last numbers
    def sample(numbers: Sequence[int], count: int) -> Sequence[int]:
        return numbers[-count:]

    monkeypatch.setattr(sms, "secrets", SimpleNamespace(SystemRandom=lambda: SimpleNamespace(sample=sample)))
    # When a conversation as commands make it asks
    talk = sms.Conversation(settings(), sms.QuestionStore(), sms.SmsSender(FakeAws(), settings()))  # type: ignore[arg-type]
    asked = talk.ask(sms.AskText("Q", ("Yes", "No"), entitlement()), PHONE)
    # Then the codes are that generator's
    assert list(asked.question.codes) == ["9998", "9999"]


@pytest.mark.parametrize(
    ("in_use", "codes"),
    [
        pytest.param((), ["1", "2"], id="none in use"),
        pytest.param(("1", "2"), ["3", "4"], id="one question open"),
        pytest.param(("3", "4"), ["1", "2"], id="the first answered"),
        pytest.param(("1", "3"), ["2", "4"], id="a gap"),
        pytest.param(("0001", "7031"), ["2", "3"], id="random codes in use"),
    ],
)
def test_sequential_codes_are_the_smallest_that_are_free(in_use: tuple[str, ...], codes: list[str]) -> None:
    # Given codes in use, When two are allocated, Then they are the smallest whole numbers from 1 that are left
    assert list(sms.allocate_codes(("Yes", "No"), in_use, (), "sequential", first)) == codes


@pytest.mark.parametrize(
    ("mode", "in_use"),
    [
        pytest.param("random", [f"{number:04}" for number in range(9999)], id="random"),
        pytest.param("sequential", [str(number) for number in range(1, 9999)], id="sequential"),
        pytest.param("sequential", [f"{number:04}" for number in range(9999)], id="sequential after random"),
    ],
)
def test_too_few_free_codes_are_an_error_and_one_that_is_left_is_used(mode: str, in_use: list[str]) -> None:
    # Given all codes in use but one, When two are wanted
    with pytest.raises(sms.InputError) as error:
        sms.allocate_codes(("Yes", "No"), in_use, (), mode, first)
    # Then it is an error, and one option still gets the last code
    assert str(error.value) == TOO_MANY
    assert sms.allocate_codes(("OK",), in_use, (), mode, first) == {"9999": "OK"}


def test_random_code_is_never_the_number_that_an_option_is_named_by() -> None:
    # Given options that are numbers, a code in use and a draw of the smallest, When allocated
    codes = sms.allocate_codes(("0", "1", "0002"), ("0004",), (), "random", first)
    # Then texting the option cannot hit the code of another
    assert codes == {"0003": "0", "0005": "1", "0006": "0002"}


@pytest.mark.parametrize(("mode", "in_use", "code"), [("random", "7", "0008"), ("sequential", "0001", "2")])
def test_code_of_the_same_value_as_one_in_use_is_not_given(mode: str, in_use: str, code: str) -> None:
    # Given a code of the other mode in use, When allocated, Then leading zeros do not make it another
    draw = {"random": lambda free, n: [number for number in free if number >= 7][:n], "sequential": first}[mode]
    assert list(sms.allocate_codes(("Yes",), (in_use,), (), mode, draw)) == [code]


def test_random_codes_that_rest_are_not_drawn_while_others_are_free() -> None:
    # Given codes that the phone had lately, and one in use
    offered: set[int] = set()

    def draw(free: Sequence[int], count: int) -> Sequence[int]:
        offered.update(free)
        return free[:count]

    # When codes are allocated, Then the draw is among all others
    codes = sms.allocate_codes(("Yes", "No"), ("0002",), ("0000", "1", "7031"), "random", draw)
    assert codes == {"0003": "Yes", "0004": "No"}
    assert set(range(10000)) - offered == {0, 1, 2, 7031}


@pytest.mark.parametrize(
    ("resting", "codes"),
    [
        pytest.param(range(9998), ["9998", "9999"], id="two others are free"),
        pytest.param(range(9999), ["0001", "0002"], id="one other is free"),
        pytest.param(range(10000), ["0001", "0002"], id="no other is free"),
    ],
)
def test_random_codes_that_rest_are_used_when_too_few_others_are_free_and_those_in_use_never(
    resting: Sequence[int], codes: list[str]
) -> None:
    # Given a phone that had almost every code, and a question with 0000 open, When two are allocated
    allocated = sms.allocate_codes(("Yes", "No"), ("0000",), [f"{number:04}" for number in resting], "random", first)
    # Then they are fresh ones, or else any but the one in use
    assert list(allocated) == codes


def test_sequential_codes_never_rest() -> None:
    # Given a phone that had 1 and 2, When two are allocated, Then they are used at once
    assert list(sms.allocate_codes(("Yes", "No"), (), ("1", "2"), "sequential", first)) == ["1", "2"]


# ---------------------------------------------------------------- inbound messages


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            envelope(
                {
                    "originationNumber": "+14255550182",
                    "destinationNumber": "+14255550100",
                    "messageKeyword": "KEYWORD_123456789012",
                    "messageBody": "1234",
                    "previousPublishedMessageId": "7e1f0c2a-1111-4222-8333-444455556666",
                    "inboundMessageId": "in-1",
                }
            ),
            ("+14255550182", "1234", "in-1", NOW + 1.5),
            id="documented",
        ),
        pytest.param(payload(), (PHONE, "1234", "in-1", NOW), id="raw delivery"),
        pytest.param(
            {"messageBody": "1234", "originationNumber": PHONE},
            (PHONE, "1234", "sqs-1", NOW),
            id="the two required fields",
        ),
        pytest.param(
            {
                "MessageBody": "1234",
                "OriginationNumber": PHONE,
                "InboundMessageId": "in-1",
                "DestinationNumber": "24273",
            },
            (PHONE, "1234", "in-1", NOW),
            id="capital first letters",
        ),
        pytest.param(
            payload(messageKeyword="", previousPublishedMessageId=None, destinationNumber="24273"),
            (PHONE, "1234", "in-1", NOW),
            id="empty keyword, null previous id, short code",
        ),
        pytest.param(
            payload(previousPublishedMessageId="null", messageKeyword="NONE"),
            (PHONE, "1234", "in-1", NOW),
            id="null as text",
        ),
        pytest.param(
            payload(messageId="x", timestamp=17, messageSegmentCount=1, originationCountryIso="US", carrierCode=310),
            (PHONE, "1234", "in-1", NOW),
            id="fields more, of any type",
        ),
        pytest.param(payload(inboundMessageId=None), (PHONE, "1234", "sqs-1", NOW), id="null inbound id"),
        pytest.param(payload(inboundMessageId=17), (PHONE, "1234", "sqs-1", NOW), id="inbound id of a wrong type"),
        pytest.param(envelope(payload(inboundMessageId=None)), (PHONE, "1234", "sns-1", NOW + 1.5), id="SNS id"),
        pytest.param(
            {**envelope({}), "Message": payload()}, (PHONE, "1234", "in-1", NOW + 1.5), id="message that is an object"
        ),
        pytest.param(
            {"Records": [{"EventSource": "aws:sns", "Sns": envelope(payload())}]},
            (PHONE, "1234", "in-1", NOW + 1.5),
            id="event with one record",
        ),
        pytest.param(
            envelope(payload(), Subject="SMS", MessageAttributes={"a": {"Type": "String", "Value": "b"}}),
            (PHONE, "1234", "in-1", NOW + 1.5),
            id="subject and attributes",
        ),
        pytest.param(
            envelope(payload(), Timestamp="yesterday"), (PHONE, "1234", "in-1", NOW), id="no usable timestamp"
        ),
        pytest.param(envelope(payload(), Timestamp=None), (PHONE, "1234", "in-1", NOW), id="null timestamp"),
        pytest.param(
            payload(originationNumber="+1 425-555-0182"), (PHONE, "1234", "in-1", NOW), id="number as people write it"
        ),
        pytest.param(payload(""), (PHONE, "", "in-1", NOW), id="empty text"),
        pytest.param(payload("\ud83d\x00"), (PHONE, "\ud83d\x00", "in-1", NOW), id="half an emoji and NUL"),
        pytest.param(payload(x=int("9" * 400)), (PHONE, "1234", "in-1", NOW), id="huge number beside"),
        pytest.param(payload(inboundMessageId="i" * 300), (PHONE, "1234", "i" * 128, NOW), id="endless id is cut"),
    ],
)
def test_inbound_message_in_one_of_its_forms_is_a_reply(body: Any, expected: tuple[str, str, str, float]) -> None:
    # Given a body as AWS, a bridge or a test may write it, When parsed, Then phone, text, id and arrival are known
    assert sms.parse_reply(received(body)) == sms.Reply(*expected)


def test_number_of_five_thousand_digits_in_a_payload_is_ignored() -> None:
    # Given a number longer than Python converts, When parsed, Then the reply is read all the same
    body = json.dumps(payload())[:-1] + ', "x": ' + "9" * 5000 + "}"
    assert sms.parse_reply(received(body)).text == "1234"


def nested(count: int) -> dict[str, Any]:
    message = payload(inboundMessageId=None)
    for number in range(count):
        stamp = f"2026-01-01T00:00:{number:02}Z"
        message = envelope(message, MessageId=f"sns-{number}", Timestamp=stamp)
    return message


def test_reply_in_five_envelopes_has_the_id_and_time_of_the_innermost() -> None:
    # Given a reply in five envelopes, the innermost sns-0 of second 0, When parsed, Then those are the reply's
    assert sms.parse_reply(received(nested(5), sent_at=NOW + 9)) == sms.Reply(PHONE, "1234", "sns-0", NOW)


def test_reply_in_six_envelopes_is_no_reply() -> None:
    # Given one envelope more, When parsed, Then it is refused
    with pytest.raises(sms.NotAReply, match=r"^it has more than 5 envelopes$"):
        sms.parse_reply(received(nested(6)))


NOT_JSON, NOT_AN_OBJECT = "it is not JSON", "it is not a JSON object"
NEITHER, NOT_TEXT = (
    "it is neither an inbound SMS nor an SNS notification of one",
    "its originationNumber and messageBody are not both text",
)
MALFORMED = [
    pytest.param("", NOT_JSON, id="empty"),
    pytest.param("1234 yes", NOT_JSON, id="not JSON"),
    pytest.param("[" * 200_000, NOT_JSON, id="200 kB of open brackets"),
    pytest.param("[" * 100_000 + "]" * 100_000, NOT_JSON, id="200 kB of brackets"),
    pytest.param('{"a":' * 40_000, NOT_JSON, id="200 kB of objects"),
    pytest.param("\ufeff{}", NOT_JSON, id="byte order mark"),
    pytest.param("\x00", NOT_JSON, id="NUL"),
    pytest.param([payload()], NOT_AN_OBJECT, id="list"),
    pytest.param("17", NOT_AN_OBJECT, id="number"),
    pytest.param("9" * 5000, NOT_AN_OBJECT, id="number of 5000 digits"),
    pytest.param("null", NOT_AN_OBJECT, id="null"),
    pytest.param('"1234"', NOT_AN_OBJECT, id="text"),
    pytest.param({}, NEITHER, id="empty object"),
    pytest.param({"messageBody": "1234"}, NEITHER, id="no originationNumber"),
    pytest.param({"originationNumber": PHONE}, NEITHER, id="no messageBody"),
    pytest.param(payload(17), NOT_TEXT, id="text is a number"),
    pytest.param(payload(None), NOT_TEXT, id="text is null"),
    pytest.param(payload(["1234"]), NOT_TEXT, id="text is a list"),
    pytest.param(payload(originationNumber=14255550182), NOT_TEXT, id="number is a number"),
    pytest.param(payload(originationNumber=None), NOT_TEXT, id="number is null"),
    pytest.param(envelope("hello"), NOT_JSON, id="notification of a text"),
    pytest.param(envelope([1]), NOT_AN_OBJECT, id="notification of a list"),
    pytest.param({**envelope({}), "Message": 17}, NOT_AN_OBJECT, id="notification of a number"),
    pytest.param({**envelope({}), "Message": None}, NOT_AN_OBJECT, id="notification of null"),
    pytest.param({"Type": "Notification"}, NEITHER, id="notification of nothing"),
    pytest.param(
        envelope("You have chosen to subscribe", Type="SubscriptionConfirmation", SubscribeURL="https://example.com"),
        NEITHER,
        id="subscription confirmation",
    ),
    pytest.param(envelope(payload(), Type=["Notification"]), NEITHER, id="type of a wrong type"),
    pytest.param(envelope({"eventType": "TEXT_DELIVERED", "messageId": "m-1"}), NEITHER, id="delivery receipt"),
    pytest.param({"Records": []}, NEITHER, id="event without a record"),
    pytest.param({"Records": [{}, {}]}, NEITHER, id="event with two records"),
    pytest.param({"Records": [17]}, NOT_AN_OBJECT, id="event with a number"),
    pytest.param({"Records": [{"Sns": None}]}, NOT_AN_OBJECT, id="event with null"),
]


@pytest.mark.parametrize(("body", "reason"), MALFORMED)
def test_anything_else_is_no_reply_for_a_reason_without_its_content(body: Any, reason: str) -> None:
    # Given a body that is no inbound SMS, When parsed
    with pytest.raises(sms.NotAReply) as error:
        sms.parse_reply(received(body))
    # Then the reason is one of a few sentences
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T00:00:00.678Z", NOW + 0.678),
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2026-01-01T00:00:00", NOW),
        ("", None),
        ("now", None),
        ("2026-13-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", 253402387139.0),
        (1767225600, None),
        (None, None),
    ],
)
def test_sns_timestamp_is_read_or_none(text: Any, moment: float | None) -> None:
    # Given a timestamp, When read, Then it is seconds since 1970, or None
    assert sms.parse_time(text) == moment


# ---------------------------------------------------------------- matching

OPEN = (question(1), question(2, codes={"0042": "Later", "0700": "C++"}))


def judged(
    known: sms.State, *replies: sms.Reply, now: float = NOW, **changes: Any
) -> tuple[sms.State, list[sms.Verdict]]:
    return sms.claim_replies(known, replies, settings(**changes), now)


def find_match(text: str, questions: Sequence[sms.Question]) -> sms.Match | None:
    """What a reply with the text answers, when these questions are open."""
    return judged(state(*questions), reply(text))[1][0].match


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("1234", "1234", id="the code"),
        pytest.param("  1234\r\n", "1234", id="white space"),
        pytest.param("\u00a01234\u2003", "1234", id="spaces that are not ASCII"),
        pytest.param("1234.", "1234", id="full stop"),
        pytest.param("1234!!", "1234", id="exclamation marks"),
        pytest.param('"1234"', "1234", id="quotes"),
        pytest.param("“1234”", "1234", id="typographic quotes"),
        pytest.param("‘1234’", "1234", id="single typographic quotes"),
        pytest.param("«1234»", "1234", id="French quotes"),
        pytest.param("`1234´", "1234", id="backtick and acute"),
        pytest.param("(1234)", "1234", id="parentheses"),
        pytest.param("[1234],", "1234", id="brackets and a comma"),
        pytest.param("#1234", "1234", id="hash"),
        pytest.param("- 1234 -", "1234", id="dashes"),
        pytest.param("１２３４", "1234", id="full-width digits"),
        pytest.param("１２３４。", "1234", id="full-width digits and stop"),
        pytest.param("\u200f1234\u200b", "1234", id="marks of direction, zero width"),
        pytest.param("1234\x00", "1234", id="NUL at the end"),
        pytest.param("42", "0042", id="leading zeros left out"),
        pytest.param("042", "0042", id="one leading zero left out"),
        pytest.param("1234 yes", "1234", id="code and option"),
        pytest.param("1234 YES!", "1234", id="code and option in another case, with a mark"),
        pytest.param("1234\nYes", "1234", id="code and option on two lines"),
        pytest.param("Yes (1234)", "1234", id="as it stands in the SMS"),
        pytest.param("yes(1234).", "1234", id="as it stands, without the space"),
        pytest.param('"No (5678)"', "5678", id="as it stands, quoted"),
        pytest.param("Ｙｅｓ （１２３４）", "1234", id="as it stands, full-width"),
        pytest.param("42 later", "0042", id="number without zeros and option"),
        pytest.param("700 c++", "0700", id="option with signs"),
    ],
)
def test_reply_that_means_a_code_matches_it(text: str, code: str) -> None:
    # Given two open questions, When the reply is matched, Then it means that code
    match = find_match(text, OPEN)
    assert match
    assert match.code == code


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n", id="white space"),
        pytest.param("?!", id="punctuation"),
        pytest.param("yes", id="the option alone"),
        pytest.param("YES please", id="words"),
        pytest.param("4321", id="a code not in use"),
        pytest.param("123", id="a digit too few"),
        pytest.param("12345", id="a digit too many"),
        pytest.param("01234", id="a zero too many"),
        pytest.param("1234 5678", id="two codes"),
        pytest.param("1234/5678", id="two codes with a slash"),
        pytest.param("1234\n1234", id="the code twice"),
        pytest.param("12 34", id="a space within"),
        pytest.param("1,234", id="a comma within"),
        pytest.param("12.34", id="a point within"),
        pytest.param("12\x0034", id="NUL within"),
        pytest.param("12\u200b34", id="zero width within"),
        pytest.param("please call me at 1234", id="digits at the end of a sentence"),
        pytest.param("1234 people are waiting", id="digits at the start of a sentence"),
        pytest.param("I said 1234 already", id="digits in a sentence"),
        pytest.param("1234 no", id="the option of another code"),
        pytest.param("No (1234)", id="the other option with the code"),
        pytest.param("1234 yes please", id="more than the option"),
        pytest.param("1234 yes 5678", id="the option and another code"),
        pytest.param("yes 1234", id="option first without parentheses"),
        pytest.param("Yes [1234]", id="other brackets"),
        pytest.param("Yes (1234) or No (5678)", id="the line of the SMS sent back"),
        pytest.param("not Yes (1234)", id="a word before the option"),
        pytest.param("Yes (1234) thanks", id="a word after the code"),
        pytest.param("1234 (yes) no", id="a word after the option"),
        pytest.param("1234yes", id="no space"),
        pytest.param("+1234", id="plus"),
        pytest.param("$1234", id="dollar"),
        pytest.param("\u22121234", id="minus"),
        pytest.param("1234€", id="euro"),
        pytest.param("1234 👍", id="emoji"),
        pytest.param("0x1234", id="hexadecimal"),
        pytest.param("1e3", id="exponent"),
        pytest.param("٤٢", id="Arabic digits"),
        pytest.param("½", id="a fraction"),
        pytest.param("700 c", id="an option without its signs"),
        pytest.param("\ud83d1234\ud83d1", id="halves of emoji"),
    ],
)
def test_reply_that_is_not_clearly_a_code_matches_nothing(text: str) -> None:
    # Given two open questions, When the reply is matched, Then it answers neither
    assert find_match(text, OPEN) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("1", "1", id="sequential code"),
        pytest.param("01", "1", id="a zero more"),
        pytest.param("2 no", "2", id="with its option"),
        pytest.param("1st", None, id="ordinal"),
        pytest.param("1 no", None, id="with another option"),
        pytest.param("1 or 2", None, id="both"),
        pytest.param("3", None, id="not in use"),
    ],
)
def test_reply_to_sequential_codes(text: str, code: str | None) -> None:
    # Given a question with the codes 1 and 2, When matched, Then only its codes mean anything
    match = find_match(text, [question(codes={"1": "Yes", "2": "No"})])
    assert (match and match.code) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("30 min (1234)", "1234", id="as it stands in the SMS"),
        pytest.param("1234 30 min", "1234", id="code first"),
        pytest.param("60 min (5678)", "5678", id="the other option"),
        pytest.param("60 min (1234)", None, id="the option of another code"),
        pytest.param("30 min (9999)", None, id="a code of nothing"),
        pytest.param("30 min", None, id="the option alone"),
        pytest.param("30", "0030", id="the code that its number is, of another question"),
    ],
)
def test_option_that_begins_with_a_number_is_read_with_its_code(text: str, code: str | None) -> None:
    # Given options that begin with numbers, and another question whose code is one of those
    asked = (question(1, codes={"1234": "30 min", "5678": "60 min"}), question(2, codes={"0030": "Later"}))
    # When matched, Then option and code go together, however the text can be read
    match = find_match(text, asked)
    assert (match and match.code) == code


@pytest.mark.parametrize(
    ("text", "code"), [("42", "42"), ("0042", "0042"), ("042", None)], ids=["exact", "exact with zeros", "either"]
)
def test_reply_with_the_value_of_two_codes_matches_only_exactly(text: str, code: str | None) -> None:
    # Given codes of one value, as two modes could have given them, When matched, Then only the exact one counts
    match = find_match(text, [question(1, codes={"42": "A"}), question(2, codes={"0042": "B"})])
    assert (match and match.code) == code


def test_reply_with_a_code_of_two_questions_matches_neither() -> None:
    # Given a context in which two questions share a code, When matched, Then nobody guesses
    assert find_match("1234", [question(1), question(2)]) is None


def test_reply_with_an_option_that_folds_alike_matches_by_its_code() -> None:
    # Given an option written with a sharp s and a mark, When matched by word and code, Then case and marks do not count
    assert find_match("1234 STRASSE", [question(codes={"1234": "Straße!"})])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1" * 262_144, id="digits"),
        pytest.param("1234" + " " * 262_140, id="a code and spaces"),
        pytest.param("(" * 262_144, id="parentheses"),
        pytest.param("yes " * 65_536, id="words"),
        pytest.param("\ufdfa" * 87_381, id="letters that grow when folded"),
        pytest.param("x" + " " * 1528 + "x", id="longest SMS, spaces"),
        pytest.param("x" + "(" * 1528 + "x", id="longest SMS, parentheses"),
        pytest.param("x" + "(1" * 764 + "x", id="longest SMS, half codes"),
        pytest.param("x" + "\ufdfa" * 1528 + "x", id="longest SMS, letters that grow"),
    ],
)
def test_endless_reply_is_no_code_at_once(text: str) -> None:
    # Given a text as long as a message of SQS can be, or hard to read
    started = time.process_time()
    # When matched, Then it is no code, within a second of work
    assert find_match(text, OPEN) is None
    assert time.process_time() - started < 1


def test_reply_with_a_code_claims_its_question() -> None:
    # Given an open question
    asked = question()
    # When its code arrives
    after, [verdict] = judged(state(asked), reply("1234", "in-7"), now=NOW + 5)
    # Then option, code, id and time are on record, XSOAR not told yet
    claimed = sms.Claim(option="Yes", code="1234", reply_id="in-7", at=NOW + 5, told_at=None, error="")
    assert after.of(PHONE) == (replace(asked, claim=claimed),)
    assert (verdict.meaning, verdict.feedback) == (sms.Meaning.ANSWER, "")
    assert verdict.match == sms.Match(asked, "1234")


def test_second_reply_with_another_code_changes_nothing_on_record() -> None:
    # Given two replies to one question in a batch
    after, [_, second] = judged(state(question()), reply("1234", "in-1"), reply("5678", "in-2"))
    # When judged, Then the first is on record, and the second has no effect but the text that says so
    assert [q.claim and q.claim.option for q in after.of(PHONE)] == ["Yes"]
    assert (second.match, second.feedback) == (None, "You already answered: Yes.")


def test_reply_that_comes_again_means_the_claim_on_record() -> None:
    # Given a question claimed by the reply in-1 as Yes, and its code open in another question by now
    claimed = question(1, claim=claim(reply_id="in-1"))
    before = state(claimed, question(2))
    # When the same reply comes again
    after, [verdict] = judged(before, reply("1234", "in-1"))
    # Then it means what is on record, and nothing is written
    assert after is before
    assert (verdict.match, verdict.meaning) == (sms.Match(claimed, "1234"), sms.Meaning.REPEAT)


def test_replies_without_an_id_are_never_taken_for_one_another() -> None:
    # Given a claim by a reply without an id, When another without an id comes
    _, [verdict] = judged(state(question(1, claim=claim(reply_id="")), question(2)), reply("1234", ""))
    # Then it is judged by its text
    assert verdict.match == sms.Match(question(2), "1234")


@pytest.mark.parametrize(
    ("arrived", "now", "taken"),
    [
        pytest.param(None, NOW + DAY - 0.001, True, id="an instant before, no time of arrival"),
        pytest.param(None, NOW + DAY, False, id="at the instant it expires"),
        pytest.param(NOW + DAY - 1, NOW + DAY + 60, True, id="arrived in time, polled late"),
        pytest.param(NOW + DAY, NOW + DAY + 60, False, id="arrived at the instant"),
        pytest.param(NOW - 1, NOW + DAY, False, id="arrived before the question: not believed"),
        pytest.param(NOW + 2 * DAY, NOW + 1, True, id="arrives in the future: not believed"),
    ],
)
def test_question_expires_to_the_instant_with_no_clean_up(arrived: float | None, now: float, taken: bool) -> None:
    # Given a question of one day that nobody cleaned up, When its code comes, Then it is taken before that day is over
    _, [verdict] = judged(state(question()), reply(arrived=arrived), now=now)
    assert bool(verdict.match) is taken


def test_code_of_another_phone_answers_nothing() -> None:
    # Given a question to one phone, When another phone sends its code
    before = state(question())
    after, [verdict] = judged(before, reply("1234", phone=OTHER_PHONE))
    # Then nothing happens and nothing is said
    assert after is before
    assert (verdict.match, verdict.feedback) == (None, "")


def test_entitlement_asked_of_two_phones_is_answered_once() -> None:
    # Given one entitlement asked of two phones
    before = state(question(1, PHONE), question(1, OTHER_PHONE))
    # When both answer, one Yes and one No, in one batch
    after, [one, two] = judged(before, reply("1234", "in-1"), reply("5678", "in-2", OTHER_PHONE))
    # Then the first is on record, the other has no effect
    assert (one.match and one.match.option, two.match) == ("Yes", None)
    assert [q.claim and q.claim.option for q in after.all()] == ["Yes", None]


def test_unrecognised_reply_gets_the_codes_of_all_open_questions_oldest_first() -> None:
    # Given two open questions, one answered and one expired
    before = state(
        question(1),
        question(2, claim=claim(told_at=NOW), codes={"1": "A"}),
        question(3, expires=NOW, codes={"2": "B"}),
        question(4, created=NOW + 1, codes={"0042": "Later"}),
    )
    # When a reply is not understood, Then the open ones are listed
    _, [verdict] = judged(before, reply("what?", "in-9"), now=NOW + 2)
    assert verdict.feedback == f"{FAILURE}Yes (1234), No (5678), Later (0042)"


def test_question_asked_again_after_it_expired_is_listed_as_the_newest(server: Server) -> None:
    # Given question 1 that expired and question 2 that is open
    server.store(question(1, created=NOW - 2 * DAY, expires=NOW - DAY), question(2, codes={"0042": "Later"}))
    # When 1 is asked again, and a reply is not understood
    talk = conversation(FakeAws(), Clock(NOW + 1))
    talk.ask(sms.AskText("Restart db-7?", ("Yes", "No"), entitlement(1)), PHONE)
    [outcome] = talk.answer([reply("what?")])
    # Then the older open question comes first
    assert text_of(outcome) == f"{FAILURE}Later (0042), Yes (0000), No (0001)"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(state(), id="no question"),
        pytest.param(state(question(claim=claim(reply_id="in-0", told_at=NOW))), id="answered"),
        pytest.param(state(question(expires=NOW)), id="expired"),
        pytest.param(state(question(phone=OTHER_PHONE)), id="of another phone"),
    ],
)
def test_unrecognised_reply_with_nothing_open_gets_silence(before: sms.State) -> None:
    # Given a phone with nothing open, When it writes, Then nothing is sent and nothing is written
    after, [verdict] = judged(before, reply("hello"))
    assert after is before
    assert verdict == sms.Verdict(reply("hello"), sms.Meaning.UNCLEAR)


def test_unrecognised_reply_that_comes_again_gets_feedback_once() -> None:
    # Given a reply that got the failure text
    after, [once] = judged(state(question()), reply("what?", "in-1"))
    # When it comes again, and another one comes
    last, [again, other] = judged(after, reply("what?", "in-1"), reply("what?", "in-2"))
    # Then the first gets none and the other does
    assert [bool(verdict.feedback) for verdict in (once, again, other)] == [True, False, True]
    assert last.phones == {PHONE: sms.PhoneRecord(feedback=(sms.Event("in-1", NOW), sms.Event("in-2", NOW)))}


def test_feedback_turned_off_sends_no_failure_text() -> None:
    # Given an instance without feedback, When a reply is not understood, Then nothing is sent and nothing is written
    before = state(question())
    after, [verdict] = judged(before, reply("what?"), replyFeedbackEnabled=False)
    assert after is before
    assert verdict.feedback == ""


def test_remembered_feedback_is_bounded() -> None:
    # Given a phone that writes 60 things which are not understood, one every half hour
    after = state(question(expires=NOW + 60 * DAY))
    for number in range(60):
        after, _ = judged(after, reply("what?", f"in-{number}"), now=NOW + number * 1800)
    # When looked at, Then the last 50 are remembered
    assert [event.reply_id for event in after.phone(PHONE).feedback] == [f"in-{number}" for number in range(10, 60)]


def test_feedback_templates_are_filled_and_braces_of_options_are_left_alone() -> None:
    # Given templates with every variable and an option with braces
    asked = question(codes={"1234": "{phone_number}"})
    chosen = settings(
        successMessage="{{{reply_code}}} {chosen_option} {phone_number}",
        failureMessage="{phone_number}: {available_codes}",
    )
    # When rendered, Then each is filled once
    assert sms.success_sms(chosen, sms.Match(asked, "1234")) == "{1234} {phone_number} +14255550182"
    assert sms.failure_sms(chosen, PHONE, [asked]) == "+14255550182: {phone_number} (1234)"


def test_failure_text_with_too_many_codes_is_shortened_to_one_sms() -> None:
    # Given 200 open questions of two codes each
    many = [question(number, codes={f"{number:04}": "Yes", f"{number + 5000:04}": "No"}) for number in range(200)]
    # When rendered
    text = sms.failure_sms(settings(), PHONE, many)
    # Then it lists as many of the oldest as one SMS holds, and says that there are more
    assert len(text) == 1530
    assert text.startswith(f"{FAILURE}Yes (0000), No (5000), Yes (0001), ")
    assert text.endswith("No (5061), Yes (0062), ...")


def test_failure_text_without_room_for_one_code_has_no_stray_comma() -> None:
    # Given an option that fills an SMS of its own, When rendered, Then the text still reads as a sentence
    text = sms.failure_sms(settings(), PHONE, [question(codes={"1234": "x" * 1500})])
    assert text == f"{FAILURE}..."


def test_reply_that_arrived_before_its_code_was_given_again_answers_the_question_it_was_for() -> None:
    # Given question 1 with the codes 1 and 2 that expired, and question 2 that got them, both with AWS's time
    codes = {"1": "Yes", "2": "No"}
    expired = question(1, codes=codes, expires=NOW + 60, published=NOW)
    before = state(expired, question(2, codes=codes, created=NOW + 61, published=NOW + 62))
    # When a reply of the last second of question 1 is polled after that
    _, [verdict] = judged(before, reply("1", arrived=NOW + 59), now=NOW + 70)
    # Then it answers question 1, and no text lists a code twice
    assert verdict.match
    assert verdict.match.question.entitlement == entitlement(1)


@pytest.mark.parametrize(
    "now", [NOW - DAY, NOW + 20, NOW + DAY - 1], ids=["host a day slow", "host right", "late poll"]
)
@pytest.mark.parametrize(
    ("arrived", "published", "meaning"),
    [
        pytest.param(NOW + 11, NOW + 10, sms.Meaning.ANSWER, id="after the question"),
        pytest.param(NOW + 8, NOW + 10, sms.Meaning.ANSWER, id="two seconds before: clocks differ"),
        pytest.param(NOW + 7.999, NOW + 10, sms.Meaning.WRONG, id="more than two seconds before"),
        pytest.param(NOW - 3600, NOW + 10, sms.Meaning.WRONG, id="an hour before"),
        pytest.param(None, NOW + 10, sms.Meaning.ANSWER, id="no time of the reply"),
        pytest.param(NOW - 3600, None, sms.Meaning.ANSWER, id="no time of the question"),
    ],
)
def test_reply_older_than_the_question_by_the_clocks_of_aws_does_not_answer_it(
    arrived: float | None, published: float | None, meaning: sms.Meaning, now: float
) -> None:
    # Given an open question that AWS took at a time of its own, When a reply with its code is judged at any time
    _, [verdict] = judged(state(question(published=published)), reply(arrived=arrived), now=now)
    # Then AWS's two clocks decide, with two seconds of tolerance
    assert verdict.meaning is meaning
    assert bool(verdict.match) is (meaning is sms.Meaning.ANSWER)


def test_late_reply_to_an_answered_question_never_answers_the_next_one_with_its_code() -> None:
    # Given question 1 answered with Yes, and question 2 with the same sequential codes a minute later
    codes = {"1": "Yes", "2": "No"}
    answered = question(1, codes=codes, published=NOW, claim=claim(code="1", reply_id="in-0", told_at=NOW))
    fresh = question(2, codes=codes, created=NOW + 60, published=NOW + 60)
    # When a 1 of the time between is polled, and then one from after question 2
    after, [late, prompt] = judged(
        state(answered, fresh),
        reply("1", "in-1", arrived=NOW + 57),
        reply("1", "in-2", arrived=NOW + 63),
        now=NOW + 70,
    )
    # Then the first is told what was answered, the second is the answer
    assert (late.meaning, late.match, late.feedback) == (sms.Meaning.OVER, None, "You already answered: Yes.")
    assert prompt.match == sms.Match(fresh, "1")
    assert [q.claim and q.claim.reply_id for q in after.all()] == ["in-0", "in-2"]


ANSWERED = "You already answered: Yes."
TOO_LATE = "This question is closed, your reply came too late."


@pytest.mark.parametrize(
    ("asked", "text", "feedback"),
    [
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "1234", ANSWERED, id="answered, its code"),
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "5678", ANSWERED, id="answered, other code"),
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "5678 no", ANSWERED, id="code and option"),
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "No (5678)", ANSWERED, id="option and code"),
        pytest.param(question(claim=claim(reply_id="in-0")), "5678", ANSWERED, id="answered, XSOAR not told yet"),
        pytest.param(
            question(codes={"0042": "Later", "0043": "Now"}, claim=claim("{x}", "0043", reply_id="in-0")),
            "42",
            "You already answered: {x}.",
            id="zeros left out, an option with braces",
        ),
        pytest.param(question(expires=NOW), "1234", TOO_LATE, id="expired"),
        pytest.param(question(expires=NOW), "1234 yes", TOO_LATE, id="expired, code and option"),
        pytest.param(question(expires=NOW), "1234 no", "", id="expired, another option beside the code"),
        pytest.param(question(expires=NOW), "what?", "", id="expired, no code"),
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "9999", "", id="answered, a code of nothing"),
        pytest.param(question(claim=claim(reply_id="in-0", told_at=NOW)), "yes", "", id="answered, the option alone"),
    ],
)
def test_reply_with_a_code_of_a_question_that_is_over_is_told_why(
    asked: sms.Question, text: str, feedback: str
) -> None:
    # Given a question that is over, When its code comes, Then the text says why it has no effect; else silence
    after, [verdict] = judged(state(asked), reply(text, "in-1"))
    assert (verdict.match, verdict.feedback) == (None, feedback)
    assert verdict.meaning is (sms.Meaning.OVER if feedback else sms.Meaning.UNCLEAR)
    assert after.of(PHONE) == (asked,)


def test_reply_with_a_code_that_is_over_gets_no_codes_of_other_questions_and_is_no_guess() -> None:
    # Given an answered question, and another that is open
    before = state(question(1, claim=claim(reply_id="in-0")), question(2, codes={"0042": "Later"}))
    # When the code of the first comes again, Then its text says so, and nobody counts it as wrong
    after, [verdict] = judged(before, reply("5678", "in-1"))
    assert verdict.feedback == ANSWERED
    assert after.phone(PHONE) == sms.PhoneRecord(feedback=events(1))


def test_reply_with_the_code_of_two_questions_that_are_over_is_told_of_the_later_one() -> None:
    # Given an answered question, and one with the same codes that expired after it
    before = state(question(1, claim=claim(reply_id="in-0")), question(2, created=NOW + 60, expires=NOW + 90))
    # When the code comes, Then the latest counts
    assert judged(before, reply("1234", "in-1"), now=NOW + 100)[1][0].feedback == TOO_LATE


def test_code_of_a_question_that_another_phone_has_answered_is_too_late() -> None:
    # Given one entitlement asked of two phones, answered by the first
    before = state(question(1, PHONE, claim=claim(reply_id="in-0")), question(1, OTHER_PHONE))
    # When the other one answers, Then it is too late
    assert judged(before, reply("1234", "in-1", OTHER_PHONE))[1][0].feedback == TOO_LATE


def test_feedback_turned_off_says_nothing_about_questions_that_are_over() -> None:
    # Given an instance without feedback, When codes of questions that are over come, Then nothing is sent nor written
    before = state(question(1, claim=claim(reply_id="in-0")), question(2, codes={"1": "A"}, expires=NOW))
    after, verdicts = judged(before, reply("1234", "in-1"), reply("1", "in-2"), replyFeedbackEnabled=False)
    assert [verdict.feedback for verdict in verdicts] == ["", ""]
    assert after is before


def test_phone_gets_three_texts_that_are_no_thank_yous_and_then_silence() -> None:
    # Given an open, an answered and an expired question
    before = state(
        question(1), question(2, codes={"2": "B"}, claim=claim("B", "2")), question(3, codes={"3": "C"}, expires=NOW)
    )
    # When replies come that answer none of them
    texts = ["what?", "2", "3", "why?", "2", "9999"]
    _, verdicts = judged(before, *(reply(text, f"in-{number}") for number, text in enumerate(texts)))
    # Then three are answered, whichever the text, and the rest is not
    three = [f"{FAILURE}Yes (1234), No (5678)", "You already answered: B.", TOO_LATE]
    assert [verdict.feedback for verdict in verdicts] == [*three, "", "", ""]


def test_three_texts_are_per_phone() -> None:
    # Given two phones, of which one got its three texts
    before = state(question(1), question(2, OTHER_PHONE))
    after, _ = judged(before, *(reply("what?", f"in-{number}") for number in range(3)))
    # When both write, Then only the other one gets a text
    _, verdicts = judged(after, reply("what?", "in-8"), reply("what?", "in-9", OTHER_PHONE))
    assert [bool(verdict.feedback) for verdict in verdicts] == [False, True]


@pytest.mark.parametrize(
    ("seconds", "said"), [(3599.9, False), (3600.0, True)], ids=["within the hour", "an hour after the first"]
)
def test_three_texts_are_per_hour(seconds: float, said: bool) -> None:
    # Given a phone that got three texts at once, When it writes again, Then an hour has to be over
    before = state(question()).remember(PHONE, sms.PhoneRecord(feedback=events(1, 2, 3)))
    _, [verdict] = judged(before, reply("what?", "in-4"), now=NOW + seconds)
    assert bool(verdict.feedback) is said


def test_answer_begins_the_count_of_texts_anew() -> None:
    # Given a phone that got its three texts, and two open questions
    known = state(question(1), question(2, codes={"0042": "Later"}))
    before = known.remember(PHONE, sms.PhoneRecord(feedback=events(1, 2, 3)))
    # When it answers one, and then writes four more things
    after, _ = judged(before, reply("1234", "in-4"), now=NOW + 1)
    _, verdicts = judged(after, *(reply("what?", f"in-{number}") for number in range(5, 9)), now=NOW + 2)
    # Then there are three texts more
    assert [bool(verdict.feedback) for verdict in verdicts] == [True, True, True, False]


def test_reply_that_comes_again_gets_no_second_text_even_when_the_count_is_anew() -> None:
    # Given a reply that got a text before the phone was asked again
    before = state(question()).remember(PHONE, sms.PhoneRecord(feedback=events(1), fresh_at=NOW + 60))
    # When it is delivered again, an hour later too, Then it gets none
    for now in (NOW + 61, NOW + 3601, NOW + DAY - 1):
        assert judged(before, reply("what?", "in-1"), now=now)[1][0].feedback == ""


@pytest.mark.parametrize("own", ["+14255550182", "+1 (425) 555-0182", "14255550182"], ids=["E.164", "written", "bare"])
@pytest.mark.parametrize("text", ["what?", "9999", "0042"], ids=["words", "wrong code", "code that is over"])
def test_own_origination_number_never_gets_a_text(own: str, text: str) -> None:
    # Given questions to the number that texts are sent from, asked before it was that
    before = state(question(1), question(2, codes={"0042": "Later"}, expires=NOW))
    # When a text of ours comes back from it, Then it gets none
    assert judged(before, reply(text), originationNumber=own)[1][0].feedback == ""
    assert judged(before, reply(text), originationNumber="+14255550100")[1][0].feedback


WRONG_FORMS = [
    pytest.param("9999", id="a code that no question has"),
    pytest.param("9999 yes", id="with an option after it"),
    pytest.param("Yes (9999)", id="with an option before it"),
    pytest.param("1234 no", id="with the option of another code"),
    pytest.param("12345", id="five digits"),
    pytest.param("1" * 160, id="160 digits"),
    pytest.param("９９９９", id="full-width"),
]


def guesses(count: int, text: str = "9999", phone: str = PHONE) -> list[sms.Reply]:
    return [reply(text, f"guess-{number}", phone) for number in range(count)]


@pytest.mark.parametrize("text", WRONG_FORMS)
def test_tenth_wrong_code_within_an_hour_locks_the_phone(text: str) -> None:
    # Given an open question and nine wrong codes
    nine, verdicts = judged(state(question()), *guesses(9, text))
    assert {verdict.meaning for verdict in verdicts} == {sms.Meaning.WRONG}
    # When the right one comes then, it answers; When it comes after a tenth wrong one, it is ignored
    assert judged(nine, reply("1234", "in-1"))[1][0].meaning is sms.Meaning.ANSWER
    after, [tenth, right] = judged(nine, reply(text, "guess-9"), reply("1234", "in-1"))
    assert tenth.meaning is sms.Meaning.WRONG
    assert right == sms.Verdict(reply("1234", "in-1"), sms.Meaning.IGNORED)
    assert after.of(PHONE) == (question(),)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("what?", id="words"),
        pytest.param("yes", id="the option alone"),
        pytest.param("call me at 1234", id="digits in a sentence"),
        pytest.param("STOP", id="opt-out"),
        pytest.param("Stop (9999)", id="opt-out with a code"),
        pytest.param("0042", id="code of a question that is over"),
        pytest.param("", id="empty"),
    ],
)
def test_reply_that_is_no_wrong_code_never_locks_a_phone(text: str) -> None:
    # Given an open and an expired question, When fifty such replies come, Then the right code answers still
    before = state(question(1), question(2, codes={"0042": "Later"}, expires=NOW))
    _, verdicts = judged(before, *guesses(50, text), reply("1234", "in-1"))
    assert verdicts[-1].match == sms.Match(question(1), "1234")


def test_wrong_code_that_is_delivered_again_counts_once() -> None:
    # Given nine wrong codes, When the last of them comes twenty times more, Then the right code answers still
    nine, _ = judged(state(question()), *guesses(9))
    after, verdicts = judged(nine, *[reply("9999", "guess-8")] * 20, reply("1234", "in-1"))
    assert len(nine.phone(PHONE).wrong) == len(after.phone(PHONE).wrong) == 9
    assert verdicts[-1].match


@pytest.mark.parametrize(
    ("seconds", "meaning"),
    [
        pytest.param(3599.9, sms.Meaning.IGNORED, id="within the hour"),
        pytest.param(3600.0, sms.Meaning.ANSWER, id="an hour after the first wrong one"),
    ],
)
def test_lock_ends_an_hour_after_the_first_wrong_code(seconds: float, meaning: sms.Meaning) -> None:
    # Given a wrong code, nine more half an hour later, and more of them while locked
    locked, _ = judged(state(question()), *guesses(1))
    locked, _ = judged(locked, *(reply("9999", f"more-{number}") for number in range(20)), now=NOW + 1800)
    # When the right code comes around the end of the first one's hour, Then it is ignored before, and answers after
    assert judged(locked, reply("1234", "in-1"), now=NOW + seconds)[1][0].meaning is meaning


def test_wrong_codes_of_more_than_an_hour_never_lock() -> None:
    # Given a wrong code every 400 seconds for a week, When the right one comes in between, Then it answers at any time
    known = state(question(expires=NOW + 8 * DAY))
    for number in range(1512):
        known, [verdict] = judged(known, reply("9999", f"guess-{number}"), now=NOW + number * 400)
        assert verdict.meaning is sms.Meaning.WRONG
    assert judged(known, reply("1234", "in-1"), now=NOW + 7 * DAY)[1][0].match
    # And no more of them are kept than an hour holds
    assert len(known.phone(PHONE).wrong) == 9


@pytest.mark.parametrize(
    ("allowed", "wrong", "meaning"),
    [
        pytest.param("0", 200, sms.Meaning.ANSWER, id="turned off"),
        pytest.param("1", 1, sms.Meaning.IGNORED, id="one"),
        pytest.param("3", 2, sms.Meaning.ANSWER, id="two of three"),
        pytest.param("3", 3, sms.Meaning.IGNORED, id="three of three"),
        pytest.param("50", 49, sms.Meaning.ANSWER, id="49 of 50"),
        pytest.param("50", 50, sms.Meaning.IGNORED, id="50 of 50"),
    ],
)
def test_parameter_says_how_many_wrong_codes_lock(allowed: str, wrong: int, meaning: sms.Meaning) -> None:
    # Given the parameter, When so many wrong codes come and then the right one, Then it is ignored or answers
    _, verdicts = judged(state(question()), *guesses(wrong), reply("1234", "in-1"), maxWrongReplies=allowed)
    assert verdicts[-1].meaning is meaning


def test_lock_is_of_one_phone_and_of_its_replies_only() -> None:
    # Given a locked phone with a claim that XSOAR has not taken
    known = state(question(1), question(2, OTHER_PHONE), question(3, codes={"7": "A"}, claim=claim("A", "7")))
    locked, _ = judged(known, *guesses(10))
    # When the reply of that claim comes again, and another phone answers
    _, [again, other] = judged(locked, reply("7", "r-1"), reply("1234", "in-1", OTHER_PHONE))
    # Then the claim is still told, and the other phone's answer is taken
    assert (again.meaning, other.meaning) == (sms.Meaning.REPEAT, sms.Meaning.ANSWER)


@pytest.mark.parametrize("text", ["9999", "what?", "STOP", "12345"])
@pytest.mark.parametrize(
    "before", [state(), state(question(phone=OTHER_PHONE))], ids=["no question", "a question to another phone"]
)
def test_stranger_leaves_no_trace(before: sms.State, text: str) -> None:
    # Given a phone that was never asked, When it writes fifty times, Then nothing is remembered, nothing is said
    after, verdicts = judged(before, *guesses(50, text))
    assert after is before
    assert {verdict.feedback for verdict in verdicts} == {""}


OPT_OUTS = ["ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE"]


@pytest.mark.parametrize("word", OPT_OUTS)
@pytest.mark.parametrize(
    "form", ["{}", " {}!", "{} please", "{}.\nI mean it", "{} 1234", "{} (1234)", "'{}'", "{}-now"]
)
def test_text_that_begins_with_an_opt_out_word_opts_out(word: str, form: str) -> None:
    # Given an open question with an option of that word, When a text begins with it in any case
    asked = question(codes={"1234": word.title(), "5678": "No"})
    for text in (form.format(word), form.format(word.lower()), form.format(word.title())):
        after, [verdict] = judged(state(asked), reply(text))
        # Then it answers nothing, gets no text, is no wrong code, and the phone is shown as opted out
        assert verdict == sms.Verdict(reply(text), sms.Meaning.OPT_OUT)
        assert after == state(asked).remember(PHONE, sms.PhoneRecord(opted_out=True))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("stopping", id="a longer word"),
        pytest.param("Ending soon", id="a longer word, capital"),
        pytest.param("TDX", id="two letters more"),
        pytest.param("stop_it", id="an underscore"),
        pytest.param("please stop", id="not at the beginning"),
        pytest.param("opt out", id="two words"),
        pytest.param("removed", id="a letter more"),
    ],
)
def test_text_with_an_opt_out_word_elsewhere_or_in_a_longer_word_is_any_text(text: str) -> None:
    # Given an open question, When such a text comes, Then it gets the codes, and the phone has not opted out
    after, [verdict] = judged(state(question()), reply(text))
    assert verdict.feedback == f"{FAILURE}Yes (1234), No (5678)"
    assert not after.phone(PHONE).opted_out


@pytest.mark.parametrize("text", ["1234", "1234 cancel", "(1234)", "1234 CANCEL!"])
def test_option_that_is_an_opt_out_word_is_chosen_by_its_code_first(text: str) -> None:
    # Given an option called Cancel, When its code comes, with the word after it or alone, Then it is the answer
    asked = question(codes={"1234": "Cancel", "5678": "No"})
    after, [verdict] = judged(state(asked), reply(text))
    assert verdict.match == sms.Match(asked, "1234")
    assert not after.phone(PHONE).opted_out


def test_opt_out_lasts_until_the_phone_answers() -> None:
    # Given a phone that opted out
    known = state(question(1), question(2, codes={"0042": "Later"}))
    out, _ = judged(known, reply("STOP", "in-1"))
    # When it writes what is no answer, Then it is still out; When it answers, it is not, and nothing is left to keep
    still, _ = judged(out, reply("9999", "in-2"), reply("what?", "in-3"), now=NOW + 1)
    assert still.phone(PHONE).opted_out
    assert sms.purge(out, DAY, NOW + 30 * DAY).phone(PHONE).opted_out
    answered, _ = judged(out, reply("42", "in-4"), now=NOW + 2)
    assert not answered.phone(PHONE).opted_out
    assert sms.purge(answered, DAY, NOW + 2).phones == {}


# ---------------------------------------------------------------- the integration context

STORED_QUESTION = {
    "guid": "00000001-0000-4000-8000-000000000000",
    "incident": "77",
    "task": "3",
    "phone": "+14255550182",
    "text": "Restart db-7?",
    "codes": {"1234": "Yes", "5678": "No"},
    "created": 1767225600.0,
    "expires": 1767312000.0,
    "terms": {"lifetime": 0.0},
}
STORED_CLAIM = {
    "option": "Yes",
    "code": "1234",
    "reply_id": "r-1",
    "at": 1767225600.0,
    "told_at": None,
    "error": "XSOAR is busy.",
    "ending": "Answered",
}


def unreadable(kind: str) -> str:
    return (
        f"The integration context holds entitlements that cannot be read ({kind}); they were left as they are. "
        "Repair them, or reset the integration cache of the instance to lose all open questions."
    )


def test_state_is_stored_as_json_text_under_two_keys() -> None:
    # Given an open question, a claimed one that AWS has a time of, and what is remembered of a phone
    phone = sms.PhoneRecord(feedback=events(9), wrong=events(7, 8), fresh_at=NOW - 1, opted_out=True)
    answered = question(2, claim=claim(error="XSOAR is busy."), published=NOW + 1)
    known = state(question(1), answered).remember(PHONE, phone)
    # When written
    written = sms.write_state(known)
    # Then both are JSON text in this shape
    second = {
        **STORED_QUESTION,
        "guid": "00000002-0000-4000-8000-000000000000",
        "published": 1767225601.0,
        "claim": STORED_CLAIM,
    }
    assert json.loads(written["entitlements"]) == [STORED_QUESTION, second]
    assert json.loads(written["phones"]) == {
        "+14255550182": {
            "feedback": [["in-9", 1767225600.0]],
            "wrong": [["in-7", 1767225600.0], ["in-8", 1767225600.0]],
            "fresh_at": 1767225599.0,
            "opted_out": True,
        }
    }


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(state(), id="empty"),
        pytest.param(state(question(text='Ü "🔥" \ud83d \x00 {x}\n')), id="any text"),
        pytest.param(state(question(1), question(2), question(1, OTHER_PHONE)), id="two phones"),
        pytest.param(state(question(claim=claim(told_at=NOW + 1), sends=3)), id="answered"),
        pytest.param(state(question(codes={"0009": "B", "0001": "A"})), id="order of the codes"),
        pytest.param(state(question(published=NOW + 0.5)), id="time of AWS"),
        pytest.param(remembered(feedback=events(1, 2)), id="feedback"),
        pytest.param(remembered(wrong=events(1, 2), fresh_at=NOW), id="wrong replies"),
        pytest.param(remembered(opted_out=True), id="opted out"),
    ],
)
def test_state_that_is_written_is_read_back(known: sms.State) -> None:
    # Given a state, When written and read, Then nothing has changed, the order of codes neither
    read = sms.read_state(sms.write_state(known))
    assert read == known
    assert [list(q.codes) for q in read.all()] == [list(q.codes) for q in known.all()]


@pytest.mark.parametrize("context", [{}, {"entitlements": ""}, {"other": "x"}], ids=["empty", "no text", "another key"])
def test_context_without_questions_is_an_empty_state(context: dict[str, str]) -> None:
    # Given a context that was never written, When read, Then there is nothing in it
    assert sms.read_state(context) == sms.State()


UNREADABLE = [
    pytest.param("{", "JSONDecodeError", id="not JSON"),
    pytest.param("[" * 200_000, "RecursionError", id="brackets"),
    pytest.param("17", "TypeError", id="number"),
    pytest.param("null", "TypeError", id="null"),
    pytest.param('["a"]', "TypeError", id="list of texts"),
    pytest.param("[{}]", "KeyError", id="question without fields"),
    pytest.param(json.dumps([{**STORED_QUESTION, "created": "soon"}]), "ValueError", id="time that is no number"),
    pytest.param(json.dumps([{**STORED_QUESTION, "claim": {"x": 1}}]), "KeyError", id="claim with other fields"),
    pytest.param(json.dumps([{**STORED_QUESTION, "claim": []}]), "TypeError", id="claim that is a list"),
    pytest.param(
        json.dumps([{**STORED_QUESTION, "claim": {**STORED_CLAIM, "option": "No"}}]),
        "ValueError",
        id="claim of an option that its code does not mean",
    ),
    pytest.param(
        json.dumps([{**STORED_QUESTION, "claim": {**STORED_CLAIM, "code": "9999"}}]),
        "KeyError",
        id="claim with a code that was not offered",
    ),
    pytest.param(
        json.dumps([{**STORED_QUESTION, "claim": {**STORED_CLAIM, "at": "soon"}}]),
        "ValueError",
        id="claim at a time that is no number",
    ),
    pytest.param(json.dumps([{**STORED_QUESTION, "codes": None}]), "TypeError", id="no codes"),
    pytest.param("{}", "", id="object"),
    pytest.param('""', "", id="text"),
    pytest.param(json.dumps([{**STORED_QUESTION, "codes": {"yes": "Yes"}}]), "", id="code that is no number"),
]


@pytest.mark.parametrize(("text", "kind"), UNREADABLE)
def test_context_that_cannot_be_read_is_an_error_and_never_written(server: Server, text: str, kind: str) -> None:
    # Given questions in the context that cannot be understood
    server.context = {"entitlements": text}
    # When a change is tried, Then the sentence says what to do, and the text is as it was
    with pytest.raises(sms.StateError) as error:
        sms.QuestionStore().update(lambda known: (known.put(question()), None))
    assert str(error.value) == unreadable(kind) or not kind
    assert (server.context, server.writes) == ({"entitlements": text}, 0)


@pytest.mark.parametrize("text", ["[", "[1]", '{"+14255550182": []}', '{"+14255550182": {"feedback": [[1]]}}'])
def test_remembered_feedback_that_cannot_be_read_is_an_error(server: Server, text: str) -> None:
    # Given feedback in the context that cannot be understood, When read, Then it is an error, not an empty state
    server.context = {"phones": text}
    with pytest.raises(sms.StateError, match=r"^The integration context holds entitlements that cannot be read"):
        sms.QuestionStore().read()


def test_put_replaces_the_question_of_the_same_entitlement_and_phone_whatever_the_case() -> None:
    # Given two questions, one with a tag in capitals
    old, other = replace(question(), entitlement=sms.Entitlement(GUID.upper(), "77", "TAG")), question(2)
    new = replace(old, entitlement=sms.Entitlement(GUID, "77", "tag"), text="Again?")
    # When the same entitlement is put in another case, Then it takes its place
    assert state(old, other).put(new).of(PHONE) == (new, other)


def test_purge_drops_what_no_delivery_can_ask_for_again() -> None:
    # Given questions and feedback that are over for four days, and some that are not
    expired, answered = question(1, expires=NOW), question(2, expires=NOW, claim=claim(told_at=NOW))
    untold = question(3, expires=NOW, claim=claim(at=NOW + 1))
    phone = sms.PhoneRecord(feedback=events(1))
    known = state(expired, answered, untold, question(4, OTHER_PHONE, expires=NOW)).remember(PHONE, phone)
    # When purged, Then each goes four days after it was over, a claim a day after that
    assert sms.purge(known, DAY, NOW + 4 * DAY - 1) == known
    assert sms.purge(known, DAY, NOW + 4 * DAY) == state(answered, untold)
    assert sms.purge(known, DAY, NOW + 5 * DAY) == state(untold)
    assert sms.purge(known, DAY, NOW + 5 * DAY + 1) == state()


def test_withdraw_takes_out_what_one_refused_send_put_in() -> None:
    # Given a question sent once, one sent twice, one with an answer
    once, twice, answered = question(1), question(2, sends=2), question(3, claim=claim())
    known = state(once, twice, answered)
    # When each is withdrawn, Then the first is gone, the second has one send less, the third stays
    assert sms.withdraw(known, sms.Asking(once, None)) == state(twice, answered)
    assert sms.withdraw(known, sms.Asking(twice, once)) == state(once, replace(twice, sends=1), answered)
    assert sms.withdraw(known, sms.Asking(answered, None)) is known
    assert sms.withdraw(known, sms.Asking(question(9), None)) is known


def test_settle_marks_what_was_told_keeps_what_was_not_and_counts_nothing_twice() -> None:
    # Given a claim that was told, one that was refused, one another container has settled, one that is gone
    told, failed = question(1, claim=claim()), question(2, claim=claim())
    settled, gone = question(3, claim=claim(told_at=NOW - 1)), question(4, claim=claim())
    claims = [sms.Match(q, "1234") for q in (told, failed, settled, gone)]
    errors = {q.entitlement.key: "" for q in (told, settled, gone)} | {failed.entitlement.key: "XSOAR is busy."}
    # When settled
    after, result = sms.settle(state(told, failed, settled), claims, errors, NOW + 2, feedback=True)
    # Then only the first is news
    assert after == state(
        replace(told, claim=claim(told_at=NOW + 2)), replace(failed, claim=claim(error="XSOAR is busy.")), settled
    )
    assert result.errors == {
        told.entitlement.key: "",
        failed.entitlement.key: "XSOAR is busy.",
        settled.entitlement.key: None,
    }


@pytest.mark.parametrize(
    ("age", "waiting"),
    [(29.9, False), (30.0, True), (DAY - 1, True), (DAY, False)],
    ids=["within the grace", "after the grace", "almost a day", "a day: left to the operator"],
)
def test_claim_waits_to_be_told_between_the_grace_and_a_day(age: float, waiting: bool) -> None:
    # Given a claim that XSOAR has not taken, When claims are looked for, Then its age decides
    known = state(question(claim=claim(at=NOW)), question(2), question(3, claim=claim(told_at=NOW)))
    assert len(sms.untold_claims(known, NOW + age, 30)) == waiting


def test_update_that_meets_a_conflict_is_applied_to_a_fresh_read(server: Server) -> None:
    # Given another container that writes question 2 just before our write
    server.meanwhile = [lambda: server.store(question(2, codes={"1": "A"}))]
    clock = Clock()
    # When question 1 is put
    result = sms.QuestionStore(clock.sleep).update(lambda known: (known.put(question(1)), "done"))
    # Then both are there, after one pause
    assert result == "done"
    assert [q.entitlement for q in server.questions] == [entitlement(2), entitlement(1)]
    assert len(clock.sleeps) == 1


def test_update_keeps_the_other_keys_of_the_context(server: Server) -> None:
    # Given a context with a key of somebody else, When a question is put, Then that key stays
    server.context = {"last_run": "17"}
    sms.QuestionStore().update(lambda known: (known.put(question()), None))
    assert server.context["last_run"] == "17"


def test_update_after_twenty_conflicts_is_an_error_and_nothing_is_written(server: Server) -> None:
    # Given others that are always faster
    server.meanwhile = [lambda: server.store(question(2)) for _ in range(30)]
    clock = Clock()
    # When question 1 is put, Then it gives up after 20 tries, with pauses of a second at most
    with pytest.raises(sms.StateError) as error:
        sms.QuestionStore(clock.sleep).update(lambda known: (known.put(question(1)), None))
    assert str(error.value) == (
        "The integration context was changed by others 20 times in a row; nothing was written. Try again."
    )
    assert len(server.meanwhile) == 10
    assert [q.entitlement for q in server.questions] == [entitlement(2)]
    assert max(clock.sleeps) <= 1


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            "read",
            RuntimeError("server is busy."),
            "The integration context cannot be read: RuntimeError: server is busy.",
        ),
        ("read", ValueError(""), "The integration context cannot be read: ValueError."),
        ("write", OSError("disk full"), "The integration context cannot be written: OSError: disk full."),
    ],
    ids=["failed read", "failed read without a text", "failed write"],
)
def test_context_that_fails_is_an_error_and_nothing_is_written(
    server: Server, call: str, error: Exception, sentence: str
) -> None:
    # Given a question in a context that the server does not hand over, or does not take
    server.store(question(1))
    before = dict(server.context)
    server.fail = {call: [error]}
    # When another is put, Then it is an error at once, and the context is as it was
    with pytest.raises(sms.StateError) as raised:
        sms.QuestionStore().update(lambda known: (known.put(question(2)), None))
    assert str(raised.value) == sentence
    assert (server.context, server.writes) == (before, 0)


def test_update_that_changes_nothing_writes_nothing(server: Server) -> None:
    # Given a change that returns the state it got, When applied, Then its result is returned without a write
    server.store(question())
    assert sms.QuestionStore().update(lambda known: (known, len(known.of(PHONE)))) == 1
    assert server.writes == 0


def test_update_whose_change_raises_writes_nothing(server: Server) -> None:
    # Given a change that refuses, When applied, Then its error comes out, once, and nothing is written
    def refuse(_: sms.State) -> tuple[sms.State, None]:
        raise sms.InputError("No.")

    with pytest.raises(sms.InputError, match=r"^No\.$"):
        sms.QuestionStore().update(refuse)
    assert server.writes == 0


def test_purge_keeps_answered_questions_for_the_entitlement_ttl_so_that_their_codes_rest() -> None:
    # Given a question that was over at NOW, and a TTL of a week
    known = state(question(expires=NOW))
    # When purged, Then it goes when a week is over, not after the four days of the queue
    assert sms.purge(known, 7 * DAY, NOW + 7 * DAY - 1) == known
    assert sms.purge(known, 7 * DAY, NOW + 7 * DAY) == state()


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        pytest.param(remembered(feedback=events(1)), 4 * DAY, id="feedback: as long as a reply can come again"),
        pytest.param(remembered(wrong=events(1)), 3600.0, id="wrong codes: an hour"),
    ],
)
def test_purge_forgets_of_a_phone_what_counts_no_more(known: sms.State, seconds: float) -> None:
    # Given what is remembered of a phone, When purged, Then it goes when it counts no more, and the phone with it
    assert sms.purge(known, DAY, NOW + seconds - 0.1) == known
    assert sms.purge(known, DAY, NOW + seconds) == state()


def test_context_of_the_version_before_is_read() -> None:
    # Given a question without AWS's time, and a phone of which only feedback was kept
    stored = {key: value for key, value in STORED_QUESTION.items() if key != "published"}
    context = {
        "entitlements": json.dumps([stored]),
        "phones": json.dumps({"+14255550182": {"feedback": [["in-9", 1767225600.0]]}}),
    }
    # When read, Then both are there
    assert sms.read_state(context) == state(question()).remember(PHONE, sms.PhoneRecord(feedback=events(9)))


@pytest.mark.parametrize(
    "phone",
    [
        pytest.param({"feedback": [], "wrong": [["in-1"]]}, id="wrong code without a time"),
        pytest.param({"feedback": [], "wrong": {"in-1": 1}}, id="wrong codes that are no list"),
        pytest.param({"feedback": [], "fresh_at": "now"}, id="time that is no number"),
        pytest.param({"feedback": [], "opted_out": "no"}, id="text for a yes or no"),
        pytest.param({"wrong": []}, id="no feedback"),
    ],
)
def test_remembered_phone_that_cannot_be_read_is_an_error_and_never_written(
    server: Server, phone: dict[str, Any]
) -> None:
    # Given what is remembered of a phone in another shape, When a change is tried, Then it is left as it was
    server.context = {"phones": json.dumps({PHONE: phone})}
    with pytest.raises(sms.StateError, match=r"^The integration context holds entitlements that cannot be read"):
        sms.QuestionStore().update(lambda known: (known.put(question()), None))
    assert (server.context, server.writes) == ({"phones": json.dumps({PHONE: phone})}, 0)


# ---------------------------------------------------------------- AWS


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without AWS settings, credentials, proxies or certificates of its own."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


class Raw(io.BytesIO):
    """The body of an answer, as urllib3 hands it over."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def http(body: str, status: int = 200, **headers: str) -> AWSResponse:
    return AWSResponse("https://aws.example.com", status, HTTPHeaders.from_dict(headers), Raw(body.encode()))


def xml_error(code: str, status: int = 400, message: str = "No.") -> AWSResponse:
    return http(
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>", status
    )


def sqs_error(shape: str, code: str, status: int = 400) -> AWSResponse:
    told = {"x-amzn-query-error": f"{code};Sender", "content-type": "application/x-amz-json-1.0"}
    return http(json.dumps({"__type": f"com.amazonaws.sqs#{shape}", "message": "No."}), status, **told)


def assumed(seconds: float = 900) -> AWSResponse:
    """What STS answers: a session that ends so many seconds from now."""
    end = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    keys = (
        "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>role-token</SessionToken>"
    )
    user = "<AssumedRoleUser><AssumedRoleId>A:x</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/sms/x</Arn>"
    return http(
        f"<AssumeRoleResponse><AssumeRoleResult><Credentials>{keys}<Expiration>{end.isoformat()}</Expiration>"
        f"</Credentials>{user}</AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    )


LOADER = botocore.session.Session().get_component("data_loader")  # shared: reading the service models takes a while
SENT = "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"


@dataclass(frozen=True)
class Request:
    """A request as a real client of boto put it on the wire."""

    operation: str
    url: str
    authorization: str
    token: str
    parameters: dict[str, Any]


class Wire:
    """Stands for the network: every request of a real client ends here. `answers` holds the next ones by operation."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, list[AWSResponse | Exception]] = {}

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        seen = self._read(request)
        self.requests.append(seen)
        waiting = self.answers.get(seen.operation)
        answer = waiting.pop(0) if waiting else self._usual(seen.operation)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @staticmethod
    def _read(request: Any) -> Request:
        headers = {name.lower(): str(_plain(value)) for name, value in request.headers.items()}
        body = str(_plain(request.body))
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        parameters = json.loads(body) if target else dict(parse_qsl(body))
        operation = target or parameters["Action"]
        return Request(
            operation, request.url, headers["authorization"], headers.get("x-amz-security-token", ""), parameters
        )

    @staticmethod
    def _usual(operation: str) -> AWSResponse:
        return {"AssumeRole": assumed, "Publish": lambda: http(SENT)}.get(operation, lambda: http("{}"))()

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire, session = Wire(), botocore.session.Session

    def wired() -> botocore.session.Session:
        made = session()
        made.register_component("data_loader", LOADER)
        made.register("before-send", wire)  # type: ignore[arg-type]
        return made

    monkeypatch.setattr(sms, "Session", wired)
    monkeypatch.setattr(sms, "jitter", lambda: 1.0)
    return wire


def sender(clock: Clock | None = None, **changes: Any) -> sms.SmsSender:
    """As a container makes it; without a clock its pauses take no time."""
    chosen = settings(**changes)
    return sms.SmsSender(sms.Aws(chosen), chosen, (clock or Clock()).sleep)


def reply_queue(**changes: Any) -> sms.ReplyQueue:
    chosen = settings(**changes)
    return sms.ReplyQueue(sms.Aws(chosen), chosen)


SNS_URL = "https://sns.us-east-1.amazonaws.com/"
NO_CONNECTION = EndpointConnectionError(endpoint_url=SNS_URL)
NO_ANSWER = ReadTimeoutError(endpoint_url=SNS_URL)
CUT = ConnectionClosedError(endpoint_url=SNS_URL)
BAD_CERTIFICATE = SSLError(endpoint_url=SNS_URL, error=Exception("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"))
BROKEN_TLS = SSLError(endpoint_url=SNS_URL, error=Exception("EOF occurred in violation of protocol"))


NO_QUEUE_ADVICE = "no such queue, check the SQS Queue URL and the AWS Default Region"


@pytest.mark.parametrize(
    ("code", "operation", "advice"),
    [
        ("InvalidClientTokenId", "Publish", "check the AWS Access Key ID"),
        ("SignatureDoesNotMatch", "Publish", "check the AWS Secret Access Key and the clock of the server"),
        ("ExpiredToken", "Publish", "the credentials of the machine have expired, renew its AWS role"),
        ("AuthorizationError", "Publish", "the key or role lacks the permission for Publish"),
        ("AccessDeniedException", "ReceiveMessage", "the key or role lacks the permission for ReceiveMessage"),
        (
            "AccessDenied",
            "AssumeRole",
            "the key or role lacks the permission for AssumeRole, or the role does not trust it",
        ),
        ("QueueDoesNotExist", "GetQueueAttributes", NO_QUEUE_ADVICE),
        ("NonExistentQueue", "ReceiveMessage", NO_QUEUE_ADVICE),
        ("InvalidParameter", "Publish", "check the phone number, the Origination Number and the Sender ID"),
        ("KmsAccessDenied", "ReceiveMessage", "the key or role lacks kms:Decrypt on the key of the queue"),
        (
            "OverLimit",
            "ReceiveMessage",
            "too many messages of the queue are in flight, wait for their visibility timeout",
        ),
        ("Brandnew", "Publish", "look the code up in the AWS documentation"),
    ],
)
def test_refusal_of_aws_is_one_sentence_with_the_code_and_what_to_do(code: str, operation: str, advice: str) -> None:
    # Given what AWS answers, When told, Then it is one sentence
    error = sms.aws_error(refused(code, 403, operation), "Publish")
    assert str(error) == f"AWS refused {operation} with {code}: {advice}. It said: No."


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(
            refused("AWS.SimpleQueueService.NonExistentQueue", 400, "ReceiveMessage", "It is gone."),
            f"AWS refused ReceiveMessage with NonExistentQueue: {NO_QUEUE_ADVICE}. It said: It is gone.",
            id="code with a prefix",
        ),
        pytest.param(
            refused("Brandnew", message=f"{PHONE} is not valid"),
            "AWS refused Publish with Brandnew: look the code up in the AWS documentation. "
            "It said: +1425*****82 is not valid.",
            id="phone number in the answer",
        ),
        pytest.param(
            ClientError({}, "Publish"),
            "AWS refused Publish with an unknown error: look the code up in the AWS documentation. "
            "It said: an unknown error.",
            id="answer without an error",
        ),
        pytest.param(
            NoCredentialsError(),
            "Publish needs AWS credentials and the machine has none: give AWS Access Key ID and AWS Secret Access Key, "
            "or give the machine an AWS role.",
            id="no credentials",
        ),
        pytest.param(
            NO_CONNECTION,
            "Publish failed with EndpointConnectionError: check the network, the proxy settings and the AWS Default "
            "Region. It said: EndpointConnectionError: Could not connect to the endpoint URL: "
            '"https://sns.us-east-1.amazonaws.com/".',
            id="no connection",
        ),
        pytest.param(
            NO_ANSWER,
            "Publish failed with ReadTimeoutError: check the network, the proxy settings and the AWS Default Region. "
            'It said: ReadTimeoutError: Read timeout on endpoint URL: "https://sns.us-east-1.amazonaws.com/".',
            id="read timeout",
        ),
    ],
)
def test_failure_on_the_way_to_aws_is_one_sentence_without_a_phone_number(error: Exception, sentence: str) -> None:
    # Given an error that is not one of the known codes, When told, Then it is one sentence all the same
    assert str(sms.aws_error(error, "Publish")) == sentence


@pytest.mark.parametrize("code", sorted(sms.ADVICE))
def test_every_advice_fills_in_its_operation(code: str) -> None:
    # Given a code with an advice, When told, Then no brace is left in the sentence
    assert "{" not in str(sms.aws_error(refused(code, 400, "ReceiveMessage"), "ReceiveMessage"))


@pytest.mark.parametrize(
    ("error", "surely"),
    [
        pytest.param(refused("InvalidParameter", 400), True, id="refused"),
        pytest.param(refused("AuthorizationError", 403), True, id="forbidden"),
        pytest.param(refused("Throttling", 400), True, id="throttled"),
        pytest.param(refused("Throttling", 503), True, id="throttled with a server status"),
        pytest.param(refused("InternalError", 500), False, id="server error"),
        pytest.param(refused("ServiceUnavailable", 503), False, id="unavailable"),
        pytest.param(refused("InternalError", 500, "AssumeRole"), True, id="server error of another operation before"),
        pytest.param(NoCredentialsError(), True, id="no credentials"),
        pytest.param(NO_CONNECTION, True, id="no connection"),
        pytest.param(ConnectTimeoutError(endpoint_url=SNS_URL), True, id="connect timeout"),
        pytest.param(ProxyConnectionError(proxy_url="http://127.0.0.1:1"), True, id="no proxy"),
        pytest.param(BAD_CERTIFICATE, True, id="certificate not trusted"),
        pytest.param(BROKEN_TLS, False, id="TLS broken off"),
        pytest.param(NO_ANSWER, False, id="read timeout"),
        pytest.param(CUT, False, id="connection lost"),
        pytest.param(HTTPClientError(error="reset"), False, id="any error of the transport"),
        pytest.param(ResponseParserError("not XML"), False, id="answer that cannot be read"),
    ],
)
def test_publish_is_surely_not_done_or_may_have_been(error: Exception, surely: bool) -> None:
    # Given an error of Publish, When judged, Then it is MaybeSent unless the SMS surely did not leave
    assert isinstance(sms.aws_error(error, "Publish"), sms.MaybeSent) is not surely


@pytest.mark.parametrize(
    ("first_answer", "requests"),
    [
        pytest.param(xml_error("Throttling", 400, "Rate exceeded"), 2, id="Throttling"),
        pytest.param(xml_error("ThrottlingException", 400, "Rate exceeded"), 2, id="ThrottlingException"),
        pytest.param(xml_error("Throttled", 429, "Rate exceeded"), 2, id="Throttled"),
        pytest.param(xml_error("KMSThrottling", 400), 2, id="KMSThrottling"),
        pytest.param(NO_CONNECTION, 2, id="no connection"),
        pytest.param(ConnectTimeoutError(endpoint_url=SNS_URL), 2, id="connect timeout"),
        pytest.param(ProxyConnectionError(proxy_url="http://127.0.0.1:1"), 2, id="no proxy"),
    ],
)
def test_sms_that_surely_was_not_sent_is_sent_again(wire: Wire, first_answer: Any, requests: int) -> None:
    # Given an AWS that is busy or away at first
    wire.answers["Publish"] = [first_answer]
    clock = Clock()
    # When a text is sent, Then it is sent once more after half a second, and gets its id
    assert sender(clock).send(PHONE, "Hello").message_id == "m-1"
    assert wire.operations == ["Publish"] * requests
    assert clock.sleeps == [0.5]


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        pytest.param(NO_ANSWER, sms.MaybeSent, "^Publish failed with ReadTimeoutError: ", id="read timeout"),
        pytest.param(CUT, sms.MaybeSent, "^Publish failed with ConnectionClosedError: ", id="connection lost"),
        pytest.param(BROKEN_TLS, sms.MaybeSent, "^Publish failed with SSLError: ", id="TLS broken off"),
        pytest.param(
            xml_error("InternalError", 500), sms.MaybeSent, "^AWS refused Publish with InternalError: ", id="500"
        ),
        pytest.param(xml_error("ServiceUnavailable", 503), sms.MaybeSent, " ServiceUnavailable: ", id="503"),
        pytest.param(
            http("<html>Proxy", 200), sms.MaybeSent, "^Publish failed with ResponseParserError: ", id="no XML"
        ),
        pytest.param(BAD_CERTIFICATE, sms.AwsError, "^Publish failed with SSLError: ", id="certificate not trusted"),
        pytest.param(
            xml_error("InvalidParameter"), sms.AwsError, "^AWS refused Publish with InvalidParameter: ", id="400"
        ),
        pytest.param(xml_error("AuthorizationError", 403), sms.AwsError, " AuthorizationError: ", id="403"),
        pytest.param(xml_error("KMSAccessDenied"), sms.AwsError, " KMSAccessDenied: ", id="KMS"),
    ],
)
def test_sms_that_may_have_been_sent_or_never_will_be_is_sent_once(
    wire: Wire, answer: Any, kind: type[Exception], sentence: str
) -> None:
    # Given an AWS that would take a second try
    wire.answers["Publish"] = [answer]
    clock = Clock()
    # When a text is sent, Then one request left, and the error tells sent from perhaps sent
    with pytest.raises(kind, match=sentence) as error:
        sender(clock).send(PHONE, "Hello")
    assert type(error.value) is kind
    assert (wire.operations, clock.sleeps) == (["Publish"], [])


def test_sms_that_stays_throttled_is_tried_as_often_as_retries_say_with_growing_pauses(wire: Wire) -> None:
    # Given an AWS that throttles for ever, and 8 retries
    wire.answers["Publish"] = [xml_error("Throttling", 400, "Rate exceeded") for _ in range(20)]
    clock = Clock()
    # When a text is sent, Then it fails after 9 requests, pauses grow to 20 seconds
    with pytest.raises(sms.AwsError, match=r"^AWS refused Publish with Throttling: .* It said: Rate exceeded\.$"):
        sender(clock, retries="8").send(PHONE, "Hello")
    assert wire.operations == ["Publish"] * 9
    assert clock.sleeps == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]


def test_sms_with_no_retries_is_sent_once(wire: Wire) -> None:
    # Given Retries 0 and an AWS that throttles, When a text is sent, Then there is one request
    wire.answers["Publish"] = [xml_error("Throttling")]
    with pytest.raises(sms.AwsError, match="Throttling"):
        sender(retries="0").send(PHONE, "Hello")
    assert wire.operations == ["Publish"]


def test_sms_that_is_too_long_is_never_sent(wire: Wire) -> None:
    # Given 1531 letters, When sent, Then no request leaves
    with pytest.raises(sms.InputError, match=r"^The SMS would be 1531 characters long"):
        sender().send(PHONE, "a" * 1531)
    assert wire.requests == []


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        pytest.param({}, {"AWS.SNS.SMS.SMSType": "Transactional"}, id="defaults"),
        pytest.param(
            {"smsType": "Promotional", "senderId": "ACME", "originationNumber": "+1 425 555 0100"},
            {
                "AWS.SNS.SMS.SMSType": "Promotional",
                "AWS.SNS.SMS.SenderID": "ACME",
                "AWS.MM.SMS.OriginationNumber": "+14255550100",
            },
            id="all",
        ),
    ],
)
def test_sms_leaves_with_its_text_number_and_attributes(
    wire: Wire, given: dict[str, Any], attributes: dict[str, str]
) -> None:
    # Given an instance, When a text is sent, Then Publish has the text as it is and the attributes of the instance
    sender(**given).send(PHONE, "Ü {x} 100% 🔥\n+")
    [request] = wire.requests
    names = {key[:-5]: value for key, value in request.parameters.items() if key.endswith(".Name")}
    sent = {name: request.parameters[f"{entry}.Value.StringValue"] for entry, name in names.items()}
    types = {request.parameters[f"{entry}.Value.DataType"] for entry in names}
    assert (request.parameters["PhoneNumber"], request.parameters["Message"]) == (PHONE, "Ü {x} 100% 🔥\n+")
    assert (sent, types) == (attributes, {"String"})


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        pytest.param({"Date": "Thu, 01 Jan 2026 00:00:05 GMT"}, NOW + 5, id="as AWS writes it"),
        pytest.param({"Date": "Thu, 01 Jan 2026 01:00:05 +0100"}, NOW + 5, id="another zone"),
        pytest.param({}, None, id="none"),
        pytest.param({"Date": ""}, None, id="empty"),
        pytest.param({"Date": "soon"}, None, id="no date"),
        pytest.param({"Date": "Thu, 99 Jan 2026 00:00:05 GMT"}, None, id="no day"),
    ],
)
def test_sms_has_the_time_of_aws_at_which_it_was_taken(wire: Wire, headers: dict[str, str], at: float | None) -> None:
    # Given the Date header of the answer, When a text is sent, Then that is its time; None when there is none
    wire.answers["Publish"] = [http(SENT, 200, **headers)]
    assert sender().send(PHONE, "Hello") == sms.SentSms("m-1", at)


@pytest.mark.parametrize("own", ["+14255550182", "+1 (425) 555-0182", "14255550182"], ids=["E.164", "written", "bare"])
def test_sms_to_the_own_origination_number_is_never_sent(wire: Wire, own: str) -> None:
    # Given the number that texts are sent from, When a text to it is sent, Then the sentence says so, no request leaves
    with pytest.raises(sms.InputError) as error:
        sender(originationNumber=own).send(PHONE, "Hello")
    assert str(error.value) == (
        "+1425*****82 is the Origination Number of the instance, but a text must go to another phone. Nothing was sent."
    )
    assert wire.requests == []


def opt_out_answer(told: str) -> AWSResponse:
    result = f"<CheckIfPhoneNumberIsOptedOutResult><isOptedOut>{told}</isOptedOut></CheckIfPhoneNumberIsOptedOutResult>"
    return http(f"<CheckIfPhoneNumberIsOptedOutResponse>{result}</CheckIfPhoneNumberIsOptedOutResponse>")


@pytest.mark.parametrize(("told", "expected"), [("true", True), ("false", False)])
def test_aws_is_asked_once_whether_a_phone_has_opted_out(wire: Wire, told: str, expected: bool) -> None:
    # Given what AWS knows of a phone, When asked, Then one request left, with the number
    wire.answers["CheckIfPhoneNumberIsOptedOut"] = [opt_out_answer(told)]
    assert sender().has_opted_out(PHONE) is expected
    [request] = wire.requests
    assert request.parameters["phoneNumber"] == PHONE


OPT_OUT_FAILURES = [
    pytest.param(xml_error("AuthorizationError", 403), "AuthorizationError", id="no permission"),
    pytest.param(xml_error("Throttled", 429), "Throttled", id="throttled"),
    pytest.param(xml_error("InternalError", 500), "InternalError", id="server error"),
    pytest.param(NO_ANSWER, "ReadTimeoutError", id="no answer"),
    pytest.param(NO_CONNECTION, "EndpointConnectionError", id="no connection"),
    pytest.param(http("<html>Proxy"), "ResponseParserError", id="no XML"),
]


@pytest.mark.parametrize(("answer", "code"), OPT_OUT_FAILURES)
def test_phone_of_which_aws_does_not_tell_has_not_opted_out(wire: Wire, server: Server, answer: Any, code: str) -> None:
    # Given an AWS that does not tell, When asked, Then the phone counts as one to ask, and only the debug log says why
    wire.answers["CheckIfPhoneNumberIsOptedOut"] = [answer]
    assert sender().has_opted_out(PHONE) is False
    assert wire.operations == ["CheckIfPhoneNumberIsOptedOut"]
    [told] = server.debugs
    assert told.startswith("Whether the phone has opted out is not known: ")
    assert code in told
    assert (server.errors, server.infos) == ([], [])


def test_queue_is_asked_for_ten_messages_and_hands_over_what_is_needed_of_each(wire: Wire) -> None:
    # Given two messages on the queue, one without a body or attributes
    messages = [
        {
            "MessageId": "sqs-1",
            "ReceiptHandle": "handle-1",
            "Body": "{}",
            "Attributes": {"SentTimestamp": "1767225600500"},
        },
        {"MessageId": "sqs-2", "ReceiptHandle": "handle-2"},
    ]
    wire.answers["ReceiveMessage"] = [http(json.dumps({"Messages": messages})), http("{}")]
    queue = reply_queue()
    # When received twice, Then both messages come, then none
    assert queue.receive(7) == [
        sms.Received("handle-1", "sqs-1", "{}", NOW + 0.5),
        sms.Received("handle-2", "sqs-2", "", None),
    ]
    assert queue.receive(7) == []
    # And the request is a long poll for ten
    asked = wire.requests[0].parameters
    assert (asked["QueueUrl"], asked["WaitTimeSeconds"], asked["MaxNumberOfMessages"]) == (QUEUE, 7, 10)


def test_queue_deletes_in_batches_of_ten_and_counts_what_failed(wire: Wire) -> None:
    # Given 23 messages, of which AWS does not delete two
    failed = [{"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]
    wire.answers["DeleteMessageBatch"] = [
        http(json.dumps({"Successful": [], "Failed": failed})),
        http("{}"),
        http(json.dumps({"Successful": [], "Failed": failed})),
    ]
    # When deleted
    count = reply_queue().delete([received("", number) for number in range(23)])
    # Then three requests left, in whatever order, with ids of their own, and two is what is told
    entries = [request.parameters["Entries"] for request in wire.requests]
    assert count == 2
    assert sorted(len(batch) for batch in entries) == [3, 10, 10]
    deleted = [entry["ReceiptHandle"] for batch in entries for entry in batch]
    assert sorted(deleted) == sorted(f"handle-{number}" for number in range(23))
    assert all(len({entry["Id"] for entry in batch}) == len(batch) for batch in entries)


def test_queue_that_fails_to_delete_one_batch_deletes_the_others_and_says_so(wire: Wire) -> None:
    # Given 100 messages, and an AWS that refuses one request of ten
    wire.answers["DeleteMessageBatch"] = [sqs_error("OverLimit", "OverLimit")]
    # When deleted, Then it is an error, and the other nine requests were made
    with pytest.raises(sms.AwsError, match=r"^AWS refused DeleteMessageBatch with OverLimit: "):
        reply_queue().delete([received("", number) for number in range(100)])
    assert len(wire.requests) == 10


def messages(first: int, count: int) -> AWSResponse:
    """A receive that brings so many messages, numbered from the first."""
    numbers = range(first, first + count)
    return http(
        json.dumps({"Messages": [{"ReceiptHandle": f"handle-{n}", "MessageId": f"{n}", "Body": ""} for n in numbers]})
    )


@pytest.mark.parametrize(
    ("counts", "requests"),
    [([9], 1), ([10], 10), ([10, 10, 4], 10), ([10] * 10, 10)],
    ids=["not full", "just full", "24", "100"],
)
def test_receive_that_comes_back_full_is_followed_by_nine_at_once(wire: Wire, counts: list[int], requests: int) -> None:
    # Given a queue on which so many wait
    wire.answers["ReceiveMessage"] = [messages(10 * place, count) for place, count in enumerate(counts)]
    # When received, Then all of them come, none twice; only the first request waits
    handles = [message.handle for message in reply_queue().receive(20)]
    assert len(handles) == len(set(handles)) == sum(counts)
    assert [request.parameters["WaitTimeSeconds"] for request in wire.requests] == [20] + [0] * (requests - 1)


def test_receive_that_fails_after_a_full_one_loses_nothing_of_that(wire: Wire) -> None:
    # Given ten messages, and a queue that fails then, but for one request
    refusals = [sqs_error("OverLimit", "OverLimit") for _ in range(8)]
    wire.answers["ReceiveMessage"] = [messages(0, 10), messages(10, 3), *refusals]
    # When received, Then what came is there
    assert len(reply_queue().receive(1)) == 13


def test_queue_deletes_nothing_without_a_request(wire: Wire) -> None:
    # Given no message, When deleted, Then AWS is not asked
    assert reply_queue().delete([]) == 0
    assert wire.requests == []


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"RedrivePolicy": '{"maxReceiveCount":5}'}, True), ({}, False)],
    ids=["redrive policy", "none"],
)
def test_queue_has_a_dead_letter_queue_when_it_has_a_redrive_policy(
    wire: Wire, attributes: dict[str, str], expected: bool
) -> None:
    # Given a queue with or without a redrive policy, When asked, Then it says so
    wire.answers["GetQueueAttributes"] = [http(json.dumps({"Attributes": attributes}))]
    assert reply_queue().has_dead_letter_queue() is expected


def test_queue_that_does_not_exist_is_one_sentence(wire: Wire) -> None:
    # Given a queue that is not there, When received from, Then the sentence says what to check
    wire.answers["ReceiveMessage"] = [sqs_error("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")]
    with pytest.raises(sms.AwsError) as error:
        reply_queue().receive(1)
    assert str(error.value) == (f"AWS refused ReceiveMessage with NonExistentQueue: {NO_QUEUE_ADVICE}. It said: No.")


def test_receive_that_meets_a_server_error_is_tried_again_by_botocore(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an SQS that fails at first, and time that does not pass
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    wire.answers["ReceiveMessage"] = [http("", 500), http("", 503)]
    # When received with two retries, Then the third request is answered
    assert reply_queue(retries="2").receive(1) == []
    assert wire.operations == ["ReceiveMessage"] * 3


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("given", "service", "longest_wait", "expected"),
    [
        pytest.param({}, "sns", 0, (60.0, 10.0), id="defaults"),
        pytest.param({"timeout": "5,2.5"}, "sns", 0, (5.0, 2.5), id="short"),
        pytest.param({"timeout": "5,2"}, "sqs", 20, (30.0, 2.0), id="polling gets its wait plus ten"),
        pytest.param({"timeout": "120,2"}, "sqs", 20, (120.0, 2.0), id="polling keeps a longer one"),
    ],
)
def test_client_has_the_timeouts_of_the_instance(
    given: dict[str, str], service: str, longest_wait: float, expected: tuple[float, float]
) -> None:
    # Given timeouts, When a client is made, Then it has them
    config = sms.Aws(settings(**given)).client(service, 1, longest_wait).meta.config
    assert (config.read_timeout, config.connect_timeout) == expected


@pytest.mark.usefixtures("wire")
def test_sending_client_never_repeats_by_itself_and_the_polling_client_as_retries_say() -> None:
    # Given 3 retries, When the clients are made
    chosen = settings(retries="3")
    aws = sms.Aws(chosen)
    # Then SNS has one attempt and SQS four, and both name their mode
    assert sms.SmsSender(aws, chosen)._aws.client("sns", attempts=1).meta.config.retries == {
        "mode": "standard",
        "total_max_attempts": 1,
    }
    assert sms.ReplyQueue(aws, chosen)._client.meta.config.retries == {"mode": "standard", "total_max_attempts": 4}


@pytest.mark.usefixtures("wire")
def test_client_of_a_service_is_made_once() -> None:
    # Given an Aws, When asked twice for a service, Then it is the same client
    aws = sms.Aws(settings())
    assert aws.client("sns", 1) is aws.client("sns", 1)


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("given", "proxies"),
    [({"proxy": True}, {"https": "http://127.0.0.1:3128"}), ({"proxy": False}, {})],
    ids=["system proxy", "no proxy"],
)
def test_client_uses_the_proxy_of_the_system_only_when_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, bool], proxies: dict[str, str]
) -> None:
    # Given a proxy in the environment, When a client is made, Then it takes it or not
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    client = sms.Aws(settings(**given)).client("sns", 1)
    assert client._endpoint.http_session._proxy_config.proxy_url_for("https://sns.example.com") == proxies.get("https")


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("insecure", "verify"), [(True, False), (False, True)], ids=["any certificate", "trusted only"]
)
def test_client_checks_certificates_unless_told_otherwise(insecure: bool, verify: bool) -> None:
    # Given the checkbox, When a client is made, Then it checks certificates or not
    assert sms.Aws(settings(insecure=insecure)).client("sqs", 1)._endpoint.http_session._verify is verify


def test_requests_are_signed_with_the_keys_for_the_region(wire: Wire) -> None:
    # Given keys and a region, When a text is sent, Then it is signed with them, there
    sender(defaultRegion="eu-west-1", sqsQueueUrl="https://sqs.example.com/1/q").send(PHONE, "Hello")
    [request] = wire.requests
    assert request.url == "https://sns.eu-west-1.amazonaws.com/"
    assert "Credential=AKIAEXAMPLE/" in request.authorization
    assert "/eu-west-1/sns/aws4_request" in request.authorization


def test_requests_without_keys_are_signed_with_the_role_of_the_machine(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given no keys and a machine with a role
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "machine-token")
    # When a text is sent, Then it is signed with the machine's credentials
    sender(credentials={}).send(PHONE, "Hello")
    [request] = wire.requests
    assert "Credential=ASIAMACHINE/" in request.authorization
    assert request.token == "machine-token"


@pytest.mark.parametrize("role", ["", "arn:aws:iam::123456789012:role/sms"], ids=["no role", "role"])
def test_requests_without_keys_on_a_machine_without_a_role_are_one_sentence(wire: Wire, role: str) -> None:
    # Given neither keys nor a machine's role, When a text is sent, Then the sentence says what to give
    with pytest.raises(sms.AwsError) as error:
        sender(credentials={}, roleArn=role).send(PHONE, "Hello")
    assert type(error.value) is sms.AwsError
    assert str(error.value) == (
        "Publish needs AWS credentials and the machine has none: give AWS Access Key ID and AWS Secret Access Key, "
        "or give the machine an AWS role."
    )
    assert wire.requests == []


ROLE = "arn:aws:iam::123456789012:role/sms"


def test_role_is_assumed_with_what_the_instance_says_and_signs_the_requests(wire: Wire) -> None:
    # Given a role with everything it can have
    chosen: dict[str, Any] = {
        "roleArn": ROLE,
        "roleSessionName": "soc",
        "sessionDuration": "3600",
        "roleExternalId": "external-9",
    }
    wire.answers["AssumeRole"] = [assumed(3600)]
    # When a text is sent
    sender(**chosen).send(PHONE, "Hello")
    # Then the role is assumed with the keys, and the text is signed with the role
    assume, publish = wire.requests
    asked = {key: assume.parameters[key] for key in ("RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId")}
    assert asked == {"RoleArn": ROLE, "RoleSessionName": "soc", "DurationSeconds": "3600", "ExternalId": "external-9"}
    assert "Credential=AKIAEXAMPLE/" in assume.authorization
    assert "Credential=ASIAROLE/" in publish.authorization
    assert publish.token == "role-token"


def test_role_without_a_name_or_external_id_has_the_default_name_and_no_external_id(wire: Wire) -> None:
    # Given only a role, When a text is sent, Then the session is called xsoar-sms and lasts 900 seconds
    sender(roleArn=ROLE).send(PHONE, "Hello")
    asked = wire.requests[0].parameters
    assert (asked["RoleSessionName"], asked["DurationSeconds"]) == ("xsoar-sms", "900")
    assert "ExternalId" not in asked


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [("regional", "https://sts.eu-west-1.amazonaws.com/"), ("legacy", "https://sts.amazonaws.com/")],
)
def test_role_is_assumed_at_the_endpoint_of_the_region_or_the_global_one(wire: Wire, endpoint: str, url: str) -> None:
    # Given the choice of the endpoint, When a text is sent from eu-west-1, Then the role is assumed there
    queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
    sender(roleArn=ROLE, defaultRegion="eu-west-1", sqsQueueUrl=queue, sts_regional_endpoint=endpoint).send(PHONE, "Hi")
    assert wire.requests[0].url == url


@pytest.mark.parametrize("seconds", [900, 1800, 3600, 43200])
def test_fifty_requests_of_a_session_assume_the_role_at_most_twice(wire: Wire, seconds: int) -> None:
    # Given a role with sessions of so many seconds
    wire.answers["AssumeRole"] = [assumed(seconds) for _ in range(60)]
    chosen = settings(roleArn=ROLE, sessionDuration=str(seconds))
    aws = sms.Aws(chosen)
    texts, queue = sms.SmsSender(aws, chosen), sms.ReplyQueue(aws, chosen)
    # When 25 texts are sent and 25 polls made
    for _ in range(25):
        texts.send(PHONE, "Hello")
        queue.receive(1)
    # Then it was assumed twice at most
    assert wire.operations.count("AssumeRole") <= 2
    assert len(wire.requests) - wire.operations.count("AssumeRole") == 50


def test_role_is_assumed_anew_shortly_before_its_session_ends(wire: Wire) -> None:
    # Given a first session with 150 of its 900 seconds left
    wire.answers["AssumeRole"] = [assumed(150), assumed(900)]
    # When three texts are sent, Then the role is assumed a second time, and no third
    texts = sender(roleArn=ROLE)
    for _ in range(3):
        texts.send(PHONE, "Hello")
    assert wire.operations == ["AssumeRole", "AssumeRole", "Publish", "Publish", "Publish"]


def test_role_that_cannot_be_assumed_is_one_sentence_and_nothing_is_sent(wire: Wire) -> None:
    # Given a role that does not trust the key, When a text is sent, Then the sentence says so, and surely nothing left
    wire.answers["AssumeRole"] = [xml_error("AccessDenied", 403, "Not authorized to perform sts:AssumeRole")]
    with pytest.raises(sms.AwsError) as error:
        sender(roleArn=ROLE).send(PHONE, "Hello")
    assert type(error.value) is sms.AwsError
    assert str(error.value) == (
        "AWS refused AssumeRole with AccessDenied: the key or role lacks the permission for AssumeRole, "
        "or the role does not trust it. It said: Not authorized to perform sts:AssumeRole."
    )
    assert wire.operations == ["AssumeRole"]


# ---------------------------------------------------------------- the conversation

QUESTION = sms.AskText("Restart db-7?", ("Yes", "No"), entitlement(1))


def ask_text(number: int, *options: str) -> sms.AskText:
    return sms.AskText("Restart db-7?", options or ("Yes", "No"), entitlement(number))


def test_question_is_stored_before_its_sms_leaves(server: Server) -> None:
    # Given an AWS that looks at the context when it gets a text
    aws, seen = FakeAws(), list[sms.Question]()
    aws.before_publish = lambda: seen.extend(server.questions)
    # When a question is asked
    asked = conversation(aws, Clock()).ask(QUESTION, PHONE)
    # Then it was there with its codes, its time and its end, and the phone got it
    stored = question(codes={"0000": "Yes", "0001": "No"}, terms=sms.Terms(lifetime=DAY))
    assert seen == [stored]
    assert asked == sms.Asked(stored, "m-1")
    assert aws.texts == [(PHONE, "Restart db-7?\nYes (0000) or No (0001)")]


def test_question_whose_sms_is_refused_is_taken_out_again(server: Server) -> None:
    # Given an AWS that refuses, and another question that is open
    server.store(question(2))
    aws = FakeAws(refused("InvalidParameter"))
    # When a question is asked
    with pytest.raises(sms.AwsError, match=r"^AWS refused Publish with InvalidParameter: ") as error:
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    # Then it fails, and only the other question is there
    assert type(error.value) is sms.AwsError
    assert server.questions == [question(2)]


def test_question_whose_sms_may_have_been_sent_stays_open_and_is_not_sent_twice(server: Server) -> None:
    # Given an AWS that does not answer
    aws = FakeAws(NO_ANSWER)
    talk = conversation(aws, Clock())
    # When a question is asked
    with pytest.raises(sms.MaybeSent) as error:
        talk.ask(QUESTION, PHONE)
    # Then the sentence says so, no second text left, and a reply is taken
    assert str(error.value) == (
        "AWS did not answer, so the SMS to +1425*****82 may have been sent or not: Publish failed with "
        "ReadTimeoutError: check the network, the proxy settings and the AWS Default Region. It said: "
        'ReadTimeoutError: Read timeout on endpoint URL: "https://sns.us-east-1.amazonaws.com/". '
        "The question stays open and a reply to it will be taken; it is not sent again by itself."
    )
    assert aws.texts == []
    assert [text_of(outcome) for outcome in talk.answer([reply("0001")])] == ["0001 - Thank you for your response!"]


def test_question_that_cannot_be_taken_out_again_is_told(server: Server) -> None:
    # Given an AWS that refuses and a context that then fails
    aws = FakeAws(refused("InvalidParameter"))
    aws.before_publish = lambda: server.fail.update(read=[RuntimeError("server is busy")])
    # When a question is asked, Then both errors are in the sentence
    with pytest.raises(sms.AwsError) as error:
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert str(error.value) == (
        "AWS refused Publish with InvalidParameter: check the phone number, the Origination Number and the Sender ID. "
        "It said: No. Its question stays registered until it expires, as it could not be taken out: "
        "The integration context cannot be read: RuntimeError: server is busy."
    )


def test_question_when_the_container_dies_while_sending_can_be_answered(server: Server) -> None:
    # Given a container that is killed while the text leaves
    aws = FakeAws()

    def die() -> None:
        raise Crash

    aws.before_publish = die
    with pytest.raises(Crash):
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    # When the reply comes to another container, Then it is taken
    assert conversation(FakeAws(), Clock()).answer([reply("0000")])[0].done
    assert server.told == [("77", "00000001-0000-4000-8000-000000000000", PHONE, "Yes", "3")]


@pytest.mark.parametrize("call", ["read", "write"])
def test_question_that_cannot_be_stored_is_not_sent(server: Server, call: str) -> None:
    # Given a context that fails, When a question is asked, Then it is an error and no text leaves
    server.fail = {call: [RuntimeError("server is busy")]}
    aws = FakeAws()
    with pytest.raises(sms.StateError, match=r"RuntimeError: server is busy\.$"):
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert (aws.texts, server.questions) == ([], [])


def test_question_whose_sms_would_be_too_long_is_neither_stored_nor_sent(server: Server) -> None:
    # Given a question that is 1 too long together with its codes
    aws, text = FakeAws(), "a" * (1531 - len("\nYes (0000) or No (0001)"))
    # When asked, Then nothing happened; one letter less is sent
    with pytest.raises(sms.InputError, match=r"^The SMS would be 1531 characters long, but at most 1530 are allowed "):
        conversation(aws, Clock()).ask(replace(QUESTION, question=text), PHONE)
    assert (aws.texts, server.questions) == ([], [])
    conversation(aws, Clock()).ask(replace(QUESTION, question=text[1:]), PHONE)
    assert len(aws.texts[0][1]) == 1530


def test_same_entitlement_asked_again_while_open_gets_the_same_codes(server: Server) -> None:
    # Given an open question
    aws, clock = FakeAws(), Clock()
    talk = conversation(aws, clock, replyCodeMode="sequential")
    talk.ask(QUESTION, PHONE)
    clock.now += 3600
    # When it is asked again with other words and the GUID in capitals
    other = sms.Entitlement(QUESTION.entitlement.guid.upper(), "77", "3")
    talk.ask(replace(QUESTION, question="Still: restart db-7?", entitlement=other), PHONE)
    # Then the codes are the same, it is one question, and it stays open for a day from now
    assert [text for _, text in aws.texts] == [
        "Restart db-7?\nYes (1) or No (2)",
        "Still: restart db-7?\nYes (1) or No (2)",
    ]
    assert [(q.created, q.expires, q.sends) for q in server.questions] == [(NOW, NOW + 3600 + DAY, 2)]


def test_same_entitlement_asked_again_and_refused_stays_open(server: Server) -> None:
    # Given an open question, and an AWS that refuses the second text
    aws, clock = FakeAws(None, refused("InvalidParameter")), Clock()
    talk = conversation(aws, clock)
    talk.ask(QUESTION, PHONE)
    with pytest.raises(sms.AwsError):
        talk.ask(QUESTION, PHONE)
    # When the first text is answered, Then the answer is taken
    assert talk.answer([reply("0000")])[0].done
    assert server.told


def test_refused_second_send_leaves_the_question_as_it_was(server: Server) -> None:
    # Given an open question, and an AWS that refuses the second text an hour later
    aws, clock = FakeAws(None, refused("InvalidParameter")), Clock()
    talk = conversation(aws, clock)
    talk.ask(QUESTION, PHONE)
    before = server.questions
    clock.now += 3600
    # When it is asked again with other words, Then what was stored for the first text is what is left
    with pytest.raises(sms.AwsError):
        talk.ask(replace(QUESTION, question="Still?"), PHONE)
    assert server.questions == before


def test_two_sends_of_one_entitlement_that_are_both_refused_leave_nothing(server: Server) -> None:
    # Given a container that registers the same question while our text is on its way, and both texts are refused
    aws = FakeAws(refused("InvalidParameter"))
    other = conversation(FakeAws(refused("InvalidParameter")), Clock())

    def register_too() -> None:
        with pytest.raises(sms.AwsError):
            other.ask(QUESTION, PHONE)
        assert [q.sends for q in server.questions] == [1]

    aws.before_publish = register_too
    # When we ask, Then the question is gone after the second refusal, not before
    with pytest.raises(sms.AwsError):
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert server.questions == []


@pytest.mark.parametrize("options", [("Yes", "Later"), ("No", "Yes"), ("Yes",)], ids=["another", "order", "fewer"])
def test_same_entitlement_asked_again_with_other_options_is_an_error(server: Server, options: tuple[str, ...]) -> None:
    # Given an open question, When its entitlement comes with other options, Then it is refused and nothing is sent
    aws = FakeAws()
    talk = conversation(aws, Clock())
    talk.ask(QUESTION, PHONE)
    with pytest.raises(sms.InputError) as error:
        talk.ask(ask_text(1, *options), PHONE)
    assert str(error.value) == (
        "The entitlement of this question is open with other options. Ask with a new one. Nothing was sent."
    )
    assert len(aws.texts) == 1


@pytest.mark.parametrize("phone", [PHONE, OTHER_PHONE], ids=["the same phone", "another phone"])
def test_entitlement_that_was_answered_is_not_asked_again(server: Server, phone: str) -> None:
    # Given an answered question, When its entitlement is asked again, Then it is refused and nothing is sent
    server.store(question(claim=claim(told_at=NOW)))
    aws = FakeAws()
    with pytest.raises(sms.InputError) as error:
        conversation(aws, Clock()).ask(QUESTION, phone)
    assert str(error.value) == (
        "The entitlement of this question has been answered. Ask again with a new one. Nothing was sent."
    )
    assert aws.texts == []


def test_sequential_codes_go_on_while_open_and_come_back_after_the_answer(server: Server) -> None:
    # Given two sequential questions
    aws = FakeAws()
    talk = conversation(aws, Clock(), replyCodeMode="sequential")
    talk.ask(ask_text(1), PHONE)
    talk.ask(ask_text(2), PHONE)
    # When the first is answered and a third asked, and one to another phone
    talk.answer([reply("1")])
    talk.ask(ask_text(3, "Now", "Later"), PHONE)
    talk.ask(ask_text(4), OTHER_PHONE)
    # Then 1 and 2 are free again, and another phone has its own numbers
    assert [text.split("\n")[1] for _, text in aws.texts] == [
        "Yes (1) or No (2)",
        "Yes (3) or No (4)",
        "Now (1) or Later (2)",
        "Yes (1) or No (2)",
    ]


def test_codes_are_in_use_when_the_mode_is_changed_while_open(server: Server) -> None:
    # Given random 0001 and 0002 open
    aws = FakeAws()
    conversation(aws, Clock(), lambda free, count: [n for n in free if n][:count]).ask(ask_text(1), PHONE)
    # When the instance is changed to sequential and back
    conversation(aws, Clock(), replyCodeMode="sequential").ask(ask_text(2), PHONE)
    conversation(aws, Clock()).ask(ask_text(3), PHONE)
    # Then no value is given twice
    assert [list(q.codes) for q in server.questions] == [["0001", "0002"], ["3", "4"], ["0000", "0005"]]


def test_codes_of_an_expired_question_are_free_again(server: Server) -> None:
    # Given a sequential question that expired an instant ago, When another is asked, Then it gets its numbers
    server.store(question(codes={"1": "Yes", "2": "No"}, expires=NOW))
    asked = conversation(FakeAws(), Clock(), replyCodeMode="sequential").ask(ask_text(2), PHONE)
    assert list(asked.question.codes) == ["1", "2"]


@pytest.mark.parametrize("mode", ["random", "sequential"])
def test_phone_with_too_many_open_questions_gets_no_more(server: Server, mode: str) -> None:
    # Given a phone with 1000 open questions of ten options each, all codes in use
    server.store(
        *(question(n, codes={f"{n * 10 + place:04}": f"o{place}" for place in range(10)}) for n in range(1000))
    )
    aws = FakeAws()
    # When one more is asked, Then it is refused, nothing sent, nothing written; another phone is not concerned
    with pytest.raises(sms.InputError) as error:
        conversation(aws, Clock(), replyCodeMode=mode).ask(ask_text(5000), PHONE)
    assert str(error.value) == TOO_MANY
    assert (aws.texts, server.writes) == ([], 0)
    conversation(aws, Clock(), replyCodeMode=mode).ask(ask_text(5000), OTHER_PHONE)
    assert len(aws.texts) == 1


def test_two_containers_that_ask_at_once_share_no_code(server: Server) -> None:
    # Given another container that registers 0000 and 0001 just before we do
    server.meanwhile = [lambda: server.store(question(2, codes={"0000": "Yes", "0001": "No"}))]
    # When we ask, Then ours has the next ones
    conversation(FakeAws(), Clock()).ask(QUESTION, PHONE)
    assert [list(q.codes) for q in server.questions] == [["0000", "0001"], ["0002", "0003"]]


def test_asking_while_the_poller_answers_loses_neither(server: Server) -> None:
    # Given an open question whose answer is claimed just before a new one is registered
    talk = conversation(FakeAws(), Clock(), replyCodeMode="sequential")
    talk.ask(ask_text(1), PHONE)
    server.meanwhile = [lambda: server.store(replace(server.questions[0], claim=claim("No", "2")))]
    # When the new one is asked, Then the claim is kept, and its numbers are in use until XSOAR was told
    talk.ask(ask_text(2), PHONE)
    first_question, second_question = server.questions
    assert first_question.claim == claim("No", "2")
    assert list(second_question.codes) == ["3", "4"]


def test_asking_forgets_what_is_long_over(server: Server) -> None:
    # Given a question that expired five days ago, When another is asked, Then the first is gone
    server.store(question(1, created=NOW - 6 * DAY, expires=NOW - 5 * DAY))
    conversation(FakeAws(), Clock()).ask(ask_text(2), PHONE)
    assert [q.entitlement for q in server.questions] == [entitlement(2)]


def test_entitlement_that_was_answered_is_refused_for_as_long_as_it_is_known(server: Server) -> None:
    # Given a question that was answered so long ago that the next write forgets it
    told = claim(at=NOW - 6 * DAY, told_at=NOW - 6 * DAY)
    server.store(question(1, created=NOW - 7 * DAY, expires=NOW - 6 * DAY, claim=told))
    # When its entitlement is asked again, Then it is refused, and nothing is sent
    aws = FakeAws()
    with pytest.raises(sms.InputError, match="The entitlement of this question has been answered"):
        conversation(aws, Clock()).ask(ask_text(1), PHONE)
    assert aws.texts == []


def test_plain_text_is_sent_as_it_is_and_stores_nothing(server: Server) -> None:
    # Given a text with a URL, When sent, Then it leaves as it is
    aws = FakeAws()
    sent = conversation(aws, Clock()).notify(PHONE, " See https://example.com/?a=%20{b} \n")
    assert sent.message_id == "m-1"
    assert aws.texts == [(PHONE, " See https://example.com/?a=%20{b} \n")]
    assert server.writes == 0


def test_plain_text_that_may_have_been_sent_is_told(server: Server) -> None:
    # Given an AWS that does not answer, When a text is sent, Then the sentence says so and speaks of no question
    with pytest.raises(sms.MaybeSent) as error:
        conversation(FakeAws(refused("InternalError", 500)), Clock()).notify(PHONE, "Hello")
    assert str(error.value) == (
        "AWS did not answer, so the SMS to +1425*****82 may have been sent or not: AWS refused Publish with "
        "InternalError: look the code up in the AWS documentation. It said: No."
    )


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param(sms.Entitlement(GUID, "1234", "7"), ("1234", GUID, PHONE, "Yes", "7"), id="task number"),
        pytest.param(
            sms.Entitlement(GUID, "1234", "approval_task"), ("1234", GUID, PHONE, "Yes", "approval_task"), id="task tag"
        ),
        pytest.param(sms.Entitlement(GUID, "1234"), ("1234", GUID, PHONE, "Yes", ""), id="no task"),
        pytest.param(sms.Entitlement(GUID, "c3d1-4e5f"), ("c3d1-4e5f", GUID, PHONE, "Yes", ""), id="playground"),
    ],
)
def test_answer_tells_xsoar_incident_guid_phone_option_and_task(
    server: Server, of: sms.Entitlement, told: tuple[str, ...]
) -> None:
    # Given an open question, When its code and word come in capitals, Then XSOAR gets the option as it was offered
    server.store(replace(question(), entitlement=of))
    clock = Clock(NOW + 5)
    [outcome] = conversation(FakeAws(), clock).answer([reply("1234 YES!")])
    assert server.told == [told]
    assert (outcome.done, text_of(outcome), outcome.error) == (True, "1234 - Thank you for your response!", "")
    # And the question is answered from now on
    assert server.questions[0].claim == sms.Claim("Yes", "1234", "r-1", at=NOW + 5, told_at=NOW + 5)


def test_option_is_on_record_before_xsoar_is_told(server: Server) -> None:
    # Given a server that looks at the context when it is told, as by dying there
    server.store(question())
    server.fail = {"tell": [Crash()]}
    # When the code comes
    with pytest.raises(Crash):
        conversation(FakeAws(), Clock()).answer([reply("5678", "in-7")])
    # Then the claim was written first
    assert server.questions[0].claim == sms.Claim("No", "5678", "in-7", NOW)
    assert server.told == []


@pytest.mark.parametrize(
    ("fail", "told", "thanks"),
    [
        pytest.param({"written": [Crash()]}, 1, 1, id="after the claim"),
        pytest.param({"told": [Crash()]}, 2, 1, id="after telling"),
        pytest.param({"written": [None, Crash()]}, 1, 0, id="after settling"),
    ],
)
def test_container_that_dies_between_two_steps_answers_once_with_what_was_chosen(
    server: Server, fail: dict[str, list[BaseException | None]], told: int, thanks: int
) -> None:
    # Given a container that dies after a step of answering
    server.store(question())
    server.fail = fail
    with pytest.raises(Crash):
        conversation(FakeAws(), Clock()).answer([reply("5678", "in-7")])
    # When another one starts, looks after the claims left, and gets the reply again
    talk = conversation(FakeAws(), Clock(NOW + 1))
    outcomes = [*talk.look_after().outcomes, *talk.answer([reply("5678", "in-7")])]
    # Then XSOAR was told the one option, it is on record, and there is one thank-you at most
    answer = ("77", "00000001-0000-4000-8000-000000000000", PHONE, "No", "3")
    assert server.told == [answer] * told
    assert [(q.answered, q.claim and q.claim.option) for q in server.questions] == [(True, "No")]
    assert [text.text for outcome in outcomes for text in outcome.texts] == [
        "5678 - Thank you for your response!"
    ] * thanks
    assert outcomes[-1].done


def test_answer_that_xsoar_refuses_twice_is_not_lost(server: Server) -> None:
    # Given an XSOAR that is busy twice
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy with +14255550182."), RuntimeError("busy")]}
    talk = conversation(FakeAws(), Clock())
    # When the reply comes three times
    outcomes = [talk.answer([reply("1234", "in-1")])[0] for _ in range(2)]
    claimed = server.questions[0].claim
    outcomes += talk.answer([reply("1234", "in-1")])
    # Then it is done at the third, with a thank-you; until then it stays, with its error on record
    assert [(outcome.done, text_of(outcome), outcome.error) for outcome in outcomes] == [
        (False, "", "XSOAR did not take the answer: RuntimeError: busy with +1425*****82."),
        (False, "", "XSOAR did not take the answer: RuntimeError: busy."),
        (True, "1234 - Thank you for your response!", ""),
    ]
    assert claimed == sms.Claim("Yes", "1234", "in-1", NOW, error="XSOAR did not take the answer: RuntimeError: busy.")
    assert server.questions[0].claim == sms.Claim("Yes", "1234", "in-1", NOW, told_at=NOW)


def test_another_code_while_xsoar_refuses_does_not_change_the_option_on_record(server: Server) -> None:
    # Given a claim that XSOAR has not taken
    server.store(question(claim=claim("Yes", "1234", reply_id="in-1")))
    talk = conversation(FakeAws(), Clock(NOW + 60))
    # When the person sends the other code, and then the claim is told
    [outcome] = talk.answer([reply("5678", "in-2")])
    talk.look_after()
    # Then XSOAR gets the first one, and the second has no effect but the text that says so
    assert (outcome.verdict.match, text_of(outcome)) == (None, "You already answered: Yes.")
    assert [answer[3] for answer in server.told] == ["Yes"]


def test_reply_that_comes_twice_in_a_batch_is_told_and_thanked_once(server: Server) -> None:
    # Given one reply that SQS hands over twice
    server.store(question())
    # When both are answered, Then both are done, one call and one thank-you
    outcomes = conversation(FakeAws(), Clock()).answer([reply("1234", "in-1"), reply("1234", "in-1")])
    assert [(outcome.done, text_of(outcome)) for outcome in outcomes] == [
        (True, "1234 - Thank you for your response!"),
        (True, ""),
    ]
    assert len(server.told) == 1


def test_batch_is_claimed_and_settled_in_one_write_each(server: Server) -> None:
    # Given three questions to two phones
    server.store(question(1), question(2, codes={"0042": "Later"}), question(3, OTHER_PHONE))
    # When three codes and one text come in a batch
    batch = [reply("1234", "a"), reply("42", "b"), reply("5678", "c", OTHER_PHONE), reply("thanks", "d")]
    outcomes = conversation(FakeAws(), Clock()).answer(batch)
    # Then all are answered, in two writes
    assert [answer[3] for answer in server.told] == ["Yes", "Later", "No"]
    assert [outcome.done for outcome in outcomes] == [True] * 4
    assert server.writes == 2


def test_replies_that_match_nothing_write_nothing(server: Server) -> None:
    # Given no open question, When a text comes, Then it is done, silently, and nothing is written
    [outcome] = conversation(FakeAws(), Clock()).answer([reply("hello")])
    assert (outcome.done, text_of(outcome), server.writes, server.told) == (True, "", 0, [])


def test_answer_that_another_container_settled_meanwhile_is_thanked_by_that_one(server: Server) -> None:
    # Given another container that settles the claim just before we do
    server.store(question())
    server.meanwhile = [lambda: None, lambda: server.store(question(claim=claim(told_at=NOW)))]
    # When we answer, Then we are done and send nothing
    [outcome] = conversation(FakeAws(), Clock()).answer([reply("1234", "r-1")])
    assert (outcome.done, text_of(outcome)) == (True, "")


def test_claim_conflict_judges_the_reply_against_what_is_there_now(server: Server) -> None:
    # Given another container that answers the question with another reply just before we claim it
    server.store(question(1), question(2, codes={"0042": "Later"}))
    answered = question(1, claim=claim("No", "5678", reply_id="in-0", told_at=NOW))
    server.meanwhile = [lambda: server.store(answered, question(2, codes={"0042": "Later"}))]
    # When our reply is judged, Then it answers nothing any more and is told what was answered
    [outcome] = conversation(FakeAws(), Clock()).answer([reply("1234", "in-1")])
    assert text_of(outcome) == "You already answered: No."
    assert server.told == []


@pytest.mark.parametrize("call", ["read", "write"])
def test_context_that_fails_at_the_claim_tells_nobody(server: Server, call: str) -> None:
    # Given a context that fails, When a code comes, Then it is an error and XSOAR is not told
    server.store(question())
    server.fail = {call: [RuntimeError("busy")]}
    with pytest.raises(sms.StateError):
        conversation(FakeAws(), Clock()).answer([reply()])
    assert (server.told, server.questions) == ([], [question()])


def test_feedback_turned_off_thanks_nobody(server: Server) -> None:
    # Given an instance without feedback, When the code comes, Then it is answered without a text
    server.store(question())
    [outcome] = conversation(FakeAws(), Clock(), replyFeedbackEnabled=False).answer([reply()])
    assert (outcome.done, text_of(outcome), len(server.told)) == (True, "", 1)


def test_answer_of_the_own_origination_number_is_taken_and_not_thanked(server: Server) -> None:
    # Given a question to a phone that became the origination number, When its code comes, Then no text is to be sent
    server.store(question())
    [outcome] = conversation(FakeAws(), Clock(), originationNumber=PHONE).answer([reply()])
    assert (outcome.done, outcome.texts, len(server.told)) == (True, (), 1)


def test_injected_answer_that_the_poller_tells_later_is_not_thanked(server: Server) -> None:
    # Given a reply that an operator injected while XSOAR refused answers
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy")]}
    talk = conversation(FakeAws(), Clock())
    assert not talk.answer([reply("1234", "inject-1")])[0].done
    # When the poller tells it, Then nobody is thanked: no phone sent it
    [outcome] = talk.look_after().outcomes
    assert (outcome.done, outcome.texts, len(server.told)) == (True, (), 1)


def test_claims_of_more_than_a_day_are_left_to_the_operator(server: Server) -> None:
    # Given a claim of a day ago, When claims are delivered, Then it is not told
    server.store(question(claim=claim(at=NOW - DAY)))
    assert conversation(FakeAws(), Clock()).look_after() == sms.Sweep([], [], {}, math.inf)
    assert server.told == []


OPTED_OUT = (
    "The phone +1425*****82 has opted out of texts, so AWS would drop the question. Nothing was sent. "
    "Ask another person, or have the number opted in again in the AWS console."
)


def test_question_to_a_phone_that_opted_out_is_neither_registered_nor_sent(server: Server) -> None:
    # Given a phone that AWS has as opted out, When it is asked, Then the sentence says so and nothing happened
    aws = FakeAws()
    aws.opted_out = {PHONE: True}
    with pytest.raises(sms.InputError) as error:
        conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert str(error.value) == OPTED_OUT
    assert (aws.texts, server.context, server.writes) == ([], {}, 0)
    # And another phone is asked all the same
    conversation(aws, Clock()).ask(QUESTION, OTHER_PHONE)
    assert aws.checked == [PHONE, OTHER_PHONE]
    assert [phone for phone, _ in aws.texts] == [OTHER_PHONE]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(refused("AuthorizationError", 403, "CheckIfPhoneNumberIsOptedOut"), id="no permission"),
        pytest.param(refused("InternalError", 500, "CheckIfPhoneNumberIsOptedOut"), id="server error"),
        pytest.param(NO_ANSWER, id="no answer"),
    ],
)
def test_question_is_asked_when_aws_does_not_tell_of_an_opt_out(server: Server, error: Exception) -> None:
    # Given an AWS that does not tell whether the phone has opted out, When it is asked, Then it is
    aws = FakeAws()
    aws.opted_out = {PHONE: error}
    conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert aws.texts == [(PHONE, "Restart db-7?\nYes (0000) or No (0001)")]
    assert (len(server.questions), server.errors) == (1, [])


def test_plain_text_is_sent_without_asking_for_an_opt_out(server: Server) -> None:
    # Given a phone that opted out, When a plain text is sent, Then AWS is not asked and gets it
    aws = FakeAws()
    aws.opted_out = {PHONE: True}
    conversation(aws, Clock()).notify(PHONE, "Hello")
    assert (aws.checked, aws.texts) == ([], [(PHONE, "Hello")])


def test_question_to_the_own_origination_number_is_neither_registered_nor_sent(server: Server) -> None:
    # Given the number that texts are sent from, When it is asked, Then it is an error before AWS or the context is
    aws = FakeAws()
    with pytest.raises(sms.InputError, match=r"^\+1425\*{5}82 is the Origination Number of the instance, but "):
        conversation(aws, Clock(), originationNumber=PHONE).ask(QUESTION, PHONE)
    with pytest.raises(sms.InputError, match=r"^\+1425\*{5}82 is the Origination Number of the instance, but "):
        conversation(aws, Clock(), originationNumber=PHONE).notify(PHONE, "Hello")
    assert (aws.checked, aws.texts, server.context) == ([], [], {})


def test_time_of_aws_is_noted_after_the_sms_and_kept_when_it_is_sent_again(server: Server) -> None:
    # Given an AWS whose clock is 90 seconds ahead of the host's
    aws, seen = FakeAws(), list[float | None]()
    aws.date = "Thu, 01 Jan 2026 00:01:30 GMT"
    aws.before_publish = lambda: seen.extend(q.published for q in server.questions)
    talk = conversation(aws, Clock())
    # When a question is asked, and asked again later
    talk.ask(QUESTION, PHONE)
    aws.date = "Thu, 01 Jan 2026 00:05:00 GMT"
    talk.ask(QUESTION, PHONE)
    # Then the time of the first SMS is on record, after it left and not before
    assert seen == [None, NOW + 90]
    assert [q.published for q in server.questions] == [NOW + 90]


@pytest.mark.parametrize(
    ("fail", "date"),
    [
        pytest.param([NO_ANSWER], "Thu, 01 Jan 2026 00:00:00 GMT", id="no answer"),
        pytest.param([], None, id="answer without a date"),
    ],
)
def test_question_without_a_time_of_aws_can_be_answered_by_any_reply(
    server: Server, fail: list[Exception], date: str | None
) -> None:
    # Given an AWS that tells no time
    aws = FakeAws(*fail)
    aws.date = date
    talk = conversation(aws, Clock())
    with contextlib.suppress(sms.MaybeSent):
        talk.ask(QUESTION, PHONE)
    # When a reply of an hour ago comes, Then it is taken
    assert server.questions[0].published is None
    assert talk.answer([reply("0000", arrived=NOW - 3600)])[0].verdict.match


@pytest.mark.parametrize("call", ["read", "write"])
def test_time_of_aws_that_cannot_be_noted_is_logged_and_the_question_stands(server: Server, call: str) -> None:
    # Given a context that fails once the SMS is out
    aws = FakeAws()
    aws.before_publish = lambda: server.fail.update({call: [RuntimeError("busy")]})
    # When asked, Then it is asked, and can be answered; the log says what is missing
    asked = conversation(aws, Clock()).ask(QUESTION, PHONE)
    assert asked.message_id == "m-1"
    [error] = server.errors
    assert error == (
        "When a question was published could not be noted, so an older reply could answer it: The integration context "
        f"cannot be {'read' if call == 'read' else 'written'}: RuntimeError: busy."
    )
    assert conversation(aws, Clock()).answer([reply("0000")])[0].verdict.match


def test_container_that_dies_before_the_time_is_noted_leaves_a_question_that_can_be_answered(server: Server) -> None:
    # Given a container that dies when it has registered the question and published it
    server.fail = {"write": [None, Crash()]}
    with pytest.raises(Crash):
        conversation(FakeAws(), Clock()).ask(QUESTION, PHONE)
    # When the reply comes to another one, Then it is taken
    assert server.questions[0].published is None
    assert conversation(FakeAws(), Clock()).answer([reply("0000")])[0].done


def test_answer_that_comes_before_the_time_is_noted_is_kept(server: Server) -> None:
    # Given a person who answers before the time of the SMS is written
    poller = conversation(FakeAws(), Clock())
    server.meanwhile = [lambda: None, lambda: server.store(*poller_answers(poller, server))]
    # When asked, Then answer and time are both on record
    conversation(FakeAws(), Clock()).ask(QUESTION, PHONE)
    [asked] = server.questions
    assert (asked.answered, asked.published) == (True, NOW)


def poller_answers(poller: sms.Conversation, server: Server) -> list[sms.Question]:
    server.meanwhile = []
    assert poller.answer([reply("0000")])[0].done
    return server.questions


def test_question_taken_out_while_its_time_is_noted_does_not_come_back(server: Server) -> None:
    # Given a question that is gone, When its time is noted, Then nothing changes
    known = state(question(2))
    assert sms.note_published(known, question(1), NOW) is known
    assert sms.note_published(known, question(2), None) is known


def test_random_codes_of_an_answered_question_rest_and_sequential_ones_are_used_at_once(server: Server) -> None:
    # Given questions that are answered one after the other
    clock = Clock()
    for mode, codes in (("random", ["0000", "0002", "0004"]), ("sequential", ["1", "1", "1"])):
        server.context.clear()
        talk = conversation(FakeAws(), clock, replyCodeMode=mode)
        given = []
        for number in range(3):
            code = next(iter(talk.ask(ask_text(number), PHONE).question.codes))
            given.append(code)
            assert talk.answer([reply(code, f"in-{number}")])[0].verdict.match
        # When each has its codes, Then random ones are new each time, sequential ones are the first
        assert given == codes


def test_random_codes_rest_for_the_whole_entitlement_ttl_and_for_that_phone_only(server: Server) -> None:
    # Given a TTL of a week, and a question that expired six days ago
    clock = Clock()
    talk = conversation(FakeAws(), clock, entitlementTTL="168")
    talk.ask(ask_text(1), PHONE)
    clock.now += 13 * DAY
    # When another is asked, Then it has other codes; another phone may have them
    assert list(talk.ask(ask_text(2), PHONE).question.codes) == ["0002", "0003"]
    assert list(talk.ask(ask_text(3), OTHER_PHONE).question.codes) == ["0000", "0001"]
    # And after the week they are used again
    clock.now += 15 * DAY
    talk.ask(ask_text(4), OTHER_PHONE)
    assert list(talk.ask(ask_text(5), PHONE).question.codes) == ["0000", "0001"]


def test_new_question_begins_the_count_of_texts_anew_and_keeps_the_opt_out(server: Server) -> None:
    # Given a phone that opted out once and got its three texts
    clock = Clock()
    talk = conversation(FakeAws(), clock)
    talk.ask(ask_text(1), PHONE)
    talk.answer([reply("STOP", "in-0"), *(reply("what?", f"in-{number}") for number in (1, 2, 3))])
    assert talk.answer([reply("what?", "in-4")])[0].texts == ()
    # When it is asked again a minute later, Then it gets three more, and is shown as opted out until it answers
    clock.now += 60
    talk.ask(ask_text(2), PHONE)
    clock.now += 1
    texts = [bool(talk.answer([reply("what?", f"in-{number}")])[0].texts) for number in (5, 6, 7, 8)]
    assert texts == [True, True, True, False]
    assert server.state.phone(PHONE).opted_out


def test_two_machines_that_answer_each_other_end_after_three_texts(server: Server) -> None:
    # Given an open question, and a phone whose machine answers each of our texts
    aws, clock, sent = FakeAws(), Clock(), 0
    conversation(aws, clock).ask(QUESTION, PHONE)
    # When it goes on for an hour, each time with a new container
    for number in range(100):
        clock.now += 30
        [outcome] = conversation(aws, clock).answer([reply("I am on holiday.", f"auto-{number}")])
        if not outcome.texts:
            break
        sent += 1
    # Then there were three texts
    assert sent == 3


def test_lock_is_found_with_its_end_when_looked_after(server: Server) -> None:
    # Given a phone with a wrong code, nine more of it half an hour later, and nine of another phone
    server.store(question(1), question(2, OTHER_PHONE))
    clock = Clock()
    talk = conversation(FakeAws(), clock)
    talk.answer(guesses(1))
    clock.now += 1800
    talk.answer([*guesses(10), *guesses(9, phone=OTHER_PHONE)])
    # When looked after, Then the first is locked until an hour after its first wrong code; then it is not
    assert talk.look_after() == sms.Sweep([], [], {PHONE: NOW + 3600}, math.inf)
    clock.now += 1800
    assert talk.look_after() == sms.Sweep([], [], {}, math.inf)


# ---------------------------------------------------------------- commands

OTHER_GUID = "7a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


class WarRoom:
    """Runs commands as the server does, through `main`, and returns the entries they write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        self._patch, self._server = monkeypatch, server
        self.aws, self.instance, clock = FakeAws(), params(), Clock()
        monkeypatch.setattr(sms, "make_conversation", lambda chosen: talk_of(chosen, self.aws, clock))
        monkeypatch.setattr(sms, "time", SimpleNamespace(time=clock))

    def run(self, command: str, /, **args: str) -> list[Any]:
        self._server.entries.clear()
        self._patch.setattr(demisto, "command", lambda: command)
        self._patch.setattr(demisto, "params", lambda: self.instance)
        self._patch.setattr(demisto, "args", lambda: args)
        with contextlib.suppress(SystemExit):
            sms.main()
        return list(self._server.entries)

    def result(self, command: str, /, **args: str) -> tuple[dict[str, Any], str]:
        """What a command that works puts in the context, and its readable text."""
        [entry] = self.run(command, **args)
        assert entry["Type"] == 1, entry
        return entry["EntryContext"], entry["HumanReadable"]

    def error(self, command: str, /, **args: str) -> str:
        """The sentence of a command that fails."""
        [entry] = self.run(command, **args)
        assert entry["Type"] == 4, entry
        assert "Traceback" not in entry["Contents"]
        return str(entry["Contents"])


@pytest.fixture
def war_room(monkeypatch: pytest.MonkeyPatch, server: Server) -> WarRoom:
    return WarRoom(monkeypatch, server)


@pytest.mark.parametrize("command", ["send-notification", "aws-sns-sms-send-notification"])
def test_send_notification_with_a_question_sends_codes(war_room: WarRoom, command: str) -> None:
    # Given a message of SMSAskUser, When sent
    message = f"Restart db-7? - Reply Yes or No: {GUID}@1234|7"
    context, readable = war_room.result(command, to="+1 (425) 555-0182", message=message)
    # Then the phone gets the codes, and the context has everything about them
    assert war_room.aws.texts == [(PHONE, "Restart db-7?\nYes (0000) or No (0001)")]
    assert context == {
        "AWS.SNS.SMS": {
            "MessageId": "m-1",
            "PhoneNumber": "+14255550182",
            "Entitlement": f"{GUID}@1234|7",
            "ReplyCode": "Yes (0000) or No (0001)",
            "CodesToOptions": {"0000": "Yes", "0001": "No"},
        }
    }
    assert readable == (
        "The question was sent to +14255550182 with the reply codes Yes (0000) or No (0001). Its message ID is m-1."
    )


def test_send_notification_without_an_entitlement_sends_the_text_as_it_is(war_room: WarRoom, server: Server) -> None:
    # Given the text of a built-in Ask task, When sent
    message = f"Please answer:\nhttps://xsoar.example.com/#/external/form/{GUID}@1234|7"
    context, readable = war_room.result("send-notification", to=PHONE, message=message)
    # Then it leaves as it is and nothing is stored
    assert war_room.aws.texts == [(PHONE, message)]
    assert context == {"AWS.SNS.SMS": {"MessageId": "m-1", "PhoneNumber": "+14255550182"}}
    assert readable == "The SMS was sent to +14255550182. Its message ID is m-1."
    assert server.context == {}


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        pytest.param(
            {"message": "Hello"},
            f'to is "", {NOT_E164}',
            id="no to",
        ),
        pytest.param(
            {"to": "4255550182", "message": "Hello"},
            f'to is "42555***82", {NOT_E164}',
            id="no plus",
        ),
        pytest.param(
            {"to": PHONE}, "message is empty, but it must be the text to send. Nothing was sent.", id="no message"
        ),
        pytest.param(
            {"to": PHONE, "message": " \n "},
            "message is empty, but it must be the text to send. Nothing was sent.",
            id="blank message",
        ),
        pytest.param(
            {"to": PHONE, "message": f"Restart db-7? {GUID}@1234|7"},
            "The message ends with an entitlement, but is not in the format of SMSAskUser: "
            '"Question - Reply option1 or option2: GUID@incident|task". Nothing was sent. '
            "Use the SMSAskUser automation, or take the entitlement out of the message.",
            id="raw entitlement",
        ),
        pytest.param(
            {"to": PHONE, "message": "ж" * 631},
            "The SMS would be 631 characters long, but at most 630 are allowed "
            "(1530 in the GSM-7 alphabet, 630 with any other character). Shorten it. Nothing was sent.",
            id="too long",
        ),
    ],
)
def test_send_notification_that_cannot_be_sent_is_a_sentence_and_sends_nothing(
    war_room: WarRoom, server: Server, args: dict[str, str], sentence: str
) -> None:
    # Given arguments that cannot be used, When sent, Then the sentence says what is accepted; nothing left or is stored
    assert war_room.error("send-notification", **args) == sentence
    assert (war_room.aws.texts, server.context) == ([], {})


def test_send_notification_that_aws_refuses_is_a_sentence(war_room: WarRoom, server: Server) -> None:
    # Given an AWS that refuses, When a question is sent, Then the sentence has the code and no question is left
    war_room.aws.fail = [refused("AuthorizationError", 403)]
    message = f"Restart db-7? - Reply Yes or No: {GUID}@1234|7"
    assert war_room.error("send-notification", to=PHONE, message=message) == (
        "AWS refused Publish with AuthorizationError: the key or role lacks the permission for Publish. It said: No."
    )
    assert server.questions == []


TABLE_HEAD = (
    "|EntitlementID|PhoneNumber|Status|ReplyCodes|Message|Created|ExpiresAt|RemindersLeft|AgeHours|Answered|Locked"
    "|OptedOut|"
)


def listed(war_room: WarRoom, **args: str) -> list[dict[str, Any]]:
    context, _ = war_room.result("aws-sns-sms-list-entitlements", **args)
    [(key, rows)] = context.items()
    assert key == (
        "AWS.SNS.SMS.Entitlement(val.EntitlementID && val.EntitlementID == obj.EntitlementID && "
        "val.PhoneNumber && val.PhoneNumber == obj.PhoneNumber)"
    )
    return list(rows)


def test_list_entitlements_shows_open_questions_newest_first(war_room: WarRoom, server: Server) -> None:
    # Given an older and a newer open question, an answered and an expired one
    of = sms.Entitlement(GUID, "1234", "approval_task")
    newer = replace(question(text="x" * 150, codes={"7": "OK"}, created=NOW - 900), entitlement=of)
    older = question(2, OTHER_PHONE, created=NOW - 5400, expires=NOW + 3600)
    server.store(older, newer, question(3, claim=claim(told_at=NOW)), question(4, expires=NOW))
    # When listed
    rows = listed(war_room)
    # Then the two open ones are there, with all that is known of them
    assert rows == [
        {
            "EntitlementID": f"{GUID}@1234|approval_task",
            "PhoneNumber": "+14255550182",
            "Status": "Open",
            "ReplyCodes": "OK (7)",
            "Message": "x" * 100,
            "Created": "2025-12-31T23:45:00Z",
            "ExpiresAt": "2026-01-02T00:00:00Z",
            "RemindersLeft": 0,
            "DefaultResponse": None,
            "AgeHours": 0.25,
            "Answered": False,
            "AnsweredAt": None,
            "ChosenOption": None,
            "Error": None,
            "Locked": False,
            "OptedOut": False,
        },
        {
            "EntitlementID": "00000002-0000-4000-8000-000000000000@77|3",
            "PhoneNumber": "+14255550183",
            "Status": "Open",
            "ReplyCodes": "Yes (1234) or No (5678)",
            "Message": "Restart db-7?",
            "Created": "2025-12-31T22:30:00Z",
            "ExpiresAt": "2026-01-01T01:00:00Z",
            "RemindersLeft": 0,
            "DefaultResponse": None,
            "AgeHours": 1.5,
            "Answered": False,
            "AnsweredAt": None,
            "ChosenOption": None,
            "Error": None,
            "Locked": False,
            "OptedOut": False,
        },
    ]


def test_list_entitlements_with_the_answered_shows_when_and_what(war_room: WarRoom, server: Server) -> None:
    # Given an answered question and a claim that XSOAR has not taken
    server.store(question(1, claim=claim(told_at=NOW + 60)), question(2, claim=claim("No", "5678", error="Busy.")))
    # When listed with and without the answered ones
    rows = {row["EntitlementID"][:8]: row for row in listed(war_room, show_answered="true")}
    shown = ("Answered", "AnsweredAt", "ChosenOption", "Error")
    # Then the answer is there; the claim is no answer yet, and shows its error
    assert [rows["00000001"][key] for key in shown] == [True, "2026-01-01T00:01:00Z", "Yes", None]
    assert [rows["00000002"][key] for key in shown] == [False, None, "No", "Busy."]
    assert [row["EntitlementID"][:8] for row in listed(war_room)] == ["00000002"]


def test_list_entitlements_of_a_phone_shows_no_other(war_room: WarRoom, server: Server) -> None:
    # Given questions to two phones, When one is asked for, as people write it, Then only its question is there
    server.store(question(1), question(2, OTHER_PHONE))
    assert [row["PhoneNumber"] for row in listed(war_room, phone_number="+1 425-555-0183")] == [OTHER_PHONE]


def test_list_entitlements_is_a_table_to_read(war_room: WarRoom, server: Server) -> None:
    # Given a question of two lines with a bar, When listed, Then the table has one row
    server.store(question(text="Restart\ndb|7?"))
    _, readable = war_room.result("aws-sns-sms-list-entitlements")
    title, head, _, row = readable.strip().split("\n")
    assert (title, head) == ("### Entitlements", TABLE_HEAD)
    assert row == (
        "| 00000001-0000-4000-8000-000000000000@77\\|3 | +14255550182 | Open | Yes (1234) or No (5678) "
        "| Restart<br>db\\|7? | 2026-01-01T00:00:00Z | 2026-01-02T00:00:00Z | 0 | 0.0 | False | False | False |"
    )


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        pytest.param({}, "There are no open questions.", id="all"),
        pytest.param({"phone_number": PHONE}, "There are no open questions of +14255550182.", id="of a phone"),
        pytest.param({"show_answered": "true"}, "There are no questions.", id="with the answered"),
    ],
)
def test_list_entitlements_of_nothing_is_a_sentence(war_room: WarRoom, args: dict[str, str], sentence: str) -> None:
    # Given no question, When listed, Then a sentence says so
    assert war_room.run("aws-sns-sms-list-entitlements", **args)[0]["HumanReadable"] == sentence


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        pytest.param({"show_answered": "all"}, 'show_answered is "all", but it must be true or false.', id="flag"),
        pytest.param(
            {"phone_number": "0182"},
            f'phone_number is "0182", {NOT_E164}',
            id="phone",
        ),
    ],
)
def test_list_entitlements_with_a_bad_argument_is_a_sentence(
    war_room: WarRoom, args: dict[str, str], sentence: str
) -> None:
    # Given an argument that cannot be used, When listed, Then the sentence names it
    assert war_room.error("aws-sns-sms-list-entitlements", **args) == sentence


def test_list_entitlements_of_a_context_that_cannot_be_read_is_a_sentence(war_room: WarRoom, server: Server) -> None:
    # Given text in the context that is not JSON, When listed, Then it is no empty list
    server.context = {"entitlements": "{"}
    assert war_room.error("aws-sns-sms-list-entitlements") == unreadable("JSONDecodeError")
    assert server.context == {"entitlements": "{"}


def test_inject_reply_with_a_code_answers_as_a_phone_does_and_sends_nothing(war_room: WarRoom, server: Server) -> None:
    # Given an open question, When its code and word are injected
    server.store(question())
    context, readable = war_room.result(
        "aws-sns-sms-inject-reply", phone_number="+1 425 555 0182", reply_code="1234 yes"
    )
    # Then XSOAR is told, the question is answered, and no text leaves
    assert server.told == [("77", "00000001-0000-4000-8000-000000000000", PHONE, "Yes", "3")]
    assert server.questions[0].answered
    assert war_room.aws.texts == []
    assert context == {
        "AWS.SNS.SMS.TestReply": {
            "Success": True,
            "PhoneNumber": "+14255550182",
            "ReplyCode": "1234",
            "ChosenOption": "Yes",
            "EntitlementGUID": "00000001-0000-4000-8000-000000000000",
            "IncidentID": "77",
            "TaskID": "3",
            "Error": None,
        }
    }
    assert readable == 'The reply chose "Yes" in incident 77.'


@pytest.mark.parametrize(
    ("questions", "sentence", "wrong"),
    [
        pytest.param([], '"9999" is no reply code of +14255550182. It has no open questions.', 0, id="nothing open"),
        pytest.param(
            [question(1), question(2, codes={"0042": "Later"}), question(3, expires=NOW, codes={"1": "A"})],
            '"9999" is no reply code of +14255550182. Its active codes are: Yes (1234), No (5678), Later (0042).',
            1,
            id="two open",
        ),
    ],
)
def test_inject_reply_that_matches_nothing_is_no_success_and_no_error(
    war_room: WarRoom, server: Server, questions: list[sms.Question], sentence: str, wrong: int
) -> None:
    # Given open questions or none, When another code is injected, Then it is no success and the active codes are told
    server.store(*questions)
    context, readable = war_room.result("aws-sns-sms-inject-reply", phone_number=PHONE, reply_code="9999")
    assert context == {
        "AWS.SNS.SMS.TestReply": {
            "Success": False,
            "PhoneNumber": "+14255550182",
            "ReplyCode": "9999",
            "ChosenOption": None,
            "EntitlementGUID": None,
            "IncidentID": None,
            "TaskID": None,
            "Error": sentence,
        }
    }
    assert readable == sentence
    # And nothing was told, sent or remembered as feedback; only a wrong code to an open question counts
    phone = server.state.phone(PHONE)
    assert (server.told, war_room.aws.texts, server.writes) == ([], [], wrong)
    assert (phone.feedback, len(phone.wrong)) == ((), wrong)


def test_inject_reply_that_xsoar_refuses_is_no_success(war_room: WarRoom, server: Server) -> None:
    # Given an XSOAR that is busy, When a code is injected, Then it says so, and the claim stays for the poller
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy")]}
    context, readable = war_room.result("aws-sns-sms-inject-reply", phone_number=PHONE, reply_code="1234")
    outputs = context["AWS.SNS.SMS.TestReply"]
    assert (outputs["Success"], outputs["ChosenOption"]) == (False, "Yes")
    assert outputs["Error"] == readable == "XSOAR did not take the answer: RuntimeError: busy."
    assert server.questions[0].holds_codes_at(NOW)


def test_inject_reply_of_the_same_code_twice_answers_once(war_room: WarRoom, server: Server) -> None:
    # Given an open question, When its code is injected twice, Then the second matches nothing
    server.store(question())
    results = [
        war_room.result("aws-sns-sms-inject-reply", phone_number=PHONE, reply_code="1234")[0]["AWS.SNS.SMS.TestReply"]
        for _ in range(2)
    ]
    assert [result["Success"] for result in results] == [True, False]
    assert len(server.told) == 1


def test_list_entitlements_shows_locked_and_opted_out_phones(war_room: WarRoom, server: Server) -> None:
    # Given a phone that sent ten wrong codes, one that opted out, and one that did nothing
    third = "+14255550184"
    server.store(question(1), question(2, OTHER_PHONE), question(3, third))
    conversation(FakeAws(), Clock()).answer([*guesses(10), reply("Stop", "in-1", OTHER_PHONE)])
    # When listed, Then each question shows it of its phone
    rows = {row["PhoneNumber"]: (row["Locked"], row["OptedOut"]) for row in listed(war_room)}
    assert rows == {PHONE: (True, False), OTHER_PHONE: (False, True), third: (False, False)}
    # And an instance with the lock turned off shows none
    war_room.instance = params(maxWrongReplies="0")
    assert [row["Locked"] for row in listed(war_room)] == [False, False, False]


def test_inject_reply_of_a_locked_phone_is_no_success_and_says_why(war_room: WarRoom, server: Server) -> None:
    # Given a phone that sent ten wrong codes, When the right one is injected, Then it is ignored as one of the queue is
    server.store(question())
    conversation(FakeAws(), Clock()).answer(guesses(10))
    context, readable = war_room.result("aws-sns-sms-inject-reply", phone_number=PHONE, reply_code="1234")
    assert context["AWS.SNS.SMS.TestReply"]["Success"] is False
    assert readable == (
        "Replies from +14255550182 are ignored for now, as it sent too many wrong codes within an hour."
    )
    assert (server.told, server.questions) == ([], [question()])


def test_send_notification_of_a_question_to_a_phone_that_opted_out_is_a_sentence(
    war_room: WarRoom, server: Server
) -> None:
    # Given a phone that AWS has as opted out, When a question is sent, Then it is an error; a plain text is sent
    war_room.aws.opted_out = {PHONE: True}
    message = f"Restart db-7? - Reply Yes or No: {GUID}@1234|7"
    assert war_room.error("send-notification", to=PHONE, message=message) == OPTED_OUT
    assert (war_room.aws.texts, server.context) == ([], {})
    war_room.result("send-notification", to=PHONE, message="Hello")
    assert war_room.aws.texts == [(PHONE, "Hello")]


@pytest.mark.parametrize(
    ("given", "named", "leave_out"),
    [
        ({"lifetime": "soon"}, "lifetime", "it"),
        ({"additionalOptions": "Later"}, "additionalOptions", "it"),
        ({"reply": "Thanks.", "defaultResponse": "No"}, "defaultResponse and reply", "them"),
        ({"reminders": "1", "reminderInterval": "5"}, "reminders and reminderInterval", "them"),
    ],
    ids=["lifetime", "options", "answers", "reminders"],
)
def test_send_notification_of_a_plain_text_with_what_only_a_question_has_is_an_error(
    war_room: WarRoom, given: dict[str, str], named: str, leave_out: str
) -> None:
    # Given a message without an entitlement, When it comes with such arguments, Then nothing is sent
    assert war_room.error("send-notification", to=PHONE, message="Restart db-7?", **given) == (
        f"{named} can only go with a question, but the message has no entitlement. Nothing was sent. "
        f"Ask with the SMSAskUser automation, or leave out {leave_out}."
    )
    assert war_room.aws.texts == []


@pytest.mark.parametrize("message", ["Hello", f"Restart db-7? - Reply Yes or No: {GUID}@1234|7"])
def test_send_notification_to_the_own_origination_number_is_a_sentence(
    war_room: WarRoom, server: Server, message: str
) -> None:
    # Given the number that texts are sent from, When a text or a question to it is sent, Then nothing leaves
    war_room.instance = params(originationNumber="+1 425-555-0182")
    assert war_room.error("send-notification", to=PHONE, message=message) == (
        "+1425*****82 is the Origination Number of the instance, but a text must go to another phone. Nothing was sent."
    )
    assert (war_room.aws.texts, server.context) == ([], {})


def test_test_module_asks_the_queue_and_says_ok(wire: Wire, war_room: WarRoom, server: Server) -> None:
    # Given a queue that answers, When Test is pressed, Then the queue was asked, the context was not, and it says ok
    server.fail = {"read": [AssertionError("no context in test-module")]}
    assert war_room.run("test-module") == ["ok"]
    assert wire.operations == ["GetQueueAttributes"]


def test_test_module_without_a_queue_is_a_sentence(wire: Wire, war_room: WarRoom) -> None:
    # Given no such queue, When Test is pressed, Then the sentence has the code and what to check
    wire.answers["GetQueueAttributes"] = [sqs_error("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")]
    assert war_room.error("test-module") == (
        f"AWS refused GetQueueAttributes with NonExistentQueue: {NO_QUEUE_ADVICE}. It said: No."
    )


@pytest.mark.parametrize(
    "command", ["test-module", "send-notification", "aws-sns-sms-list-entitlements", "aws-sns-sms-inject-reply"]
)
def test_every_command_checks_the_parameters_first(war_room: WarRoom, command: str) -> None:
    # Given a parameter that cannot be used, When any command is run, Then the sentence names it
    war_room.instance = params(retries="many")
    assert war_room.error(command, to=PHONE, message="Hello") == (
        'Retries is "many", but it must be a whole number from 0 to 10.'
    )
    assert war_room.aws.texts == []


# ---------------------------------------------------------------- the long-running loop


class FakeQueue:
    """Stands for ReplyQueue: what is not deleted comes again at once, oldest last. `fail`: errors of the next polls."""

    def __init__(self) -> None:
        self.messages: list[sms.Received] = []
        self.fail: list[BaseException] = []
        self.dead_letters = True
        self.undeletable, self.at_once = 0, 10
        self.waits: list[int] = []
        self._number = 0

    def put(self, *bodies: Any) -> None:
        for body in bodies:
            self._number += 1
            self.messages.append(received(body, self._number, NOW + self._number))

    def receive(self, wait: int) -> list[sms.Received]:
        self.waits.append(wait)
        if self.fail:
            raise self.fail.pop(0)
        return list(reversed(self.messages[: self.at_once]))

    def delete(self, messages: Sequence[sms.Received]) -> int:
        kept, self.undeletable = min(self.undeletable, len(messages)), 0
        gone = {message.handle for message in messages[kept:]}
        self.messages = [message for message in self.messages if message.handle not in gone]
        return kept

    def has_dead_letter_queue(self) -> bool:
        return self.dead_letters


class Scene:
    """A poller with its queue, its AWS and its clock; `poll` runs it once and returns the texts that left."""

    def __init__(self, server: Server, **changes: Any) -> None:
        self.server, self.queue, self.aws, self.clock = server, FakeQueue(), FakeAws(), Clock()
        self.changes = changes
        self.start()

    def start(self) -> None:
        """A new container."""
        chosen = settings(**self.changes)
        talk = conversation(self.aws, self.clock, **self.changes)
        self.desk = sms.FeedbackDesk(sms.SmsSender(self.aws, chosen, lambda _seconds: None))  # type: ignore[arg-type]
        queue: Any = self.queue
        self.poller = sms.Poller(chosen, queue, talk, self.desk, self.clock.sleep, self.clock)

    def poll(self) -> list[str]:
        before = len(self.aws.texts)
        try:
            self.poller.poll()
        finally:
            wait(self.desk._sending, 10)
        return [text for _, text in self.aws.texts[before:]]

    def run(self) -> None:
        """Run until a Crash, which the queue raises once its `fail` says so."""
        with pytest.raises(Crash):
            self.poller.run()
        wait(self.desk._sending, 10)


@pytest.fixture
def scene(server: Server) -> Scene:
    return Scene(server)


def inbound(text: str, number: str = "in-1", phone: str = PHONE) -> dict[str, Any]:
    return envelope(payload(text, inboundMessageId=number, originationNumber=phone), Timestamp=None)


def test_poller_answers_a_code_thanks_and_deletes(scene: Scene, server: Server) -> None:
    # Given an open question and its code on the queue
    server.store(question())
    scene.queue.put(inbound("1234"))
    # When polled, Then XSOAR was told, the person thanked, the message gone, nothing to complain of
    assert scene.poll() == ["1234 - Thank you for your response!"]
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert scene.queue.messages == []
    assert (server.errors, server.health) == ([], [""])


def test_poller_sends_the_codes_for_a_wrong_reply_once_and_deletes_it(scene: Scene, server: Server) -> None:
    # Given an open question, and a wrong reply that comes again
    server.store(question())
    scene.queue.put(inbound("yes", "in-1"))
    scene.queue.undeletable = 1
    # When polled twice, Then the codes are sent once, and the question is open
    assert scene.poll() == [f"{FAILURE}Yes (1234), No (5678)"]
    assert scene.poll() == []
    assert (scene.queue.messages, server.told) == ([], [])
    assert server.questions == [question()]


def test_poller_is_silent_to_a_phone_with_nothing_open(scene: Scene, server: Server) -> None:
    # Given no question, When a text comes, Then it is deleted, nobody hears of it
    scene.queue.put(inbound("hello"))
    assert scene.poll() == []
    assert (scene.queue.messages, server.told, server.writes) == ([], [], 0)


def test_poller_handles_a_batch_oldest_first(scene: Scene, server: Server) -> None:
    # Given two replies to one question, which SQS hands over in the wrong order
    server.store(question())
    scene.queue.put(inbound("5678", "in-1"), inbound("1234", "in-2"))
    # When polled, Then the older one is the answer, and the other is told so
    assert sorted(scene.poll()) == ["5678 - Thank you for your response!", "You already answered: No."]
    assert [answer[3] for answer in server.told] == ["No"]


def test_poller_leaves_a_reply_that_xsoar_refuses_and_tells_it_again(scene: Scene, server: Server) -> None:
    # Given an XSOAR that is busy twice
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy"), RuntimeError("busy")]}
    scene.queue.put(inbound("1234"))
    # When polled three times
    texts = [scene.poll() for _ in range(3)]
    # Then it was told at the third, thanked once, deleted, and the health is clear again
    assert texts == [[], [], ["1234 - Thank you for your response!"]]
    assert len(server.told) == 1
    assert scene.queue.messages == []
    scene.clock.now += 60
    scene.poll()
    assert server.health == ["", "XSOAR did not take the answer: RuntimeError: busy.", ""]
    assert server.errors == ["XSOAR did not take the answer: RuntimeError: busy."]


def test_poller_tells_a_refused_claim_again_although_its_message_does_not_come_back(
    scene: Scene, server: Server
) -> None:
    # Given a claim that XSOAR refused, and whose message is in the dead-letter queue
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy")]}
    scene.queue.put(inbound("1234"))
    scene.poll()
    scene.queue.messages.clear()
    # When a second is over, Then it is told and thanked
    scene.clock.now += 1
    assert scene.poll() == ["1234 - Thank you for your response!"]
    assert [answer[3] for answer in server.told] == ["Yes"]


def test_poller_tells_claims_of_a_dead_container_at_its_start(server: Server) -> None:
    # Given a claim that a container left, When another one starts, Then its first poll tells and thanks
    server.store(question(claim=claim(at=NOW - 1)))
    assert Scene(server).poll() == ["1234 - Thank you for your response!"]
    assert [answer[3] for answer in server.told] == ["Yes"]


def test_poller_leaves_a_fresh_claim_to_the_container_that_made_it(scene: Scene, server: Server) -> None:
    # Given a poller that runs, and a claim that another container makes now
    scene.poll()
    server.store(question(claim=claim(at=NOW)))
    # When 29 seconds are over it is left, When 30 are it is told
    scene.clock.now = NOW + 29
    assert scene.poll() == []
    scene.clock.now = NOW + 30
    assert scene.poll() == ["1234 - Thank you for your response!"]


@pytest.mark.parametrize(("body", "reason"), MALFORMED)
def test_poller_leaves_what_is_no_reply_to_the_dead_letter_queue(
    scene: Scene, server: Server, body: Any, reason: str
) -> None:
    # Given a queue with a redrive policy, and a reply beside a message that is none
    server.store(question())
    scene.queue.put(body, inbound("1234"))
    # When polled, Then the reply is answered, the other is left, and logged without its content
    scene.poll()
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert [message.handle for message in scene.queue.messages] == ["handle-1"]
    assert server.errors == [f"1 messages of the queue are no replies: {reason}. Since the start: 1."]


def test_poller_without_a_dead_letter_queue_deletes_what_is_no_reply_and_counts_it(
    scene: Scene, server: Server
) -> None:
    # Given a queue without a redrive policy and three such messages
    scene.queue.dead_letters = False
    scene.queue.put("17", "hello", "hello")
    scene.poll()
    scene.queue.put("{}")
    scene.poll()
    # When polled, Then they are gone, and the log counts them
    assert scene.queue.messages == []
    assert server.errors == [
        "3 messages of the queue are no replies: it is not JSON; it is not a JSON object. Since the start: 3.",
        f"1 messages of the queue are no replies: {NEITHER}. Since the start: 4.",
    ]


def test_poller_notes_messages_that_were_not_deleted_and_answers_them_once(scene: Scene, server: Server) -> None:
    # Given a message that AWS does not delete at first
    server.store(question())
    scene.queue.put(inbound("1234"))
    scene.queue.undeletable = 1
    # When polled twice, Then there is one answer and one thank-you, and it is gone
    assert scene.poll() == ["1234 - Thank you for your response!"]
    assert scene.poll() == []
    assert (len(server.told), scene.queue.messages) == (1, [])
    assert server.infos == ["1 messages of the queue were not deleted; they will come again and change nothing."]


def test_poller_sends_no_feedback_when_it_is_turned_off(server: Server) -> None:
    # Given an instance without feedback, When a code and a wrong reply come, Then no text leaves
    scene = Scene(server, replyFeedbackEnabled=False)
    server.store(question(1), question(2, OTHER_PHONE))
    scene.queue.put(inbound("1234"), inbound("what?", "in-2", OTHER_PHONE))
    assert scene.poll() == []
    assert (len(server.told), scene.queue.messages) == (1, [])


def test_poller_whose_feedback_cannot_be_sent_keeps_the_answer(scene: Scene, server: Server) -> None:
    # Given an AWS that refuses the thank-you
    server.store(question())
    scene.aws.fail = [refused("InvalidParameter", message="PhoneNumber 14255550182 is not valid")]
    scene.queue.put(inbound("1234"))
    # When polled twice, Then the answer stands, nothing is sent again, and the log has no phone number
    assert (scene.poll(), scene.poll()) == ([], [])
    assert (len(server.told), scene.queue.messages) == (1, [])
    assert server.questions[0].answered
    [error] = server.errors
    assert error == (
        "A feedback SMS could not be sent, the answer stands: AWS refused Publish with InvalidParameter: check the "
        "phone number, the Origination Number and the Sender ID. It said: PhoneNumber 1425*****82 is not valid."
    )


def test_poller_that_cannot_read_the_context_takes_nothing_off_the_queue(scene: Scene, server: Server) -> None:
    # Given text in the context that is not JSON, and a reply on the queue
    server.context = {"entitlements": "{"}
    scene.queue.put(inbound("1234"))
    # When polled, Then it is an error, the message is there and the text is as it was
    with pytest.raises(sms.StateError):
        scene.poll()
    assert len(scene.queue.messages) == 1
    assert server.context == {"entitlements": "{"}


def test_poller_survives_a_context_that_fails_and_clears_its_health(scene: Scene, server: Server) -> None:
    # Given a context that fails twice and a reply on the queue
    server.store(question())
    server.fail = {"read": [RuntimeError("busy"), RuntimeError("busy")]}
    scene.queue.put(inbound("1234"))
    scene.queue.fail = []
    # When run until the queue says stop
    _stop_after(scene, polls=2)
    # Then it waited one and two seconds, then answered; the health was told and cleared
    assert scene.clock.sleeps == [1.0, 2.0]
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert server.health == ["The integration context cannot be read: RuntimeError: busy.", ""]
    assert server.errors == ["The integration context cannot be read: RuntimeError: busy."]


def _stop_after(scene: Scene, polls: int) -> None:
    """Run the poller until the queue was asked so many times."""
    receive = scene.queue.receive

    def counted(wait: int) -> list[sms.Received]:
        if len(scene.queue.waits) >= polls:
            raise Crash
        return receive(wait)

    scene.queue.receive = counted  # type: ignore[method-assign]
    scene.run()


def test_poller_backs_off_to_a_minute_while_aws_fails_and_starts_anew_after_it_worked(
    scene: Scene, server: Server
) -> None:
    # Given an AWS that fails eight times, works, and fails again
    away = sms.AwsError("ReceiveMessage failed.")
    scene.queue.fail = [away] * 8
    _stop_after(scene, polls=9)
    scene.queue.fail = [away]
    scene.queue.waits.clear()
    # When it goes on, Then pauses were 1 to 60 seconds, then 1 again; the health was told and cleared
    _stop_after(scene, polls=2)
    assert scene.clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0]
    assert server.health == ["", "ReceiveMessage failed.", "", "ReceiveMessage failed.", ""]
    assert server.errors == ["ReceiveMessage failed."] * 2


def test_poller_survives_what_nobody_thought_of(scene: Scene, server: Server) -> None:
    # Given an error that is a bug, When run, Then it is a sentence of the health, and the poller goes on
    scene.queue.fail = [ZeroDivisionError("division of +14255550182 by zero")]
    _stop_after(scene, polls=2)
    assert server.health == [
        "",
        "The poller failed and goes on: ZeroDivisionError: division of +1425*****82 by zero.",
        "",
    ]


def test_poller_survives_a_health_that_cannot_be_written_and_writes_it_later(scene: Scene, server: Server) -> None:
    # Given a server that refuses the health text at first
    server.fail = {"health": [RuntimeError("busy")] * 4}
    scene.queue.fail = [sms.AwsError("ReceiveMessage failed.")] * 3
    # When run, Then the poller goes on, and the text is there once the server takes it
    _stop_after(scene, polls=4)
    assert server.health == ["ReceiveMessage failed.", ""]


@pytest.mark.parametrize(("interval", "longest"), [("10", 10), ("20", 20), ("300", 20), ("1", 1)])
def test_poller_waits_as_long_as_the_interval_says(server: Server, interval: str, longest: int) -> None:
    # Given an interval, When polled, Then that is how long SQS holds the request, but for the first
    scene = Scene(server, pollInterval=interval)
    scene.poll()
    scene.poll()
    assert scene.queue.waits == [1, longest]


def test_poller_waits_no_longer_than_until_a_claim_is_due(scene: Scene, server: Server) -> None:
    # Given a claim that XSOAR refuses four times
    server.store(question(claim=claim(at=NOW - 60)))
    server.fail = {"tell": [RuntimeError("busy")] * 4}
    # When polled each time when the wait is over, Then the wait doubles from a second to the interval
    for _ in range(5):
        scene.poll()
        scene.clock.now += scene.queue.waits[-1]
    assert scene.queue.waits == [1, 2, 4, 8, 10]
    assert len(server.told) == 1


@pytest.mark.parametrize(
    ("fail", "thanks"),
    [
        pytest.param({"written": [Crash()]}, 1, id="after the claim"),
        pytest.param({"told": [Crash()]}, 1, id="after telling"),
        pytest.param({"written": [None, Crash()]}, 0, id="after settling"),
    ],
)
def test_poller_that_dies_between_two_steps_and_starts_again_answers_once(
    scene: Scene, server: Server, fail: dict[str, list[BaseException | None]], thanks: int
) -> None:
    # Given a poller that dies in the middle of an answer
    server.store(question())
    scene.queue.put(inbound("5678"))
    server.fail = fail
    with pytest.raises(Crash):
        scene.poll()
    # When another one starts
    scene.start()
    texts = scene.poll()
    # Then XSOAR knows the one option, it is on record, the message is gone, and there is one thank-you at most
    assert {answer[3] for answer in server.told} == {"No"}
    assert [q.answered and q.claim and q.claim.option for q in server.questions] == ["No"]
    assert scene.queue.messages == []
    assert texts == ["5678 - Thank you for your response!"] * thanks


def test_poller_that_dies_before_deleting_does_not_answer_twice(scene: Scene, server: Server) -> None:
    # Given a poller that dies before it deletes
    server.store(question())
    scene.queue.put(inbound("5678"))
    delete = scene.queue.delete

    def die(messages: Sequence[sms.Received]) -> int:
        raise Crash

    scene.queue.delete = die  # type: ignore[method-assign]
    with pytest.raises(Crash):
        scene.poll()
    scene.queue.delete = delete  # type: ignore[method-assign]
    # When another one starts, Then the message is gone, and there was one answer and one thank-you
    scene.start()
    assert scene.poll() == []
    assert (len(server.told), scene.queue.messages) == (1, [])
    assert [text for _, text in scene.aws.texts] == ["5678 - Thank you for your response!"]


def dated(text: str, number: str, second: int) -> dict[str, Any]:
    """A reply that SNS took at that second, whenever SQS got it."""
    return envelope(payload(text, inboundMessageId=number), Timestamp=f"2026-01-01T00:00:{second:02}.000Z")


def test_poller_compares_the_time_of_the_envelope_with_the_time_of_the_sms(scene: Scene, server: Server) -> None:
    # Given a question that AWS took at second 30, and a host whose clock is an hour behind
    scene.clock.now = NOW - 3600
    scene.aws.date = "Thu, 01 Jan 2026 00:00:30 GMT"
    conversation(scene.aws, scene.clock).ask(QUESTION, PHONE)
    # When a reply of second 10 and then one of second 31 are polled
    scene.queue.put(dated("0000", "in-1", 10))
    texts = scene.poll()
    assert (texts, server.told) == ([f"{FAILURE}Yes (0000), No (0001)"], [])
    scene.queue.put(dated("0001", "in-2", 31))
    # Then only the second one answers
    assert scene.poll() == ["0001 - Thank you for your response!"]
    assert [answer[3] for answer in server.told] == ["No"]


def test_poller_compares_the_time_of_the_queue_when_there_is_no_envelope(scene: Scene, server: Server) -> None:
    # Given a question of second 30, and raw delivery
    scene.aws.date = "Thu, 01 Jan 2026 00:00:30 GMT"
    conversation(scene.aws, scene.clock).ask(QUESTION, PHONE)
    # When a reply that SQS got at second 10 is polled, and one of second 28, Then only the latter answers
    scene.queue.messages = [received(payload("0000", inboundMessageId="in-1"), 1, NOW + 10)]
    scene.poll()
    assert server.told == []
    scene.queue.messages = [received(payload("0001", inboundMessageId="in-2"), 2, NOW + 28)]
    scene.poll()
    assert [answer[3] for answer in server.told] == ["No"]


def test_poller_that_starts_anew_remembers_the_texts_it_sent(scene: Scene, server: Server) -> None:
    # Given an open question, and a container that starts anew after each poll
    server.store(question())
    texts = []
    for number in range(6):
        scene.queue.put(inbound("what?", f"in-{number}"))
        texts.append(len(scene.poll()))
        scene.start()
        scene.clock.now += 60
    # When six replies are not understood, Then three texts left
    assert texts == [1, 1, 1, 0, 0, 0]
    assert scene.queue.messages == []


def test_poller_thanks_without_a_limit(scene: Scene, server: Server) -> None:
    # Given a phone that got its three texts, and five open questions
    server.store(*(question(number, codes={f"{number:04}": "Yes"}) for number in range(5)))
    scene.queue.put(*(inbound("what?", f"in-{number}") for number in range(4)))
    assert len(scene.poll()) == 3
    # When it answers all, Then it is thanked for each
    scene.queue.put(*(inbound(f"{number:04}", f"in-{number + 10}") for number in range(5)))
    assert sorted(scene.poll()) == [f"{number:04} - Thank you for your response!" for number in range(5)]


LOCK = (
    "Replies are ignored for too many wrong codes within an hour, somebody may be guessing: "
    "+1425*****82 until 2026-01-01T01:00:00Z."
)


def test_poller_shows_a_lock_once_and_clears_it_when_the_hour_is_over(scene: Scene, server: Server) -> None:
    # Given a phone that sends ten wrong codes and then the right one
    server.store(question())
    scene.queue.put(*(inbound("9999", f"in-{number}") for number in range(10)))
    scene.poll()
    scene.queue.put(inbound("1234", "right"))
    # When polled for almost an hour, with a container that is new in the middle
    assert scene.poll() == []
    for _ in range(59):
        scene.clock.now += 60
        scene.poll()
    # Then the reply was ignored and deleted; health and log say so once
    assert (server.told, scene.queue.messages) == ([], [])
    assert server.health == ["", LOCK]
    assert server.errors == [LOCK, "1 replies of locked phones were ignored."]
    # And when the hour is over, the health is empty and the code answers
    scene.clock.now += 60
    scene.queue.put(inbound("1234", "again"))
    assert scene.poll() == ["1234 - Thank you for your response!"]
    assert server.health == ["", LOCK, ""]


def test_poller_that_starts_anew_keeps_a_lock(scene: Scene, server: Server) -> None:
    # Given a phone that was locked by another container
    server.store(question())
    scene.queue.put(*(inbound("9999", f"in-{number}") for number in range(10)))
    scene.poll()
    scene.start()
    # When the right code comes to a new one, Then it is ignored, and the health of the new one says so
    scene.queue.put(inbound("1234", "right"))
    assert scene.poll() == []
    assert (server.told, server.health[-1]) == ([], LOCK)


def test_poller_with_the_lock_turned_off_locks_nobody(server: Server) -> None:
    # Given Wrong Replies Allowed Per Hour 0, When thirty wrong codes and the right one come, Then it answers
    scene = Scene(server, maxWrongReplies="0")
    server.store(question())
    for start in (0, 10, 20):
        scene.queue.put(*(inbound("9999", f"in-{start + number}") for number in range(10)))
        scene.poll()
    scene.queue.put(inbound("1234", "right"))
    assert scene.poll() == ["1234 - Thank you for your response!"]
    assert (server.health, server.errors) == ([""], [])


def test_poller_answers_no_opt_out_and_deletes_it(scene: Scene, server: Server) -> None:
    # Given an open question, When the phone sends STOP, Then nobody is told or texted, and it is on record
    server.store(question())
    scene.queue.put(inbound("Stop."))
    assert scene.poll() == []
    assert (scene.queue.messages, server.told, server.questions) == ([], [], [question()])
    assert server.state.phone(PHONE).opted_out


@pytest.mark.parametrize(
    "questions",
    [
        pytest.param([], id="nothing stored"),
        pytest.param([question(1), question(2, claim=claim(told_at=NOW)), question(3, expires=NOW)], id="questions"),
    ],
)
def test_poll_that_brings_nothing_writes_nothing(scene: Scene, server: Server, questions: list[sms.Question]) -> None:
    # Given questions or none, and an empty queue
    if questions:
        server.store(*questions)
    # When polled for two days, every ten seconds of the first hour and then every minute
    for seconds in [10] * 360 + [60] * 2820:
        scene.poll()
        scene.clock.now += seconds
    # Then nothing was written, the context was read every 30 seconds at most, the health written once
    assert (server.writes, server.health, server.errors) == (0, [""], [])
    assert server.reads <= 2 * DAY / 30


def test_poller_shows_that_feedback_fails_until_a_text_leaves(scene: Scene, server: Server) -> None:
    # Given an AWS that refuses texts, and a reply every ten seconds
    server.store(*(question(number, codes={f"{number:04}": "Yes"}) for number in range(4)))
    scene.aws.fail = [refused("AuthorizationError", 403)] * 2
    for number in range(4):
        scene.queue.put(inbound(f"{number:04}", f"in-{number}"))
        scene.poll()
        scene.poll()
        scene.clock.now += 10
    # When the third one leaves, Then the health is empty; until then it said so, written once, logged once
    sentence = (
        "A feedback SMS could not be sent, the answer stands: AWS refused Publish with AuthorizationError: "
        "the key or role lacks the permission for Publish. It said: No."
    )
    assert server.health == ["", sentence, ""]
    assert server.errors == [sentence]
    assert len(server.told) == 4


def test_feedback_that_fails_beside_one_that_leaves_is_still_shown_and_written_once(server: Server) -> None:
    # Given a desk where of two texts a round one is refused, three rounds long
    health, aws = sms.Health(), FakeAws()
    desk = sms.FeedbackDesk(sms.SmsSender(aws, settings()))  # type: ignore[arg-type]
    outcome = sms.Outcome(sms.Verdict(reply(), sms.Meaning.UNCLEAR), done=True, texts=(sms.Sms(PHONE, "Hello"),))
    for _ in range(3):
        aws.fail = [refused("InvalidParameter"), None]
        desk.send([outcome, outcome])
        wait(desk._sending, 10)
        desk.report(health)
    # When reported each time, Then the health says so and was written once
    [sentence] = server.health
    assert sentence.startswith("A feedback SMS could not be sent, the answer stands: ")


def test_poller_whose_context_can_be_read_but_not_written_shows_it_until_it_can(scene: Scene, server: Server) -> None:
    # Given a context that takes no writes, and a reply that comes again each time
    server.store(question())
    server.fail = {"write": [OSError("disk full")] * 5}
    scene.queue.put(inbound("1234"))
    _stop_after(scene, polls=7)
    # When it takes them again, Then the answer is told; until then the health said so, written once, logged once
    sentence = "The integration context cannot be written: OSError: disk full."
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert server.health == ["", sentence, ""]
    assert server.errors == [sentence]
    assert scene.clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_poller_shows_that_xsoar_refuses_while_other_replies_are_no_answers(scene: Scene, server: Server) -> None:
    # Given a claim that XSOAR refuses, and a poll that lasts until it is due again
    server.store(question(1, claim=claim(at=NOW - 60)), question(2, OTHER_PHONE))
    server.fail = {"tell": [RuntimeError("busy")] * 2}
    scene.poll()
    scene.queue.put(inbound("what?", "in-9", OTHER_PHONE))
    receive = scene.queue.receive

    def late(wait: int) -> list[sms.Received]:
        scene.clock.now += 1
        return receive(wait)

    scene.queue.receive = late  # type: ignore[method-assign]
    # When a reply comes that tells XSOAR nothing, Then the health still says so, and the claim is told when due
    scene.clock.now += 0.5
    scene.poll()
    assert server.health == ["", "XSOAR did not take the answer: RuntimeError: busy."]
    for _ in range(4):
        scene.poll()
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert server.health == ["", "XSOAR did not take the answer: RuntimeError: busy.", ""]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(sms.AwsError("ReceiveMessage failed."), id="AWS"),
        pytest.param(sms.MaybeSent("DeleteMessageBatch failed."), id="AWS does not answer"),
        pytest.param(ZeroDivisionError("bug"), id="bug"),
    ],
)
def test_poller_during_a_long_outage_makes_one_call_a_minute_and_recovers_within_one_poll(
    scene: Scene, server: Server, error: Exception
) -> None:
    # Given an open question, its code on the queue, and an outage of 66 polls
    server.store(question())
    scene.queue.put(inbound("1234"))
    scene.queue.fail = [error] * 66
    started = scene.clock.now
    _stop_after(scene, polls=67)
    # When it works again, Then the outage took an hour, the first poll after it answers, and the health is empty
    assert scene.clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [60.0] * 60
    assert scene.clock.now - started == 3663.0
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert len(server.health) == 3
    assert (server.health[0], server.health[-1]) == ("", "")
    assert len(server.errors) == 1


@pytest.mark.parametrize(
    ("call", "receives", "sentence"),
    [
        pytest.param("read", 1, "The integration context cannot be read: RuntimeError: busy.", id="read"),
        pytest.param("write", 2, "The integration context cannot be written: RuntimeError: busy.", id="write"),
    ],
)
def test_poller_during_a_long_outage_of_the_context_leaves_the_queue_alone_and_recovers_within_one_poll(
    scene: Scene, server: Server, call: str, receives: int, sentence: str
) -> None:
    # Given an open question, its code on the queue, and a context that fails 66 times
    server.store(question())
    scene.queue.put(inbound("1234"))
    server.fail = {call: [RuntimeError("busy")] * 66}
    started = scene.clock.now
    _stop_after(scene, polls=receives)
    # When it works again, Then the first poll answers; a message was taken in vain once at most
    assert scene.clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [60.0] * 60
    assert scene.clock.now - started == 3663.0
    assert [answer[3] for answer in server.told] == ["Yes"]
    assert [text for text in server.health if text] == [sentence]
    assert server.health[-1] == ""
    assert server.errors == [sentence]


def test_poller_whose_messages_cannot_be_deleted_answers_all_the_same_and_says_so(scene: Scene, server: Server) -> None:
    # Given an AWS that deletes nothing at first, and two replies, a poll each
    server.store(question(1), question(2, OTHER_PHONE))
    delete, refusals = scene.queue.delete, [sms.AwsError("AWS refused DeleteMessageBatch.")] * 3

    def refuse(messages: Sequence[sms.Received]) -> int:
        if refusals:
            raise refusals.pop()
        return delete(messages)

    scene.queue.delete = refuse  # type: ignore[method-assign]
    scene.queue.put(inbound("1234", "in-1"))
    texts = scene.poll()
    scene.queue.put(inbound("5678", "in-2", OTHER_PHONE))
    texts += [text for _ in range(4) for text in scene.poll()]
    # When it deletes again, Then each was answered and thanked once, and the health said so once and is empty
    assert texts == ["1234 - Thank you for your response!", "5678 - Thank you for your response!"]
    assert [answer[3] for answer in server.told] == ["Yes", "No"]
    assert scene.queue.messages == []
    sentence = "Replies stay on the queue, their answers stand: AWS refused DeleteMessageBatch."
    assert (server.health, server.errors) == (["", sentence, ""], [sentence])


def test_poller_handles_a_hundred_replies_with_two_writes_and_deletes_them_all(scene: Scene, server: Server) -> None:
    # Given a hundred questions to as many phones, and a reply to each in one receive
    phones = [f"+1425555{number:04}" for number in range(100)]
    server.store(*(question(number, phone) for number, phone in enumerate(phones, 1)))
    scene.queue.put(*(inbound("1234", f"in-{number}", phone) for number, phone in enumerate(phones)))
    scene.queue.at_once = 100
    # When polled, Then all are told and thanked in two writes, and nothing is left
    assert len(scene.poll()) == 100
    assert len({answer[1] for answer in server.told}) == len(server.told) == 100
    assert (server.writes, scene.queue.messages) == (2, [])


def test_poller_looks_after_refused_claims_at_once_when_xsoar_takes_another_answer(
    scene: Scene, server: Server
) -> None:
    # Given a claim that XSOAR refused so often that it is due again in 16 seconds
    server.store(question(1, claim=claim(at=NOW - 60)), question(2, OTHER_PHONE))
    server.fail = {"tell": [RuntimeError("busy")] * 5}
    for _ in range(5):
        scene.poll()
        scene.clock.now += scene.queue.waits[-1]
    # When another answer is taken, Then the claim is told at the next poll, and the health is empty only then
    scene.queue.put(inbound("5678", "in-2", OTHER_PHONE))
    scene.poll()
    assert server.health == ["", "XSOAR did not take the answer: RuntimeError: busy."]
    scene.poll()
    assert [answer[3] for answer in server.told] == ["No", "Yes"]
    assert server.health == ["", "XSOAR did not take the answer: RuntimeError: busy.", ""]


def test_feedback_that_failed_is_shown_for_an_hour_when_no_other_text_is_sent(server: Server) -> None:
    # Given a text that was refused
    health, clock = sms.Health(), Clock()
    desk = sms.FeedbackDesk(sms.SmsSender(FakeAws(refused("InvalidParameter")), settings()), clock)  # type: ignore[arg-type]
    desk.send([sms.Outcome(sms.Verdict(reply(), sms.Meaning.UNCLEAR), done=True, texts=(sms.Sms(PHONE, "Hello"),))])
    wait(desk._sending, 10)
    desk.report(health)
    # When nothing more is sent, Then it is shown for an hour, and not for ever
    clock.now += 3600
    desk.report(health)
    assert len(server.health) == 1
    clock.now += 1
    desk.report(health)
    assert server.health[1:] == [""]


def test_health_that_differs_only_in_numbers_is_not_written_again_unless_told_to(server: Server) -> None:
    # Given errors with a request id, and a lock with a time
    health = sms.Health()
    health.fails("AWS", "AWS refused it (request 17a9).")
    health.fails("AWS", "AWS refused it (request 18b0).")
    health.fails("locks", "Locked until 01:00.", exactly=True)
    health.fails("locks", "Locked until 02:00.", exactly=True)
    # When shown, Then the id is no news, the time is
    assert server.health == [
        "AWS refused it (request 17a9).",
        "AWS refused it (request 17a9). Locked until 01:00.",
        "AWS refused it (request 17a9). Locked until 02:00.",
    ]
    assert server.errors == ["AWS refused it (request 17a9).", "Locked until 01:00.", "Locked until 02:00."]


def test_log_holds_no_phone_number_code_text_or_secret(scene: Scene, server: Server) -> None:
    # Given everything that is logged above debug level
    server.store(question(1, text="The secret plan"), question(2, OTHER_PHONE, codes={"0042": "Later"}))
    server.fail = {"tell": [RuntimeError(f"busy with {PHONE}")]}
    scene.aws.fail = [refused("InvalidParameter", message=f"{PHONE} is not valid")] * 3
    scene.queue.put(
        inbound("1234"), inbound("0042", "in-2", OTHER_PHONE), "1234", inbound("what?", "in-3", OTHER_PHONE)
    )
    scene.queue.undeletable = 1
    # When a few polls are over
    for _ in range(3):
        scene.poll()
        scene.clock.now += 60
    # Then neither numbers nor codes nor texts nor secrets are in it
    log = "\n".join([*server.errors, *server.infos])
    assert log
    hidden = (PHONE[1:], OTHER_PHONE[1:], "1234", "0042", "secret plan", "what?", "s3cr3t", "AKIAEXAMPLE")
    assert [text for text in hidden if text in log] == []


def test_log_holds_no_origination_number_that_cannot_be_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an origination number with a letter too many, When the poller starts, Then the log has no full number
    _start_poller(monkeypatch, server, originationNumber="+14255550177x")
    assert "14255550177" not in "".join(server.errors)


def _start_poller(monkeypatch: pytest.MonkeyPatch, server: Server, **changes: Any) -> list[float]:
    """Start the poller as `main` does; a pause ends it. The pauses it made."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise Crash

    monkeypatch.setattr(sms, "time", SimpleNamespace(time=time.time, sleep=pause, monotonic=time.monotonic))
    monkeypatch.setattr(demisto, "command", lambda: "long-running-execution")
    monkeypatch.setattr(demisto, "params", lambda: params(**changes))
    monkeypatch.setattr(demisto, "args", dict)
    with pytest.raises(Crash):
        sms.main()
    return pauses


def test_poller_with_a_parameter_that_cannot_be_used_shows_it_as_health_and_never_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a parameter that cannot be used, When the poller starts
    pauses = _start_poller(monkeypatch, server, entitlementTTL="a day")
    # Then its sentence is the health, told once, and it waits
    sentence = (
        'Entitlement TTL (hours) is "a day", but it must be a number of hours above 0 and up to 8760 such as 24 or 0.5.'
    )
    assert (server.health, server.errors) == ([sentence], [sentence])
    assert pauses == [60.0, 60.0, 60.0]


def test_feedback_desk_sends_in_other_threads_and_logs_failures_from_the_one_that_asks(server: Server) -> None:
    # Given a desk whose first text is refused
    aws = FakeAws(refused("InvalidParameter"))
    threads: set[str] = set()
    aws.before_publish = lambda: threads.add(threading.current_thread().name)
    desk = sms.FeedbackDesk(sms.SmsSender(aws, settings()))  # type: ignore[arg-type]
    # When it gets an outcome with a text, one without, and one more with a text
    silent = sms.Outcome(sms.Verdict(reply(), sms.Meaning.UNCLEAR), done=True)
    health = sms.Health()
    desk.send([replace(silent, texts=(sms.Sms(PHONE, "one"),)), silent])
    wait(desk._sending, 10)
    desk.send([replace(silent, texts=(sms.Sms(PHONE, "two"),))])
    wait(desk._sending, 10)
    # Then nothing is logged before it is asked to, then once
    assert server.errors == []
    desk.report(health)
    desk.report(health)
    assert len(server.errors) == 1
    assert aws.texts == [(PHONE, "two")]
    assert threading.current_thread().name not in threads


def test_health_is_one_sentence_for_each_thing_that_fails_written_when_it_changes(server: Server) -> None:
    # Given a health
    health = sms.Health()
    # When two things fail, one of them again, and both work again
    health.fails("AWS", "AWS is away.")
    health.fails("XSOAR", "XSOAR is busy.")
    health.fails("AWS", "AWS is away.")
    health.works("AWS")
    health.works("AWS", "XSOAR")
    health.works("XSOAR")
    # Then each change was written once, and each sentence logged once
    assert server.health == ["AWS is away.", "AWS is away. XSOAR is busy.", "XSOAR is busy.", ""]
    assert server.errors == ["AWS is away.", "XSOAR is busy."]


def test_pause_doubles_to_a_minute_and_starts_anew() -> None:
    # Given a pause, When it is taken nine times and reset, Then it doubles to a minute, then is a second
    pause = sms.Pause()
    taken = [pause.longer() for _ in range(9)]
    pause.reset()
    assert taken == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert pause.longer() == 1.0


# ---------------------------------------------------------------- main


def test_main_refuses_a_command_it_does_not_know(war_room: WarRoom) -> None:
    # Given a command of another integration, When run, Then a sentence says so
    assert war_room.error("slack-send") == "slack-send is not a command of AWS SNS SMS Communication."


def test_main_turns_an_unexpected_exception_into_a_sentence_without_a_phone_number(
    war_room: WarRoom, server: Server
) -> None:
    # Given a bug, When a command meets it, Then the sentence names command and error, no traceback, no phone number
    war_room.aws.fail = [KeyError(f"no {PHONE}")]
    assert war_room.error("send-notification", to=PHONE, message="Hello") == (
        "send-notification failed: KeyError: 'no +1425*****82'."
    )


def test_main_knows_every_command_of_the_yaml(war_room: WarRoom) -> None:
    # Given the commands that the war room offers
    text = Path(__file__).with_name("AWSSNSSMSCommunication.yml").read_text()
    names = [
        line.split("name: ")[1] for line in text.split("commands:")[1].splitlines() if line.startswith("  - name: ")
    ]
    # When each is run without arguments, Then none is unknown
    answers = {name: str(war_room.run(name)[0]) for name in names}
    assert set(names) == {
        "send-notification",
        "aws-sns-sms-send-notification",
        "aws-sns-sms-list-entitlements",
        "aws-sns-sms-cancel-entitlement",
        "aws-sns-sms-inject-reply",
    }
    assert [name for name, answer in answers.items() if "is not a command" in answer] == []


def test_main_of_the_poller_raises_what_the_server_handles(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a poller that cannot even be made, When run, Then the server gets an exception, as it wants here
    monkeypatch.setattr(sms, "Poller", lambda *_: 1 / 0)
    monkeypatch.setattr(demisto, "command", lambda: "long-running-execution")
    monkeypatch.setattr(demisto, "params", params)
    with pytest.raises(Exception, match=r"^long-running-execution failed: ZeroDivisionError: division by zero\.$"):
        sms.main()


# ---------------------------------------------------------------- lifetimes, reminders and several people

THIRD_PHONE = "+14255550184"
MINUTE = 60.0
SOMEONE_ELSE = "This question was answered by someone else."
NOT_A_DURATION = 'but it must be a duration up to 366 days such as "15 minutes" or "2 hours". Nothing was sent.'


def timed(number: int = 1, phone: str = PHONE, **changes: Any) -> sms.Question:
    """A question of a quarter of an hour with a default response; lifetime, reminders and others are its terms."""
    names = ("lifetime", "default", "reminders", "every", "thanks")
    given = {name: changes.pop(name) for name in names if name in changes}
    terms = sms.Terms(**{"lifetime": 15 * MINUTE, "default": "NoResponse", **given})
    return question(number, phone, **{"expires": NOW + terms.lifetime, "terms": terms, **changes})


def reminding(number: int = 1, phone: str = PHONE, **changes: Any) -> sms.Question:
    """The same, reminded after five and after ten minutes."""
    return timed(number, phone, **{"reminders": 2, "every": 5 * MINUTE, **changes})


def expired(at: float = NOW + 15 * MINUTE, **changes: Any) -> sms.Claim:
    return claim("NoResponse", "", reply_id="", at=at, ending=sms.Status.EXPIRED, **changes)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 seconds", 30.0),
        ("1 second", 1.0),
        ("15 minutes", 900.0),
        ("15", 900.0),
        ("0.5", 30.0),
        ("2 hours", 7200.0),
        ("1.5 hours", 5400.0),
        ("1 day", 86400.0),
        ("366 days", 31622400.0),
        (" 2  HOURS ", 7200.0),
        ("2hours", 7200.0),
    ],
)
def test_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    # Given a duration in words, When parsed, Then it is seconds; a number alone is minutes
    assert sms.parse_duration(text, "lifetime") == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("soon", "0", "0 minutes", "-5", "5 weeks", "15 m", "1 hour 30 minutes", "367 days", "1e3", "", "nan", "1,5"),
        "٣ minutes",
    ],
)
def test_what_is_no_duration_is_refused_by_the_name_of_its_argument(text: str) -> None:
    # Given something else, When parsed, Then the sentence names the argument and shows two examples
    with pytest.raises(sms.InputError) as error:
        sms.parse_duration(text, "reminderInterval")
    assert str(error.value) == f'reminderInterval is "{text}", {NOT_A_DURATION}'


@pytest.mark.parametrize(
    ("args", "terms"),
    [
        pytest.param({}, sms.Terms(DAY, every=DAY), id="nothing: the lifetime of the instance"),
        pytest.param({"lifetime": ""}, sms.Terms(DAY, every=DAY), id="empty lifetime"),
        pytest.param({"lifetime": "15"}, sms.Terms(900.0, every=900.0), id="lifetime"),
        pytest.param(
            {"lifetime": "1 hour", "defaultResponse": " NoResponse "},
            sms.Terms(3600.0, default="NoResponse", every=3600.0),
            id="default response, trimmed",
        ),
        pytest.param(
            {"lifetime": "15", "reminders": "2"}, sms.Terms(900.0, reminders=2, every=300.0), id="reminders spread"
        ),
        pytest.param(
            {"lifetime": "15", "reminders": " 2 ", "reminderInterval": "7 minutes"},
            sms.Terms(900.0, reminders=2, every=420.0),
            id="reminders with an interval",
        ),
        pytest.param(
            {"lifetime": "15", "reminders": "0", "reminderInterval": "20"},
            sms.Terms(900.0, every=1200.0),
            id="interval without reminders",
        ),
        pytest.param(
            {"reply": "{chosen_option}: thanks"},
            sms.Terms(DAY, every=DAY, thanks="{chosen_option}: thanks"),
            id="reply",
        ),
    ],
)
def test_terms_are_read_from_the_arguments(args: dict[str, str], terms: sms.Terms) -> None:
    # Given arguments and an instance with a lifetime of a day, When parsed, Then they are the terms
    assert sms.parse_terms(args, DAY) == terms


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        pytest.param({"lifetime": "soon"}, f'lifetime is "soon", {NOT_A_DURATION}', id="lifetime"),
        pytest.param({"lifetime": "x" * 99}, f'lifetime is "{"x" * 40}", {NOT_A_DURATION}', id="long lifetime"),
        pytest.param(
            {"reminders": "2", "reminderInterval": "often"},
            f'reminderInterval is "often", {NOT_A_DURATION}',
            id="interval",
        ),
        pytest.param(
            {"reminders": "many"},
            'reminders is "many", but it must be a whole number from 0 to 999. Nothing was sent.',
            id="reminders in words",
        ),
        pytest.param(
            {"reminders": "-1"},
            'reminders is "-1", but it must be a whole number from 0 to 999. Nothing was sent.',
            id="reminders below 0",
        ),
        pytest.param(
            {"lifetime": "15", "reminders": "3", "reminderInterval": "5"},
            "reminders is 3, but only 2 fit into the lifetime of 900 seconds with 300 seconds between them. "
            "Nothing was sent.",
            id="the last reminder at the very end",
        ),
        pytest.param(
            {"lifetime": "15", "reminders": "1", "reminderInterval": "1 hour"},
            "reminders is 1, but only 0 fit into the lifetime of 900 seconds with 3600 seconds between them. "
            "Nothing was sent.",
            id="none fits",
        ),
        pytest.param(
            {"reply": "Thanks {name}"},
            'reply is "Thanks {name}", but it must be a text with no variables but '
            "{reply_code} {chosen_option} {phone_number}.",
            id="variable",
        ),
        pytest.param(
            {"reply": "Thanks }"},
            'reply is "Thanks }", but it must be a text with no variables but '
            "{reply_code} {chosen_option} {phone_number} (a brace of its own is written twice: {{ or }}).",
            id="brace",
        ),
    ],
)
def test_terms_that_cannot_be_used_are_refused_before_anything_is_sent(
    war_room: WarRoom, server: Server, args: dict[str, str], sentence: str
) -> None:
    # Given a bad argument, When a question is asked, Then the sentence names it, nothing is sent and nothing stored
    message = f"Restart db-7? - Reply Yes or No: {GUID}@1234|7"
    assert war_room.error("send-notification", to=PHONE, message=message, **args) == sentence
    assert (war_room.aws.texts, server.context) == ([], {})


@pytest.mark.parametrize(
    ("additional", "options"),
    [
        ("", ("Yes", "No")),
        ("  ", ("Yes", "No")),
        ("Later", ("Yes", "No", "Later")),
        ("Later, Ask Bob ,c,d,e,f,g,h", ("Yes", "No", "Later", "Ask Bob", "c", "d", "e", "f", "g", "h")),
    ],
)
def test_further_options_follow_those_of_the_message(additional: str, options: tuple[str, ...]) -> None:
    # Given a question and further options, When joined, Then they are its options, trimmed, in their order
    assert sms.with_options(ask_text(1), additional).options == options


@pytest.mark.parametrize(
    ("additional", "sentence"),
    [
        ("a,b,c,d,e,f,g,h,i", "The message offers 11 options, but at most 10 are accepted. Nothing was sent."),
        (
            "Later,YES",
            (
                "Option 4 of the message is the same as option 1, whatever the case, but each must be a text of "
                "its own. Nothing was sent."
            ),
        ),
        ("a,,b", "Option 4 of the message is empty, but each must be a text of its own. Nothing was sent."),
    ],
)
def test_further_options_that_cannot_be_used_are_refused(additional: str, sentence: str) -> None:
    # Given too many, the same again, or nothing between commas, When joined, Then a sentence says so
    with pytest.raises(sms.InputError) as error:
        sms.with_options(ask_text(1), additional)
    assert str(error.value) == sentence


def test_send_notification_takes_the_terms_and_the_further_options(war_room: WarRoom, server: Server) -> None:
    # Given a question with everything, When it is asked
    context, _ = war_room.result(
        "send-notification",
        to=PHONE,
        message=f"Restart db-7? - Reply Yes or No: {GUID}@1234|7",
        lifetime="15 minutes",
        defaultResponse="NoResponse",
        reminders="2",
        reminderInterval="5 minutes",
        additionalOptions="Later",
        reply="Thanks.",
    )
    # Then the phone gets three codes, and the terms are stored
    assert war_room.aws.texts == [(PHONE, "Restart db-7?\nYes (0000) or No (0001) or Later (0002)")]
    assert context["AWS.SNS.SMS"]["CodesToOptions"] == {"0000": "Yes", "0001": "No", "0002": "Later"}
    [stored] = server.questions
    assert stored.terms == sms.Terms(900.0, "NoResponse", 2, 300.0, "Thanks.")
    assert stored.expires == NOW + 900


def test_question_whose_reminder_would_be_too_long_is_refused(war_room: WarRoom, server: Server) -> None:
    # Given a question that fits one SMS, but not with the head of a reminder
    text = "x" * (1530 - len("\nYes (0000) or No (0001)"))
    message = f"{text} - Reply Yes or No: {GUID}@1234|7"
    # When it is asked with a reminder, Then nothing is sent; without one, it is
    assert war_room.error("send-notification", to=PHONE, message=message, reminders="1") == (
        "The SMS would be 1540 characters long, but at most 1530 are allowed (1530 in the GSM-7 alphabet, 630 with any "
        "other character). Shorten it. Nothing was sent."
    )
    assert war_room.aws.texts == []
    war_room.result("send-notification", to=PHONE, message=message)
    assert len(war_room.aws.texts) == 1


# ---- the end of a lifetime


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(timed(expires=NOW + 1), id="not over yet"),
        pytest.param(question(expires=NOW), id="no default response"),
        pytest.param(timed(expires=NOW, claim=claim()), id="answered"),
        pytest.param(timed(expires=NOW, closed=sms.Status.CANCELLED), id="cancelled"),
    ],
)
def test_question_that_does_not_end_now_is_left_alone(known: sms.Question) -> None:
    # Given a question, When time passes, Then it is the very same state: nothing is written
    before = state(known)
    after, verdicts = sms.end_overdue(before, NOW)
    assert after is before
    assert verdicts == []


@pytest.mark.parametrize("late", [0.0, 3 * DAY])
def test_question_past_its_lifetime_is_claimed_with_its_default_response(late: float) -> None:
    # Given a question whose lifetime ends now, or ended three days ago as no poller ran
    known = timed(expires=NOW - late)
    # When time passes
    after, [verdict] = sms.end_overdue(state(known), NOW)
    # Then it is claimed with the default response, as Expired
    ended = replace(known, claim=expired(at=NOW))
    assert after == state(ended)
    assert (verdict.meaning, verdict.match, verdict.feedback) == (sms.Meaning.ENDING, sms.Match(ended, ""), "")


def test_question_to_several_phones_ends_once_with_the_last_of_them() -> None:
    # Given a question that was asked of a second phone a minute later
    earlier, later = timed(1, PHONE), timed(1, OTHER_PHONE, expires=NOW + 16 * MINUTE)
    both = state(earlier, later)
    # When the first has ended, Then nothing happens; when the second has, Then it is claimed once for both
    assert sms.end_overdue(both, NOW + 15 * MINUTE) == (both, [])
    after, verdicts = sms.end_overdue(both, NOW + 16 * MINUTE)
    assert [verdict.reply.phone for verdict in verdicts] == [PHONE]
    assert after == state(
        replace(earlier, claim=expired(at=NOW + 16 * MINUTE)), replace(later, closed=sms.Status.EXPIRED)
    )


def test_each_of_many_overdue_questions_ends() -> None:
    # Given three questions that are over and one that is not, When time passes, Then the three are claimed
    questions = [timed(1, expires=NOW), timed(2, expires=NOW - 1), timed(3, OTHER_PHONE, expires=NOW), timed(4)]
    after, verdicts = sms.end_overdue(state(*questions), NOW)
    ended = {verdict.match.question.entitlement for verdict in verdicts if verdict.match}
    assert ended == {entitlement(1), entitlement(2), entitlement(3)}
    assert [after.is_taken(entitlement(number)) for number in (1, 2, 3)] == [True, True, True]


def test_overdue_question_is_not_purged_before_its_task_has_its_default_response() -> None:
    # Given questions that ended a year ago: with a default response nobody was told, told, cancelled, and without one
    long_ago = NOW - 365 * DAY
    untold, cancelled = timed(1, expires=long_ago), timed(3, expires=long_ago, closed=sms.Status.CANCELLED)
    told = timed(2, expires=long_ago, claim=expired(at=long_ago, told_at=long_ago))
    # When purged, Then the first alone stays
    assert sms.purge(state(untold, told, cancelled, question(4, expires=long_ago)), DAY, NOW) == state(untold)


# ---- reminders


@pytest.mark.parametrize(
    ("minutes", "seconds", "reminded", "texts"),
    [
        pytest.param(4, 59, 0, 0, id="before the first"),
        pytest.param(5, 0, 1, 1, id="at the first"),
        pytest.param(5, 20, 1, 1, id="as late as the grace"),
        pytest.param(5, 21, 1, 0, id="later than the grace: left out"),
        pytest.param(10, 1, 2, 1, id="at the second, the first missed: one text"),
        pytest.param(10, 30, 2, 0, id="both missed"),
        pytest.param(14, 59, 2, 0, id="no third one"),
    ],
)
def test_reminder_goes_out_at_its_moment_or_not_at_all(minutes: int, seconds: int, reminded: int, texts: int) -> None:
    # Given a question with reminders after five and ten minutes, When it is looked at once with a grace of 20 seconds
    after, sent = sms.remind(state(reminding()), 20.0, NOW + minutes * MINUTE + seconds)
    # Then moments that have passed are counted, and the last is a text when it is not too late
    assert [known.reminded for known in after.all()] == [reminded]
    assert sent == [sms.Sms(PHONE, "Reminder: Restart db-7?\nYes (1234) or No (5678)")] * texts


def test_reminder_is_given_once_and_the_next_one_at_its_time() -> None:
    # Given a question with two reminders
    known, sent = state(reminding()), list[tuple[int, sms.Sms]]()
    # When it is looked at every ten seconds for its lifetime
    for second in range(0, 900, 10):
        known, due = sms.remind(known, 20.0, NOW + second)
        sent += [(second, each) for each in due]
    # Then there are two, at five and at ten minutes
    assert [second for second, _ in sent] == [300, 600]


@pytest.mark.parametrize(
    "questions",
    [
        pytest.param([reminding(claim=claim())], id="answered"),
        pytest.param([reminding(closed=sms.Status.CANCELLED)], id="cancelled"),
        pytest.param([reminding(expires=NOW + 5 * MINUTE)], id="over"),
        pytest.param([reminding(), timed(1, OTHER_PHONE, claim=claim())], id="answered by another phone"),
        pytest.param([reminding(reminded=1)], id="reminded before"),
        pytest.param([timed()], id="no reminders"),
    ],
)
def test_no_reminder_where_none_is_due(questions: list[sms.Question]) -> None:
    # Given a question at the moment of its first reminder, When looked at, Then none goes out and nothing is written
    before = state(*questions)
    after, sent = sms.remind(before, 20.0, NOW + 5 * MINUTE)
    assert after is before
    assert sent == []


@pytest.mark.parametrize(
    ("questions", "moment"),
    [
        pytest.param([], None, id="nothing stored"),
        pytest.param([question()], None, id="no default response and no reminders"),
        pytest.param([timed()], NOW + 15 * MINUTE, id="the end"),
        pytest.param([reminding()], NOW + 5 * MINUTE, id="the first reminder"),
        pytest.param([reminding(reminded=1)], NOW + 10 * MINUTE, id="the second reminder"),
        pytest.param([reminding(reminded=2)], NOW + 15 * MINUTE, id="all reminded: the end"),
        pytest.param([reminding(reminded=1, default="")], NOW + 10 * MINUTE, id="a reminder without a default"),
        pytest.param([reminding(), timed(2, expires=NOW + MINUTE)], NOW + MINUTE, id="the earliest of all"),
        pytest.param([reminding(claim=claim())], None, id="answered"),
        pytest.param([reminding(closed=sms.Status.ANSWERED)], None, id="closed"),
    ],
)
def test_next_moment_is_the_earliest_end_or_reminder(questions: list[sms.Question], moment: float | None) -> None:
    # Given questions, When asked for what comes next, Then it is that moment
    assert sms.next_moment(state(*questions), NOW) == moment


def test_question_asked_again_is_reminded_of_no_moment_that_has_passed(server: Server) -> None:
    # Given an open question that is asked again six minutes later, with reminders every five minutes
    aws, clock = FakeAws(), Clock()
    talk = conversation(aws, clock)
    talk.ask(QUESTION, PHONE, sms.Terms(15 * MINUTE))
    clock.now += 6 * MINUTE
    talk.ask(QUESTION, PHONE, sms.Terms(15 * MINUTE, reminders=2, every=5 * MINUTE))
    # When time passes now, Then no reminder goes out
    assert talk.look_after().reminders == []
    assert [(known.reminded, known.expires) for known in server.questions] == [(1, NOW + 21 * MINUTE)]


def test_refused_second_send_puts_back_the_terms_of_the_first(server: Server) -> None:
    # Given an open question, and an AWS that refuses it when it is asked again on other terms
    aws, clock = FakeAws(None, refused("InvalidParameter")), Clock()
    talk = conversation(aws, clock)
    talk.ask(QUESTION, PHONE, sms.Terms(15 * MINUTE, "NoResponse"))
    before = server.questions
    with pytest.raises(sms.AwsError):
        talk.ask(QUESTION, PHONE, sms.Terms(60 * MINUTE, "Nobody", 2, 5 * MINUTE))
    # Then it is as it was
    assert server.questions == before


# ---- several people


def test_answer_closes_the_copies_of_the_others_and_nothing_else() -> None:
    # Given a question to three phones, one of which was cancelled, and another question
    first_copy, second, third = question(1), question(1, OTHER_PHONE), question(1, THIRD_PHONE)
    cancelled, other = replace(third, closed=sms.Status.CANCELLED), question(2, OTHER_PHONE, codes={"0042": "Later"})
    # When the first phone answers
    after, _ = sms.claim_replies(state(first_copy, second, cancelled, other), [reply()], settings(), NOW)
    # Then the second copy is closed by the same change, the cancelled one and the other question are as they were
    answered = replace(first_copy, claim=claim())
    assert after == state(answered, replace(second, closed=sms.Status.ANSWERED), cancelled, other)


def test_two_phones_that_answer_in_one_batch_are_one_answer() -> None:
    # Given a question to two phones, When both send a code, Then the first counts; the other is told when XSOAR is
    both = state(question(1), question(1, OTHER_PHONE, codes={"0042": "Yes"}))
    replies = [reply("5678", "r-1"), reply("0042", "r-2", OTHER_PHONE)]
    after, verdicts = sms.claim_replies(both, replies, settings(), NOW)
    assert [verdict.meaning for verdict in verdicts] == [sms.Meaning.ANSWER, sms.Meaning.OVER]
    assert verdicts[1].feedback == ""
    assert [known.claim.option for known in after.all() if known.claim] == ["No"]


@pytest.mark.parametrize(
    ("known", "text"),
    [
        pytest.param(question(claim=claim(told_at=NOW)), "You already answered: Yes.", id="answered"),
        pytest.param(question(closed=sms.Status.ANSWERED), SOMEONE_ELSE, id="by someone else"),
        pytest.param(
            question(closed=sms.Status.CANCELLED),
            "This question is closed, your reply came too late.",
            id="cancelled without a response",
        ),
        pytest.param(
            question(claim=claim("Later", "", reply_id="", ending=sms.Status.CANCELLED)),
            "This question is closed, your reply came too late.",
            id="cancelled with a response",
        ),
        pytest.param(
            question(claim=expired(at=NOW)), "This question is closed, your reply came too late.", id="expired"
        ),
        pytest.param(
            question(closed=sms.Status.EXPIRED), "This question is closed, your reply came too late.", id="copy"
        ),
        pytest.param(
            question(expires=NOW), "This question is closed, your reply came too late.", id="over, not claimed yet"
        ),
    ],
)
@pytest.mark.parametrize("said", ["5678", "5678 no"])
def test_reply_to_a_question_that_is_over_is_told_how_it_ended(known: sms.Question, text: str, said: str) -> None:
    # Given a question that is over, When one of its codes comes, Then the text says why it is too late
    _, [verdict] = sms.claim_replies(state(known), [reply(said, "r-2")], settings(), NOW)
    assert (verdict.meaning, verdict.match, verdict.feedback) == (sms.Meaning.OVER, None, text)


def settled(*questions: sms.Question, feedback: bool = True, phones: Any = None) -> tuple[sms.State, sms.Settled]:
    """The first question's claim settled, without an error."""
    known = replace(state(*questions), phones=phones or {})
    match = sms.Match(questions[0], "1234")
    return sms.settle(known, [match], {questions[0].entitlement.key: ""}, NOW, feedback=feedback)


ANSWERED_FIRST = question(1, claim=claim())
CLOSED_COPY = question(1, OTHER_PHONE, closed=sms.Status.ANSWERED)


def test_others_who_were_asked_hear_of_the_answer_once() -> None:
    # Given an answer, two closed copies, one that was cancelled before, and another question that somebody answered
    third = question(1, THIRD_PHONE, closed=sms.Status.ANSWERED)
    cancelled = question(1, "+14255550185", closed=sms.Status.CANCELLED)
    after, result = settled(
        ANSWERED_FIRST, CLOSED_COPY, third, cancelled, replace(CLOSED_COPY, entitlement=entitlement(2))
    )
    # When settled, Then both hear of it once, and it counts as feedback to each
    assert result.notices[entitlement(1).key] == (
        sms.Sms(OTHER_PHONE, "This question was answered by someone else."),
        sms.Sms(THIRD_PHONE, "This question was answered by someone else."),
    )
    assert [len(after.phone(phone).feedback) for phone in (PHONE, OTHER_PHONE, THIRD_PHONE)] == [0, 1, 1]


def test_others_hear_nothing_without_feedback() -> None:
    # Given an instance without feedback, When an answer is settled, Then nobody else hears of it, nothing is counted
    after, result = settled(ANSWERED_FIRST, CLOSED_COPY, feedback=False)
    assert (result.notices, after.phones) == ({}, {})


@pytest.mark.parametrize(("count", "texts"), [(2, 1), (3, 0)])
def test_others_hear_of_an_answer_within_the_limit_of_an_hour(count: int, texts: int) -> None:
    # Given a phone that got so many feedback texts within the hour, When an answer is settled, Then three is the limit
    known = {OTHER_PHONE: sms.PhoneRecord(feedback=events(*range(count), at=NOW - 60))}
    _, result = settled(ANSWERED_FIRST, CLOSED_COPY, phones=known)
    assert len(result.notices[entitlement(1).key]) == texts


@pytest.mark.parametrize(
    "ending", [expired(at=NOW), claim("Later", "", reply_id="", ending=sms.Status.CANCELLED)], ids=["end", "cancel"]
)
def test_nobody_hears_of_an_end_that_is_no_answer(ending: sms.Claim) -> None:
    # Given a claim that no phone made, When settled, Then nobody gets a text
    _, result = settled(question(1, claim=ending), question(1, OTHER_PHONE, closed=ending.ending))
    assert result.notices == {}


def test_nobody_hears_of_an_answer_that_xsoar_did_not_take() -> None:
    # Given a claim that XSOAR refuses, When settled, Then the others are not told yet
    known = state(ANSWERED_FIRST, CLOSED_COPY)
    errors = {entitlement(1).key: "XSOAR is busy."}
    _, result = sms.settle(known, [sms.Match(ANSWERED_FIRST, "1234")], errors, NOW, feedback=True)
    assert result.notices == {}


def test_answer_thanks_one_and_tells_the_others_in_one_outcome(server: Server) -> None:
    # Given a question to two phones, When the first answers
    server.store(question(1), question(1, OTHER_PHONE))
    [outcome] = conversation(FakeAws(), Clock()).answer([reply()])
    # Then both texts are there, and the same reply again brings none
    assert outcome.texts == (
        sms.Sms(PHONE, "1234 - Thank you for your response!"),
        sms.Sms(OTHER_PHONE, "This question was answered by someone else."),
    )
    assert conversation(FakeAws(), Clock()).answer([reply()])[0].texts == ()


# ---- the thank-you of one question


@pytest.mark.parametrize(
    ("thanks", "text"),
    [
        ("", "1234 - Thank you for your response!"),
        ("{chosen_option} it is ({reply_code}, {phone_number}).", "Yes it is (1234, +14255550182)."),
        ("Thanks {{all}}", "Thanks {all}"),
    ],
)
def test_question_with_a_reply_of_its_own_thanks_with_it(server: Server, thanks: str, text: str) -> None:
    # Given a question with a reply of its own, or none, When it is answered, Then that is the thank-you
    server.store(timed(thanks=thanks))
    assert text_of(conversation(FakeAws(), Clock()).answer([reply()])[0]) == text


# ---- telling what time brought


def test_look_after_tells_the_default_response_and_thanks_nobody(server: Server) -> None:
    # Given a question that is over
    server.store(timed(expires=NOW), question(2))
    # When time passes
    sweep = conversation(FakeAws(), Clock()).look_after()
    # Then XSOAR has the default response, recorded as Expired, and no text goes out
    assert server.told == [("77", "00000001-0000-4000-8000-000000000000", PHONE, "NoResponse", "3")]
    assert [(outcome.done, outcome.texts) for outcome in sweep.outcomes] == [(True, ())]
    assert server.questions == [timed(expires=NOW, claim=expired(at=NOW, told_at=NOW)), question(2)]
    assert sweep.next_in == math.inf


def test_look_after_says_when_the_next_thing_is_due(server: Server) -> None:
    # Given a question with a reminder in five minutes, When looked after a minute later, Then that is in four
    server.store(reminding())
    assert conversation(FakeAws(), Clock(NOW + MINUTE)).look_after().next_in == 4 * MINUTE


def test_one_question_that_xsoar_refuses_holds_up_no_other(server: Server) -> None:
    # Given three questions that are over, of which XSOAR refuses the first
    server.store(*(timed(number, expires=NOW) for number in (1, 2, 3)))
    server.fail = {"tell": [RuntimeError("no such incident")]}
    # When time passes, Then the others are told, and the first stays claimed with its error
    conversation(FakeAws(), Clock()).look_after()
    assert [answer[1][:8] for answer in server.told] == ["00000002", "00000003"]
    error = "XSOAR did not take the answer: RuntimeError: no such incident."
    assert server.questions[0].claim == expired(at=NOW, error=error)


def test_claims_are_told_again_only_when_asked_for(server: Server) -> None:
    # Given a claim that XSOAR has not taken, and a question that is over
    server.store(timed(1, claim=expired(at=NOW - 40)), timed(2, expires=NOW))
    talk = conversation(FakeAws(), Clock())
    # When only time is looked at, Then the second is told; when claims are too, Then the first
    talk.look_after(None)
    assert [answer[1][:8] for answer in server.told] == ["00000002"]
    talk.look_after(30)
    assert [answer[1][:8] for answer in server.told] == ["00000002", "00000001"]


@pytest.mark.parametrize(
    "call", [pytest.param("written", id="after the claim"), pytest.param("told", id="after telling")]
)
def test_container_that_dies_at_the_end_of_a_lifetime_tells_the_same_default_response(
    server: Server, call: str
) -> None:
    # Given a container that dies after the claim, or after telling
    server.store(timed(expires=NOW))
    server.fail = {call: [Crash()]}
    with pytest.raises(Crash):
        conversation(FakeAws(), Clock()).look_after()
    # When another one starts, Then it tells the same, and settles it
    sweep = conversation(FakeAws(), Clock(NOW + MINUTE)).look_after()
    assert {answer[3] for answer in server.told} == {"NoResponse"}
    assert server.questions == [timed(expires=NOW, claim=expired(at=NOW, told_at=NOW + MINUTE))]
    assert [outcome.texts for outcome in sweep.outcomes] == [()]


def test_container_that_dies_after_it_counted_a_reminder_costs_the_reminder(server: Server) -> None:
    # Given a container that dies once the reminder is counted
    server.store(reminding())
    server.fail = {"written": [Crash()]}
    clock = Clock(NOW + 5 * MINUTE)
    with pytest.raises(Crash):
        conversation(FakeAws(), clock).look_after()
    # When another one starts at once, Then it sends none
    assert conversation(FakeAws(), clock).look_after().reminders == []


@pytest.mark.parametrize(
    ("answers_first", "option", "ending"),
    [(True, "Yes", sms.Status.ANSWERED), (False, "NoResponse", sms.Status.EXPIRED)],
    ids=["the answer first", "the end first"],
)
def test_race_of_an_answer_and_the_end_is_won_by_the_first_claim(
    server: Server, answers_first: bool, option: str, ending: sms.Status
) -> None:
    # Given a question that is over, and a reply that arrived just before
    known = timed(created=NOW - 60, expires=NOW)
    server.store(known)
    talk = conversation(FakeAws(), Clock())
    timely = reply(arrived=NOW - 1)

    def answer() -> None:
        talk.answer([timely])

    def end() -> None:
        talk.look_after()

    # When one container claims between the read and the write of the other
    earlier, later = (answer, end) if answers_first else (end, answer)
    server.meanwhile = [earlier]
    later()
    # Then XSOAR was told once, what was claimed first
    assert [answer[3] for answer in server.told] == [option]
    assert [known.claim and known.claim.ending for known in server.questions] == [ending]


# ---- cancelling


def test_cancel_without_a_response_closes_and_tells_nobody(war_room: WarRoom, server: Server) -> None:
    # Given two open questions of a phone, one of another, one answered
    answered = question(4, claim=claim(told_at=NOW))
    server.store(question(1), question(2, codes={"0042": "Later"}), question(3, OTHER_PHONE), answered)
    # When those of the phone are cancelled, the number as people write it
    context, readable = war_room.result("aws-sns-sms-cancel-entitlement", phone_number="+1 425-555-0182")
    # Then both are closed, no task is completed, and the result says which they were
    assert context == {
        "AWS.SNS.SMS.Cancelled(val.EntitlementID && val.EntitlementID == obj.EntitlementID && "
        "val.PhoneNumber && val.PhoneNumber == obj.PhoneNumber)": [
            {
                "EntitlementID": f"{number}-0000-4000-8000-000000000000@77|3",
                "PhoneNumber": "+14255550182",
                "Response": None,
                "Error": None,
            }
            for number in ("00000001", "00000002")
        ]
    }
    assert readable.startswith("### Cancelled questions\n|EntitlementID|PhoneNumber|\n")
    assert [known.closed for known in server.questions] == [sms.Status.CANCELLED, sms.Status.CANCELLED, None, None]
    assert (server.told, war_room.aws.texts) == ([], [])


@pytest.mark.parametrize(
    "wanted",
    [
        "00000001-0000-4000-8000-000000000000@77|3",
        "00000001-0000-4000-8000-000000000000",
        "00000001-0000-4000-8000-000000000000@77|3 ",
    ],
)
def test_cancel_with_a_response_completes_the_task_once_and_closes_every_copy(
    war_room: WarRoom, server: Server, wanted: str
) -> None:
    # Given a question to two phones, and another question
    server.store(question(1), question(1, OTHER_PHONE), question(2))
    # When it is cancelled with a response
    context, _ = war_room.result("aws-sns-sms-cancel-entitlement", entitlement_id=wanted.upper(), response=" Later ")
    # Then XSOAR is told once, both copies are over, and both are in the result
    [rows] = context.values()
    assert [(row["PhoneNumber"], row["Response"], row["Error"]) for row in rows] == [
        (PHONE, "Later", None),
        (OTHER_PHONE, "Later", None),
    ]
    assert server.told == [("77", "00000001-0000-4000-8000-000000000000", PHONE, "Later", "3")]
    ended = claim("Later", "", reply_id="", told_at=NOW, ending=sms.Status.CANCELLED)
    copy = question(1, OTHER_PHONE, closed=sms.Status.CANCELLED)
    assert server.state == state(question(1, claim=ended), question(2), copy)


def test_cancel_that_died_before_xsoar_took_its_response_is_finished_when_run_again(
    war_room: WarRoom, server: Server
) -> None:
    # Given a question that was cancelled, an expired and an answered one, none of them told to XSOAR yet
    cancelled = claim("Later", "", reply_id="", ending=sms.Status.CANCELLED)
    server.store(question(1, claim=cancelled), question(2, claim=expired()), question(3, claim=claim()))
    # When those of the phone are cancelled, with another response
    context, _ = war_room.result("aws-sns-sms-cancel-entitlement", phone_number=PHONE, response="Abort")
    # Then the first has the response it was cancelled with, and the others are left to the poller
    [rows] = context.values()
    assert [(row["EntitlementID"][:8], row["Response"], row["Error"]) for row in rows] == [("00000001", "Later", None)]
    assert [answer[3] for answer in server.told] == ["Later"]
    # And once it was told, there is nothing left to cancel
    [entry] = war_room.run("aws-sns-sms-cancel-entitlement", phone_number=PHONE)
    assert entry["HumanReadable"].startswith("No open question matches")


def test_cancel_of_one_phone_with_a_response_says_that_the_other_copy_is_closed_too(
    war_room: WarRoom, server: Server
) -> None:
    # Given a question to two phones, When that of the second is cancelled with a response, Then both are in the result
    server.store(question(1), question(1, OTHER_PHONE))
    context, _ = war_room.result("aws-sns-sms-cancel-entitlement", phone_number=OTHER_PHONE, response="Later")
    [rows] = context.values()
    assert [row["PhoneNumber"] for row in rows] == [PHONE, OTHER_PHONE]
    assert [answer[3] for answer in server.told] == ["Later"]


def test_cancel_of_one_phone_without_a_response_leaves_the_others_open(war_room: WarRoom, server: Server) -> None:
    # Given a question to two phones, When that of the second is cancelled, Then the first can still answer
    server.store(question(1), question(1, OTHER_PHONE))
    war_room.result("aws-sns-sms-cancel-entitlement", phone_number=OTHER_PHONE)
    assert [known.open_at(NOW) for known in server.questions] == [True, False]


def test_cancel_whose_response_xsoar_refuses_says_so_and_is_told_later(war_room: WarRoom, server: Server) -> None:
    # Given an XSOAR that is busy, When a question is cancelled with a response
    server.store(question())
    server.fail = {"tell": [RuntimeError("busy")]}
    context, _ = war_room.result("aws-sns-sms-cancel-entitlement", phone_number=PHONE, response="Later")
    # Then the row says so, and the poller tells it later
    [[row]] = context.values()
    assert row["Error"] == "XSOAR did not take the answer: RuntimeError: busy."
    conversation(FakeAws(), Clock(NOW + 1)).look_after()
    assert [answer[3] for answer in server.told] == ["Later"]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param([], id="nothing stored"),
        pytest.param([question(claim=claim())], id="answer on its way"),
        pytest.param([question(closed=sms.Status.CANCELLED)], id="cancelled before"),
        pytest.param([timed(expires=NOW)], id="over"),
        pytest.param([question(1, OTHER_PHONE)], id="another phone"),
    ],
)
def test_cancel_of_nothing_that_is_open_is_a_sentence(
    war_room: WarRoom, server: Server, known: list[sms.Question]
) -> None:
    # Given nothing open that matches, When cancelled, Then a sentence says so and nothing is written
    server.store(*known)
    [entry] = war_room.run("aws-sns-sms-cancel-entitlement", phone_number=PHONE, response="Later")
    assert (entry["Type"], entry["HumanReadable"]) == (
        1,
        "No open question matches, so nothing was cancelled. It may have been answered or have expired.",
    )
    assert (server.writes, server.told) == (0, [])


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        pytest.param(
            {"response": "Later"},
            "entitlement_id and phone_number are both empty, but at least one must say what to cancel.",
            id="neither",
        ),
        pytest.param(
            {"entitlement_id": "  "},
            "entitlement_id and phone_number are both empty, but at least one must say what to cancel.",
            id="blank",
        ),
        pytest.param({"phone_number": "abc"}, f'phone_number is "abc", {NOT_E164}', id="no phone"),
    ],
)
def test_cancel_that_does_not_say_what_is_refused(
    war_room: WarRoom, server: Server, args: dict[str, str], sentence: str
) -> None:
    # Given an open question, When cancelled without saying which, Then a sentence says so and it stays open
    server.store(question())
    assert war_room.error("aws-sns-sms-cancel-entitlement", **args) == sentence
    assert server.questions == [question()]


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_race_of_an_answer_and_a_cancellation_is_won_by_the_first_claim(server: Server, cancelled_first: bool) -> None:
    # Given an open question, a reply and an operator
    server.store(question())
    talk = conversation(FakeAws(), Clock())

    def cancel() -> None:
        talk.cancel(lambda _question: True, "Later")

    def answer() -> None:
        talk.answer([reply()])

    # When one comes between the read and the write of the other
    earlier, later = (cancel, answer) if cancelled_first else (answer, cancel)
    server.meanwhile = [earlier]
    later()
    # Then XSOAR was told once, what was claimed first
    assert [answer[3] for answer in server.told] == ["Later" if cancelled_first else "Yes"]


# ---- what the list shows


def test_list_shows_how_each_question_stands(war_room: WarRoom, server: Server) -> None:
    # Given questions in every state
    cancelled = claim("Later", "", reply_id="", told_at=NOW, ending=sms.Status.CANCELLED)
    server.store(
        reminding(1, reminded=1),
        timed(2, claim=claim()),
        reminding(3, claim=claim(told_at=NOW)),
        timed(4, claim=expired(at=NOW, told_at=NOW)),
        timed(5, claim=cancelled),
        reminding(6, closed=sms.Status.CANCELLED),
        question(7, OTHER_PHONE, closed=sms.Status.ANSWERED),
        question(8, expires=NOW),
        timed(9, claim=expired(at=NOW, error="Busy.")),
    )
    # When listed with those that are over
    rows = {row["EntitlementID"][7]: row for row in listed(war_room, show_answered="true")}
    # Then each says how it stands
    assert {number: (row["Status"], row["RemindersLeft"], row["DefaultResponse"]) for number, row in rows.items()} == {
        "1": ("Open", 1, "NoResponse"),
        "2": ("Delivering the answer", 0, "NoResponse"),
        "3": ("Answered", 0, "NoResponse"),
        "4": ("Expired", 0, "NoResponse"),
        "5": ("Cancelled", 0, "NoResponse"),
        "6": ("Cancelled", 0, "NoResponse"),
        "7": ("Answered", 0, None),
        "8": ("Expired", 0, None),
        "9": ("Delivering the answer", 0, "NoResponse"),
    }
    # And without them, those that can still change are there
    assert sorted(row["EntitlementID"][7] for row in listed(war_room)) == ["1", "2", "9"]


def test_list_has_a_row_for_each_phone_of_an_entitlement(war_room: WarRoom, server: Server) -> None:
    # Given a question to two phones, When listed, Then there are two rows
    server.store(question(1), question(1, OTHER_PHONE))
    assert sorted(row["PhoneNumber"] for row in listed(war_room)) == [PHONE, OTHER_PHONE]


# ---- stored and read


@pytest.mark.parametrize(
    "known",
    [
        reminding(reminded=1, thanks="Thanks."),
        timed(claim=expired(at=NOW, told_at=NOW)),
        timed(claim=claim("Later", "", reply_id="", ending=sms.Status.CANCELLED)),
        timed(closed=sms.Status.ANSWERED),
        timed(closed=sms.Status.EXPIRED),
        question(closed=sms.Status.CANCELLED),
    ],
    ids=["reminded", "expired", "cancelled with a response", "by someone else", "copy", "cancelled"],
)
def test_question_with_terms_is_read_as_it_was_stored(known: sms.Question) -> None:
    # Given a question, When stored and read, Then it is the same
    assert sms.read_state(sms.write_state(state(known))) == state(known)


def test_state_stored_before_there_were_lifetimes_is_read() -> None:
    # Given what an older version stored: an open question and an answered one
    old = {name: value for name, value in STORED_QUESTION.items() if name != "terms"}
    old |= {"sends": 1, "published": None, "claim": None}
    old_claim = {name: value for name, value in STORED_CLAIM.items() if name != "ending"}
    answered = {**old, "guid": "00000002-0000-4000-8000-000000000000", "claim": {**old_claim, "error": ""}}
    # When read, Then neither ends by itself nor is reminded of, and the answer is one
    known = sms.read_state({"entitlements": json.dumps([old, answered])})
    terms = sms.Terms(lifetime=DAY)
    assert known == state(question(1, terms=terms), question(2, terms=terms, claim=claim()))
    assert sms.end_overdue(known, NOW + 2 * DAY) == (known, [])
    assert sms.next_moment(known, NOW) is None


def test_list_of_questions_that_was_edited_by_hand_is_read() -> None:
    # Given two questions whose texts and options look like the end of one, in each form that JSON tools write
    known = state(question(1, text='},{",\n"}]'), question(2, codes={"1": "},{", "2": '"},\n{"'}))
    items = json.loads(sms.write_state(known)["entitlements"])
    # When read, Then they are the same
    for form in ({}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 0}):
        assert sms.read_state({"entitlements": json.dumps(items, **form)}) == known


def test_asking_reads_what_it_has_to_do_with_and_keeps_the_rest_as_it_is(server: Server) -> None:
    # Given an answered and an open question to the phone, and the line of another that has nothing to do with it
    foreign = '{"guid":"x","incident":"1","task":"","phone":"+14255550199","what":"another version wrote"}'
    server.store(question(1, claim=claim(told_at=NOW)), question(2, codes={"0000": "Yes"}))
    before = server.context["entitlements"]
    server.context["entitlements"] = f"[{foreign},\n{before[1:]}"
    # When the phone is asked, Then its codes are in use or rest, and no line has changed
    talk = conversation(FakeAws(), Clock())
    assert list(talk.ask(ask_text(3), PHONE).question.codes) == ["0001", "0002"]
    after = server.context["entitlements"]
    assert after.startswith(f"[{foreign},\n{before[1:-1]},\n")
    # When an entitlement that is answered is asked on another phone, whatever its case, Then it is refused
    taken = replace(entitlement(1), guid=entitlement(1).guid.upper())
    with pytest.raises(sms.InputError, match="The entitlement of this question has been answered"):
        talk.ask(replace(ask_text(1), entitlement=taken), OTHER_PHONE)
    # When all are looked after, Then the line is an error, and left alone
    with pytest.raises(sms.StateError, match=r"cannot be read \(KeyError\)"):
        talk.look_after()
    assert server.context["entitlements"] == after


def test_questions_are_stored_one_in_a_line() -> None:
    # Given three questions, one with line breaks, When written, Then each has its line
    known = state(question(1), question(2, text="a,\nb\u2028c\r"), question(3, OTHER_PHONE))
    lines = sms.write_state(known)["entitlements"].split("\n")
    assert [json.loads(line.strip("[],"))["guid"][:8] for line in lines] == ["00000001", "00000002", "00000003"]


@pytest.mark.parametrize(
    "changes",
    [
        {"terms": {"lifetime": 900.0, "unknown": 1}},
        {"closed": "Perhaps"},
        {"reminded": "some"},
        {"claim": {**STORED_CLAIM, "ending": "Perhaps"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_stored_terms_that_cannot_be_read_are_left_alone(server: Server, changes: dict[str, Any]) -> None:
    # Given a stored question that no version wrote, When time passes, Then it is an error and nothing is written
    server.context = {"entitlements": json.dumps([{**STORED_QUESTION, **changes}])}
    with pytest.raises(sms.StateError, match="The integration context holds entitlements that cannot be read"):
        conversation(FakeAws(), Clock()).look_after()
    assert server.writes == 0


# ---- the poller


def test_poller_tells_a_default_response_within_one_poll_of_the_end(scene: Scene, server: Server) -> None:
    # Given a question that ends in a quarter of an hour
    server.store(timed())
    # When polled every ten seconds until then, Then nothing is told; when its time is there, Then it is
    while scene.clock.now < NOW + 15 * MINUTE:
        scene.poll()
        scene.clock.now += 10
    assert server.told == []
    assert scene.poll() == []
    assert [answer[3] for answer in server.told] == ["NoResponse"]
    scene.poll()
    assert len(server.told) == 1


def test_poller_that_was_down_over_the_end_tells_it_when_it_has_seen_the_queue(scene: Scene, server: Server) -> None:
    # Given a question that ended three days ago, When a poller starts, Then its first poll takes a second at most
    server.store(timed(expires=NOW - 3 * DAY))
    scene.poll()
    assert (scene.queue.waits, server.told) == ([1], [])
    # Then the next one tells the default response
    scene.poll()
    assert [answer[3] for answer in server.told] == ["NoResponse"]


@pytest.mark.parametrize(("arrived", "content"), [(NOW - 1, "Yes"), (NOW + 1, "NoResponse")], ids=["in time", "late"])
def test_reply_that_waited_on_the_queue_over_the_end_answers_when_it_was_in_time(
    scene: Scene, server: Server, arrived: float, content: str
) -> None:
    # Given a question that ended while no poller ran, and behind ten other messages a reply to it
    server.store(timed(created=NOW - 15 * MINUTE, expires=NOW))
    scene.clock.now = NOW + 5 * MINUTE
    scene.start()
    scene.queue.dead_letters = False
    scene.queue.put(*["no reply"] * 10)
    scene.queue.messages.append(received(inbound("1234"), 99, arrived))
    # When a poller starts, Then the reply counts as it was given
    for _ in range(3):
        scene.poll()
    assert [answer[3] for answer in server.told] == [content]


def test_queue_that_is_always_full_holds_up_the_end_of_a_question_for_one_poll_interval(
    scene: Scene, server: Server
) -> None:
    # Given a question that is over, and a queue whose messages stay
    server.store(timed(expires=NOW))
    scene.queue.put(*["no reply"] * 20)
    for _ in range(5):
        scene.poll()
    assert server.told == []
    # When ten seconds have passed, Then it ends all the same
    scene.clock.now += 10
    scene.poll()
    scene.poll()
    assert [answer[3] for answer in server.told] == ["NoResponse"]


def test_queue_that_cannot_be_read_at_the_start_does_not_hold_up_the_end_of_a_question(
    scene: Scene, server: Server
) -> None:
    # Given a question that is over and an AWS that fails, When run, Then it ends at the second poll
    server.store(timed(expires=NOW))
    scene.queue.fail = [sms.AwsError("ReceiveMessage failed.")] * 3
    _stop_after(scene, polls=2)
    assert [answer[3] for answer in server.told] == ["NoResponse"]


def test_poller_forgets_what_is_long_over_and_writes_nothing_when_there_is_none(scene: Scene, server: Server) -> None:
    # Given a question answered five days ago and one that is open
    told = claim(at=NOW - 5 * DAY, told_at=NOW - 5 * DAY)
    server.store(question(1, expires=NOW - 5 * DAY, claim=told), question(2))
    # When polled three times, Then one write takes the first out
    for _ in range(3):
        scene.poll()
    assert (server.questions, server.writes) == ([question(2)], 1)


def test_poller_reminds_and_stops_at_the_answer(scene: Scene, server: Server) -> None:
    # Given a question with two reminders
    server.store(reminding())
    scene.poll()
    # When five minutes have passed, Then the phone is reminded once
    scene.clock.now += 5 * MINUTE
    assert [scene.poll(), scene.poll()] == [["Reminder: Restart db-7?\nYes (1234) or No (5678)"], []]
    # When it answers and five more have passed, Then there is a thank-you and no reminder
    scene.queue.put(inbound("1234"))
    assert scene.poll() == ["1234 - Thank you for your response!"]
    scene.clock.now += 5 * MINUTE
    assert scene.poll() == []


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3.0, 3), (3.9, 4), (0.4, 1), (100.0, 10)], ids=["3", "3.9", "0.4", "100"]
)
def test_poller_waits_until_a_question_ends_in_whole_seconds_and_no_longer_than_a_poll(
    scene: Scene, server: Server, seconds: float, expected: int
) -> None:
    # Given a question that ends in so many seconds, When polled, Then the wait for a reply ends in the second after
    server.store(timed(expires=NOW + seconds))
    scene.poll()
    scene.poll()
    assert scene.queue.waits == [1, expected]


def test_claim_that_xsoar_refuses_holds_up_no_end_of_another_question(scene: Scene, server: Server) -> None:
    # Given a claim that XSOAR keeps refusing, until it is tried once a minute, and a question that ends meanwhile
    server.store(timed(1, expires=NOW), timed(2, expires=NOW + 10 * MINUTE))
    refusals: list[BaseException | None] = [RuntimeError("no such incident")] * 50
    server.fail = {"tell": refusals}
    while scene.clock.now < NOW + 10 * MINUTE - 1:
        scene.poll()
        scene.clock.now += 10
    tried = 50 - len(refusals)
    assert tried < 20
    # When it ends just after the claim was tried, Then it is told at the next poll, although the claim is not yet due
    refusals.clear()
    scene.poller._claims_due = scene.clock.now + 60
    scene.poll()
    assert [answer[1][:8] for answer in server.told] == ["00000002"]
    assert server.health[-1] == "XSOAR did not take the answer: RuntimeError: no such incident."


def test_poller_tells_the_others_that_a_question_was_answered(scene: Scene, server: Server) -> None:
    # Given a question to two phones, When one answers, Then the other hears of it, once
    server.store(question(1), question(1, OTHER_PHONE))
    scene.queue.put(inbound("1234"))
    scene.queue.undeletable = 1
    scene.poll()
    scene.poll()
    assert sorted(scene.aws.texts) == [
        (PHONE, "1234 - Thank you for your response!"),
        (OTHER_PHONE, "This question was answered by someone else."),
    ]


def test_five_hundred_questions_that_end_are_all_told_once(scene: Scene, server: Server) -> None:
    # Given 500 questions to 50 phones, which end at different times within ten minutes
    server.store(
        *(timed(number, f"+142555501{number % 50:02}", expires=NOW + number % 600) for number in range(1, 501))
    )
    # When polled every ten seconds for that long, Then each was told, none twice
    for _ in range(61):
        scene.poll()
        scene.clock.now += 10
    assert len(server.told) == 500
    assert len({answer[1] for answer in server.told}) == 500
    assert {answer[3] for answer in server.told} == {"NoResponse"}
