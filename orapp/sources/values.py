"""What the values of a URI's options may be."""

from collections.abc import Callable


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of a number from `low` to `high`; ValueError says so."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of a whole number from `low` to `high`; ValueError says so."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def word(*words: str) -> Callable[[str], str]:
    """A parser that takes one of the words; ValueError names them."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(" or ".join(words))
        return text

    return parse


def switch(text: str) -> bool:
    """True for `on`, False for `off`; ValueError for anything else."""
    return word("on", "off")(text) == "on"
