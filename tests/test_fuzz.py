"""10,000 random inputs in each run: what strangers put on the queue, what analysts ask, what people text back.

Every run draws others. A failure prints the smallest input found and the line `@reproduce_failure(...)` that, put over
its test, repeats it.
"""

import importlib.util
import json
import random
import re
import time
import unicodedata
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import AWSSNSSMSCommunication as sms  # noqa: N813 - the file's name is the integration's
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

# Bodies of 256 kB take their time where much else runs.
pytestmark = pytest.mark.timeout(400)

BODIES, ENVELOPES, QUESTIONS, REPLIES, CODES, STATES, STORIES = 4800, 600, 1500, 2000, 400, 400, 300

PHONE, OTHER_PHONE = "+14255550182", "+14255550183"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/sms-replies"
GUID = "2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f20"
NOW = 1767225600.0  # 2026-01-01T00:00:00Z
DAY = 86400.0
MAX_BODY = 256 * 1024  # bytes of an SQS message
SLOW = 1.0  # seconds of processor time
SETTINGS = sms.read_settings({"sqsQueueUrl": QUEUE})


def fuzz(cases: int) -> settings:
    """So many cases, new ones in each run."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(
        max_examples=cases, derandomize=False, print_blob=True, deadline=None, database=None, suppress_health_check=slow
    )


def question(number: int = 1, codes: Mapping[str, str] | None = None, **changes: Any) -> sms.Question:
    entitlement = sms.Entitlement(f"{number:08}-0000-4000-8000-000000000000", "77", "3")
    fields: dict[str, Any] = {"phone": PHONE, "text": "Deploy?", "created": NOW, "expires": NOW + DAY}
    return sms.Question(entitlement, codes=codes or {"1234": "Yes", "5678": "No"}, **{**fields, **changes})


def state_of(*questions: sms.Question) -> sms.State:
    state = sms.State()
    for each in questions:
        state = state.put(each)
    return state


# What stands on the queue

REASONS = {
    "it is not JSON",
    "it is not a JSON object",
    "it is neither an inbound SMS nor an SNS notification of one",
    "it has more than 5 envelopes",
    "its originationNumber and messageBody are not both text",
}
NAMES = (
    *("originationNumber", "OriginationNumber", "messageBody", "MessageBody", "inboundMessageId", "destinationNumber"),
    *("Type", "type", "Message", "message", "MessageId", "Timestamp", "timestamp", "Records", "Sns", "sns"),
)
TIMES = ("2026-01-01T00:00:01.500Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "20260101", "now", "")
NUMBERS = ("0", "-0", "1e999", "-1E-999", "NaN", "-Infinity", "9" * 5000, "0." + "1" * 5000, "1" * 40)

characters = st.characters() | st.sampled_from("\0\ud800\udfff\"\\{}[]:,'\u202e\u2028é٣3")
texts = st.text(characters, max_size=12) | st.sampled_from((PHONE, "1234", "Notification", *TIMES))
leaves = st.sampled_from(("null", "true", "false", *NUMBERS)) | texts.map(json.dumps) | st.integers().map(str)
names = (st.sampled_from(NAMES) | texts).map(json.dumps)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON objects as text, so that a key can stand in one twice."""
    pairs = st.lists(st.tuples(names, values), max_size=5)
    return pairs.map(lambda items: "{" + ",".join(f"{name}:{value}" for name, value in items) + "}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda items: "[" + ",".join(items) + "]")


anything = st.recursive(leaves, lambda values: objects(values) | arrays(values), max_leaves=12)
payloads = st.builds(
    lambda phone, text, more: f'{{"originationNumber":{phone},"messageBody":{text},{more[1:]}'.replace(",}", "}"),
    leaves,
    leaves,
    objects(anything),
)


def wrapped(inner: str, kind: int) -> str:
    """The text in one more envelope of some kind."""
    text = json.dumps(inner)
    forms = (
        f'{{"Type":"Notification","MessageId":"sns-{kind}","Timestamp":"2026-01-01T00:00:01Z","Message":{text}}}',
        f'{{"type":"Notification","message":{inner}}}',
        f'{{"Records":[{{"Sns":{{"Message":{text}}}}}]}}',
        f'{{"Message":"{{}}","Message":{text}}}',
        f'{{"Message":{inner},"message":{text},"Timestamp":[]}}',
    )
    return forms[kind % len(forms)]


@st.composite
def nested(draw: st.DrawFn) -> str:
    body = draw(payloads | anything)
    for kind in draw(st.lists(st.integers(0, 4), max_size=7)):
        body = wrapped(body, kind)
    return body


@st.composite
def huge(draw: st.DrawFn) -> str:
    """Up to 256 kB: endless nesting, numbers, texts, keys or white space."""
    size = draw(st.sampled_from((900, 1100, 20_000, MAX_BODY)))
    units = ("[", '{"a":', '{"Message":', "9", "é", "\\", '"', " ", '{"Records":[', "\ud800", "1,")
    unit = draw(st.sampled_from(units))
    end = draw(st.sampled_from(("", "]", "}", "1")))
    count = size // len(unit)
    before = draw(st.sampled_from(("", '{"messageBody":', '{"Message":"', '{"originationNumber":"')))
    return before + unit * (count // 2 if end else count) + end * (count // 2)


@st.composite
def cut(draw: st.DrawFn) -> str:
    body = draw(nested())
    return body[: draw(st.integers(0, len(body)))]


bodies = st.one_of(anything, payloads, nested(), nested(), cut(), texts, huge())


def read(body: str, sent_at: float | None) -> tuple[sms.Reply, str]:
    """The reply in the body; an empty one and the reason when there is none."""
    try:
        return sms.parse_reply(sms.Received("handle-1", "sqs-1", body, sent_at)), ""
    except sms.NotAReply as reason:
        return sms.Reply(PHONE, "", ""), str(reason)


@fuzz(BODIES)
@given(body=bodies, sent_at=st.none() | st.floats(0, 1e12))
def test_body_of_any_shape_is_a_reply_or_a_reason_that_tells_nothing_of_it(body: str, sent_at: float | None) -> None:
    """
    Given any body.
    When it is read, and what it says is judged.
    Then there is a reply, or one of five fixed reasons, soon; the state with the reply can be stored and read.
    """
    began = time.thread_time()
    reply, reason = read(body, sent_at)
    assert reason in REASONS | {""}
    parts = (reply.phone, reply.text, reply.id)
    assert all(isinstance(part, str) for part in parts)
    assert max(len(reply.phone), len(reply.id)) <= 128
    assert reply.arrived is None or isinstance(reply.arrived, float)
    for known in (state_of(question()), state_of(question(phone=reply.phone))):
        after, _ = sms.claim_replies(known, [reply], SETTINGS, NOW + 1)
        assert sms.read_state(sms.write_state(after)) == after
    assert time.thread_time() - began < SLOW


@fuzz(ENVELOPES)
@given(
    text=st.text(characters, max_size=30),
    kinds=st.lists(st.integers(0, 3), max_size=7),
    upper=st.booleans(),
    extra=st.sampled_from(("", "1" * 200, PHONE * 20)),
    more=st.dictionaries(st.text(min_size=1, max_size=5), st.none() | st.text(max_size=3) | st.integers(), max_size=3),
)
def test_reply_in_up_to_five_envelopes_is_read_as_it_was_sent(
    text: str, kinds: Sequence[int], upper: bool, extra: str, more: dict[str, Any]
) -> None:
    """
    Given a reply in envelopes of any kind.
    When there are five at most, it is read as it was sent, with 128 characters of its id; else it is none.
    """
    assume(not {name.lower() for name in more} & {name.lower() for name in NAMES})
    payload = {"originationNumber": PHONE, "messageBody": text, "inboundMessageId": f"in-1{extra}"}
    named = {name[0].upper() + name[1:] if upper else name: value for name, value in payload.items()}
    body = json.dumps({**more, **named})
    for kind in kinds:
        body = wrapped(body, kind)
    received = sms.Received("handle-1", "sqs-1", body, None)
    # An event with a record holds a notification: two envelopes.
    if len(kinds) + kinds.count(2) > 5:
        with pytest.raises(sms.NotAReply, match="it has more than 5 envelopes"):
            sms.parse_reply(received)
        return
    reply = sms.parse_reply(received)
    assert (reply.phone, reply.text, reply.id) == (PHONE, text, f"in-1{extra}"[:128])


# What an analyst asks


@cache
def sms_ask_user() -> ModuleType:
    """The automation, as a module."""
    path = Path(__file__).parents[1] / "Packs/AWSSNSSMSCommunication/Scripts/SMSAskUser/SMSAskUser.py"
    spec = importlib.util.spec_from_file_location("SMSAskUser", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PIECES = (
    *(" ", " ", "\n", "\t", "\r\n", "\u2028", "\x1c", "\xa0", "or", " or ", "OR", "for", "- Reply", " - Reply ", "-"),
    *(" - REPLY", "Reply", "reply", ":", ": ", "|", "@", "://", "Yes", "No", "YES", "ß", "SS", "İ", "K", "1234", "(1)"),
    *(f"{GUID}@77|3", f": {GUID}@77", GUID, "\0", "\ud800"),
)
wordings = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join)
short = st.lists(st.sampled_from(PIECES[:20]) | st.text(max_size=3), max_size=3).map("".join)
options = st.sampled_from(("Yes", "No", "maybe", "30 min", "Call me")) | short | wordings


@fuzz(QUESTIONS)
@given(
    message=wordings.map(lambda text: f"Deploy{text}") | wordings,
    given_options=st.lists(options, min_size=2, max_size=4),
    task=st.sampled_from(("", "3", "approval_task", "a|b", f"x:{GUID}@1", "://")) | wordings,
    incident=st.sampled_from(("77", "1", "6a4fc3a2-9d1c-4f0e-8f5b-2f6c1d7e9a10")),
    guid=st.uuids().map(str),
)
def test_question_that_smsaskuser_renders_is_read_back_by_the_integration(
    message: str, given_options: Sequence[str], task: str, incident: str, guid: str
) -> None:
    """
    Given any question, options and task.
    When SMSAskUser takes them and renders its text.
    Then the integration reads the same question, options and entitlement, and the phone gets none of the latter.
    """
    script = sms_ask_user()
    arguments = {f"option{place}": option for place, option in enumerate(given_options, 1)}
    try:
        asked = script.parse_request({"phone": PHONE, "message": message, "task": task, **arguments})
    except ValueError:
        return
    entitlement = script.render_entitlement(guid, incident, asked.task)
    read = sms.parse_message(script.render(asked.message, asked.options, entitlement))
    assert read == sms.AskText(asked.message, asked.options, sms.Entitlement(guid, incident, asked.task))
    assert guid not in sms.question_sms(read.question, dict(zip(("1", "2", "3", "4"), read.options, strict=False)))


# What people text back

ODD_OPTIONS = ("Yes", "No", "30 min", "Call me (later)", "(a)", "É", "“Wait”", "+1", "Stop it", "Ⅷ", "1234", "!?")
CODE_SETS = (("0042", "1234"), ("1", "2"), ("0007", "7000"), ("10", "0100"), ("0000", "9999"))


def edge(char: str) -> bool:
    return char.isspace() or unicodedata.category(char)[0] in "PZC" or char in "`\u00b4\u0301"


def strip(text: str, keep: str = "") -> str:
    while text and edge(text[0]) and text[0] not in keep:
        text = text[1:]
    while text and edge(text[-1]) and text[-1] not in keep:
        text = text[:-1]
    return text


def same_words(text: str, option: str) -> bool:
    one, other = (strip(unicodedata.normalize("NFKC", each)).casefold().split() for each in (text, option))
    return one == other and bool(text)


def is_code(text: str, code: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4 and int(text) == int(code)


def opts_out(bare: str) -> bool:
    words = ["ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE"]
    rests = [bare[len(word) :] for word in words if bare[: len(word)].casefold() == word.casefold()]
    return any(not rest or not (rest[0].isalnum() or rest[0] == "_") for rest in rests)


def means(text: str, code: str, option: str) -> bool:
    """spec.md, From reply to answer: the code; the code, white space and the option; the option and the code in ()."""
    text = unicodedata.normalize("NFKC", text)
    bare = strip(text)
    first, *rest = bare.split(maxsplit=1) or [""]
    words, bracket, last = strip(text, keep="()").rpartition("(")
    return (
        is_code(bare, code)
        or (is_code(first, code) and bool(rest) and same_words(rest[0], option))
        or (bool(bracket) and last.endswith(")") and is_code(last[:-1], code) and same_words(words, option))
    )


edges = st.text(st.sampled_from(" \t\n\u3000\u200b\0.,;:!?\"'`\u00b4“”«»-—…"), max_size=3)
marks = (" ", "  ", "\n", "(", ")", ".", "-", "+", "/", "0", "00", "x", "\uff11", "²", "①", "⑴", "٣", "STOP ")
numbers = ("0042", "42", "1234", "1", "2", "10", "7", "7000")
fragments = st.sampled_from((*numbers, *ODD_OPTIONS)) | st.sampled_from(marks) | st.text(max_size=2)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[dict[str, str], str]:
    """Codes with their options, and a reply that is near to one of them."""
    codes = dict(zip(draw(st.sampled_from(CODE_SETS)), draw(st.permutations(ODD_OPTIONS)), strict=False))
    code, option = draw(st.sampled_from(sorted(codes.items())))
    wide = "".join(chr(0xFF10 + int(digit)) for digit in code)
    forms = (code, str(int(code)), wide, f"{code} {option}", f"{option} ({code})", f"{code}\n{option.upper()}")
    core = draw(st.sampled_from(forms) | st.lists(fragments, max_size=4).map("".join) | st.text(max_size=6))
    return codes, draw(edges) + core + draw(edges | fragments)


@fuzz(REPLIES)
@given(conversations())
def test_reply_answers_when_it_is_a_form_of_a_code_and_never_otherwise(given_: tuple[dict[str, str], str]) -> None:
    """
    Given the codes of an open question, and a reply.
    When it is judged.
    Then it answers with the option of the code that spec.md says, and with none when it says none.
    """
    codes, text = given_
    _, [verdict] = sms.claim_replies(state_of(question(codes=codes)), [sms.Reply(PHONE, text, "r-1")], SETTINGS, NOW)
    meant = [option for code, option in codes.items() if means(text, code, option)]
    if opts_out(strip(unicodedata.normalize("NFKC", text))):
        assert verdict.meaning is sms.Meaning.OPT_OUT
        meant = []
    assert ([verdict.match.option] if verdict.match else []) == meant


# Codes


def smallest(numbers: Sequence[int], count: int) -> Sequence[int]:
    return numbers[:count]


@fuzz(CODES)
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from(("random", "sequential")),
            st.lists(st.sampled_from(("1", "7", "0042", "Yes", "30", "9999", "x")), min_size=1, unique=True),
            st.booleans(),
        ),
        max_size=12,
    ),
    crowd=st.sampled_from((0, 0, 9970, 9999)),
    seed=st.integers(0, 2**32),
)
def test_codes_of_a_phone_never_share_a_value(
    asked: Sequence[tuple[str, Sequence[str], bool]], crowd: int, seed: int
) -> None:
    """
    Given questions to one phone in either mode, some of them answered, and a phone that may be crowded.
    When each gets its codes.
    Then no two open codes have one value, no random code is an option's number, and a full phone is a sentence.
    """
    # The smallest come back at once when they do not rest.
    draw = random.Random(seed).sample if seed % 2 else smallest
    in_use, resting = [str(number) for number in range(1, crowd + 1)], list[str]()
    for mode, chosen, answered in asked:
        if len(in_use) + len(chosen) > 9999:
            with pytest.raises(sms.InputError, match="The phone has too many open questions"):
                sms.allocate_codes(chosen, [*in_use, "0", "9998"], resting, mode, draw)
            continue
        if len(in_use) + len(chosen) > 9970:
            continue
        codes = sms.allocate_codes(chosen, in_use, resting, mode, draw)
        values = [int(code) for code in codes]
        assert list(codes.values()) == list(chosen)
        assert len(set(values)) == len(values)
        assert not {int(code) for code in in_use} & set(values)
        assert all(re.fullmatch(r"\d{4}" if mode == "random" else r"[1-9]\d{0,3}", code) for code in codes)
        if mode == "random":
            assert not set(values) & {int(option) for option in chosen if option.isdigit()}
            assert crowd or not {int(code) for code in resting} & set(values)
        (resting if answered else in_use).extend(codes)


