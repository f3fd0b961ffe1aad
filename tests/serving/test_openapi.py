"""/openapi.json: complete, and true of what schemathesis thinks of asking."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from fastclipgen.config.run import RunConfig
from fastclipgen.serving.client import Client
from fastclipgen.serving.server import Service

from .drawing import settings_of

EXAMPLES = 20
# What settings go together is more than a schema can say (a mask needs a start picture), and settings are read as those
# of YAML files are ("3" is a number): whether data is taken is not compared with the schema.
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, unsupported_method,
]  # fmt: skip
ROUTES = [
    ("GET", "/api"), ("POST", "/api/runs"), ("GET", "/api/runs"), ("GET", "/api/runs/{id}"),
    ("DELETE", "/api/runs/{id}"), ("GET", "/api/runs/{id}/events"), ("GET", "/api/runs/{id}/picture"),
    ("GET", "/api/runs/{id}/result"), ("POST", "/api/runs/{id}/cancel"), ("POST", "/api/runs/{id}/pause"),
    ("POST", "/api/runs/{id}/resume"), ("GET", "/api/experiments/schema"), ("POST", "/api/experiments"),
    ("POST", "/api/experiments/check"), ("PUT", "/api/runs/{id}/experiment"), ("GET", "/api/runs/{id}/figures"),
    ("GET", "/api/runs/{id}/views"), ("POST", "/api/runs/{id}/save"), ("GET", "/api/runs/{id}/files/{name}"),
]  # fmt: skip


@pytest.fixture
def document(service: Service) -> dict[str, Any]:
    return httpx.get(service.address + "/openapi.json").json()


def test_every_route_is_there_with_every_answer(document: dict[str, Any]) -> None:
    found = {
        (method.upper(), path): route for path, ways in document["paths"].items() for method, route in ways.items()
    }
    assert sorted(found) == sorted(ROUTES)
    for (method, path), route in found.items():
        assert route.get("description"), (method, path)
        answers = set(route["responses"])
        assert answers >= {"401", "403", "408", "413", "422"}, (method, path)
        assert ("404" in answers) == ("{id}" in path)
        for status, answer in route["responses"].items():
            if status >= "400":
                assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Problem"), (path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_settings_are_those_of_yaml_files(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["RunConfig"]["properties"]
    assert set(fields) == set(RunConfig.model_fields)
    assert fields["prompts"]["description"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whatever_is_asked_is_answered_as_it_says(service: Service, api: Client, method: str, path: str) -> None:
    """Half of the questions are about a run that there is."""
    ids = [api.submit(settings_of())["id"] for _ in range(3)]
    api.wait(ids[-1])
    schema = schemathesis.openapi.from_url(service.address + "/openapi.json")
    operation = schema[path][method]
    asked: list[int] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if "{id}" in path and len(asked) % 2:
            case.path_parameters["id"] = ids[len(asked) % len(ids)]
        answer = case.call_and_validate(checks=CHECKS, timeout=20)
        asked.append(answer.status_code)

    ask()
    assert len(asked) >= (EXAMPLES if "{id}" in path else 1)
    # of those that are not there, and of those that are, where what is asked for is not always missing
    assert len(set(asked)) > 1 or "{id}" not in path or "{name}" in path
