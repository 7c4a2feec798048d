"""Whose credentials the requests of the integration carry: keys, the machine's role, or a role assumed with either."""

import os
from collections.abc import Iterator
from typing import Any

import AWSSNSSMSCommunication as sms
import pytest

from emulator.cloud import ROLE_KEY, Cloud

# ruff: noqa: N813

KEYS = {"identifier": "AKIAEXAMPLE", "password": "s3cr3t"}
ROLE = "arn:aws:iam::123456789012:role/sms"
PHONE = "+14255550182"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An AWS that the clients of this process reach as those of a container do."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Cloud() as cloud:
        yield cloud


def use(cloud: Cloud, requests: int, **params: Any) -> None:
    """As many requests as told, half of them texts and half of them polls, as one process makes them."""
    settings = sms.read_settings({"sqsQueueUrl": cloud.queue_url, "defaultRegion": cloud.region, **params})
    aws = sms.Aws(settings)
    sender, queue = sms.SmsSender(aws, settings), sms.ReplyQueue(aws, settings)
    for _ in range(requests // 2):
        sender.send(PHONE, "The build is green.")
        queue.attributes(["QueueArn"])


def enter(monkeypatch: pytest.MonkeyPatch, cloud: Cloud, *, machine_role: bool) -> None:
    for name, value in cloud.environment(machine_role=machine_role).items():
        monkeypatch.setenv(name, value)


def signers(cloud: Cloud, *operations: str) -> set[str]:
    """The access keys that requests of these operations were signed with."""
    return {request.access_key for operation in operations for request in cloud.requests(operation)}


def test_keys_sign_every_request_even_on_a_machine_with_a_role(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an instance with keys on a machine with a role
    enter(monkeypatch, cloud, machine_role=True)
    # When it makes 10 requests
    use(cloud, 10, credentials=KEYS)
    # Then the keys signed them all and no role was assumed
    assert len(cloud.requests()) == 10
    assert signers(cloud, "Publish", "GetQueueAttributes") == {"AKIAEXAMPLE"}


def test_machine_role_signs_every_request_of_an_instance_without_keys(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an instance without keys on a machine with a role
    enter(monkeypatch, cloud, machine_role=True)
    # When it makes 10 requests
    use(cloud, 10)
    # Then the machine's role signed them
    assert len(cloud.requests()) == 10
    assert signers(cloud, "Publish", "GetQueueAttributes") == {ROLE_KEY}


@pytest.mark.parametrize("seconds", ["900", "3600"])
@pytest.mark.parametrize(
    ("given", "source"),
    [
        pytest.param({"credentials": KEYS}, "AKIAEXAMPLE", id="assumed with keys"),
        pytest.param({}, ROLE_KEY, id="assumed with the machine's role"),
    ],
)
def test_fifty_requests_with_an_assumed_role_assume_it_at_most_twice(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], source: str, seconds: str
) -> None:
    # Given a role with sessions of so many seconds
    enter(monkeypatch, cloud, machine_role=True)
    # When one process makes 50 requests
    use(cloud, 50, roleArn=ROLE, sessionDuration=seconds, roleExternalId="external-9", **given)
    # Then the role was assumed twice at most, as the instance says, and its session signed them all
    assumed = cloud.requests("AssumeRole")
    assert 1 <= len(assumed) <= 2
    assert signers(cloud, "AssumeRole") == {source}
    asked = assumed[0].parameters
    assert (asked["RoleArn"], asked["RoleSessionName"]) == (ROLE, "xsoar-sms")
    assert (asked["DurationSeconds"], asked["ExternalId"]) == (seconds, "external-9")
    assert [key[:4] for key in signers(cloud, "Publish", "GetQueueAttributes")] == ["ASIA"]
    assert len(cloud.texts) == 25


@pytest.mark.parametrize("role", ["", ROLE], ids=["no role", "a role"])
def test_instance_without_any_credentials_makes_no_request_and_says_what_to_give(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    # Given neither keys nor a machine's role
    enter(monkeypatch, cloud, machine_role=False)
    # When a text is sent, Then it surely was not sent, and the sentence says what to give
    with pytest.raises(sms.AwsError) as error:
        use(cloud, 2, roleArn=role)
    assert type(error.value) is sms.AwsError
    assert str(error.value) == (
        "Publish needs AWS credentials and the machine has none: give AWS Access Key ID and AWS Secret Access Key, "
        "or give the machine an AWS role."
    )
    assert cloud.requests() == []


def test_role_that_cannot_be_assumed_sends_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a role that does not trust the keys
    enter(monkeypatch, cloud, machine_role=False)
    cloud.fail("AssumeRole", "AccessDenied", status=403, message="Not authorized to perform sts:AssumeRole")
    # When a text is sent, Then the sentence is about the role, and no text leaves
    with pytest.raises(sms.AwsError, match=r"^AWS refused AssumeRole with AccessDenied: ") as error:
        use(cloud, 2, roleArn=ROLE, credentials=KEYS)
    assert type(error.value) is sms.AwsError
    assert cloud.texts == []
