"""The integration, section by section as in the module: what each accepts, what it refuses and with which sentence.

A question is followed from the arguments of a command to the text on the phone, and a reply from the body of an SQS
message to the call that resumes the playbook. What needs a second process stands in `tests/`.
"""

# Full-width and typographic characters are what some of the texts are about.
# ruff: noqa: N813, RUF001

import demistomock as demisto

import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import AWSSNSSMSCommunication as sms
import pytest
from botocore.exceptions import ClientError

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

    `meanwhile` holds what other containers do just before the next writes; `fail` the errors of the next calls by name.
    """

    def __init__(self) -> None:
        self.context: dict[str, Any] = {}
        self.version = 1
        self.writes = 0
        self.meanwhile: list[Callable[[], None]] = []
        self.fail: dict[str, list[BaseException]] = {}
        self.told: list[tuple[str, ...]] = []
        self.errors: list[str] = []
        self.infos: list[str] = []
        self.health: list[str] = []
        self.entries: list[Any] = []

    def read(self, refresh: bool) -> dict[str, Any]:
        self._fail("read")
        assert refresh, "a cached context may be old"
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
        if self.fail.get(call):
            raise self.fail[call].pop(0)

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
    }
    for name, function in replaced.items():
        monkeypatch.setattr(demisto, name, function)
    return server


class FakeAws:
    """Stands for Aws: a client whose publish takes the errors of `fail` in turn and records the texts that left."""

    def __init__(self, *fail: Exception | None) -> None:
        self.fail = list(fail)
        self.texts: list[tuple[str, str]] = []
        self.before_publish: Callable[[], None] = lambda: None

    def client(self, service: str, attempts: int, longest_wait: float = 0) -> Any:
        assert (service, attempts, longest_wait) == ("sns", 1, 0)
        return self

    def publish(self, **request: Any) -> dict[str, str]:
        self.before_publish()
        error = self.fail.pop(0) if self.fail else None
        if error:
            raise error
        self.texts.append((request["PhoneNumber"], request["Message"]))
        return {"MessageId": f"m-{len(self.texts)}"}


def conversation(aws: Any, clock: Clock, draw: Any = first, **changes: Any) -> sms.Conversation:
    chosen = settings(**changes)
    return sms.Conversation(
        chosen, sms.QuestionStore(clock.sleep), sms.SmsSender(aws, chosen, clock.sleep), clock, draw
    )


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
            "https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/q",
            "eusc-de-east-1",
            id="European Sovereign Cloud",
            marks=pytest.mark.xfail(strict=True, reason="a region name of four first letters is not recognised"),
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


@pytest.mark.xfail(strict=True, reason="a label such as my-proxy-1 is taken for a region")
def test_queue_behind_a_host_whose_name_looks_like_a_region_is_accepted() -> None:
    # Given a host that tells no region, but has a name with hyphens and a number, When read, Then it is accepted
    assert settings(sqsQueueUrl="https://my-proxy-1.example.com/123456789012/q").queue_url


@pytest.mark.xfail(strict=True, reason="ten digits are refused, with a sentence that accepts them")
def test_poll_interval_of_ten_digits_is_treated_as_twenty() -> None:
    # Given a very long interval, When read, Then it is 20 as any larger number
    assert settings(pollInterval="3000000000").poll_seconds == 20


def test_module_import_reads_nothing_and_every_parameter_of_the_yaml_is_known() -> None:
    # Given the parameters that the instance form shows
    form = Path(__file__).with_name("AWSSNSSMSCommunication.yml").read_text().split("\nscript:")[0]
    shown = [line.split("name: ")[1] for line in form.splitlines() if line.startswith("  name: ")]
    # When compared with those that are checked, Then all are, but the switch of the poller, which the server reads
    assert set(shown) == {*sms.PARAMETERS, "credentials", "longRunning"}


# ---------------------------------------------------------------- domain


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
    assert str(error.value) == (
        f'to is "{shown}", but it must be a phone number in E.164: '
        "a plus sign and 7 to 15 digits, the first not 0, such as +14255550182."
    )


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
        pytest.param(
            f"Clone https://ci:{GUID}@git.example.com/runbooks",
            id="password in a URL",
            marks=pytest.mark.xfail(strict=True, reason="a colon within a URL is taken for the start of a token"),
        ),
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
    codes = sms.allocate_codes(("Yes", "No"), (), "random", lambda _free, _count: [7, 9041])
    assert codes == {"0007": "Yes", "9041": "No"}
    assert list(codes) == ["0007", "9041"]


def test_random_codes_are_drawn_from_0000_to_9999_without_those_in_use() -> None:
    # Given codes of both modes in use
    offered: set[int] = set()

    def draw(free: Sequence[int], count: int) -> Sequence[int]:
        offered.update(free)
        return free[:count]

    # When codes are allocated
    sms.allocate_codes(("Yes", "No"), ("0000", "42", "9999"), "random", draw)
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
    assert list(sms.allocate_codes(("Yes", "No"), in_use, "sequential", first)) == codes


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
        sms.allocate_codes(("Yes", "No"), in_use, mode, first)
    # Then it is an error, and one option still gets the last code
    assert str(error.value) == TOO_MANY
    assert sms.allocate_codes(("OK",), in_use, mode, first) == {"9999": "OK"}


def test_random_code_is_never_the_number_that_an_option_is_named_by() -> None:
    # Given options that are numbers and a draw of the smallest, When allocated
    codes = sms.allocate_codes(("0", "1", "0002"), (), "random", first)
    # Then texting the option cannot hit the code of another
    assert codes == {"0003": "0", "0004": "1", "0005": "0002"}


@pytest.mark.parametrize(("mode", "in_use", "code"), [("random", "7", "0008"), ("sequential", "0001", "2")])
def test_code_of_the_same_value_as_one_in_use_is_not_given(mode: str, in_use: str, code: str) -> None:
    # Given a code of the other mode in use, When allocated, Then leading zeros do not make it another
    draw = {"random": lambda free, n: [number for number in free if number >= 7][:n], "sequential": first}[mode]
    assert list(sms.allocate_codes(("Yes",), (in_use,), mode, draw)) == [code]


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
    match = sms.find_match(text, OPEN)
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
    assert sms.find_match(text, OPEN) is None


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
    match = sms.find_match(text, [question(codes={"1": "Yes", "2": "No"})])
    assert (match and match.code) == code


@pytest.mark.parametrize(
    ("text", "code"), [("42", "42"), ("0042", "0042"), ("042", None)], ids=["exact", "exact with zeros", "either"]
)
def test_reply_with_the_value_of_two_codes_matches_only_exactly(text: str, code: str | None) -> None:
    # Given codes of one value, as two modes could have given them, When matched, Then only the exact one counts
    match = sms.find_match(text, [question(1, codes={"42": "A"}), question(2, codes={"0042": "B"})])
    assert (match and match.code) == code


def test_reply_with_a_code_of_two_questions_matches_neither() -> None:
    # Given a context in which two questions share a code, When matched, Then nobody guesses
    assert sms.find_match("1234", [question(1), question(2)]) is None


def test_reply_with_an_option_that_folds_alike_matches_by_its_code() -> None:
    # Given an option written with a sharp s and a mark, When matched by word and code, Then case and marks do not count
    assert sms.find_match("1234 STRASSE", [question(codes={"1234": "Straße!"})])


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
    started = time.perf_counter()
    # When matched, Then it is no code, within a second
    assert sms.find_match(text, OPEN) is None
    assert time.perf_counter() - started < 1


def judged(
    known: sms.State, *replies: sms.Reply, now: float = NOW, **changes: Any
) -> tuple[sms.State, list[sms.Verdict]]:
    return sms.claim_replies(known, replies, settings(**changes), now)


def test_reply_with_a_code_claims_its_question() -> None:
    # Given an open question
    asked = question()
    # When its code arrives
    after, [verdict] = judged(state(asked), reply("1234", "in-7"), now=NOW + 5)
    # Then option, code, id and time are on record, XSOAR not told yet
    claimed = sms.Claim(option="Yes", code="1234", reply_id="in-7", at=NOW + 5, told_at=None, error="")
    assert after.of(PHONE) == (replace(asked, claim=claimed),)
    assert (verdict.fresh, verdict.feedback) == (True, "")
    assert verdict.match == sms.Match(asked, "1234")


def test_second_reply_with_another_code_changes_nothing_on_record() -> None:
    # Given two replies to one question in a batch
    after, [_, second] = judged(state(question()), reply("1234", "in-1"), reply("5678", "in-2"))
    # When judged, Then the first is on record and the second has no effect and no feedback
    assert [q.claim and q.claim.option for q in after.of(PHONE)] == ["Yes"]
    assert (second.match, second.feedback) == (None, "")


def test_reply_that_comes_again_means_the_claim_on_record() -> None:
    # Given a question claimed by the reply in-1 as Yes, and its code open in another question by now
    claimed = question(1, claim=claim(reply_id="in-1"))
    before = state(claimed, question(2))
    # When the same reply comes again
    after, [verdict] = judged(before, reply("1234", "in-1"))
    # Then it means what is on record, and nothing is written
    assert after is before
    assert (verdict.match, verdict.fresh) == (sms.Match(claimed, "1234"), False)


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


@pytest.mark.xfail(strict=True, reason="a question asked again after it expired keeps its old place")
def test_question_asked_again_after_it_expired_is_listed_as_the_newest(server: Server) -> None:
    # Given question 1 that expired and question 2 that is open
    server.store(question(1, created=NOW - 2 * DAY, expires=NOW - DAY), question(2, codes={"0042": "Later"}))
    # When 1 is asked again, and a reply is not understood
    talk = conversation(FakeAws(), Clock(NOW + 1))
    talk.ask(sms.AskText("Restart db-7?", ("Yes", "No"), entitlement(1)), PHONE)
    [outcome] = talk.answer([reply("what?")])
    # Then the older open question comes first
    assert outcome.text == f"{FAILURE}Later (0042), Yes (0000), No (0001)"


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
    assert verdict == sms.Verdict(reply("hello"))


def test_unrecognised_reply_that_comes_again_gets_feedback_once() -> None:
    # Given a reply that got the failure text
    after, [once] = judged(state(question()), reply("what?", "in-1"))
    # When it comes again, and another one comes
    last, [again, other] = judged(after, reply("what?", "in-1"), reply("what?", "in-2"))
    # Then the first gets none and the other does
    assert [bool(verdict.feedback) for verdict in (once, again, other)] == [True, False, True]
    assert last.feedback == {PHONE: (sms.Feedback("in-1", NOW), sms.Feedback("in-2", NOW))}


def test_feedback_turned_off_sends_no_failure_text() -> None:
    # Given an instance without feedback, When a reply is not understood, Then nothing is sent and nothing is written
    before = state(question())
    after, [verdict] = judged(before, reply("what?"), replyFeedbackEnabled=False)
    assert after is before
    assert verdict.feedback == ""


def test_remembered_feedback_is_bounded() -> None:
    # Given a phone that writes 60 things which are not understood
    after, _ = judged(state(question()), *(reply("what?", f"in-{number}") for number in range(60)))
    # When looked at, Then the last 50 are remembered
    assert [entry.reply_id for entry in after.feedback[PHONE]] == [f"in-{number}" for number in range(10, 60)]


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
    "sends": 1,
    "claim": None,
}
STORED_CLAIM = {
    "option": "Yes",
    "code": "1234",
    "reply_id": "r-1",
    "at": 1767225600.0,
    "told_at": None,
    "error": "XSOAR is busy.",
}


def unreadable(kind: str) -> str:
    return (
        f"The integration context holds entitlements that cannot be read ({kind}); they were left as they are. "
        "Repair them, or reset the integration cache of the instance to lose all open questions."
    )


def test_state_is_stored_as_json_text_under_two_keys() -> None:
    # Given an open question, a claimed one and remembered feedback
    known = state(question(1), question(2, claim=claim(error="XSOAR is busy."))).remember(
        PHONE, sms.Feedback("in-9", NOW)
    )
    # When written
    written = sms.write_state(known)
    # Then both are JSON text in this shape
    second = {**STORED_QUESTION, "guid": "00000002-0000-4000-8000-000000000000", "claim": STORED_CLAIM}
    assert json.loads(written["entitlements"]) == [STORED_QUESTION, second]
    assert json.loads(written["phones"]) == {"+14255550182": {"feedback": [["in-9", 1767225600.0]]}}


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(state(), id="empty"),
        pytest.param(state(question(text='Ü "🔥" \ud83d \x00 {x}\n')), id="any text"),
        pytest.param(state(question(1), question(2), question(1, OTHER_PHONE)), id="two phones"),
        pytest.param(state(question(claim=claim(told_at=NOW + 1), sends=3)), id="answered"),
        pytest.param(state(question(codes={"0009": "B", "0001": "A"})), id="order of the codes"),
        pytest.param(state().remember(PHONE, sms.Feedback("in-1", NOW)), id="feedback"),
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
    pytest.param(json.dumps([{**STORED_QUESTION, "claim": {"x": 1}}]), "TypeError", id="claim with other fields"),
    pytest.param(json.dumps([{**STORED_QUESTION, "codes": None}]), "TypeError", id="no codes"),
    pytest.param(
        "{}", "", id="object", marks=pytest.mark.xfail(strict=True, reason="a JSON object is read as no questions")
    ),
    pytest.param(
        '""', "", id="text", marks=pytest.mark.xfail(strict=True, reason="a JSON text is read as no questions")
    ),
    pytest.param(
        json.dumps([{**STORED_QUESTION, "codes": {"yes": "Yes"}}]),
        "",
        id="code that is no number",
        marks=pytest.mark.xfail(strict=True, reason="codes are not checked; later int(code) fails in every command"),
    ),
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
    known = state(expired, answered, untold, question(4, OTHER_PHONE, expires=NOW)).remember(
        PHONE, sms.Feedback("in-1", NOW)
    )
    # When purged, Then each goes four days after it was over, a claim a day after that
    assert sms.purge(known, NOW + 4 * DAY - 1) == known
    assert sms.purge(known, NOW + 4 * DAY) == state(answered, untold)
    assert sms.purge(known, NOW + 5 * DAY) == state(untold)
    assert sms.purge(known, NOW + 5 * DAY + 1) == state()


def test_withdraw_takes_out_what_one_refused_send_put_in() -> None:
    # Given a question sent once, one sent twice, one with an answer
    once, twice, answered = question(1), question(2, sends=2), question(3, claim=claim())
    known = state(once, twice, answered)
    # When each is withdrawn, Then the first is gone, the second has one send less, the third stays
    assert sms.withdraw(known, once) == state(twice, answered)
    assert sms.withdraw(known, twice) == state(once, replace(twice, sends=1), answered)
    assert sms.withdraw(known, answered) is known
    assert sms.withdraw(known, question(9)) is known


def test_settle_marks_what_was_told_keeps_what_was_not_and_counts_nothing_twice() -> None:
    # Given a claim that was told, one that was refused, one another container has settled, one that is gone
    told, failed = question(1, claim=claim()), question(2, claim=claim())
    settled, gone = question(3, claim=claim(told_at=NOW - 1)), question(4, claim=claim())
    claims = [sms.Match(q, "1234") for q in (told, failed, settled, gone)]
    errors = {q.entitlement.key: "" for q in (told, settled, gone)} | {failed.entitlement.key: "XSOAR is busy."}
    # When settled
    after, delivered = sms.settle(state(told, failed, settled), claims, errors, NOW + 2)
    # Then only the first is news
    assert after == state(
        replace(told, claim=claim(told_at=NOW + 2)), replace(failed, claim=claim(error="XSOAR is busy.")), settled
    )
    assert delivered == {
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
