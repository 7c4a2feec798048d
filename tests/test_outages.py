"""What fails for a while: how often it is called meanwhile, what the health says, and how soon all is well again.

The poller's real pauses grow to a minute, so most outages run it in this process: the real classes against the emulated
AWS and a versioned context, with a clock that jumps over every pause. Two outages run in a container, in real time.
"""

import demistomock as demisto

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import AWSSNSSMSCommunication as sms  # noqa: N813 - the file's name is the integration's
import pytest

from emulator.cloud import Cloud
from emulator.instances import IntegrationContext
from emulator.world import World
from tests.faults import PHONE, ask, stage
from tests.stage import error_of

GUID = "2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f20"
ROLE = "arn:aws:iam::123456789012:role/sms"
KEYS = {"identifier": "AKIAEXAMPLE", "password": "example"}
QUESTION = f"Deploy? - Reply Yes or No: {GUID}@77|3"
THANKS = "1 - Thank you for your response!"
BUSY = RuntimeError("the server is busy")
READ, WRITE, TELL, HEALTH = "read", "write", "tell", "health"
# One more pause than it takes to get to a minute, and it stays there.
PAUSES = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]

Say = Callable[[str, object], None]


class Over(BaseException):
    """The test has seen what it waited for: the poller, which survives every Exception, ends here."""


@dataclass
class Bench:
    """A poller in this process, and the server behind its `demisto`. Its clock is the real one and the pauses made."""

    cloud: Cloud
    params: dict[str, Any] = field(default_factory=dict)
    context: IntegrationContext = field(default_factory=IntegrationContext)
    failures: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    over: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        given = {"defaultRegion": self.cloud.region, "sqsQueueUrl": self.cloud.queue_url, "credentials": KEYS}
        fast = {"retries": "0", "pollInterval": "1", "replyCodeMode": "sequential"}
        self.settings = sms.read_settings({**given, **fast, **self.params})
        self.start()

    def start(self) -> None:
        """A new container."""
        aws = sms.Aws(self.settings)
        sender = sms.SmsSender(aws, self.settings, self._pause)
        self.desk = sms.FeedbackDesk(sender, self.clock)
        self.talk = sms.Conversation(self.settings, sms.QuestionStore(self._pause), sender, self._now)
        queue = WatchedQueue(aws, self.settings, self._stop_when_over)
        self.poller = sms.Poller(self.settings, queue, self.talk, self.desk, self._pause, self.clock)

    # Time

    def clock(self) -> float:
        return time.monotonic() + sum(self.pauses)

    def _now(self) -> float:
        return time.time() + sum(self.pauses)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._stop_when_over()

    def _stop_when_over(self) -> None:
        if self.over():
            raise Over

    # The server

    def serve(self, call: str, act: Callable[..., Any]) -> Callable[..., Any]:
        """The call as the server serves it, which fails as long as `failures` says."""

        def served(*args: Any) -> Any:
            self.calls[call] = self.calls.get(call, 0) + 1
            if self.failures.get(call, 0) > 0:
                self.failures[call] -= 1
                raise BUSY
            return act(*args)

        return served

    def read(self, _refresh: bool) -> dict[str, Any]:
        context, version = self.context.read()
        return {"context": context, "version": version}

    def write(self, context: dict[str, str], version: int, _sync: bool) -> None:
        self.context.write(context, version)

    def tell(self, _incident: str, _guid: str, _email: str, content: str, _task: str) -> None:
        self.told.append(content)

    # The story

    def hide_for(self, seconds: int) -> None:
        """Let the queue give a reply back after so many seconds."""
        attributes = {"VisibilityTimeout": str(seconds)}
        self.cloud.client("sqs").set_queue_attributes(QueueUrl=self.cloud.queue_url, Attributes=attributes)

    def ask(self) -> None:
        """Register and send a question with the codes 1 and 2."""
        parsed = sms.parse_message(QUESTION)
        assert parsed
        self.talk.ask(parsed, PHONE)

    def reply(self, text: str = "1") -> None:
        self.cloud.inbound({"originationNumber": PHONE, "messageBody": text, "inboundMessageId": f"in-{text}"})

    def run(self, over: Callable[[], bool]) -> float:
        """Run the poller until `over` holds at a pause or before a poll of the queue; the seconds that took.

        AssertionError when it did not hold within 30 seconds of real time.
        """
        began, deadline = self.clock(), time.monotonic() + 30
        self.over = lambda: over() or time.monotonic() > deadline
        with pytest.raises(Over):
            self.poller.run()
        assert over(), f"health {self.health}, told {self.told}, calls {self.calls}"
        self.over = lambda: False
        wait(self.desk._sending, 10)
        return self.clock() - began

    def well(self) -> bool:
        return self.told == ["Yes"] and self.health[-1] == ""


