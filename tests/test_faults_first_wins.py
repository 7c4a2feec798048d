"""Replies, and the end of a question, reach it at once: whichever is claimed first stands, at every step."""

import time

import pytest

from emulator.world import World
from tests.faults import (
    CLAIM,
    PHONE,
    POLLER,
    SETTLE,
    TELL_FIRST,
    Effect,
    Hold,
    ask,
    ask_too,
    assert_ended_once,
    let_end_in,
    let_pass,
    read_all,
    stage,
    wait_until_idle,
    wait_until_settled,
)
from tests.stage import CLOSED, SOMEONE_ELSE

OTHER = "+14255550183"
HOUR = 3600.0
TERMS = {"lifetime": "1 hour", "defaultResponse": "NoResponse"}
STEPS = pytest.mark.parametrize("effect", [TELL_FIRST, SETTLE], ids=lambda effect: f"before {effect.name}")


class TestAnswerAndEnd:
    @pytest.mark.parametrize("first", ["answer", "end"])
    def test_both_about_to_be_claimed_the_first_write_stands(self, first: str) -> None:
        """
        Given a poller about to claim the reply to a question, and another about to claim its default response.
        When one of them goes on and finishes before the other.
        Then its claim stands, the task is completed once, and the reply is thanked for or told that it is closed.
        """
        with stage(visibility=30) as world:
            world.start_poller()
            with Hold(world, POLLER, CLAIM) as answering:
                question, phone = ask(world, **TERMS), world.phone(PHONE)
                phone.expects("Deploy?")
                end = let_end_in(world, 1)
                phone.replies(question.codes["Yes"])
                answering.wait()
                world.wait_until(lambda: time.time() > end, "the end")
                with Hold(world, POLLER, CLAIM) as expiring:
                    world.start_poller()
                    expiring.wait()
                    (answering if first == "answer" else expiring).release()
                    wait_until_settled(world, question)
            assert phone.expects() == (question.thanks("Yes") if first == "answer" else CLOSED)
            ended = ("Yes", "Answered") if first == "answer" else ("NoResponse", "Expired")
            assert_ended_once(world, question, *ended)

    @STEPS
    def test_end_that_comes_after_the_claim_of_an_answer_changes_nothing(self, effect: Effect) -> None:
        """
        Given a reply that a poller has claimed, and is about to tell or to settle.
        When the lifetime ends, and another poller starts.
        Then the other one tells the answer, and there is one thank-you.
        """
        with stage(visibility=30) as world:
            question = ask(world, **TERMS)
            world.phone(PHONE).expects("Deploy?")
            with Hold(world, POLLER, effect) as answering:
                world.phone(PHONE).replies(question.codes["Yes"])
                world.start_poller()
                answering.wait()
                let_pass(world, HOUR)
                world.start_poller()
                wait_until_settled(world, question)
            assert world.phone(PHONE).expects() == question.thanks("Yes")
            assert_ended_once(world, question, "Yes", "Answered")

    @STEPS
    def test_reply_that_comes_after_the_claim_of_the_end_does_not_count(self, effect: Effect) -> None:
        """
        Given a default response that a poller has claimed, and is about to tell or to settle.
        When a reply comes and another poller takes it.
        Then the reply is told that the question is closed, and the task has the default response, once.
        """
        with stage(visibility=30) as world:
            question = ask(world, **TERMS)
            world.phone(PHONE).expects("Deploy?")
            let_pass(world, HOUR)
            with Hold(world, POLLER, effect) as expiring:
                world.start_poller()
                expiring.wait()
                world.phone(PHONE).replies(question.codes["Yes"])
                world.start_poller()
                assert world.phone(PHONE).expects() == CLOSED
            wait_until_settled(world, question)
            assert_ended_once(world, question, "NoResponse", "Expired")


def assert_told_of_the_other(world: World, phone: str) -> None:
    """The phone heard that someone else answered, for its copy of the question and for its reply, and nothing else."""
    texts = [text.text for text in world.phone(phone).texts if not text.text.startswith("Deploy?")]
    assert texts in ([SOMEONE_ELSE], [SOMEONE_ELSE] * 2)
    read_all(world, phone)


class TestTwoPeople:
    def test_of_two_replies_in_one_batch_the_older_wins(self) -> None:
        """
        Given a question to two phones, and a reply of each on the queue, the second phone's first.
        When a poller takes both at once.
        Then the second phone's answer stands and is thanked for; the first is told that someone else answered.
        """
        with stage() as world:
            question = ask(world)
            other = ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            world.phone(OTHER).replies(other.codes["No"])
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert world.phone(OTHER).expects() == other.thanks("No")
            wait_until_idle(world)
            assert_told_of_the_other(world, PHONE)
            assert_ended_once(world, other, "No", "Answered")

    @pytest.mark.parametrize("winner", [PHONE, OTHER], ids=["the first poller", "the second poller"])
    def test_of_two_replies_in_two_pollers_the_first_claim_wins(self, winner: str) -> None:
        """
        Given a question to two phones, and two pollers, each about to claim the reply of one of them.
        When one of them claims, tells and settles before the other.
        Then its answer stands and is thanked for; the other phone is told that someone else answered.
        """
        with stage(visibility=30) as world:
            question = ask(world)
            other = ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            won, option, loser = (question, "Yes", OTHER) if winner == PHONE else (other, "No", PHONE)
            with Hold(world, POLLER, CLAIM) as first:
                world.phone(PHONE).replies(question.codes["Yes"])
                world.start_poller()
                first.wait()
                with Hold(world, POLLER, CLAIM) as second:
                    world.phone(OTHER).replies(other.codes["No"])
                    world.start_poller()
                    second.wait()
                    (first if winner == PHONE else second).release()
                    wait_until_settled(world, won)
            assert world.phone(winner).expects() == won.thanks(option)
            wait_until_idle(world)
            assert_told_of_the_other(world, loser)
            assert_ended_once(world, won, option, "Answered")

    @STEPS
    def test_reply_of_the_other_that_comes_after_the_claim_does_not_count(self, effect: Effect) -> None:
        """
        Given a question to two phones, and a poller that has claimed the reply of one, about to tell or to settle it.
        When the other replies and another poller takes it.
        Then the first answer stands with one thank-you; the other is told that someone else answered.
        """
        with stage(visibility=30) as world:
            question = ask(world)
            other = ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            with Hold(world, POLLER, effect) as answering:
                world.phone(PHONE).replies(question.codes["Yes"])
                world.start_poller()
                answering.wait()
                world.phone(OTHER).replies(other.codes["No"])
                world.start_poller()
                assert world.phone(OTHER).expects() == SOMEONE_ELSE
            assert world.phone(PHONE).expects() == question.thanks("Yes")
            wait_until_idle(world)
            assert_told_of_the_other(world, OTHER)
            assert_ended_once(world, question, "Yes", "Answered")

    def test_who_replies_second_in_a_batch_is_told_once(self) -> None:
        """
        Given a question to two phones, and a reply of each on the queue.
        When a poller takes both at once.
        Then the second one hears once that someone else answered: its reply and its copy of the question are one event.
        """
        with stage() as world:
            question = ask(world)
            other = ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies(question.codes["Yes"])
            world.phone(OTHER).replies(other.codes["No"])
            world.start_poller()
            assert world.phone(PHONE).expects() == question.thanks("Yes")
            wait_until_idle(world)
            assert read_all(world, OTHER) == [SOMEONE_ELSE]
