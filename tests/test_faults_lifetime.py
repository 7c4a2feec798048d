"""A question that ends by itself, and its reminders: containers die at each step, or none runs at the moment."""

import time

import pytest

from tests.faults import (
    CLAIM,
    ENDING,
    PHONE,
    POLLER,
    SETTLE,
    TELL_FIRST,
    THANK,
    WRITE,
    Effect,
    Gap,
    Killer,
    ask,
    ask_too,
    assert_answered_once,
    assert_ended_once,
    gaps,
    let_pass,
    listed,
    read_all,
    stage,
    told,
    wait_for_polls,
    wait_until_idle,
)
from tests.stage import CLOSED, SOMEONE_ELSE

OTHER = "+14255550183"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
TERMS = {"lifetime": "1 hour", "defaultResponse": "NoResponse"}
REMINDED = {"lifetime": "2 hours", "reminders": "2", "reminderInterval": "30 minutes"}

COUNT = Effect("recording the reminder", WRITE)
REMIND = Effect("sending the reminder", "Publish")
THANK_AND_NOTIFY = Effect("the thank-you and the notice", "Publish", 2)


class TestPollerKilledAtAnEnd:
    @pytest.mark.parametrize("gap", gaps(ENDING))
    def test_task_is_completed_once_with_the_default_response(self, gap: Gap) -> None:
        """
        Given a question to two phones whose lifetime is over.
        When the poller is killed in the gap and started again, and someone replies after that.
        Then one poll later the task has the default response, once; both rows are Expired; the reply is told so.
        """
        with stage() as world:
            question = ask(world, **TERMS)
            ask_too(world, question, OTHER, **TERMS)
            assert (len(read_all(world)), len(read_all(world, OTHER))) == (1, 1)
            let_pass(world, HOUR)
            killer = Killer(world, POLLER, gap)
            world.start_poller(restart=True)
            killer.wait()
            wait_for_polls(world, 2)
            assert_ended_once(world, question, "NoResponse", "Expired")
            world.phone(PHONE).replies(question.codes["Yes"])
            assert world.phone(PHONE).expects() == CLOSED
            assert told(world, question) == ({"NoResponse"}, 1)

    def test_killed_at_every_step_in_turn_completes_it_once(self) -> None:
        """
        Given a question that is over, and a poller that dies after the claim, its successor after telling.
        When the third one runs undisturbed.
        Then the task was completed once with the default response, and the question is Expired.
        """
        with stage() as world:
            question = ask(world, **TERMS)
            world.phone(PHONE).expects("Deploy?")
            let_pass(world, HOUR)
            for effect in (CLAIM, TELL_FIRST):
                killer = Killer(world, POLLER, Gap(effect, "after"))
                world.start_poller()
                killer.wait()
            world.start_poller()
            wait_for_polls(world, 2)
            assert_ended_once(world, question, "NoResponse", "Expired")


class TestPollerKilledOverAnAnswerOfOneOfTwo:
    @pytest.mark.parametrize("gap", [*gaps((CLAIM, TELL_FIRST, SETTLE, THANK))[1:], pytest.param(Gap(THANK_AND_NOTIFY, "after"), id="after both texts")])
    def test_it_is_answered_once_and_the_other_hears_of_it_once_at_most(self, gap: Gap) -> None:
        """
        Given a question to two phones, and the reply of one of them.
        When the poller is killed in the gap and started again.
        Then the answer stands, the other is told at most once that someone else gave it, surely before the settling.
        """
        with stage() as world:
            question = ask(world)
            ask_too(world, question, OTHER)
            assert (len(read_all(world)), len(read_all(world, OTHER))) == (1, 1)
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller(restart=True)
            killer.wait()
            if gap.effect in (CLAIM, TELL_FIRST):
                assert world.phone(OTHER).expects() == SOMEONE_ELSE
            assert_answered_once(world, [(question, "Yes")])
            assert read_all(world, OTHER) in ([], [SOMEONE_ELSE] * (gap.effect not in (CLAIM, TELL_FIRST)))
            assert_ended_once(world, question, "Yes", "Answered")


