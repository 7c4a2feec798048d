"""Runs one command of demisto-sdk without the network and prints only what it found.

    python tools/sdk.py validate -i Packs/AWSSNSSMSCommunication

The exit code is the SDK's own, or 1 when it exits 0 without having done the work or with findings it calls warnings:
it leaves out, silently, what it cannot read. A run that fails shows everything but the lines of NOISE.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Proof:
    """The line that shows that the work was done, and a finding that the exit code does not tell of."""

    done: re.Pattern[str]
    finding: re.Pattern[str] | None = None


# xsoar-lint exits 0 on a W finding, and on a folder that it cannot parse.
PROOFS = {
    "validate": Proof(re.compile(r"All validations passed\.")),
    "xsoar-lint": Proof(re.compile(r"Your code has been rated at "), re.compile(r":\d+:\d+: [A-Z]\d{4} ")),
    "prepare-content": Proof(re.compile(r"Dumped pack |Output saved in")),
}

# Whole lines, so that a finding that quotes one of them is kept.
NOISE = re.compile(
    "|".join(
        (
            r"\s*",
            r"Could not get repository properties: .*",
            r"Could not read docker_images_metadata\.json from .*",
            r"Couldn't find the landing_page file in path .*",
            r"Tests/Marketplace/landingPage_sections\.json",
            r"\.demisto-sdk-conf sections=.*",
            r"Starting validate items\.",
            r"All validations passed\.",
            r"Validate summary",
            r"The following errors were thrown as a part of this pr: .*",
            r"The following errors cannot be ignored: .*",
            r"The following errors don't run as part of the nightly flow .*",
            r"If the AG100 validation in the pre-commit GitHub Action fails.*",
            r"Please note that the PR can be force merged.*",
            r"Note that the following errors cannot be force merged .*",
            r"Found the following errors:\s*",
            r"Warning: Demisto-SDK will soon stop supporting Python 3\.10\..*",
            r"\*{5,} Module .*",
            r"#+",
            r"-+",
            r"Your code has been rated at .*",
            r"Dumped pack .*",
        )
    )
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Nothing listens on the discard port of this machine: what the SDK would fetch fails at once, on every machine alike.
NOWHERE = "http://127.0.0.1:9"


def environment(scratch: Path) -> dict[str, str]:
    """What the SDK runs with: offline, quiet about it, its log and its caches in `scratch`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DEMISTO_")}
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    return {
        **inherited,
        **proxies,
        "NO_PROXY": "",
        "no_proxy": "",
        "DEMISTO_SDK_SKIP_VERSION_CHECK": "1",
        "DEMISTO_SDK_IGNORE_CONTENT_WARNING": "1",
        "DEMISTO_SDK_LOG_FILE_PATH": str(scratch),
        "PYLINTHOME": str(scratch),
        "PYTHONWARNINGS": "ignore",
    }


def run(command: list[str]) -> tuple[int, list[str]]:
    """The exit code and the lines of one run, in their order, without colours."""
    sdk = Path(__file__).with_name("offline_sdk.py")
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, str(sdk), *command],
            env=environment(Path(scratch)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    return done.returncode, [COLOUR.sub("", line).rstrip() for line in done.stdout.splitlines()]


def judge(command: list[str], code: int, lines: list[str]) -> tuple[int, list[str]]:
    """The exit code to pass on and the lines to show; a failure that noise alone would hide is shown whole."""
    proof = PROOFS[command[0]]
    shown = list(dict.fromkeys(line for line in lines if not NOISE.fullmatch(line)))
    if proof.finding and any(proof.finding.search(line) for line in shown):
        return code or 1, shown
    targets = sum(Path(argument).is_dir() for argument in command[1:]) if command[0] == "xsoar-lint" else 1
    finished = sum(bool(proof.done.match(line)) for line in lines)
    if code == 0 and finished < targets:
        return 1, [*lines, f"error: demisto-sdk {command[0]} finished {finished} of {targets}; its output is above"]
    return code, shown if shown or code == 0 else lines


def main(command: list[str]) -> int:
    """Runs and reports; returns the exit code."""
    if not command or command[0] not in PROOFS:
        sys.stderr.write(f"error: name one of {', '.join(PROOFS)} and its arguments\n")
        return 2
    code, lines = judge(command, *run(command))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
