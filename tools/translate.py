"""Brings the screen's translations up to date: orapp/display/i18n/orapp_LANGUAGE.ts and .qm.

    python -m tools.translate          # adds new texts, drops old ones, compiles
    python -m tools.translate --check  # fails if a text has no translation or a .qm is old

The English words are in the source, as `say("...")` or in the lists of states, actions and
buttons; the translations are edited in the .ts files, by hand or with Qt Linguist.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as Xml

import PySide6

from orapp.calibrate.proposal import WHAT
from orapp.display.calibration_look import TITLES, TODO
from orapp.display.controls import ACTIONS, BUTTONS, REPLAY_ACTIONS
from orapp.display.language import CONTEXT, FOLDER
from orapp.display.measuring import UNSURE
from orapp.display.reference import Kind
from orapp.display.strip import FootStrip
from orapp.display.transport_bar import TRANSPORT_BUTTONS
from orapp.display.words import STATES
from orapp.measure.points import NO_BODY, REFUSALS


def texts() -> list[str]:
    """Every English text of the screen, in the order of the source."""
    listed = [
        *(*ACTIONS.values(), *BUTTONS.values(), *map(str, Kind), NO_BODY[0], *REFUSALS),
        *(*REPLAY_ACTIONS.values(), *TRANSPORT_BUTTONS.values()),
        *(*TITLES.values(), *TODO.values(), *WHAT),
    ]
    found = [*STATES, *listed, FootStrip.NOTICE, UNSURE]
    for path in sorted(FOLDER.parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                first = node.args[0] if node.func.id == "say" and node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.append(first.value)
    return list(dict.fromkeys(found))


def read(path: Path) -> dict[str, str]:
    """English to translation of a .ts file; none if there is no such file."""
    if not path.exists():
        return {}
    messages = Xml.parse(path).getroot().iter("message")
    return {m.findtext("source", ""): m.findtext("translation", "") for m in messages}


def write(path: Path, known: dict[str, str]) -> None:
    """All texts with what is known of them."""
    root = Xml.Element("TS", version="2.1", language=path.stem.removeprefix("orapp_"))
    context = Xml.SubElement(root, "context")
    Xml.SubElement(context, "name").text = CONTEXT
    for text in texts():
        message = Xml.SubElement(context, "message")
        Xml.SubElement(message, "source").text = text
        translation = Xml.SubElement(message, "translation")
        translation.text = known.get(text, "")
        if not translation.text:
            translation.set("type", "unfinished")
    Xml.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n'
    path.write_text(head + Xml.tostring(root, encoding="unicode") + "\n", encoding="utf-8")


def compiled(path: Path) -> bytes:
    """The .qm of a .ts file, by Qt's own lrelease."""
    release = Path(PySide6.__file__).parent / "lrelease"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.qm"
        subprocess.run([release, "-silent", path, "-qm", out], check=True)
        return out.read_bytes()


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="change nothing")
    given = arguments.parse_args()
    wrong = []
    for path in sorted(FOLDER.glob("orapp_*.ts")):
        if not given.check:
            write(path, read(path))
            path.with_suffix(".qm").write_bytes(compiled(path))
        known = read(path)
        wrong += [f"{path.name}: '{text}'" for text in texts() if not known.get(text)]
        if path.with_suffix(".qm").read_bytes() != compiled(path):
            wrong.append(f"{path.with_suffix('.qm').name} is not compiled from its .ts")
    if wrong:
        sys.exit("not translated:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
