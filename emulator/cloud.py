"""An AWS for one process: moto behind 127.0.0.1, with the strictness, the faults and the records that moto lacks.

A phone's text goes the way it goes in AWS: two-way number, SNS topic, subscription, SQS queue, as aws/two-way-sms.yaml
sets them up. Containers find it through `environment()` alone.
"""

import json
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO
from types import TracebackType
from typing import Any, Literal, NamedTuple

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.test import Client
from werkzeug.wrappers import Response

from emulator.aws_protocol import Request, empty_receive, error_response, parse_request, sns_response
from emulator.iam import refusal
from emulator.listener import Listener, client_left
from emulator.quick_moto import Dispatcher, quicken
from emulator.stack import deploy

TWO_WAY_NUMBER = "+14255550100"
# What the template says.
AS_DEPLOYED = -1
# Requests signed with this key set the stage: they are neither recorded nor disturbed.
OPERATOR_KEY = "EMULATOROPERATOR"
ROLE_KEY = "EMULATORMACHINEROLE"
NO_SECRET = "emulated"  # noqa: S105 - moto takes any

# https://docs.aws.amazon.com/sns/latest/dg/sns-mobile-phone-number-as-subscriber.html
E164 = re.compile(r"\+[1-9]\d{6,14}")
MAX_TEXT = 1600
# https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords.html: a keyword counts when the text begins with it.
OPT_OUT = re.compile(r"\s*(ARRET|CANCEL|END|OPT-OUT|OPTOUT|QUIT|REMOVE|STOP|TD|UNSUBSCRIBE)(?![\w-])", re.IGNORECASE)
OPT_IN = re.compile(r"\s*(START|UNSTOP)(?![\w-])", re.IGNORECASE)
HELP = re.compile(r"\s*HELP(?![\w-])", re.IGNORECASE)
MAX_WAIT_SECONDS = 20
# A hidden message becomes visible again, and a client goes away, without an event: looked at this often, in seconds.
LOOK_AGAIN = 0.1

Phase = Literal["before", "after"]
Hook = Callable[[Request, Phase], None]


@dataclass(frozen=True)
class Text:
    """A text that left AWS for a phone; `time` is Unix time, `attributes` are the MessageAttributes by name."""

    phone: str
    text: str
    attributes: Mapping[str, str]
    message_id: str
    time: float = field(default_factory=time.time)


class Taken(NamedTuple):
    """A message of the reply queue that a receive has handed out; `times` counts how often it was."""

    message_id: str
    body: str
    times: int


@dataclass
class _Fault:
    operation: str
    times: int
    answer: Callable[[Request, Callable[[], Response]], Response]


