"""The only errors that a user sees, and the sentence that they see."""


class OrappError(Exception):
    """What is wrong and what to do about it, each one clear sentence without a full stop.

    The command line prints `what; do` on one line and exits with code 2.
    No patient text may go into either part.
    """

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}; {do}")
        self.what = what
        self.do = do

    def __reduce__(self) -> tuple[type["OrappError"], tuple[str, str]]:
        """So that it comes whole from a worker process of QA."""
        return type(self), (self.what, self.do)


class NotThere(OrappError):
    """Something optional is not installed, does not ship or was not built: nothing is wrong."""


class SignalLost(OrappError):
    """The source stopped delivering while it was open: the grabber closes it and reconnects."""
