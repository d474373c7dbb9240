"""The document to be signed: accept.json, and accept.html that holds all it needs."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orapp
from orapp.accept import plots
from orapp.accept.checks import Check, is_fit, verdict_words
from orapp.accept.run import Acceptance, AcceptOptions
from orapp.accept.stage import Setup
from orapp.files import replace_file
from orapp.qa.page import Node, node, page, rows

JSON, HTML = "accept.json", "accept.html"
STYLE = """
.sign { display: grid; grid-template-columns: 220px 1fr; gap: 22px 16px; margin: 26px 0 0;
  max-width: 760px; }
.sign span { border-bottom: 1px solid var(--ink); }
.state, .checks td:nth-child(4) { white-space: nowrap; }
.checks td:last-child { max-width: 46ch; }
code { overflow-wrap: anywhere; }
"""
SIGNS = {"passed": "✓ passed", "failed": "✕ FAILED", "not checked": "– not checked"}
LINES = ("Workstation, inventory no.", "Room, C-arm", "Name", "Date", "Signature")


def write_json(done: Acceptance, options: AcceptOptions) -> str:
    """Writes accept.json; returns its SHA-256."""
    setup, engine = options.setup, options.setup.engine
    record: dict[str, Any] = {
        "verdict": "fit" if is_fit(done.checks) else "not fit",
        "words": verdict_words(done.checks),
        "began": done.began.isoformat(timespec="seconds"),
        "orapp": orapp.__version__,
        "machine": done.machine,
        "hashes": done.hashes,
        "source": {"kind": setup.source.partition(":")[0], "description": done.source},
        "engine": {"model": Path(engine.model).name, "backend": engine.backend},
        "test_options": {
            "engine_delay_ms": engine.delay_ms,
            "leak_mb_per_s": setup.leak_mb_per_s,
        },
        "load": list(options.load),
        "seconds": options.seconds,
        "soak_minutes": options.soak_minutes,
        "headless": setup.headless,
        "budget": options.budget.model_dump(),
        "profile": setup.profile.told(),
        "checks": [asdict(check) for check in done.checks],
        "latency": done.latency.report,
        "soak": done.soak.report,
        "samples": {
            "picture_ms": [[round(v, 3) for v in one] for one in done.latency.pictures],
            "outline_ms": [[round(v, 3) for v in one] for one in done.latency.outlines],
            "soak": [asdict(sample) for sample in done.soak.samples],
        },
    }
    data = (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()
    replace_file(options.out / JSON, lambda part: _put(part, data))
    return hashlib.sha256(data).hexdigest()


def write_html(done: Acceptance, options: AcceptOptions, sha256: str) -> None:
    """Writes accept.html, with the SHA-256 of accept.json in it."""
    fit = is_fit(done.checks)
    text = page(
        f"orapp acceptance: {'fit' if fit else 'not fit'}",
        node("h1", "Acceptance of a workstation"),
        node("p", _when(done, options), class_="soft"),
        _verdict(done, options.setup, fit),
        node("h2", "Checks"),
        _checks(done.checks),
        node("h2", "What was measured"),
        _plots(done, options),
        node("h2", "Machine, versions, hashes"),
        _facts(done, options, sha256),
        node("h2", "Signed"),
        node("div", *_lines(), class_="sign"),
        style=STYLE,
    )
    replace_file(options.out / HTML, lambda part: _put(part, text.encode()))


def _when(done: Acceptance, options: AcceptOptions) -> str:
    load = " and ".join(options.load) or "none"
    return (
        f"{done.began:%Y-%m-%d %H:%M %z}, orapp {orapp.__version__}, research use only. "
        f"Source: {done.source}. Background load: {load}."
    )


def _verdict(done: Acceptance, setup: Setup, fit: bool) -> Node:
    lines = [node("li", check.line) for check in done.checks if check.state == "failed"]
    notes = [node("p", words) for words in _reservations(done, setup)]
    return node(
        "div",
        node("strong", ("✓ " if fit else "✕ ") + verdict_words(done.checks)),
        node("ul", *lines) if lines else None,
        *notes,
        class_="verdict" if fit else "verdict failed",
    )


def _reservations(done: Acceptance, setup: Setup) -> list[str]:
    """What the reader must know before signing."""
    words: list[str] = []
    if done.source.startswith("simulated"):
        words.append(
            "The source was simulated: nothing is said about the C-arm's cable and grabber."
        )
    if setup.headless:
        words.append("Painted offscreen: nothing is said about the screen.")
    if setup.engine.delay_ms:
        words.append(f"Test option: each inference was made {setup.engine.delay_ms} ms slower.")
    if setup.leak_mb_per_s:
        words.append(f"Test option: the source leaked {setup.leak_mb_per_s:g} MB per second.")
    return words


def _checks(checks: list[Check]) -> Node:
    lines: list[list[str | Node]] = [
        [
            check.part,
            check.name,
            check.figure,
            check.limit,
            node(
                "span",
                SIGNS[check.state],
                class_="state failed-word" if check.state == "failed" else "state",
            ),
            check.reason,
        ]
        for check in checks
    ]
    head = ["part", "check", "figure", "limit", "result", "why"]
    return node("div", rows(head, lines, class_="checks"), class_="wide")


def _plots(done: Acceptance, options: AcceptOptions) -> Node:
    limits, seen = options.budget.latency, done.latency
    memory = [(s.s, s.memory_mb) for s in done.soak.samples]
    threads = [(s.s, float(s.threads)) for s in done.soak.samples]
    files = [(s.s, float(s.descriptors)) for s in done.soak.samples]
    picture, outline = "Picture: grabbed to painted", "Outline: grabbed to painted"
    colour = plots.ORANGE
    drawn = [
        plots.histogram(f"{picture}, {len(seen.pictures)} frames", seen.pictures,
                        limits.picture_p99_ms),
        plots.timeline(f"{picture}, over time", seen.pictures, limits.picture_p99_ms),
        plots.histogram(f"{outline}, {len(seen.outlines)} outlines", seen.outlines,
                        limits.outline_p99_ms, colour),
        plots.timeline(f"{outline}, over time", seen.outlines, limits.outline_p99_ms, colour),
        plots.line("Soak: memory of app and engine", memory, "MB"),
        plots.line("Soak: threads", threads, ""),
        plots.line("Soak: open descriptors", files, ""),
    ]  # fmt: skip
    if not any(plot is not None for plot in drawn):
        return node("p", "Nothing.", class_="soft")
    return node("div", *drawn, class_="plots")


def _facts(done: Acceptance, options: AcceptOptions, sha256: str) -> Node:
    machine = done.machine
    facts: list[list[str | Node]] = [
        ["processor", f"{machine['cpu']}, {machine['cores']} cores"],
        ["memory", f"{machine['memory_gib']} GiB"],
        ["system", f"{machine['system']}, Python {machine['python']}"],
        ["libraries", ", ".join(f"{k} {v}" for k, v in machine["libraries"].items())],
        ["screen", "none (headless)" if options.setup.headless else "full screen"],
    ]
    hashes = {**done.hashes, f"SHA-256 of {JSON}": sha256}
    facts += [[name, node("code", digest)] for name, digest in hashes.items()]
    return rows(["what", "which"], facts)


def _lines() -> list[Node]:
    return [node(tag, text) for label in LINES for tag, text in (("b", label), ("span", ""))]


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
