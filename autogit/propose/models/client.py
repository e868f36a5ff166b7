"""One call to a model behind an OpenAI-compatible server: streamed, tried again, paid for, and its key kept secret."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from autogit.config.model import Llm
from autogit.errors import CostLimitError, Interrupted, ProposerError
from autogit.propose.models.quote import inline, tokens
from autogit.propose.models.stream import Reader, Received, ServerError
from autogit.records import Usage

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam

T = TypeVar("T")

OPENAI = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0
MILLION = 1_000_000
MAX_WAIT_SECONDS = 120.0
"""How long a server may ask to be left alone; beyond that the loop goes on without it."""
TRIES_WITHOUT_SENSE = 3
"""Tries of what is slow or gives no proper answer: a wrong address does so each time."""
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
_FINAL_CODES = frozenset({"400", "401", "402", "403", "404", "422", "INVALID_ARGUMENT", "PERMISSION_DENIED",
                          "UNAUTHENTICATED", "NOT_FOUND", "invalid_api_key", "model_not_found",
                          "invalid_request_error", "authentication_error", "context_length_exceeded"})  # fmt: skip
"""Codes of an error in a body, with status 200, that would be final as a status."""
_KEY = re.compile(r"\bapi.?key\b", re.IGNORECASE)


class CostLimit:
    """What models and agents may cost in one loop, and what they have cost. `limit` None: no limit."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._spent = 0.0
        self._lock = threading.Lock()

    @property
    def left(self) -> float | None:
        """Money that is left; None without a limit."""
        with self._lock:
            return None if self._limit is None else max(0.0, self._limit - self._spent)

    def pay(self, cost: float) -> None:
        """Counts a call that was made, whether or not anything came of it."""
        with self._lock:
            self._spent += cost

    def check(self) -> None:
        """Raises CostLimitError if the limit is reached: the next call is not made."""
        with self._lock:
            if self._limit is not None and self._spent >= self._limit:
                raise CostLimitError(
                    f"the cost limit is reached: {self._spent:.4g} spent of {self._limit:.4g} (limits.cost, --max-cost)"
                )


def priced(input_tokens: int, output_tokens: int, seconds: float, price_input: float, price_output: float) -> Usage:
    """Returns the usage of one call; prices are for a million tokens."""
    cost = (input_tokens * price_input + output_tokens * price_output) / MILLION
    return Usage(input_tokens, output_tokens, seconds, cost)


@dataclass(frozen=True, slots=True)
class Message:
    """One side's words."""

    text: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, in how many tokens."""

    text: str
    cut: bool
    """It reached `max_tokens`: the text is not whole."""
    refusal: str
    usage: Usage
    thought: bool = False
    """Whether it also sent thoughts, apart from the text."""
    tools: bool = False
    """Whether it called a tool, though it was offered none."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a failed call is tried again: after `first` seconds, then twice as long each time, at most `most`.

    By default a server may be away for about four minutes.
    """

    attempts: int = 9
    first: float = 1.0
    most: float = 60.0

    def delay(self, failed: int) -> float:
        """Returns the seconds to wait after so many failures."""
        return min(self.most, self.first * 2.0 ** (failed - 1))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed."""

    reason: str
    tries: int | None = None
    """How often it is tried in all: 1 if trying again cannot help. Default: as often as patience allows."""
    wait: float | None = None
    """Seconds that the server asks to wait."""


