"""What the bridge lets through, and what it puts on the queue."""

import base64
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import bridge
import pytest
from hypothesis import given
from hypothesis import strategies as st

HOST = "abc123.lambda-url.eu-west-1.on.aws"
URL = f"https://{HOST}/"
TOKEN = "fedcba9876543210fedcba9876543210"
SID = "SM0123456789abcdef0123456789abcdef"
SMS = {
    "MessageSid": SID,
    "AccountSid": "AC0123456789abcdef0123456789abcdef",
    "From": "+14255550182",
    "To": "+14255550100",
    "Body": "1234",
    "NumMedia": "0",
    "FromCity": "",
}
# 2026-01-02T03:04:05.678Z
ARRIVED = 1767323045678
Form = Mapping[str, str] | list[tuple[str, str]]


def event(
    form: Form = SMS, *, url: str = URL, token: str = TOKEN, encoded: bool = True, **replaced: Any
) -> dict[str, Any]:
    """A Function URL event, format 2.0, of a form that was signed with the token for the URL."""
    pairs = list(form.items()) if isinstance(form, Mapping) else form
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    body, (path, _, query) = urlencode(pairs), url.removeprefix(f"https://{HOST}").partition("?")
    return {
        "version": "2.0",
        "rawPath": path or "/",
        "rawQueryString": query,
        "headers": {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": bridge.sign(token, url, values),
        },
        "requestContext": {"domainName": HOST, "timeEpoch": ARRIVED, "http": {"method": "POST", "path": path}},
        "body": base64.b64encode(body.encode()).decode() if encoded else body,
        "isBase64Encoded": encoded,
        **replaced,
    }


def sms_but(**fields: str | None) -> dict[str, str]:
    """The SMS with other fields, without those that are None."""
    return {name: value for name, value in {**SMS, **fields}.items() if value is not None}


