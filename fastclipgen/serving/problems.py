"""What a request can be refused for, each with its HTTP status. Messages are one sentence, as every UserError's."""

from __future__ import annotations

from fastclipgen.errors import UserError


class Refusal(UserError):
    """A request that is refused. status: of the answer; headers: that go with it."""

    status = 422
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to


class NotFound(Refusal):
    status = 404


class WrongState(Refusal):
    """What is asked for is not possible as the run is now."""

    status = 409


class TooMany(Refusal):
    """Later there may be room again."""

    status = 429
    headers = {"Retry-After": "5"}  # noqa: RUF012