class WatchedQueue(sms.ReplyQueue):
    """The reply queue, which lets the test stop before a poll."""

    def __init__(self, aws: sms.Aws, settings: sms.Settings, look: Callable[[], None]) -> None:
        super().__init__(aws, settings)
        self._look = look

    def receive(self, wait: int) -> list[sms.Received]:
        self._look()
        return super().receive(wait)


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    """Makes the bench, whose queue gives a reply back after two seconds."""
    with Cloud(visibility_timeout=2) as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)

        def make(**params: Any) -> Bench:
            bench = Bench(cloud, params)
            served: dict[str, Any] = {
                "getIntegrationContextVersioned": bench.serve(READ, bench.read),
                "setIntegrationContextVersioned": bench.serve(WRITE, bench.write),
                "handleEntitlementForUser": bench.serve(TELL, bench.tell),
                "updateModuleHealth": bench.serve(HEALTH, bench.health.append),
                "error": bench.errors.append,
            }
            for name, act in served.items():
                monkeypatch.setattr(demisto, name, act)
            return bench

        yield make


def say(record_property: Say, outage: str, calls: str, seconds: float) -> None:
    record_property("printed", f"{outage}: {calls}; {seconds:.0f} s from the last failure to the answer.")


def assert_told_once(bench: Bench, *sentences: str) -> None:
    """The health was each sentence and at last empty, nothing between; each was logged once."""
    shown = [text for text in bench.health if text]
    assert (len(shown), bench.health[-1]) == (len(sentences), ""), bench.health
    assert all(part in text for part, text in zip(sentences, shown, strict=True)), shown
    assert bench.errors == shown


# AWS


def no_such_queue(bench: Bench, _failures: int) -> Callable[[], object]:
    """Delete the queue; what creates it again."""
    sqs = bench.cloud.client("sqs")
    sqs.delete_queue(QueueUrl=bench.cloud.queue_url)
    return lambda: sqs.create_queue(QueueName=bench.cloud.queue_name, Attributes={"VisibilityTimeout": "2"})


def unreachable(bench: Bench, _failures: int) -> Callable[[], object]:
    outage = bench.cloud.unreachable()
    outage.__enter__()
    return lambda: outage.__exit__(None, None, None)


def server_error(bench: Bench, failures: int) -> Callable[[], object]:
    """An error whose text differs each time, as AWS's do that hold a time or a request id."""
    for request in range(failures):
        text = f"Try later, request {request:08x}-7a61"
        bench.cloud.fail("ReceiveMessage", "ServiceUnavailable", status=503, message=text)
    return lambda: None


@pytest.mark.parametrize(
    ("outage", "sentence"),
    [
        pytest.param(no_such_queue, "no such queue, check the SQS Queue URL", id="the queue is deleted"),
        pytest.param(unreachable, "ReceiveMessage failed with EndpointConnectionError", id="AWS is unreachable"),
        pytest.param(server_error, "AWS refused ReceiveMessage with ServiceUnavailable", id="SQS has errors"),
    ],
)
def test_while_sqs_fails_each_poll_is_one_call_and_the_next_reply_is_answered(
    make_bench: MakeBench,
    record_property: Say,
    request: pytest.FixtureRequest,
    outage: Callable[[Bench, int], Callable[[], object]],
    sentence: str,
) -> None:
    """
    Given a question, and an SQS that fails for ten polls.
    When it works again and the phone replies.
    Then there was one call a poll, the pauses grew to a minute, the health said it once, and the reply is answered
    at the first poll.
    """
    bench = make_bench()
    bench.ask()
    end = outage(bench, len(PAUSES))
    bench.run(lambda: len(bench.pauses) == len(PAUSES))
    calls = len(bench.cloud.requests("ReceiveMessage"))
    end()
    bench.reply()
    seconds = bench.run(bench.well)
    say(record_property, request.node.callspec.id, f"{calls} calls reached AWS in {len(PAUSES)} polls", seconds)
    assert bench.pauses == PAUSES
    assert calls <= len(PAUSES)
    assert_told_once(bench, sentence)
    assert seconds < 5
    assert bench.cloud.texts[-1].text == THANKS
    # When it fails anew, the first pause is a second again
    bench.cloud.fail("ReceiveMessage", "ServiceUnavailable", status=503)
    bench.run(lambda: len(bench.pauses) > len(PAUSES))
    assert bench.pauses[len(PAUSES) :] == [1.0]


