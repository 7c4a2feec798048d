from pathlib import Path

import pytest

from emulator.content import ContentError, runtime


def test_without_the_variable_it_is_our_own() -> None:
    # Given no XSOAR_CONTENT / When the runtime is looked for / Then all three files are ours
    found = runtime({})
    assert {path.parent.name for path in (found.common, found.user, found.mock)} == {"runtime"}


def test_a_folder_with_the_file_alone_goes_before_our_own(tmp_path: Path) -> None:
    # Given a folder with a CommonServerPython.py
    real = tmp_path / "CommonServerPython.py"
    real.write_text("")
    # When XSOAR_CONTENT names it
    found = runtime({"XSOAR_CONTENT": str(tmp_path)})
    # Then it is used, with our demistomock behind it
    assert found.common == real
    assert found.import_folders() == [str(tmp_path), str(found.mock.parent)]


def test_a_checkout_of_the_content_is_found(tmp_path: Path) -> None:
    # Given a checkout with all three files
    places = [
        tmp_path / "Packs/Base/Scripts/CommonServerPython/CommonServerPython.py",
        tmp_path / "Packs/Base/Scripts/CommonServerUserPython/CommonServerUserPython.py",
        tmp_path / "Tests/demistomock/demistomock.py",
    ]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_text("")
    # When XSOAR_CONTENT names it / Then these are used
    found = runtime({"XSOAR_CONTENT": str(tmp_path)})
    assert [found.common, found.user, found.mock] == places


def test_a_folder_with_neither_is_an_error(tmp_path: Path) -> None:
    # Given an empty folder / When XSOAR_CONTENT names it / Then a sentence says what is looked for
    with pytest.raises(ContentError, match=r"which holds neither CommonServerPython.py nor Packs/Base/Scripts"):
        runtime({"XSOAR_CONTENT": str(tmp_path)})


def test_an_api_module_that_common_server_python_imports_is_written_into_it(tmp_path: Path) -> None:
    # Given a checkout whose CommonServerPython.py imports two API modules, of which one is there
    common = tmp_path / "Packs/Base/Scripts/CommonServerPython/CommonServerPython.py"
    module = tmp_path / "Packs/ApiModules/Scripts/OneApiModule/OneApiModule.py"
    for file in (common, module):
        file.parent.mkdir(parents=True)
    common.write_text("a = 1\nfrom OneApiModule import *  # noqa: E402\nfrom TwoApiModule import *\nc = 3\n")
    module.write_text("b = 2")
    # When it is used / Then containers get one text, and unit tests find the module
    found = runtime({"XSOAR_CONTENT": str(tmp_path)})
    assert found.common_source() == "a = 1\nb = 2\npass\nc = 3\n"
    assert str(module.parent) in found.import_folders()
