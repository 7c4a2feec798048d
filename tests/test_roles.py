"""Keys, the machine's role and assumed roles, against the STS of the emulated AWS.

The tests marked `aws` run the pack's AWS section in this process: an older botocore can take the place of today's.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import AWSSNSSMSCommunication as integration  # noqa: N813 - the file's name is the integration's
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import EndpointConnectionError

from emulator.cloud import ROLE_KEY, Cloud
from emulator.world import World

PHONE = "+14255550182"
ROLE = "arn:aws:iam::123456789012:role/sms"
KEYS = {"identifier": "AKIAEXAMPLE", "password": "example"}
CREDENTIALS_OF_THE_MACHINE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An AWS that this process reaches as a container does, on a machine with a role."""
    with Cloud() as cloud:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield cloud


def settings(cloud: Cloud | None = None, **params: Any) -> integration.Settings:
    url = cloud.queue_url if cloud else "https://sqs.eu-west-1.amazonaws.com/123456789012/sms-replies"
    region = cloud.region if cloud else "eu-west-1"
    return integration.read_settings({"defaultRegion": region, "sqsQueueUrl": url, "retries": "0", **params})


def look_at_queue(queue: integration.ReplyQueue, times: int = 1) -> None:
    for _ in range(times):
        queue.attributes(["QueueArn"])


def reply_queue(given: integration.Settings) -> integration.ReplyQueue:
    return integration.ReplyQueue(integration.Aws(given), given)


