"""`.autoresearch.toml` as frozen dataclasses, each field explained underneath.

docs/configuration.md is made from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from autogit.config.binding import Bounds
from autogit.config.patterns import Pattern
from autogit.config.space import Space

FILENAME = ".autoresearch.toml"

Count = Annotated[int, Bounds(least=1)]
Whole = Annotated[int, Bounds(least=0)]
Positive = Annotated[float, Bounds(above=0)]
NotNegative = Annotated[float, Bounds(least=0)]
Share = Annotated[float, Bounds(least=0, most=1)]
Direction = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Train:
    """How a trial is trained, and which files a proposal may change."""

    command: str
    """Run by `sh` in the workspace folder. Placeholders: {seed}, {steps}, {seconds}, {out} (a folder for checkpoints
    and other output), {gpus} (how many, at least 1), {python} (the interpreter that runs autogit). Literal braces are
    doubled."""
    editable: tuple[str, ...] = ("**/*.py",)
    """Globs of the files that a proposal may change or add."""
    protected: tuple[str, ...] = ()
    """Globs of files that no proposal may change, whatever `editable` says. The configuration always is."""
    data: tuple[str, ...] = ()
    """Paths that git ignores and training reads (data sets, caches). They are visible in every checkout, read-only."""
    threads: Count | None = None
    """CPU threads of a run (OMP_NUM_THREADS and its like). Default: this machine's cores, shared between jobs."""
    gpus_per_run: Whole | None = None
    """GPUs of a run. Default: one where there is any."""
    seed: Whole = 1
    """The first seed; further ones lie far apart from it and from each other."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """A protected command that measures what training produced, in a process of its own."""

    command: str = ""
    """Run after training, from the base commit's protected files, with {out} read-only. What it prints replaces what
    training printed. Without it metrics are marked `self-reported`. Placeholders as in `train.command`."""
    audit: str = ""
    """As `command`, on data that is never used for choosing: it scores the best of a loop once, at its end."""
    timeout: Positive = 600.0
    """Seconds."""
    holdout: str = ""
    """A protected command that prints, one a line, the absolute paths that hold what models are scored on. Training
    finds them empty. A line `data_hash: X` goes into every record. Placeholder: {python}."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The primary metric: what decides."""

    name: str = "val_loss"
    direction: Direction = "min"
    min_delta: NotNegative = 0.0
    """How much better than the incumbent a change has to be, in the metric's own unit."""
    target: float | None = None
    """The loop ends when the incumbent reaches this value."""
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions for output that is not understood by itself: metric = 'acc: ([0-9.]+)'. One group, the value;
    a second one named `step` where the line has it: '(?P<step>\\d+).*acc ([0-9.]+)'."""
    objective: Literal["primary", "composite"] = "primary"
    """What is compared: this metric alone, or the weighted mean of log ratios to the baseline of all metrics that have
    a weight in `[metrics]` (this one weighs 1 unless it is listed there)."""

    def better(self, a: float, b: float) -> bool:
        """Returns whether `a` is strictly better than `b`."""
        return self.lead(a, b) > 0

    def lead(self, value: float, over: float) -> float:
        """Returns how much better `value` is than `over`, in the metric's own unit; negative if it is worse."""
        return over - value if self.direction == "min" else value - over


