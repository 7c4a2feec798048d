"""Draws the integration's image: a speech bubble with a reply code, 120x50 pixels, as XSOAR wants it.

Run as `python tools/draw_image.py`; the picture changes only when this file does.
"""

import struct
import zlib
from math import hypot
from pathlib import Path

IMAGE = Path(__file__).parent.parent / (
    "Packs/AWSSNSSMSCommunication/Integrations/AWSSNSSMSCommunication/AWSSNSSMSCommunication_image.png"
)
WIDTH, HEIGHT = 120, 50
SAMPLES = 4  # per pixel and direction, for smooth edges
BUBBLE, INK, CLEAR = (21, 101, 176, 255), (255, 255, 255, 255), (21, 101, 176, 0)

Point = tuple[float, float]
Colour = tuple[int, int, int, int]
Stroke = tuple[Point, Point]

BODY = ((13.0, 3.0), (107.0, 39.0), 11.0)  # two corners and the radius
TAIL = ((28.0, 36.0), (48.0, 36.0), (24.0, 48.5))

# A seven-segment digit, 8 by 16: the ends of each segment, and which ones a digit lights.
SEGMENTS: dict[str, Stroke] = {
    "a": ((0, 0), (8, 0)),
    "b": ((8, 0), (8, 8)),
    "c": ((8, 8), (8, 16)),
    "d": ((0, 16), (8, 16)),
    "e": ((0, 8), (0, 16)),
    "f": ((0, 0), (0, 8)),
    "g": ((0, 8), (8, 8)),
}
DIGITS = {"2": "abged", "4": "fgbc", "5": "afgcd", "7": "abc"}
CODE, FIRST_DIGIT, DIGIT_STEP, STROKE_RADIUS = "4275", (27.0, 13.0), 19.5, 1.6


def strokes() -> list[Stroke]:
    left, top = FIRST_DIGIT
    return [
        ((left + i * DIGIT_STEP + x1, top + y1), (left + i * DIGIT_STEP + x2, top + y2))
        for i, digit in enumerate(CODE)
        for (x1, y1), (x2, y2) in (SEGMENTS[name] for name in DIGITS[digit])
    ]


def distance(point: Point, stroke: Stroke) -> float:
    (x, y), ((x1, y1), (x2, y2)) = point, stroke
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)
    share = min(1.0, max(0.0, along))
    return hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1))


def in_body(point: Point) -> bool:
    (x, y), ((left, top), (right, bottom), radius) = point, BODY
    beyond_x = max(left + radius - x, x - right + radius, 0.0)
    beyond_y = max(top + radius - y, y - bottom + radius, 0.0)
    return hypot(beyond_x, beyond_y) <= radius


def in_tail(point: Point) -> bool:
    sides = zip(TAIL, (*TAIL[1:], TAIL[0]), strict=True)
    return len({(x2 - x1) * (point[1] - y1) > (y2 - y1) * (point[0] - x1) for (x1, y1), (x2, y2) in sides}) == 1


def colour(point: Point, code: list[Stroke]) -> Colour:
    if not (in_body(point) or in_tail(point)):
        return CLEAR
    return INK if any(distance(point, stroke) <= STROKE_RADIUS for stroke in code) else BUBBLE


def pixel(x: int, y: int, code: list[Stroke]) -> bytes:
    steps = [(i + 0.5) / SAMPLES for i in range(SAMPLES)]
    samples = [colour((x + dx, y + dy), code) for dx in steps for dy in steps]
    return bytes(round(sum(channel) / len(samples)) for channel in zip(*samples, strict=True))


def png(rows: list[bytes]) -> bytes:
    """A PNG file of 8-bit RGBA rows (https://www.w3.org/TR/png/)."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 6, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main() -> None:
    code = strokes()
    IMAGE.write_bytes(png([b"".join(pixel(x, y, code) for x in range(WIDTH)) for y in range(HEIGHT)]))


if __name__ == "__main__":
    main()
