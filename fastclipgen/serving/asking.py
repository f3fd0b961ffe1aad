"""What routes have in common: the parts of a request, and what is told of runs."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Path, Query, Request

from fastclipgen.serving import models
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.store import Row

_CLIENT = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")

Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="of the run")]
Index = Annotated[int, Query(ge=0, le=1_000_000, description="of the picture among those of the run")]


def told(queue: Queue, rows: list[Row]) -> list[models.Run]:
    """What is told of runs."""
    ahead = queue.ahead(rows)
    return [models.run_of(row, queue.store.pictures(row.number), queue.live, ahead.get(row.id)) for row in rows]


def client_of(
    request: Request,
    x_client: Annotated[
        str | None, Header(pattern=f"^{_CLIENT.pattern}$", description="whose turn a run takes; else the address")
    ] = None,
) -> str:
    """Who asks: what the client calls itself, or its address."""
    return x_client or (request.client.host if request.client else "unknown")
