"""The integration context fails, holds what is not ours, or changes between a read and its write."""

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.world import World
from tests.faults import (
    CLAIM,
    INJECT,
    PHONE,
    POLLER,
    READ,
    REGISTER,
    SEND,
    SETTLE,
    WITHDRAW,
    WRITE,
    Asked,
    Effect,
    Interruption,
    Refusal,
    ask,
    ask_many,
    assert_answered_once,
    error_of,
    listed,
    new_entitlement,
    read,
    read_all,
    send,
    stage,
    told,
    wait_until_idle,
)

BUSY = RuntimeError("the server is busy")
CANNOT_READ = "The integration context cannot be read: RuntimeError: the server is busy."
CANNOT_WRITE = "The integration context cannot be written: RuntimeError: the server is busy."
COMMANDS = {
    SEND: {"to": PHONE, "message": "Deploy? - Reply Yes or No: 8a4c2d1e-1111-4222-8333-944455556666@1|1"},
    "aws-sns-sms-list-entitlements": {},
    INJECT: {"phone_number": PHONE, "reply_code": "1"},
}


def stored(world: World) -> dict[str, str]:
    return world.instance.context.read()[0]


def new_question(world: World, text: str = "Deploy?") -> dict[str, Any]:
    """The entry of a send-notification for a fresh entitlement, whatever it says."""
    incident = world.incident()
    return send(world, new_entitlement(world, incident, incident.add_task()), text=text)


class TestReadsFail:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_command_fails_with_the_sentence_and_changes_nothing(self, command: str) -> None:
        """
        Given a context with an open question, which the server does not hand out.
        When a command needs it.
        Then the command fails with a sentence; the context is as it was and no text has left.
        """
        with stage() as world:
            ask(world)
            world.phone(PHONE).expects("Deploy?")
            before, writes = stored(world), world.instance.context.counters.writes
            with Refusal(world, READ, BUSY):
                entry = world.server.execute(command, COMMANDS[command])[0]
            assert error_of(entry) == CANNOT_READ
            assert stored(world) == before
            assert world.instance.context.counters.writes == writes

    def test_poller_reports_it_loses_nothing_and_recovers(self) -> None:
        """
        Given a poller, and a server that does not hand out the context.
        When a reply comes and the context can be read again later.
        Then the health said so meanwhile and is empty afterwards; the reply is answered once.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.start_poller()
            world.wait_until(lambda: bool(world.cloud.requests("ReceiveMessage")), "a poll")
            before = stored(world)
            with Refusal(world, READ, BUSY) as refusal:
                world.phone(PHONE).replies(question.codes["Yes"])
                world.wait_until(lambda: refusal.count >= 2, "two failed reads")
                assert world.instance.health == CANNOT_READ
                assert stored(world) == before
            assert_answered_once(world, [(question, "Yes")])
            assert world.instance.health == ""
            assert [text for text in world.instance.health_history if text] == [CANNOT_READ]
            world.expect_log_error(CANNOT_READ)

    def test_poller_that_starts_without_the_context_recovers(self) -> None:
        """
        Given a server that does not hand out the context, and a reply on the queue.
        When a poller starts, and the context can be read again later.
        Then it takes no message before, and answers the question after that.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies(question.codes["No"])
            with Refusal(world, READ, BUSY):
                world.start_poller()
                world.wait_until(lambda: world.instance.health == CANNOT_READ, "the failed read as health")
                assert world.cloud.requests("ReceiveMessage") == []
            assert_answered_once(world, [(question, "No")])
            world.expect_log_error(CANNOT_READ)


