"""The zip for the server's upload holds what a server takes, and works as the source does."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emulator.world import PACK, World
from tests.stage import ask, only, readable

ZIP = PACK.parent.parent / "dist" / "AWSSNSSMSCommunication.zip"
INTEGRATION = "Integrations/integration-AWSSNSSMSCommunication.yml"
SCRIPT = "Scripts/script-SMSAskUser.yml"

pytestmark = pytest.mark.pack


@pytest.fixture(scope="module")
def pack_zip() -> Path:
    """The zip of `make pack`; one that is missing or older than the pack proves nothing, so it fails."""
    sources = [path for path in PACK.rglob("*") if path.suffix in {".py", ".yml", ".json", ".md", ".png"}]
    built = [path for path in sources if not path.name.endswith("_test.py") and path.is_file()]
    if not ZIP.is_file() or ZIP.stat().st_mtime < max(path.stat().st_mtime for path in built):
        pytest.fail("dist/AWSSNSSMSCommunication.zip is missing or older than the pack: run `make pack`.")
    return ZIP


@pytest.mark.parametrize("module_name", ["__builtin__", "builtins", "__main__"])
def test_unified_pack_asks_and_takes_the_answer(
    new_world: Callable[..., World], pack_zip: Path, module_name: str
) -> None:
    # Given a server that has nothing but the zip, and runs code under that name
    world = new_world(pack=pack_zip, module_name=module_name)
    world.start_poller()
    phone = world.phone("+14255550182")
    # When a playbook asks and the person replies with the code of No
    asked = ask(world, phone, "Isolate the host?")
    phone.replies(asked.codes["No"])
    # Then the task goes on with No, the person is thanked, and a plain notification arrives as it is
    assert asked.task.wait() == "No"
    assert phone.expects() == f"{asked.codes['No']} - Thank you for your response!"
    sent = only(world.war_room('!send-notification to=+14255550182 message="The host is left alone."'))
    assert readable(sent).startswith("The SMS was sent to +14255550182")
    assert phone.expects() == "The host is left alone."


def test_zip_holds_what_a_server_takes_and_nothing_else(pack_zip: Path) -> None:
    # When the zip is listed
    with zipfile.ZipFile(pack_zip) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    # Then metadata, README, one YAML per item, images and release notes alone are in it: no test, no cache
    assert {name for name in files if not name.startswith("ReleaseNotes/")} == {
        "metadata.json",
        "pack_metadata.json",
        "README.md",
        INTEGRATION,
        SCRIPT,
        "Scripts/script-SMSAskUserResponse.yml",
        "Playbooks/playbook-Ask_by_SMS.yml",
        "Playbooks/playbook-Ask_by_SMS_and_escalate.yml",
        "doc_files/Ask_by_SMS.png",
        "doc_files/Ask_by_SMS_and_escalate.png",
    }


def test_unified_integration_carries_its_code_picture_and_description(pack_zip: Path) -> None:
    # When the integration's YAML is read from the zip
    with zipfile.ZipFile(pack_zip) as archive:
        unified = yaml.safe_load(archive.read(INTEGRATION))
    # Then code, picture and description are in it, and the code does not import what the server provides
    source = unified["script"]["script"]
    assert "def main" in source
    assert "import demistomock" not in source
    assert "from CommonServerPython import" not in source
    assert unified["image"].startswith("data:image/png;base64,")
    assert unified["detaileddescription"].strip()
    assert unified["script"]["dockerimage"] == "demisto/boto3py3:1.0.0.115129"
