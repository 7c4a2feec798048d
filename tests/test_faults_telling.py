"""XSOAR refuses an answer: for a while, for ever, or after it took it."""

from emulator.incidents import ERROR
from tests.faults import (
    INJECT,
    PHONE,
    TELL,
    Refusal,
    ask,
    ask_many,
    assert_answered_once,
    listed,
    read_all,
    stage,
    told,
    wait_until_idle,
)

BUSY = RuntimeError("the server is busy")
SENTENCE = "XSOAR did not take the answer: RuntimeError: the server is busy."


def test_refused_twice_then_taken_loses_no_reply() -> None:
    """
    Given XSOAR, which refuses the first two tellings of an answer.
    When the phone answers.
    Then the task goes on with one thank-you; the health says what failed, once, and is empty afterwards.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.start_poller()
        with Refusal(world, TELL, BUSY, times=2) as refusal:
            world.phone(PHONE).replies(question.codes["Yes"])
            world.wait_until(lambda: refusal.count == 2, "two refusals")
            assert world.instance.health == SENTENCE
            world.phone(PHONE).expects(question.thanks("Yes"))
        assert_answered_once(world, [(question, "Yes")])
        world.wait_until(lambda: world.instance.health == "", "an empty health")
        assert [text for text in world.instance.health_history if text] == [SENTENCE]
        world.expect_log_error(SENTENCE)


def test_refused_until_after_the_reply_came_back_is_thanked_once() -> None:
    """
    Given XSOAR, which refuses every telling until the reply has been delivered a second time.
    When it takes answers again.
    Then XSOAR took one, and there is one thank-you.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.start_poller()
        with Refusal(world, TELL, BUSY) as refusal:
            world.phone(PHONE).replies(question.codes["No"])
            world.wait_until(lambda: refusal.count >= 3, "three refusals")
        world.phone(PHONE).expects(question.thanks("No"))
        assert_answered_once(world, [(question, "No")])
        world.expect_log_error(SENTENCE)


def test_refused_for_ever_shows_its_claim_and_holds_up_nobody() -> None:
    """
    Given two questions, and XSOAR, which refuses the answer to one of them for ever.
    When both are answered in one batch.
    Then the other task goes on; the claim stands in the list with its error, and another reply is told of it.
    """
    with stage() as world:
        refused, taken = ask_many(world, [PHONE, PHONE])
        world.allow_messages_on_queue()
        world.expect_log_error(SENTENCE)
        phone = world.phone(PHONE)
        with Refusal(world, TELL, BUSY, only=lambda args: args["guid"] == refused.guid) as refusal:
            phone.replies(refused.codes["Yes"])
            phone.replies(taken.codes["No"])
            world.start_poller()
            assert taken.task.wait() == "No"
            phone.expects(taken.thanks("No"))
            world.wait_until(lambda: world.cloud.queue_depth() == 1, "the other reply deleted")
            phone.replies(refused.codes["No"])
            world.wait_until(lambda: world.cloud.queue_depth() == 1, "the second reply deleted")
            world.wait_until(lambda: refusal.count >= 2, "two refusals")

            row = listed(world)[refused.entitlement]
            assert (row["Answered"], row["ChosenOption"], row["Error"]) == (False, "Yes", SENTENCE)
            assert world.instance.health == SENTENCE
            assert told(world, taken) == ({"No"}, 1)
            phone.expects("You already answered: Yes.")
            assert read_all(world) == []
    assert not refused.task.completed


def test_open_claim_keeps_its_codes_from_the_next_question() -> None:
    """
    Given sequential codes and a claim that XSOAR has not taken yet.
    When the phone is asked again.
    Then the next question has codes of its own.
    """
    with stage(replyCodeMode="sequential") as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.expect_log_error(SENTENCE)
        with Refusal(world, TELL, BUSY):
            world.phone(PHONE).replies("1")
            world.start_poller()
            world.wait_until(lambda: world.instance.health == SENTENCE, "the refusal as health")
            second = ask(world, text="Restore?")
            assert dict(second.codes) == {"Yes": "3", "No": "4"}
        world.phone(PHONE).expects("Restore?")
        world.phone(PHONE).expects("1 - Thank you")
        assert_answered_once(world, [(question, "Yes")])


