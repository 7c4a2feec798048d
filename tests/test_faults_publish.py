"""Publish is refused, throttled, not answered or not reached: the question stays only when its text may have left."""

from typing import Any

import pytest

from emulator.world import World
from tests.faults import (
    PHONE,
    SEND,
    Asked,
    ask,
    assert_answered_once,
    error_of,
    listed,
    new_entitlement,
    read_all,
    send,
    stage,
    wait_until_idle,
)

SEQUENTIAL: dict[str, Any] = {"replyCodeMode": "sequential"}
IMPATIENT: dict[str, Any] = {"timeout": "1,1", "replyCodeMode": "sequential"}
HELD_BACK = 3.0
NO_ANSWER = (
    "AWS did not answer, so the SMS to +1425*****82 may have been sent or not: {reason} The question stays open and a "
    "reply to it will be taken; it is not sent again by itself."
)
LOOK_UP = "look the code up in the AWS documentation"
CHECK_ROUTE = "check the network, the proxy settings and the AWS Default Region"


def ask_in_vain(world: World) -> tuple[Asked, str]:
    """A question with the codes 1 and 2 whose sending fails, and the sentence about it."""
    incident = world.incident()
    task = incident.add_task()
    entitlement = new_entitlement(world, incident, task)
    sentence = error_of(send(world, entitlement))
    return Asked(incident, task, PHONE, entitlement, {"Yes": "1", "No": "2"}), sentence


def attempts(world: World) -> int:
    return len(world.cloud.requests("Publish"))


class TestRefused:
    @pytest.mark.parametrize(
        ("code", "status", "said", "sentence"),
        [
            (
                "InvalidParameter",
                400,
                "Invalid parameter: PhoneNumber",
                (
                    "AWS refused Publish with InvalidParameter: check the phone number, the Origination Number and the "
                    "Sender ID. It said: Invalid parameter: PhoneNumber."
                ),
            ),
            (
                "AuthorizationError",
                403,
                "User: arn:aws:iam::123456789012:user/sms is not authorized to perform: SNS:Publish",
                (
                    "AWS refused Publish with AuthorizationError: the key or role lacks the permission for Publish. It "
                    "said: User: arn:aws:iam::123456789012:user/sms is not authorized to perform: SNS:Publish."
                ),
            ),
            (
                "InvalidClientTokenId",
                403,
                "The security token included in the request is invalid.",
                (
                    "AWS refused Publish with InvalidClientTokenId: check the AWS Access Key ID. It said: The security "
                    "token included in the request is invalid."
                ),
            ),
            (
                "SomethingNew",
                400,
                "Never seen before",
                (
                    "AWS refused Publish with SomethingNew: look the code up in the AWS documentation. It said: Never "
                    "seen before."
                ),
            ),
        ],
        ids=["a parameter", "no permission", "a wrong key", "an unknown code"],
    )
    def test_question_is_taken_out_and_the_command_fails(
        self, code: str, status: int, said: str, sentence: str
    ) -> None:
        """
        Given an SNS that refuses the text.
        When a question is asked.
        Then the command fails with the literal sentence after one request, and the codes are free for the next one.
        """
        with stage(**SEQUENTIAL) as world:
            world.cloud.fail("Publish", code, status=status, message=said)
            assert ask_in_vain(world)[1] == sentence
            assert (attempts(world), world.cloud.texts) == (1, [])
            assert dict(ask(world).codes) == {"Yes": "1", "No": "2"}
            assert len(listed(world)) == 1
            world.phone(PHONE).expects("Deploy?")

    def test_refused_resend_keeps_the_question_that_was_sent(self) -> None:
        """
        Given an open question that reached its phone.
        When it is sent again and AWS refuses that.
        Then the command fails, and the first text can still be answered.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.cloud.fail("Publish", "InvalidParameter")
            assert "InvalidParameter" in error_of(send(world, question.entitlement))
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])

    def test_refused_to_one_phone_keeps_the_other_phone_of_the_entitlement(self) -> None:
        """
        Given an entitlement that one phone was asked about.
        When AWS refuses the text to a second phone.
        Then the first phone can still answer, and nothing is open for the second.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.cloud.fail("Publish", "InvalidParameter")
            error_of(send(world, question.entitlement, phone="+14255550183"))
            assert [row["PhoneNumber"] for row in listed(world).values()] == [PHONE]
            world.phone(PHONE).replies(question.codes["No"])
            world.start_poller()
            assert_answered_once(world, [(question, "No")])


