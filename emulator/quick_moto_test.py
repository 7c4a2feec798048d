"""The reply queue answers as moto's own does."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.cloud import Cloud


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs")


def receive(sqs: Any, cloud: Cloud, hidden_for: int = 30) -> list[dict[str, Any]]:
    taken = sqs.receive_message(QueueUrl=cloud.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=hidden_for)
    return list(taken.get("Messages", []))


def delete(sqs: Any, cloud: Cloud, handle: str) -> None:
    sqs.delete_message(QueueUrl=cloud.queue_url, ReceiptHandle=handle)


def test_a_message_that_was_taken_is_hidden_and_one_deleted_is_gone(cloud: Cloud, sqs: Any) -> None:
    # Given twelve messages
    for number in range(12):
        cloud.send_raw_to_queue(f"message {number}")
    # When a receive takes ten and deletes the second of them
    first = receive(sqs, cloud)
    delete(sqs, cloud, first[1]["ReceiptHandle"])
    # Then the next brings the other two, and eleven are left
    assert [item["Body"] for item in first] == [f"message {number}" for number in range(10)]
    assert [item["Body"] for item in receive(sqs, cloud)] == ["message 10", "message 11"]
    assert receive(sqs, cloud) == []
    assert cloud.queue_depth() == 11
    # And AWS counts eleven as in flight
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counted = sqs.get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=names)["Attributes"]
    assert counted == {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "11"}


def test_a_message_that_was_not_hidden_comes_again_and_its_older_handle_deletes_it_once(cloud: Cloud, sqs: Any) -> None:
    # Given a message that was handed out twice
    cloud.send_raw_to_queue("again")
    (first,) = receive(sqs, cloud, hidden_for=0)
    (second,) = receive(sqs, cloud)
    assert first["MessageId"] == second["MessageId"]
    before = cloud.queue_depth()
    # When it is deleted by each handle
    delete(sqs, cloud, first["ReceiptHandle"])
    delete(sqs, cloud, second["ReceiptHandle"])
    # Then it is gone, and nothing else is
    assert cloud.queue_depth() == before - 1


def test_a_handle_that_no_message_had_is_refused(cloud: Cloud, sqs: Any) -> None:
    # Given a handle of no message, when it is deleted, then SQS refuses it
    with pytest.raises(ClientError, match="ReceiptHandleIsInvalid"):
        delete(sqs, cloud, "nobody's")
