"""SMSAskUser: arguments to the text that the integration takes, and what the automation returns."""

import demistomock as demisto
from CommonServerPython import DemistoException

import ast
import contextlib
from pathlib import Path
from typing import Any

import pytest
import SMSAskUser
import yaml

GUID = "2f5e7a61-0c4b-4d3f-9a86-1b7c5d9e4f20"
SENT = {
    "Type": 1,
    "ContentsFormat": "json",
    "Contents": {"MessageId": "m-1"},
    "HumanReadable": "Sent.",
    "EntryContext": {"AWS.SNS.SMS": {"MessageId": "m-1", "PhoneNumber": "+14255550182"}},
}


def arguments(**changes: Any) -> dict[str, Any]:
    return {"phone": "+14255550182", "message": "Reboot db-7?", **changes}


def refusal(sentence: str) -> list[dict[str, Any]]:
    return [{"Type": 4, "ContentsFormat": "text", "Contents": sentence}]


def sent_to(phone: str) -> dict[str, Any]:
    context = {"AWS.SNS.SMS": {"MessageId": "m-1", "PhoneNumber": phone}}
    return {"Type": 1, "ContentsFormat": "json", "Contents": {}, "HumanReadable": "Sent.", "EntryContext": context}


class Server:
    """Stands for demisto.executeCommand: replies as told, raises what is an exception, and records the calls.

    `refusals` are the replies of the first calls of addEntitlement, `sleeps` the pauses of the automation.
    A dict is the reply of send-notification by phone; to a phone that is not in it the question is sent.
    """

    def __init__(self, **replies: Any) -> None:
        self.replies: dict[str, Any] = {
            "addEntitlement": [{"Type": 1, "ContentsFormat": "text", "Contents": GUID}],
            "send-notification": [SENT],
        }
        self.replies |= {name.replace("_", "-"): reply for name, reply in replies.items()}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[Any] = []
        self.sleeps: list[float] = []

    def execute(self, command: str, args: dict[str, Any]) -> Any:
        self.calls.append((command, args))
        refused = self.refusals if command == "addEntitlement" else []
        reply = refused.pop(0) if refused else self.replies[command]
        if isinstance(reply, dict):
            reply = reply.get(args["to"], [sent_to(args["to"])])
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def commands(self) -> list[str]:
        return [command for command, _ in self.calls]


def ask(server: Server, incident: str = "1234", **changes: Any) -> Any:
    request = SMSAskUser.parse_request(arguments(**changes))
    return SMSAskUser.ask(request, incident, server.execute, server.sleeps.append)