class TestWritesFail:
    def test_asking_sends_nothing(self) -> None:
        """
        Given a server that does not store the context.
        When a question is asked.
        Then the command fails with a sentence and no text leaves.
        """
        with stage() as world:
            with Refusal(world, WRITE, BUSY):
                entry = new_question(world)
            assert error_of(entry) == CANNOT_WRITE
            assert (stored(world), world.cloud.texts) == ({}, [])

    def test_write_that_was_stored_although_it_raised_sends_nothing(self) -> None:
        """
        Given a server that stores the question and then fails to say so.
        When the same entitlement is asked again.
        Then the first command failed without a text, and the second sends the one question there is.
        """
        with stage() as world:
            incident = world.incident()
            entitlement = new_entitlement(world, incident, incident.add_task())
            with Refusal(world, WRITE, BUSY, moment="after"):
                entry = send(world, entitlement)
            assert error_of(entry) == CANNOT_WRITE
            assert world.cloud.texts == []
            send(world, entitlement)
            world.phone(PHONE).expects("Deploy?")
            assert list(listed(world)) == [entitlement]

    def test_withdrawal_that_fails_says_that_the_question_stays(self) -> None:
        """
        Given a text that AWS refuses, and a server that does not store its question's removal.
        When the question is asked.
        Then the sentence says both.
        """
        with stage() as world:
            world.cloud.fail("Publish", "InvalidParameter", message="Invalid parameter: PhoneNumber")
            with Refusal(world, WRITE, BUSY, only=lambda args: '"guid"' not in args["context"]["entitlements"]):
                entry = new_question(world)
            assert error_of(entry) == (
                "AWS refused Publish with InvalidParameter: check the phone number, the Origination Number and the "
                "Sender ID. It said: Invalid parameter: PhoneNumber. Its question stays registered until it expires, "
                f"as it could not be taken out: {CANNOT_WRITE}"
            )
            assert len(listed(world)) == 1

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("nth", [1, 2], ids=["the claim", "settling"])
    def test_poller_answers_once_all_the_same(self, nth: int, moment: Any) -> None:
        """
        Given a poller whose write fails once, stored or not.
        When a reply comes.
        Then it is answered once, the health said so meanwhile and is empty afterwards.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.start_poller()
            writes = iter(range(1, 100))
            with Refusal(world, WRITE, BUSY, moment=moment, times=1, only=lambda _: next(writes) == nth):
                world.phone(PHONE).replies(question.codes["Yes"])
                assert_answered_once(world, [(question, "Yes")])
            assert world.instance.health == ""
            assert CANNOT_WRITE in world.instance.health_history
            world.expect_log_error(CANNOT_WRITE)


QUESTION = (
    '{"guid":"8a4c2d1e-1111-4222-8333-944455556666","incident":"1","task":"1","phone":"+14255550182","text":"Deploy?",'
    '"codes":{"1":"Yes"},"created":1,"expires":4102444800,"sends":1,"claim":null}'
)


def with_field(old: str, new: str) -> str:
    """A list of one question that differs from a good one in one place."""
    assert old in QUESTION
    return f"[{QUESTION.replace(old, new)}]"


def with_claim(option: str, code: str, at: str) -> str:
    """A list of one question that an answer was claimed for, each value as JSON."""
    rest = '"reply_id":"inbound-1","told_at":null,"error":""'
    return with_field('"claim":null', f'"claim":{{"option":{option},"code":{code},"at":{at},{rest}}}')


FOREIGN_QUESTIONS = {
    "half an object": '{"guid": "8a4c',
    "a plain text": "reset me",
    "null": "null",
    "an object": '{"version": 2}',
    "an empty object": "{}",
    "an empty text": '""',
    "a list of numbers": "[1, 2]",
    "a list of lists": "[[]]",
    "a question without a phone": '[{"guid": "8a4c2d1e-1111-4222-8333-944455556666"}]',
    "a good question and a broken one": f'[{QUESTION},{{"guid":1}}]',
    "a code that is no number": with_field('"1":"Yes"', '"yes":"Yes"'),
    "an option that is a number": with_field('"1":"Yes"', '"1":7'),
    "a phone that is a number": with_field('"+14255550182"', "14255550182"),
    "a GUID that is null": with_field('"8a4c2d1e-1111-4222-8333-944455556666"', "null"),
    "a time that is a text": with_field('"created":1', '"created":"today"'),
    "a claim that is a text": with_field('"claim":null', '"claim":"Yes"'),
    "a claim at no time": with_claim('"Yes"', '"1"', '"now"'),
    "a claim of a number": with_claim("7", '"1"', "1"),
    "a claim of no code": with_claim('"Yes"', '"2"', "1"),
    "50,000 brackets": "[" * 50_000,
}
FOREIGN_PHONES = {
    "a plain text": "reset me",
    "a list": "[]",
    "a phone that is a number": '{"+14255550182": 5}',
    "feedback that is a text": '{"+14255550182": {"feedback": "ab"}}',
    "feedback without a time": '{"+14255550182": {"feedback": [["id", "today"]]}}',
}
KINDS = {"questions": ("entitlements", FOREIGN_QUESTIONS), "phones": ("phones", FOREIGN_PHONES)}


def foreign_contexts() -> Iterator[Any]:
    """Each foreign text under its key of the context, as a pytest parameter."""
    for kind, (key, texts) in KINDS.items():
        for name, text in texts.items():
            yield pytest.param({key: text}, id=f"{kind}: {name}")


@pytest.fixture(scope="class")
def world() -> Iterator[World]:
    """One stage for a whole class: each of its tests puts a context of its own there."""
    with stage() as world:
        yield world


class TestForeignContext:
    @pytest.mark.parametrize("foreign", list(foreign_contexts()))
    def test_asking_reports_it_and_leaves_it_alone(self, world: World, foreign: dict[str, str]) -> None:
        """
        Given a context that holds what the pack did not write.
        When a question is asked.
        Then the command fails with a sentence that says so; not a byte has changed and no text has left.
        """
        world.instance.context.write({**foreign, "other": "kept"})
        sent = len(world.cloud.requests("Publish"))
        entry = new_question(world)
        read_all(world)
        assert stored(world) == {**foreign, "other": "kept"}
        assert len(world.cloud.requests("Publish")) == sent
        assert "that cannot be read" in error_of(entry)
        assert "they were left as they are" in error_of(entry)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_says_what_to_do(self, world: World, command: str) -> None:
        """
        Given a context whose questions are not JSON.
        When a command needs them.
        Then the command fails with the literal sentence and leaves them.
        """
        world.instance.context.write({"entitlements": "reset me"})
        entry = world.server.execute(command, COMMANDS[command])[0]
        assert error_of(entry) == (
            "The integration context holds entitlements that cannot be read (JSONDecodeError); they were left as they "
            "are. Repair them, or reset the integration cache of the instance to lose all open questions."
        )
        assert stored(world) == {"entitlements": "reset me"}

    def test_plain_notification_needs_no_context(self, world: World) -> None:
        """
        Given a context whose questions are not JSON.
        When a text without an entitlement is sent.
        Then it is sent, and the context is as it was.
        """
        world.instance.context.write({"entitlements": "reset me"})
        world.server.execute(SEND, {"to": "+14255550183", "message": "Deployed."})
        assert world.phone("+14255550183").expects() == "Deployed."
        assert stored(world) == {"entitlements": "reset me"}


@pytest.mark.parametrize("foreign", ["reset me", '{"version": 2}'])
def test_foreign_context_is_reported_by_the_poller_which_recovers(foreign: str) -> None:
    """
    Given a running poller and an open question, and a context that is then replaced by what is not ours.
    When a reply comes, and the context is put right later.
    Then the health said so meanwhile, not a byte was changed, and the reply is answered once.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        good = stored(world)
        world.start_poller()
        world.wait_until(lambda: bool(world.cloud.requests("ReceiveMessage")), "a poll")
        world.instance.context.write({"entitlements": foreign})
        world.phone(PHONE).replies(question.codes["Yes"])
        world.wait_until(lambda: "entitlements that cannot be read" in world.instance.health, "the report as health")
        reads = world.instance.context.counters.reads
        world.wait_until(lambda: world.instance.context.counters.reads > reads, "another read")
        assert stored(world) == {"entitlements": foreign}
        world.instance.context.write(good)
        assert_answered_once(world, [(question, "Yes")])
        assert world.instance.health == ""
        world.expect_log_error("entitlements that cannot be read")


