"""A container dies by SIGKILL in each gap between two effects; started again, every rule of the pack holds."""

import json

import pytest

from tests.faults import (
    ANSWERING,
    ASKING,
    CLAIM,
    DELETE,
    EXPLAINING,
    INJECT,
    NOTE,
    PHONE,
    POLLER,
    PUBLISH,
    RECEIVE,
    RECORDING,
    REGISTER,
    SCRIPT,
    SEND,
    SETTLE,
    TELL_FIRST,
    WITHDRAW,
    WRITE,
    Effect,
    Gap,
    Killer,
    ask,
    ask_many,
    assert_answered_once,
    error_of,
    gaps,
    listed,
    new_entitlement,
    read,
    read_all,
    send,
    stage,
    wait_until_idle,
)

LIST_OF_CODES = (
    "We couldn't process your response. Please respond with one of the available reply codes: Yes (1), No (2)"
)


class TestPollerKilled:
    @pytest.mark.parametrize("gap", [*gaps(ANSWERING), pytest.param(Gap(DELETE, "before"), id="before deleting")])
    def test_two_replies_of_one_batch_answer_once_each(self, gap: Gap) -> None:
        """
        Given a phone with two open questions, which answers one with Yes and the other with No.
        When the poller is killed in the gap and started again.
        Then each task goes on with the option chosen, once, with at most one thank-you, and the queue is empty.
        """
        with stage() as world:
            deploy, restore = ask_many(world, [PHONE, PHONE])
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies(deploy.codes["Yes"])
            world.phone(PHONE).replies(restore.codes["No"])
            world.start_poller(restart=True)
            killer.wait()
            assert_answered_once(world, [(deploy, "Yes"), (restore, "No")])

    @pytest.mark.parametrize("gap", gaps((CLAIM, TELL_FIRST))[1:])
    def test_change_of_mind_before_the_restart_changes_nothing(self, gap: Gap) -> None:
        """
        Given a Yes whose poller is killed in the gap, and which the queue hides from the next one for a while.
        When the person sends a No before the poller is started again.
        Then XSOAR is told Yes and nothing else, Yes is on record, and the No is told so.
        """
        with stage(visibility=2) as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller()
            killer.wait()
            world.phone(PHONE).replies(question.codes["No"])
            world.start_poller()
            assert_answered_once(world, [(question, "Yes")], explained=["You already answered: Yes."])

    def test_killed_at_every_step_in_turn_answers_once(self) -> None:
        """
        Given a reply, and a poller that dies after the claim, its successor after telling, the next after settling.
        When the fourth one runs undisturbed.
        Then the question was answered once and the queue is empty.
        """
        settle_again = Effect("settling", WRITE)
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            world.phone(PHONE).replies(question.codes["No"])
            for effect in (CLAIM, TELL_FIRST, settle_again):
                killer = Killer(world, POLLER, Gap(effect, "after"))
                world.start_poller()
                killer.wait()
            world.start_poller()
            assert_answered_once(world, [(question, "No")])

    def test_claim_of_a_dead_poller_is_told_before_its_reply_comes_back(self) -> None:
        """
        Given a poller killed after the claim on a queue that hides the reply for two minutes.
        When it is started again.
        Then the task goes on at once, and only the reply is still in flight.
        """
        with stage(visibility=120) as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, Gap(CLAIM, "after"))
            world.phone(PHONE).replies(question.codes["Yes"])
            world.start_poller(restart=True)
            killer.wait()
            assert question.task.wait(5) == "Yes"
            world.phone(PHONE).expects(question.thanks("Yes"))
            assert world.cloud.queue_depth() == 1
            world.allow_messages_on_queue()

    def test_unrecognised_reply_gets_its_list_of_codes_once_at_most(self) -> None:
        """
        Given an open question and a reply that is no code.
        When the poller is killed after it sent the list of codes and before it deleted the reply.
        Then the reply, delivered again, gets no second list, and the question can still be answered.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, Gap(DELETE, "before"))
            world.phone(PHONE).replies("maybe")
            world.start_poller(restart=True)
            killer.wait()
            wait_until_idle(world)
            assert len(read_all(world)) <= 1
            world.phone(PHONE).replies(question.codes["Yes"])
            assert_answered_once(world, [(question, "Yes")])


class TestPollerKilledOverAReplyThatAnswersNothing:
    @pytest.mark.parametrize("gap", gaps(EXPLAINING))
    def test_wrong_code_counts_once_and_is_explained_once_at_most(self, gap: Gap) -> None:
        """
        Given an instance that two wrong codes lock, and a reply with one wrong code.
        When the poller is killed in the gap and started again.
        Then there is at most one list of codes, surely one when nothing was recorded, and the phone can still answer.
        """
        with stage(maxWrongReplies="2", replyCodeMode="sequential") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies("7")
            world.start_poller(restart=True)
            killer.wait()
            wait_until_idle(world)
            recorded = gap.effect != RECEIVE
            world.wait_until(lambda: recorded or bool(world.phone(PHONE).unexpected()), "the list of codes")
            assert read_all(world) in ([LIST_OF_CODES], [] if recorded else [LIST_OF_CODES])
            world.phone(PHONE).replies("1")
            assert_answered_once(world, [(question, "Yes")])

    @pytest.mark.parametrize("gap", gaps(RECORDING))
    def test_opt_out_is_kept_and_never_answered(self, gap: Gap) -> None:
        """
        Given an open question and the reply STOP.
        When the poller is killed in the gap and started again.
        Then the phone is listed as opted out and got no text; the code it sends later answers and ends that.
        """
        with stage(replyCodeMode="sequential") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, gap)
            world.cloud.publish_to_topic(json.dumps({"originationNumber": PHONE, "messageBody": "STOP"}))
            world.start_poller(restart=True)
            killer.wait()
            wait_until_idle(world)
            assert listed(world)[question.entitlement]["OptedOut"] is True
            assert read_all(world) == []
            world.phone(PHONE).replies("1")
            assert_answered_once(world, [(question, "Yes")])
            assert listed(world)[question.entitlement]["OptedOut"] is False

    @pytest.mark.parametrize("gap", gaps(RECORDING))
    def test_lock_outlives_the_container(self, gap: Gap) -> None:
        """
        Given an instance that one wrong code locks, and a reply with a wrong code.
        When the poller is killed in the gap and started again, and the right code comes.
        Then the right code is ignored and deleted; the phone is listed as locked and the health says so.
        """
        with stage(maxWrongReplies="1", replyCodeMode="sequential") as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, POLLER, gap)
            world.phone(PHONE).replies("7")
            world.start_poller(restart=True)
            killer.wait()
            wait_until_idle(world)
            world.phone(PHONE).replies("1")
            wait_until_idle(world)
            row = listed(world)[question.entitlement]
            assert (question.task.completed, row["Answered"], row["Locked"]) == (False, False, True)
            world.wait_until(lambda: "somebody may be guessing: +1425*****82" in world.instance.health, "the health")
            assert len(read_all(world)) <= 1
            world.expect_log_error("somebody may be guessing")
            world.expect_log_error("1 replies of locked phones were ignored.")


class TestCommandKilled:
    @pytest.mark.parametrize(
        ("gap", "kept", "texts"),
        [
            pytest.param(Gap(REGISTER, "before"), 0, 0, id="before registering: as if never asked"),
            pytest.param(Gap(REGISTER, "after"), 1, 0, id="after registering: a question that nobody got"),
            pytest.param(Gap(PUBLISH, "after"), 1, 1, id="after sending: a question that can be answered"),
            pytest.param(Gap(NOTE, "after"), 1, 1, id="after noting when: the same"),
        ],
    )
    def test_asking_again_works_and_shares_no_code(self, gap: Gap, kept: int, texts: int) -> None:
        """
        Given a send-notification that is killed in the gap.
        When another question is asked and each text that reached the phone is answered with Yes.
        Then every question on the phone goes on with Yes, and no code is shared.
        """
        with stage(replyCodeMode="sequential") as world:
            phone = world.phone(PHONE)
            incident = world.incident()
            task = incident.add_task()
            killer = Killer(world, SEND, gap)
            entry = send(world, new_entitlement(world, incident, task), text="Deploy?")
            killer.wait()
            assert error_of(entry) == "The container of send-notification was killed."
            assert (len(listed(world)), len(phone.texts)) == (kept, texts)

            second = ask(world, text="Restore?")
            assert dict(second.codes) == ({"Yes": "3", "No": "4"} if kept else {"Yes": "1", "No": "2"})
            world.start_poller()
            for text in read_all(world):
                phone.replies(phone.codes(text)["Yes"])
            assert second.task.wait() == "Yes"
            assert task.completed == bool(texts) or task.wait() == "Yes"
            assert all("Thank you" in text for text in read(world, 1 + texts))

    @pytest.mark.parametrize("gap", gaps(ASKING))
    def test_same_entitlement_again_is_one_question(self, gap: Gap) -> None:
        """
        Given a send-notification that is killed in the gap.
        When it is run again with the same entitlement and the phone answers.
        Then every text of it held the same codes, and XSOAR was told once.
        """
        with stage() as world:
            phone = world.phone(PHONE)
            incident = world.incident()
            task = incident.add_task()
            entitlement = new_entitlement(world, incident, task)
            killer = Killer(world, SEND, gap)
            send(world, entitlement)
            killer.wait()
            entry = send(world, entitlement)
            texts = read_all(world)
            assert len(set(texts)) == 1
            assert list(listed(world)) == [entitlement]

            world.start_poller()
            phone.replies(phone.codes(texts[0])["No"])
            assert task.wait() == "No"
            assert entry["Contents"]["Entitlement"] == entitlement
            phone.expects("Thank you")
            assert [answer.content for answer in world.server.answers] == ["No"]

    @pytest.mark.parametrize(
        ("gap", "kept"),
        [
            pytest.param(Gap(WITHDRAW, "before"), 1, id="before taking it out: a question that nobody got"),
            pytest.param(Gap(WITHDRAW, "after"), 0, id="after taking it out: as if never asked"),
        ],
    )
    def test_refused_question_never_blocks_the_next(self, gap: Gap, kept: int) -> None:
        """
        Given a send-notification that AWS refuses, killed in the gap.
        When the next question is asked and answered.
        Then it goes on with the option chosen; the refused one was never texted.
        """
        with stage(replyCodeMode="sequential") as world:
            incident = world.incident()
            killer = Killer(world, SEND, gap)
            world.cloud.fail("Publish", "InvalidParameter")
            send(world, new_entitlement(world, incident, incident.add_task()))
            killer.wait()
            assert (len(listed(world)), len(world.cloud.texts)) == (kept, 0)

            question = ask(world, text="Restore?")
            assert question.codes["Yes"] == ("3" if kept else "1")
            world.phone(PHONE).expects("Restore?")
            world.start_poller()
            world.phone(PHONE).replies(question.codes["Yes"])
            assert_answered_once(world, [(question, "Yes")])

    @pytest.mark.parametrize("gap", gaps((CLAIM, TELL_FIRST, SETTLE)))
    def test_injected_reply_answers_once_at_most(self, gap: Gap) -> None:
        """
        Given an aws-sns-sms-inject-reply with Yes that is killed in the gap.
        When a poller starts, and the person replies No.
        Then the task goes on with Yes, and the No is told so; or with No when the Yes had not been claimed.
        """
        with stage() as world:
            question = ask(world)
            world.phone(PHONE).expects("Deploy?")
            killer = Killer(world, INJECT, gap)
            world.server.execute(INJECT, {"phone_number": PHONE, "reply_code": question.codes["Yes"]})
            killer.wait()
            world.phone(PHONE).replies(question.codes["No"])
            world.start_poller()
            if gap == Gap(CLAIM, "before"):
                assert_answered_once(world, [(question, "No")])
            else:
                assert_answered_once(world, [(question, "Yes")], explained=["You already answered: Yes."])


class TestScriptKilled:
    LINE = f'!SMSAskUser phone={PHONE} message="Deploy?" option1=Yes option2=No task=1'

    def test_after_the_entitlement_sends_nothing(self) -> None:
        """
        Given an SMSAskUser that is killed once the server has made its entitlement.
        When its war room is looked at.
        Then nothing was registered and nothing was sent.
        """
        with stage() as world:
            killer = Killer(world, SCRIPT, Gap(Effect("making the entitlement", "executeCommand"), "after"))
            world.war_room(self.LINE, world.incident())
            killer.wait()
            assert listed(world) == {}
            assert world.cloud.texts == []

    def test_after_the_question_was_sent_leaves_it_answerable(self) -> None:
        """
        Given an SMSAskUser that is killed once send-notification has returned.
        When the phone answers the question it got.
        Then the task goes on.
        """
        with stage() as world:
            incident = world.incident()
            task = incident.add_task()
            killer = Killer(world, SCRIPT, Gap(Effect("asking", "executeCommand", 2), "after"))
            world.war_room(self.LINE, incident)
            killer.wait()
            phone = world.phone(PHONE)
            world.start_poller()
            phone.replies(phone.codes(phone.expects("Deploy?"))["No"])
            assert task.wait() == "No"
            phone.expects("Thank you")
