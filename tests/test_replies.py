"""What counts as an answer, and what arrives on the queue."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.cloud import Cloud
from emulator.phone import Phone
from emulator.world import World
from tests.stage import FAILURE, Asked, SharedWorld, ask_also, ask_directly

NewWorld = Callable[..., World]
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")  # noqa: RUF001
SECRET = "canary"  # stands in malformed bodies and must stand in no log


# What answers


@pytest.mark.parametrize(
    "reply",
    [
        "{yes}",
        "  {yes} \t\r\n",
        "\u00a0{yes}\u3000",
        "{yes}.",
        "{yes}!!!",
        "({yes})",
        "[{yes}]",
        "#{yes}",
        '"{yes}"',
        "'{yes}'",
        "“{yes}”",
        "‘{yes}’",  # noqa: RUF001
        "«{yes}»",
        "「{yes}」",
        "…({yes}),",
        "{wide}",
        "（{wide}）。",  # noqa: RUF001
        "{yes} Yes",
        "{yes} yes",
        "{yes}   YES!",
        "Yes ({yes})",
        "yes ({yes}).",
        '"Yes ({yes})"',
        "Ｙｅｓ （{wide}）",  # noqa: RUF001
        "Yes\n({yes})",
    ],
    ids=[
        "code",
        "blanks around",
        "odd blanks around",
        "full stop",
        "exclamation marks",
        "parentheses",
        "brackets",
        "number sign",
        "double quotes",
        "single quotes",
        "curly double quotes",
        "curly single quotes",
        "guillemets",
        "corner brackets",
        "several marks",
        "full-width digits",
        "full-width marks",
        "code and option",
        "code and option in another case",
        "code, blanks and option",
        "option and code as in the question",
        "option and code with a full stop",
        "option and code in quotes",
        "option and code in full width",
        "option and code on two lines",
    ],
)
def test_a_reply_that_is_a_code_but_for_its_dress_answers(random_world: SharedWorld, reply: str) -> None:
    # Given an open question
    phone = random_world.new_phone()
    asked = ask_directly(random_world, phone)
    # When the reply is the code in this form
    phone.replies(reply.format(yes=asked.codes["Yes"], wide=asked.codes["Yes"].translate(WIDE)))
    # Then the option is chosen, and the thank-you names the code as it was sent
    assert phone.expects() == f"{asked.codes['Yes']} - Thank you for your response!"
    assert asked.task.wait() == "Yes"


@pytest.mark.parametrize("reply", ["{short}", "{short}.", "{short} {option}", "{option} ({short})", "{wide}"])
def test_a_code_without_its_leading_zeros_answers(random_world: SharedWorld, reply: str) -> None:
    # Given a question one of whose codes begins with 0
    phone = random_world.new_phone()
    for _ in range(20):
        asked = ask_directly(random_world, phone, [f"Option {letter}" for letter in "ABCDEFGHIJ"])
        zeros = {option: code for option, code in asked.codes.items() if code[0] == "0" and int(code) > 0}
        if zeros:
            break
    (option, code), short = next(iter(zeros.items())), next(iter(zeros.values())).lstrip("0")
    # When the zeros are left out
    phone.replies(reply.format(short=short, option=option, wide=short.translate(WIDE)))
    # Then it is that code
    assert phone.expects() == f"{code} - Thank you for your response!"
    assert asked.task.wait() == option


# What does not


@pytest.fixture
def asked(random_world: SharedWorld) -> Asked:
    """A question that stays open from test to test."""
    return random_world.remember("open question", lambda: ask_directly(random_world, random_world.new_phone()))


@pytest.mark.parametrize(
    "reply",
    [
        "Yes",
        "yes please",
        "I am {yes} percent sure",
        "call 555{yes}",
        "my code is {yes}",
        "code: {yes}",
        "{yes} it is",
        "{yes} No",
        "No ({yes})",
        "Yes {yes}",
        "({yes}) Yes",
        "{yes}Yes",
        "{yes} yes please",
        "{yes} {no}",
        "{yes} or {no}",
        "{yes}/{no}",
        "Yes ({yes}) or No ({no})",
        "{yes}\n{no}",
        "{no} Yes ({yes})",
        "{yes}0",
        "0{yes}",
        "{first} {rest}",
        "{first}-{rest}",
        "{first}.{rest}",
        "{yes}e0",
        "+{yes}",
        "${yes}",
        "{yes}%20",
        "{arabic}",
        "{roman}",
        "{{reply_code}} {{0}} %s",
        "",
        " \t\n",
        "...",
        "👍",
        "\ud83d",
        "\x00",
        "{yes}" * 400,
        "9" * 100_000,
        "(" * 50_000 + "{yes}" + ")" * 50_000,
    ],
    ids=[
        "option alone",
        "option and more",
        "digits in a sentence",
        "digits at the end of a number",
        "words before",
        "word and colon before",
        "words after",
        "code and the other option",
        "the other option and code",
        "option before code without parentheses",
        "code in parentheses before the option",
        "code and option in one word",
        "code, option and more",
        "two codes",
        "two codes and or",
        "two codes and a slash",
        "the whole list",
        "two codes on two lines",
        "two codes, one with its option",
        "a digit more",
        "a zero more",
        "digits apart",
        "digits with a dash inside",
        "digits with a dot inside",
        "exponent",
        "plus sign",
        "dollar sign",
        "percent escape",
        "Arabic digits",
        "another number in letters",
        "template signs",
        "nothing",
        "blanks",
        "dots",
        "emoji",
        "half an emoji",
        "null character",
        "the code over and over",
        "100,000 digits",
        "100,000 parentheses",
    ],
)
def test_a_near_miss_answers_nothing_and_gets_the_list_of_codes(
    random_world: SharedWorld, asked: Asked, reply: str
) -> None:
    # Given an open question to a phone that sent no wrong reply yet, and a reply that is nearly one of its codes
    phone, yes, no = random_world.new_phone(), asked.codes["Yes"], asked.codes["No"]
    ask_also(random_world, asked, phone)
    arabic = yes.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    text = reply.format(yes=yes, no=no, first=yes[:2], rest=yes[2:], arabic=arabic, roman="Ⅳ")
    # When the phone sends it
    phone.replies(text)
    # Then the codes are listed and nothing is answered
    assert phone.expects() == f"{FAILURE}Yes ({yes}), No ({no})"
    assert not asked.task.completed
    assert not [answer for answer in random_world.server.answers if answer.incident == asked.incident.id]


def test_a_code_from_another_phone_answers_nothing(random_world: SharedWorld) -> None:
    # Given a question to each of two phones
    anna, ben = random_world.new_phone(), random_world.new_phone()
    for_anna = ask_directly(random_world, anna)
    for_ben = ask_directly(random_world, ben, options=("Block", "Allow"))
    # When Ben sends what Anna was asked for, with the option to be sure (a code of his own could be the same)
    ben.replies(f"{for_anna.codes['Yes']} Yes")
    # Then he is told his codes and Anna's question is open
    assert ben.expects() == f"{FAILURE}Block ({for_ben.codes['Block']}), Allow ({for_ben.codes['Allow']})"
    assert not for_anna.task.completed


# The forms of a message


def payload(phone: str, text: str, **more: Any) -> dict[str, Any]:
    return {"originationNumber": phone, "messageBody": text, **more}


def envelope(inner: Any) -> dict[str, Any]:
    """As SNS puts it on a queue."""
    return {
        "Type": "Notification",
        "MessageId": "1d4f0a1e-0f6b-5d2c-9a57-58b6cbd8d5b1",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:sms-replies",
        "Message": json.dumps(inner),
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "MessageAttributes": {"source": {"Type": "String", "Value": "two-way"}},
    }


def enveloped(inner: Any, times: int) -> dict[str, Any]:
    for _ in range(times):
        inner = envelope(inner)
    return dict(inner)


NULLS = dict.fromkeys(("destinationNumber", "messageKeyword", "inboundMessageId", "previousPublishedMessageId"))
DOCUMENTED = {
    "destinationNumber": "+14255550100",
    "messageKeyword": "KEYWORD_123456789012",
    "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
    "previousPublishedMessageId": "7bd3a8d1-5a3f-4d4e-9f6f-5b5a3f9b1c0e",
}
EXTRA = {
    "messageSegmentCount": 1,
    "carrierCode": "310410",
    "timestamp": "now",
    "nested": {"type": [1, None, True, 2.5]},
    "Type": "SMS",
}
FORMS: dict[str, Callable[[str, str], Any]] = {
    "bare payload": payload,
    "one envelope": lambda phone, text: envelope(payload(phone, text)),
    "two envelopes": lambda phone, text: enveloped(payload(phone, text), 2),
    "five envelopes": lambda phone, text: enveloped(payload(phone, text), 5),
    "object in place of JSON text": lambda phone, text: {"Type": "Notification", "Message": payload(phone, text)},
    "Lambda event": lambda phone, text: {
        "Records": [{"EventSource": "aws:sns", "Sns": envelope(payload(phone, text))}]
    },
    "all six fields": lambda phone, text: payload(phone, text, **DOCUMENTED),
    "another order": lambda phone, text: {**DOCUMENTED, "messageBody": text, "originationNumber": phone},
    "nulls": lambda phone, text: envelope(payload(phone, text, **NULLS)),
    "null as text": lambda phone, text: payload(phone, text, previousPublishedMessageId="null", messageKeyword=""),
    "capital letters": lambda phone, text: {
        "OriginationNumber": phone,
        "MessageBody": text,
        "DestinationNumber": "12345",
    },
    "short code": lambda phone, text: payload(phone, text, destinationNumber="12345", messageKeyword="NONE"),
    "40-character token": lambda phone, text: payload(phone, text, previousPublishedMessageId="a1b2c3d4e5" * 4),
    "fields nobody knows": lambda phone, text: envelope(payload(phone, text, **EXTRA)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_reply_in_any_form_answers(sequential_world: SharedWorld, form: str) -> None:
    # Given an open question
    phone = sequential_world.new_phone()
    asked = ask_directly(sequential_world, phone)
    # When a reply comes in this form
    sequential_world.cloud.send_raw_to_queue(json.dumps(FORMS[form](phone.number, "2"), indent=1))
    # Then it answers
    assert phone.expects() == "2 - Thank you for your response!"
    assert asked.task.wait() == "No"


def test_a_conversation_works_with_raw_delivery(new_world: NewWorld) -> None:
    # Given a subscription that delivers the bare payload
    world = new_world({"replyCodeMode": "sequential"}, cloud=Cloud(raw_delivery=True))
    world.start_poller()
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    # When a wrong reply comes and then a right one
    phone.replies("maybe")
    assert phone.expects() == f"{FAILURE}Yes (1), No (2)"
    phone.replies("1")
    # Then all is as with envelopes
    assert phone.expects() == "1 - Thank you for your response!"
    assert asked.task.wait() == "Yes"


# What is no reply

SUBSCRIPTION = {"Type": "SubscriptionConfirmation", "Message": f"{SECRET} https://example.com", "Token": SECRET}
DELIVERY = {"eventType": "TEXT_DELIVERED", "destinationPhoneNumber": "+14255550182", "note": SECRET}
MALFORMED = {
    "no JSON": f"{SECRET} +14255550182",
    "cut JSON": '{"originationNumber": "+14255550182", "messageBody": "canary',
    "blanks": "   ",
    "list": json.dumps([payload("+14255550182", SECRET)]),
    "number": "42",
    "endless number": "9" * 10_000,
    "text": json.dumps(SECRET),
    "null": "null",
    "true": "true",
    "not a number": "NaN",
    "200 kB of brackets": "[" * 200_000,
    "200 kB of nested objects": '{"Message":' * 18_000,
    "empty object": "{}",
    "phone missing": json.dumps({"messageBody": SECRET}),
    "text missing": json.dumps({"originationNumber": "+14255550182"}),
    "phone null": json.dumps({"originationNumber": None, "messageBody": SECRET}),
    "phone a number": json.dumps({"originationNumber": 14255550182, "messageBody": SECRET}),
    "text a number": json.dumps(payload("+14255550182", "") | {"messageBody": 1}),
    "text a list": json.dumps(payload("+14255550182", "") | {"messageBody": [SECRET]}),
    "text an object": json.dumps(payload("+14255550182", "") | {"messageBody": {"text": SECRET}}),
    "envelope of plain words": json.dumps({**envelope({}), "Message": f"{SECRET}: alarm"}),
    "envelope of a list": json.dumps(envelope([SECRET])),
    "envelope of null": json.dumps({"Type": "Notification", "Message": None}),
    "envelope without a message": json.dumps({"Type": "Notification", "Subject": SECRET}),
    "six envelopes": json.dumps(enveloped(payload("+14255550182", SECRET), 6)),
    "subscription confirmation": json.dumps(SUBSCRIPTION),
    "delivery event": json.dumps(DELIVERY),
    "delivery event in an envelope": json.dumps(envelope(DELIVERY)),
    "Lambda event of two records": json.dumps({"Records": [{"Sns": {}}, {"Sns": {}}]}),
    "records that are words": json.dumps({"Records": [SECRET]}),
}


def _answers_still(world: SharedWorld, phone: Phone) -> bool:
    phone.replies("?")
    return phone.expects() == f"{FAILURE}Yes (1), No (2)"


def _leaks(world: World) -> list[str]:
    """What of the malformed bodies stands in a log above debug level or under the instance."""
    lines = [line.text for line in world.server.log if line.level != "debug"] + world.instance.health_history
    return [line for line in lines if SECRET in line or "4255550182" in line]


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_is_no_reply_is_logged_and_deleted_when_there_is_no_dead_letter_queue(
    undying_world: SharedWorld, body: str
) -> None:
    # Given an open question, on a queue without a dead-letter queue
    world = undying_world
    asked = world.remember("open question", lambda: ask_directly(world, world.new_phone()))
    # When such a body comes
    world.cloud.send_raw_to_queue(body)
    # Then it is deleted and logged as an error without its content
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "the body is deleted")
    world.expect_log_error("no replies: it")
    world.wait_until(lambda: len(world.errors()) == 1, "one error in the log")
    assert _leaks(world) == []
    # And the poller goes on and is well, as a phone sees that sent no wrong reply yet
    phone = world.new_phone()
    ask_also(world, asked, phone)
    assert _answers_still(world, phone)
    assert world.instance.health == ""


def test_bodies_that_are_no_replies_are_left_for_the_dead_letter_queue(new_world: NewWorld) -> None:
    # Given a queue that gives a message up after it was received twice, and a question
    world = new_world({"replyCodeMode": "sequential"}, cloud=Cloud(visibility_timeout=1, max_receive_count=2))
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    # When every malformed body waits there, and a reply among them
    bodies = list(MALFORMED.values())
    for body in bodies[:5]:
        world.cloud.send_raw_to_queue(body)
    phone.replies("2")
    for body in bodies[5:]:
        world.cloud.send_raw_to_queue(body)
    world.expect_log_error("no replies: it")
    world.allow_messages_on_queue()
    poller = world.start_poller()
    # Then the reply is answered, and the bodies, which were never deleted, end in the dead-letter queue as they were
    assert asked.task.wait() == "No"
    assert phone.expects() == "2 - Thank you for your response!"
    world.wait_until(lambda: len(world.cloud.dead_letters()) == len(bodies), "the bodies are given up", within=20)
    assert sorted(world.cloud.dead_letters()) == sorted(bodies)
    assert world.cloud.queue_depth() == 0
    # And the log counted each receive and tells nothing of the content; the poller is the first one, and well
    assert world.errors()[-1].endswith(f"Since the start: {2 * len(bodies)}.")
    assert _leaks(world) == []
    assert (poller.running, poller.starts, world.instance.health) == (True, 1, "")


def test_a_malformed_body_is_kept_when_aws_does_not_say_whether_there_is_a_dead_letter_queue(
    new_world: NewWorld,
) -> None:
    # Given a queue without a dead-letter queue, whose attributes cannot be read once
    world = new_world({"retries": "0"}, cloud=Cloud(visibility_timeout=1, max_receive_count=None))
    world.cloud.fail("GetQueueAttributes", "AccessDenied", status=403)
    world.expect_log_error("no replies: it is not JSON")
    world.expect_log_error("AWS refused GetQueueAttributes with AccessDenied")
    # When a malformed body comes
    world.start_poller()
    world.cloud.send_raw_to_queue(SECRET)
    # Then the health says what permission is missing, the body stays, and is deleted once AWS answers
    world.wait_until(lambda: "the permission for GetQueueAttributes" in world.instance.health, "the health says so")
    assert world.cloud.queue_depth() == 1
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "the body is deleted")
    world.wait_until(lambda: world.instance.health == "", "the health is cleared")
