"""``cafepick serve``: the page and the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cafepick.cli.options import Device


def serve(
    host: Annotated[
        str, typer.Option(help="Address to answer on. Beyond this computer a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65535)] = 8719,
    data: Annotated[Path, typer.Option(help="Folder of photos, models and the record.")] = Path("cafepick-data"),
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME for several stations. (default: a file in --data)")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="CAFEPICK_TOKEN",
            help="What clients must show. (default: none on this computer, else one is made and printed)",
        ),
    ] = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Photos judged at once.", min=1)] = 1,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another name under which this computer may be asked. Repeatable.")
    ] = None,
    limit: Annotated[list[str] | None, typer.Option("--limit", help="NAME=VALUE, see docs/api.md. Repeatable.")] = None,
) -> None:
    """Open the page on which beans are taught, trays checked and the record kept; and the HTTP API."""
    import secrets

    from cafepick.server.run import serve as run
    from cafepick.server.settings import Limits, Settings, is_loopback

    limits = Limits.of(limit or [])
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
        typer.echo(f"token: {token}")
    settings = Settings(
        data=data,
        host=host,
        port=port,
        database=database,
        token=token,
        device=device,
        workers=workers,
        allow_hosts=tuple(allow_host or ()),
        limits=limits,
    )
    name = "localhost" if is_loopback(host) else host
    run(settings, listening=lambda got: typer.echo(f"open http://{name}:{got}  (data in {data}; Ctrl-C stops)"))
