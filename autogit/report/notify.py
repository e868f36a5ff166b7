"""Word gets out: a new best, the end of a loop and why, a broken environment, money that runs out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass

from autogit.config.model import Notify
from autogit.errors import AutogitError
from autogit.events import Closed, Ended, Event, Proof
from autogit.report.background import Background
from autogit.wording import counted, duration, percent, plain

MONEY_SHARE = 0.8
"""Of `limits.cost`: past it the person is told, once."""
NOTICE = "notifying by {name} failed and is left out from here on: {error}"
COMMAND_SECONDS = 60.0
"""A command that takes longer is ended."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told, also as JSON."""

    event: str
    """"best", "proof", "ended", "broken" (ended by an error) or "money"."""
    lab: str
    title: str
    text: str
    trial: str = ""
    improvement_percent: float | None = None


class Notifier:
    """An observer that tells people who are not there. A target that fails is left out, and the loop goes on."""

    def __init__(self, config: Notify, lab: str, limit: float | None) -> None:
        """`limit` is the money of this loop. Raises AutogitError if a target cannot be had."""
        takers: dict[str, Callable[[Message], object]] = {}
        if config.command:
            takers["the command"] = lambda message: _run(config.command, message)
        for url in config.urls:
            # Named by its kind alone: the rest may hold a key.
            takers[url.partition(":")[0] or url] = _apprise(url)
        self._background: Background[Message] = Background(takers, NOTICE)
        self._lab = lab
        self._limit = limit
        self._spent = 0.0
        self._told_money = False

    def tell(self, event: Event) -> None:
        """Listens for what is worth a message."""
        if self._background.idle:
            return
        match event:
            case Closed(record=record, improvement=improvement):
                self._spend(record.trial.usage.cost if record.trial.usage else 0.0)
                if record.accepted and not record.trial.is_baseline:
                    title = f"{self._lab}: {record.trial.ref} is accepted, {percent(improvement)} over the baseline"
                    self._put("best", title, f"{record.trial.title}: {record.reason}", record.trial.ref, improvement)
            case Proof(trials=trials, proved=proved, reason=reason, improvement=improvement) if proved:
                tip = trials[-1].trial
                title = f"{self._lab}: {tip.ref} is proved, {percent(improvement)} over the baseline"
                self._put("proof", title, f"{counted(len(trials), 'change')} together: {reason}", tip.ref, improvement)
            case Ended():
                kind = "broken" if event.reason == "ended by an error" else "ended"
                done = f"{counted(event.trials, 'trial')} in {duration(event.seconds)}, {len(event.accepted)} accepted"
                self._put(kind, f"{self._lab}: the loop has ended: {event.reason}", done)
                self._background.end()
            case _:
                pass

    def take(self) -> list[str]:
        """What the person should know since the last call."""
        return self._background.take()

    def _spend(self, cost: float) -> None:
        self._spent += cost
        if self._limit and not self._told_money and self._spent >= MONEY_SHARE * self._limit:
            self._told_money = True
            title = f"{self._lab}: {self._spent / self._limit:.0%} of the money is spent"
            self._put("money", title, f"{self._spent:.4g} of {self._limit:.4g}; past it models and agents stop")

    def _put(self, event: str, title: str, text: str, trial: str = "", improvement: float | None = None) -> None:
        self._background.put(Message(event, self._lab, plain(title), plain(text), trial, improvement))


def _run(command: str, message: Message) -> None:
    try:
        done = subprocess.run(
            command,
            shell=True,
            input=json.dumps(asdict(message)),
            text=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise AutogitError(f"{command!r} took more than {COMMAND_SECONDS:g} s") from None
    if done.returncode:
        raise AutogitError(f"{command!r} ended with exit status {done.returncode}: {done.stderr.strip()[-200:]}")


def _apprise(url: str) -> Callable[[Message], object]:
    try:
        import apprise
    except ImportError:
        raise AutogitError(
            "[notify] urls needs Apprise: pip install 'autogit[notify]'; a command needs nothing"
        ) from None
    missing = [name for name in re.findall(r"\$\{?(\w+)\}?", url) if name not in os.environ]
    if missing:
        raise AutogitError(f"[notify] urls: the environment variable {missing[0]} is not set")
    target = apprise.Apprise()
    if not target.add(os.path.expandvars(url)):
        raise AutogitError(f"[notify] urls: Apprise does not know {url.partition(':')[0]}://; see its list of services")

    def send(message: Message) -> None:
        if not target.notify(title=message.title, body=message.text):
            raise AutogitError("the message was not taken")

    return send
