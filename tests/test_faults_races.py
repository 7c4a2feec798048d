"""Several containers at once, and replies that arrive more than once: every question is answered once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from emulator.incidents import ERROR, Entry, Task
from emulator.server import Call
from emulator.world import World
from tests.faults import (
    PHONE,
    TELL,
    WRITE,
    Asked,
    ask,
    ask_many,
    assert_answered_once,
    hooked,
    listed,
    new_entitlement,
    read,
    read_all,
    send,
    stage,
    told,
    wait_until_idle,
)

OTHER = "+14255550183"


def all_at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """Run the actions, each in a thread of its own, and return what they returned."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(60) for future in [pool.submit(action) for action in actions]]


def sms_ask_user(world: World, name: str) -> tuple[Task, list[Entry]]:
    """Run SMSAskUser for a task in an incident of its own; the task and the entries it returned."""
    incident = world.incident()
    task = incident.add_task()
    line = f'!SMSAskUser phone={PHONE} message="{name}" option1=Yes option2=No task={task.number}'
    return task, world.war_room(line, incident)


def ask_in_parallel(world: World, count: int) -> dict[str, Task]:
    """Ask one phone so many questions at once; the tasks by the code of Yes. No code is shared."""
    asked = all_at_once([partial(sms_ask_user, world, f"Question {number}") for number in range(count)])
    assert [entry["Contents"] for _, entries in asked for entry in entries if entry["Type"] == ERROR] == []
    codes = [entries[0]["Contents"]["CodesToOptions"] for _, entries in asked]
    assert len({code for question in codes for code in question}) == 2 * count
    texts = [world.phone(PHONE).codes(text) for text in read_all(world)]
    assert sorted(text["Yes"] for text in texts) == sorted(next(iter(question)) for question in codes)
    return {next(iter(question)): task for (task, _), question in zip(asked, codes, strict=True)}


class TestAskingAtOnce:
    def test_two_to_one_phone_share_no_code(self) -> None:
        """
        Given sequential codes.
        When two SMSAskUser ask one phone at the same moment.
        Then the questions have the codes 1 to 4 between them, and both can be answered.
        """
        with stage(replyCodeMode="sequential") as world:
            barrier = threading.Barrier(2, timeout=20)
            first_write: set[int] = set()

            def meet(call: Call) -> None:
                """Let both read before either writes."""
                if (call.name, call.phase) == (WRITE, "before") and call.container.pid not in first_write:
                    first_write.add(call.container.pid)
                    barrier.wait()

            with hooked(world, meet):
                tasks = ask_in_parallel(world, 2)
            assert sorted(tasks) == ["1", "3"]
            assert world.instance.context.counters.conflicts >= 1
            world.start_poller()
            for code, task in tasks.items():
                world.phone(PHONE).replies(code)
                assert task.wait() == "Yes"
                world.phone(PHONE).expects(f"{code} - Thank you")

    def test_twelve_to_one_phone_are_all_registered_and_answerable(self) -> None:
        """
        Given random codes.
        When twelve SMSAskUser ask one phone at once and the phone answers them all.
        Then no code was shared, and every task goes on, each with one thank-you.
        """
        with stage(visibility=30) as world:
            tasks = ask_in_parallel(world, 12)
            assert len(listed(world)) == 12
            world.start_poller()
            for code in tasks:
                world.phone(PHONE).replies(code)
            assert [task.wait() for task in tasks.values()] == ["Yes"] * 12
            thanks = sorted(world.phone(PHONE).expects() for _ in tasks)
            assert thanks == sorted(f"{code} - Thank you for your response!" for code in tasks)

    def test_asking_while_the_poller_answers_loses_neither(self) -> None:
        """
        Given three open questions and a poller.
        When they are answered while three more are asked.
        Then all six are answered once, and no code was shared.
        """
        with stage(visibility=30) as world:
            first = ask_many(world, [PHONE] * 3)
            world.start_poller()
            phone = world.phone(PHONE)
            answers = [partial(phone.replies, question.codes["Yes"]) for question in first]
            asks = [lambda: ask(world, text="Restore?") for _ in range(3)]
            second: list[Asked] = all_at_once([*asks, *answers])[:3]
            for question in second:
                phone.replies(question.codes["No"])
            chosen = [(question, "Yes") for question in first] + [(question, "No") for question in second]
            assert all(question.task.wait() == option for question, option in chosen)
            texts = read(world, 9)
            due = [question.thanks(option) for question, option in chosen]
            assert sorted(text for text in texts if "Thank you" in text) == sorted(due)
            assert sum("Restore?" in text for text in texts) == 3
            rows = listed(world)
            assert [rows[question.entitlement]["ChosenOption"] for question, _ in chosen] == ["Yes"] * 3 + ["No"] * 3

    def test_same_entitlement_twice_of_which_one_is_refused_stays_open(self) -> None:
        """
        Given one entitlement that is sent twice at the same moment.
        When AWS refuses one of the two texts.
        Then the text that left can be answered.
        """
        with stage() as world:
            incident = world.incident()
            task = incident.add_task()
            entitlement = new_entitlement(world, incident, task)
            barrier = threading.Barrier(2, timeout=20)
            met: set[int] = set()

            def meet(call: Call) -> None:
                """Let both register before either sends."""
                if (call.name, call.phase) == (WRITE, "after") and call.container.pid not in met:
                    met.add(call.container.pid)
                    barrier.wait()

            world.cloud.fail("Publish", "InvalidParameter")
            with hooked(world, meet):
                entries = all_at_once([lambda: send(world, entitlement)] * 2)
            assert sorted(entry["Type"] for entry in entries) == [1, ERROR]
            text = world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies(world.phone(PHONE).codes(text)["No"])
            world.start_poller()
            assert task.wait() == "No"
            world.phone(PHONE).expects("Thank you")


