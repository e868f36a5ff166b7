"""What can go wrong, as one small tree.

Every message names the thing, the value found and what would be allowed, and says what to do next.
The command line prints the message alone; a caller from Python catches `AutogitError`.
"""


class AutogitError(Exception):
    """The base of everything that autogit raises on purpose."""


class ConfigError(AutogitError):
    """`.autoresearch.toml` is missing, unreadable, or holds a key, type or value that cannot be."""


class WorkspaceError(AutogitError):
    """The workspace repository cannot be worked on: no git, no commit, a branch in the way, a full disk."""


class LabBusyError(AutogitError):
    """Another process runs a loop on the same lab."""


class MainMovedError(AutogitError):
    """`main` is no longer where an accepted trial started from; nothing was written."""


class CheckoutError(WorkspaceError):
    """The files of a commit cannot be written to the disk here: a name too long, two names that are one."""


class UnknownTrialError(AutogitError):
    """No trial of this number is in the lab."""


class PatchError(AutogitError):
    """A diff cannot land: it does not parse, breaks the policy, or matches no unique place.

    `str(error)` is the reason as it is recorded; `detail` is what a model needs to mend it
    (the failing hunk and the nearest real lines), empty where there is nothing more to say.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


class ProposerError(AutogitError):
    """A proposer cannot go on in this loop (wrong key, exhausted quota); the others do."""


class CostLimitError(ProposerError):
    """What models and agents may cost in one loop is spent: a limit that is reached, not a failure."""


class VerdictAwaitedError(AutogitError):
    """Who has the next turn is worth asking only when the verdict of what is measured now is known."""


class BaselineError(AutogitError):
    """The unchanged code does not train or reports no metric; `log` is the useful end of its output."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


class BrokenEnvironmentError(AutogitError):
    """Even the incumbent fails now; `log` is the end of its output."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


class Interrupted(AutogitError):
    """The person asked to stop now; the open trial runs again under its number next time."""
