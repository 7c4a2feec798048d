import io
import marshal
import zipfile
from pathlib import Path

import pytest

from emulator.packs import Argument, ArgumentError, Command, PackError, compiled, load

INTEGRATION = """
commonfields: {id: Brand, version: -1}
name: Brand
configuration:
- {name: region, display: Region, type: 0, defaultvalue: us-east-1, required: true}
- {name: feedback, display: Feedback, type: 8, defaultvalue: 'true'}
- {name: insecure, display: Insecure, type: 8}
- {name: credentials, display: Key, type: 9}
- {name: sender, display: Sender, type: 0}
script:
  type: python
  longRunning: true
  script: SOURCE
  commands:
  - name: send
    arguments:
    - {name: to, required: true}
    - {name: urgent, defaultValue: 'false'}
  - name: list
"""
SCRIPT = """
commonfields: {id: Ask, version: -1}
name: Ask
script: SOURCE
args:
- {name: phone, required: true, default: true}
"""


def in_folder(folder: Path) -> Path:
    for name, text in (("Brand", INTEGRATION), ("Ask", SCRIPT)):
        (folder / name).mkdir()
        (folder / name / f"{name}.yml").write_text(text.replace("SOURCE", "''"))
        (folder / name / f"{name}.py").write_text("x = 1")
    (folder / "pack.yml").write_text("unrelated: true")
    return folder


def in_zip(folder: Path) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("Integrations/integration-Brand.yml", INTEGRATION.replace("SOURCE", "x = 1"))
        archive.writestr("Scripts/script-Ask.yml", SCRIPT.replace("SOURCE", "x = 1"))
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.writestr("Brand.zip", inner.getvalue())
    return folder / "pack.zip"


@pytest.mark.parametrize("make", [in_folder, in_zip])
def test_a_pack_is_loaded_from_a_folder_and_from_a_zip_in_a_zip(make: object, tmp_path: Path) -> None:
    # Given a pack / When it is loaded
    pack = load(in_folder(tmp_path) if make is in_folder else in_zip(tmp_path))
    # Then its integration, commands and script are there with their source
    (integration,), (script,) = pack.integrations, pack.scripts
    assert (integration.id, integration.long_running, integration.source) == ("Brand", True, "x = 1")
    assert list(integration.commands) == ["send", "list"]
    assert (script.name, script.source, script.command.default_argument()) == ("Ask", "x = 1", "phone")


def test_an_instance_gets_the_defaults_in_the_types_the_server_passes(tmp_path: Path) -> None:
    # Given an integration with texts, checkboxes and credentials / When its defaults are asked for / Then the types fit
    (integration,) = load(in_folder(tmp_path)).integrations
    assert integration.defaults() == {
        "region": "us-east-1",
        "feedback": True,
        "insecure": False,
        "credentials": {"identifier": "", "password": ""},
        "sender": "",
    }


def test_a_yaml_without_its_source_is_an_error(tmp_path: Path) -> None:
    # Given a YAML with no script in it and no Python file beside it / When it is loaded / Then a sentence says so
    (tmp_path / "Ask.yml").write_text(SCRIPT.replace("SOURCE", "''"))
    with pytest.raises(PackError, match=r"Ask\.yml holds no script, and no Python file of the same name"):
        load(tmp_path)


def test_a_source_that_is_not_python_is_an_error(tmp_path: Path) -> None:
    # Given a script with a mistake in its second line / When it is loaded / Then a sentence says where
    (tmp_path / "Ask.yml").write_text(SCRIPT.replace("SOURCE", "''"))
    (tmp_path / "Ask.py").write_text("x = 1\nif x:\n")
    with pytest.raises(PackError, match=r"Ask\.py is not valid Python: .*line 2"):
        load(tmp_path)


@pytest.mark.parametrize(("name", "sentence"), [("", "holds no integration and no script"), ("no", "does not exist")])
def test_what_is_no_pack_is_an_error(name: str, sentence: str, tmp_path: Path) -> None:
    # Given an empty folder, or none / When it is loaded / Then a sentence says what is missing
    with pytest.raises(PackError, match=sentence):
        load(tmp_path / name)


SEND = Command("send", (Argument("to", required=True), Argument("urgent", default_value="false"), Argument("note")))


def test_defaults_are_filled_in_and_a_missing_optional_argument_has_no_key() -> None:
    # Given a command with a default / When it is called with the required argument alone / Then the default is there
    assert SEND.resolve({"to": "x"}) == {"to": "x", "urgent": "false"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "send needs the argument 'to'."),
        ({"to": ""}, "send needs the argument 'to'."),
        ({"to": "x", "too": "y"}, "send has no argument 'too'. It accepts: note, to, urgent."),
    ],
)
def test_arguments_that_do_not_fit_get_a_sentence(given: dict[str, str], sentence: str) -> None:
    # Given a command / When it is called with arguments that do not fit / Then a sentence names the argument
    with pytest.raises(ArgumentError, match=sentence):
        SEND.resolve(given)


def test_what_the_server_provides_is_not_imported_and_lines_keep_their_numbers() -> None:
    # Given a source with the imports a script has, also indented and with a comment
    source = (
        "import demistomock as demisto  # noqa: F401\n"
        "from CommonServerPython import *  # noqa: F403\n"
        "if True:\n    from CommonServerUserPython import *\n"
        "from inspect import currentframe\n"
        "line = currentframe().f_lineno\n"
    )
    # When it is compiled and run where none of these modules is / Then it runs, and line six is line six
    namespace: dict[str, object] = {}
    exec(marshal.loads(compiled(source, "x.py")), namespace)
    assert namespace["line"] == 6
