"""Pictures that are no spine: what a cable may carry beside a fluoroscopic view of one."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Drawn = NDArray[np.float32]


def draw_other(side: int, rng: np.random.Generator) -> Gray:
    """(side, side) uint8: an extremity, a joint, a skull, a menu, noise, a test pattern."""
    kinds: list[Callable[[int, np.random.Generator], Drawn]] = [
        _bones, _bones, _joint, _joint, _joint, _hand, _hand, _skull, _menu, _menu,
        _pattern, _pattern, _pattern, _polygons, _polygons, _noise, _clouds, _bars,
    ]  # fmt: skip
    drawn = kinds[rng.integers(len(kinds))](side, rng)
    if rng.uniform() < 0.3:
        drawn = _collimate(drawn, rng)
    if rng.uniform() < 0.5:
        drawn = 1 - drawn
    drawn = drawn + rng.standard_normal(drawn.shape, np.float32) * np.float32(rng.uniform(0, 0.05))
    return np.asarray(np.clip(drawn * 255, 0, 255), np.uint8)


def _soft(side: int, rng: np.random.Generator, grain: float) -> Drawn:
    cloud = cv2.GaussianBlur(rng.standard_normal((side, side), np.float32), (0, 0), grain)
    return np.asarray(cloud / max(float(np.abs(cloud).max()), 1e-6), np.float32)


def _limb(side: int, rng: np.random.Generator) -> Drawn:
    """Soft tissue of a limb across the picture: thick in its middle."""
    angle, width = rng.uniform(0, np.pi), rng.uniform(0.2, 0.6) * side
    y, x = np.mgrid[:side, :side].astype(np.float32) - side / 2
    away = np.abs(x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.2, 0.2) * side)
    inside = np.sqrt(np.clip(1 - (away / width) ** 2, 0, 1))
    return np.asarray(0.85 - 0.45 * inside + 0.05 * _soft(side, rng, 12), np.float32)


def _bones(side: int, rng: np.random.Generator) -> Drawn:
    """Long bones: shafts with a cortex, condyles at their ends."""
    picture = _limb(side, rng)
    for _ in range(rng.integers(1, 4)):
        a, b = rng.uniform(-0.3, 1.3, (2, 2)) * side
        width = rng.uniform(0.06, 0.2) * side
        shaft = np.zeros((side, side), np.float32)
        points = [tuple(int(v) for v in p) for p in (a, b)]
        cv2.line(shaft, points[0], points[1], 1.0, max(int(width), 2), cv2.LINE_AA)
        for end in points:
            axes = (int(width * rng.uniform(0.6, 1.1)), int(width * rng.uniform(0.5, 0.9)))
            cv2.ellipse(shaft, end, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
        edge = shaft - cv2.erode(shaft, np.ones((3, 3)), iterations=int(rng.integers(1, 4)))
        picture -= rng.uniform(0.1, 0.25) * shaft + rng.uniform(0.1, 0.35) * edge
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.5)), np.float32)


def _joint(side: int, rng: np.random.Generator) -> Drawn:
    """Two long bones that widen and meet across a gap: knee, ankle, elbow, hip."""
    picture = _limb(side, rng)
    turn, at = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7, 2) * side
    gap, head = rng.uniform(0.01, 0.05) * side, rng.uniform(0.1, 0.28) * side
    for sign in (-1, 1):
        along = np.array([np.cos(turn), np.sin(turn)]) * sign
        across = np.array([-along[1], along[0]])
        shaft, reach = head * rng.uniform(0.3, 0.7), side * 1.2
        half = head * rng.uniform(0.8, 1.1)
        profile = [(gap, half * 0.8), (gap + head * 0.4, half), (gap + head * 1.5, shaft)]
        profile.append((reach, shaft * rng.uniform(0.8, 1.2)))
        left = [at + along * d + across * w for d, w in profile]
        right = [at + along * d - across * w for d, w in reversed(profile)]
        bone = np.zeros((side, side), np.float32)
        cv2.fillPoly(bone, [np.round(np.array(left + right) * 16).astype(np.int32)], 1.0, 16, 4)
        bone = np.round(cv2.GaussianBlur(bone, (0, 0), head * 0.15))
        edge = bone - cv2.erode(bone, np.ones((3, 3)), iterations=int(rng.integers(1, 5)))
        marrow = 1 + 0.3 * _soft(side, rng, rng.uniform(2, 10))
        picture -= rng.uniform(0.1, 0.3) * bone * marrow + rng.uniform(0.05, 0.3) * edge
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.5)), np.float32)


def _skull(side: int, rng: np.random.Generator) -> Drawn:
    """Large curved shells, one in another: a skull, a pelvis, ribs."""
    picture = 0.6 + 0.2 * _soft(side, rng, 25)
    for _ in range(rng.integers(2, 12)):
        shell = np.zeros((side, side), np.float32)
        centre = tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * side)
        axes = tuple(int(v) for v in rng.uniform(0.15, 0.9, 2) * side)
        start, width = float(rng.uniform(0, 360)), int(rng.integers(1, max(side // 16, 2)))
        stop = start + float(rng.uniform(60, 360))
        cv2.ellipse(shell, centre, axes, float(rng.uniform(0, 180)), start, stop, 1.0, width)
        picture -= rng.uniform(0.05, 0.3) * cv2.GaussianBlur(shell, (0, 0), rng.uniform(0.6, 2))
    return np.asarray(picture, np.float32)


def _collimate(drawn: Drawn, rng: np.random.Generator) -> Drawn:
    """A round or straight-edged field in a dark surround, as C-arms and X-ray rooms have it."""
    side = len(drawn)
    field = np.zeros((side, side), np.float32)
    if rng.uniform() < 0.6:
        cv2.circle(field, (side // 2, side // 2), int(side * rng.uniform(0.44, 0.52)), 1.0, -1)
    else:
        x0, x1 = sorted(int(v) for v in rng.uniform([0, 0.7], [0.3, 1.0]) * side)
        field[:, x0:x1] = 1
    return np.where(field > 0, drawn, np.float32(rng.choice([0.0, 0.0, 0.03, 1.0])))


def _hand(side: int, rng: np.random.Generator) -> Drawn:
    """Many small bones in rows: carpus, phalanges, ribs."""
    picture = _limb(side, rng)
    origin, count = rng.uniform(0.2, 0.8, 2) * side, int(rng.integers(3, 7))
    for k in range(count):
        angle = rng.uniform(-0.9, 0.9) + (k - count / 2) * 0.3
        step = np.array([np.sin(angle), -np.cos(angle)]) * rng.uniform(0.12, 0.2) * side
        at = origin + np.array([(k - count / 2) * 0.1 * side, 0])
        for _ in range(rng.integers(2, 5)):
            bone = np.zeros((side, side), np.float32)
            centre = tuple(int(v) for v in at)
            axes = (int(side * rng.uniform(0.025, 0.05)), int(side * rng.uniform(0.05, 0.09)))
            cv2.ellipse(bone, centre, axes, float(np.degrees(angle)), 0, 360, 1.0, -1, cv2.LINE_AA)
            edge = bone - cv2.erode(bone, np.ones((3, 3)), iterations=2)
            picture -= 0.15 * bone + 0.2 * edge
            at = at + step
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2)), np.float32)


def _menu(side: int, rng: np.random.Generator) -> Drawn:
    """A menu screen: boxes and words."""
    picture = np.full((side, side), rng.integers(0, 128), np.uint8)
    for _ in range(rng.integers(3, 14)):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        w, h = (int(v) for v in rng.integers(10, side // 2, 2))
        fill = -1 if rng.uniform() < 0.6 else 1
        cv2.rectangle(picture, (x, y), (x + w, y + h), int(rng.integers(256)), fill)
    for _ in range(rng.integers(2, 16)):
        text = "".join(chr(c) for c in rng.integers(48, 123, rng.integers(2, 14)))
        at = tuple(int(v) for v in rng.integers(0, side, 2))
        size, grey = float(rng.uniform(0.3, 1.0)), int(rng.integers(256))
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, grey, 1, cv2.LINE_AA)
    return picture.astype(np.float32) / 255


def _pattern(side: int, rng: np.random.Generator) -> Drawn:
    """A part of a monitor's test pattern: grid, grey patches, line pairs, frames, words."""
    large = int(side * rng.uniform(1, 2.5))
    picture = np.full((large, large), rng.integers(0, 256), np.uint8)
    step, line = int(rng.integers(8, 60)), int(rng.integers(256))
    if rng.uniform() < 0.7:
        picture[::step], picture[:, ::step] = line, line
    for _ in range(rng.integers(4, 24)):
        y, x = (int(v) for v in rng.integers(0, large, 2))
        h, w = (int(v) for v in rng.integers(8, max(large // 3, 9), 2))
        patch = picture[y : y + h, x : x + w]
        kind, period = rng.uniform(), int(rng.integers(2, 14))
        if kind < 0.45:
            patch[:] = rng.integers(256)
        elif kind < 0.6:
            patch[:] = np.where(np.arange(patch.shape[0])[:, None] % period * 2 < period, 0, 255)
        elif kind < 0.75:
            patch[:] = np.where(np.arange(patch.shape[1])[None] % period * 2 < period, 0, 255)
        else:
            steps = np.linspace(*rng.integers(0, 256, 2), int(rng.integers(2, 12))).astype(np.uint8)
            patch[:] = np.repeat(steps, -(-patch.shape[0] // len(steps)))[: patch.shape[0], None]
    y, x = (int(v) for v in rng.integers(0, large - side + 1, 2))
    part = picture[y : y + side, x : x + side].astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(part, (0, 0), rng.uniform(0.3, 1.2)), np.float32)


def _polygons(side: int, rng: np.random.Generator) -> Drawn:
    """Shapes of any grey with soft or hard edges on any ground: a photograph, a drawing."""
    picture = rng.uniform() + 0.2 * _soft(side, rng, rng.uniform(5, 40))
    for _ in range(rng.integers(2, 16)):
        count, centre = int(rng.integers(3, 9)), rng.uniform(0, 1, 2) * side
        points = centre + rng.normal(0, rng.uniform(0.03, 0.35) * side, (count, 2))
        if rng.uniform() < 0.6:
            points = cv2.convexHull(points.astype(np.float32))[:, 0]
        shape = np.zeros((side, side), np.float32)
        cv2.fillPoly(shape, [np.round(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        shape = cv2.GaussianBlur(shape, (0, 0), rng.uniform(0.4, 6))
        texture = 1 + rng.uniform(0, 0.5) * _soft(side, rng, rng.uniform(1, 10))
        picture += rng.uniform(-0.6, 0.6) * shape * texture
    return np.asarray(picture, np.float32)


def _noise(side: int, rng: np.random.Generator) -> Drawn:
    """Snow, or a flat picture with a little of it."""
    noise = rng.standard_normal((side, side), np.float32) * np.float32(rng.uniform(0.02, 0.4))
    return np.asarray(rng.uniform() + noise, np.float32)


def _clouds(side: int, rng: np.random.Generator) -> Drawn:
    """Soft shadows of any size."""
    cloud = sum(_soft(side, rng, g) for g in rng.uniform(3, 60, 3))
    return np.asarray(0.5 + 0.3 * cloud, np.float32)


def _bars(side: int, rng: np.random.Generator) -> Drawn:
    """A test pattern, or a gradient."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    along = x * np.cos(angle := rng.uniform(0, np.pi)) + y * np.sin(angle)
    if rng.uniform() < 0.5:
        return np.asarray(along, np.float32)
    return np.asarray(np.floor(along * rng.integers(3, 16)) % 2, np.float32)
