"""Asks one or more people a question by SMS and lets a playbook task wait for the first answer.

Arguments become an AskRequest or an error; then one entitlement is created; then send-notification of the integration
AWS SNS SMS Communication gets, for each phone, one text that carries question, options and entitlement. What it
returns is returned.
"""

import demistomock as demisto
from CommonServerPython import *

import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

# ---- Constants ----

BRAND = "AWS SNS SMS Communication"
REQUIRED_OPTIONS = {"option1": "yes", "option2": "no"}
MORE_OPTIONS = ("option3", "option4")
FURTHER_OPTIONS = "additionalOptions"
MAX_OPTIONS = 10
MAX_PHONES = 20

# Arguments that send-notification has under the same name. It checks them before it sends anything.
PASSED_ON = ("lifetime", "defaultResponse", "reminders", "reminderInterval", "reply")

# How send-notification refuses an entitlement that another phone has answered, perhaps while others were being asked.
ANSWERED = "The entitlement of this question has been answered."

# Words that opt a phone out of every text of the AWS account when its text begins with one
# (AWS End User Messaging SMS, required opt-out keywords).
OPT_OUT_WORDS = ("ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE")
OPT_OUT = re.compile(rf"(?:{'|'.join(OPT_OUT_WORDS)})(?!\w)", re.IGNORECASE)

ENTITLEMENT_TRIES = 10
ENTITLEMENT_PAUSE = 1.0  # seconds
# What the server says when others changed the incident at the same time, as parallel asks do.
CONFLICT = re.compile(r"version|conflict|optimistic|concurrent|\(15\)", re.IGNORECASE)

Arguments = dict[str, Any]
Entry = dict[str, Any]
Entries = list[Entry]
Execute = Callable[[str, Arguments], Any]
Pause = Callable[[float], None]

# What would make the text ambiguous for the integration, which splits it at the last " - Reply " and at each " or ".
OPTION_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:^|\s)or(?:\s|$)", re.IGNORECASE), 'contains the word "or", which separates the options'),
    (
        re.compile(r"(?:^|\s)-\s+reply(?:\s|$)", re.IGNORECASE),
        'contains "- Reply", which separates the question from the options',
    ),
    (re.compile(r":$"), "ends with a colon, which separates the options from the entitlement"),
)


# ---- Arguments ----


@dataclass(frozen=True)
class AskRequest:
    """What the arguments of the automation ask for, checked and trimmed."""

    phones: tuple[str, ...]
    message: str
    options: tuple[str, ...]
    further_options: tuple[str, ...]
    task: str
    persistent: bool
    reply_entries_tag: str
    using: str
    passed_on: dict[str, str]


def parse_request(args: Arguments) -> AskRequest:
    """The request that the arguments make; ValueError with a sentence that names the first one that cannot be used."""
    phones = parse_phones(args)
    message = required_text(args, "message", "the question to ask")
    options, further_options = parse_options(args)
    given = {name: text(args, name) for name in PASSED_ON}
    return AskRequest(
        phones=phones,
        message=message,
        options=options,
        further_options=further_options,
        task=parse_task(args),
        persistent=parse_persistent(args),
        reply_entries_tag=text(args, "replyEntriesTag"),
        using=text(args, "using"),
        passed_on={name: value for name, value in given.items() if value},
    )


def text(args: Arguments, name: str, absent: str = "") -> str:
    value = args.get(name)
    return absent if value is None else str(value).strip()


def required_text(args: Arguments, name: str, accepted: str) -> str:
    value = text(args, name)
    if not value:
        raise ValueError(f"{name} is empty. Give {accepted}.")
    return value


def parse_list(args: Arguments, name: str) -> list[str]:
    """The items of a list, of its JSON, or of text with commas, trimmed; ValueError when JSON text cannot be read."""
    try:
        return ["" if item is None else str(item).strip() for item in argToList(args.get(name))]
    except ValueError:
        raise ValueError(f'{name} is "{text(args, name)}", which is no list. Separate its items with commas.') from None


def parse_phones(args: Arguments) -> tuple[str, ...]:
    """The phone numbers as given, each once however it is written; ValueError for none, or more than twenty."""
    phones: dict[str, str] = {}
    for phone in parse_list(args, "phone"):
        phones.setdefault(tidy_phone(phone), phone)
    phones.pop("", None)
    if not phones:
        raise ValueError("phone is empty. Give a phone number such as +14255550182.")
    if len(phones) > MAX_PHONES:
        raise ValueError(f"phone has {len(phones)} phone numbers. Give {MAX_PHONES} at most.")
    return tuple(phones.values())


def tidy_phone(number: str) -> str:
    """The number without what people write between its digits."""
    return "".join(
        char for char in number if not (char.isspace() or char in ".()" or unicodedata.category(char) == "Pd")
    )


