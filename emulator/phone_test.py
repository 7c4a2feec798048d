"""The handset: reading texts in order and finding reply codes in them."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from emulator.cloud import Cloud
from emulator.phone import Phone

PERSON = "+14255550182"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def phone(cloud: Cloud) -> Phone:
    return Phone(PERSON, cloud)


def send(cloud: Cloud, text: str, number: str = PERSON) -> str:
    """Text a phone as AWS does for the integration."""
    sns: Any = boto3.client(
        "sns",
        region_name="us-east-1",
        endpoint_url=cloud.url,
        aws_access_key_id="CONTAINER",
        aws_secret_access_key="secret",
    )
    return str(sns.publish(PhoneNumber=number, Message=text)["MessageId"])


def test_texts_are_read_in_order_and_only_the_phones_own(cloud: Cloud, phone: Phone) -> None:
    send(cloud, "first")
    send(cloud, "for someone else", number="+14255550183")
    send(cloud, "second")
    assert phone.expects("first") == "first"
    assert phone.unexpected() == ["second"]
    assert phone.expects("second") == "second"
    assert phone.unexpected() == []


def test_expected_fragment_that_is_missing_shows_what_came(cloud: Cloud, phone: Phone) -> None:
    send(cloud, "Proceed?")
    with pytest.raises(AssertionError, match=r"expected \['Thank you'\] in the text 'Proceed\?'"):
        phone.expects("Proceed", "Thank you")


def test_expected_text_that_never_comes_says_so(phone: Phone) -> None:
    with pytest.raises(AssertionError, match=r"\+14255550182 got no text within 0.1 s. It received: nothing."):
        phone.expects("hello", within=0.1)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Proceed?\nYes (1234) or No (0056)", {"Yes": "1234", "No": "0056"}),
        (
            "Which (of 3)?\nBlock (now) (1) or Wait, please (2) or Ask (3)",
            {"Block (now)": "1", "Wait, please": "2", "Ask": "3"},
        ),
        (
            "Please respond with one of the available reply codes: Yes (1234), No (5678)",
            {"Yes": "1234", "No": "5678"},
        ),
    ],
    ids=["question", "parentheses and commas in options", "failure text"],
)
def test_codes_are_found_by_option(phone: Phone, text: str, codes: dict[str, str]) -> None:
    assert phone.codes(text) == codes


def test_text_without_codes_is_an_error(phone: Phone) -> None:
    with pytest.raises(AssertionError, match="no reply codes in the text 'hello'"):
        phone.codes("hello")


def test_reply_names_the_last_text_received(cloud: Cloud, phone: Phone) -> None:
    send(cloud, "first")
    last = send(cloud, "second")
    phone.replies("1234")
    (message,) = cloud.client("sqs").receive_message(QueueUrl=cloud.queue_url)["Messages"]
    assert last in message["Body"]
