"""Replies that come by way of a Twilio number: from the form that Twilio posts to the task that resumes."""

from collections.abc import Callable
from typing import Any

import pytest

from emulator.world import World
from tests.aws.twilio import Twilio, start_bridge
from tests.stage import ask

TOKEN = "fedcba9876543210fedcba9876543210"
PERSON = "+14255550182"
NewWorld = Callable[..., World]


@pytest.fixture
def world(new_world: NewWorld, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with a poller, to whose queue the bridge brings replies; its process has just started."""
    world = new_world({"replyCodeMode": "sequential", "retries": "0"})
    secret = world.cloud.client("secretsmanager").create_secret(Name="twilio-auth-token", SecretString=f"{TOKEN}\n")
    variables = {"QUEUE_URL": world.cloud.queue_url, "TOKEN_SECRET_ARN": secret["ARN"]}
    region = {"AWS_DEFAULT_REGION": world.cloud.region}
    start_bridge(monkeypatch, {**world.cloud.environment(), **variables, **region})
    world.start_poller()
    return world


@pytest.fixture
def twilio() -> Twilio:
    return Twilio(TOKEN)


def operations(world: World, *names: str) -> list[int]:
    return [len(world.cloud.requests(name)) for name in names]


def test_a_reply_to_the_twilio_number_resumes_the_task(world: World, twilio: Twilio) -> None:
    """
    Given a question that waits at a task.
    When the person texts a code to the Twilio number.
    Then Twilio gets 200, the task takes the branch, and the person is thanked.
    """
    phone = world.phone(PERSON)
    asked = ask(world, phone)
    assert twilio.receives(PERSON, asked.codes["No"]) == 200
    assert asked.task.wait() == "No"
    phone.expects("2 - Thank you for your response!")
    assert [answer.email for answer in world.server.answers] == [PERSON]
    assert operations(world, "GetSecretValue", "SendMessage") == [1, 1]


def test_a_request_that_twilio_repeats_is_answered_and_thanked_for_once(world: World, twilio: Twilio) -> None:
    """
    Given an answer that came by way of Twilio.
    When Twilio posts the same SMS again, as it does when it saw no answer.
    Then it gets 200 again, and nothing else happens: no second answer, no text.
    """
    phone = world.phone(PERSON)
    asked = ask(world, phone)
    twilio.receives(PERSON, "1")
    assert twilio.posts_again() == 200
    assert asked.task.wait() == "Yes"
    phone.expects("1 - Thank you")
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "both messages are taken")
    assert len(world.server.answers) == 1


def test_a_recorded_request_does_not_answer_a_later_question_with_the_same_code(world: World, twilio: Twilio) -> None:
    """
    Given an answered question, and a later one that has the same codes.
    When somebody who recorded the request of the answer sends it again.
    Then its signature fits, but the pack knows the reply: the later question stays open.
    """
    phone = world.phone(PERSON)
    first = ask(world, phone)
    twilio.receives(PERSON, "1")
    phone.expects("1 - Thank you")
    later = ask(world, phone, "Delete the server?")
    assert later.codes == first.codes
    assert twilio.posts_again() == 200
    world.wait_until(lambda: world.cloud.queue_depth() == 0, "the message is taken")
    assert (later.task.completed, len(world.server.answers)) == (False, 1)


def test_a_forged_request_reaches_neither_queue_nor_task(world: World, twilio: Twilio) -> None:
    """
    Given an open question.
    When a stranger posts its code with a signature of their own, and Twilio posts it as a WhatsApp message.
    Then they get 403 and 400, and the queue got nothing.
    """
    asked = ask(world, world.phone(PERSON))
    assert Twilio("0" * 32).receives(PERSON, "1") == 403
    assert twilio.receives(f"whatsapp:{PERSON}", "1") == 400
    assert operations(world, "SendMessage") == [0]
    assert not asked.task.completed


@pytest.mark.parametrize("code", ["ThrottlingException", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_reply_that_the_queue_refused_is_answered_when_twilio_posts_it_again(
    world: World, twilio: Twilio, code: str
) -> None:
    """
    Given a queue that takes nothing for a while.
    When Twilio posts a reply, and once more later.
    Then it gets 503, then 200, and the task resumes.
    """
    asked = ask(world, world.phone(PERSON))
    world.cloud.fail("SendMessage", code, times=2 if "Throttling" in code else 1)
    assert twilio.receives(PERSON, "1") == 503
    assert twilio.posts_again() == 200
    assert asked.task.wait() == "Yes"
    world.phone(PERSON).expects("1 - Thank you")


def test_a_reply_is_answered_when_secrets_manager_is_back(
    world: World, twilio: Twilio, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Given a secret that is gone, and a function that has just started.
    When Twilio posts a reply, and once more when the secret is there again.
    Then it gets 503, with the reason in the log, then 200, and the task resumes.
    """
    asked = ask(world, world.phone(PERSON))
    secrets: Any = world.cloud.client("secretsmanager")
    secrets.delete_secret(SecretId="twilio-auth-token")
    assert twilio.receives(PERSON, "1") == 503
    assert "Secrets Manager did not give the auth token: InvalidRequestException." in caplog.text
    secrets.restore_secret(SecretId="twilio-auth-token")
    world.wait_until(lambda: twilio.posts_again() == 200, "the secret is read again")
    assert asked.task.wait() == "Yes"
    world.phone(PERSON).expects("1 - Thank you")


def test_no_reply_is_lost_while_aws_is_out_of_reach(world: World, twilio: Twilio) -> None:
    """
    Given an AWS that refuses connections.
    When Twilio posts a reply, and once more when AWS is back.
    Then it gets 503, then 200, and the task resumes.
    """
    asked = ask(world, world.phone(PERSON))
    world.expect_log_error("ReceiveMessage failed with")
    with world.cloud.unreachable():
        assert twilio.receives(PERSON, "1") == 503
        world.wait_until(lambda: world.instance.health != "", "the poller to notice")
    world.wait_until(lambda: twilio.posts_again() == 200, "the bridge reaches AWS")
    assert asked.task.wait() == "Yes"
    world.phone(PERSON).expects("1 - Thank you")
