"""The commands as an analyst types them, the Test button, and the sentence that each bad input gets."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator.incidents import Entry
from emulator.world import BRAND, World
from tests.stage import (
    SharedWorld,
    ask,
    ask_directly,
    entitlement,
    error_of,
    only,
    outputs,
    question,
    readable,
    send,
    texts_of,
)

NewWorld = Callable[..., World]
GUID = "6a4fc3a2-9d1c-4f0e-8f5b-2f6c1d7e9a10"


# aws-sns-sms-list-entitlements


def listed(world: World, **arguments: str) -> Entry:
    return only(world.server.execute("aws-sns-sms-list-entitlements", arguments))


def rows(entry: Entry) -> list[dict[str, Any]]:
    return list(outputs(entry, "AWS.SNS.SMS.Entitlement"))


def test_open_questions_are_listed_newest_first_and_answered_ones_on_request(sequential_world: SharedWorld) -> None:
    # Given three questions to one phone, the second of which is answered, and one to another phone
    phone, other = sequential_world.new_phone(), sequential_world.new_phone()
    first = ask_directly(sequential_world, phone, message="x" * 101 + "|")
    second = ask_directly(sequential_world, phone, message="Second?")
    third = ask_directly(sequential_world, phone, ("Block", "Allow", "Wait"), "Two\nlines?")
    elsewhere = ask_directly(sequential_world, other)
    phone.replies("4")
    phone.expects("4 - Thank you")
    sequential_world.wait_until(lambda: sequential_world.cloud.queue_depth() == 0)
    # When they are listed
    entry = listed(sequential_world, phone_number=phone.number)
    # Then the open ones of that phone come, newest first
    (newest, oldest) = rows(entry)
    assert newest == {
        "EntitlementID": outputs(third.entry, "AWS.SNS.SMS")["Entitlement"],
        "PhoneNumber": phone.number,
        "Status": "Open",
        "ReplyCodes": "Block (5) or Allow (6) or Wait (7)",
        "Message": "Two\nlines?",
        "Created": newest["Created"],
        "ExpiresAt": newest["ExpiresAt"],
        "RemindersLeft": 0,
        "DefaultResponse": None,
        "AgeHours": newest["AgeHours"],
        "Answered": False,
        "AnsweredAt": None,
        "ChosenOption": None,
        "Error": None,
        "Locked": False,
        "OptedOut": False,
    }
    assert oldest["EntitlementID"] == outputs(first.entry, "AWS.SNS.SMS")["Entitlement"]
    assert oldest["Message"] == "x" * 100
    table = readable(entry)
    assert table.index("Block (5) or Allow (6) or Wait (7)") < table.index("Yes (1) or No (2)")
    # And with the answered one its option and its time stand there
    answered = rows(listed(sequential_world, phone_number=phone.number, show_answered="true"))
    assert [row["ReplyCodes"] for row in answered] == [
        "Block (5) or Allow (6) or Wait (7)",
        "Yes (3) or No (4)",
        "Yes (1) or No (2)",
    ]
    assert answered[1]["EntitlementID"] == outputs(second.entry, "AWS.SNS.SMS")["Entitlement"]
    assert (answered[1]["Answered"], answered[1]["ChosenOption"]) == (True, "No")
    assert moment(answered[1]["Created"]) <= moment(answered[1]["AnsweredAt"]) < moment(answered[1]["ExpiresAt"])
    # And without a filter the questions of all phones come
    everybody = [row["EntitlementID"] for row in rows(listed(sequential_world))]
    assert everybody[0] == outputs(elsewhere.entry, "AWS.SNS.SMS")["Entitlement"]
    assert {newest["EntitlementID"], oldest["EntitlementID"]} < set(everybody)


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def test_a_listed_question_says_when_it_was_sent_and_when_it_expires(new_world: NewWorld) -> None:
    # Given an instance whose questions live half an hour
    world = new_world({"entitlementTTL": "0.5"})
    phone = world.phone("+14255550182")
    ask_directly(world, phone)
    # When its question is listed, the phone spelled as people do
    (row,) = rows(listed(world, phone_number="+1 (425) 555-0182"))
    # Then the times are in UTC, half an hour apart, and its age is a number of hours
    assert moment(row["ExpiresAt"]) - moment(row["Created"]) == timedelta(minutes=30)
    assert moment(row["Created"]).utcoffset() == timedelta()
    assert isinstance(row["AgeHours"], float)
    assert 0 <= row["AgeHours"] < 0.1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "There are no open questions."),
        ({"phone_number": "+1 425 555 0182"}, "There are no open questions of +14255550182."),
        ({"show_answered": "true"}, "There are no questions."),
        ({"phone_number": "+14255550182", "show_answered": "yes"}, "There are no questions of +14255550182."),
    ],
)
def test_an_empty_list_is_a_plain_sentence(new_world: NewWorld, arguments: dict[str, str], sentence: str) -> None:
    # When nothing was ever asked / Then the list says so, and no row goes to the context
    entry = listed(new_world(), **arguments)
    assert (readable(entry), rows(entry)) == (sentence, [])


# aws-sns-sms-inject-reply


def inject(world: World, phone: str, reply: str) -> Entry:
    return only(world.server.execute("aws-sns-sms-inject-reply", {"phone_number": phone, "reply_code": reply}))


def test_an_injected_code_resumes_the_task_without_a_text_and_without_aws(sequential_world: SharedWorld) -> None:
    # Given an open question
    phone = sequential_world.new_phone()
    asked = ask(sequential_world, phone)
    before = len(sequential_world.cloud.requests("Publish"))
    # When its code is injected, the phone spelled as people do
    spelled = f"{phone.number[:2]} ({phone.number[2:5]}) {phone.number[5:8]}-{phone.number[8:]}"
    entry = inject(sequential_world, spelled, " 2. ")
    # Then the task is resumed at once
    assert asked.task.completed
    assert asked.task.wait() == "No"
    (guid,) = asked.incident.entitlements
    assert outputs(entry, "AWS.SNS.SMS.TestReply") == {
        "Success": True,
        "PhoneNumber": phone.number,
        "ReplyCode": "2",
        "ChosenOption": "No",
        "EntitlementGUID": guid,
        "IncidentID": asked.incident.id,
        "TaskID": "1",
        "Error": None,
    }
    assert readable(entry) == f'The reply chose "No" in incident {asked.incident.id}.'
    # And nothing went to the phone
    assert len(sequential_world.cloud.requests("Publish")) == before


def test_an_injected_reply_that_matches_nothing_names_the_active_codes(sequential_world: SharedWorld) -> None:
    # Given a phone with two open questions
    phone = sequential_world.new_phone()
    ask_directly(sequential_world, phone)
    ask_directly(sequential_world, phone, ("Block", "Allow"))
    # When something else is injected
    entry = inject(sequential_world, phone.number, "I am 1 of 2")
    # Then it is no error of the command, and the readable text names the codes, oldest first
    sentence = (
        f'"I am 1 of 2" is no reply code of {phone.number}. '
        "Its active codes are: Yes (1), No (2), Block (3), Allow (4)."
    )
    assert readable(entry) == sentence
    assert outputs(entry, "AWS.SNS.SMS.TestReply") == {
        "Success": False,
        "PhoneNumber": phone.number,
        "ReplyCode": "I am 1 of 2",
        "ChosenOption": None,
        "EntitlementGUID": None,
        "IncidentID": None,
        "TaskID": None,
        "Error": sentence,
    }


def test_a_code_is_injected_once(sequential_world: SharedWorld) -> None:
    # Given a question that an injected code answered
    phone = sequential_world.new_phone()
    asked = ask_directly(sequential_world, phone)
    inject(sequential_world, phone.number, "1")
    # When the other code is injected
    entry = inject(sequential_world, phone.number, "2")
    # Then nothing is open, and the first answer stays
    assert readable(entry) == f'"2" is no reply code of {phone.number}. It has no open questions.'
    assert asked.task.wait() == "Yes"


# send-notification


def test_the_second_name_of_the_command_does_the_same(sequential_world: SharedWorld) -> None:
    # When a question is sent by the name that no other integration has, the phone spelled as people do
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    message = question("Restart?", ("Yes", "No"), entitlement(incident, "1"))
    spelled = f"{phone.number[:2]}.{phone.number[2:5]} - {phone.number[5:]}"
    entry = only(sequential_world.server.execute("aws-sns-sms-send-notification", {"to": spelled, "message": message}))
    # Then it is a question like any other
    assert phone.expects() == "Restart?\nYes (1) or No (2)"
    assert outputs(entry, "AWS.SNS.SMS")["PhoneNumber"] == phone.number


def test_a_question_for_an_answered_entitlement_is_an_error(sequential_world: SharedWorld) -> None:
    # Given a question that was answered
    phone, incident = sequential_world.new_phone(), sequential_world.incident()
    message = question("Restart?", ("Yes", "No"), entitlement(incident, "1"))
    send(sequential_world, phone.number, message)
    phone.expects("Restart?")
    inject(sequential_world, phone.number, "1")
    # When its entitlement is sent again / Then a sentence says that it can have no second answer
    assert error_of([send(sequential_world, phone.number, message)]) == (
        "The entitlement of this question has been answered. Ask again with a new one. Nothing was sent."
    )


def test_too_many_open_questions_is_an_error_and_no_endless_loop(new_world: NewWorld) -> None:
    # Given a phone whose 9,999 sequential codes are nearly all in use: 999 questions of ten options
    world = new_world({"replyCodeMode": "sequential"})
    phone, incident, letters = world.phone("+14255550182"), world.incident(), "ABCDEFGHIJ"
    send(world, phone.number, question("Which?", letters, entitlement(incident)))
    phone.expects("A (1)")
    _multiply(world, 999)
    # When a question of nine still fits, and one more does not
    send(world, phone.number, question("Last?", letters[:9], entitlement(incident)))
    assert phone.expects().startswith("Last?\nA (9991) or ")
    entry = send(world, phone.number, question("One more?", letters[:1], entitlement(incident)))
    # Then a sentence says so
    assert error_of([entry]) == (
        "The phone has too many open questions: no reply codes are free. Wait for answers. Nothing was sent."
    )


def _multiply(world: World, times: int) -> None:
    """As many questions in the integration context as if the one that is there had been asked so often."""
    context, version = world.instance.context.read()
    (one,) = json.loads(context["entitlements"])
    every = [
        {
            **one,
            "guid": f"{number:08}-0000-0000-0000-000000000000",
            "codes": {str(10 * number + place): option for place, option in enumerate(one["codes"].values(), 1)},
        }
        for number in range(times)
    ]
    world.instance.context.write({**context, "entitlements": json.dumps(every)}, version)


NO_PHONE = (
    '{} is "{}", but it must be a phone number in E.164: '
    "a plus sign and 7 to 15 digits, the first not 0, such as +14255550182."
)
NO_FORMAT = (
    "The message ends with an entitlement, but is not in the format of SMSAskUser: "
    '"Question - Reply option1 or option2: GUID@incident|task". Nothing was sent. '
    "Use the SMSAskUser automation, or take the entitlement out of the message."
)
OPTION_OF_ITS_OWN = "Option {} of the message is {}, but each must be a text of its own. Nothing was sent."
SEND = "!send-notification to=+14255550182 message="


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("!send-notification to=0182 message=hi", NO_PHONE.format("to", "0182")),
        ("!send-notification to=+142555 message=hi", NO_PHONE.format("to", "+142555")),
        ("!send-notification to=bob@example.com message=hi", NO_PHONE.format("to", "bob@example.com")),
        ('!send-notification to=" " message=hi', NO_PHONE.format("to", " ")),
        ("!send-notification message=hi", "send-notification needs the argument 'to'."),
        ("!send-notification to=+14255550182", "send-notification needs the argument 'message'."),
        (SEND + '" \\n "', "message is empty, but it must be the text to send. Nothing was sent."),
        (f"{SEND}{GUID}@42", NO_FORMAT),
        (f'{SEND}"Approve? {GUID}@42|7"', NO_FORMAT),
        (f'{SEND}"Approve?:{GUID.upper()}@42|7 "', NO_FORMAT),
        (f'{SEND}"Approve?\\n{GUID}@{GUID}|approval_task"', NO_FORMAT),
        (f'{SEND}"Approve? - Reply Yes or No {GUID}@42"', NO_FORMAT),
        (f'{SEND}"Approve? - Reply : {GUID}@42"', NO_FORMAT),
        (f'{SEND}" - Reply Yes or No: {GUID}@42"', NO_FORMAT),
        (f'{SEND}"Approve?- Reply Yes or No: {GUID}@42"', NO_FORMAT),
        (f'{SEND}"Approve? - Reply Yes\\nor No: {GUID}@42"', NO_FORMAT),
        (
            f'{SEND}"Approve? - Reply Yes or yes: {GUID}@42"',
            OPTION_OF_ITS_OWN.format(2, "the same as option 1, whatever the case"),
        ),
        (f'{SEND}"Approve? - Reply A or B or  or A: {GUID}@42"', OPTION_OF_ITS_OWN.format(3, "empty")),
        (
            f'{SEND}"Which? - Reply a or b or c or d or e or f or g or h or i or j or k: {GUID}@42"',
            "The message offers 11 options, but at most 10 are accepted. Nothing was sent.",
        ),
        ("!aws-sns-sms-list-entitlements phone_number=0182", NO_PHONE.format("phone_number", "0182")),
        (
            "!aws-sns-sms-list-entitlements show_answered=perhaps",
            'show_answered is "perhaps", but it must be true or false.',
        ),
        ("!aws-sns-sms-inject-reply phone_number=+0 reply_code=1", NO_PHONE.format("phone_number", "+0")),
        ("!aws-sns-sms-inject-reply reply_code=1", "aws-sns-sms-inject-reply needs the argument 'phone_number'."),
        (
            "!aws-sns-sms-inject-reply phone_number=+14255550182",
            "aws-sns-sms-inject-reply needs the argument 'reply_code'.",
        ),
    ],
)
def test_what_a_command_cannot_use_gets_a_sentence_and_changes_nothing(
    random_world: SharedWorld, line: str, sentence: str
) -> None:
    # Given what has happened so far
    writes, published = random_world.instance.context.counters.writes, len(random_world.cloud.requests("Publish"))
    # When the line is typed / Then the war room shows the sentence
    assert error_of(random_world.war_room(line)) == sentence
    # And nothing was stored or sent
    assert random_world.instance.context.counters.writes == writes
    assert len(random_world.cloud.requests("Publish")) == published


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("4255550182", "42555***82"),
        ("+04255550182", "+0425*****82"),
        ("+1234567890123456", "+1234**********56"),
        ("+14255550182,+14255550183", "+1425*******,+*********83"),
        ("+1425555\N{FULLWIDTH DIGIT ZERO}182", "+1425*****82"),
    ],
    ids=["no plus sign", "first digit 0", "16 digits", "two numbers", "a full-width digit"],
)
def test_a_number_that_cannot_be_texted_is_named_with_its_middle_hidden(
    random_world: SharedWorld, number: str, shown: str
) -> None:
    # When a text is to go to no phone number / Then the sentence names it, but no log or text gets a whole number
    assert error_of([send(random_world, number, "hi")]) == NO_PHONE.format("to", shown)


ASK = "!SMSAskUser phone=+14255550182 message=Restart? "
SEVERAL_LINES = 'option2 "No\nnever" has several lines. Give the option as one line of text.'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("!SMSAskUser message=Restart?", "SMSAskUser needs the argument 'phone'."),
        ("!SMSAskUser phone=+14255550182", "SMSAskUser needs the argument 'message'."),
        ('!SMSAskUser phone=+14255550182 message=" "', "message is empty. Give the question to ask."),
        (
            ASK + 'option1=" "',
            "option1 is empty. Give the option as one line of text, or leave the argument out.",
        ),
        (ASK + 'option2="No\\nnever"', SEVERAL_LINES),
        (
            ASK + "option1=Yes option2=YES",
            'option2 "YES" is the same as option1 "Yes". Give options that differ in more than upper and lower case.',
        ),
        (
            ASK + 'option3="now or later"',
            'option3 "now or later" contains the word "or", which separates the options. Give an option without it.',
        ),
        (
            ASK + 'option4="Maybe:"',
            (
                'option4 "Maybe:" ends with a colon, which separates the options from the entitlement. '
                "Give an option without it."
            ),
        ),
        (
            ASK + 'task="approval task"',
            'task "approval task" contains white space. Give the number of a task, or a tag without spaces.',
        ),
        (ASK + "persistent=perhaps", 'persistent is "perhaps". Give true or false.'),
    ],
)
def test_what_smsaskuser_cannot_use_gets_a_sentence_before_an_entitlement_is_made(
    random_world: SharedWorld, line: str, sentence: str
) -> None:
    # When the line is typed in an incident / Then its war room shows the sentence
    incident, published = random_world.incident(), len(random_world.cloud.requests("Publish"))
    assert error_of(random_world.war_room(line, incident)) == sentence
    # And there is no entitlement, and nothing was sent
    assert incident.entitlements == {}
    assert len(random_world.cloud.requests("Publish")) == published


# The Test button


def press_test(world: World, **params: Any) -> str:
    """What Test shows for an instance with these parameters; it is disabled, so that no command runs on it."""
    return world.server.test(
        world.server.add_instance(BRAND, params={**world.instance.params, **params}, enabled=False)
    )


def test_an_instance_that_reaches_its_queue_is_ok(random_world: SharedWorld) -> None:
    # When an instance with the defaults of the YAML is tested / Then it is ok, and what was asked is the queue
    assert press_test(random_world) == "ok"
    (request,) = random_world.cloud.requests("GetQueueAttributes")
    assert request.parameters["QueueUrl"] == random_world.cloud.queue_url


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        (
            "AccessDenied",
            403,
            (
                "AWS refused GetQueueAttributes with AccessDenied: the key or role lacks the permission for "
                "GetQueueAttributes, or the role does not trust it. It said: Injected by the emulator."
            ),
        ),
        (
            "InvalidClientTokenId",
            403,
            (
                "AWS refused GetQueueAttributes with InvalidClientTokenId: check the AWS Access Key ID. "
                "It said: Injected by the emulator."
            ),
        ),
        (
            "SignatureDoesNotMatch",
            403,
            (
                "AWS refused GetQueueAttributes with SignatureDoesNotMatch: check the AWS Secret Access Key and the "
                "clock of the server. It said: Injected by the emulator."
            ),
        ),
        (
            "Nonsense",
            400,
            (
                "AWS refused GetQueueAttributes with Nonsense: look the code up in the AWS documentation. "
                "It said: Injected by the emulator."
            ),
        ),
    ],
    ids=["no permission", "wrong key", "wrong secret", "an error nobody knows"],
)
def test_what_aws_refuses_is_a_sentence_with_its_code_and_what_to_do(
    random_world: SharedWorld, code: str, status: int, sentence: str
) -> None:
    # Given an AWS that refuses / When the instance is tested / Then the sentence says so
    random_world.cloud.fail("GetQueueAttributes", code, status=status)
    assert press_test(random_world) == sentence


def test_a_queue_that_does_not_exist_is_a_sentence_with_what_to_check(random_world: SharedWorld) -> None:
    # When the URL names no queue / Then the sentence says what to check
    assert press_test(random_world, sqsQueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/sms-reply") == (
        "AWS refused GetQueueAttributes with NonExistentQueue: no such queue, check the SQS Queue URL and the "
        "AWS Default Region. It said: The specified queue does not exist."
    )


def test_a_closed_port_is_a_sentence_with_what_to_check(random_world: SharedWorld) -> None:
    # Given no way to AWS, which the poller meets too
    random_world.expect_log_error("EndpointConnectionError")
    # When the instance is tested
    with random_world.cloud.unreachable():
        shown = press_test(random_world, retries="0")
        random_world.wait_until(lambda: bool(random_world.errors()), "the poller is cut off too")
    # Then the sentence says what to check
    assert shown == (
        "GetQueueAttributes failed with EndpointConnectionError: check the network, the proxy settings and the "
        "AWS Default Region. It said: EndpointConnectionError: Could not connect to the endpoint URL: "
        f'"{random_world.cloud.url}/".'
    )


def test_no_key_and_no_machine_role_is_a_sentence_with_what_to_give(new_world: NewWorld) -> None:
    # Given a machine without a role / When an instance without a key is tested / Then the sentence names both
    world = new_world(machine_role=False)
    assert press_test(world) == (
        "GetQueueAttributes needs AWS credentials and the machine has none: give AWS Access Key ID and "
        "AWS Secret Access Key, or give the machine an AWS role."
    )
    # And with a key all is well
    assert press_test(world, credentials={"identifier": "AKIAEXAMPLE", "password": "example"}) == "ok"


NOT_A_REGION = '", but it must be the name of an AWS Region such as us-east-1.'
NOT_A_QUEUE = (
    '", but it must be the URL of a queue such as https://sqs.us-east-1.amazonaws.com/123456789012/sms-replies.'
)
NOT_A_TIMEOUT = (
    '", but it must be a read timeout and optionally a connect timeout in seconds, up to 3600, such as 60,10.'
)
NOT_HOURS = '", but it must be a number of hours above 0 and up to 8760 such as 24 or 0.5.'
NOT_SUCCESS = '", but it must be a text with no variables but {reply_code} {chosen_option} {phone_number}'
NOT_FAILURE = '", but it must be a text with no variables but {available_codes} {phone_number}'
BRACE = " (a brace of its own is written twice: {{ or }})."
EITHER = "but it must be both or neither; neither means the AWS role of the machine."
UNUSABLE: dict[str, tuple[Mapping[str, Any], str]] = {
    "region": ({"defaultRegion": "Virginia"}, 'AWS Default Region is "Virginia' + NOT_A_REGION),
    "key without secret": (
        {"credentials": {"identifier": "AKIAEXAMPLE", "password": ""}},
        f"AWS Access Key ID was given without AWS Secret Access Key, {EITHER}",
    ),
    "secret without key": (
        {"credentials": {"identifier": "", "password": "example"}},
        f"AWS Secret Access Key was given without AWS Access Key ID, {EITHER}",
    ),
    "role": ({"roleArn": "sms"}, 'Role Arn is "sms", but it must be the ARN of an IAM role.'),
    "session name": (
        {"roleSessionName": "x y"},
        'Role Session Name is "x y", but it must be 2 to 64 of the characters a-z A-Z 0-9 _+=,.@-.',
    ),
    "session too short": (
        {"sessionDuration": "899"},
        'Role Session Duration is "899", but it must be a whole number from 900 to 43200.',
    ),
    "session too long": (
        {"sessionDuration": "43201"},
        'Role Session Duration is "43201", but it must be a whole number from 900 to 43200.',
    ),
    "external id": (
        {"roleExternalId": "x"},
        'Role External ID is "x", but it must be 2 to 1224 of the characters a-z A-Z 0-9 _+=,.@:/-.',
    ),
    "no queue": ({"sqsQueueUrl": ""}, 'SQS Queue URL is "' + NOT_A_QUEUE),
    "queue name only": ({"sqsQueueUrl": "sms-replies"}, 'SQS Queue URL is "sms-replies' + NOT_A_QUEUE),
    "queue of another region": (
        {"sqsQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/sms-replies"},
        (
            'SQS Queue URL is "https://sqs.eu-west-1.amazonaws.com/123456789012/sms-replies", but it must be a '
            "queue in the AWS Default Region us-east-1; this one is in eu-west-1."
        ),
    ),
    "timeout": ({"timeout": "60s"}, 'Timeout is "60s' + NOT_A_TIMEOUT),
    "three timeouts": ({"timeout": "60,10,5"}, 'Timeout is "60,10,5' + NOT_A_TIMEOUT),
    "retries": ({"retries": "11"}, 'Retries is "11", but it must be a whole number from 0 to 10.'),
    "STS endpoint": (
        {"sts_regional_endpoint": "global"},
        'AWS STS Regional Endpoints is "global", but it must be legacy or regional.',
    ),
    "poll interval": (
        {"pollInterval": "0"},
        'Poll Interval (seconds) is "0", but it must be a whole number from 1 up.',
    ),
    "lifetime of zero": ({"entitlementTTL": "0"}, 'Entitlement TTL (hours) is "0' + NOT_HOURS),
    "lifetime in words": ({"entitlementTTL": "a day"}, 'Entitlement TTL (hours) is "a day' + NOT_HOURS),
    "code mode": ({"replyCodeMode": "Random"}, 'Reply Code Mode is "Random", but it must be random or sequential.'),
    "origination number": (
        {"originationNumber": "ACME"},
        (
            'Origination Number is "ACME", but it must be a phone number such as +14255550100 or a short code of '
            "5 or more digits."
        ),
    ),
    "sender": (
        {"senderId": "Acme & Co"},
        'Sender ID is "Acme & Co", but it must be 1 to 11 letters, digits and hyphens with at least one letter.',
    ),
    "SMS type": ({"smsType": "Urgent"}, 'SMS Type is "Urgent", but it must be Transactional or Promotional.'),
    "wrong replies": (
        {"maxWrongReplies": "-1"},
        'Wrong Replies Allowed Per Hour is "-1", but it must be a whole number from 0 to 1000.',
    ),
    "unknown variable": ({"successMessage": "{name}"}, 'Success Message Template is "{name}' + NOT_SUCCESS + "."),
    "variable of the other": (
        {"failureMessage": "{reply_code}"},
        'Failure Message Template is "{reply_code}' + NOT_FAILURE + ".",
    ),
    "stray brace": ({"successMessage": "ok }"}, 'Success Message Template is "ok }' + NOT_SUCCESS + BRACE),
    "open brace": ({"failureMessage": "{"}, 'Failure Message Template is "{' + NOT_FAILURE + BRACE),
}


@pytest.mark.parametrize(("params", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_parameter_that_cannot_be_used_is_named_as_it_is_displayed(
    random_world: SharedWorld, params: Mapping[str, Any], sentence: str
) -> None:
    # When an instance with that parameter is tested / Then the sentence names it, what was given and what is accepted
    assert press_test(random_world, **params) == sentence


@pytest.mark.parametrize(
    "params",
    [
        {"pollInterval": "600", "timeout": "1", "retries": "0", "entitlementTTL": ".5", "maxWrongReplies": "0"},
        {"timeout": "2.5, 0.5", "smsType": "", "replyCodeMode": "", "successMessage": "", "originationNumber": ""},
    ],
    ids=["extremes", "left empty"],
)
def test_parameters_at_their_limits_are_ok(random_world: SharedWorld, params: dict[str, str]) -> None:
    assert press_test(random_world, **params) == "ok"


def test_queue_url_whose_host_tells_no_region_is_ok(random_world: SharedWorld) -> None:
    url = f"http://queue.example.com/123456789012/{random_world.cloud.queue_name}"
    assert press_test(random_world, sqsQueueUrl=url) == "ok"


@pytest.mark.parametrize("case", ["stray brace", "queue of another region", "key without secret"])
def test_the_poller_reports_the_same_sentence_as_the_health_of_the_instance(new_world: NewWorld, case: str) -> None:
    # Given an instance with a parameter that cannot be used
    params, sentence = UNUSABLE[case]
    world = new_world(params)
    world.expect_log_error(sentence)
    # When its poller is started
    poller = world.start_poller()
    # Then its health is the sentence, and it runs on
    world.wait_until(lambda: world.instance.health == sentence, "the health is the sentence")
    assert poller.running


@pytest.mark.parametrize("command", ["send-notification", "aws-sns-sms-list-entitlements", "aws-sns-sms-inject-reply"])
def test_a_command_of_an_instance_that_cannot_be_used_returns_the_sentence(new_world: NewWorld, command: str) -> None:
    # Given an instance with a parameter that cannot be used
    params, sentence = UNUSABLE["retries"]
    world = new_world(params)
    given = {"to": "+14255550182", "message": "hi", "phone_number": "+14255550182", "reply_code": "1"}
    known = {item.name for item in world.instance.integration.commands[command].arguments}
    # When a command runs / Then it returns the sentence
    entries = world.server.execute(command, {name: value for name, value in given.items() if name in known})
    assert error_of(entries) == sentence
    assert texts_of(world, world.phone("+14255550182")) == []