def test_retries_of_the_instance_bound_the_calls_of_a_poll_that_fails(make_bench: MakeBench) -> None:
    """
    Given an instance with one retry, and an SQS that is down.
    When it is polled three times.
    Then there were two calls a poll.
    """
    bench = make_bench(retries="1")
    bench.cloud.fail("ReceiveMessage", "ServiceUnavailable", status=503, times=6)
    bench.run(lambda: len(bench.pauses) == 3)
    assert len(bench.cloud.requests("ReceiveMessage")) == 6


def test_refused_deletion_is_shown_until_it_works_and_holds_no_reply_up(
    make_bench: MakeBench, record_property: Say
) -> None:
    """
    Given a key that may take messages but not delete them, for three polls.
    When a phone answers.
    Then it is thanked once and no poll pauses; the health says so once until the message is gone, which is before the
    queue gives it back.
    """
    bench = make_bench()
    bench.hide_for(60)
    bench.ask()
    bench.cloud.fail("DeleteMessageBatch", "AccessDenied", status=403, times=3)
    bench.reply()
    bench.run(lambda: bench.told == ["Yes"] and bench.health[-1] != "")
    seconds = bench.run(bench.well)
    calls = len(bench.cloud.requests("DeleteMessageBatch"))
    record_property(
        "printed", f"Deletion refused 3 times: {calls} calls; gone {seconds:.0f} s after the first refusal."
    )
    assert (calls, bench.pauses, bench.cloud.queue_depth()) == (4, [], 0)
    assert_told_once(bench, "Replies stay on the queue, their answers stand: AWS refused DeleteMessageBatch")
    assert [text.text for text in bench.cloud.texts[1:]] == [THANKS]


# STS


def sessions_end_in(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """The emulated STS issues sessions of 900 seconds as if most of them were over."""

    def issued() -> datetime:
        return datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=900 - seconds)

    monkeypatch.setattr("moto.sts.models.utcnow", issued)


@pytest.mark.parametrize("started", [False, True], ids=["at the start", "at the end of the session"])
def test_while_sts_fails_each_poll_is_one_call_and_the_next_reply_is_answered(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, record_property: Say, started: bool
) -> None:
    """
    Given an STS that fails for ten polls, when the role is first needed or when its session is about to end.
    When it works again.
    Then there was one call a poll, the pauses grew to a minute, the health said it once, and the reply is answered
    within the pause.
    """
    bench = make_bench(roleArn=ROLE)
    sessions_end_in(monkeypatch, 60)
    bench.ask()
    if started:
        bench.run(lambda: bool(bench.cloud.requests("ReceiveMessage")))
    else:
        bench.start()
    before = len(bench.cloud.requests("AssumeRole"))
    bench.cloud.fail("AssumeRole", "ServiceUnavailable", status=503, times=len(PAUSES))
    bench.reply()
    bench.run(lambda: len(bench.pauses) == len(PAUSES))
    calls = len(bench.cloud.requests("AssumeRole")) - before
    seconds = bench.run(bench.well) + bench.pauses[-1]
    when = "at the end of a session" if started else "at the start"
    say(record_property, f"STS down {when}", f"{calls} calls in {len(PAUSES)} polls that failed", seconds)
    assert (calls, bench.pauses) == (len(PAUSES), PAUSES)
    assert_told_once(bench, "AWS refused AssumeRole with ServiceUnavailable")
    assert seconds < 65


