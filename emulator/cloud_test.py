"""The embedded AWS: what it records, what it refuses, and the faults it plays."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from emulator.cloud import Cloud
from emulator.phone import Phone

PERSON = "+14255550182"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(visibility_timeout=1) as running:
        yield running


def aws(cloud: Cloud, service: str, **config: Any) -> Any:
    """A client as a container makes it, without the SDK's retries."""
    connect: Any = boto3.client
    return connect(
        service,
        region_name=cloud.region,
        endpoint_url=cloud.url,
        aws_access_key_id="CONTAINER",
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, **config),
    )


def receive(cloud: Cloud, wait: int = 5) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (
        aws(cloud, "sqs")
        .receive_message(QueueUrl=cloud.queue_url, WaitTimeSeconds=wait, MaxNumberOfMessages=10)
        .get("Messages", [])
    )
    return messages


def test_text_with_attributes_is_recorded_with_its_message_id(cloud: Cloud) -> None:
    # When a container sends a text with two attributes
    sent = aws(cloud, "sns").publish(
        PhoneNumber=PERSON,
        Message="Proceed?\nYes (1234) or No (5678)",
        MessageAttributes={
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
            "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "Acme"},
        },
    )
    # Then the phone has it as it was sent, and the answer carries AWS's Date header
    (text,) = cloud.texts
    assert (text.phone, text.text) == (PERSON, "Proceed?\nYes (1234) or No (5678)")
    assert text.attributes == {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "Acme"}
    assert text.message_id == sent["MessageId"]
    assert "date" in sent["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize(
    ("phone", "text", "reason"),
    [
        ("14255550182", "hello", "14255550182 is not valid to publish to"),
        ("+1425", "hello", "not valid to publish to"),
        ("+0425555018", "hello", "not valid to publish to"),
        ("+1234567890123456", "hello", "not valid to publish to"),
        (PERSON, "", "Empty message"),
        (PERSON, "a" * 1601, "Message too long"),
    ],
    ids=["no plus", "too short", "leading zero", "16 digits", "empty", "1601 characters"],
)
def test_text_that_aws_would_refuse_is_refused(cloud: Cloud, phone: str, text: str, reason: str) -> None:
    # When a container sends it, Then AWS's own error comes back and nothing leaves
    with pytest.raises(ClientError, match=reason) as caught:
        aws(cloud, "sns").publish(PhoneNumber=phone, Message=text)
    assert caught.value.response["Error"]["Code"] == "InvalidParameter"
    assert cloud.texts == []


def test_opted_out_number_accepts_and_drops(cloud: Cloud) -> None:
    # Given a phone that opted out
    cloud.opt_out(PERSON)
    # When it is asked about and sent a text
    sns = aws(cloud, "sns")
    opted_out = sns.check_if_phone_number_is_opted_out(phoneNumber=PERSON)["isOptedOut"]
    sent = sns.publish(PhoneNumber=PERSON, Message="hello")
    # Then AWS says so, takes the text, and drops it
    assert opted_out is True
    assert sent["MessageId"]
    assert cloud.texts == []


@pytest.mark.parametrize("number", ["+14255550199"])
def test_number_ending_in_99_is_opted_out_and_another_is_not(cloud: Cloud, number: str) -> None:
    sns = aws(cloud, "sns")
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=number)["isOptedOut"] is True
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=PERSON)["isOptedOut"] is False


def test_stop_opts_out_and_stays_off_the_topic_until_start(cloud: Cloud) -> None:
    # Given a phone
    phone = Phone(PERSON, cloud)
    # When it texts STOP, Then nothing reaches the queue and texts to it are dropped
    assert phone.replies("Stop please") is None
    assert cloud.queue_depth() == 0
    assert cloud.opted_out(PERSON)
    # When it texts START, Then it receives again
    assert phone.replies("START") is None
    aws(cloud, "sns").publish(PhoneNumber=PERSON, Message="welcome back")
    assert phone.expects("welcome back")


