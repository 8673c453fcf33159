"""``docs/api.md`` names what there is: every call, limit, status and stage, and none that is not there."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from serve_process import Client

from cafepick.server.schemas import Stage
from cafepick.server.settings import Limits

DOCS = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def plain(path: str) -> str:
    """Return a path without its query, and with nameless parameters."""
    return re.sub(r"\{\w+\}", "{}", re.split(r"[?…]", path)[0])


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_every_call_is_documented_and_every_documented_call_is_there(client: Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    there = {
        (method.upper(), plain(path.removeprefix("/api/v1"))) for path, item in described.items() for method in item
    }
    written = {(method, plain(path)) for method, path in re.findall(r"\| `(GET|POST|PUT|PATCH|DELETE) (\S+?)`", DOCS)}
    assert written - {("GET", "/openapi.json")} == there


def test_every_limit_is_documented_with_its_default() -> None:
    written = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", DOCS, re.MULTILINE))
    assert {name: int(value) for name, value in written.items()} == asdict(Limits())


def test_every_stage_and_status_is_documented() -> None:
    for stage in get_args(Stage):
        assert f"`{stage}`" in DOCS
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \|", DOCS, re.MULTILINE)}
    from cafepick.server.routes.answers import ERRORS

    assert statuses == set(ERRORS) | {405}


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_a_body_that_is_no_json_is_answered_as_documented(client: Client) -> None:
    (status,) = re.findall(r"^\| (\d{3}) \| .*the body is no JSON", DOCS, re.MULTILINE)
    answer = client.post("/checks", content=b"no JSON", headers={"Content-Type": "application/json"})
    assert answer.status_code == int(status)
