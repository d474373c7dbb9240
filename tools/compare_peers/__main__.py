"""The same clip, rate and model through orapp and its peers; one table.

    python -m tools.compare_peers --seconds 12 --out docs/measurements

Peers are installed into environments of their own under build/peers (some hundred MB), each is run
as a process of its own, and skipped with a word where that is not possible.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from orapp.engines.trust import check_model
from orapp.errors import OrappError
from orapp.files import check_writable, replace_file
from orapp.machine import describe_machine
from tools.compare_peers.clip import SIDE, make_clip
from tools.compare_peers.peers import PEERS, Environment, Peer, Unavailable, environment
from tools.compare_peers.plan import SCENES, Plan
from tools.compare_peers.records import figures, read_lines
from tools.compare_peers.run import display, end_on_sigterm, run_peer
from tools.compare_peers.table import Result, behind, markdown, show

NAME = "peers"
"""Of the files in --out."""
WIDTH = 200
"""Of the tables where nobody looks."""


def main() -> int:
    """Compares, prints, writes; 0 if orapp ran (or was not asked for), else 1; 2 on an error."""
    given = _arguments()
    end_on_sigterm()
    try:
        return _compare(given)
    except OrappError as error:
        print(f"compare_peers: {error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare_peers", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="of each run, that count")
    parser.add_argument("--rate", type=float, action="append", help="frames/s; default 15 and 30")
    parser.add_argument("--scene", choices=SCENES, action="append", help="default: all")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", choices=names, action="append", help="default: all")
    parser.add_argument("--size", type=int, default=SIDE, help="side of the frames, pixels")
    parser.add_argument("--model", default="pfnet-lite", help="name or folder")
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}.md and {NAME}.json")
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="environments")
    return parser.parse_args()


def _compare(given: argparse.Namespace) -> int:
    if not 1 <= given.seconds <= 3600:
        raise OrappError("--seconds is out of range", "give 1 to 3600")
    rates = given.rate or [15.0, 30.0]
    if not all(1 <= rate <= 120 for rate in rates):
        raise OrappError("--rate is out of range", "give 1 to 120")
    if not 128 <= given.size <= 2160:
        raise OrappError("--size is out of range", "give 128 to 2160")
    check_model(given.model)
    check_writable(given.peers / "clip.npy")
    if given.out is not None:
        check_writable(given.out / f"{NAME}.md")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    wanted = [peer for peer in PEERS if given.only is None or peer.name in given.only]
    ready, skipped = _prepare(wanted, given.peers, console)
    able = [peer for peer in wanted if peer.name in ready]
    if not able:
        raise OrappError("there is nothing to compare", "see above why each was skipped")
    clip = make_clip(given.peers, given.size)
    results = []
    with display() as screen:
        for peer, plan in _plans(able, given, rates, clip):
            label = peer.variants[plan.variant]
            console.print(f"{label}, {plan.rate_hz:g}/s, {SCENES[plan.scene]}")
            ending = run_peer(peer, plan, ready[peer.name], screen)
            seen = figures(plan, read_lines(Path(plan.records)), ending)
            results.append(Result(peer.name, label, plan.scene, plan.rate_hz, seen))
    show(console, results)
    for line in (*skipped, *(f"not ahead: {line}" for line in behind(results))):
        console.print(line, soft_wrap=True)
    if given.out is not None:
        _write(given.out, results, skipped, wanted)
    mine = [r for r in results if r.peer == "orapp"]
    return int(any(not r.figures.counted or r.figures.died for r in mine))


def _prepare(
    wanted: Sequence[Peer], folder: Path, console: Console
) -> tuple[dict[str, Environment], list[str]]:
    """Environments, by name, of the peers that can run here, and a line for each other one."""
    ready: dict[str, Environment] = {}
    skipped = []
    for peer in wanted:
        if peer.packages:
            console.print(f"{peer.name}: its environment in {folder / peer.name}")
        try:
            ready[peer.name] = environment(peer, folder)
        except Unavailable as error:
            skipped.append(f"skipped: {peer.name} {error}")
            console.print(skipped[-1], soft_wrap=True)
    return ready, skipped


def _plans(
    peers: Sequence[Peer],
    given: argparse.Namespace,
    rates: Sequence[float],
    clip: Path,
) -> Iterator[tuple[Peer, Plan]]:
    """All runs; peers take turns, so that a busy minute doesn't hit one alone."""
    records = given.peers / "records"
    records.mkdir(parents=True, exist_ok=True)
    for rate in rates:
        for scene in given.scene or SCENES:
            for peer in peers:
                for variant in peer.variants:
                    name = f"{peer.name}-{variant}-{scene}-{rate:g}.jsonl"
                    yield (
                        peer,
                        Plan(
                            variant,
                            scene,
                            rate,
                            given.seconds,
                            str(clip.resolve()),
                            str((records / name).resolve()),
                            _model(given.model),
                        ),
                    )


def _model(name: str) -> str:
    """A folder by its whole path: runners work elsewhere."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def _write(
    out: Path, results: Sequence[Result], skipped: Sequence[str], peers: Sequence[Peer]
) -> None:
    command = shlex.join(["python", "-m", "tools.compare_peers", *sys.argv[1:]])
    machine = describe_machine()
    busy = f"nice {os.nice(0)}, load average at the end {os.getloadavg()[0]:.1f}"
    report = {
        "command": command,
        "machine": machine,
        "busy": busy,
        "packages": {p.name: list(p.packages) for p in peers},
        "skipped": list(skipped),
        "results": [asdict(result) for result in results],
        "not_ahead": behind(results),
    }
    text = json.dumps(report, indent=1) + "\n"
    replace_file(out / f"{NAME}.json", lambda part: _text(part, text))
    page = _page(command, busy, machine, results, skipped, peers)
    replace_file(out / f"{NAME}.md", lambda part: _text(part, page))


def _text(path: Path, text: str) -> None:
    path.write_text(text)


def _page(
    command: str,
    busy: str,
    machine: dict[str, Any],
    results: Sequence[Result],
    skipped: Sequence[str],
    peers: Sequence[Peer],
) -> str:
    libraries = ", ".join(f"{k} {v}" for k, v in machine["libraries"].items())
    packages = [p.packages[0] for p in peers if p.packages]
    about = f"{machine['cores']} cores of {machine['cpu']}, {machine['system']}, {libraries}"
    notes = [f"- {peer.name} paints {peer.paints}." for peer in peers]
    lines = [
        "# orapp and its peers, measured",
        f"`{command}`",
        f"{about}; {', '.join(packages)}; {busy}.",
        EXPLAINED,
        "\n".join(notes),
        markdown(results).rstrip(),
    ]
    lines += ["\n".join(f"- {line}" for line in skipped)] if skipped else []
    not_ahead = behind(results)
    if not_ahead:
        lines += ["### Where orapp is not ahead", "\n".join(f"- {line}" for line in not_ahead)]
    return "\n\n".join(lines) + "\n"


EXPLAINED = """\
Ages are p50 / p99 / max in ms, from when the camera had the frame: of the picture, when it was
first handed to the step that shows it, and when it was first painted; of an outline, the same for
the frame that it was computed from, on whatever frame it was first shown. `oldest outline`: the
oldest that was painted, ms. `missed`: frames that were never shown. `unsaid`: frames that were
shown with another frame's outline and no word about it; `with its age`: those that tell.
`outlined`: share of the time with an outline on the screen. All have the same frames, model call
(resize, OpenVINO, outline) and camera; frames count from a second after the model's first answer.
Nothing is caught around a peer's model call but what its framework catches."""


if __name__ == "__main__":
    sys.exit(main())