def parse_options(args: Arguments) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """option1 to option4 in their order, trimmed, and additionalOptions. option3 and option4 may be empty.

    ValueError when one is not a single line of text, reads as a part of the text around it, or is given twice, or when
    there are more than ten in all.
    """
    named, further = given_options(args), [(FURTHER_OPTIONS, option) for option in parse_list(args, FURTHER_OPTIONS)]
    every = [*named, *further]
    for place, (name, value) in enumerate(every):
        check_option(name, value)
        check_differs(name, value, every[:place])
    if len(every) > MAX_OPTIONS:
        raise ValueError(
            f"{FURTHER_OPTIONS} has {len(further)} options, which makes {len(every)} with option1 to option4. "
            f"Give {MAX_OPTIONS} in all at most."
        )
    return tuple(value for _, value in named), tuple(value for _, value in further)


def given_options(args: Arguments) -> list[tuple[str, str]]:
    required = [(name, text(args, name, absent)) for name, absent in REQUIRED_OPTIONS.items()]
    more = [(name, text(args, name)) for name in MORE_OPTIONS]
    return required + [(name, value) for name, value in more if value]


def check_option(name: str, value: str) -> None:
    if not value:
        raise ValueError(f"{name} is empty. Give the option as one line of text, or leave the argument out.")
    if len(value.splitlines()) > 1:
        raise ValueError(f'{name} "{value}" has several lines. Give the option as one line of text.')
    if name == FURTHER_OPTIONS and "," in value:
        raise ValueError(f'{name} "{value}" contains a comma, which separates the options. Give an option without it.')
    for pattern, reason in OPTION_RULES:
        if pattern.search(value):
            raise ValueError(f'{name} "{value}" {reason}. Give an option without it.')


def check_differs(name: str, value: str, earlier: Iterable[tuple[str, str]]) -> None:
    for earlier_name, earlier_value in earlier:
        if value.casefold() == earlier_value.casefold():
            raise ValueError(
                f'{name} "{value}" is the same as {earlier_name} "{earlier_value}". '
                "Give options that differ in more than upper and lower case."
            )


def parse_task(args: Arguments) -> str:
    task = text(args, "task")
    if re.search(r"\s", task):
        raise ValueError(f'task "{task}" contains white space. Give the number of a task, or a tag without spaces.')
    return task


def parse_persistent(args: Arguments) -> bool:
    value = text(args, "persistent") or "false"
    try:
        return argToBoolean(value)
    except ValueError:
        raise ValueError(f'persistent is "{value}". Give true or false.') from None


# ---- The text for the integration ----


def render_entitlement(guid: str, incident: str, task: str) -> str:
    return f"{guid}@{incident}|{task}" if task else f"{guid}@{incident}"


def render(message: str, options: tuple[str, ...], entitlement: str) -> str:
    """The question as send-notification takes it: Question - Reply option1 or option2: GUID@incident|task."""
    return f"{message} - Reply {' or '.join(options)}: {entitlement}"


# ---- Asking ----


@dataclass(frozen=True)
class Asked:
    """What became of the question to one phone: the entries of send-notification, errors apart."""

    phone: str
    entries: Entries
    errors: Entries

    @property
    def reason(self) -> str:
        return "\n".join(str(entry["Contents"]) for entry in self.errors)

    @property
    def was_answered(self) -> bool:
        """Whether somebody else answered before this phone was asked."""
        return not self.entries and all(ANSWERED in str(entry["Contents"]) for entry in self.errors)


def ask(request: AskRequest, incident: str, execute: Execute, pause: Pause = time.sleep) -> Entries:
    """The entries that asking returned: those of send-notification, or of addEntitlement when the server refused it.

    1. addEntitlement, ten times at most, a second apart, while the server says that others changed the incident. A
       crash after it leaves an entitlement that nobody can answer.
    2. send-notification, one phone after the other: from here on a person may have the SMS. A crash between two leaves
       a question that the phones before were asked.

    With one phone its entries are returned as they are. With several, an error becomes a warning, and a summary says
    who was asked. DemistoException when the server gave no GUID, no instance of the integration is enabled, or none of
    several phones could be asked.
    """
    granted = add_entitlement(request, execute, pause)
    if is_error(granted):
        return granted
    entitlement = render_entitlement(guid_of(granted), incident, request.task)
    message = render(request.message, request.options, entitlement)
    if len(request.phones) == 1:
        sent = send(request, request.phones[0], message, execute)
    else:
        sent = merged([asked(request, phone, message, execute) for phone in request.phones])
    return sent if is_error(sent) else sent + opt_out_warnings((*request.options, *request.further_options))


