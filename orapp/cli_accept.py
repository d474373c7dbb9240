"""`orapp accept`: is this workstation fit for the OR? One command, one verdict."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orapp.cli_qa import EngineName
from orapp.cli_run import EngineOption, Headless, Model, Profile
from orapp.engines import EngineSpec
from orapp.engines.trust import find_model
from orapp.errors import OrappError
from orapp.files import check_writable
from orapp.settings import load_profile


def accept(
    out: Annotated[Path, typer.Option(help="Folder for accept.json and accept.html")],
    budget: Annotated[
        Path | None, typer.Option(help="Limits, TOML; else calibration/accept-budget.toml")
    ] = None,
    source: Annotated[str, typer.Option(help="A live source, as of 'orapp live'")] = "simulated:",
    profile: Profile = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="Length of the latency measurement")
    ] = 30.0,
    load: Annotated[
        str, typer.Option(help="Background load: cpu,disk, one of them, or none")
    ] = "cpu,disk",
    soak: Annotated[
        float, typer.Option(min=0, max=100_000, help="Minutes of soak; 0 is none")
    ] = 0.0,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder whose disk is tried; else that of 'orapp live'")
    ] = None,
    only: Annotated[
        str,
        typer.Option(help="Some parts only, as engine,latency; never gives 'fit'"),
    ] = "",
    headless: Headless = False,
    model: Model = "pfnet-lite",
    engine: EngineOption = EngineName.AUTO,
    engine_delay_ms: Annotated[
        int, typer.Option(min=0, max=60_000, help="Test: each inference takes so much longer")
    ] = 0,
    leak_mb_per_s: Annotated[
        float, typer.Option(min=0, max=1000, help="Test: the source leaks so much memory")
    ] = 0.0,
) -> None:
    """Prove that this workstation is fit; exit code 0 fit, 1 not fit, 2 bad input."""
    from orapp.accept.budget import load_budget
    from orapp.accept.checks import is_fit, verdict_words
    from orapp.accept.document import HTML, JSON, write_html, write_json
    from orapp.accept.load import parse_load
    from orapp.accept.run import PARTS, AcceptOptions, check_source, failed_lines
    from orapp.accept.run import accept as run
    from orapp.accept.stage import Setup

    limits, sha256 = load_budget(budget)
    site, kinds = load_profile(profile), parse_load(load)
    find_model(model)
    parts = _parts(only, PARTS)
    check_writable(out / JSON)
    setup = Setup(
        source, EngineSpec(model, engine.value, engine_delay_ms), site, headless, leak_mb_per_s
    )
    folder = recordings or Path.home() / "orapp-sessions"
    options = AcceptOptions(
        setup, profile, limits, sha256, kinds, seconds, soak, out, folder, parts
    )
    form = check_source(source)
    with _progress() as tell:
        done = run(options, form, tell)
    for line in failed_lines(done):
        print(line)
    print(f"{verdict_words(done.checks)}; see {out / HTML}")
    write_html(done, options, write_json(done, options))
    if not is_fit(done.checks):
        raise typer.Exit(1)


def _parts(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [part for part in asked if part not in known]:
        raise OrappError(f"--only knows no '{unknown[0][:40]}'", f"use some of {', '.join(known)}")
    return tuple(part for part in known if part in asked) if asked else known


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Tells what is being tested: a bar on a terminal, else a line each."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, refresh_per_second=2, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        begun = time.monotonic()

        def tell(title: str, seconds: float) -> None:
            if console.is_terminal:
                bar.console.print(f"[{time.monotonic() - begun:5.0f} s] {title}", markup=False)
                bar.update(task, description=f"{title} (about {seconds:.0f} s)")
            else:
                console.print(title, markup=False, highlight=False)

        yield tell
