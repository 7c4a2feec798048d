"""Asks a person a question by SMS and lets a playbook task wait for the answer.

Arguments become an AskRequest or an error; then an entitlement is created; then send-notification of the integration
AWS SNS SMS Communication gets one text that carries question, options and entitlement. What it returns is returned.
"""

import demistomock as demisto
from CommonServerPython import *

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# ---- Constants ----

BRAND = "AWS SNS SMS Communication"
REQUIRED_OPTIONS = {"option1": "yes", "option2": "no"}
MORE_OPTIONS = ("option3", "option4")

# Words that opt a phone out of every text of the AWS account when its text begins with one
# (AWS End User Messaging SMS, required opt-out keywords).
OPT_OUT_WORDS = ("ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE")
OPT_OUT = re.compile(rf"(?:{'|'.join(OPT_OUT_WORDS)})(?!\w)", re.IGNORECASE)

ENTITLEMENT_TRIES = 10
ENTITLEMENT_PAUSE = 1.0  # seconds
# What the server says when others changed the incident at the same time, as parallel asks do.
CONFLICT = re.compile(r"version|conflict|optimistic|concurrent|\(15\)", re.IGNORECASE)

Arguments = dict[str, Any]
Entries = list[dict[str, Any]]
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

    phone: str
    message: str
    options: tuple[str, ...]
    task: str
    persistent: bool
    reply_entries_tag: str
    using: str


def parse_request(args: Arguments) -> AskRequest:
    """The request that the arguments make; ValueError with a sentence that names the first one that cannot be used."""
    return AskRequest(
        phone=required_text(args, "phone", "a phone number such as +14255550182"),
        message=required_text(args, "message", "the question to ask"),
        options=parse_options(args),
        task=parse_task(args),
        persistent=parse_persistent(args),
        reply_entries_tag=text(args, "replyEntriesTag"),
        using=text(args, "using"),
    )


def text(args: Arguments, name: str, absent: str = "") -> str:
    value = args.get(name)
    return absent if value is None else str(value).strip()


def required_text(args: Arguments, name: str, accepted: str) -> str:
    value = text(args, name)
    if not value:
        raise ValueError(f"{name} is empty. Give {accepted}.")
    return value


def parse_options(args: Arguments) -> tuple[str, ...]:
    """The options in their order, trimmed: option1 and option2 always, option3 and option4 when they are not empty.

    ValueError when one is not a single line of text, reads as a part of the text around it, or is given twice.
    """
    options: dict[str, str] = {}
    for name, value in given_options(args).items():
        check_option(name, value)
        check_differs(name, value, options)
        options[name] = value
    return tuple(options.values())


def given_options(args: Arguments) -> dict[str, str]:
    required = {name: text(args, name, absent) for name, absent in REQUIRED_OPTIONS.items()}
    more = {name: text(args, name) for name in MORE_OPTIONS}
    return required | {name: value for name, value in more.items() if value}


def check_option(name: str, value: str) -> None:
    if not value:
        raise ValueError(f"{name} is empty. Give the option as one line of text, or leave the argument out.")
    if len(value.splitlines()) > 1:
        raise ValueError(f'{name} "{value}" has several lines. Give the option as one line of text.')
    for pattern, reason in OPTION_RULES:
        if pattern.search(value):
            raise ValueError(f'{name} "{value}" {reason}. Give an option without it.')


def check_differs(name: str, value: str, earlier: dict[str, str]) -> None:
    for earlier_name, earlier_value in earlier.items():
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


def ask(request: AskRequest, incident: str, execute: Execute, pause: Pause = time.sleep) -> Entries:
    """The entries that asking returned: those of send-notification, or of addEntitlement when the server refused it.

    1. addEntitlement, ten times at most, a second apart, while the server says that others changed the incident. A
       crash after it leaves an entitlement that nobody can answer.
    2. send-notification: from here on the person may have the SMS.

    DemistoException when the server gave no GUID or no instance of the integration is enabled.
    """
    granted = add_entitlement(request, execute, pause)
    if is_error(granted):
        return granted
    entitlement = render_entitlement(guid_of(granted), incident, request.task)
    sent = send(request, render(request.message, request.options, entitlement), execute)
    return sent if is_error(sent) else sent + opt_out_warnings(request.options)


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
    text = (
        f"AWS takes a text that begins like the option {risky} as an opt-out: who replies with the word instead of "
        "the code gets no more texts from this AWS account. Choose other words."
    )
    return [{"Type": EntryType.WARNING, "ContentsFormat": EntryFormat.TEXT, "Contents": text}]


def guid_of(entries: Entries) -> str:
    contents = entries[0].get("Contents") if entries else None
    if not contents or not isinstance(contents, str):
        raise DemistoException("addEntitlement returned no entitlement, so nothing was sent. Run the automation again.")
    return contents


def send(request: AskRequest, message: str, execute: Execute) -> Entries:
    """The entries of send-notification, run by the instance that is named, else by all enabled instances of the brand.

    Slack, Teams and others have a command of this name too and must never get the text.
    """
    instance = {"using": request.using} if request.using else {"using-brand": BRAND}
    try:
        entries: Entries = execute("send-notification", {"to": request.phone, "message": message} | instance)
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
