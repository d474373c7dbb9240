"""`orapp`, planted with a fault: after three seconds its window stands still. For test_soak.py."""

from orapp.cli import main
from orapp.display.window import SurgeonWindow

really_show_news = SurgeonWindow._news


def show_news(window: SurgeonWindow) -> None:
    if window.view.frame is None or window.view.frame.index < 45:
        really_show_news(window)


if __name__ == "__main__":
    SurgeonWindow._news = show_news
    main()