def test_text_with_an_empty_attribute_is_refused(cloud: Cloud) -> None:
    # When a container sends a text with an attribute that has no value, then SNS refuses it and no text leaves
    empty = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": ""}}
    with pytest.raises(ClientError, match="must contain non-empty message attribute value"):
        aws(cloud, "sns").publish(PhoneNumber=PERSON, Message="Proceed?", MessageAttributes=empty)
    assert cloud.texts == []


@pytest.mark.parametrize("text", ["stopped by", "1234", "the end", "Ending it", "start-up"])
def test_text_that_only_resembles_a_keyword_reaches_the_queue(cloud: Cloud, text: str) -> None:
    assert Phone(PERSON, cloud).replies(text)
    assert cloud.queue_depth() == 1


def test_reply_arrives_in_an_sns_envelope_with_the_six_fields(cloud: Cloud) -> None:
    # Given a phone that got a text
    sent = aws(cloud, "sns").publish(PhoneNumber=PERSON, Message="hello")
    # When it replies
    message_id = Phone(PERSON, cloud).replies("1234", inboundMessageId="2d7e6b4c-0000-4000-8000-000000000001")
    # Then the queue holds AWS's envelope around AWS's payload
    envelope = json.loads(receive(cloud)[0]["Body"])
    assert (envelope["Type"], envelope["MessageId"]) == ("Notification", message_id)
    assert json.loads(envelope["Message"]) == {
        "originationNumber": "+14255550182",
        "destinationNumber": "+14255550100",
        "messageKeyword": "KEYWORD_123456789012",
        "messageBody": "1234",
        "inboundMessageId": "2d7e6b4c-0000-4000-8000-000000000001",
        "previousPublishedMessageId": sent["MessageId"],
    }


def test_raw_delivery_puts_the_bare_payload_on_the_queue() -> None:
    with Cloud(raw_delivery=True) as cloud:
        Phone(PERSON, cloud).replies("1234")
        assert json.loads(receive(cloud)[0]["Body"])["messageBody"] == "1234"


def test_long_poll_returns_when_the_reply_comes(cloud: Cloud) -> None:
    # Given a reply half a second into a poll of five
    started = time.monotonic()
    threading.Timer(0.5, lambda: Phone(PERSON, cloud).replies("1234")).start()
    # When the queue is polled, Then the poll ends with the reply, not with its time
    assert len(receive(cloud)) == 1
    assert 0.4 < time.monotonic() - started < 2


def test_empty_long_poll_lasts_its_time_and_has_no_messages(cloud: Cloud) -> None:
    started = time.monotonic()
    assert "Messages" not in aws(cloud, "sqs").receive_message(QueueUrl=cloud.queue_url, WaitTimeSeconds=1)
    assert 0.9 < time.monotonic() - started < 2


def test_poll_without_a_wait_of_its_own_waits_as_the_queue_says(cloud: Cloud) -> None:
    # Given a queue of the template, whose polls wait
    threading.Timer(0.5, lambda: Phone(PERSON, cloud).replies("1234")).start()
    # When it is polled without a wait, Then the poll ends with the reply
    assert len(aws(cloud, "sqs").receive_message(QueueUrl=cloud.queue_url)["Messages"]) == 1


