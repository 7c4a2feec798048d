"""A question that an operator cancels: the command dies at each step, and replies race it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from emulator.incidents import ERROR, Entry
from emulator.world import World
from tests.faults import (
    CANCEL,
    CLAIM,
    ENDING,
    PHONE,
    POLLER,
    SETTLE,
    TELL_FIRST,
    Asked,
    Effect,
    Gap,
    Hold,
    Killer,
    ask,
    assert_answered_once,
    assert_ended_once,
    error_of,
    gaps,
    stage,
    statuses,
    told,
    wait_for_polls,
)
from tests.stage import CLOSED, readable

NOTHING_OPEN = "No open question matches, so nothing was cancelled. It may have been answered or have expired."


def cancel(world: World, question: Asked, response: str = "Abort") -> Entry:
    """What the command returns for the question."""
    return world.server.execute(CANCEL, {"entitlement_id": question.entitlement, "response": response})[0]


@contextmanager
def cancelling(world: World, question: Asked, response: str = "Abort") -> Iterator[Future[Entry]]:
    """The same beside the block; it has ended when the block is left."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(cancel, world, question, response)


class TestCommandKilled:
    @pytest.mark.parametrize("gap", gaps(ENDING)[:2])
    def test_run_again_it_is_cancelled_once(self, gap: Gap) -> None:
        """
        Given an aws-sns-sms-cancel-entitlement with a response that is killed in the gap.
        When it is run again, the person replies, and a poller starts.
        Then the task has the response, once; the question is Cancelled, and the reply is told that it is closed.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, CANCEL, gap)
            assert error_of(cancel(world, question)) == f"The container of {CANCEL} was killed."
            killer.wait()
            assert cancel(world, question)["Type"] != ERROR
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert world.phone(PHONE).expects() == CLOSED
            assert_ended_once(world, question, "Abort", "Cancelled")
            assert statuses(world, question) == {PHONE: "Cancelled"}

    @pytest.mark.parametrize("gap", gaps(ENDING))
    def test_not_run_again_the_poller_finishes_what_was_claimed(self, gap: Gap) -> None:
        """
        Given an aws-sns-sms-cancel-entitlement with a response that is killed in the gap.
        When the person replies and a poller starts.
        Then the task has the response, once, and the reply is told so; or the reply counts when nothing was claimed.
        """
        with stage() as world:
            question = ask(world)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            killer = Killer(world, CANCEL, gap)
            cancel(world, question)
            killer.wait()
            phone.replies(question.codes["Yes"])
            world.start_poller()
            claimed = gap != Gap(CLAIM, "before")
            assert phone.expects() == (CLOSED if claimed else question.thanks("Yes"))
            assert_ended_once(world, question, *(("Abort", "Cancelled") if claimed else ("Yes", "Answered")))

    @pytest.mark.parametrize("gap", gaps((CLAIM,)))
    def test_without_a_response_it_is_closed_and_completes_nothing(self, gap: Gap) -> None:
        """
        Given an aws-sns-sms-cancel-entitlement without a response that is killed before or after its write.
        When it is run again, the person replies, and a poller starts.
        Then the question is Cancelled, the reply is told so, and XSOAR is told nothing.
        """
        with stage() as world:
            question = ask(world, defaultResponse="NoResponse")
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, CANCEL, gap)
            cancel(world, question, "")
            killer.wait()
            again = readable(cancel(world, question, ""))
            assert (again == NOTHING_OPEN) == (gap.moment == "after")
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert world.phone(PHONE).expects() == CLOSED
            assert (told(world, question), question.task.completed) == ((set(), 0), False)
            assert statuses(world, question) == {PHONE: "Cancelled"}

    def test_answer_that_a_dead_poller_had_claimed_stands(self) -> None:
        """
        Given a Yes whose poller was killed after the claim.
        When the question is cancelled with a response and a poller starts.
        Then nothing was cancelled, and the task goes on with Yes.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, Gap(CLAIM, "after"))
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            killer.wait()
            assert readable(cancel(world, question)) == NOTHING_OPEN
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])


class TestReplyInFlight:
    @pytest.mark.parametrize("response", ["Abort", ""], ids=["with a response", "without a response"])
    def test_cancelled_between_receiving_and_claiming_the_reply_does_not_count(self, response: str) -> None:
        """
        Given a reply that a poller has received and judged, and has not claimed yet.
        When the question is cancelled before its write.
        Then the task has the response or nothing, the reply is told that the question is closed, and is deleted.
        """
        with stage(visibility=30) as world:
            question = ask(world)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            with Hold(world, POLLER, CLAIM) as poller:
                phone.replies(question.codes["Yes"])
                world.start_poller()
                poller.wait()
                assert cancel(world, question, response)["Type"] != ERROR
            assert phone.expects() == CLOSED
            assert told(world, question) == (({response}, 1) if response else (set(), 0))
            assert statuses(world, question) == {PHONE: "Cancelled"}

    def test_claimed_between_the_read_and_the_write_of_the_command_the_answer_stands(self) -> None:
        """
        Given an aws-sns-sms-cancel-entitlement that has found the question open.
        When a reply is claimed, told and settled before its write.
        Then the answer stands, and the command says that nothing was open.
        """
        with stage() as world:
            question = ask(world)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            world.start_poller()
            with cancelling(world, question) as cancelled, Hold(world, CANCEL, CLAIM) as command:
                command.wait()
                phone.replies(question.codes["Yes"])
                assert phone.expects() == question.thanks("Yes")
                command.release()
                assert readable(cancelled.result(10)) == NOTHING_OPEN
            assert_ended_once(world, question, "Yes", "Answered")

    @pytest.mark.parametrize("effect", [TELL_FIRST, SETTLE], ids=lambda effect: f"before {effect.name}")
    def test_cancelled_after_the_claim_the_answer_stands(self, effect: Effect) -> None:
        """
        Given a reply that a poller has claimed, and is about to tell or to settle.
        When the question is cancelled with a response.
        Then nothing was cancelled, and the task goes on with the answer.
        """
        with stage(visibility=30) as world:
            question = ask(world)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            with Hold(world, POLLER, effect) as poller:
                phone.replies(question.codes["Yes"])
                world.start_poller()
                poller.wait()
                assert readable(cancel(world, question)) == NOTHING_OPEN
            assert phone.expects() == question.thanks("Yes")
            assert_ended_once(world, question, "Yes", "Answered")

    @pytest.mark.parametrize("effect", [TELL_FIRST, SETTLE], ids=lambda effect: f"before {effect.name}")
    def test_reply_that_comes_after_the_claim_of_the_command_does_not_count(self, effect: Effect) -> None:
        """
        Given an aws-sns-sms-cancel-entitlement that has claimed the question, and is about to tell or to settle.
        When a reply comes.
        Then it is told that the question is closed, and the task has the response of the command, once.
        """
        with stage() as world:
            question = ask(world)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            world.start_poller()
            wait_for_polls(world, 1)
            with cancelling(world, question) as cancelled, Hold(world, CANCEL, effect) as command:
                command.wait()
                phone.replies(question.codes["Yes"])
                assert phone.expects() == CLOSED
                command.release()
                assert "Abort" in readable(cancelled.result(10))
            assert_ended_once(world, question, "Abort", "Cancelled")
