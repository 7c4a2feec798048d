"""The root README shows what a newcomer sees."""

import re

from tools.readme_demo import README, first_scene, shown_scene


def without_what_changes(scene: str) -> list[str]:
    """The words of the scene, its codes, message IDs and milliseconds blotted out; the layout follows their length."""
    scene = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", scene)
    return re.sub(r"\b\d{4}\b|\d+(?= ms)", "N", scene).replace("│", " ").replace("─", " ").split()


def test_the_demo_in_the_readme_is_what_the_demo_prints() -> None:
    # Given the scene in README.md; When the demo runs; Then it prints the same but for codes, IDs and milliseconds
    assert without_what_changes(shown_scene()) == without_what_changes(first_scene())


def test_the_readme_has_at_most_150_lines() -> None:
    # Given README.md; When its lines are counted; Then there are no more than a newcomer reads
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
