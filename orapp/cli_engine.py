"""`orapp engine`: compile, list, clear and verify engines; before the case, never during it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from orapp.engines.trust import find_model, load_manifest, model_names
from orapp.errors import NotThere, OrappError

app = typer.Typer(help="Compile, list, clear and verify engines.", no_args_is_help=True)


class PrecisionName(StrEnum):
    """Precisions by their names on the command line."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class FlavourName(StrEnum):
    """TensorRT's flavours by their names on the command line."""

    TENSORRT = "tensorrt"
    RTX = "tensorrt-rtx"


Show = Callable[[str, int, int], None]
Model = Annotated[str, typer.Argument(help="A model that ships, or a folder with a manifest.toml")]


@app.command()
def build(
    model: Model = "pfnet-lite",
    precision: Annotated[PrecisionName, typer.Option(help="Of the graph")] = PrecisionName.FP16,
    targets: Annotated[
        str, typer.Option("--for", help="TensorRT-RTX: compute capabilities, as sm86,sm89,sm120")
    ] = "",
    flavour: Annotated[
        FlavourName | None, typer.Option(help="Else the one that is installed")
    ] = None,
) -> None:
    """Compile a model for this machine's GPU, or for GPUs that are named."""
    from orapp.engines import build as builder
    from orapp.engines.plans import PlanCache, plans_folder

    folder = find_model(model)
    manifest = load_manifest(folder)
    named = [t.strip() for t in targets.split(",") if t.strip()]
    begin = time.monotonic()
    with _progress() as progress:
        path, key = builder.build(
            folder,
            manifest,
            precision.value,
            PlanCache(plans_folder()),
            flavour=flavour.value if flavour else None,
            targets=named,
            progress=progress,
        )
    seconds, size = time.monotonic() - begin, path.stat().st_size / 2**20
    where = ", ".join(key.targets) or f"{key.gpu} ({key.compute}), driver {key.driver}"
    print(f"{path.name}: {size:.1f} MB for {where}, {seconds:.1f} s by {key.flavour} {key.version}")


@contextmanager
def _progress() -> Iterator[Show]:
    """A bar on the standard error, if a person looks at it; gives what TensorRT's monitor calls."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the model", total=None)

        def show(phase: str, done: int, steps: int) -> None:
            bar.update(task, description=phase, completed=done, total=max(steps, 1))

        yield show


@app.command("list")
def list_plans() -> None:
    """Every compiled engine: ready, or refused and why."""
    from orapp.engines.build import runtimes_here
    from orapp.engines.plans import PlanCache, plans_folder

    manifests = {}
    for name in model_names():
        with suppress(OrappError):  # a damaged model is told when it is opened
            manifests[name] = load_manifest(find_model(name))
    table = Table(box=None, pad_edge=False)
    for column in ("plan", "precision", "built for", "state"):
        table.add_column(column, overflow="fold")
    for plan in PlanCache(plans_folder()).plans(manifests, runtimes_here()):
        key = plan.key
        where = "" if key is None else ", ".join(key.targets) or key.gpu
        state = f"refused: {plan.refusal}" if plan.refusal else "ready"
        table.add_row(plan.path.stem, key.precision if key else "", where, state)
    if table.row_count:
        Console(soft_wrap=False).print(table)
    else:
        print("no engine has been compiled; run 'orapp engine build'")


@app.command()
def clear() -> None:
    """Remove all compiled engines, and the secret that they are signed with."""
    from orapp.engines.plans import PlanCache, plans_folder

    print(f"{PlanCache(plans_folder()).clear()} compiled engines removed")


@app.command()
def verify(model: Model = "pfnet-lite") -> None:
    """Run every engine that there is on the model's golden frames, against torch in float32."""
    from orapp.verify import bounds_of, compare, every_engine, load_golden

    folder = find_model(model)
    manifest = load_manifest(folder)
    golden = load_golden(folder, manifest)
    table = Table(title=f"{manifest.name} on {len(golden.images)} golden frames", box=None)
    for column in ("engine", "max", "mean", "outline px", "judged", "Dice", "verdict"):
        table.add_column(column, overflow="fold")
    failed = 0
    for name, opened in every_engine(folder, manifest):
        if isinstance(opened, OrappError):
            absent = isinstance(opened, NotThere)
            failed += not absent
            state = "not run" if absent else "refused"
            table.add_row(name, *[""] * 5, f"{state}: {opened.what}")
            continue
        with opened as engine:
            seen = compare(engine, golden)
            beyond = seen.beyond(bounds_of(engine, manifest))
        failed += bool(beyond)
        table.add_row(
            engine.identity.backend,
            f"{seen.max_difference:.0f}/255",
            f"{seen.mean_difference:.3f}/255",
            f"{seen.outline_px:.2f}",
            f"{seen.judged:.4f}",
            f"{seen.dice:.4f}",
            ", ".join(beyond) or "as the reference",
        )
    Console(width=None if Console().is_terminal else 140).print(table)
    if failed:
        raise OrappError(f"{failed} engines differ or are refused", "do not use them")


@app.command()
def explain(
    picture: Annotated[Path, typer.Argument(help="A still, PNG")],
    out: Annotated[Path, typer.Option(help="Where the heat map goes, PNG of the network's size")],
    model: Annotated[str, typer.Option(help="A model that ships, or a folder")] = "pfnet-lite",
) -> None:
    """Show where the judgement of a picture looks: Grad-CAM, by torch."""
    import cv2

    from orapp.engines.torch import TorchEngine
    from orapp.files import check_writable, replace_file
    from orapp.shrink import shrink
    from orapp.stills import PngSource

    check_writable(out)
    source = PngSource(picture)
    source.open()
    pixels = source.read(0).pixels
    folder = find_model(model)
    with TorchEngine(folder, load_manifest(folder)) as engine:
        small = shrink(pixels, engine.identity.input_size)
        seen = engine.infer(small)
        heat = engine.explain(small)
    encoded = cv2.imencode(".png", heat)[1].tobytes()
    replace_file(out, lambda part: _put(part, encoded))
    print(f"broken {seen.broken:.2f}, a spine {seen.spine:.2f}; the heat map is in {out}")


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
