"""Writes the READMEs of the integration, the scripts and the playbooks: demisto-sdk generate-docs, examples run.

    .venv/bin/python tools/readme_examples.py | .venv-sdk/bin/python tools/readmes.py

generate-docs asks an XSOAR server to run the examples; here it gets what they returned in the emulator.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PACK = Path(__file__).resolve().parent.parent / "Packs" / "AWSSNSSMSCommunication"
INTEGRATION = PACK / "Integrations" / "AWSSNSSMSCommunication"
SCRIPT = PACK / "Scripts" / "SMSAskUser"
RESPONSE = PACK / "Scripts" / "SMSAskUserResponse"
PLAYBOOKS = PACK / "Playbooks"
TESTED_WITH = "This integration was integrated and tested with version"
NOTES = (
    "* When several instances of AWS SNS SMS Communication are enabled and `using` names none, each of them sends the "
    "question, with codes of its own. The first answer counts."
    "* When the SMS is refused, the entitlement was made already. Nobody can answer it."
)


class Recorded:
    """Stands for the SDK's Runner: what each example returned, instead of a server."""

    results: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - the SDK makes the objects, so the class carries it

    def __init__(self, *_args: Any, **_settings: Any) -> None:
        pass

    def execute_command(self, line: str) -> tuple[list[SimpleNamespace], dict[str, Any]]:
        result = self.results[line]
        return [SimpleNamespace(type=1, contents=result["readable"])], result["context"]


def write_readmes(results: dict[str, dict[str, Any]]) -> None:
    Recorded.results = results
    docs = "demisto_sdk.commands.generate_docs"
    importlib.import_module(f"{docs}.common").Runner = Recorded  # type: ignore[attr-defined]
    integration = importlib.import_module(f"{docs}.generate_integration_doc")
    script = importlib.import_module(f"{docs}.generate_script_doc")
    examples = str(INTEGRATION / "command_examples.txt")
    integration.generate_integration_doc(str(INTEGRATION / "AWSSNSSMSCommunication.yml"), examples, force=True)
    script.generate_script_doc(str(SCRIPT / "SMSAskUser.yml"), examples, limitations=NOTES, use_graph=False)
    script.generate_script_doc(str(RESPONSE / "SMSAskUserResponse.yml"), None, use_graph=False)
    playbook = importlib.import_module(f"{docs}.generate_playbook_doc")
    for path in sorted(PLAYBOOKS.glob("*.yml")):
        playbook.generate_playbook_doc(str(path), str(PLAYBOOKS))
    drop_version_line(INTEGRATION / "README.md")
    add_set_up(INTEGRATION / "README.md", INTEGRATION / "AWSSNSSMSCommunication_description.md")


def drop_version_line(readme: Path) -> None:
    """SNS has no version that could be filled in."""
    lines = readme.read_text("utf-8").splitlines(keepends=True)
    readme.write_text("".join(line for line in lines if not line.startswith(TESTED_WITH)), "utf-8")


def add_set_up(readme: Path, description: Path) -> None:
    """Puts the help that stands beside the parameters before them."""
    before, heading, after = readme.read_text("utf-8").partition("## Configure ")
    readme.write_text(f"{before}## Set up\n\n{description.read_text('utf-8').strip()}\n\n{heading}{after}", "utf-8")


if __name__ == "__main__":
    os.environ |= {"DEMISTO_SDK_SKIP_VERSION_CHECK": "1", "DEMISTO_SDK_IGNORE_CONTENT_WARNING": "1"}
    write_readmes(json.load(sys.stdin))