@pytest.mark.aws
class TestWhoSigns:
    def test_keys_sign_without_a_role(self, cloud: Cloud) -> None:
        """
        Given an instance with keys on a machine with a role.
        When it looks at its queue.
        Then the keys of the instance signed, and no role was assumed.
        """
        look_at_queue(reply_queue(settings(cloud, credentials=KEYS)))
        assert [request.access_key for request in cloud.requests("GetQueueAttributes")] == ["AKIAEXAMPLE"]
        assert cloud.requests("AssumeRole") == []

    def test_machine_role_signs_when_there_are_no_keys(self, cloud: Cloud) -> None:
        """
        Given an instance without keys on a machine with a role.
        When it looks at its queue.
        Then the machine's role signed.
        """
        look_at_queue(reply_queue(settings(cloud)))
        assert [request.access_key for request in cloud.requests()] == [ROLE_KEY]

    @pytest.mark.parametrize(
        ("credentials", "source"),
        [(KEYS, "AKIAEXAMPLE"), (None, ROLE_KEY)],
        ids=["with the keys", "with the machine's role"],
    )
    def test_assumed_role_signs(self, cloud: Cloud, credentials: Any, source: str) -> None:
        """
        Given an instance with a role.
        When it looks at its queue.
        Then its keys, or the machine's role without any, assumed the role, and the role signed.
        """
        look_at_queue(reply_queue(settings(cloud, roleArn=ROLE, credentials=credentials)))
        (assumed,) = cloud.requests("AssumeRole")
        assert (assumed.access_key, assumed.parameters["RoleArn"]) == (source, ROLE)
        (signed,) = cloud.requests("GetQueueAttributes")
        assert signed.access_key.startswith("ASIA")

    def test_nothing_to_sign_with_is_a_sentence(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Given an instance with a role but without keys on a machine without a role.
        When it looks at its queue.
        Then the sentence says that there are no credentials, and nothing was asked of AWS.
        """
        for name in CREDENTIALS_OF_THE_MACHINE:
            monkeypatch.delenv(name)
        with pytest.raises(integration.AwsError) as raised:
            look_at_queue(reply_queue(settings(cloud, roleArn=ROLE)))
        assert str(raised.value) == (
            "GetQueueAttributes needs AWS credentials and the machine has none: give AWS Access Key ID and AWS Secret "
            "Access Key, or give the machine an AWS role."
        )
        assert cloud.requests() == []


@pytest.mark.aws
class TestHowARoleIsAssumed:
    @pytest.mark.parametrize(
        ("given", "passed"),
        [
            ({}, {"RoleSessionName": "xsoar-sms", "DurationSeconds": "900"}),
            (
                {"roleSessionName": "soc", "sessionDuration": "3600", "roleExternalId": "pack:7/a"},
                {"RoleSessionName": "soc", "DurationSeconds": "3600", "ExternalId": "pack:7/a"},
            ),
        ],
        ids=["as the defaults say", "with a name, a duration and an external id"],
    )
    def test_parameters_are_passed_on(self, cloud: Cloud, given: dict[str, str], passed: dict[str, str]) -> None:
        """
        Given an instance with a role and its parameters.
        When the role is assumed.
        Then STS got them, and no external id when none was given.
        """
        look_at_queue(reply_queue(settings(cloud, roleArn=ROLE, **given)))
        (assumed,) = cloud.requests("AssumeRole")
        assert dict(assumed.parameters) == {"RoleArn": ROLE, **passed}

    @pytest.mark.parametrize("seconds", ["900", "1800", "43200"])
    def test_one_session_serves_fifty_requests(self, cloud: Cloud, seconds: str) -> None:
        """
        Given a role session of so many seconds.
        When the queue is looked at 50 times.
        Then the role was assumed at most twice.
        """
        look_at_queue(reply_queue(settings(cloud, roleArn=ROLE, sessionDuration=seconds)), times=50)
        assert len(cloud.requests("GetQueueAttributes")) == 50
        assert 1 <= len(cloud.requests("AssumeRole")) <= 2

    def test_queue_and_sender_share_one_session(self, cloud: Cloud) -> None:
        """
        Given one Aws for the queue and the sender, as in the poller.
        When texts are sent and the queue is looked at.
        Then the role was assumed once.
        """
        given = settings(cloud, roleArn=ROLE)
        aws = integration.Aws(given)
        sender, queue = integration.SmsSender(aws, given), integration.ReplyQueue(aws, given)
        for _ in range(3):
            sender.send(PHONE, "Deployed.")
            look_at_queue(queue)
        assert (len(cloud.requests("AssumeRole")), len(cloud.texts)) == (1, 3)

    def test_session_renews_itself_before_it_ends(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Given an STS whose sessions end in 301 seconds, one second before they are due to be renewed.
        When the queue is looked at until the role has been assumed again.
        Then the requests after that are signed by the new session, without an error in between.
        """
        issued = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=900 - 301)
        monkeypatch.setattr("moto.sts.models.utcnow", lambda: issued)
        queue = reply_queue(settings(cloud, roleArn=ROLE))
        look_at_queue(queue)
        assert cloud.wait_until(lambda: assumed_again(cloud, queue), within=5)
        look_at_queue(queue)
        keys = [request.access_key for request in cloud.requests("GetQueueAttributes")]
        assert keys[0] != keys[-1]

    def test_refused_role_is_a_sentence(self, cloud: Cloud) -> None:
        """
        Given an STS that does not let the keys assume the role.
        When the queue is looked at.
        Then the sentence names AssumeRole, and the queue was not asked.
        """
        cloud.fail("AssumeRole", "AccessDenied", status=403, message="Not authorized to perform: sts:AssumeRole")
        with pytest.raises(integration.AwsError) as raised:
            look_at_queue(reply_queue(settings(cloud, roleArn=ROLE, credentials=KEYS)))
        assert str(raised.value) == (
            "AWS refused AssumeRole with AccessDenied: the key or role lacks the permission for AssumeRole, or the "
            "role does not trust it. It said: Not authorized to perform: sts:AssumeRole."
        )
        assert cloud.requests("GetQueueAttributes") == []

    def test_refused_role_sends_nothing_for_sure(self, cloud: Cloud) -> None:
        """
        Given an STS with a server error.
        When a text is sent.
        Then it was surely not sent.
        """
        cloud.fail("AssumeRole", "InternalFailure", status=500, times=3)
        given = settings(cloud, roleArn=ROLE)
        with pytest.raises(integration.AwsError) as raised:
            integration.SmsSender(integration.Aws(given), given).send(PHONE, "Deployed.")
        assert not isinstance(raised.value, integration.MaybeSent)
        assert cloud.texts == []


