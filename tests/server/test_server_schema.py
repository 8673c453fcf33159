"""schemathesis asks a running server everything that its OpenAPI description allows, and much that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from serve_process import Served, checked, taken_in

CONFIG = """
[parameters]
"path.check" = "{check}"
"path.photo" = "{photo}"
"path.model" = "{model}"
"path.training" = "{training}"
"path.bean" = {bean}

# A body that is no photo or model is as the schema says and refused all the same.
[[operations]]
include-path = ["/api/v1/photos", "/api/v1/models", "/api/v1/inspect"]
include-method = "POST"
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 413, 415, 422]

# A rate that the model cannot promise, a method that it does not know, settings that are none.
[[operations]]
include-path = ["/api/v1/checks", "/api/v1/trainings", "/api/v1/checks/{{check}}", "/api/v1/checks/{{check}}/overlay"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("token", [None, "correct horse battery"])
def test_the_api_keeps_to_its_description(
    token: str | None, serve: Callable[..., Served], trays: list[Path], tiny_model: Path, tmp_path: Path
) -> None:
    logins = ("--token", token, "--limit", "logins=1000000")  # schemathesis knocks with wrong tokens too
    server = serve(*(logins if token else ()))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with server.client(headers=headers) as client:
        model = taken_in(client, tiny_model)
        check = checked(client, model, trays[0])
        photos = [{"id": check["photo"]["id"]}] * 2
        assert client.post("/trainings", json={"name": "none", "photos": photos}).status_code == 422
        bean = next(one["bean"] for one in check["verdicts"] if one["p_value"])
    ids = {"check": check["id"], "photo": check["photo"]["id"], "model": model, "training": "0" * 32, "bean": bean}
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(**ids))
    left_out = ["/events$"]  # a stream that lasts as long as a training
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--config-file", tmp_path / "schemathesis.toml", "run"),
        f"{server.url}/api/v1/openapi.json",
        *("--checks", "all", "--max-examples", "6", "--generation-deterministic", "--no-color", "--no-shrink"),
        *("--continue-on-failure", "--request-timeout", "60"),
        *("--phases", "coverage" if token else "examples,fuzzing,stateful"),  # each once, whatever the login
        *("--exclude-checks", "ensure_resource_availability"),  # ids are those above, not what a request made
        *(word for path in left_out for word in ("--exclude-path-regex", path)),
        *(word for name, value in headers.items() for word in ("--header", f"{name}:{value}")),
    ]
    ran = subprocess.run(
        [*map(str, command)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:]
    assert httpx.get(f"{server.url}/api/v1/health").json()["status"] == "ok"
    assert "Traceback" not in server.log.read_text()
