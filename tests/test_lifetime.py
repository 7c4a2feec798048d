"""When a question stops accepting replies."""

import time
from collections.abc import Callable

import pytest

from emulator.cloud import Cloud
from emulator.phone import Phone
from emulator.world import World
from tests.stage import CLOSED, FAILURE, ask_directly, only, outputs, readable, texts_of

NewWorld = Callable[..., World]
SHORT = {"entitlementTTL": "0.0006", "replyCodeMode": "sequential"}


def lifetime(world: World) -> float:
    """The Entitlement TTL in seconds."""
    return float(world.instance.params["entitlementTTL"]) * 3600


def let_expire(world: World, phone: Phone) -> None:
    """Wait for the moment at which the newest question of the phone is over.

    It is registered before its text leaves, so its end is at most its lifetime after the text.
    """
    end = texts_of(world, phone)[-1].time + lifetime(world)
    world.wait_until(lambda: time.time() >= end, "the question expires")


def test_a_reply_at_the_second_a_question_expires_answers_nothing_and_its_codes_are_free(new_world: NewWorld) -> None:
    # Given questions that live two seconds
    world = new_world(SHORT)
    world.start_poller()
    phone = world.phone("+14255550182")
    # When the code arrives the moment its question is over
    late = ask_directly(world, phone)
    let_expire(world, phone)
    phone.replies(late.codes["Yes"])
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "the reply is handled")
    # Then it answers nothing and is told why, and the next question has the same codes
    assert phone.expects() == CLOSED
    again = ask_directly(world, phone)
    assert late.codes == again.codes == {"Yes": "1", "No": "2"}
    assert (late.task.completed, again.task.completed) == (False, False)
    assert world.server.answers == []


def test_an_expired_question_is_neither_listed_nor_offered_nor_answered_by_hand(new_world: NewWorld) -> None:
    # Given a question that is over and one that is not
    world = new_world(SHORT)
    phone = world.phone("+14255550182")
    late = ask_directly(world, phone, ("Block", "Allow"))
    let_expire(world, phone)
    world.instance.params["entitlementTTL"] = "24"
    ask_directly(world, phone, ("Yes", "No", "Later"))
    world.start_poller()
    # When the phone asks what to do / Then the codes of the open one are offered alone
    phone.replies("what?")
    assert phone.expects() == f"{FAILURE}Yes (1), No (2), Later (3)"
    # And the list has the open one alone, and the one that is over beside it when asked for
    for answered, shown in (("false", ["Open"]), ("true", ["Open", "Expired"])):
        entry = only(world.server.execute("aws-sns-sms-list-entitlements", {"show_answered": answered}))
        rows = outputs(entry, "AWS.SNS.SMS.Entitlement")
        assert [row["Status"] for row in rows] == shown
        assert rows[0]["ReplyCodes"] == "Yes (1) or No (2) or Later (3)"
    # And a code is injected into the open one alone
    reply = {"phone_number": phone.number, "reply_code": "1 Block"}
    entry = only(world.server.execute("aws-sns-sms-inject-reply", reply))
    assert readable(entry) == (
        '"1 Block" is no reply code of +14255550182. Its active codes are: Yes (1), No (2), Later (3).'
    )
    assert not late.task.completed


@pytest.mark.parametrize("raw_delivery", [False, True], ids=["envelope", "raw delivery"])
def test_a_reply_that_reached_aws_in_time_answers_though_it_is_handled_late(
    new_world: NewWorld, raw_delivery: bool
) -> None:
    # Given a reply that came in time, and one that came too late, while no poller ran
    world = new_world({**SHORT, "entitlementTTL": "0.001"}, cloud=Cloud(raw_delivery=raw_delivery))
    phone, other = world.phone("+14255550182"), world.phone("+14255550183")
    in_time = ask_directly(world, phone)
    phone.replies("2")
    late = ask_directly(world, other)
    let_expire(world, other)
    other.replies("2")
    # When the poller starts after both questions are over
    world.start_poller()
    # Then the first counts and is thanked for, and the second is told why it does not
    assert in_time.task.wait() == "No"
    assert phone.expects() == "2 - Thank you for your response!"
    assert other.expects() == CLOSED
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "both replies are handled")
    assert [answer.content for answer in world.server.answers] == ["No"]
    assert not late.task.completed


def test_a_question_sent_again_lives_on_from_then(new_world: NewWorld) -> None:
    # Given a question of two seconds that is sent again when half of them are over
    world = new_world(SHORT)
    world.start_poller()
    phone = world.phone("+14255550182")
    asked = ask_directly(world, phone)
    (sent,) = texts_of(world, phone)
    world.wait_until(lambda: time.time() > sent.time + lifetime(world) / 2)
    token = outputs(asked.entry, "AWS.SNS.SMS")["Entitlement"]
    message = f"Restart the server? - Reply Yes or No: {token}"
    only(world.server.execute("send-notification", {"to": phone.number, "message": message}))
    assert phone.expects() == asked.text
    # When the phone replies after the end of the first / Then the second is what it answers
    world.wait_until(lambda: time.time() > sent.time + lifetime(world))
    phone.replies("1")
    assert asked.task.wait() == "Yes"
    phone.expects("1 - Thank you")
