"""What `orapp live` and `orapp replay` share: options, the run in a window, its summary."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orapp.cli_qa import EngineName
from orapp.errors import OrappError
from orapp.files import check_writable, replace_file
from orapp.settings import SiteProfile, load_profile

if TYPE_CHECKING:
    from orapp.display.run import RunOptions
    from orapp.live import LiveSession


Model = Annotated[str, typer.Option(help="A model that ships, or a folder with a manifest.toml")]
EngineOption = Annotated[EngineName, typer.Option(help="What computes")]
Seconds = Annotated[
    float | None, typer.Option(min=0.1, max=1e6, help="End after so long; else when you quit")
]
Headless = Annotated[bool, typer.Option("--headless", help="Paint on no screen")]
FullScreen = Annotated[bool, typer.Option("--full-screen", help="Cover the screen")]
Report = Annotated[Path | None, typer.Option(help="Write the run's figures, JSON")]
Screenshot = Annotated[Path | None, typer.Option(help="Write the window at the end, PNG")]
Profile = Annotated[Path | None, typer.Option(help="The site's profile, TOML")]
Language = Annotated[str | None, typer.Option(help="The screen's language: en or de")]


def check_run(seconds: float | None, report: Path | None, screenshot: Path | None) -> None:
    """Raises OrappError if the run's length or its results' places are not possible."""
    if seconds is not None and not math.isfinite(seconds):
        raise OrappError("--seconds is no number", "give seconds, or leave it out")
    for path in (report, screenshot):
        if path is not None:
            check_writable(path)


def site_profile(
    profile: Path | None, outline: dict[str, Any], screen: dict[str, Any]
) -> SiteProfile:
    """The site's profile, with what the command line says otherwise; None says nothing."""
    site = load_profile(profile)
    return site.model_copy(
        update={
            "outline": site.outline.model_copy(update=_given(outline)),
            "screen": site.screen.model_copy(update=_given(screen)),
        }
    )


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def show_and_report(
    make_session: "Callable[[Callable[[], None]], LiveSession]",
    options: "RunOptions",
    report: Path | None,
) -> None:
    """Runs it to its end, writes the report, prints the summary.

    Raises:
        OrappError: what ended the run, or what could not be written; after everything else.
        typer.Exit: with 1, if at its end the video is not taken for the profile's device's.
    """
    from orapp.display.run import run_live

    made: list[LiveSession] = []

    def make(on_news: Callable[[], None]) -> "LiveSession":
        made.append(make_session(on_news))
        return made[0]

    figures, error = run_live(make, options)
    if report is not None:
        text = json.dumps(figures, indent=2) + "\n"
        try:
            replace_file(report, lambda part: _write(part, text))
        except OrappError as unwritten:
            error = error or unwritten
    print_summary(figures, made[0].recording_folder)
    if error is not None:
        raise error
    if options.headless and figures["profile"]["doubt"]:
        raise typer.Exit(1)  # nobody was there to be asked


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def print_summary(figures: dict[str, Any], folder: Path | None) -> None:
    """A few lines that tell whether the run was good."""
    frames, outlines, latency = figures["frames"], figures["outlines"], figures["latency_ms"]
    table = Table.grid(padding=(0, 2))
    shown, outline = latency["capture_to_shown"], latency["capture_to_outline_shown"]
    lost = frames["dropped_before_display"]
    unsegmented = frames["dropped_before_segmentation"]
    table.add_row(
        "frames", f"{frames['captured']} captured, {frames['shown']} shown, {lost} not shown"
    )
    table.add_row(
        "outlines",
        f"on {outlines['frames_with']} frames, {outlines['mispaired']} mispaired, "
        f"{unsegmented} exposures not segmented",
    )
    table.add_row("picture", _spread(shown) + " from capture to screen")
    table.add_row("outline", _spread(outline) + " from capture to screen")
    backend = figures["engine"]["backend"] or "never ready"
    restarts = figures["engine"]["restarts"]
    table.add_row("engine", f"{figures['engine']['name'] or '-'} on {backend}, {restarts} restarts")
    if doubt := figures["profile"]["doubt"]:
        asked = f"is this '{figures['profile']['name']}'? {doubt}"
        table.add_row("profile", escape(f"{asked}; nothing is outlined until a person says so"))
    if folder is not None:
        recording = figures["recording"]
        told = f"{recording['frames']} frames, {recording['dropped']} not recorded"
        error = recording["error"] and f"; {recording['error']}"
        table.add_row("recording", escape(told + error))
    Console(highlight=False, soft_wrap=True).print(table)
    if folder is not None:
        print(f"recorded in {folder}")


def _spread(ms: dict[str, float | None]) -> str:
    if ms["p50"] is None:
        return "never"
    return f"p50 {ms['p50']:.1f} ms, p99 {ms['p99']:.1f} ms, max {ms['max']:.1f} ms"