def assumed_again(cloud: Cloud, queue: integration.ReplyQueue) -> bool:
    look_at_queue(queue)
    return len(cloud.requests("AssumeRole")) >= 2


@pytest.fixture
def asked_urls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that AWS clients would have connected to: no connection is made."""
    urls: list[str] = []

    def refuse(_session: object, request: AWSRequest) -> Any:
        urls.append(str(request.url))
        raise EndpointConnectionError(endpoint_url=str(request.url))

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", refuse)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_STS_REGIONAL_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)
    return urls


@pytest.mark.aws
@pytest.mark.parametrize(
    ("endpoint", "url"),
    [("legacy", "https://sts.amazonaws.com/"), ("regional", "https://sts.eu-west-1.amazonaws.com/")],
)
@pytest.mark.parametrize("environment", ["legacy", "regional", None])
def test_sts_endpoint_is_the_one_of_the_parameter(
    asked_urls: list[str], monkeypatch: pytest.MonkeyPatch, endpoint: str, url: str, environment: str | None
) -> None:
    """
    Given a role in eu-west-1 and an STS endpoint as parameter, whatever the machine's environment says.
    When the role is assumed.
    Then that endpoint is asked.
    """
    if environment:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", environment)
    given = settings(roleArn=ROLE, credentials=KEYS, sts_regional_endpoint=endpoint)
    with pytest.raises(integration.AwsError, match="check the network"):
        look_at_queue(reply_queue(given))
    assert asked_urls == [url]


@pytest.mark.aws
def test_services_are_those_of_the_default_region(asked_urls: list[str]) -> None:
    """
    Given keys, and eu-west-1 as default region.
    When the queue is looked at and a text is sent.
    Then SQS and SNS of that region are asked, once each.
    """
    given = settings(credentials=KEYS)
    aws = integration.Aws(given)
    attempts: list[Callable[[], object]] = [
        lambda: look_at_queue(integration.ReplyQueue(aws, given)),
        lambda: integration.SmsSender(aws, given).send(PHONE, "Deployed."),
    ]
    for attempt in attempts:
        with pytest.raises(integration.AwsError):
            attempt()
    assert asked_urls == ["https://sqs.eu-west-1.amazonaws.com/", "https://sns.eu-west-1.amazonaws.com/"]


def test_whole_conversation_with_an_assumed_role() -> None:
    """
    Given an instance with keys, a role and an external id, on a machine without a role.
    When a question is asked and answered.
    Then the task goes on; each container assumed the role once, and no other key reached SNS or SQS.
    """
    params = {"credentials": KEYS, "roleArn": ROLE, "roleExternalId": "pack-7"}
    with World(params, machine_role=False) as world:
        incident = world.incident()
        task = incident.add_task()
        world.war_room(f'!SMSAskUser phone={PHONE} message="Deploy?" option1=Yes option2=No task=1', incident)
        phone = world.phone(PHONE)
        world.start_poller()
        phone.replies(phone.codes(phone.expects("Deploy?"))["Yes"])
        assert task.wait() == "Yes"
        phone.expects("Thank you")
        assumed = world.cloud.requests("AssumeRole")
        assert [request.parameters["ExternalId"] for request in assumed] == ["pack-7", "pack-7"]
        others = [request for request in world.cloud.requests() if request.operation != "AssumeRole"]
        assert all(request.access_key.startswith("ASIA") for request in others)


def test_test_button_says_that_there_are_no_credentials() -> None:
    """
    Given an instance without keys on a machine without a role.
    When Test is pressed.
    Then it says what is missing.
    """
    with World(machine_role=False) as world:
        assert world.server.test(world.instance) == (
            "GetQueueAttributes needs AWS credentials and the machine has none: give AWS Access Key ID and AWS Secret "
            "Access Key, or give the machine an AWS role."
        )
