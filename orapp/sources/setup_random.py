"""Draws a device from a seed: canvas, picture's place, screen, timing, faults of the way."""

from dataclasses import replace

import cv2
import numpy as np

from orapp.sources.setup import IRIS, Circle, DeviceSetup, Marker
from orapp.sources.setup_screen import Block, Box, ink_box

CANVASES = (
    (1280, 1024),
    (1920, 1080),
    (1024, 768),
    (1280, 720),
    (1600, 1200),
    (1024, 1024),
    (800, 600),
)
VIDEO = {60.0: (3.75, 7.5, 10.0, 15.0, 20.0, 30.0), 30.0: (3.75, 7.5, 15.0, 30.0)}
RANGES = ((0, 255), (16, 235), (30, 218))
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
TEXTS = (
    ("SPINE", "kV 72", "mA 3.1"),
    ("kV 68", "mA 2.4", "PULSE"),
    ("DAP 12.4 cGycm2",),
    ("MAG 1",),
    ("HOSPITAL A", "ROOM 3"),
    ("LEFT",),
    ("LUMBAR LAT", "0.8 mGy/min"),
    ("2026-11-27",),
    ("CONTRAST +2", "EDGE 3"),
)
CLOCKS = (("HH:MM:SS",), ("2026-11-27", "HH:MM:SS"), ("FLUORO", "HH:MM:SS.T"))
TRIES = 400
ASIDE = 0.5
"""Text in the picture keeps so far from its middle, in half sides: nobody covers the spine."""


def draw(seed: int, size: int) -> DeviceSetup:
    """The device of a seed. Even seeds are image intensifiers, which distort."""
    rng = np.random.default_rng([seed, 808])
    bare = _without_text(seed, size, rng)
    return _with_text(bare, rng)


def _without_text(seed: int, size: int, rng: np.random.Generator) -> DeviceSetup:
    width, height = CANVASES[int(rng.integers(len(CANVASES)))]
    side = round(height * rng.uniform(0.68, 1.0))
    if rng.uniform() < 0.15:
        side = round(height * rng.uniform(1.01, 1.06))  # cut off above and below
    side = min(side, width)
    left = int(rng.integers(0, width - side + 1))
    if rng.uniform() < 0.3:
        left = (width - side) // 2
    top = int(rng.integers(0, height - side + 1)) if side < height else (height - side) // 2
    intensifier = seed % 2 == 0
    shape = "circle" if intensifier else str(rng.choice(["circle", "blades", "none"]))
    middle = (side - 1) / 2
    circle = Circle(left + middle, top + middle, IRIS * side)
    video = float(rng.choice(list(VIDEO)))
    black, white = RANGES[int(rng.integers(3))]
    padded = rng.uniform() < 0.2 and left >= 24 and left + side <= width - 24
    pad = 12 if padded else 0
    return DeviceSetup(
        seed=seed,
        size=size,
        width=width,
        height=height,
        side=side,
        left=left,
        top=top,
        circle=circle if shape == "circle" else None,
        blades=_blades(rng) if shape == "blades" else None,
        background=int(rng.integers(20, 60)) if rng.uniform() < 0.3 else 0,
        pad=(pad, width - 2 * pad),
        blocks=(),
        hold_mark=None,
        black=black,
        white=white,
        inverted=bool(rng.uniform() < 0.4),
        blanked=bool(rng.uniform() < 0.5),
        rotate=int(rng.choice([0, 0, 90, 180, 270])),
        mirror=bool(rng.uniform() < 0.4),
        pincushion=float(rng.uniform(0.02, 0.07)) if intensifier else 0.0,
        s_shape=float(rng.uniform(-0.06, 0.06)) if intensifier else 0.0,
        rate_hz=video,
        pulse_hz=float(rng.choice(VIDEO[video])),
        noise=float(rng.uniform(0.6, 1.2)) if rng.uniform() < 0.2 else 0.0,
        marker=_marker(shape, rng) if rng.uniform() < 0.5 else None,
        card=str(rng.choice(["lost", "black", "grey", "bars", "text"])),
    )


