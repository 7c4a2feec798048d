import pytest

from emulator.commandline import CommandLine, CommandLineError, parse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("!ping", CommandLine("ping", {}), id="no argument"),
        pytest.param("  !ping  ", CommandLine("ping", {}), id="spaces around"),
        pytest.param("!say to=+1425", CommandLine("say", {"to": "+1425"}), id="plain value"),
        pytest.param('!say m="Is it ok?"', CommandLine("say", {"m": "Is it ok?"}), id="double quotes"),
        pytest.param("!say m='Is it ok?'", CommandLine("say", {"m": "Is it ok?"}), id="single quotes"),
        pytest.param('!say m=`Say "yes"`', CommandLine("say", {"m": 'Say "yes"'}), id="backticks"),
        pytest.param(r'!say m="a \"b\" c"', CommandLine("say", {"m": 'a "b" c'}), id="escaped quotes"),
        pytest.param(r'!say m="one\ntwo"', CommandLine("say", {"m": "one\ntwo"}), id="line break"),
        pytest.param(r'!say m="C:\\new"', CommandLine("say", {"m": r"C:\new"}), id="escaped backslash"),
        pytest.param(r'!say m="\d+"', CommandLine("say", {"m": r"\d+"}), id="backslash before another character"),
        pytest.param('!say m=""', CommandLine("say", {"m": ""}), id="empty value in quotes"),
        pytest.param("!say m= n=2", CommandLine("say", {"m": "", "n": "2"}), id="empty value"),
        pytest.param(
            "!say url=https://x/?a=b", CommandLine("say", {"url": "https://x/?a=b"}), id="equals sign in value"
        ),
        pytest.param("!say it's", CommandLine("say", {}, "it's"), id="quote within a bare value"),
        pytest.param('!say "two words" n=1', CommandLine("say", {"n": "1"}, "two words"), id="bare value"),
        pytest.param("!say using-brand=x", CommandLine("say", {"using-brand": "x"}), id="dash in a name"),
    ],
)
def test_a_line_is_read(line: str, expected: CommandLine) -> None:
    # Given a line as typed / When it is parsed / Then every value is what was meant
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("ping", "A command starts with '!', as in !SMSAskUser"),
        ("", "A command starts with '!'"),
        ("!", "A command's name follows the '!' at once"),
        ("! ping", "A command's name follows the '!' at once"),
        ("!pi/ng", "'/' cannot stand in a command's name."),
        ('!say m="Is it', "The \" that opens the argument 'm' is not closed."),
        ("!say `Is it", "The ` that opens 'Is it' is not closed."),
        ('!say m="Is it"ok', "A space is missing after the \" that closes the argument 'm'."),
        ("!say m=1 m=2", "The argument 'm' is given twice."),
        ("!say m=Is it ok?", "'ok\\?' has no argument name. Write name=value"),
    ],
)
def test_a_typing_mistake_gets_a_sentence(line: str, sentence: str) -> None:
    # Given a line with a mistake / When it is parsed / Then a sentence names it
    with pytest.raises(CommandLineError, match=sentence):
        parse(line)


def test_a_bare_value_goes_to_the_default_argument() -> None:
    # Given a line with a value without a name
    line = parse("!say +1425 m=hi")
    # When the command has a default argument / Then the value is its
    assert line.arguments("phone") == {"phone": "+1425", "m": "hi"}


@pytest.mark.parametrize("default_argument", [None, "m"])
def test_a_bare_value_without_a_free_default_argument_is_refused(default_argument: str | None) -> None:
    # Given a line with a value without a name
    line = parse("!say +1425 m=hi")
    # When the command has no default argument, or it is given already / Then a sentence says what to write
    with pytest.raises(CommandLineError, match=r"'\+1425' has no argument name\. Write name=value"):
        line.arguments(default_argument)