class TestPollersOverlap:
    def test_twenty_replies_are_answered_once_each(self) -> None:
        """
        Given twenty questions and their replies on the queue.
        When two pollers take them at the same moment.
        Then each question was answered once with its option and got exactly one thank-you.
        """
        with stage(visibility=2) as world:
            phones = [f"+142555501{number:02}" for number in range(10, 30)]
            asked = ask_many(world, phones)
            chosen = [(question, ("Yes", "No")[number % 2]) for number, question in enumerate(asked)]
            for question, option in chosen:
                world.phone(question.phone).replies(question.codes[option])
            barrier = threading.Barrier(2, timeout=20)
            met: set[int] = set()

            def meet(call: Call) -> None:
                """Let both match their replies before either claims."""
                if (call.name, call.phase) == (WRITE, "before") and call.container.pid not in met:
                    met.add(call.container.pid)
                    barrier.wait()

            with hooked(world, meet):
                world.start_poller()
                world.start_poller()
                assert [question.task.wait() for question in asked] == [option for _, option in chosen]
            for question, option in chosen:
                world.phone(question.phone).expects(question.thanks(option))
            assert_answered_once(world, chosen)
            assert world.instance.context.counters.conflicts >= 1

    def test_claim_that_two_pollers_tell_is_thanked_once(self) -> None:
        """
        Given a poller that hangs while it tells XSOAR an answer.
        When a second poller starts and tells the same claim first.
        Then XSOAR has one answer and the phone one thank-you.
        """
        with stage(visibility=30) as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            tellers: list[int] = []
            second_has_settled = threading.Event()

            def hold(call: Call) -> None:
                """The first teller waits until the second has settled."""
                if (call.name, call.phase) == (TELL, "before"):
                    tellers.append(call.container.pid)
                    assert call.container.pid != tellers[0] or second_has_settled.wait(20)
                if (call.name, call.phase) == (WRITE, "after") and tellers and call.container.pid != tellers[0]:
                    second_has_settled.set()

            with hooked(world, hold):
                world.phone(PHONE).replies(question.codes["Yes"])
                world.start_poller()
                world.wait_until(lambda: len(tellers) == 1, "the first telling")
                world.start_poller()
                world.wait_until(lambda: world.cloud.queue_depth() == 0, "an empty queue", within=20)
            world.phone(PHONE).expects(question.thanks("Yes"))
            assert_answered_once(world, [(question, "Yes")])
            assert len(tellers) == 2


def payload(text: str, inbound_id: str | None = None) -> str:
    """The JSON that AWS publishes for a reply, with or without its id."""
    reply = {"originationNumber": PHONE, "messageBody": text}
    return json.dumps(reply | ({"inboundMessageId": inbound_id} if inbound_id else {}))


def notification(message: str, message_id: str) -> str:
    """The envelope that SNS puts around a payload."""
    return json.dumps({"Type": "Notification", "MessageId": message_id, "Message": message})