def _blades(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    tilt = float(rng.uniform(-0.15, 0.15))
    sides = rng.permutation(4)[: int(rng.integers(2, 5))]
    return tuple((float(side * np.pi / 2 + tilt), float(rng.uniform(0.55, 0.85))) for side in sides)


def _marker(shape: str, rng: np.random.Generator) -> Marker:
    """Well inside the open field, off its middle."""
    turn, far = rng.uniform(0, 2 * np.pi), 0.36 if shape != "blades" else 0.2
    return Marker(
        str(rng.choice(["F", "R"])),
        float(0.5 + far * np.cos(turn)),
        float(0.5 + far * np.sin(turn)),
    )


def _with_text(bare: DeviceSetup, rng: np.random.Generator) -> DeviceSetup:
    """Adds blocks, each wholly beside the picture, in its dark corners or in its open field."""
    unit = bare.height / 768
    wanted = [_words(rng, unit) for _ in range(int(rng.integers(1, 4)))]
    wanted.append(replace(_words(rng, unit), label=int(rng.integers(0, 60))))
    if rng.uniform() < 0.7:
        wanted.append(replace(_words(rng, unit), lines=CLOCKS[int(rng.integers(3))], label=0))
    if rng.uniform() < 0.6:
        height = round(rng.uniform(48, 80) * unit)
        grey, kind = int(rng.integers(120, 256)), int(rng.integers(1, 4))
        wanted.append(Block(0, 0, (), height, grey, logo=kind))
    hold = Block(0, 0, ("LIH",), round(18 * unit), 255, 2)
    taken: list[Box] = _marker_box(bare)
    placed = [_place(bare, block, taken, rng) for block in [hold, *wanted]]
    blocks = tuple(block for block in placed[1:] if block is not None)
    return replace(bare, blocks=blocks, hold_mark=placed[0])


def _words(rng: np.random.Generator, unit: float) -> Block:
    lines = TEXTS[int(rng.integers(len(TEXTS)))]
    height = max(round(rng.uniform(14, 22) * unit), 12)
    font = FONTS[int(rng.integers(len(FONTS)))]
    thickness = 2 if height > 24 or rng.uniform() < 0.3 else 1
    return Block(0, 0, lines, height, int(rng.choice([170, 200, 230, 255])), thickness, font)


def _place(
    bare: DeviceSetup, block: Block, taken: list[Box], rng: np.random.Generator
) -> Block | None:
    """The block where there is room, and its box among those taken; None if there is none."""
    for _ in range(TRIES):
        x, y = int(rng.integers(4, bare.width)), int(rng.integers(4, bare.height))
        moved = replace(block, x=x, y=y)
        room = _rough(moved)
        zone = _zone(bare, room)
        if zone == "field":
            moved = replace(moved, halo=block.label is None)
        else:  # a label can't be told from a dark screen
            bright = zone == "corner" and bare.inverted and not bare.blanked
            moved = replace(moved, label=0 if bright else None)
        fits = bool(zone) and not (zone == "field" and (block.clock or block.logo))
        if fits and not any(_touch(room, box) for box in taken):
            exact = ink_box(moved, (bare.height, bare.width))
            taken.append(_grown(exact, max(round(2.5 * min(block.height, 30)), 40)))
            return moved
    return None


def _rough(block: Block) -> Box:
    """A box that surely holds the block, without drawing it."""
    if block.logo:
        r = block.height // 2 + 14
        right = 3 * r + 8 if block.logo == 3 else r
        return block.x - r, block.y - r, r + right, 2 * r
    scale = block.height / 21
    wide = [
        cv2.getTextSize(line.replace("HH:MM:SS", "00:00:00"), block.font, scale, block.thickness)[
            0
        ][0]
        for line in block.lines
    ]
    edge = block.height // 3 + 4 if block.label is not None else 4
    up, down = block.height + edge + 4, round(0.45 * block.height) + edge
    long = round((len(block.lines) - 1) * 1.75 * block.height)
    return block.x - edge, block.y - up, max(wide) + 2 * edge, up + long + down


def _zone(bare: DeviceSetup, box: Box) -> str:
    """In which kind of place it lies wholly: `beside`, `corner`, `field`; empty for none."""
    x, y, w, h = box
    pad, wide = bare.pad
    if x < pad + 3 or y < 3 or x + w > pad + wide - 3 or y + h > bare.height - 3:
        return ""
    ax, ay, side = bare.left, bare.top, bare.side
    if x + w < ax - 8 or x > ax + side + 8 or y + h < ay - 8 or y > ay + side + 8:
        return "beside"
    if not (x > ax + 8 and x + w < ax + side - 8 and y > ay + 8 and y + h < ay + side - 8):
        return ""
    if bare.circle is not None:
        c = bare.circle
        far = np.hypot(max(abs(x - c.x), abs(x + w - c.x)), max(abs(y - c.y), abs(y + h - c.y)))
        near = np.hypot(max(x - c.x, 0, c.x - x - w), max(y - c.y, 0, c.y - y - h))
        if near > c.radius + 8:
            return "corner"
        return "field" if far < c.radius - 12 and near > ASIDE * c.radius else ""
    middle = ax + side / 2, ay + side / 2
    near_x = max(x - middle[0], 0, middle[0] - x - w)
    near_y = max(y - middle[1], 0, middle[1] - y - h)
    return "field" if max(near_x, near_y) > ASIDE * side / 2 else ""


def _marker_box(bare: DeviceSetup) -> list[Box]:
    if bare.marker is None:
        return []
    spot = np.array([[bare.marker.x, bare.marker.y]]) * bare.size
    x, y = bare.to_raw(spot)[0]
    half = 0.09 * bare.side
    return [(round(x - half), round(y - half), round(2 * half), round(2 * half))]


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + 2 * by, box[3] + 2 * by


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
