"""A server with work that draws in no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fastclipgen.serving.client import Client
from fastclipgen.serving.server import Service

from .drawing import Fake, client, served


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def service(tmp_path: Path, fake: Fake) -> Iterator[Service]:
    with served(tmp_path, fake) as service:
        yield service


@pytest.fixture
def api(service: Service) -> Client:
    return client(service, name="me")