def test_keys_of_others_stay_in_the_context() -> None:
    """
    Given a context that holds a key of somebody else.
    When a question is asked and answered.
    Then the key is as it was.
    """
    with stage() as world:
        world.instance.context.write({"notes": "keep me \u00e9 {"})
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.phone(PHONE).replies(question.codes["Yes"])
        world.start_poller()
        assert_answered_once(world, [(question, "Yes")])
        assert stored(world)["notes"] == "keep me \u00e9 {"


class TestConflicts:
    """Somebody else writes between a container's read and its write."""

    @pytest.mark.parametrize("times", [1, 3], ids=["once", "three times in a row"])
    def test_at_registering_another_question_shares_no_code(self, times: int) -> None:
        """
        Given sequential codes.
        When other questions to the same phone are registered before the write of one.
        Then the write is made again from a fresh read: all are kept, with codes of their own.
        """
        others: list[Asked] = []
        with stage(replyCodeMode="sequential") as world:
            conflict = Interruption(world, SEND, REGISTER, lambda: others.append(ask(world, text="Other?")), times)
            question = ask(world)
            assert conflict.count == times
            assert world.instance.context.counters.conflicts == times
            codes = [code for asked in (*others, question) for code in asked.codes.values()]
            assert codes == [str(number) for number in range(1, 2 * times + 3)]
            assert len(listed(world)) == times + 1
            assert len(read_all(world)) == times + 1

    def test_at_taking_out_a_refused_question_keeps_the_other(self) -> None:
        """
        Given a question that AWS refuses.
        When another question is registered before the refused one is taken out.
        Then the refused one is gone and the other can be answered.
        """
        others: list[Asked] = []
        with stage() as world:
            world.cloud.fail("Publish", "InvalidParameter")
            Interruption(world, SEND, WITHDRAW, lambda: others.append(ask(world, text="Other?")))
            entry = new_question(world)
            assert "InvalidParameter" in error_of(entry)
            assert list(listed(world)) == [others[0].entitlement]
            world.phone(PHONE).expects("Other?")
            world.phone(PHONE).replies(others[0].codes["No"])
            world.start_poller()
            assert_answered_once(world, [(others[0], "No")])

    @pytest.mark.parametrize("effect", [CLAIM, SETTLE], ids=["the claim", "settling"])
    def test_at_each_write_of_answering_a_new_question_is_kept(self, effect: Effect) -> None:
        """
        Given a reply that the poller takes.
        When another question is registered before the poller's write.
        Then both are kept: the first is answered once, the other can be answered.
        """
        others: list[Asked] = []
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            Interruption(world, POLLER, effect, lambda: others.append(ask(world, text="Other?")))
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            world.phone(PHONE).expects("Other?")
            world.wait_until(lambda: bool(others), "the other question")
            world.phone(PHONE).replies(others[0].codes["No"])
            assert_answered_once(world, [(question, "Yes"), (others[0], "No")])

    def test_at_the_claim_an_answer_that_came_first_stands(self) -> None:
        """
        Given a Yes that the poller takes.
        When a No is injected for the same question before the poller's claim.
        Then XSOAR is told No, and nothing else; the Yes is told so.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            injected = {"phone_number": PHONE, "reply_code": question.codes["No"]}
            Interruption(world, POLLER, CLAIM, lambda: world.server.execute(INJECT, injected))
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            assert_answered_once(world, [(question, "No")], explained=["You already answered: No."])

    def test_at_the_claim_of_a_batch_every_reply_is_judged_again(self) -> None:
        """
        Given two replies in one batch.
        When the first one's question is answered otherwise before the batch is claimed.
        Then that answer stands and the second reply counts all the same.
        """
        with stage() as world:
            deploy, restore = ask_many(world, [PHONE, PHONE])
            injected = {"phone_number": PHONE, "reply_code": deploy.codes["No"]}
            Interruption(world, POLLER, CLAIM, lambda: world.server.execute(INJECT, injected))
            world.phone(PHONE).replies(deploy.codes["Yes"])
            world.phone(PHONE).replies(restore.codes["Yes"])
            world.start_poller()
            assert restore.task.wait() == "Yes"
            wait_until_idle(world)
            assert (told(world, deploy), told(world, restore)) == (({"No"}, 1), ({"Yes"}, 1))
            assert sorted(read(world, 2)) == sorted([restore.thanks("Yes"), "You already answered: No."])
