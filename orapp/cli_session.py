"""`orapp session`: what a recording holds, and whether it is whole."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from orapp.session import SessionReader, Verdict

app = typer.Typer(help="Look at recorded sessions.", no_args_is_help=True)


@app.callback()
def session() -> None:
    """Look at recorded sessions."""


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="The folder of a session")],
    events: Annotated[bool, typer.Option("--events", help="List the events too")] = False,
) -> None:
    """Say what a session holds, and check its chain and every picture.

    Exit code 1 if the chain or a picture is damaged, 2 if it is no session.
    """
    with SessionReader(folder) as reader:
        verdict = _verify(reader)
        table = Table.grid(padding=(0, 2))
        for name, told in _rows(reader, verdict):
            table.add_row(name, _plain(told))
        console = Console(highlight=False, width=None if Console().is_terminal else 200)
        console.print(table)
        if events:
            console.print()
            console.print(_events(reader))
    if verdict.problems:
        raise typer.Exit(1)


def _verify(reader: SessionReader) -> Verdict:
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("frames", total=reader.frame_count)
        return reader.verify(lambda: progress.advance(task))


def _rows(reader: SessionReader, verdict: Verdict) -> list[tuple[str, str]]:
    head, kinds = reader.head, reader.kinds
    source = head["source"]
    size = f", {source['width']}x{source['height']}" if source["width"] else ""
    rate = f", {reader.rate_hz:.4g} frames/s" if reader.rate_hz else ""
    lost = sum(last - first + 1 for first, last, _ in reader.gaps)
    gaps = f"{len(reader.gaps)}, {lost} frames not recorded" if reader.gaps else "none"
    rows = [
        ("case", head["case"] or "-"),
        ("started", _local(head["started"])),
        ("source", f"{source['kind']}{size}{rate}"),
        ("length", f"{int(verdict.seconds // 60)} min {verdict.seconds % 60:.1f} s"),
        ("frames", str(verdict.frames)),
        ("gaps", gaps),
        ("segmentations", f"{kinds.get('segmentation', 0)}, {_engine(reader.engine)}"),
        ("events", str(kinds.get("event", 0))),
        ("markers", str(reader.event_kinds.get("marker", 0))),
        ("chain", "verifies" if verdict.chain_ok else "does not verify"),
        ("ended", verdict.ended),
    ]
    return rows + [("damage", problem) for problem in verdict.problems]


def _engine(engine: dict[str, Any] | None) -> str:
    if engine is None:
        return "the engine never came up"
    return f"{engine.get('name', '?')} on {engine.get('backend', '?')}"


def _events(reader: SessionReader) -> Table:
    """Time since the start in s, kind, text."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    began_ns = reader.head["started_ns"]
    for line in reader.lines():
        if line["kind"] == "event":
            seconds = (line["t"] - began_ns) / 1e9
            told = _plain(line["event_kind"]), _plain(line["text"])
            table.add_row(f"{seconds:.3f} s", *told)
    return table


def _local(started: str) -> str:
    """In the local time of who looks."""
    try:
        return f"{datetime.fromisoformat(started).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return started


def _plain(text: str) -> Text:
    """As it is: a session from elsewhere must not steer the terminal."""
    return Text("".join(c if c.isprintable() else "?" for c in text))
