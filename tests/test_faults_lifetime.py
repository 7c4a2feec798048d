"""A question that ends by itself, and its reminders: containers die at each step, or none runs at the moment."""

import time

import pytest

from emulator.server import Call
from tests.faults import (
    CLAIM,
    ENDING,
    PHONE,
    POLLER,
    READ,
    SETTLE,
    TELL,
    THANK,
    WRITE,
    Effect,
    Gap,
    Killer,
    Refusal,
    ask,
    ask_too,
    assert_ended_once,
    gaps,
    hooked,
    let_end_in,
    let_pass,
    listed,
    read_all,
    stage,
    statuses,
    stored,
    told,
    wait_for_polls,
    wait_until_idle,
    wait_until_settled,
)
from tests.stage import CLOSED, SOMEONE_ELSE

OTHER = "+14255550183"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
TERMS = {"lifetime": "1 hour", "defaultResponse": "NoResponse"}
REMINDED = {"lifetime": "2 hours", "reminders": "2", "reminderInterval": "30 minutes"}
REMINDER = "Reminder: Deploy?\nYes (1) or No (2)"

COUNT = Effect("recording the reminder", WRITE)
REMIND = Effect("sending the reminder", "Publish")
BOTH_TEXTS = Effect("the thank-you and the notice", "Publish", 2)


class TestPollerKilledAtAnEnd:
    @pytest.mark.parametrize("gap", gaps(ENDING))
    def test_task_is_completed_once_with_the_default_response(self, gap: Gap) -> None:
        """
        Given a question to two phones whose lifetime is over.
        When the poller is killed in the gap and started again, and someone replies after that.
        Then the task has the default response, once; both rows are Expired; nobody got a text but who replied.
        """
        with stage() as world:
            question = ask(world, **TERMS)
            ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            let_pass(world, HOUR)
            killer = Killer(world, POLLER, gap)
            world.start_poller(restart=True)
            killer.wait()
            wait_until_settled(world, question)
            world.phone(PHONE).replies(question.codes["Yes"])
            assert world.phone(PHONE).expects() == CLOSED
            assert_ended_once(world, question, "NoResponse", "Expired")
            assert statuses(world, question) == {PHONE: "Expired", OTHER: "Expired"}


class TestPollerKilledOverAnAnswerOfOneOfTwo:
    @pytest.mark.parametrize(
        ("gap", "surely"),
        [
            pytest.param(Gap(CLAIM, "after"), True, id="after the claim: the next poller sends it"),
            pytest.param(Gap(SETTLE, "after"), False, id="after settling: it may be lost"),
            pytest.param(Gap(THANK, "after"), False, id="after the first text: the other one may be lost"),
            pytest.param(Gap(BOTH_TEXTS, "after"), True, id="after both texts"),
        ],
    )
    def test_the_other_is_told_once_at_most_that_someone_else_answered(self, gap: Gap, *, surely: bool) -> None:
        """
        Given a question to two phones, and the reply of one of them.
        When the poller is killed in the gap and started again.
        Then the answer stands, with one thank-you and one notice at most.
        """
        with stage() as world:
            question = ask(world)
            ask_too(world, question, OTHER)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller(restart=True)
            killer.wait()
            assert_ended_once(world, question, "Yes", "Answered")
            wait_until_idle(world)
            assert read_all(world) in ([question.thanks("Yes")], [question.thanks("Yes")] * surely)
            assert read_all(world, OTHER) in ([SOMEONE_ELSE], [SOMEONE_ELSE] * surely)


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
            assert [phone.expects() for _ in range(sent)] == [REMINDER] * sent
            let_pass(world, 30 * MINUTE)
            assert phone.expects() == REMINDER
            phone.replies("2")
            assert phone.expects() == question.thanks("No")
            wait_for_polls(world, 1)
            assert (told(world, question), read_all(world)) == (({"No"}, 1), [])