# The integration context

wild = st.text(characters, max_size=8)
times = st.floats(allow_nan=False, allow_infinity=False)
claims = st.builds(sms.Claim, option=wild, code=wild, reply_id=wild, at=times, told_at=st.none() | times, error=wild)
code_maps = st.dictionaries(st.from_regex(r"\A[0-9]{1,4}\Z"), wild, max_size=4)


def with_own_claim(asked: sms.Question) -> sms.Question:
    """The question with the first of its codes as what was claimed, if anything was."""
    code, option = next(iter(asked.codes.items()), ("", ""))
    return replace(asked, claim=replace(asked.claim, code=code, option=option) if asked.claim and code else None)


questions = st.builds(
    sms.Question,
    entitlement=st.builds(sms.Entitlement, wild, wild, wild),
    phone=st.sampled_from((PHONE, OTHER_PHONE, "\ud800")),
    text=wild,
    codes=code_maps,
    created=times,
    expires=times,
    sends=st.integers(0, 9),
    published=st.none() | times,
    claim=st.none() | claims,
).map(with_own_claim)
events = st.lists(st.builds(sms.Event, wild, times), max_size=3).map(tuple)
records = st.builds(sms.PhoneRecord, feedback=events, wrong=events, fresh_at=times, opted_out=st.booleans())


