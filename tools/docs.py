"""Generates the READMEs of the integration, the scripts and the playbooks, to compare with or replace the repository's.

    python -m tools.docs check   exit code 1, and what differs, when they are not what YAML and code give
    python -m tools.docs write   replaces those that differ

Ids and times differ with every run of the examples; they alone make no difference. demisto-sdk stages what it
generates, so it works on a copy.
"""

import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.sdk import environment

ROOT = Path(__file__).resolve().parent.parent
PACK = Path("Packs/AWSSNSSMSCommunication")
READMES = (
    PACK / "Integrations" / "AWSSNSSMSCommunication" / "README.md",
    PACK / "Scripts" / "SMSAskUser" / "README.md",
    PACK / "Scripts" / "SMSAskUserResponse" / "README.md",
    PACK / "Playbooks" / "playbook-Ask_by_SMS_README.md",
    PACK / "Playbooks" / "playbook-Ask_by_SMS_and_escalate_README.md",
)
SDK_PYTHON = ROOT / ".venv-sdk" / "bin" / "python"
CHANGING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def run(command: list[str], folder: Path, text: str = "", env: dict[str, str] | None = None) -> str:
    """The standard output of a command; SystemExit with all that it printed when it fails."""
    done = subprocess.run(command, cwd=folder, input=text, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}error: the READMEs could not be generated; the reason is above")
    return done.stdout


def generate(folder: Path) -> None:
    """Makes the READMEs in a copy of the pack, below `folder`, from examples that are run now."""
    shutil.copytree(ROOT / PACK, folder / PACK, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "readmes.py", folder / "tools")
    run(["git", "init", "--quiet"], folder)
    examples = run([sys.executable, "tools/readme_examples.py"], ROOT)
    run([str(SDK_PYTHON), "tools/readmes.py"], folder, examples, environment(folder))


def lines(text: str) -> list[str]:
    """The text without what differs with every run."""
    return CHANGING.sub("*", text).splitlines()


def differences(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The READMEs that are not what was generated in `folder`, with a unified diff each."""
    for readme in READMES:
        now = (ROOT / readme).read_text("utf-8") if (ROOT / readme).is_file() else ""
        wanted = (folder / readme).read_text("utf-8")
        if diff := list(difflib.unified_diff(lines(now), lines(wanted), str(readme), "generated", lineterm="")):
            yield readme, diff


def main(verb: str) -> int:
    """Generates, then compares or writes; the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        found = dict(differences(Path(scratch)))
        for readme in found if verb == "write" else ():
            shutil.copy(Path(scratch) / readme, ROOT / readme)
    if verb == "write":
        sys.stdout.write("".join(f"{readme} is new\n" for readme in found) or "The READMEs are current.\n")
        return 0
    sys.stdout.write("".join(f"{line}\n" for diff in found.values() for line in diff))
    sys.stdout.write("Run `make docs` and commit what it writes.\n" if found else "The READMEs are current.\n")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["write"]):
        raise SystemExit("error: say check or write")
    sys.exit(main(sys.argv[1]))