@dataclass(frozen=True, slots=True)
class Secondary:
    """`[metrics.NAME]`: another metric that is weighed or guarded; the primary one may be listed too."""

    direction: Direction = "min"
    """Which way is better. Of the primary metric, `metric.direction` counts."""
    weight: NotNegative = 0.0
    """Its share of the composite; 0 is a guard alone."""
    max: float | None = None
    """A trial whose mean lies above it is rejected, whatever its score."""
    min: float | None = None
    """A trial whose mean lies below it is rejected, whatever its score."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may spend: one of steps, seconds or flops. Without any, `limits.hours` and `limits.trials` together
    give each run its share of the time; a loop with one of them, or none, lets each run finish, but
    accepts none that took more steps than the baseline (or, if none are reported, twice its time and 2 s)."""

    steps: Count | None = None
    """Passed as {steps}; the script keeps to it."""
    seconds: Positive | None = None
    """Wall time, passed as {seconds}; at its end the run gets SIGTERM and keeps what it measured (truncated)."""
    compare: Literal["budget", "step"] = "budget"
    """Goes with `seconds`: "step" ends each run at the step that the very first one reached in its time, so that runs
    compare by what they learned from as many steps, however fast; `timeout` bounds the slow ones."""
    flops: Positive | None = None
    """Training compute. `budget.command` turns it into the number of steps of each trial's own model."""
    command: str = ""
    """Goes with `flops`: a protected command that prints `steps: N` for the trial's code. Placeholder: {flops}."""
    check: str = ""
    """Goes with `flops`: a protected command that watches one whole training of a change that is about to be accepted,
    and prints `refused: REASON` where it spends more. Placeholders: {flops}, {steps}, {seed}."""
    grace: NotNegative = 10.0
    """Seconds between SIGTERM and SIGKILL, to write the summary and the checkpoint."""
    timeout: Positive | None = None
    """Seconds after which a run has failed. Default: five times what the baseline took."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a loop ends. The command line's options go before these."""

    trials: Count | None = None
    """Trials of one `autogit loop`, the baseline not counted."""
    hours: Positive | None = None
    patience: Count | None = None
    """End after this many trials in a row without an accepted one."""
    cost: NotNegative | None = None
    """Money for model calls in one loop; past it the other proposers go on."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a person's training needs beyond the sandbox, opened by name; and the limits it runs under."""

    tier: Literal["auto", "bubblewrap", "landlock", "rlimits"] = "auto"
    """The level of protection: the strongest one that works here, or exactly the named one."""
    trust_models: bool = False
    """Whether changes made by a model or an agent may run where the level is "rlimits": they could read your files and
    send them away. Without it models and agents are left out there."""
    network: bool = False
    pass_env: tuple[str, ...] = ()
    """Names of environment variables that training sees. Of the rest only PATH, LANG, and their like are passed."""
    read: tuple[str, ...] = ()
    """Further paths that training may read."""
    memory_gb: Positive | None = None
    """Memory of a run's whole process tree. Default: 90% of what the machine has."""
    processes: Count = 512
    disk_gb: Positive = 20.0
    """What one run may write in all."""
    output_mb: Positive = 16.0
    """How much of a run's printed output is read; a run that prints more goes on unread."""


@dataclass(frozen=True, slots=True)
class Accept:
    """How a trial is judged."""

    rule: str = "race"
    """`race`, `stack` or `greedy` (docs/evaluation.md), or one that another package brings."""
    confidence: Annotated[float, Bounds(least=0.5, most=0.999)] = 0.99
    seeds: Count = 5
    """The most seeds that one trial is run with."""
    proof: Share = 0.3
    """Under `stack`: the share of all training that proofs may cost. One more is made when a loop ends."""
    margin: NotNegative = 0.0
    """How much worse, in standard deviations of the noise, a change that removes code may be and still be accepted."""


@dataclass(frozen=True, slots=True)
class Llm:
    """A language model that makes proposals, on any server that speaks OpenAI's protocol. Several, as `[[llm]]`, are a
    portfolio."""

    model: str
    """As the server names it."""
    base_url: str = ""
    """The server, such as "http://localhost:8000/v1". Default: OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; "" for a server that wants none. The key itself is never written."""
    temperature: Annotated[float, Bounds(least=0, most=2)] | None = None
    """Default: the server's."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """For models that know it. Default: the server's."""
    max_tokens: Count = 16384
    """Most tokens of one answer, reasoning included."""
    context: Count = 60000
    """Most tokens of one prompt (estimated). Older trials are told in less detail to fit it; files are never cut."""
    timeout: Positive = 600.0
    """Seconds that one call may take."""
    repairs: Whole = 2
    """How often an answer that does not land is given back to be mended."""
    price_input: NotNegative = 0.0
    """Money for a million tokens of prompt, in any currency; `limits.cost` is in the same."""
    price_output: NotNegative = 0.0
    """Money for a million tokens of answer."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A command-line coding agent that makes proposals by editing the files in a clone of the lab."""

    command: str = ""
    """Run by `sh` in that clone, with your own environment. {briefing} stands for the path of the task's text, which
    also lies there as AUTOGIT_BRIEFING.md. Without a command there is no agent."""
    timeout: Positive = 1800.0
    """Seconds, after which it and all that it started are ended."""
    context: Count = 60000
    """Most tokens of the briefing (estimated)."""
    price_input: NotNegative = 0.0
    """Money for a million tokens, for an agent that prints its tokens and not what they cost."""
    price_output: NotNegative = 0.0