class Cloud:
    """AWS as one account and region, with a two-way number, a topic, a reply queue and a dead-letter queue.

    A context manager; one at a time in a process, because moto's state is global: a second one is a RuntimeError. Every
    start is from empty. All methods may be called from any thread. Times are Unix seconds, durations seconds.
    `parameters` go over the defaults of the template; `outputs` are what its deployment gave. `visibility_timeout`,
    `max_receive_count` and `raw_delivery` change what was deployed; `max_receive_count` None takes the dead-letter
    queue away. With `enforce_iam`, IAM has to allow what a container asks for. With `disorder`, each message of the
    topic reaches the queue twice, under two SQS ids as SNS re-delivers, and whatever waits there comes in the order it
    draws: what a standard queue allows itself now and then, always.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        visibility_timeout: int = AS_DEPLOYED,
        max_receive_count: int | None = AS_DEPLOYED,
        raw_delivery: bool = False,
        disorder: random.Random | None = None,
        parameters: Mapping[str, str] | None = None,
        enforce_iam: bool = False,
    ) -> None:
        self.region = region
        self.visibility_timeout = visibility_timeout
        self.max_receive_count = max_receive_count
        self.raw_delivery = raw_delivery
        self._disorder = disorder
        self._parameters = dict(parameters or {})
        self._enforce_iam = enforce_iam
        self.outputs: Mapping[str, str] = {}
        self.two_way_number = TWO_WAY_NUMBER
        self.topic_arn = self.queue_url = self.dead_letter_url = ""
        self.hooks: list[Hook] = []
        self.hook_errors: list[Exception] = []
        self.changed = threading.Condition()
        self._texts: list[Text] = []
        self._requests: list[Request] = []
        self._opted_out: set[str] = set()
        self._faults: list[_Fault] = []
        self._changes = 0
        self._running = False
        self._stopping = threading.Event()
        # Two receives at once in moto can take the same message.
        self._moto_lock = threading.RLock()
        self._moto = Dispatcher()
        self._listener = Listener(self._application)

    # Life

    _only = threading.Lock()

    def __enter__(self) -> "Cloud":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.hook_errors and error is None:
            raise self.hook_errors[0]

    def start(self) -> None:
        """Empty moto, listen, and set up topic, queues and subscription."""
        if not Cloud._only.acquire(blocking=False):
            raise RuntimeError("A Cloud is already running in this process: stop it first, moto's state is global.")
        self._running = True
        try:
            self._reset_moto()
            self._listener.open()
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cut every connection and forget everything, at once even when a poll is open. A second call does nothing."""
        if not self._running:
            return
        self._running = False
        self._stopping.set()
        self._notify()
        self._listener.close()
        self._reset_moto()
        Cloud._only.release()

    def _reset_moto(self) -> None:
        with self._moto_lock:
            Client(self._moto).post("/moto-api/reset")

    def _set_up(self) -> None:
        self.outputs = deploy(self.client("cloudformation"), self._parameters)
        self.topic_arn, self.queue_url = self.outputs["TopicArn"], self.outputs["SQSQueueURL"]
        self.dead_letter_url = self.outputs["DeadLetterQueueURL"]
        self._set_up_queue(self.client("sqs"))
        quicken(self._sqs, self.queue_name)
        self._set_up_subscription(self.client("sns"))

    def _set_up_queue(self, sqs: Any) -> None:
        changed = {}
        if self.visibility_timeout != AS_DEPLOYED:
            changed["VisibilityTimeout"] = str(self.visibility_timeout)
        if self.max_receive_count != AS_DEPLOYED:
            changed["RedrivePolicy"] = self._redrive_policy(sqs)
        if changed:
            sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes=changed)

    def _redrive_policy(self, sqs: Any) -> str:
        if self.max_receive_count is None:
            return ""
        deployed = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["RedrivePolicy"])["Attributes"]
        return json.dumps({**json.loads(deployed["RedrivePolicy"]), "maxReceiveCount": self.max_receive_count})

    def _set_up_subscription(self, sns: Any) -> None:
        (subscription,) = sns.list_subscriptions_by_topic(TopicArn=self.topic_arn)["Subscriptions"]
        arn = subscription["SubscriptionArn"]
        self._sns.subscriptions[arn].private_key = _signing_key
        if self.raw_delivery:
            raw = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
            sns.set_subscription_attributes(SubscriptionArn=arn, **raw)

    # Reaching it

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self._listener.port}"

    def environment(self, *, machine_role: bool = True) -> dict[str, str]:
        """The variables that lead a container's AWS clients here.

        With `machine_role` they hold the keys that a machine's role would give; without, a client finds no credentials.
        """
        reached = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        role = {"AWS_ACCESS_KEY_ID": ROLE_KEY, "AWS_SECRET_ACCESS_KEY": NO_SECRET, "AWS_SESSION_TOKEN": NO_SECRET}
        return reached | (role if machine_role else {})

    def client(self, service: str) -> Any:
        """A boto3 client of the account's operator; what it does is neither recorded nor disturbed by faults."""
        # The stubs of boto3 know services by their literal names only.
        connect: Any = boto3.client
        return connect(
            service,
            region_name=self.region,
            endpoint_url=self.url,
            aws_access_key_id=OPERATOR_KEY,
            aws_secret_access_key=NO_SECRET,
            config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 1}),
        )

    @property
    def queue_name(self) -> str:
        """The name of the reply queue, as a deleted one is made again with."""
        return _name(self.queue_url)

    # What happened

    @property
    def texts(self) -> list[Text]:
        """The texts that left for a phone, oldest first."""
        with self.changed:
            return list(self._texts)

    def requests(self, operation: str | None = None) -> list[Request]:
        """The requests that came from containers, oldest first: all, or those of one operation."""
        with self.changed:
            return [request for request in self._requests if operation in (None, request.operation)]

    def queue_depth(self) -> int:
        """How many messages are on the reply queue, visible or in flight."""
        return len(self._queue(self.queue_name)._messages)

    def taken(self, receipt_handle: str) -> Taken | None:
        """The message of the reply queue with that receipt handle, be it an older one; None when it is deleted."""
        messages = [item for item in self._queue(self.queue_name)._messages if item.had_receipt_handle(receipt_handle)]
        return Taken(messages[0].id, messages[0].body, messages[0].approximate_receive_count) if messages else None

    def dead_letters(self) -> list[str]:
        """The bodies in the dead-letter queue. A message gets there when a receive finds its count used up."""
        return [message.body for message in self._queue(_name(self.dead_letter_url))._messages]

    def wait_until(self, condition: Callable[[], bool], within: float = 10) -> bool:
        """Wait for `condition`, looked at after every change here; True when it held within `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            seen = self._changes
            if condition():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping.is_set():
                return False
            with self.changed:
                self.changed.wait_for(partial(self._changed_since, seen), min(left, LOOK_AGAIN))

    def _changed_since(self, seen: int) -> bool:
        return self._changes != seen

    def _queue(self, name: str) -> Any:
        return self._sqs.queues[name]

    @property
    def _sqs(self) -> Any:
        return sqs_backends[DEFAULT_ACCOUNT_ID][self.region]

    @property
    def _sns(self) -> Any:
        return sns_backends[DEFAULT_ACCOUNT_ID][self.region]

    # What a phone, a carrier or an outsider does

    def inbound(self, payload: Mapping[str, Any]) -> str | None:
        """Take in a text sent to the two-way number, given as the JSON that AWS publishes.

        Returns the SNS message id, or None when the text begins with a keyword that AWS handles itself (STOP, START,
        HELP): such a text opts the phone out or in and does not reach the topic.
        """
        phone, text = payload.get("originationNumber"), payload.get("messageBody")
        if isinstance(phone, str) and isinstance(text, str) and self._handle_keyword(phone, text):
            return None
        return self.publish_to_topic(json.dumps(payload))

    def publish_to_topic(self, message: str) -> str:
        """Publish `message` to the topic as it is and return the SNS message id."""
        with self._moto_lock:
            message_id: str = self._sns.publish(message, arn=self.topic_arn)
            if self._disorder:
                self._shuffle(self._queue(self.queue_name)._messages, self._disorder)
        self._notify()
        return message_id

    def _shuffle(self, messages: list[Any], disorder: random.Random) -> None:
        self._sqs.send_message(self.queue_name, messages[-1].body)
        disorder.shuffle(messages)

    def send_raw_to_queue(self, body: str) -> None:
        """Put `body` on the reply queue as it is, past the topic."""
        with self._moto_lock:
            self._sqs.send_message(self.queue_name, body)
        self._notify()

    def opt_out(self, number: str) -> None:
        """From now on texts to `number` are accepted and dropped. Numbers that end in 99 always are."""
        self._opted_out.add(number)

    def opted_out(self, number: str) -> bool:
        """Whether `number` opted out."""
        return number in self._opted_out or number.endswith("99")

    def _handle_keyword(self, phone: str, text: str) -> bool:
        if OPT_OUT.match(text):
            self.opt_out(phone)
        elif OPT_IN.match(text):
            self._opted_out.discard(phone)
        else:
            return bool(HELP.match(text))
        return True

    def _notify(self) -> None:
        with self.changed:
            self._changes += 1
            self.changed.notify_all()

    # Faults

    def fail(
        self,
        operation: str,
        code: str,
        *,
        status: int = 400,
        times: int = 1,
        message: str = "Injected by the emulator",
        deliver: bool = False,
    ) -> None:
        """Answer the next `times` requests of `operation` with an AWS error.

        With `deliver` they take effect all the same. Faults of one operation are used up in the order they were made.
        """

        def answer(request: Request, act: Callable[[], Response]) -> Response:
            if deliver:
                act()
            return error_response(request.service, code, message, status)

        self._add_fault(_Fault(operation, times, answer))

    def hang(self, operation: str, seconds: float, *, times: int = 1, deliver: bool = True) -> None:
        """Hold back the answer to the next `times` requests of `operation`; without `deliver` they have no effect.

        The answer, should the client still wait for it, is then an error 503.
        """

        def answer(request: Request, act: Callable[[], Response]) -> Response:
            response = act() if deliver else error_response(request.service, "ServiceUnavailable", "Held back", 503)
            self._stopping.wait(seconds)
            return response

        self._add_fault(_Fault(operation, times, answer))

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse every connection, and cut those that are open, while the block runs. Phones are not concerned."""
        self._listener.refuse()
        try:
            yield
        finally:
            self._listener.open()

    def _add_fault(self, fault: _Fault) -> None:
        with self.changed:
            self._faults.append(fault)

    def _take_fault(self, operation: str) -> _Fault | None:
        with self.changed:
            for fault in self._faults:
                if fault.operation == operation and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    # Serving

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = _take_body(environ)
        request = parse_request(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_AMZ_TARGET", ""), body)
        if request is None:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        observed = request.access_key != OPERATOR_KEY
        response = self._serve(request, environ) if observed else self._act(request, environ)
        return response(environ, start_response)

    def _serve(self, request: Request, environ: dict[str, Any]) -> Response:
        """1 record, 2 call the hooks, 3 refuse, act (then call the hooks again) or fail as told."""

        def act() -> Response:
            response = self._act(request, environ)
            self._notify()
            self._call_hooks(request, "after")
            return response

        with self.changed:
            self._requests.append(request)
        self._notify()
        self._call_hooks(request, "before")
        refused = self._refuse(request, environ)
        fault = self._take_fault(request.operation)
        return refused or (fault.answer(request, act) if fault else act())

    def _call_hooks(self, request: Request, phase: Phase) -> None:
        try:
            for hook in list(self.hooks):
                hook(request, phase)
        except Exception as error:  # noqa: BLE001 - a hook is a test's own code: it fails the test, not the request
            self.hook_errors.append(error)

    def _refuse(self, request: Request, environ: dict[str, Any]) -> Response | None:
        if not self._enforce_iam:
            return None
        with self._moto_lock:
            return refusal(request, environ)

    def _act(self, request: Request, environ: dict[str, Any]) -> Response:
        special = {
            "Publish": self._publish,
            "CheckIfPhoneNumberIsOptedOut": self._check_opted_out,
            "OptInPhoneNumber": self._opt_in,
            "ReceiveMessage": self._receive,
        }.get(request.operation)
        return special(request, environ) if special else self._ask_moto(environ)

    def _ask_moto(self, environ: dict[str, Any]) -> Response:
        with self._moto_lock:
            return Response.from_app(self._moto, environ, buffered=True)

    def _publish(self, request: Request, environ: dict[str, Any]) -> Response:
        """Take a text for a phone. moto would only draw an id; it is asked where it has more to say."""
        phone, attributes = request.parameters.get("PhoneNumber"), request.parameters.get("MessageAttributes", {})
        if phone is None or not all(value.get("StringValue") for value in attributes.values()):
            return self._ask_moto(environ)
        reason = _refusal(phone, request.parameters.get("Message", ""))
        if reason:
            return error_response("sns", "InvalidParameter", reason, 400)
        message_id = str(uuid.uuid4())
        if not self.opted_out(phone):
            self._deliver(phone, request.parameters, message_id)
        return sns_response(request.operation, {"MessageId": message_id})

    def _deliver(self, phone: str, parameters: Mapping[str, Any], message_id: str) -> None:
        attributes = {name: value["StringValue"] for name, value in parameters.get("MessageAttributes", {}).items()}
        with self.changed:
            self._texts.append(Text(phone, parameters["Message"], attributes, message_id))

    def _check_opted_out(self, request: Request, environ: dict[str, Any]) -> Response:
        if self.opted_out(request.parameters.get("phoneNumber", "")):
            return sns_response(request.operation, {"isOptedOut": "true"})
        return self._ask_moto(environ)

    def _opt_in(self, request: Request, environ: dict[str, Any]) -> Response:
        self._opted_out.discard(request.parameters.get("phoneNumber", ""))
        return self._ask_moto(environ)

    def _receive(self, request: Request, environ: dict[str, Any]) -> Response:
        """Long poll for as long as the client is there.

        moto would hand a reply to the poll of a killed container, which hides it for the whole visibility timeout.
        """
        name = _name(str(request.parameters.get("QueueUrl", "")))
        if name not in self._sqs.queues:
            return self._ask_moto(environ)
        wait = request.parameters.get("WaitTimeSeconds", self._queue(name).receive_message_wait_time_seconds)
        if not isinstance(wait, int) or not 0 < wait <= MAX_WAIT_SECONDS:
            return self._ask_moto(environ)
        _replace_body(environ, json.dumps({**request.parameters, "WaitTimeSeconds": 0}).encode())
        return self._long_poll(self._queue(name), environ, time.monotonic() + wait)

    def _long_poll(self, queue: Any, environ: dict[str, Any], deadline: float) -> Response:
        def over() -> bool:
            return self._stopping.is_set() or bool(queue.messages) or client_left(environ)

        while self.wait_until(over, deadline - time.monotonic()) and queue.messages and not client_left(environ):
            response = self._ask_moto(_rewound(environ))
            if b'"Messages"' in response.get_data() or response.status_code != 200:
                return response
        return empty_receive()


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """The key that signs envelopes: moto would draw one (0.1 s or more) for each subscription, at its first message."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _refusal(phone: str, text: str) -> str | None:
    if not E164.fullmatch(phone):
        return f"Invalid parameter: PhoneNumber Reason: {phone} is not valid to publish to"
    if not text:
        return "Invalid parameter: Empty message"
    return "Invalid parameter: Message too long" if len(text) > MAX_TEXT else None


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


def _take_body(environ: dict[str, Any]) -> bytes:
    """Read the whole body and leave it there to be read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    _replace_body(environ, body)
    return body


def _replace_body(environ: dict[str, Any], body: bytes) -> None:
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)


def _rewound(environ: dict[str, Any]) -> dict[str, Any]:
    return {**environ, "wsgi.input": BytesIO(environ["wsgi.input"].getvalue())}