def test_sts_that_fails_before_the_session_has_to_be_renewed_costs_nothing(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Given a session that ends in 250 seconds, so that it should be renewed but need not, and an STS that is down.
    When the phone replies.
    Then the old session serves on: the reply is answered, and the health was never bad.
    """
    bench = make_bench(roleArn=ROLE)
    sessions_end_in(monkeypatch, 250)
    bench.ask()
    bench.cloud.fail("AssumeRole", "ServiceUnavailable", status=503, times=1000)
    bench.reply()
    bench.run(bench.well)
    assert (bench.health, bench.errors, bench.pauses) == ([""], [], [])


# SNS


def test_feedback_that_fails_leaves_the_answer_and_is_shown_until_a_text_goes_out(
    make_bench: MakeBench, record_property: Say
) -> None:
    """
    Given an SNS that fails for the thank-you.
    When the phone answers, and texts something else once SNS works.
    Then the answer stands without a pause; the health says so once until a text is out.
    """
    bench = make_bench()
    bench.ask()
    bench.cloud.fail("Publish", "InternalError", status=500)
    bench.reply()
    bench.run(lambda: bench.health[-1] != "" and bench.cloud.queue_depth() == 0)
    assert bench.told == ["Yes"]
    bench.reply("2")
    seconds = bench.run(bench.well)
    calls = len(bench.cloud.requests("Publish")) - 1
    say(record_property, "SNS down for feedback", f"{calls} calls for 2 texts, 1 of them failed", seconds)
    assert (calls, bench.pauses) == (2, [])
    assert_told_once(bench, "A feedback SMS could not be sent, the answer stands: AWS refused Publish")
    assert bench.cloud.texts[-1].text == "You already answered: Yes."


def test_feedback_that_failed_is_not_shown_for_ever_when_there_is_none_to_send(make_bench: MakeBench) -> None:
    """
    Given an SNS that refused a thank-you, after which nobody texts.
    When an hour is over.
    Then the health is empty.
    """
    bench = make_bench()
    bench.ask()
    bench.cloud.fail("Publish", "InternalError", status=500)
    bench.reply()
    bench.run(lambda: bench.health[-1] != "" and bench.cloud.queue_depth() == 0)
    bench.pauses.append(3590)
    received = len(bench.cloud.requests("ReceiveMessage"))
    bench.run(lambda: len(bench.cloud.requests("ReceiveMessage")) > received)
    assert bench.health[-1] != ""
    bench.pauses.append(20)
    bench.run(bench.well)
    assert_told_once(bench, "A feedback SMS could not be sent, the answer stands: AWS refused Publish")


@pytest.mark.parametrize(
    ("status", "code", "sentence", "listed"),
    [
        (400, "Throttling", "AWS refused Publish with Throttling", 0),
        (500, "InternalError", "may have been sent or not", 1),
    ],
)
def test_asking_while_sns_is_down_is_a_sentence(
    record_property: Say, status: int, code: str, sentence: str, listed: int
) -> None:
    """
    Given an SNS that refuses every text, or does not say what became of it.
    When a question is asked.
    Then the command is an error that says so; the question stays only when the person may have it.
    """
    with stage(retries="1") as world:
        world.cloud.fail("Publish", code, status=status, times=9)
        began = time.monotonic()
        entries = world.server.execute("SMSAskUser", {"phone": PHONE, "message": "Deploy?"}, world.incident())
        calls = len(world.cloud.requests("Publish"))
        seconds = time.monotonic() - began
        record_property("printed", f"SNS down for a question ({code}): {calls} calls; the error after {seconds:.0f} s.")
        assert sentence in error_of(entries)
        assert calls <= 2
        rows = world.server.execute("aws-sns-sms-list-entitlements", {})[0]["Contents"]
        assert len(rows or []) == listed


# The integration context


@pytest.mark.parametrize("call", [READ, WRITE])
def test_context_that_fails_a_hundred_times_is_called_once_a_pause(
    make_bench: MakeBench, record_property: Say, call: str
) -> None:
    """
    Given a reply on the queue, and a context that cannot be read, or be written, a hundred times.
    When it works again.
    Then it was called once a pause of a minute, the reply was taken off the queue once at most, the health said it
    once, and the reply is answered.
    """
    bench = make_bench()
    bench.ask()
    bench.reply()
    calls, bench.failures = dict(bench.calls), {call: 100}
    bench.run(lambda: len(bench.pauses) == 100)
    receives = len(bench.cloud.requests("ReceiveMessage"))
    made = {name: bench.calls[name] - calls[name] for name in (READ, WRITE)}
    seconds = bench.run(bench.well) + bench.pauses[-1]
    count = f"{made[READ]} reads, {made[WRITE]} writes and {receives} polls of the queue"
    say(record_property, f"Context fails to {call} 100 times", count, seconds)
    assert bench.pauses == PAUSES[:6] + [60.0] * 94
    assert (made[call], receives) == (100, 0 if call == READ else 1)
    assert made[READ] <= 102
    assert_told_once(bench, f"The integration context cannot be {'read' if call == READ else 'written'}")
    assert seconds < 65
    assert bench.cloud.texts[-1].text == THANKS


# Telling XSOAR


def test_telling_that_fails_is_tried_again_within_a_minute_and_holds_no_other_reply_up(
    make_bench: MakeBench, record_property: Say
) -> None:
    """
    Given an XSOAR that refuses an answer ten times, while wrong replies keep coming.
    When it takes answers again.
    Then it was told at growing intervals, the health said it once, without a break, and the answer arrived once.
    """
    bench = make_bench(maxWrongReplies="0")
    bench.ask()
    bench.failures = {TELL: 10}
    bench.reply()
    bench.run(lambda: bench.calls.get(TELL, 0) >= 1)
    for number in range(10, 19):
        told = bench.calls[TELL]
        bench.reply(str(number))
        bench.run(lambda: bench.cloud.queue_depth() <= 1)
        assert bench.health[-1] != ""
        bench.pauses.append(60)
        bench.run(lambda told=told: bench.calls[TELL] > told)  # type: ignore[misc]
    bench.pauses.append(60)
    seconds = bench.run(bench.well) + 60
    say(record_property, "XSOAR refuses an answer 10 times", f"{bench.calls[TELL]} calls", seconds)
    assert bench.calls[TELL] <= 13
    assert_told_once(bench, "XSOAR did not take the answer: RuntimeError: the server is busy")
    assert seconds < 65


def test_telling_that_works_again_is_noticed_at_the_next_answer(make_bench: MakeBench) -> None:
    """
    Given an answer that XSOAR refused often, so that it is told again only in a minute.
    When XSOAR works again and takes the answer to another question.
    Then the first is told at the next poll, and the health is empty.
    """
    bench = make_bench()
    bench.hide_for(600)
    bench.ask()
    bench.failures = {TELL: 7}
    bench.reply()
    for _ in range(7):
        told = bench.calls.get(TELL, 0)
        bench.run(lambda told=told: bench.calls.get(TELL, 0) > told)  # type: ignore[misc]
        bench.pauses.append(60 if bench.failures[TELL] else 0)
    other = sms.parse_message(QUESTION.replace(GUID, GUID.replace("2f5e", "2f5f")))
    assert other
    bench.talk.ask(other, PHONE)
    bench.reply("4")
    seconds = bench.run(lambda: sorted(bench.told) == ["No", "Yes"] and bench.health[-1] == "")
    assert seconds < 10


# In a container, in real time


def recreated(world: World) -> Iterator[None]:
    """The queue is deleted until this goes on."""
    sqs = world.cloud.client("sqs")
    sqs.delete_queue(QueueUrl=world.cloud.queue_url)
    yield
    sqs.create_queue(QueueName=world.cloud.queue_name)


def cut_off(world: World) -> Iterator[None]:
    """AWS is unreachable until this goes on."""
    with world.cloud.unreachable():
        yield


@pytest.mark.parametrize(
    ("outage", "sentence"),
    [
        pytest.param(recreated, "no such queue", id="queue deleted"),
        pytest.param(cut_off, "ReceiveMessage failed with", id="AWS unreachable"),
    ],
)
def test_container_survives_the_outage_and_answers_after_it(
    record_property: Say,
    request: pytest.FixtureRequest,
    outage: Callable[[World], Iterator[None]],
    sentence: str,
) -> None:
    """
    Given a poller in its container, and an outage of some polls.
    When it is over and the phone replies.
    Then the same container answers within the pause, and its health is what it was before.
    """
    with stage(retries="0") as world:
        world.expect_log_error(sentence)
        question, phone = ask(world), world.phone(PHONE)
        phone.expects("Deploy?")
        poller = world.start_poller()
        world.wait_until(lambda: len(world.cloud.requests("ReceiveMessage")) > 0, "a poll")
        pid = poller.container.pid
        fault = outage(world)
        next(fault)
        world.wait_until(lambda: sentence in world.instance.health, "the health says it", within=20)
        time_out(1.5)
        before, ended = len(world.cloud.requests("ReceiveMessage")), time.monotonic()
        next(fault, None)
        phone.replies(question.codes["Yes"])
        assert question.task.wait(15) == "Yes"
        seconds = time.monotonic() - ended
        phone.expects("Thank you")
        world.wait_until(lambda: world.instance.health == "", "the health is empty")
        say(record_property, f"In a container, {request.node.callspec.id}", f"{before} polls in all", seconds)
        assert before <= 6
        assert_only(world.instance.health_history, sentence)
        assert (poller.starts, poller.container.pid) == (1, pid)


def time_out(seconds: float) -> None:
    """Let an outage go on: what has to be seen is that nothing else happens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)


def assert_only(history: Sequence[str], sentence: str) -> None:
    """The health was empty, then the sentence, which may have named two causes in turn, then empty for good."""
    began, *texts, ended = history
    assert (began, ended) == ("", ""), history
    assert 1 <= len(texts) <= 2, history
    assert all(sentence in text for text in texts), history