class TestNoPollerAtTheMoment:
    def test_end_is_told_in_the_first_poll_after_it(self) -> None:
        """
        Given two questions that ended while no poller ran, a month ago and now; a third was asked since.
        When a poller starts.
        Then it tells both default responses in its first poll; the third stays open.
        """
        with stage() as world:
            old = ask(world, **TERMS)
            let_pass(world, 30 * DAY)
            new = ask(world, text="Restore?", **TERMS)
            let_pass(world, HOUR)
            open_one = ask(world, text="Scale?", **TERMS)
            assert len(read_all(world)) == 3
            polls: list[int] = []

            def count_polls(call: Call) -> None:
                if (call.name, call.phase) == (TELL, "before"):
                    polls.append(len(world.cloud.requests("ReceiveMessage")))

            with hooked(world, count_polls):
                world.start_poller()
                wait_until_settled(world, old)
                wait_until_settled(world, new)
            assert len(polls) == 2
            # The queue may be asked for replies that are in time before, but not twice.
            assert max(polls) <= 1
            assert_ended_once(world, old, "NoResponse", "Expired")
            assert_ended_once(world, new, "NoResponse", "Expired")
            assert (open_one.task.completed, listed(world)[open_one.entitlement]["Status"]) == (False, "Open")

    def test_reply_that_came_in_time_stands_before_the_default_response(self) -> None:
        """
        Given a reply that reached AWS before the end of its question, while no poller ran.
        When a poller starts after the end.
        Then the answer counts and is thanked for, and the default response is never told.
        """
        with stage() as world:
            question = ask(world, **TERMS)
            world.phone(PHONE).expects("Deploy?")
            end = let_end_in(world, 1)
            world.phone(PHONE).replies(question.codes["Yes"])
            world.wait_until(lambda: time.time() > end, "the end")
            world.start_poller()
            assert world.phone(PHONE).expects() == question.thanks("Yes")
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
            question = ask(world, **REMINDED)
            phone = world.phone(PHONE)
            phone.expects("Deploy?")
            let_pass(world, 30 * MINUTE + late)
            world.start_poller()
            world.wait_until(lambda: stored(world, question).get("reminded") == 1, "the first counted")
            assert [phone.expects() for _ in range(sent)] == [REMINDER] * sent
            let_pass(world, 30 * MINUTE - late)
            assert phone.expects() == REMINDER
            assert listed(world)[question.entitlement]["RemindersLeft"] == 0
            wait_for_polls(world, 1)
            assert read_all(world) == []

    def test_reply_that_waits_on_the_queue_stops_a_reminder(self) -> None:
        """
        Given a reply on the queue, and a reminder that is due, while no poller ran.
        When a poller starts.
        Then the answer counts and is thanked for, and no reminder is sent to who has answered.
        """
        with stage(replyCodeMode="sequential") as world:
            question = ask(world, **REMINDED)
            world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies("2")
            let_pass(world, 30 * MINUTE)
            world.start_poller()
            assert question.task.wait() == "No"
            wait_until_idle(world)
            assert read_all(world) == [question.thanks("No")]

    def test_reply_in_time_stands_when_the_context_failed_over_the_end(self) -> None:
        """
        Given an integration context that the poller cannot read, and a reply that comes before the end.
        When the context can be read again after the end.
        Then the answer counts and is thanked for, and the default response is never told.
        """
        with stage() as world:
            question, phone = ask(world, **TERMS), world.phone(PHONE)
            phone.expects("Deploy?")
            world.expect_log_error("The integration context cannot be read")
            with Refusal(world, READ, RuntimeError("the server is busy"), command=POLLER):
                world.start_poller()
                world.wait_until(lambda: world.instance.health != "", "the health")
                end = let_end_in(world, 1)
                phone.replies(question.codes["Yes"])
                world.wait_until(lambda: time.time() > end, "the end")
            assert phone.expects() == question.thanks("Yes")
            assert_ended_once(world, question, "Yes", "Answered")
