"""Draws the images of the playbooks' READMEs from their YAML: each task where its `view` puts it, and what follows it.

Run as `python tools/draw_playbooks.py`.
"""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont

PACK = Path(__file__).parent.parent / "Packs" / "AWSSNSSMSCommunication"
WIDTH, HEIGHT, MARGIN = 340, 90, 60
FAR = 400  # between two tasks in a column: a third one stands between them
LETTERS, LABEL = 30, 15  # letters to a line of a name, size of a branch's label
COLOURS = {"start": "#37875a", "title": "#37875a", "condition": "#b2731d", "playbook": "#6b4fa0"}
AUTOMATION, WAITS, LINE, PAPER, INK = "#1565b0", "#a8324a", "#7a838c", "#ffffff", "#ffffff"


@dataclass(frozen=True)
class Box:
    """A task on the paper: its upper left corner, what it says, and the ids that follow by branch."""

    x: int
    y: int
    lines: tuple[str, ...]
    colour: str
    next: dict[str, list[str]]


def boxes(document: dict[str, Any]) -> dict[str, Box]:
    """The tasks by id, moved so that all of them are on the paper."""
    nodes = document["tasks"]
    places = {key: json.loads(node["view"])["position"] for key, node in nodes.items()}
    left, top = (min(place[axis] for place in places.values()) - MARGIN for axis in "xy")
    return {key: box(node, places[key]["x"] - left, places[key]["y"] - top) for key, node in nodes.items()}


def box(node: dict[str, Any], x: int, y: int) -> Box:
    task = node["task"]
    tags = [f"tag {tag}" for tag in task.get("tags", ())]
    runs = task.get("scriptName") or task.get("script", "").rpartition("|||")[2]
    said = [*textwrap.wrap(task["name"] or "Start", LETTERS), *tags, *([f"runs {runs}"] if runs else [])]
    colour = WAITS if tags else COLOURS.get(node["type"], AUTOMATION)
    return Box(x, y, tuple(said), colour, node.get("nexttasks") or {})


def draw(all_boxes: dict[str, Box]) -> Image.Image:
    """The picture: lines first, so that boxes cover their ends."""
    width = max(item.x for item in all_boxes.values()) + WIDTH + MARGIN
    height = max(item.y for item in all_boxes.values()) + HEIGHT + MARGIN
    image = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(image)
    for start in all_boxes.values():
        for key, label in followers(start).items():
            draw_line(pen, start, all_boxes[key], label)
    for item in all_boxes.values():
        draw_box(pen, item)
    return image


def followers(start: Box) -> dict[str, str]:
    """The ids that follow, each with the branches that lead there."""
    labels: dict[str, list[str]] = {}
    for label, keys in start.next.items():
        for key in keys:
            labels.setdefault(key, []).append(text_of(label))
    return {key: " or ".join(found) for key, found in labels.items()}


def draw_line(pen: ImageDraw.ImageDraw, start: Box, end: Box, label: str) -> None:
    points = route(start, end)
    (x, y), before = points[-1], points[-2]
    pen.line(points, fill=LINE, width=2)
    down = before[0] == x or abs(before[1] - y) > HEIGHT
    pen.polygon(
        [(x, y), (x - 7, y - 12), (x + 7, y - 12)] if down else [(x, y), (x - 12, y - 7), (x - 12, y + 7)], LINE
    )
    (x1, y1), (x2, y2) = points[-3:-1] if len(points) > 2 else points
    middle = (x1 + (x2 - x1) // 3, y1 + (y2 - y1) // 3)
    font = ImageFont.load_default(LABEL)
    pen.text(middle, label, fill=LINE, font=font, anchor="mm", stroke_width=4, stroke_fill=PAPER)


def route(start: Box, end: Box) -> list[tuple[int, int]]:
    """From side to side within a row, round what stands between, or from below the start to above the end."""
    middle_of_start, middle_of_end = start.y + HEIGHT // 2, end.y + HEIGHT // 2
    if start.y == end.y:
        return [(start.x + WIDTH, middle_of_start), (end.x, middle_of_end)]
    if start.x == end.x and end.y - start.y > FAR:
        aside = start.x - MARGIN // 2
        return [(start.x, middle_of_start), (aside, middle_of_start), (aside, middle_of_end), (end.x, middle_of_end)]
    if end.y - start.y > FAR:
        side, below = start.x + (WIDTH if end.x > start.x else 0), end.x + WIDTH // 2
        return [(side, middle_of_start), (below, middle_of_start), (below, end.y)]
    return [(start.x + WIDTH // 2, start.y + HEIGHT), (end.x + WIDTH // 2, end.y)]


def text_of(label: str) -> str:
    return {"#default#": "else", "#error#": "error", "#none#": ""}.get(label, label)


def draw_box(pen: ImageDraw.ImageDraw, item: Box) -> None:
    corners = (item.x, item.y, item.x + WIDTH, item.y + HEIGHT)
    pen.rounded_rectangle(corners, radius=12, fill=item.colour)
    middle = (item.x + WIDTH // 2, item.y + HEIGHT // 2)
    pen.multiline_text(
        middle, "\n".join(item.lines), fill=INK, font=ImageFont.load_default(19), anchor="mm", align="center"
    )


def main() -> None:
    for path in sorted((PACK / "Playbooks").glob("playbook-*.yml")):
        image = draw(boxes(yaml.safe_load(path.read_text("utf-8"))))
        image.save(PACK / "doc_files" / f"{path.stem.removeprefix('playbook-')}.png", optimize=True)


if __name__ == "__main__":
    main()