class Secret:
    """A secret that counts how often it is read; None cannot be read."""

    def __init__(self, text: str | None = TOKEN) -> None:
        self.text, self.reads = text, 0

    def read(self) -> str:
        self.reads += 1
        if self.text is None:
            raise bridge.Unavailable("Secrets Manager did not give the auth token: AccessDeniedException.")
        return self.text


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the function puts on the queue; its secret holds TOKEN."""
    sent: list[str] = []
    tokens = bridge.Tokens(Secret().read)
    monkeypatch.setattr(bridge, "send_to_queue", sent.append)
    monkeypatch.setattr(bridge, "tokens_of_this_process", lambda: tokens)
    return sent


class TestSignature:
    def test_published_example_gives_the_published_signature(self) -> None:
        """
        Given the form, URL and token of Twilio's own example.
        When it is signed.
        Then the signature is the one that Twilio publishes for it.
        """
        form = {
            "CallSid": ["CA1234567890ABCDE"],
            "Caller": ["+12349013030"],
            "Digits": ["1234"],
            "From": ["+12349013030"],
            "To": ["+18005551212"],
        }
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        assert bridge.sign("12345", url, form) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="

    def test_published_example_as_an_event_is_verified_and_no_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Given Twilio's example, a call, as the Function URL would hand it over.
        When it comes with its published signature, and with another.
        Then the first is told to be no message, and the second to be unsigned.
        """
        tokens = bridge.Tokens(Secret("12345").read)
        monkeypatch.setattr(bridge, "tokens_of_this_process", lambda: tokens)
        call = {
            "headers": {"X-Twilio-Signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
            "rawPath": "/myapp.php",
            "rawQueryString": "foo=1&bar=2",
            "requestContext": {"domainName": "mycompany.com", "timeEpoch": ARRIVED},
            "body": "Digits=1234&To=%2B18005551212&From=%2B12349013030&Caller=%2B12349013030&CallSid=CA1234567890ABCDE",
            "isBase64Encoded": False,
        }
        assert bridge.handler(call)["statusCode"] == 400
        assert bridge.handler({**call, "rawQueryString": "foo=1&bar=3"})["statusCode"] == 403

    def test_repeated_field_is_signed_with_each_of_its_values_once_sorted(self) -> None:
        """
        Given a field with the values b, a and b.
        When it is signed.
        Then the signature is that of the joined text "fafb" after the URL.
        """
        assert bridge.sign("12345", URL, {"f": ["b", "a", "b"]}) == bridge.sign("12345", f"{URL}fafb", {})


class TestVerified:
    @pytest.mark.parametrize(
        "signed",
        [
            event(),
            event(encoded=False),
            event(url=f"https://{HOST}"),
            event(url=f"{URL}?from=twilio&x="),
            event(url=f"https://{HOST}?from=twilio"),
            event(url=f"{URL}sms/in?a=%20b+c"),
            event(sms_but(Body="Ja, schön 👍 & + = %41")),
            event(sms_but(Body="")),
            event(sms_but(To="40404")),
            event(sms_but(MessageSid="MM0123456789abcdef0123456789abcdef", NumMedia="1")),
            event([*SMS.items(), ("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "b")]),
            event(headers={"X-TWILIO-SIGNATURE": event()["headers"]["x-twilio-signature"]}),
            event(sms_but(Body="a" * 1600)),
            event(sms_but(ErrorCode="11200", ErrorUrl=URL)),
        ],
        ids=[
            "base64 body",
            "plain body",
            "URL without a slash",
            "URL with a query",
            "URL with a query and no slash",
            "URL with a path and escapes",
            "any letters",
            "no text",
            "short code",
            "picture",
            "repeated field",
            "header in capitals",
            "longest text",
            "fallback of a failure",
        ],
    )
    def test_signed_sms_is_put_on_the_queue_and_answered_with_empty_twiml(
        self, queue: list[str], signed: dict[str, Any]
    ) -> None:
        """
        Given an SMS that Twilio signed.
        When it arrives.
        Then one message is on the queue, and Twilio has nothing to send back.
        """
        assert bridge.handler(signed) == {
            "statusCode": 200,
            "headers": {"content-type": "text/xml"},
            "body": '<?xml version="1.0" encoding="UTF-8"?><Response></Response>',
        }
        assert len(queue) == 1

    def test_sms_becomes_the_envelope_of_an_inbound_sms(self, queue: list[str]) -> None:
        """
        Given a signed SMS that arrived at a known time.
        When it is put on the queue.
        Then it is what SNS brings, with Twilio's ids in the place of AWS's.
        """
        bridge.handler(event(sms_but(Body="Ja, schön 👍")))
        notification = json.loads(queue[0])
        assert json.loads(notification.pop("Message")) == {
            "originationNumber": "+14255550182",
            "destinationNumber": "+14255550100",
            "messageBody": "Ja, schön 👍",
            "inboundMessageId": "SM0123456789abcdef0123456789abcdef",
        }
        assert notification == {
            "Type": "Notification",
            "MessageId": "SM0123456789abcdef0123456789abcdef",
            "Timestamp": "2026-01-02T03:04:05.678Z",
        }

    def test_request_that_comes_again_has_the_same_ids(self, queue: list[str]) -> None:
        """
        Given an SMS that was put on the queue.
        When the same signed request comes a day later.
        Then both messages have one inboundMessageId, by which the pack knows the second as a duplicate.
        """
        bridge.handler(event())
        bridge.handler(event(requestContext={"domainName": HOST, "timeEpoch": ARRIVED + 86_400_000}))
        first, again = (json.loads(json.loads(body)["Message"]) for body in queue)
        assert first == again

    def test_message_of_the_worst_text_fits_into_sqs(self, queue: list[str]) -> None:
        """
        Given a form as long as is read, of characters that JSON escapes twice.
        When it is put on the queue.
        Then the message is shorter than the 262,144 bytes that SQS takes.
        """
        room = bridge.MAX_BODY - len(urlencode(sms_but(Body="")))
        fields = sms_but(Body="")
        raw = urlencode(fields).replace("Body=", "Body=" + "\x01" * room)
        signed = event({**fields, "Body": "\x01" * room}, body=raw, isBase64Encoded=False)
        assert bridge.handler(signed)["statusCode"] == 200
        assert len(queue[0]) < 262_144


class TestNotVerified:
    @pytest.mark.parametrize(
        "forged",
        [
            event(headers={}),
            event(headers={"x-twilio-signature": ""}),
            event(headers={"x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="}),
            event(headers={"x-twilio-signature": "é" * 28}),
            event(token="another"),
            event(headers={"x-twilio-signature": f"A{event()['headers']['x-twilio-signature'][1:]}"}),
            event(headers={"x-twilio-signature": f"{event()['headers']['x-twilio-signature'][:26]}A="}),
            event(url=f"{URL}?a=1", rawQueryString="a=2"),
            event(url=f"{URL}other", rawPath="/"),
            event(requestContext={"domainName": "example.com", "timeEpoch": ARRIVED}),
            event(body=event(sms_but(Body="5678"))["body"]),
            event(body=event([*SMS.items(), ("Body", "5678")])["body"]),
            event(body="%%%"),
            event(body="From=%ff", isBase64Encoded=False),
            event(body=base64.b64encode(b"\xff").decode()),
            event(rawPath="/\ud800"),
            event(sms_but(Body="a" * 40_000)),
            event(body=None),
            event(body={"From": "+14255550182"}, isBase64Encoded=False),
            event(requestContext=None),
            event(body="\ud800", isBase64Encoded=False),
            {},
            None,
            [],
            "x",
        ],
        ids=[
            "no header",
            "empty header",
            "signature of something else",
            "signature that is not ASCII",
            "token of another account",
            "first letter of the signature changed",
            "last letter of the signature changed",
            "query changed",
            "path changed",
            "host changed",
            "text changed",
            "text added",
            "no base64",
            "escapes that are not UTF-8",
            "bytes that are not UTF-8",
            "half a character in the path",
            "too long",
            "no body",
            "body that is no text",
            "no context",
            "half a character",
            "empty event",
            "no event",
            "list",
            "text",
        ],
    )
    def test_what_twilio_did_not_sign_is_refused_with_403(self, queue: list[str], forged: Any) -> None:
        """
        Given a request that is not as Twilio signed it.
        When it arrives.
        Then it is refused, and nothing is on the queue.
        """
        assert bridge.handler(forged)["statusCode"] == 403
        assert queue == []

    def test_request_without_a_signature_does_not_read_the_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Given a function that has just started.
        When a stranger posts a form without a signature.
        Then it is refused before the secret is read.
        """
        secret = Secret()
        monkeypatch.setattr(bridge, "tokens_of_this_process", lambda: bridge.Tokens(secret.read))
        assert bridge.handler(event(headers={}))["statusCode"] == 403
        assert secret.reads == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class TestAnything:
    @given(part=st.sampled_from([*event(), "x"]), value=JSON)
    def test_any_part_of_an_event_may_be_anything(self, part: str, value: Any) -> None:
        """
        Given a signed event of which one part is replaced by anything.
        When it arrives.
        Then there is an answer, and only a part that was not signed lets the SMS through.
        """
        status, sent = self.status_of({**event(), part: value})
        assert status in ({200} if part in ("version", "x") else {200, 403})
        assert len(sent) == (status == 200)

    @given(form=st.lists(st.tuples(st.sampled_from([*SMS, "x"]), st.text(st.characters(codec="utf-8"))), max_size=9))
    def test_any_signed_form_is_an_sms_or_no_message(self, form: list[tuple[str, str]]) -> None:
        """
        Given any form that was signed.
        When it arrives.
        Then it is told to be no message, or on the queue.
        """
        status, sent = self.status_of(event(form))
        assert status == (200 if sent else 400)

    @given(text=st.text(st.characters(codec="utf-8"), max_size=1600))
    def test_any_text_arrives_as_it_was_sent(self, text: str) -> None:
        """
        Given an SMS with any text.
        When it arrives.
        Then the message has that text.
        """
        status, sent = self.status_of(event(sms_but(Body=text)))
        assert status == 200
        assert json.loads(json.loads(sent[0])["Message"])["messageBody"] == text

    @staticmethod
    def status_of(given_event: Any) -> tuple[int, list[str]]:
        with pytest.MonkeyPatch.context() as patch:
            sent: list[str] = []
            patch.setattr(bridge, "send_to_queue", sent.append)
            patch.setattr(bridge, "tokens_of_this_process", lambda: bridge.Tokens(Secret().read))
            return bridge.handler(given_event)["statusCode"], sent


class TestNotAMessage:
    @pytest.mark.parametrize(
        ("form", "field"),
        [
            ({}, "MessageSid"),
            (sms_but(MessageSid=None), "MessageSid"),
            (sms_but(MessageSid="CA0123456789abcdef0123456789abcdef"), "MessageSid"),
            (sms_but(MessageSid=f"{SID}\n"), "MessageSid"),
            (sms_but(From="whatsapp:+14255550182"), "From"),
            (sms_but(From="ACME"), "From"),
            (sms_but(From="40404"), "From"),
            (sms_but(From="+04255550182"), "From"),
            (sms_but(From="+1425555018\uff12"), "From"),
            (sms_but(To="whatsapp:+14255550100"), "To"),
            (sms_but(To=""), "To"),
            (sms_but(Body=None), "Body"),
            ([*SMS.items(), ("Body", "5678")], "Body"),
            ([*SMS.items(), ("From", "+14255550182")], "From"),
        ],
        ids=[
            "nothing",
            "no sid",
            "sid of a call",
            "sid with a line break",
            "WhatsApp",
            "sender with letters",
            "sender that is a short code",
            "sender with a leading zero",
            "sender with a full-width digit",
            "to WhatsApp",
            "to nobody",
            "no text field",
            "two texts",
            "sender twice",
        ],
    )
    def test_signed_request_that_is_no_sms_is_refused_with_400(self, queue: list[str], form: Form, field: str) -> None:
        """
        Given a request that Twilio signed, which is no SMS from a phone.
        When it arrives.
        Then it is refused with the name of the field, and nothing is on the queue.
        """
        refused = bridge.handler(event(form))
        assert refused["statusCode"] == 400
        assert refused["body"] == (
            f"The request is not an SMS from a phone: {field} must be there once, as it is in an SMS."
        )
        assert queue == []


class TestTokens:
    def setup_method(self) -> None:
        self.secret, self.clock = Secret("old"), Clock()
        self.tokens = bridge.Tokens(self.secret.read, self.clock)

    def verdict(self, token: str) -> bool:
        """Whether an SMS signed with the token is verified."""
        try:
            bridge.verify(bridge.read_request(event(token=token), 0), self.tokens)
        except bridge.NotVerified:
            return False
        return True

    def test_secret_is_read_once_in_five_minutes(self) -> None:
        """
        Given three signed requests within five minutes, and one after.
        When they are verified.
        Then the secret is read for the first and for the last.
        """
        for seconds in (0, 200, 99):
            self.clock.now += seconds
            assert self.verdict("old")
        assert self.secret.reads == 1
        self.clock.now += 1
        assert self.verdict("old")
        assert self.secret.reads == 2

    def test_rotated_token_is_read_when_a_signature_does_not_fit(self) -> None:
        """
        Given a token that was rotated a minute after it was read.
        When a request signed with the new token comes.
        Then it is verified at once, and the old token serves no more.
        """
        assert self.verdict("old")
        self.secret.text, self.clock.now = "new", self.clock.now + 60
        assert self.verdict("new")
        assert not self.verdict("old")

    def test_two_tokens_both_serve_while_one_is_rotated(self) -> None:
        """
        Given a secret with the old and the new token, on a line each.
        When requests signed with either come.
        Then both are verified, and a third token is not.
        """
        self.secret.text = "old\nnew\n"
        assert (self.verdict("old"), self.verdict("new"), self.verdict("other")) == (True, True, False)

    def test_thousand_forged_requests_in_a_minute_read_the_secret_three_times(self) -> None:
        """
        Given a stranger who posts a thousand forms with invented signatures within a minute.
        When they are refused.
        Then the secret was read at the start and every thirty seconds, no more.
        """
        for _ in range(1000):
            assert not self.verdict("invented")
            self.clock.now += 0.0625
        assert self.secret.reads == 3

    def test_secret_that_cannot_be_read_is_tried_again_after_a_second(self) -> None:
        """
        Given a secret that cannot be read.
        When requests come at once, and after a second, when it can be.
        Then the first two are told to try later, at the cost of one read, and the third is verified.
        """
        self.secret.text = None
        for sentence in ("AccessDenied", "could not be read a moment ago"):
            with pytest.raises(bridge.Unavailable, match=sentence):
                self.verdict("old")
        assert self.secret.reads == 1
        self.secret.text, self.clock.now = "old", self.clock.now + 1
        assert self.verdict("old")

    def test_signature_that_does_not_fit_is_not_called_forged_while_the_secret_cannot_be_read(self) -> None:
        """
        Given a token read a minute ago, and a secret that cannot be read now.
        When a request comes that another token signed, perhaps a new one.
        Then it is told to try later; one signed with the token that is known is verified.
        """
        assert self.verdict("old")
        self.secret.text, self.clock.now = None, self.clock.now + 60
        for _ in range(2):
            with pytest.raises(bridge.Unavailable):
                self.verdict("new")
        assert self.verdict("old")

    @pytest.mark.parametrize("text", ["", " \n", '{"token": "old"}', "old;new"])
    def test_secret_without_plain_tokens_is_unavailable(self, text: str) -> None:
        """
        Given a secret that holds no token as plain text.
        When a request is verified.
        Then the failure says what the secret must hold.
        """
        self.secret.text = text
        with pytest.raises(bridge.Unavailable, match="must hold Twilio's auth token as plain text"):
            self.verdict("old")


@pytest.mark.usefixtures("queue")
class TestFailures:
    def fails(self, error: Exception) -> Callable[[str], None]:
        def send(_: str) -> None:
            raise error

        return send

    @pytest.mark.parametrize(
        ("error", "status", "body"),
        [
            (bridge.Unavailable("The queue did not take the message: Throttled."), 503, "did not take the message"),
            (RuntimeError("1234 from +14255550182"), 500, "The request could not be handled."),
        ],
        ids=["AWS refuses", "unforeseen"],
    )
    def test_sms_that_is_not_on_the_queue_is_never_answered_with_200(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        error: Exception,
        status: int,
        body: str,
    ) -> None:
        """
        Given a queue that takes nothing.
        When a signed SMS arrives.
        Then Twilio is told to try again, and an error is logged without number and text.
        """
        monkeypatch.setattr(bridge, "send_to_queue", self.fails(error))
        answer = bridge.handler(event())
        assert (answer["statusCode"], body in answer["body"]) == (status, True)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "+1425" not in caplog.text
        assert "1234 from" not in caplog.text

    def test_logs_hold_no_number_text_token_or_signature(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Given an SMS, a forged one and one from WhatsApp.
        When they arrive, and everything is logged.
        Then the logs have the sid of the first and the reasons of the others, and nothing that was said, or by whom.
        """
        caplog.set_level(logging.DEBUG)
        signed = event(sms_but(Body="do not tell"), encoded=False)
        whatsapp = event(sms_but(From="whatsapp:+14255550182"), encoded=False)
        for given_event in (signed, event(token="forged", encoded=False), whatsapp):
            bridge.handler(given_event)
        assert SID in caplog.text
        assert len(caplog.records) == 3
        secrets = ["4255550182", "4255550100", "do not tell", TOKEN, signed["headers"]["x-twilio-signature"]]
        assert [secret for secret in secrets if secret in caplog.text] == []
        assert [secret for secret in secrets if secret in repr(bridge.read_request(signed, 0))] == []
