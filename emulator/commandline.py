"""The command line of the war room: `!command name=value name="a longer value"`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAME = re.compile(r"[\w.-]+")
KEY = re.compile(r"([\w.-]+)=")
QUOTES = "\"'`"
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "`": "`"}


class CommandLineError(ValueError):
    """A line that cannot be read, with a sentence on how to write it."""


@dataclass(frozen=True)
class CommandLine:
    """A line as typed. `bare` is the value written without a name, if any."""

    name: str
    named: dict[str, str]
    bare: str | None = None

    def arguments(self, default_argument: str | None) -> dict[str, str]:
        """All arguments by name; the bare value goes to the command's default argument. Raises CommandLineError."""
        if self.bare is None:
            return dict(self.named)
        if default_argument is None or default_argument in self.named:
            raise CommandLineError(_no_name(self.bare))
        return {default_argument: self.bare, **self.named}


def parse(line: str) -> CommandLine:
    """Read a line. Values with spaces stand in double quotes, single quotes or backticks.

    A backslash makes the next quote or backslash a plain character, and \\n, \\r and \\t a line break, a return and a
    tab; before anything else it is itself. Raises CommandLineError.
    """
    if not line.lstrip().startswith("!"):
        raise CommandLineError(
            "A command starts with '!', as in !SMSAskUser phone=+14255550182 message=\"Restart it?\"."
        )
    name = NAME.match(line.strip(), 1)
    if name is None:
        raise CommandLineError("A command's name follows the '!' at once, as in !SMSAskUser.")
    rest = line.strip()[name.end() :]
    if rest and not rest[0].isspace():
        raise CommandLineError(f"'{rest[0]}' cannot stand in a command's name.")
    return _command_line(name[0], list(_words(rest)))


def _command_line(name: str, words: list[tuple[str | None, str]]) -> CommandLine:
    named: dict[str, str] = {}
    bare: str | None = None
    for key, value in words:
        if key is None and bare is not None:
            raise CommandLineError(_no_name(value))
        if key is not None and key in named:
            raise CommandLineError(f"The argument '{key}' is given twice.")
        if key is None:
            bare = value
        else:
            named[key] = value
    return CommandLine(name, named, bare)


def _no_name(value: str) -> str:
    return f"'{value}' has no argument name. Write name=value, and put a value with spaces in quotes: name=\"a value\"."


def _words(text: str) -> Iterator[tuple[str | None, str]]:
    """(argument name or None, value)"""
    position = 0
    while (position := _skip_space(text, position)) < len(text):
        key = KEY.match(text, position)
        name = key[1] if key else None
        value, position = _value(text, key.end() if key else position, name)
        yield name, value


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _value(text: str, start: int, name: str | None) -> tuple[str, int]:
    if text[start : start + 1] not in QUOTES or start >= len(text):
        return _until(text, start, None)
    value, end = _until(text, start + 1, text[start])
    where = f"the argument '{name}'" if name else f"'{value}'"
    if end >= len(text):
        raise CommandLineError(f"The {text[start]} that opens {where} is not closed.")
    following = text[end + 1 : end + 2]
    if following and not following.isspace():
        raise CommandLineError(
            f"A space is missing after the {text[start]} that closes {where}. "
            f"Inside a value write \\{text[start]}, or use another kind of quote."
        )
    return value, end + 1


def _until(text: str, position: int, quote: str | None) -> tuple[str, int]:
    """The value up to its closing quote (or white space) and where that stands."""
    value = []
    while position < len(text) and not (text[position] == quote or (quote is None and text[position].isspace())):
        escaped = ESCAPES.get(text[position + 1 : position + 2]) if text[position] == "\\" else None
        value.append(escaped or text[position])
        position += 2 if escaped else 1
    return "".join(value), position