def asked(request: AskRequest, phone: str, message: str, execute: Execute) -> Asked:
    try:
        entries = send(request, phone, message, execute)
    except (ValueError, DemistoException) as error:  # those who were asked before must not get lost
        entries = [{"Type": EntryType.ERROR, "ContentsFormat": EntryFormat.TEXT, "Contents": str(error)}]
    errors = [entry for entry in entries if is_error(entry)]
    return Asked(phone, [entry for entry in entries if not is_error(entry)], errors)


def merged(results: list[Asked]) -> Entries:
    """The entries of all phones, a warning for each error, and the summary; DemistoException when nobody was asked."""
    if not any(result.entries or result.was_answered for result in results):
        raise DemistoException(nobody(results))
    entries = [entry for result in results for entry in result.entries]
    warnings = [
        warning(f"{result.phone}: {result.reason}") for result in results if result.errors and not result.was_answered
    ]
    return [*entries, *warnings, note(summary(results))]


def nobody(results: list[Asked]) -> str:
    """Why no phone was asked: the reason alone when it is the same for all."""
    if len({result.reason for result in results}) == 1:
        return results[0].reason
    return "\n".join(["No phone could be asked.", *(f"{result.phone}: {result.reason}" for result in results)])


def summary(results: list[Asked]) -> str:
    """Who was asked and who was not. An error need not mean that no SMS was sent, as AWS may not have answered."""
    groups = (
        ("The question was sent to {}.", [result for result in results if result.entries]),
        (
            "It was answered meanwhile, so it was not sent to {}.",
            [result for result in results if result.was_answered],
        ),
        (
            "Asking failed for {}; the warnings say why.",
            [result for result in results if not (result.entries or result.was_answered)],
        ),
    )
    return " ".join(form.format(", ".join(result.phone for result in group)) for form, group in groups if group)


def warning(contents: str) -> Entry:
    return {"Type": EntryType.WARNING, "ContentsFormat": EntryFormat.TEXT, "Contents": contents}


def note(contents: str) -> Entry:
    return {"Type": EntryType.NOTE, "ContentsFormat": EntryFormat.TEXT, "Contents": contents}


def add_entitlement(request: AskRequest, execute: Execute, pause: Pause) -> Entries:
    """The entries of addEntitlement: its last, when the incident kept being changed by others."""
    args = {"persistent": str(request.persistent).lower(), "replyEntriesTag": request.reply_entries_tag}
    for _ in range(ENTITLEMENT_TRIES - 1):
        granted: Entries = execute("addEntitlement", args)
        if not is_conflict(granted):
            return granted
        pause(ENTITLEMENT_PAUSE)
    last: Entries = execute("addEntitlement", args)
    return last


def is_conflict(entries: Entries) -> bool:
    return bool(is_error(entries)) and CONFLICT.search(str(get_error(entries))) is not None


def opt_out_warnings(options: tuple[str, ...]) -> Entries:
    """A war room warning for the options that nobody should type instead of their code."""
    risky = ", ".join(f'"{option}"' for option in options if OPT_OUT.match(option))
    if not risky:
        return []
    return [
        warning(
            f"AWS takes a text that begins like the option {risky} as an opt-out: who replies with the word instead of "
            "the code gets no more texts from this AWS account. Choose other words."
        )
    ]


def guid_of(entries: Entries) -> str:
    contents = entries[0].get("Contents") if entries else None
    if not contents or not isinstance(contents, str):
        raise DemistoException("addEntitlement returned no entitlement, so nothing was sent. Run the automation again.")
    return contents


def send(request: AskRequest, phone: str, message: str, execute: Execute) -> Entries:
    """The entries of send-notification, run by the instance that is named, else by all enabled instances of the brand.

    Slack, Teams and others have a command of this name too and must never get the text.
    """
    instance = {"using": request.using} if request.using else {"using-brand": BRAND}
    further = {FURTHER_OPTIONS: ",".join(request.further_options)} if request.further_options else {}
    args = {"to": phone, "message": message} | further | request.passed_on | instance
    try:
        entries: Entries = execute("send-notification", args)
    except ValueError as error:
        if "Unsupported Command" not in str(error):
            raise
        entries = []
    if not entries:
        raise DemistoException(no_instance(request.using))
    return entries


def no_instance(using: str) -> str:
    if using:
        return (
            f'using is "{using}", which is no enabled instance. '
            f"Give the name of an enabled instance of the integration {BRAND}."
        )
    return f"No instance of the integration {BRAND} is enabled, so the question was not sent. Enable one and run again."


def main() -> None:
    try:
        request = parse_request(demisto.args())
        return_results(ask(request, str(demisto.investigation()["id"]), demisto.executeCommand))
    except Exception as error:
        return_error(str(error))


if __name__ in ("__builtin__", "builtins", "__main__"):
    main()
