"""`orapp qa`: a whole archive through an engine, compared with a baseline, as a report."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.settings import load_profile

if TYPE_CHECKING:
    from orapp.qa.compare import Comparison
    from orapp.qa.report import Side
    from orapp.qa.results import CaseRecord, Speed
    from orapp.qa.tolerances import Tolerances

app = typer.Typer(
    help="Run archives through an engine, compare releases, write reports.", no_args_is_help=True
)

MOST_PRINTED = 20


class EngineName(StrEnum):
    """Engines by their names on the command line."""

    AUTO = "auto"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"
    TORCH = "torch"


Out = Annotated[Path, typer.Option(help="Folder for the results")]
Baseline = Annotated[
    Path | None, typer.Option(help="Results of an earlier 'orapp qa run' to compare with")
]
TolerancesFile = Annotated[
    Path | None, typer.Option(help="TOML; else calibration/qa-tolerances.toml")
]
Pictures = Annotated[
    bool, typer.Option("--pictures/--no-pictures", help="Draw the worst frames into the report")
]
Profile = Annotated[
    Path | None, typer.Option(help="Site profile, TOML: [export] blank is blackened in pictures")
]


@app.command()
def run(
    paths: Annotated[list[Path], typer.Argument(help="Sessions, videos, DICOM runs, or folders")],
    out: Out,
    engine: Annotated[EngineName, typer.Option(help="What computes")] = EngineName.AUTO,
    model: Annotated[
        str, typer.Option(help="A model that ships, or a folder with a manifest.toml")
    ] = "pfnet-lite",
    baseline: Baseline = None,
    tolerances: TolerancesFile = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes on this machine; more than 1 needs Dask")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(help="A Dask cluster that you trust, tcp://HOST:8786; it sees the same files"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Keep runs that are done, or do all again")
    ] = True,
    pictures: Pictures = True,
    profile: Profile = None,
) -> None:
    """Segment every frame of every run; exit code 1 if a run fails or differs too much."""
    from orapp.qa.report import read_side
    from orapp.qa.results import read_run
    from orapp.qa.run import Plan, run_qa
    from orapp.qa.tolerances import load_tolerances

    load_profile(profile)  # what is wrong with it is told before the work, not after
    limits = load_tolerances(tolerances)
    if baseline is not None:
        read_run(baseline)  # what is wrong with it is told before the work, not after
        if baseline.resolve() == out.resolve():
            raise OrappError("the baseline is the folder for the results", "choose another --out")
    plan = Plan(paths, out, EngineSpec(model, engine.value), workers, cluster, resume)
    console = Console(stderr=True)
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("runs", total=None)
        done = run_qa(plan, lambda _, total: progress.update(task, advance=1, total=total))
    _print_speed(done.speed)
    _print_pictures(done.cases)
    _finish(read_side(out), baseline, limits, out, pictures, profile)


@app.command()
def compare(
    reference: Annotated[Path, typer.Argument(help="Results folder of the baseline")],
    candidate: Annotated[Path, typer.Argument(help="Results folder to judge")],
    out: Out,
    tolerances: TolerancesFile = None,
    pictures: Pictures = True,
    profile: Profile = None,
) -> None:
    """Compare two results folders; needs no engine."""
    from orapp.qa.report import read_side
    from orapp.qa.tolerances import load_tolerances

    limits = load_tolerances(tolerances)
    _finish(read_side(candidate), reference, limits, out, pictures, profile)


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="Results folder of 'orapp qa run'")],
    baseline: Baseline = None,
    tolerances: TolerancesFile = None,
    pictures: Pictures = True,
    profile: Profile = None,
) -> None:
    """Write report.html into a results folder again."""
    from orapp.qa.report import read_side
    from orapp.qa.tolerances import load_tolerances

    _finish(read_side(results), baseline, load_tolerances(tolerances), results, pictures, profile)


def _print_pictures(cases: "Sequence[CaseRecord]") -> None:
    """Of sessions: which pictures were read, and why it was the large ones."""
    read = Counter(case.pictures for case in cases if case.pictures)
    if read:
        told = [f"{count} {what}" for what, count in read.most_common()]
        print(f"sessions' pictures: {'; '.join(told)}")


def _print_speed(speed: "Speed") -> None:
    if speed.frames_per_s is None or speed.times_real_time is None:
        print("nothing was computed: all runs were done before")
        return
    alone = ""
    if speed.ratio is not None:
        alone = f", {speed.ratio:.2f} of the engine alone ({speed.engine_alone_per_s:.0f}/s)"
    print(
        f"{speed.frames} frames in {speed.seconds:.1f} s: {speed.frames_per_s:.1f} frames/s, "
        f"{speed.times_real_time:.1f} x real time of a 15/s run{alone}"
    )


def _finish(
    ours: "Side",
    baseline: Path | None,
    limits: "Tolerances",
    out: Path,
    pictures: bool,
    profile: Path | None,
) -> None:
    """Compares, writes the report, prints the verdict; exit code 1 where it is not good."""
    from orapp.files import check_writable
    from orapp.qa.compare import compare_results
    from orapp.qa.report import REPORT, passed, read_side, verdict_words, write_report
    from orapp.qa.results import write_record

    check_writable(out / REPORT)
    comparison = reference = None
    if baseline is not None:
        comparison = compare_results(baseline, ours.folder, limits)
        reference = read_side(baseline)
        write_record(out / "comparison.json", comparison)
    site = load_profile(profile)
    write_report(out / REPORT, ours, reference, comparison, pictures, site)
    _print_failed(ours, comparison)
    print(f"{verdict_words(ours, comparison)}; see {out / REPORT}")
    if not passed(ours, comparison):
        raise typer.Exit(1)


def _print_failed(ours: "Side", comparison: "Comparison | None") -> None:
    """A line for each of the first runs that failed, by number."""
    from orapp.qa.report import failures

    wrong = failures(ours, comparison)
    for label, why in wrong[:MOST_PRINTED]:
        print(f"{label}: {why}")
    if len(wrong) > MOST_PRINTED:
        print(f"and {len(wrong) - MOST_PRINTED} more")