def test_taken_although_it_raised_is_answered_once() -> None:
    """
    Given XSOAR, which completes the task and then fails to say so.
    When the answer is told again.
    Then the second telling has no effect, and there is one thank-you.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.start_poller()
        with Refusal(world, TELL, BUSY, times=1, moment="after"):
            world.phone(PHONE).replies(question.codes["Yes"])
            assert question.task.wait() == "Yes"
            world.phone(PHONE).expects(question.thanks("Yes"))
        assert_answered_once(world, [(question, "Yes")])
        world.expect_log_error(SENTENCE)


def test_answer_to_a_vanished_incident_holds_up_nobody() -> None:
    """
    Given a question whose entitlement XSOAR does not know any more, and one that it does.
    When both are answered in one batch.
    Then the known one goes on, and the other stands in the list with what XSOAR said.
    """
    with stage() as world:
        gone, known = ask_many(world, [PHONE, PHONE])
        gone.incident.entitlements.clear()
        world.allow_messages_on_queue()
        world.expect_log_error("XSOAR did not take the answer")
        world.phone(PHONE).replies(gone.codes["Yes"])
        world.phone(PHONE).replies(known.codes["Yes"])
        world.start_poller()
        assert known.task.wait() == "Yes"
        world.phone(PHONE).expects(known.thanks("Yes"))
        world.wait_until(lambda: world.instance.health != "", "a health")
        row = listed(world)[gone.entitlement]
        assert row["ChosenOption"] == "Yes"
        assert row["Error"] == (
            f"XSOAR did not take the answer: ValueError: Entitlement {gone.guid} is not registered in incident "
            f"{gone.incident.id}."
        )


def test_inject_reply_that_xsoar_refuses_says_so_and_is_told_by_the_poller() -> None:
    """
    Given XSOAR, which refuses the answer of an injected reply.
    When the poller runs and XSOAR takes answers again.
    Then the command said what failed without being an error, and the task goes on.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        with Refusal(world, TELL, BUSY, times=1):
            arguments = {"phone_number": PHONE, "reply_code": question.codes["Yes"]}
            entry = world.server.execute(INJECT, arguments)[0]
        assert entry["Type"] != ERROR
        assert (entry["Contents"]["Success"], entry["Contents"]["Error"]) == (False, SENTENCE)
        world.start_poller()
        assert_answered_once(world, [(question, "Yes")])


def test_inject_reply_that_the_poller_finishes_sends_no_text() -> None:
    """
    Given an injected reply, whose answer XSOAR refused.
    When the poller tells it.
    Then no feedback is sent: nobody has texted anything.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        with Refusal(world, TELL, BUSY, times=1):
            arguments = {"phone_number": PHONE, "reply_code": question.codes["Yes"]}
            world.server.execute(INJECT, arguments)
        world.start_poller()
        assert question.task.wait() == "Yes"
        wait_until_idle(world)
        assert listed(world)[question.entitlement]["Answered"] is True
        assert read_all(world) == []


def test_idle_poller_writes_nothing_after_it_recovered() -> None:
    """
    Given a poller that was refused once and has told the answer since.
    When it polls on with nothing to do.
    Then it writes neither context nor health.
    """
    with stage() as world:
        question = ask(world)
        world.phone(PHONE).expects("Deploy?")
        world.start_poller()
        with Refusal(world, TELL, BUSY, times=1):
            world.phone(PHONE).replies(question.codes["Yes"])
            world.phone(PHONE).expects(question.thanks("Yes"))
        world.expect_log_error(SENTENCE)
        wait_until_idle(world)
        world.wait_until(lambda: world.instance.health == "", "an empty health")
        before = (world.instance.context.counters.writes, len(world.instance.health_history))
        wait_until_idle(world)
        assert (world.instance.context.counters.writes, len(world.instance.health_history)) == before