@fuzz(STATES)
@given(known=st.lists(questions, max_size=4), phones=st.dictionaries(wild, records, max_size=3))
def test_state_that_is_written_is_read_back(known: Sequence[sms.Question], phones: dict[str, sms.PhoneRecord]) -> None:
    """
    Given any questions, claims and what is remembered of phones.
    When they are written into the integration context.
    Then they are texts without surrogates, and reading them gives the same.
    """
    state = replace(state_of(*known), phones=phones)
    written = sms.write_state(state)
    assert all(value.isascii() for value in written.values())
    assert sms.read_state(written) == state


# A whole story


class Shelf(sms.QuestionStore):
    """The store over a dict of this process."""

    def __init__(self) -> None:
        super().__init__(lambda _seconds: None)
        self.context: dict[str, Any] = {}

    def _load(self) -> tuple[dict[str, Any], int]:
        return self.context, 1

    def _save(self, context: dict[str, Any], _version: int) -> bool:
        self.context = context
        return True


class Carrier:
    """Takes every text, at the time it has."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def has_opted_out(self, _phone: str) -> bool:
        return False

    def send(self, _phone: str, _text: str) -> sms.SentSms:
        return sms.SentSms("m-1", self._now())


class Dies(Exception):
    """The container ends between the claim and XSOAR."""


class Talk(sms.Conversation):
    """A conversation whose XSOAR takes, refuses or never hears an answer."""

    xsoar = "takes"

    def __init__(self, chosen: sms.Settings, shelf: Shelf, now: Callable[[], float], draw: Any) -> None:
        carrier: Any = Carrier(now)
        super().__init__(chosen, shelf, carrier, now, draw)
        self.told: list[tuple[str, str]] = []

    def _tell(self, match: sms.Match) -> str:
        if self.xsoar == "dies":
            raise Dies
        if self.xsoar == "refuses":
            return "busy"
        self.told.append((match.question.entitlement.key, match.option))
        return ""


phones_asked = st.sampled_from((PHONE, OTHER_PHONE))
modes = st.sampled_from(("random", "sequential"))


class Story(RuleBasedStateMachine):
    """Questions, replies, expiry, refusals and deaths in any order: spec.md's rules 1 and 3 hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.shelf = Shelf()
        self.random = random.Random(0)
        self.entitlements: list[sms.Entitlement] = []
        self.answers: dict[str, tuple[str, str, str]] = {}
        chosen = replace(SETTINGS, max_wrong_replies=3)
        self.talks = {
            mode: Talk(replace(chosen, code_mode=mode), self.shelf, self._time, self.random.sample)
            for mode in ("random", "sequential")
        }
        self.replied = 0

    def _time(self) -> float:
        return self.now

    @property
    def state(self) -> sms.State:
        return self.shelf.read()

    @rule(phone=phones_asked, mode=modes, count=st.integers(1, 4), old=st.booleans())
    def ask(self, phone: str, mode: str, count: int, old: bool) -> None:
        if not (old and self.entitlements):
            self.entitlements.append(sms.Entitlement(str(uuid.UUID(int=len(self.entitlements))), "77", "3"))
        ask = sms.AskText("Deploy?", ("Yes", "No", "Later", "7")[:count], self.entitlements[-1])
        answered = self.state.is_taken(self.entitlements[-1])
        known = self.state.find(self.entitlements[-1], phone)
        differs = known and known.open_at(self.now) and tuple(known.codes.values()) != ask.options
        if answered or differs:
            with pytest.raises(sms.InputError, match=r"Ask (again )?with a new one\. Nothing was sent\."):
                self.talks[mode].ask(ask, phone)
        else:
            self.talks[mode].ask(ask, phone)

    @rule(mode=modes)
    def ask_both(self, mode: str) -> None:
        """One question to two phones: the first answer counts."""
        self.ask(PHONE, mode, 2, old=False)
        self.ask(OTHER_PHONE, mode, 2, old=True)

    @rule(
        phone=phones_asked,
        pick=st.integers(0, 99),
        form=st.sampled_from(("{0}", " {0}. ", "{0} {1}", "{1} ({0})", "{0} nonsense", "9{0}", "stop")),
        age=st.sampled_from((None, 0.0, 1.0, 5.0, 4000.0)),
        again=st.booleans(),
        xsoar=st.sampled_from(("takes", "takes", "refuses", "dies")),
    )
    def reply(self, phone: str, pick: int, form: str, age: float | None, again: bool, xsoar: str) -> None:
        asked = self.state.of(phone)
        codes = [pair for each in asked for pair in each.codes.items()] or [("1", "Yes")]
        self.replied += not again
        arrived = None if age is None else self.now - age
        reply = sms.Reply(phone, form.format(*codes[pick % len(codes)]), f"r-{self.replied}", arrived)
        before, talk = self.state, self.talks["random"]
        talk.xsoar = xsoar
        try:
            outcomes = talk.answer([reply])
        except Dies:
            return
        self._check(before, reply, outcomes[0].verdict)

    def _check(self, before: sms.State, reply: sms.Reply, verdict: sms.Verdict) -> None:
        """A reply answers what was open to its phone and had been asked before it, in the words of its code."""
        if verdict.meaning is not sms.Meaning.ANSWER or not verdict.match:
            return
        asked = before.find(verdict.match.question.entitlement, reply.phone)
        assert asked
        assert asked.claim is None
        assert not before.is_taken(asked.entitlement)
        assert means(reply.text, verdict.match.code, asked.codes[verdict.match.code])
        if reply.arrived is not None and asked.published is not None:
            assert reply.arrived >= asked.published - 2
        assert min(self.now, reply.arrived or self.now) < asked.expires

    @rule(xsoar=st.sampled_from(("takes", "refuses", "dies")))
    def sweep(self, xsoar: str) -> None:
        self.talks["random"].xsoar = xsoar
        try:
            self.talks["random"].look_after()
        except Dies:
            return

    @rule(seconds=st.sampled_from((1.0, 3.0, 600.0, 3700.0, DAY, 5 * DAY)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def a_code_means_one_option_of_one_open_question(self) -> None:
        state = self.state
        for phone in (PHONE, OTHER_PHONE):
            held = [int(code) for q in state.of(phone) if self._holds_codes(q, state) for code in q.codes]
            assert len(set(held)) == len(held)

    def _holds_codes(self, asked: sms.Question, state: sms.State) -> bool:
        """Open, or claimed and not yet told; unless it had expired when a reply that was sent in time came in.

        A copy of a question that another phone answered closes with that answer's claim.
        """
        if asked.claim is None:
            return self.now < asked.expires and not state.is_taken(asked.entitlement)
        return asked.claim.told_at is None and asked.claim.at < asked.expires

    @invariant()
    def a_question_is_answered_once_with_the_option_that_xsoar_was_told(self) -> None:
        told = {answer for talk in self.talks.values() for answer in talk.told}
        assert len({key for key, _ in told}) == len(told)
        claimed = [q for q in self.state.all() if q.claim]
        assert len({q.entitlement.key for q in claimed}) == len(claimed)
        for each in claimed:
            assert each.claim
            assert each.codes[each.claim.code] == each.claim.option
            now = (each.claim.option, each.claim.code, each.claim.reply_id)
            assert self.answers.setdefault(each.entitlement.key, now) == now
            if each.answered:
                assert (each.entitlement.key, each.claim.option) in told


TestStory = Story.TestCase
TestStory.settings = settings(fuzz(STORIES), stateful_step_count=40)