FIRST, SECOND, THIRD = (f"5b1c6a2e-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
# What SQS hands over when AWS delivers one reply three times: an SQS id of its own each time.
COPIES: dict[str, Callable[[str], list[str]]] = {
    "one inboundMessageId in notifications with ids of their own": lambda text: [
        notification(payload(text, "inbound-1"), message_id) for message_id in (FIRST, SECOND, THIRD)
    ],
    "one inboundMessageId, delivered raw": lambda text: [payload(text, "inbound-1")] * 3,
    "one notification without an inboundMessageId": lambda text: [notification(payload(text), FIRST)] * 3,
}


class TestDeliveredAgain:
    @pytest.mark.parametrize("copies", COPIES.values(), ids=COPIES.keys())
    def test_reply_answers_once_and_never_the_next_question(self, copies: Callable[[str], list[str]]) -> None:
        """
        Given sequential codes, an open question 1 or 2 beside another one, and the reply 1 twice on the queue.
        When it is answered, and a third copy comes once the code 1 belongs to the next question.
        Then there was one thank-you and no list of codes, and the next question waits for its own reply.
        """
        with stage(replyCodeMode="sequential") as world:
            question, _ = ask(world), ask(world, text="Restore?")
            assert len(read_all(world)) == 2
            first, second, third = copies("1")
            world.cloud.send_raw_to_queue(first)
            world.cloud.send_raw_to_queue(second)
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])

            following = ask(world, text="Scale?")
            assert dict(following.codes) == {"Yes": "1", "No": "2"}
            world.phone(PHONE).expects("Scale?")
            world.cloud.send_raw_to_queue(third)
            wait_until_idle(world)
            assert (following.task.completed, told(world, question)) == (False, ({"Yes"}, 1))
            world.phone(PHONE).replies("2")
            assert_answered_once(world, [(following, "No")])

    @pytest.mark.parametrize("copies", COPIES.values(), ids=COPIES.keys())
    def test_unrecognised_reply_gets_one_list_of_codes(self, copies: Callable[[str], list[str]]) -> None:
        """
        Given an open question and a reply that is no code, twice in a batch and once after it.
        When the poller takes all three.
        Then the phone gets one list of codes.
        """
        with stage(replyCodeMode="sequential") as world:
            ask(world)
            world.phone(PHONE).expects("Deploy?")
            first, second, third = copies("maybe")
            world.cloud.send_raw_to_queue(first)
            world.cloud.send_raw_to_queue(second)
            world.start_poller()
            wait_until_idle(world)
            world.cloud.send_raw_to_queue(third)
            wait_until_idle(world)
            world.phone(PHONE).expects("available reply codes: Yes (1), No (2)")

    def test_reply_without_any_id_answers_once(self) -> None:
        """
        Given raw delivery of a reply that has no id but those that SQS gives its copies.
        When two copies come.
        Then the question is answered once with one thank-you; the second copy is told that it was answered.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.cloud.send_raw_to_queue(payload(question.codes["No"]))
            world.cloud.send_raw_to_queue(payload(question.codes["No"]))
            world.start_poller()
            assert_answered_once(world, [(question, "No")], explained=["You already answered: No."])

    def test_reply_that_could_not_be_deleted_answers_once(self) -> None:
        """
        Given an SQS that fails to delete an answered reply.
        When the reply comes back after its visibility timeout.
        Then it is deleted then, with one answer and one thank-you; the health said so meanwhile.
        """
        with stage(retries="0") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.cloud.fail("DeleteMessageBatch", "InternalError", status=500, message="Try later")
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")])
            assert len(world.cloud.requests("DeleteMessageBatch")) == 2
            assert len([text for text in world.instance.health_history if "DeleteMessageBatch" in text]) == 1
            assert world.instance.health == ""
            world.expect_log_error("DeleteMessageBatch")

    def test_two_replies_without_an_id_of_any_kind_are_two(self) -> None:
        """
        Given two questions and raw delivery of replies without an inboundMessageId.
        When both are answered.
        Then neither reply is taken for a copy of the other.
        """
        with stage() as world:
            deploy, restore = ask_many(world, [PHONE, PHONE])
            world.cloud.send_raw_to_queue(payload(deploy.codes["No"]))
            world.cloud.send_raw_to_queue(payload(restore.codes["Yes"]))
            world.start_poller()
            assert_answered_once(world, [(deploy, "No"), (restore, "Yes")])

    def test_one_inbound_id_from_two_phones_is_two_replies(self) -> None:
        """
        Given one question to each of two phones.
        When their replies carry the same inboundMessageId.
        Then both are answered.
        """
        with stage() as world:
            here, there = ask_many(world, [PHONE, OTHER])
            world.phone(PHONE).replies(here.codes["Yes"], inboundMessageId="inbound-1")
            world.phone(OTHER).replies(there.codes["No"], inboundMessageId="inbound-1")
            world.start_poller()
            assert_answered_once(world, [(here, "Yes"), (there, "No")])