def test_poll_of_a_dead_client_takes_no_reply(cloud: Cloud) -> None:
    # Given a poll of twenty seconds whose client gives up after a fifth of one
    impatient = aws(cloud, "sqs", read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        impatient.receive_message(QueueUrl=cloud.queue_url, WaitTimeSeconds=20)
    # When a reply comes, Then the next poll gets it for the first time
    Phone(PERSON, cloud).replies("1234")
    sqs = aws(cloud, "sqs")
    (message,) = sqs.receive_message(QueueUrl=cloud.queue_url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_two_polls_share_one_reply_out_to_one() -> None:
    with Cloud(visibility_timeout=30) as cloud:
        # Given two polls at once
        taken: list[int] = []
        polls = [threading.Thread(target=lambda: taken.append(len(receive(cloud, wait=1)))) for _ in range(2)]
        for poll in polls:
            poll.start()
        # When one reply comes, Then one of them has it
        Phone(PERSON, cloud).replies("1234")
        for poll in polls:
            poll.join(5)
        assert sorted(taken) == [0, 1]


def test_message_received_too_often_goes_to_the_dead_letters() -> None:
    with Cloud(visibility_timeout=0, max_receive_count=2) as cloud:
        # Given a body that nobody deletes
        cloud.send_raw_to_queue("not JSON")
        assert (len(receive(cloud)), len(receive(cloud))) == (1, 1)
        # When it is received once more, Then it is a dead letter
        assert receive(cloud, wait=1) == []
        assert (cloud.dead_letters(), cloud.queue_depth()) == (["not JSON"], 0)


def test_cloud_without_dead_letter_queue_has_no_redrive_policy() -> None:
    with Cloud(max_receive_count=None) as cloud:
        attributes = aws(cloud, "sqs").get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=["All"])
        assert "RedrivePolicy" not in attributes["Attributes"]
        assert cloud.dead_letters() == []


def test_requests_are_recorded_by_operation_without_those_of_the_operator(cloud: Cloud) -> None:
    # When a container assumes a role and lists its queue's attributes, and the operator looks too
    aws(cloud, "sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/sms", RoleSessionName="xsoar-sms")
    aws(cloud, "sqs").get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=["All"])
    cloud.client("sqs").get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=["All"])
    # Then only the container's are on record, with service and parameters
    assert [(request.service, request.operation) for request in cloud.requests()] == [
        ("sts", "AssumeRole"),
        ("sqs", "GetQueueAttributes"),
    ]
    assert cloud.requests("AssumeRole")[0].parameters["RoleSessionName"] == "xsoar-sms"
    assert cloud.requests("GetQueueAttributes")[0].parameters["AttributeNames"] == ["All"]
    assert cloud.requests("AssumeRole")[0].access_key == "CONTAINER"


def test_failed_publish_has_the_error_asked_for_as_often_as_asked(cloud: Cloud) -> None:
    # Given two throttled publishes
    cloud.fail("Publish", code="Throttling", message="Rate exceeded", times=2)
    sns = aws(cloud, "sns")
    # When three are sent, Then two fail in AWS's shape and send nothing, and the third goes
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as caught:
            sns.publish(PhoneNumber=PERSON, Message="hello")
        assert caught.value.response["Error"]["Code"] == "Throttling"
    sns.publish(PhoneNumber=PERSON, Message="hello")
    assert len(cloud.texts) == 1


def test_failed_publish_that_takes_effect_sends_its_text(cloud: Cloud) -> None:
    cloud.fail("Publish", code="InternalError", status=500, deliver=True)
    with pytest.raises(ClientError, match="InternalError"):
        aws(cloud, "sns").publish(PhoneNumber=PERSON, Message="hello")
    assert len(cloud.texts) == 1