@dataclass(frozen=True, slots=True)
class Search:
    """Who proposes, and how long the others wait for a model or an agent."""

    only: Literal["", "llm", "agent"] = ""
    """Nobody but the language models, or the agent, proposes; the loop ends if they cannot go on. `--only` sets it."""
    models: Share | None = None
    """Share of the trials that models and agents propose: 1 lets them lead, 0.5 gives them every other trial. The rest,
    and what they leave, is the other proposers'. Default: by what their proposals bring, and at most 0.3."""
    wait: Share = 0.1
    """The most of the time that may go by waiting for a model or an agent that is asked only when the latest verdict is
    known. If it would be more, since runs are short or many side by side, it is asked while a trial trains."""


@dataclass(frozen=True, slots=True)
class Prune:
    """Stops a run that cannot win, by comparing it with the incumbent's curve of the same seed."""

    confidence: Annotated[float, Bounds(least=0, most=0.999)] = 0.95
    """How sure to be that a stopped run would have lost. 0 lets every run finish."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What is kept of the runs' output folders."""

    keep: Whole = 3
    """The best trials whose output is kept, besides the incumbent's."""
    max_gb: Positive = 20.0
    """All kept output together; the worst goes first."""


@dataclass(frozen=True, slots=True)
class Check:
    """A gate before training: a change that breaks it never trains. Protect the files that it needs, such as tests
    (`train.protected`), or a change could edit them."""

    command: str = ""
    """Run by `sh` in a checkout of the trial, in the sandbox; any exit status but 0 fails. Such as "pytest -q". The
    unchanged code has to pass it, too. Placeholders as in `train.command`."""
    timeout: Positive = 600.0
    """Seconds after which it has failed."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told while a loop runs, and nobody watches: a new best, the end and why, a broken environment, money at
    80% of `limits.cost`."""

    urls: tuple[str, ...] = ()
    """Where to, as Apprise writes it ("ntfy://topic", "slack://$SLACK_TOKEN"); needs autogit[notify]. $NAME stands for
    an environment variable: this file is kept in git, so no key may stand in it."""
    command: str = ""
    """Run by `sh` for each event, which it gets as JSON on standard input."""


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """Where runs go."""

    backend: str = "local"
    """`local`, this machine, or one that another package brings."""


@dataclass(frozen=True, slots=True)
class Observe:
    """Who listens while a loop runs."""

    exporters: tuple[str, ...] = ()
    """Names of exporters (`tsv`, `jsonl`, `csv`, `mlflow`, `tensorboard`, `wandb`, or installed ones) that get each
    trial as it is closed. One that fails is left out, and the loop goes on."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, and where it was found."""

    train: Train
    workspace: str = "."
    """The repository under research, relative to this file. "." is the repository that the file lies in; a named folder
    that is no repository yet becomes one."""
    main: str | None = None
    """The branch that receives accepted changes. Default: the one that is checked out when the first trial is made."""
    metric: Metric = Metric()
    metrics: Mapping[str, Secondary] = field(default_factory=dict)
    """Other metrics with their weights and guards, by name."""
    evaluate: Evaluate = Evaluate()
    budget: Budget = Budget()
    limits: Limits = Limits()
    space: Space = field(default_factory=Space)
    pattern: tuple[Pattern, ...] = ()
    """The person's own structural changes, beside the catalogue: `[[pattern]]` (docs/patterns.md)."""
    catalogue: bool = True
    """Whether the patterns that ship with autogit are tried."""
    accept: Accept = Accept()
    sandbox: Sandbox = Sandbox()
    llm: tuple[Llm, ...] = ()
    """Language models, as [llm] or as several [[llm]]."""
    agent: Agent = Agent()
    search: Search = Search()
    prune: Prune = Prune()
    checkpoints: Checkpoints = Checkpoints()
    check: Check = Check()
    executor: ExecutorChoice = ExecutorChoice()
    observe: Observe = Observe()
    notify: Notify = Notify()

    @property
    def terms(self) -> str:
        """Returns a hash of what two runs have to share for their numbers to compare, as far as it is configured.

        Twelve hexadecimal digits, of the command, data, metric, evaluator and budget. How changes are proposed, judged
        and protected is not among it.
        """
        metric, budget = self.metric, self.budget
        facts: list[object] = [
            self.train.command, self.train.data, self.evaluate.command, metric.name, metric.direction, metric.objective,
            sorted(metric.patterns.items()), budget.steps, budget.seconds, budget.compare, budget.flops, budget.command,
        ]  # fmt: skip
        if metric.objective == "composite":
            facts += [(name, second.direction, second.weight) for name, second in sorted(self.metrics.items())]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