class TestThrottled:
    @pytest.mark.parametrize("code", ["Throttling", "KMSThrottling"])
    def test_twice_then_fine_is_one_text(self, code: str) -> None:
        """
        Given an SNS that throttles two requests.
        When a question is asked.
        Then the third request sends the one text, and the question can be answered.
        """
        with stage() as world:
            world.cloud.fail("Publish", code, times=2, message="Rate exceeded")
            question = ask(world)
            assert attempts(world) == 3
            assert len(read_all(world)) == 1
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])

    def test_until_the_retries_are_used_up_is_a_refusal(self) -> None:
        """
        Given an instance with one retry, and an SNS that throttles every request.
        When a question is asked.
        Then the command fails after two requests and the question is taken out.
        """
        with stage(retries="1") as world:
            world.cloud.fail("Publish", "Throttling", times=10, message="Rate exceeded")
            assert ask_in_vain(world)[1] == (
                "AWS refused Publish with Throttling: look the code up in the AWS documentation. It said: Rate "
                "exceeded."
            )
            assert (attempts(world), listed(world)) == (2, {})


class TestNotAnswered:
    @pytest.mark.parametrize("delivered", [True, False], ids=["the text was sent", "the text was not sent"])
    @pytest.mark.parametrize("fault", ["read timeout", "InternalError"])
    def test_question_stays_open_and_nothing_is_sent_twice(self, fault: str, delivered: bool) -> None:
        """
        Given an SNS that holds its answer back, or answers with a server error.
        When a question is asked.
        Then the command fails with a sentence that says so after one request; the question can be answered.
        """
        with stage(**IMPATIENT) as world:
            phone = world.phone(PHONE)
            if fault == "read timeout":
                world.cloud.hang("Publish", HELD_BACK, deliver=delivered)
                reason = (
                    f"Publish failed with ReadTimeoutError: {CHECK_ROUTE}. It said: ReadTimeoutError: Read timeout on "
                    f'endpoint URL: "{world.cloud.url}/".'
                )
            else:
                world.cloud.fail("Publish", fault, status=500, deliver=delivered, message="Try later")
                reason = (
                    f"AWS refused Publish with {fault}: look the code up in the AWS documentation. It said: Try later."
                )
            question, sentence = ask_in_vain(world)
            assert sentence == NO_ANSWER.format(reason=reason)
            assert (attempts(world), len(read_all(world))) == (1, int(delivered))
            assert listed(world)[question.entitlement]["ReplyCodes"] == "Yes (1) or No (2)"

            phone.replies("1")
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])

    def test_asked_again_by_hand_sends_the_same_codes(self) -> None:
        """
        Given a question whose text may have been sent.
        When the same entitlement is sent again.
        Then the second text holds the same codes, and there is one question.
        """
        with stage(**IMPATIENT) as world:
            world.cloud.fail("Publish", "InternalError", status=500, deliver=True)
            question, _ = ask_in_vain(world)
            send(world, question.entitlement)
            assert read_all(world) == ["Deploy?\nYes (1) or No (2)"] * 2
            assert list(listed(world)) == [question.entitlement]

    def test_plain_notification_says_so_and_is_sent_once(self) -> None:
        """
        Given an SNS that sends a text and answers with a server error.
        When a plain notification is sent.
        Then the command fails with a sentence that speaks of no question, and there was one text.
        """
        with stage() as world:
            world.cloud.fail("Publish", "InternalError", status=500, deliver=True, message="Try later")
            entry = world.server.execute(SEND, {"to": PHONE, "message": "Deployed."})[0]
            assert error_of(entry) == (
                "AWS did not answer, so the SMS to +1425*****82 may have been sent or not: AWS refused Publish with "
                "InternalError: look the code up in the AWS documentation. It said: Try later."
            )
            assert (read_all(world), attempts(world)) == (["Deployed."], 1)