@pytest.fixture
def automation(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs main as the server does, and returns the entries it wrote to the war room."""

    def run(server: Server, **changes: Any) -> list[dict[str, Any]]:
        written: list[Any] = []
        monkeypatch.setattr(demisto, "args", lambda: arguments(**changes))
        monkeypatch.setattr(demisto, "investigation", lambda: {"id": "1234"})
        monkeypatch.setattr(demisto, "executeCommand", server.execute)
        monkeypatch.setattr(demisto, "results", written.append)
        with contextlib.suppress(SystemExit):
            SMSAskUser.main()
        return [entry for result in written for entry in (result if isinstance(result, list) else [result])]

    return run


# ---- The text for the integration ----


@pytest.mark.parametrize(
    ("incident", "changes", "text"),
    [
        pytest.param("1234", {}, f"Reboot db-7? - Reply yes or no: {GUID}@1234", id="only phone and message"),
        pytest.param("1234", {"task": "7"}, f"Reboot db-7? - Reply yes or no: {GUID}@1234|7", id="task number"),
        pytest.param(
            "1234",
            {"task": "approval_task"},
            f"Reboot db-7? - Reply yes or no: {GUID}@1234|approval_task",
            id="task tag",
        ),
        pytest.param("1234", {"task": "  "}, f"Reboot db-7? - Reply yes or no: {GUID}@1234", id="blank task"),
        pytest.param("c3d1-playground", {}, f"Reboot db-7? - Reply yes or no: {GUID}@c3d1-playground", id="playground"),
        pytest.param(
            "1234",
            {"option1": " Now ", "option2": "At night", "option3": "Never", "option4": "Ask Bob"},
            f"Reboot db-7? - Reply Now or At night or Never or Ask Bob: {GUID}@1234",
            id="four options, trimmed",
        ),
        pytest.param(
            "1234",
            {"option3": "", "option4": "later"},
            f"Reboot db-7? - Reply yes or no or later: {GUID}@1234",
            id="option3 left empty",
        ),
        pytest.param(
            "1234",
            {"message": "Q1 - Reply a or b?\nReally: now?"},
            f"Q1 - Reply a or b?\nReally: now? - Reply yes or no: {GUID}@1234",
            id="question like the format",
        ),
    ],
)
def test_text_that_is_sent(incident: str, changes: dict[str, Any], text: str) -> None:
    """
    Given arguments and the incident that the automation runs in
    When the question is asked
    Then send-notification gets the question, the options and the entitlement in one text
    """
    server = Server()
    ask(server, incident, **changes)
    assert server.calls[-1] == (
        "send-notification",
        {"to": "+14255550182", "message": text, "using-brand": "AWS SNS SMS Communication"},
    )


def test_using_names_the_instance_instead_of_the_brand() -> None:
    """
    Given an instance name in using
    When the question is asked
    Then send-notification is run by that instance and gets no brand
    """
    server = Server()
    ask(server, using="sms-prod")
    sent = server.calls[-1][1]
    assert sent["using"] == "sms-prod"
    assert "using-brand" not in sent


@pytest.mark.parametrize(
    ("changes", "granted"),
    [
        pytest.param({}, {"persistent": "false", "replyEntriesTag": ""}, id="neither"),
        pytest.param(
            {"persistent": "true", "replyEntriesTag": "sms-answer"},
            {"persistent": "true", "replyEntriesTag": "sms-answer"},
            id="both",
        ),
        pytest.param({"persistent": "Yes"}, {"persistent": "true", "replyEntriesTag": ""}, id="another word for true"),
    ],
)
def test_entitlement_is_asked_for_as_the_arguments_say(changes: dict[str, Any], granted: dict[str, str]) -> None:
    """
    Given persistent and replyEntriesTag
    When the question is asked
    Then addEntitlement gets both, and gets them first
    """
    server = Server()
    ask(server, **changes)
    assert server.calls[0] == ("addEntitlement", granted)
    assert server.commands == ["addEntitlement", "send-notification"]


@pytest.mark.parametrize(
    "given",
    [
        {"lifetime": "15 minutes"},
        {"defaultResponse": "NoResponse"},
        {"reminders": "0"},
        {"reminders": "2", "reminderInterval": "5 minutes"},
        {"reply": "Thanks, {chosen_option} it is."},
    ],
    ids=" and ".join,
)
def test_terms_are_passed_on_under_the_same_name(given: dict[str, str]) -> None:
    """
    Given an argument that send-notification has too
    When the question is asked
    Then send-notification gets it, and none of the others
    """
    server = Server()
    ask(server, **given)
    sent = server.calls[-1][1]
    assert {name: sent[name] for name in sent if name not in ("to", "message", "using-brand")} == given


@pytest.mark.parametrize("given", ["later, Ask Bob", ["later", "Ask Bob"], '["later", "Ask Bob"]'])
def test_additional_options_are_passed_on_beside_the_text(given: Any) -> None:
    """
    Given additional options as text with commas, as a list, or as the JSON of one
    When the question is asked
    Then the text holds option1 and option2 alone, and send-notification gets the others under their own name
    """
    server = Server()
    ask(server, additionalOptions=given)
    sent = server.calls[-1][1]
    assert (sent["message"], sent["additionalOptions"]) == (
        f"Reboot db-7? - Reply yes or no: {GUID}@1234",
        "later,Ask Bob",
    )


def test_empty_terms_are_not_passed_on() -> None:
    """
    Given the new arguments, all empty
    When the question is asked
    Then send-notification gets the phone, the text and the brand
    """
    server = Server()
    ask(server, lifetime="", defaultResponse=" ", reminders=None, reminderInterval="", reply="", additionalOptions="")
    assert set(server.calls[-1][1]) == {"to", "message", "using-brand"}


# ---- Arguments that cannot be used ----

BLANK = "is empty. Give the option as one line of text, or leave the argument out."
LINES = "has several lines. Give the option as one line of text."
OR = 'contains the word "or", which separates the options. Give an option without it.'
REPLY = 'contains "- Reply", which separates the question from the options. Give an option without it.'
COLON = "ends with a colon, which separates the options from the entitlement. Give an option without it."
SAME = "Give options that differ in more than upper and lower case."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"phone": " "}, "phone is empty. Give a phone number such as +14255550182.", id="blank phone"),
        pytest.param({"phone": ", ,"}, "phone is empty. Give a phone number such as +14255550182.", id="commas alone"),
        pytest.param(
            {"phone": ",".join(f"+142555501{number}" for number in range(10, 31))},
            "phone has 21 phone numbers. Give 20 at most.",
            id="21 phones",
        ),
        pytest.param(
            {"phone": "[+14255550182]"},
            'phone is "[+14255550182]", which is no list. Separate its items with commas.',
            id="phone in brackets",
        ),
        pytest.param(
            {"additionalOptions": "a,b,c,d,e,f,g,h,i"},
            "additionalOptions has 9 options, which makes 11 with option1 to option4. Give 10 in all at most.",
            id="eleven options",
        ),
        pytest.param(
            {"additionalOptions": "now or never"}, f'additionalOptions "now or never" {OR}', id="or in an additional"
        ),
        pytest.param({"additionalOptions": "a, b:"}, f'additionalOptions "b:" {COLON}', id="colon in an additional"),
        pytest.param({"additionalOptions": "a,,b"}, f"additionalOptions {BLANK}", id="empty additional"),
        pytest.param(
            {"additionalOptions": "later, NO"},
            f'additionalOptions "NO" is the same as option2 "no". {SAME}',
            id="additional like option2",
        ),
        pytest.param(
            {"additionalOptions": "a,A"},
            f'additionalOptions "A" is the same as additionalOptions "a". {SAME}',
            id="two additional alike",
        ),
        pytest.param(
            {"additionalOptions": ["a", "b, c"]},
            'additionalOptions "b, c" contains a comma, which separates the options. Give an option without it.',
            id="comma in an additional",
        ),
        pytest.param({"message": "\n"}, "message is empty. Give the question to ask.", id="blank message"),
        pytest.param({"option1": ""}, f"option1 {BLANK}", id="empty option1"),
        pytest.param({"option2": "  "}, f"option2 {BLANK}", id="blank option2"),
        pytest.param({"option3": "a\nb"}, f'option3 "a\nb" {LINES}', id="two lines"),
        pytest.param({"option1": "a\u2028b"}, f'option1 "a\u2028b" {LINES}', id="line separator"),
        pytest.param({"option1": "yes or no"}, f'option1 "yes or no" {OR}', id="or inside"),
        pytest.param({"option2": "OR"}, f'option2 "OR" {OR}', id="or alone"),
        pytest.param({"option2": "now Or"}, f'option2 "now Or" {OR}', id="or at the end"),
        pytest.param({"option1": "x - reply y"}, f'option1 "x - reply y" {REPLY}', id="reply inside"),
        pytest.param({"option1": "- Reply y"}, f'option1 "- Reply y" {REPLY}', id="reply at the start"),
        pytest.param({"option1": "x - REPLY"}, f'option1 "x - REPLY" {REPLY}', id="reply at the end"),
        pytest.param({"option2": "this:"}, f'option2 "this:" {COLON}', id="colon at the end"),
        pytest.param(
            {"option2": "YES"}, f'option2 "YES" is the same as option1 "yes". {SAME}', id="default of option1"
        ),
        pytest.param(
            {"option3": "a", "option4": " A "}, f'option4 "A" is the same as option3 "a". {SAME}', id="option3"
        ),
        pytest.param(
            {"task": "two words"},
            'task "two words" contains white space. Give the number of a task, or a tag without spaces.',
            id="task with a space",
        ),
        pytest.param(
            {"persistent": "maybe"}, 'persistent is "maybe". Give true or false.', id="persistent not a boolean"
        ),
    ],
)
def test_bad_argument_is_an_error_before_an_entitlement_is_made(
    automation: Any, changes: dict[str, Any], sentence: str
) -> None:
    """
    Given an argument that cannot be used
    When the automation runs
    Then its only entry is an error that names the argument, and no command was run
    """
    server = Server()
    [entry] = automation(server, **changes)
    assert (entry["Type"], entry["Contents"]) == (4, sentence)
    assert server.commands == []


@pytest.mark.parametrize("option", ["order", "for", "or-else", "either/or", "a:b", "Reply", "a-reply b", "50% {x}"])
def test_option_that_only_resembles_a_separator_is_taken(option: str) -> None:
    """
    Given an option with letters, colons or dashes that resemble the separators
    When it is parsed
    Then it is taken as it is
    """
    assert SMSAskUser.parse_options({"option1": option}) == ((option, "no"), ())


def test_absent_required_arguments_are_named() -> None:
    """
    Given no arguments at all
    When they are parsed
    Then the error names the first that is missing
    """
    with pytest.raises(ValueError, match=r"^phone is empty\. Give a phone number"):
        SMSAskUser.parse_request({})


# ---- What the automation returns ----


def test_returns_what_the_command_returned(automation: Any) -> None:
    """
    Given an instance that sends the question
    When the automation runs
    Then its entries are those of send-notification, context included
    """
    assert automation(Server()) == [SENT]


def test_every_entry_of_several_instances_is_returned(automation: Any) -> None:
    """
    Given two enabled instances, of which one is refused by AWS
    When the automation runs without using
    Then both entries are returned, the error as an error
    """
    refused = refusal("AWS refused the SMS.")
    assert automation(Server(send_notification=[SENT, *refused])) == [SENT, *refused]


def test_error_of_the_integration_stays_as_it_is(automation: Any) -> None:
    """
    Given an integration that refuses the phone number
    When the automation runs
    Then the error entry is the integration's, word for word
    """
    refused = refusal('to is "abc". Give a phone number in E.164 format.')
    assert automation(Server(send_notification=refused), phone="abc") == refused


def test_refused_entitlement_is_returned_and_nothing_is_sent(automation: Any) -> None:
    """
    Given a server that refuses the entitlement
    When the automation runs
    Then the server's error is returned and send-notification is not run
    """
    server = Server(addEntitlement=refusal("Entitlements cannot be added to a closed incident."))
    assert automation(server) == refusal("Entitlements cannot be added to a closed incident.")
    assert server.commands == ["addEntitlement"]


@pytest.mark.parametrize("granted", [None, [], [{"Type": 1, "Contents": ""}], [{"Type": 1, "Contents": None}]])
def test_no_entitlement_is_a_sentence_and_nothing_is_sent(granted: Any) -> None:
    """
    Given a server that grants nothing
    When the question is asked
    Then the error says so and send-notification is not run
    """
    server = Server(addEntitlement=granted)
    with pytest.raises(DemistoException, match=r"^addEntitlement returned no entitlement, so nothing was sent\."):
        ask(server)
    assert server.commands == ["addEntitlement"]


UNSUPPORTED = ValueError("Unsupported Command : send-notification, verify you have proper integration enabled")


@pytest.mark.parametrize("reply", [UNSUPPORTED, [], None], ids=["unsupported", "empty", "none"])
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {},
            "No instance of the integration AWS SNS SMS Communication is enabled, so the question was not "
            "sent. Enable one and run again.",
            id="any instance",
        ),
        pytest.param(
            {"using": "sms-prod"},
            'using is "sms-prod", which is no enabled instance. Give the name of an '
            "enabled instance of the integration AWS SNS SMS Communication.",
            id="named",
        ),
    ],
)
def test_no_enabled_instance_is_a_sentence_that_names_the_integration(
    automation: Any, reply: Any, changes: dict[str, Any], sentence: str
) -> None:
    """
    Given no enabled instance that has send-notification
    When the automation runs
    Then its only entry is an error that says which integration to enable
    """
    [entry] = automation(Server(send_notification=reply), **changes)
    assert (entry["Type"], entry["Contents"]) == (4, sentence)


def test_other_failure_of_the_server_is_told_as_it_is(automation: Any) -> None:
    """
    Given a server that fails for a reason of its own
    When the automation runs
    Then the error is the server's sentence, not the one about instances
    """
    [entry] = automation(Server(send_notification=ValueError("The server is shutting down.")))
    assert (entry["Type"], entry["Contents"]) == (4, "The server is shutting down.")


# ---- An incident that others change at the same time ----

CONFLICTS = [
    "Failed to save invPlayground - optimistic lock (15)",
    "DB Version 17 is not the current version",
    "Conflict: the investigation was changed",
    "error (15)",
    "concurrent update",
]


@pytest.mark.parametrize("times", [1, 5, 9])
@pytest.mark.parametrize("sentence", CONFLICTS)
def test_entitlement_is_asked_for_again_a_second_apart_while_others_change_the_incident(
    sentence: str, times: int
) -> None:
    """
    Given a server that refuses the entitlement one to nine times, as others changed the incident
    When the question is asked
    Then the same entitlement is asked for again after a second each time, and the question is sent once
    """
    server = Server()
    server.refusals = [refusal(sentence)] * times
    assert ask(server, replyEntriesTag="sms") == [SENT]
    assert server.commands == ["addEntitlement"] * (times + 1) + ["send-notification"]
    assert [args for _, args in server.calls[:-1]] == [{"persistent": "false", "replyEntriesTag": "sms"}] * (times + 1)
    assert server.sleeps == [1.0] * times


def test_entitlement_that_is_refused_ten_times_for_a_conflict_is_the_error_and_nothing_is_sent() -> None:
    """
    Given a server that would refuse the entitlement for ever
    When the question is asked
    Then the tenth refusal is returned, after nine pauses, and nothing was sent
    """
    server = Server()
    server.refusals = [refusal(f"Version conflict {number}") for number in range(1, 20)]
    assert ask(server) == refusal("Version conflict 10")
    assert server.commands == ["addEntitlement"] * 10
    assert server.sleeps == [1.0] * 9


@pytest.mark.parametrize(
    "sentence",
    ["Entitlements cannot be added to a closed incident.", "No permission.", "Incident 1151 was not found."],
)
def test_entitlement_that_is_refused_for_another_reason_is_asked_for_once(sentence: str) -> None:
    """
    Given a server that refuses the entitlement for a reason that stays
    When the question is asked
    Then its error is returned at once, without a pause, and nothing was sent
    """
    server = Server(addEntitlement=refusal(sentence))
    assert ask(server) == refusal(sentence)
    assert (server.commands, server.sleeps) == (["addEntitlement"], [])


def test_conflict_that_becomes_another_error_ends_there() -> None:
    """
    Given a server that has a conflict, and then has the incident closed
    When the question is asked
    Then the second error is returned, after one pause
    """
    server = Server()
    server.refusals = [refusal("Version conflict"), refusal("The incident is closed.")]
    assert ask(server) == refusal("The incident is closed.")
    assert server.sleeps == [1.0]


def test_conflict_of_sending_is_never_sent_again() -> None:
    """
    Given an integration that fails with words like those of a conflict
    When the question is asked
    Then send-notification was run once: the person may have the SMS
    """
    server = Server(send_notification=refusal("The integration context has a version conflict."))
    assert ask(server) == refusal("The integration context has a version conflict.")
    assert (server.commands, server.sleeps) == (["addEntitlement", "send-notification"], [])


# ---- Options that AWS takes for an opt-out ----


def opt_out_warning(options: str) -> dict[str, Any]:
    return {
        "Type": 11,
        "ContentsFormat": "text",
        "Contents": f"AWS takes a text that begins like the option {options} as an opt-out: who replies with the word "
        "instead of the code gets no more texts from this AWS account. Choose other words.",
    }


@pytest.mark.parametrize(
    "word", ["ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE"]
)
def test_option_that_begins_with_an_opt_out_word_gets_a_warning_after_the_result(automation: Any, word: str) -> None:
    """
    Given an option that is such a word, in any case, or begins with it
    When the automation runs
    Then the question is sent, and a warning follows its result
    """
    for option in (word, word.lower(), f"{word.title()} it", f"{word}, please"):
        assert automation(Server(), option1=option) == [SENT, opt_out_warning(f'"{option}"')]


def test_every_risky_option_is_named_in_one_warning(automation: Any) -> None:
    """
    Given two such options among four
    When the automation runs
    Then one warning names both
    """
    entries = automation(Server(), option1="Stop", option2="Go on", option3="end now", option4="Later")
    assert entries == [SENT, opt_out_warning('"Stop", "end now"')]


@pytest.mark.parametrize("option", ["Stopover", "Ending", "Please stop", "Quite", "TDX", "opt out", "Later"])
def test_option_with_an_opt_out_word_elsewhere_or_in_a_longer_word_gets_no_warning(
    automation: Any, option: str
) -> None:
    """
    Given an option that only resembles such a word
    When the automation runs
    Then the result is all it returns
    """
    assert automation(Server(), option1=option) == [SENT]


def test_question_that_was_not_sent_gets_no_warning(automation: Any) -> None:
    """
    Given an option called Stop, and an integration that refuses the phone
    When the automation runs
    Then the error is all it returns
    """
    refused = refusal("The phone has opted out.")
    assert automation(Server(send_notification=refused), option1="Stop") == refused


def test_opt_out_words_are_those_of_the_integration() -> None:
    """
    Given the two scripts of the pack, which cannot import one another
    When their opt-out words are compared
    Then they are the same
    """
    integration = Path(SMSAskUser.__file__).parents[2] / "Integrations/AWSSNSSMSCommunication/AWSSNSSMSCommunication.py"
    [line] = [line for line in integration.read_text().splitlines() if line.startswith("OPT_OUT_WORDS")]
    assert ast.literal_eval(line.split(" = ")[1]) == SMSAskUser.OPT_OUT_WORDS


# ---- Several people ----

ANA, BEN, CLEO = "+14255550110", "+14255550111", "+14255550112"
NO_ROUTE = "AWS refused the SMS: no route."
TAKEN = "The entitlement of this question has been answered. Ask again with a new one. Nothing was sent."


def warning(text: str) -> dict[str, Any]:
    return {"Type": 11, "ContentsFormat": "text", "Contents": text}


def note(text: str) -> dict[str, Any]:
    return {"Type": 1, "ContentsFormat": "text", "Contents": text}


def test_several_phones_are_asked_under_one_entitlement(automation: Any) -> None:
    """
    Given three phones
    When the automation runs
    Then one entitlement is made, each phone gets the same text, and a summary follows the entry of each
    """
    server = Server(send_notification={})
    entries = automation(server, phone=f"{ANA}, {BEN},{CLEO}")
    assert server.commands == ["addEntitlement"] + 3 * ["send-notification"]
    assert [args["to"] for _, args in server.calls[1:]] == [ANA, BEN, CLEO]
    assert {args["message"] for _, args in server.calls[1:]} == {f"Reboot db-7? - Reply yes or no: {GUID}@1234"}
    summary = note("The question was sent to +14255550110, +14255550111, +14255550112.")
    assert entries == [sent_to(ANA), sent_to(BEN), sent_to(CLEO), summary]


@pytest.mark.parametrize("given", [[ANA, BEN], f'["{ANA}", "{BEN}"]', f"{ANA},,{BEN}, "])
def test_phones_may_be_a_list(given: Any) -> None:
    """
    Given two phones as a list, as the JSON of one, or with a comma too many
    When they are parsed
    Then they are the two phones
    """
    assert SMSAskUser.parse_phones({"phone": given}) == ("+14255550110", "+14255550111")


def test_phone_that_is_given_twice_is_asked_once() -> None:
    """
    Given one phone, written in two ways, and another
    When they are parsed
    Then each is there once, as it was first given
    """
    given = "+1 (425) 555-0110, +14255550111, +14255550110, +1.425.555\u20110111"
    assert SMSAskUser.parse_phones({"phone": given}) == ("+1 (425) 555-0110", "+14255550111")


def test_twenty_phones_are_taken_even_when_one_is_given_twice() -> None:
    """
    Given 21 numbers, of which two are the same
    When they are parsed
    Then there are twenty
    """
    given = [f"+142555501{number}" for number in range(10, 30)]
    assert len(SMSAskUser.parse_phones({"phone": [*given, "+1 425 555 0110"]})) == 20


def test_one_phone_that_cannot_be_asked_stops_no_other(automation: Any) -> None:
    """
    Given three phones, of which AWS refuses the second
    When the automation runs
    Then the third is asked, the refusal is a warning, and the summary says who was asked and who was not
    """
    server = Server(send_notification={BEN: refusal(NO_ROUTE)})
    assert automation(server, phone=f"{ANA},{BEN},{CLEO}") == [
        sent_to(ANA),
        sent_to(CLEO),
        warning("+14255550111: AWS refused the SMS: no route."),
        note(
            "The question was sent to +14255550110, +14255550112. Asking failed for +14255550111; the warnings say why."
        ),
    ]


def test_phones_are_told_as_they_were_given(automation: Any) -> None:
    """
    Given a phone with spaces and one that is none
    When the automation runs
    Then the warning and the summary name both as they were given
    """
    server = Server(send_notification={"abc": refusal("to is no phone number.")})
    assert automation(server, phone="+1 425 555 0110,abc")[1:] == [
        warning("abc: to is no phone number."),
        note("The question was sent to +1 425 555 0110. Asking failed for abc; the warnings say why."),
    ]


def test_server_that_fails_for_one_phone_loses_no_entry_of_another(automation: Any) -> None:
    """
    Given two phones and a server that fails when the second is asked
    When the automation runs
    Then the entry of the first is returned, and the failure is a warning
    """
    server = Server(send_notification={BEN: ValueError("The server is shutting down.")})
    assert automation(server, phone=f"{ANA},{BEN}") == [
        sent_to(ANA),
        warning("+14255550111: The server is shutting down."),
        note("The question was sent to +14255550110. Asking failed for +14255550111; the warnings say why."),
    ]


def test_answer_while_others_are_still_being_asked_is_no_failure(automation: Any) -> None:
    """
    Given three phones, of which the first answers before the others are asked
    When the automation runs
    Then nothing is a warning, and the summary says why two got no question
    """
    server = Server(send_notification={BEN: refusal(TAKEN), CLEO: refusal(TAKEN)})
    assert automation(server, phone=f"{ANA},{BEN},{CLEO}") == [
        sent_to(ANA),
        note(
            "The question was sent to +14255550110. "
            "It was answered meanwhile, so it was not sent to +14255550111, +14255550112."
        ),
    ]


def test_nobody_who_could_be_asked_is_an_error_with_the_reason_of_each(automation: Any) -> None:
    """
    Given two phones that cannot be asked, for different reasons
    When the automation runs
    Then its only entry is an error that lists both
    """
    server = Server(send_notification={ANA: refusal("It has opted out."), BEN: refusal(NO_ROUTE)})
    [entry] = automation(server, phone=f"{ANA},{BEN}")
    assert (entry["Type"], entry["Contents"]) == (
        4,
        "No phone could be asked.\n+14255550110: It has opted out.\n+14255550111: AWS refused the SMS: no route.",
    )


def test_argument_that_the_integration_refuses_is_told_once(automation: Any) -> None:
    """
    Given three phones and a lifetime that the integration refuses
    When the automation runs
    Then its only entry is the integration's error
    """
    server = Server(send_notification=refusal('lifetime is "soon", but it must be a duration.'))
    [entry] = automation(server, phone=f"{ANA},{BEN},{CLEO}", lifetime="soon")
    assert (entry["Type"], entry["Contents"]) == (4, 'lifetime is "soon", but it must be a duration.')


def test_no_enabled_instance_is_told_once_for_several_phones(automation: Any) -> None:
    """
    Given two phones and no enabled instance
    When the automation runs
    Then its only entry is the error that says which integration to enable
    """
    [entry] = automation(Server(send_notification=[]), phone=f"{ANA},{BEN}")
    assert (entry["Type"], entry["Contents"]) == (
        4,
        (
            "No instance of the integration AWS SNS SMS Communication is enabled, so the question was not sent. "
            "Enable one and run again."
        ),
    )


def test_phone_that_one_of_two_instances_asked_was_asked(automation: Any) -> None:
    """
    Given two phones and two instances, of which one is refused for the first phone
    When the automation runs
    Then the phone counts as asked, and the refusal is a warning
    """
    server = Server(send_notification={ANA: [sent_to(ANA), *refusal(NO_ROUTE)]})
    assert automation(server, phone=f"{ANA},{BEN}") == [
        sent_to(ANA),
        sent_to(BEN),
        warning("+14255550110: AWS refused the SMS: no route."),
        note("The question was sent to +14255550110, +14255550111."),
    ]


def test_additional_option_that_opts_out_is_warned_about_once(automation: Any) -> None:
    """
    Given two phones and an additional option that AWS takes for an opt-out
    When the automation runs
    Then one warning names it
    """
    entries = automation(Server(send_notification={}), phone=f"{ANA},{BEN}", additionalOptions="Stop it")
    warnings = [entry["Contents"] for entry in entries if entry["Type"] == 11]
    assert warnings == [
        (
            'AWS takes a text that begins like the option "Stop it" as an opt-out: who replies with the word instead '
            "of the code gets no more texts from this AWS account. Choose other words."
        )
    ]


# ---- The YAML ----


def test_defaults_of_the_yaml_are_those_of_the_code() -> None:
    """
    Given the YAML that declares the arguments
    When its defaults are compared with what an absent argument means to the code
    Then they are the same
    """
    declared = yaml.safe_load(Path(SMSAskUser.__file__).with_suffix(".yml").read_text())
    defaults = {arg["name"]: arg["defaultValue"] for arg in declared["args"] if "defaultValue" in arg}
    assert defaults == {"option1": "yes", "option2": "no", "persistent": "false"}
    assert SMSAskUser.parse_options({}) == (("yes", "no"), ())


def test_yaml_takes_lists_where_the_code_does() -> None:
    """
    Given the YAML that declares the arguments
    When its arrays and its suggestions are looked at
    Then phone and additionalOptions are lists, and NoResponse is suggested but not filled in
    """
    declared = yaml.safe_load(Path(SMSAskUser.__file__).with_suffix(".yml").read_text())
    arguments = {arg["name"]: arg for arg in declared["args"]}
    assert {name for name, arg in arguments.items() if arg.get("isArray")} == {"phone", "additionalOptions"}
    assert arguments["defaultResponse"]["predefined"] == ["NoResponse"]
    assert set(SMSAskUser.PASSED_ON) <= set(arguments)
