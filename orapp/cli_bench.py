"""`orapp bench`: how long a frame takes from capture to screen; figures, not a verdict."""

import json
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from orapp.cli_qa import EngineName
from orapp.cli_run import EngineOption, Headless, Model, Profile
from orapp.errors import OrappError
from orapp.files import check_writable, replace_file

if TYPE_CHECKING:
    from orapp.bench import BenchResult

COLUMNS = ("p50", "p95", "p99", "p99.9", "max", "jitter")


def bench(
    engine: EngineOption = EngineName.AUTO,
    model: Model = "pfnet-lite",
    size: Annotated[int, typer.Option(min=256, max=2160, help="Of the simulated picture")] = 1024,
    rate: Annotated[float, typer.Option(min=0.5, max=60, help="X-ray pulses per second")] = 30.0,
    video: Annotated[
        float, typer.Option(min=0, max=120, help="Video frames per second; 0: one per pulse")
    ] = 0.0,
    source: Annotated[
        str, typer.Option(help="simulated: is made beforehand; any other is taken as it comes")
    ] = "simulated:",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="So long is measured")] = 20.0,
    warm_up: Annotated[float, typer.Option(min=0, max=600, help="Seconds that don't count")] = 3.0,
    headless: Headless = False,
    profile: Profile = None,
    loopback: Annotated[
        str, typer.Option(help="A source that sees the screen, such as v4l2:/dev/video1")
    ] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every figure and duration")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Write a histogram and a timeline")] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Compare two files of --json, and measure nothing"),
    ] = None,
    engine_delay_ms: Annotated[
        int, typer.Option(min=0, max=60_000, help="Test: each inference takes so much longer")
    ] = 0,
) -> None:
    """Measure the way of a frame, part by part, beside the bare engine and to the glass."""
    if compare is not None:
        _compare(*compare)
        return
    for path in (json_file, png):
        if path is not None:
            check_writable(path)
    from orapp.bench import BenchOptions, run

    options = BenchOptions(
        engine=engine.value,
        model=model,
        source=source,
        size=size,
        rate=rate,
        video=video,
        seconds=seconds,
        warm_up_s=warm_up,
        headless=headless,
        profile=profile,
        engine_delay_ms=engine_delay_ms,
        loopback=loopback,
        command=_command(),
    )
    console = Console(stderr=True)
    about = f"measuring: {2 * seconds + warm_up:.0f} s and a start"
    with console.status(about) if console.is_terminal else nullcontext():
        result = run(options)
    print_bench(result)
    _write_files(result, json_file, png)


def print_bench(result: "BenchResult") -> None:
    """The table, and what there is to say about it."""
    from orapp.bench.parts import WORDS

    report, console = result.report, _console()
    table = Table("ms", "n", *COLUMNS, box=None, padding=(0, 2), header_style="")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, words in WORDS.items():
        if name in result.figures:
            figures = result.figures[name]
            table.add_row(words, str(figures["n"]), *(_ms(figures[c]) for c in COLUMNS))
    console.print(table)
    for line in _lines(report):
        console.print(line, markup=False)


def _lines(report: dict[str, Any]) -> list[str]:
    drops, gaps, overhead = report["drops"], report["gaps_ms"], report["overhead"]
    machine, engine, source = report["machine"], report["engine"], report["source"]
    ratios = [f"{_times(overhead[p])} at {p}" for p in ("p50", "p99")]
    return [
        "",
        f"overhead   capture to outline ready is {', '.join(ratios)} of the bare engine; "
        f"{_times(overhead['own_p50'])} of its own inference at p50",
        *([] if overhead["quiet"] else [_unquiet(overhead)]),
        f"drops      {drops['pictures_not_shown']} of {drops['frames']} pictures not shown; "
        f"{drops['exposures_not_segmented']} of {drops['exposures']} exposures not segmented; "
        f"{drops['outlines_not_shown']} outlines not shown; "
        f"{report['outlines']['mispaired']} mispaired",
        f"gaps       longest between captures {_ms(gaps['captures'])} ms, pictures "
        f"{_ms(gaps['pictures'])} ms, outlines {_ms(gaps['outlines'])} ms",
        f"glass      {_seen(report['glass'])}",
        f"loop-back  {_seen(report['loopback'])}",
        f"engine     {engine['name']} on {engine['backend']}",
        f"source     {source['width']}x{source['height']}, {source['rate_hz']:g}/s, "
        f"{source['description']}",
        f"machine    {machine['cpu']}, {machine['cores']} cores, {machine['system']}; "
        f"load before the run {_ms(report['bench']['load_before'])}",
        f"command    {report['command']}",
    ]


def _unquiet(overhead: dict[str, Any]) -> str:
    before, after = (_ms(overhead[f"bare_{when}_ms"]) for when in ("before", "after"))
    return (
        f"           the machine was not quiet: the bare engine's p50 was {before} ms before and "
        f"{after} ms after; these ratios say little"
    )


def _seen(glass: dict[str, Any] | str) -> str:
    if isinstance(glass, str):
        return glass
    return (
        f"{glass['read']} codes read, {glass['unreadable']} unreadable, a look every "
        f"{glass['step_ms']:.1f} ms; {glass['frames_not_seen']} frames not seen, "
        f"{glass['unknown']} unknown; of {glass['checked']} pictures compared with what was "
        f"painted, {glass['wrong_picture']} wrong, {glass['wrong_pairing']} wrongly outlined"
    )


def _compare(one: Path, other: Path) -> None:
    """Prints how the second differs from the first."""
    from orapp.bench.compare import compare, differing, read_bench
    from orapp.bench.parts import WORDS

    runs = [read_bench(path) for path in (one, other)]
    console = _console()
    table = Table("ms", "", "A", "B", "B - A", "95 % interval", "B is", box=None, padding=(0, 2))
    for column in table.columns[2:6]:
        column.justify = "right"
    for d in compare(runs[0], runs[1]):
        interval = f"{d.low_ms:+.2f} to {d.high_ms:+.2f}"
        apart = f"{d.other_ms - d.one_ms:+.2f}"
        words = WORDS[d.part] if d.percent == 50 else ""
        figures = f"{d.one_ms:.2f}", f"{d.other_ms:.2f}", apart, interval
        table.add_row(words, f"p{d.percent}", *figures, d.verdict)
    for letter, path, run in zip("AB", (one, other), runs, strict=True):
        console.print(f"{letter}  {path.name}: {run['command']}", markup=False)
    for line in differing(*runs):
        console.print(f"   {line}", markup=False)
    console.print(table)
    console.print("One line in twenty differs by chance.", markup=False)


def _write_files(result: "BenchResult", json_file: Path | None, png: Path | None) -> None:
    """Both are tried; raises OrappError if one can't be written."""
    from orapp.bench.plot import draw_bench

    contents: list[tuple[Path, bytes]] = []
    if json_file is not None:
        contents.append((json_file, json.dumps(result.report).encode() + b"\n"))
    if png is not None:
        contents.append((png, draw_bench(result.parts, result.report["command"])))
    trouble: OrappError | None = None
    for path, data in contents:
        try:
            replace_file(path, lambda part, data=data: _write(part, data))  # type: ignore[misc]
        except OrappError as error:
            trouble = error
    if trouble is not None:
        raise trouble


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _console() -> Console:
    """For tables that must not be squeezed, also into a file."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 120)
    return console


def _command() -> str:
    """What was typed, without the program's place."""
    return shlex.join(["orapp", *sys.argv[1:]])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} x"