class TestNotReached:
    def test_connection_refused_takes_the_question_out(self) -> None:
        """
        Given an SNS that refuses connections.
        When a question is asked, and another one when it is reached again.
        Then the first command fails with a sentence and left nothing; the second has its codes.
        """
        with stage(retries="1", **SEQUENTIAL) as world:
            with world.cloud.unreachable():
                _, sentence = ask_in_vain(world)
            assert sentence == (
                f"Publish failed with EndpointConnectionError: {CHECK_ROUTE}. It said: EndpointConnectionError: Could "
                f'not connect to the endpoint URL: "{world.cloud.url}/".'
            )
            assert listed(world) == {}
            assert dict(ask(world).codes) == {"Yes": "1", "No": "2"}
            world.phone(PHONE).expects("Deploy?")

    def test_poller_survives_an_aws_that_cannot_be_reached(self) -> None:
        """
        Given a poller, and an AWS that refuses connections for a while.
        When it is reached again and a reply comes.
        Then the health said so meanwhile and is empty afterwards; the reply is answered.
        """
        with stage(retries="0") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.start_poller()
            world.wait_until(lambda: bool(world.cloud.requests("ReceiveMessage")), "a poll")
            with world.cloud.unreachable():
                world.wait_until(lambda: world.instance.health != "", "a health")
                assert world.instance.health.startswith("ReceiveMessage failed with ")
                assert CHECK_ROUTE in world.instance.health
            world.phone(PHONE).replies(question.codes["Yes"])
            assert_answered_once(world, [(question, "Yes")])
            assert world.instance.health == ""
            world.expect_log_error("ReceiveMessage failed with ")


class TestThankYou:
    @pytest.mark.parametrize(
        ("fault", "texts"),
        [("refused", 0), ("server error", 1), ("read timeout", 1)],
    )
    def test_that_fails_leaves_the_answer_and_is_not_repeated(self, fault: str, texts: int) -> None:
        """
        Given an SNS that refuses the thank-you, or does not answer although it sent it.
        When a reply is answered.
        Then the answer stands, the failure is in the log without the number, and there was one request.
        """
        with stage(timeout="1,1") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            faults = {
                "refused": lambda: world.cloud.fail("Publish", "AuthorizationError", status=403),
                "server error": lambda: world.cloud.fail("Publish", "InternalError", status=500, deliver=True),
                "read timeout": lambda: world.cloud.hang("Publish", HELD_BACK),
            }
            faults[fault]()
            before = attempts(world)
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert question.task.wait() == "Yes"
            logged = "A feedback SMS could not be sent, the answer stands: "
            world.wait_until(lambda: any(logged in error for error in world.errors()), "the failure in the log")
            world.expect_log_error(logged)
            wait_until_idle(world)
            assert (attempts(world) - before, len(read_all(world))) == (1, texts)
            assert listed(world)[question.entitlement]["Answered"] is True
            assert not any(PHONE in error for error in world.errors())

    def test_throttled_then_fine_is_one_text(self) -> None:
        """
        Given an SNS that throttles the thank-you once.
        When a reply is answered.
        Then there is one thank-you.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.cloud.fail("Publish", "Throttling")
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            world.phone(PHONE).expects(question.thanks("Yes"))
            assert_answered_once(world, [(question, "Yes")])

    def test_slow_thank_you_holds_up_no_other_answer(self) -> None:
        """
        Given an SNS that holds the first thank-you back.
        When a second question is answered meanwhile.
        Then its task goes on before the first thank-you is through.
        """
        with stage(visibility=30) as world:
            slow, fast = ask(world), ask(world, "+14255550183")
            world.cloud.hang("Publish", HELD_BACK)
            world.start_poller()
            world.phone(PHONE).replies(slow.codes["Yes"])
            assert slow.task.wait() == "Yes"
            world.phone("+14255550183").replies(fast.codes["No"])
            assert fast.task.wait(HELD_BACK / 2) == "No"
            world.allow_unread_texts()