class Client:
    """A model behind a server. `key` is sent to that server and to nobody else; no message of ours holds it."""

    def __init__(
        self,
        model: Llm,
        key: str,
        cost: CostLimit,
        cancel: threading.Event,
        patience: Patience | None = None,
    ) -> None:
        self._model = model
        self._key = key
        self._cost = cost
        self._cancel = cancel
        self._patience = patience or Patience()
        self._openai: OpenAI | None = None
        self._owed = Usage()

    def owed(self) -> Usage:
        """Returns what was used since this was last asked, calls that gave no reply included: for the next record."""
        owed, self._owed = self._owed, Usage()
        return owed

    def complete(self, messages: Sequence[Message], tell: Callable[[str], None] = lambda text: None) -> Reply:
        """Returns the model's next words. Tries again if the failure may pass; its usage counts all tries, and calls
        before that gave none. `tell` hears which try follows, of how many, why, and for how long it has lasted.

        Raises ProposerError if trying again cannot help or has not, Interrupted if the loop ended.
        """
        begun = time.monotonic()
        for failed in range(1, self._patience.attempts + 1):
            self._cost.check()
            received, started = Received(), time.monotonic()
            try:
                problem = self._attempt(messages, received)
            finally:
                self._owed += self._pay(messages, received, time.monotonic() - started)
            if problem is None:
                text, refusal = self.redacted(received.text), self.redacted(received.refusal)
                if received.finish == "content_filter":
                    refusal = refusal or "the server's content filter stopped the answer"
                return Reply(text, received.cut, refusal, self.owed(), received.thought > 0, received.tools)
            tries = min(self._patience.attempts, problem.tries or self._patience.attempts)
            if failed >= tries:
                raise ProposerError(problem.reason + (f" ({failed} tries)" if failed > 1 else ""))
            delay = self._patience.delay(failed) if problem.wait is None else problem.wait
            since = time.monotonic() - begun
            tell(f"{problem.reason}; try {failed + 1} of {tries} in {delay:.3g} s ({since:.0f} s so far)")
            if self._cancel.wait(delay):
                raise Interrupted("stopped while a model was waited for")
        raise AssertionError("unreachable: the last attempt returns or raises")

    def served(self) -> list[str] | None:
        """Returns the models that the server says it has; None if it does not say."""
        import openai

        try:
            return [each.id for each in self._connected().models.list()]
        except (openai.OpenAIError, ValueError, TypeError, AttributeError):
            # A list of another shape is none.
            return None

    def redacted(self, text: str) -> str:
        """Returns `text` without the key, should a server repeat it."""
        return text.replace(self._key, "[key]") if self._key else text

    def _attempt(self, messages: Sequence[Message], received: Received) -> Failure | None:
        try:
            broken = self._cancellable(lambda: self._stream(messages, received), received)
        except Interrupted:
            raise
        except Exception as error:  # Whatever a server, a proxy or a library does is a failure of this call.
            broken = error
        ended = received.finish and received.finish != "error"
        if ended or (broken is None and received.error is None and received.text):
            # A whole answer is one, also if the connection broke behind it, or nobody said why it ends.
            return None
        if broken is not None and received.error is None:
            return failure(broken, self._model, self.redacted)
        return self._unanswered(received)

    def _unanswered(self, received: Received) -> Failure | None:
        """Why a response that ended by itself holds no text; None if that is what the model had to say."""
        name, server = self._model.model, server_name(self._model)
        if received.error is not None:
            return body_failure(received.error, self._model, self.redacted)
        if received.refusal or received.tools or (received.thought and received.done):
            return None
        said = inline(self.redacted(received.unread), 200)
        if re.match(r"<(!doctype|html|\?xml)", said, re.IGNORECASE):
            said = f"a web page ({said[:60]}); check llm.base_url"
        return Failure(f"{name}: {server} gives no proper answer: {said or 'nothing'}", TRIES_WITHOUT_SENSE)

    def _cancellable(self, call: Callable[[], T], received: Received) -> T:
        """Waits for a call in a thread of its own: nothing interrupts it, and a second Ctrl-C must not wait for it."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # Handed on whole to whoever waits.
                future.set_exception(error)

        threading.Thread(target=work, name=f"call {self._model.model}", daemon=True).start()
        deadline = time.monotonic() + self._model.timeout
        try:
            while True:
                try:
                    return future.result(timeout=min(0.1, max(0.0, deadline - time.monotonic())))
                except TimeoutError:
                    if self._cancel.is_set():
                        raise Interrupted("stopped while a model was waited for") from None
                    if future.done() or time.monotonic() >= deadline:
                        raise
        finally:
            received.given_up = True

    def _stream(self, messages: Sequence[Message], received: Received) -> Exception | None:
        """Fills `received`. Returns what broke the answer off, None if it ended well; raises if none began."""
        from openai import omit

        client, model = self._connected(), self._model
        said: list[ChatCompletionMessageParam] = [
            # Some servers refuse a message without a text.
            {"role": "user", "content": m.text} if m.ours else {"role": "assistant", "content": m.text or "(nothing)"}
            for m in messages
        ]
        # OpenAI's reasoning models know only the new name, most other servers only the old one.
        new_name = client.base_url.host.endswith("openai.com")
        reader = Reader(received)
        # The bytes are read here: the library takes every event for one of OpenAI's, and fails if it is not.
        with client.chat.completions.with_streaming_response.create(
            model=model.model,
            messages=said,
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=model.max_tokens if new_name else omit,
            max_tokens=omit if new_name else model.max_tokens,
            temperature=omit if model.temperature is None else model.temperature,
            reasoning_effort=omit if model.reasoning_effort is None else model.reasoning_effort,
        ) as response:
            try:
                for data in response.iter_bytes():
                    if received.given_up:
                        return None
                    reader.feed(data)
                    if received.done:
                        break
            except Exception as error:
                reader.close()
                return error
            reader.close()
            length = {"content-length", "transfer-encoding"} & {name.lower() for name in response.headers}
            if not (received.done or length):
                return ConnectionError("it does not say that it is whole")
        return None

    def _connected(self) -> OpenAI:
        if self._openai is None:
            from openai import OpenAI, Timeout

            # Retried here and not there: a stream that breaks off has to be asked for again as well.
            self._openai = OpenAI(
                api_key=self._key or "none",
                # Never left to $OPENAI_BASE_URL: the key goes where the configuration says.
                base_url=self._model.base_url or OPENAI,
                # A server that is there takes a call at once, however long it thinks about it.
                timeout=Timeout(self._model.timeout, connect=min(self._model.timeout, CONNECT_SECONDS)),
                max_retries=0,
            )
            if self._model.base_url:
                # $OPENAI_ORG_ID and $OPENAI_PROJECT_ID are OpenAI's business, no other server's.
                self._openai.organization = self._openai.project = None
        return self._openai

    def _pay(self, messages: Sequence[Message], received: Received, seconds: float) -> Usage:
        """Returns the usage of one try; what a server that has begun to answer does not tell is estimated."""
        output = tokens(received.text) + received.thought // 3
        asked = sum(tokens(m.text) for m in messages) if output else 0
        sent = asked if received.input_tokens is None else received.input_tokens
        came = output if received.output_tokens is None else received.output_tokens
        usage = priced(sent, came, seconds, self._model.price_input, self._model.price_output)
        self._cost.pay(usage.cost)
        return usage


def failure(error: Exception, model: Llm, redacted: Callable[[str], str]) -> Failure:
    """Returns what an error of a call means for this model. `redacted` takes the key out of a server's words.

    A message about the key never repeats what the server says of it, since servers quote parts of keys.
    """
    import openai

    name, server = model.model, server_name(model)
    said = inline(redacted(str(error)), 300)  # first redacted: a key that is cut off would not be found
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return Failure(f"{name}: {server} refuses {_key(model)} (HTTP {error.status_code}); check it", 1)
        case openai.APIError(code=code, type=kind) if code in _QUOTA or kind in _QUOTA:
            return Failure(f"{name}: the quota at {server} is used up: {said}", 1)
        case openai.NotFoundError():
            return Failure(f"{name}: {server} does not know this model, or llm.base_url is wrong: {said}", 1)
        case openai.APIStatusError(status_code=402):
            return Failure(f"{name}: the balance at {server} is used up: {said}", 1)
        case openai.RateLimitError():
            wait = _wait(error)
            if wait is not None and wait > MAX_WAIT_SECONDS:
                return Failure(f"{name}: {server} limits the rate and asks to wait {wait:.0f} s", 1)
            return Failure(f"{name}: {server} limits the rate: {said}", wait=wait)
        case openai.APIStatusError(status_code=400) if _KEY.search(said):
            return Failure(f"{name}: {server} refuses {_key(model)} (HTTP 400); check it", 1)
        case openai.APIStatusError(status_code=status) if status < 500 and status not in (408, 409, 425):
            return Failure(f"{name}: {server} does not accept the request (HTTP {status}): {said}", 1)
        case openai.APIStatusError():
            wait = _wait(error)
            return Failure(f"{name}: {server} fails: {said}", wait=wait if wait and wait <= MAX_WAIT_SECONDS else None)
        case openai.APIConnectionError() if not isinstance(error, openai.APITimeoutError):
            return Failure(f"{name}: {server} cannot be reached or dropped the connection")
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        seconds = f"llm.timeout: {model.timeout:g} s"
        return Failure(f"{name}: {server} gave no whole answer in time ({seconds})", TRIES_WITHOUT_SENSE)
    if isinstance(error, openai.OpenAIError):
        return Failure(f"{name}: {server} gives no proper answer: {said}", TRIES_WITHOUT_SENSE)
    return Failure(f"{name}: the answer of {server} broke off{f': {said}' if said else ''}")


def body_failure(error: ServerError, model: Llm, redacted: Callable[[str], str]) -> Failure:
    """Returns what an error means that a server sent with status 200."""
    name, server, said = model.model, server_name(model), inline(redacted(error.message), 300)
    if error.code in _QUOTA:
        return Failure(f"{name}: the quota at {server} is used up: {said}", 1)
    if error.code in ("401", "403", "invalid_api_key", "UNAUTHENTICATED", "authentication_error") or (
        _KEY.search(said) and error.code in _FINAL_CODES
    ):
        return Failure(f"{name}: {server} refuses {_key(model)}; check it", 1)
    if error.code in _FINAL_CODES:
        return Failure(f"{name}: {server} does not accept the request ({error.code}): {said}", 1)
    return Failure(f"{name}: {server} fails: {said}")


def server_name(model: Llm) -> str:
    """Returns the server's host and port, without credentials that a URL may hold."""
    if not model.base_url:
        return "OpenAI's server"
    return re.sub(r"^.*@", "", urlsplit(model.base_url).netloc) or inline(model.base_url, 60)


def _key(model: Llm) -> str:
    return f"the key in ${model.api_key_env}" if model.api_key_env else "a call without a key (llm.api_key_env)"


def _wait(error: object) -> float | None:
    """The server's `retry-after`, in seconds."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"\d+(\.\d*)?", value := headers.get(name, "")):
            return float(value) * unit
    return None
