"""A site profile as TOML that a person can read: on every value, how it was measured."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orapp.calibrate.proposal import Proposal, plain
from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.settings import LARGEST, SiteProfile, load_profile

LINE = 100
HEAD = """\
# A site profile, made by `orapp calibrate`: give it to orapp with --profile.
# Beside each value stands how it was found; "CHECK" marks what a person should look at.
# What is left out is as in calibration/default.toml. Calibrating again keeps the other tables.
"""
MEASURED = ("device", "picture", "signature", "outline", "measures")
"""Tables that are written anew; all others stay as a person wrote them."""
TITLES = {
    "device": "what feeds the video",
    "picture": "raw frames to calibrated ones",
    "picture.distortion": "undistorted pixels to raw ones",
    "signature": "what the device's screens look like",
    "outline": "when an outline may be drawn",
    "measures": "heights and wedge",
}


def write_profile(proposal: Proposal, path: Path, *, replace: bool = False) -> Path | None:
    """Writes the profile; what stood there is kept beside it as NAME.toml.bak.

    Args:
        proposal: the profile and its notes.
        path: the TOML's.
        replace: an older file there may be replaced.

    Returns:
        The older file's new place, or None.

    Raises:
        OrappError: there is one and it may not be replaced, or nothing can be written there.
    """
    before = old_text(path)
    if before and not replace:
        raise OrappError(
            f"'{path.name}' is there already",
            "give --force to replace what was measured in it, or another --out",
        )
    text = as_toml(proposal, before)
    kept = None
    if before:
        kept = path.with_name(path.name + ".bak")
        replace_file(kept, lambda part: _put(part, before))
    replace_file(path, lambda part: _put_checked(part, text))
    return kept


def old_text(path: Path) -> str:
    """What stands in a profile's file; empty if there is none.

    Raises:
        OrappError: it can't be read, or is no site profile: nobody's file is replaced unread.
    """
    if not path.exists():
        return ""
    load_profile(path)
    return path.read_text(encoding="utf-8")[:LARGEST]


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _put_checked(path: Path, text: str) -> None:
    _put(path, text)
    load_profile(path)


def as_toml(proposal: Proposal, before: str = "") -> str:
    """The file's text.

    Args:
        proposal: the profile and its notes.
        before: the file that it replaces; tables that were not measured stay word for word.
    """
    tables = proposal.profile.model_dump(exclude_none=True)
    lines = [HEAD, *_values({k: tables[k] for k in ("name", "version")}, "", proposal)]
    for name in MEASURED:
        if tables.get(name):
            lines += _table(name, tables[name], proposal)
    chunks = _chunks(before)
    given = proposal.profile.model_dump(exclude_unset=True, exclude_none=True)
    for name, table in given.items():
        if isinstance(table, dict) and name not in MEASURED:
            chunk = chunks.get(name, "")
            lines += ["", chunk] if _says(chunk, name, proposal.profile) else _plain(name, table)
    return "\n".join(lines).rstrip() + "\n"


def _table(name: str, values: Mapping[str, Any], proposal: Proposal) -> list[str]:
    title = TITLES.get(name, "")
    lines = ["", f"[{name}]".ljust(24) + f"# {title}" if title else f"[{name}]"]
    inner = {k: v for k, v in values.items() if k == "distortion"}
    lines += _values({k: v for k, v in values.items() if k not in inner}, name, proposal)
    if name == "picture" and not inner and (why := proposal.notes.get("picture.distortion")):
        lines.append(f"# no [picture.distortion]: {plain(why)}")
    if name == "measures" and "mm_per_px" not in values:
        lines.append(f"# no mm_per_px: {plain(proposal.notes.get('measures.mm_per_px', ''))}")
    for key, table in inner.items():
        if why := proposal.notes.get(f"{name}.{key}"):
            lines += ["", f"# {plain(why)}"]
        lines += _table(f"{name}.{key}", table, proposal)[1 if why else 0 :]
    return lines


def _values(values: Mapping[str, Any], table: str, proposal: Proposal) -> Iterator[str]:
    for key, value in values.items():
        place = f"{table}.{key}" if table else key
        why = plain(proposal.notes.get(place, ""))
        if place in proposal.unsure:
            why = f"CHECK: {why}"
        said = f"{key} = {toml_value(value)}"
        if not why:
            yield _broken(key, value) if len(said) > LINE else said
            continue
        beside = f"{said.ljust(24)}  # {why}"
        if len(beside) <= LINE:
            yield beside
        else:
            yield from _wrapped(why)
            yield _broken(key, value) if len(said) > LINE else said


def _wrapped(text: str) -> Iterator[str]:
    line = "#"
    for word in text.split():
        if len(line) + len(word) >= LINE and line != "#":
            yield line
            line = "#"
        line += f" {word}"
    yield line


def _broken(key: str, value: Any) -> str:
    """A long list, one item or a few to a line; a long string stays as it is."""
    if not isinstance(value, list | tuple):
        return f"{key} = {toml_value(value)}"
    lines, line = [f"{key} = ["], "   "
    for item in value:
        said = f" {toml_value(item)},"
        if len(line) + len(said) > LINE or (isinstance(item, dict) and line.strip()):
            lines.append(line)
            line = "   "
        line += said
    return "\n".join([*lines, line, "]"])


def toml_value(value: Any) -> str:
    """One value, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return repr(value) if isinstance(value, int | float) else str(value)


def _plain(name: str, table: Mapping[str, Any]) -> list[str]:
    return ["", f"[{name}]", *(f"{k} = {toml_value(v)}" for k, v in table.items())]


def _chunks(text: str) -> dict[str, str]:
    """Each table of a file by its first name, as it was written, with the comments above it."""
    chunks: dict[str, str] = {}
    name = ""
    waiting: list[str] = []
    for line in text.splitlines():
        head = re.match(r"\s*\[\s*([A-Za-z_]+)\s*[\].]", line)
        if head:
            name = head[1]
            chunks[name] = chunks.get(name, "") + "".join(waiting)
            waiting = []
        if not head and (not line.strip() or line.lstrip().startswith("#")):
            waiting.append(line + "\n")  # it may belong to the next table
            continue
        if name:
            chunks[name] = chunks.get(name, "") + "".join(waiting) + line + "\n"
        waiting = []
    if name:
        chunks[name] += "".join(waiting)
    return {name: chunk.strip("\n") for name, chunk in chunks.items()}


def _says(chunk: str, name: str, profile: SiteProfile) -> bool:
    """Whether a piece of the old file, by itself, says what the profile has in this table."""
    if not chunk:
        return False
    try:
        alone = SiteProfile.model_validate(tomllib.loads(chunk))
    except ValueError:
        return False
    return bool(getattr(alone, name) == getattr(profile, name))
