"""What the pack relies on in CommonServerPython. Holds for our own and, with `XSOAR_CONTENT`, for the real one."""

import CommonServerPython
import demistomock as demisto
from CommonServerPython import (
    CommandResults,
    DemistoException,
    arg_to_number,
    argToBoolean,
    argToList,
    get_error,
    handle_proxy,
    is_error,
    isError,
    return_error,
    return_results,
    tableToMarkdown,
)

import os
from typing import Any

import pytest
from pytest_mock import MockerFixture


@pytest.fixture
def results(mocker: MockerFixture) -> list[Any]:
    """What reaches `demisto.results`."""
    written: list[Any] = []
    mocker.patch.object(demisto, "results", side_effect=written.append)
    return written


def test_outputs_with_a_key_field_get_the_key_of_the_server() -> None:
    # Given outputs with a prefix and a key field / When they become an entry / Then its context key joins on that field
    entry = CommandResults(outputs_prefix="A.B", outputs_key_field="ID", outputs={"ID": "1"}).to_context()
    assert entry["EntryContext"] == {"A.B(val.ID && val.ID == obj.ID)": {"ID": "1"}}
    assert (entry["Type"], entry["Contents"], entry["ContentsFormat"]) == (1, {"ID": "1"}, "json")
    assert entry["HumanReadable"] == "### Results\n|ID|\n|---|\n| 1 |\n"


def test_outputs_with_several_key_fields_get_the_key_of_all_of_them() -> None:
    # Given outputs with two key fields / When they become an entry / Then its context key joins on both, in their order
    entry = CommandResults(outputs_prefix="A.B", outputs_key_field=["ID", "Phone"], outputs=[{"ID": "1"}]).to_context()
    assert entry["EntryContext"] == {
        "A.B(val.ID && val.ID == obj.ID && val.Phone && val.Phone == obj.Phone)": [{"ID": "1"}]
    }


def test_key_fields_that_are_no_list_are_refused() -> None:
    # Given key fields as a tuple / When results are made / Then TypeError, as on the server
    with pytest.raises(TypeError, match="outputs_key_field must be of type str or list"):
        CommandResults(outputs_prefix="A", outputs_key_field=("ID", "Phone"), outputs={})  # type: ignore[arg-type]


def test_given_texts_go_before_the_derived_ones() -> None:
    # Given outputs with a readable text and a raw response / When they become an entry / Then both are used
    results = CommandResults(outputs_prefix="A", outputs=[1], readable_output="Done.", raw_response="raw")
    entry = results.to_context()
    assert (entry["HumanReadable"], entry["Contents"], entry["ContentsFormat"]) == ("Done.", "raw", "text")
    assert entry["EntryContext"] == {"A": [1]}


def test_a_readable_text_alone_makes_an_entry_without_context() -> None:
    # Given a text / When it becomes an entry / Then there is no context
    entry = CommandResults(readable_output="Nothing to show.").to_context()
    assert (entry["HumanReadable"], entry["EntryContext"]) == ("Nothing to show.", {})


def test_results_of_every_kind_are_written(results: list[Any]) -> None:
    # Given a text, an entry and command results / When they are returned / Then each is written as what it is
    return_results("ok")
    return_results([CommandResults(readable_output="one"), {"Type": 1, "Contents": "two", "ContentsFormat": "text"}])
    flat = [entry for item in results for entry in (item if isinstance(item, list) else [item])]
    assert [entry if isinstance(entry, str) else entry.get("HumanReadable") or entry["Contents"] for entry in flat] == [
        "ok",
        "one",
        "two",
    ]


def test_return_error_writes_an_error_entry_and_ends_the_process(results: list[Any], mocker: MockerFixture) -> None:
    # Given a command / When it returns an error / Then the entry is written and the process ends well
    mocker.patch.object(demisto, "command", return_value="send-notification")
    with pytest.raises(SystemExit) as end:
        return_error("No such phone.")
    assert not end.value.code
    assert (results[0]["Type"], results[0]["Contents"]) == (4, "No such phone.")


def test_return_error_raises_in_the_long_running_container(results: list[Any], mocker: MockerFixture) -> None:
    # Given the long-running command / When it returns an error / Then it raises and writes nothing
    mocker.patch.object(demisto, "command", return_value="long-running-execution")
    with pytest.raises(Exception, match=r"^No such queue\.$"):
        return_error("No such queue.")
    assert results == []


