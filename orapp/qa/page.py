"""HTML by construction: text is always escaped, and a page holds all that it needs."""

from pathlib import Path
from xml.etree import ElementTree

Node = ElementTree.Element
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The page may load nothing from anywhere, and run only the script that it holds."""
UNSHOWABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(55296, 57344)), "�")


def node(tag: str, *inside: "Node | str | None", **attributes: object) -> Node:
    """An element with text and elements in it.

    Args:
        tag: its name.
        inside: None is left out.
        attributes: `class_` is class, `data_key` is data-key; None is left out.
    """
    element = Node(tag)
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip("_").replace("_", "-"), _clean(str(value)))
    last: Node | None = None
    for part in inside:
        if isinstance(part, str):
            text = _clean(part)
            if last is None:
                element.text = (element.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        elif part is not None:
            element.append(part)
            last = part
    return element


def _clean(text: str) -> str:
    return text.translate(UNSHOWABLE)


def rows(head: list[str], lines: list[list[str | Node]], **attributes: object) -> Node:
    """A plain table; the first cell of each line is its name."""
    header = node("tr", *(node("th", name, scope="col") for name in head))
    body = [
        node("tr", node("th", line[0], scope="row"), *(node("td", cell) for cell in line[1:]))
        for line in lines
    ]
    return node("table", node("thead", header), node("tbody", *body), **attributes)


def page(title: str, *body: Node | None, style: str = "") -> str:
    """A whole page with its style and script inside; `style` is CSS of the page's own."""
    here = Path(__file__).parent
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content=POLICY),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", (here / "report.css").read_text(encoding="utf-8") + style),
    )
    script = node("script", (here / "report.js").read_text(encoding="utf-8"))
    whole = node("html", head, node("body", node("main", *body), script), lang="en")
    return "<!doctype html>\n" + ElementTree.tostring(whole, encoding="unicode", method="html")