class TestPollerKilledAtAReminder:
    @pytest.mark.parametrize(
        ("gap", "sent"),
        [
            pytest.param(Gap(COUNT, "before"), 1, id="before recording it: the next poller sends it"),
            pytest.param(Gap(COUNT, "after"), 0, id="after recording it: that one is lost"),
            pytest.param(Gap(REMIND, "before"), 0, id="before sending it: the same"),
            pytest.param(Gap(REMIND, "after"), 1, id="after sending it: once"),
        ],
    )
    def test_no_reminder_is_sent_twice_and_the_next_one_goes_out(self, gap: Gap, sent: int) -> None:
        """
        Given a question with two reminders, the first of which is due.
        When the poller is killed in the gap and started again, and the second one's moment comes.
        Then the first was sent once at most and the second once, with the same codes, and it can be answered.
        """
        with stage(replyCodeMode="sequential") as world:
            question = ask(world, **REMINDED)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            let_pass(world, 30 * MINUTE)
            killer = Killer(world, POLLER, gap)
            world.start_poller(restart=True)
            killer.wait()
            wait_for_polls(world, 2)
            assert read_all(world) == ["Reminder: Deploy?\nYes (1) or No (2)"] * sent
            let_pass(world, 30 * MINUTE)
            assert phone.expects() == "Reminder: Deploy?\nYes (1) or No (2)"
            phone.replies("2")
            assert_answered_once(world, [(question, "No")])


class TestNoPollerAtTheMoment:
    @pytest.mark.parametrize("seconds", [HOUR, 30 * DAY], ids=["of a minute ago", "of a month ago"])
    def test_end_is_told_within_one_poll_of_the_start(self, seconds: float) -> None:
        """
        Given a question that ended while no poller ran; another one was asked since.
        When a poller starts.
        Then it tells the default response in its first poll; the other question stays open.
        """
        with stage() as world:
            question = ask(world, **TERMS)
            let_pass(world, seconds)
            other = ask(world, text="Restore?", **TERMS)
            assert len(read_all(world)) == 2
            world.start_poller()
            wait_for_polls(world, 2)
            assert_ended_once(world, question, "NoResponse", "Expired")
            assert (other.task.completed, listed(world)[other.entitlement]["Status"]) == (False, "Open")

    def test_reply_that_came_in_time_stands_before_the_default_response(self) -> None:
        """
        Given a reply that reached AWS before the end of its question, while no poller ran.
        When a poller starts after the end.
        Then the answer counts and is thanked for, and the default response is never told.
        """
        with stage() as world:
            question = ask(world, lifetime="2 seconds", defaultResponse="NoResponse")
            ends = world.phone(PHONE).texts[-1].time + 2
            world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies(question.codes["Yes"])
            world.wait_until(lambda: time.time() > ends, "the end")
            world.start_poller()
            assert world.phone(PHONE).expects() == question.thanks("Yes")
            wait_until_idle(world)
            assert_ended_once(world, question, "Yes", "Answered")

    @pytest.mark.parametrize(
        ("late", "sent"), [(5.0, 1), (20 * MINUTE, 0)], ids=["by seconds: it is sent", "by minutes: it is left out"]
    )
    def test_reminder_that_is_late(self, late: float, sent: int) -> None:
        """
        Given a question with two reminders, and no poller at the moment of the first.
        When a poller starts late, and the moment of the second comes.
        Then the first is sent when it is late by seconds only; the second is sent; none comes twice.
        """
        with stage(replyCodeMode="sequential") as world:
            ask(world, **REMINDED)
            world.phone(PHONE).expects("Deploy?")
            let_pass(world, 30 * MINUTE + late)
            world.start_poller()
            wait_for_polls(world, 2)
            assert listed(world).popitem()[1]["RemindersLeft"] == 1
            assert read_all(world) == ["Reminder: Deploy?\nYes (1) or No (2)"] * sent
            let_pass(world, 30 * MINUTE - late)
            assert world.phone(PHONE).expects() == "Reminder: Deploy?\nYes (1) or No (2)"
            wait_for_polls(world, 2)
            assert listed(world).popitem()[1]["RemindersLeft"] == 0