def test_missing_queue_fault_is_the_exception_of_the_sdk(cloud: Cloud) -> None:
    cloud.fail("ReceiveMessage", code="QueueDoesNotExist")
    sqs = aws(cloud, "sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.receive_message(QueueUrl=cloud.queue_url)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


@pytest.mark.parametrize(("deliver", "texts"), [(True, 1), (False, 0)], ids=["sent", "not sent"])
def test_hanging_publish_times_out_and_its_text_leaves_or_not(cloud: Cloud, deliver: bool, texts: int) -> None:
    # Given a publish that hangs longer than the client waits
    cloud.hang("Publish", seconds=5, deliver=deliver)
    # When it is sent, Then the client times out
    with pytest.raises(ReadTimeoutError):
        aws(cloud, "sns", read_timeout=0.3).publish(PhoneNumber=PERSON, Message="hello")
    assert len(cloud.texts) == texts


def test_hook_sees_a_delete_before_and_after_it_took_effect(cloud: Cloud) -> None:
    # Given a hook that looks at the queue around every delete, and a message received
    seen: list[tuple[str, int]] = []
    cloud.hooks.append(
        lambda request, phase: (
            seen.append((phase, cloud.queue_depth())) if request.operation == "DeleteMessageBatch" else None
        )
    )
    cloud.send_raw_to_queue("hello")
    (message,) = receive(cloud)
    # When it is deleted, Then the hook saw it there and then gone
    entry = {"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}
    aws(cloud, "sqs").delete_message_batch(QueueUrl=cloud.queue_url, Entries=[entry])
    assert seen == [("before", 1), ("after", 0)]


def test_hook_that_raises_fails_the_cloud_when_it_closes() -> None:
    def broken(request: Any, phase: str) -> None:
        raise ValueError("broken hook")

    # Given a hook that raised
    cloud = Cloud()
    cloud.start()
    cloud.hooks.append(broken)
    aws(cloud, "sns").publish(PhoneNumber=PERSON, Message="hello")
    # When the cloud closes, Then the test that made the hook fails
    with pytest.raises(ValueError, match="broken hook"):
        cloud.__exit__(None, None, None)


def test_unreachable_cloud_refuses_and_cuts_and_comes_back_on_its_port(cloud: Cloud) -> None:
    # Given a connection kept alive and a poll under way
    sns = aws(cloud, "sns")
    sns.publish(PhoneNumber=PERSON, Message="one")
    broken: list[Exception] = []

    def poll() -> None:
        try:
            receive(cloud, wait=20)
        except ConnectionClosedError as error:
            broken.append(error)

    polling = threading.Thread(target=poll)
    polling.start()
    assert cloud.wait_until(lambda: bool(cloud.requests("ReceiveMessage")))
    # When the cloud is unreachable, Then both end and nothing connects, but the phone's network works
    with cloud.unreachable():
        polling.join(5)
        assert len(broken) == 1
        with pytest.raises(EndpointConnectionError):
            sns.publish(PhoneNumber=PERSON, Message="two")
        Phone(PERSON, cloud).replies("1234")
    # Then it is there again where it was
    sns.publish(PhoneNumber=PERSON, Message="three")
    assert [text.text for text in cloud.texts] == ["one", "three"]
    assert len(receive(cloud)) == 1


def test_stop_with_an_open_poll_is_immediate_and_leaves_nothing_listening() -> None:
    cloud = Cloud()
    cloud.start()

    # Given a poll of twenty seconds under way
    def poll() -> None:
        with suppress(ConnectionClosedError):
            receive(cloud, 20)

    polling = threading.Thread(target=poll)
    polling.start()
    assert cloud.wait_until(lambda: bool(cloud.requests("ReceiveMessage")))
    # When the cloud stops
    started = time.monotonic()
    cloud.stop()
    polling.join(5)
    # Then everything ends at once
    assert not polling.is_alive()
    assert time.monotonic() - started < 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(cloud.url.rpartition(":")[2])))


def test_next_cloud_starts_empty() -> None:
    with Cloud() as first:
        first.send_raw_to_queue("left behind")
        first.opt_out(PERSON)
    with Cloud() as second:
        assert (second.queue_depth(), second.texts, second.opted_out(PERSON)) == (0, [], False)


def test_second_cloud_at_once_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        Cloud().start()


def test_environment_leads_a_client_here_with_or_without_a_role(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    # Given the environment with a machine's role
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    # When a client is made of nothing else, Then it reaches this cloud
    boto3.session.Session(region_name="us-east-1").client("sns").publish(PhoneNumber=PERSON, Message="hello")
    assert len(cloud.texts) == 1
    # Given no role, When a client calls, Then it has no credentials
    for name in set(cloud.environment()) - set(cloud.environment(machine_role=False)):
        monkeypatch.delenv(name)
    with pytest.raises(NoCredentialsError):
        boto3.session.Session(region_name="us-east-1").client("sns").publish(PhoneNumber=PERSON, Message="hello")