ROWS = [{"Name": "a|b", "Text": "one\ntwo", "Empty": None}, {"Name": "c", "Text": 3}]


@pytest.mark.parametrize(
    ("options", "table"),
    [
        pytest.param(
            {"headers": ["Name", "Text"]},
            "### Title\n|Name|Text|\n|---|---|\n| a\\|b | one<br>two |\n| c | 3 |\n",
            id="escaped cells",
        ),
        pytest.param(
            {"headers": ["Text", "Empty"], "removeNull": True},
            "### Title\n|Text|\n|---|\n| one<br>two |\n| 3 |\n",
            id="empty column removed",
        ),
        pytest.param(
            {"headers": ["Name"], "headerTransform": str.upper},
            "### Title\n|NAME|\n|---|\n| a\\|b |\n| c |\n",
            id="headers transformed",
        ),
    ],
)
def test_a_table_is_markdown(options: dict[str, Any], table: str) -> None:
    # Given rows / When they become a table / Then cells cannot break it
    assert tableToMarkdown("Title", ROWS, **options) == table


def test_an_empty_table_says_so() -> None:
    # Given no rows / When they become a table / Then a line says so
    assert tableToMarkdown("Title", []) == "### Title\n**No entries.**\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), ("Yes", True), (False, False), ("FALSE", False), ("no", False)],
)
def test_a_boolean_is_read(value: Any, expected: bool) -> None:
    # Given what a checkbox or an argument holds / When it is read / Then it is a boolean
    assert argToBoolean(value) is expected


@pytest.mark.parametrize("value", ["", "maybe", None, 2])
def test_what_is_no_boolean_is_refused(value: Any) -> None:
    # Given something else / When it is read / Then ValueError
    with pytest.raises(ValueError, match="boolean"):
        argToBoolean(value)


@pytest.mark.parametrize(
    ("value", "expected"), [("12", 12), (12, 12), ("-3", -3), ("1.9", 1), ("", None), (None, None)]
)
def test_a_number_is_read(value: Any, expected: int | None) -> None:
    # Given an argument / When it is read as a number / Then it is one, or None when empty
    assert arg_to_number(value) == expected


def test_what_is_no_number_is_refused_by_name() -> None:
    # Given a word / When it is read as a number / Then ValueError names the argument
    with pytest.raises(ValueError, match='"retries"="many"'):
        arg_to_number("many", "retries")


@pytest.mark.parametrize(
    ("value", "expected"), [("a, b", ["a", "b"]), ('["a", "b"]', ["a", "b"]), (["a"], ["a"]), ("", []), (None, [])]
)
def test_a_list_is_read(value: Any, expected: list[str]) -> None:
    # Given an argument / When it is read as a list / Then it is one
    assert argToList(value) == expected


def test_error_entries_are_found_and_their_texts_joined() -> None:
    # Given a note and two errors / When they are looked at / Then the errors are told
    entries = [{"Type": 1, "Contents": "fine"}, {"Type": 4, "Contents": "one"}, {"Type": 4, "Contents": "two"}]
    assert (is_error(entries), isError(entries[0]), is_error([]), is_error(None)) == (True, False, False, False)
    assert get_error(entries) == "one\ntwo"


def test_the_proxy_variables_go_when_the_parameter_is_off(
    mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a machine with a proxy / When the parameter is on, then off / Then it is used, then removed
    monkeypatch.setenv("HTTP_PROXY", "proxy.example.com:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    mocker.patch.object(demisto, "params", return_value={"proxy": True})
    expected = {"http": "http://proxy.example.com:3128", "https": "http://proxy.example.com:3128"}
    assert handle_proxy() == expected
    mocker.patch.object(demisto, "params", return_value={"proxy": False})
    assert handle_proxy() == {}
    assert "HTTPS_PROXY" not in os.environ


def test_an_exception_of_an_integration_is_its_message() -> None:
    # Given an exception with a response / When it is shown / Then it is the message alone
    assert str(DemistoException("No such phone.", res={"status": 400})) == "No such phone."


@pytest.mark.skipif("runtime" not in CommonServerPython.__file__, reason="the real one leaks what it imports")
def test_our_own_leaks_no_module_into_the_script() -> None:
    # Given a script that imports everything / When it looks for json and friends / Then it has to import them itself
    namespace: dict[str, Any] = {}
    exec("from CommonServerPython import *", namespace)
    assert {"json", "re", "os", "sys", "time", "datetime", "traceback", "demisto", "Any"}.isdisjoint(namespace)
