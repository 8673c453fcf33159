"""``cafepick watch``: follow the beans that pass a camera, and judge each once."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cafepick.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from cafepick.cli.live import Screen
    from cafepick.watch.latency import Summary
    from cafepick.watch.outlets import Background
    from cafepick.watch.records import Result


class Agree(str, Enum):
    """How many of a bean's views have to condemn it."""

    all = "all"
    any = "any"


def watch(
    source: Annotated[
        str,
        typer.Argument(
            help="A camera's number (0), an rtsp:// or http:// stream, a video file, or a folder that fills."
        ),
    ],
    model: options.ModelIn,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File of JSON lines, one a bean; continued. '-' is stdout.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="POST the beans to this http(s) address.")] = None,
    mqtt: Annotated[
        str | None, typer.Option(help="Publish the beans: mqtt://user:password@host:1883/topic, or mqtts://.")
    ] = None,
    summary_file: Annotated[Path | None, typer.Option("--summary", help="JSON file of the summary at the end.")] = None,
    method: options.How = options.Method.auto,
    false_reject: options.FalseReject = None,
    views: Annotated[int, typer.Option(help="Views of each bean that are judged at most.", min=1, max=20)] = 3,
    agree: Annotated[
        Agree, typer.Option(help="all: a bean is NG if all its views say so (flat belt); any: if one does (it rolls).")
    ] = Agree.all,
    lead: Annotated[
        float, typer.Option(help="Judge a bean at the latest so many seconds before it meets the ejector.", min=0)
    ] = 0.0,
    beyond: Annotated[
        float, typer.Option(help="The ejector is so many pixels behind the edge of the frame; before it if negative.")
    ] = 0.0,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of a video that does not say; makes a folder a belt.")
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a video as a camera would, and drop frames.")
    ] = False,
    idle: Annotated[
        float | None, typer.Option(help="End a folder after so many seconds without a new photo.", min=0)
    ] = None,
    give_up: Annotated[
        float | None, typer.Option(help="End after so many seconds without the camera. (default: never)", min=0)
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Follow beans on a belt: each is judged once, on its best views, and its exit is foreseen for an ejector."""
    from cafepick.cli.live import screen
    from cafepick.cli.stopping import stop_on_signal
    from cafepick.detector import Detector
    from cafepick.files import write_json
    from cafepick.watch.judge import JudgeSettings
    from cafepick.watch.outlets import PATIENCE
    from cafepick.watch.run import Reports, Watch, check_promise, watch_belt, watch_stills
    from cafepick.watch.sources import FeedOptions, open_feed
    from cafepick.watch.tracker import TrackSettings

    stop = threading.Event()
    to_stdout = str(out) == "-"
    with ExitStack() as stack:
        show = stack.enter_context(screen(quiet=to_stdout))
        stack.enter_context(_warnings_to(show))
        how = FeedOptions(fps=fps, realtime=realtime, idle=idle, give_up=give_up)
        feed = open_feed(source, how, stop=stop, notice=show.notice)
        detector = Detector.load(model, method=method.value, device=device)
        for words in detector.reservations():
            show.notice(words)
        job = Watch(
            tracking=TrackSettings(views=views, lead=lead, beyond=beyond),
            judging=JudgeSettings(
                false_reject=detector.usual_rate() if false_reject is None else false_reject, agreement=agree.value
            ),
        )
        check_promise(detector, job)
        senders = _senders(webhook, mqtt)
        write = stack.enter_context(_writer(out))

        def deliver(result: Result) -> None:
            write(result)
            for sender in senders:
                sender.put(result)
            show.result(result)

        with stop_on_signal() as stopping:
            go = watch_stills if feed.stills else watch_belt
            patience = PATIENCE
            reports = Reports(deliver, show.progress, lambda text: show.notice(f"note: {text}"))
            try:
                summary = go(feed, detector, job, reports, stop=stop, stopping=stopping)
            except KeyboardInterrupt:  # the second one
                patience = 0.0
                raise
            finally:
                for sender in senders:
                    sender.close(patience)
    outlets = {sender.receiver.name: sender.counts() for sender in senders}
    if summary_file is not None:
        write_json(summary_file, {"source": _shown(source), **summary.to_json(), "outlets": outlets})
    raise typer.Exit(_told(summary, outlets))


def _senders(webhook: str | None, mqtt: str | None) -> list[Background]:
    """Open what takes results in the background."""
    from cafepick.watch.mqtt import Mqtt
    from cafepick.watch.outlets import Background
    from cafepick.watch.webhook import Webhook

    receivers = [Webhook(webhook)] if webhook else []
    return [Background(receiver) for receiver in (*receivers, *([Mqtt(mqtt)] if mqtt else []))]


@contextmanager
def _writer(out: Path | None) -> Iterator[Callable[[Result], None]]:
    """Yield what writes a line of JSON, if one is wanted."""
    from cafepick.cli.live import to_stdout
    from cafepick.watch.outlets import JsonLines, json_line

    if out is None:
        yield lambda _: None
    elif str(out) == "-":
        yield lambda result: to_stdout(json_line(result))
    else:
        lines = JsonLines(out)
        try:
            yield lines.write
        finally:
            lines.close()


@contextmanager
def _warnings_to(show: Screen) -> Iterator[None]:
    """Show what outlets log while the table is up."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: show.notice(f"warning: {record.getMessage()}")
    logger = logging.getLogger("cafepick.watch")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _shown(source: str) -> str:
    from cafepick.watch.video import without_password

    return without_password(source)


def _told(summary: Summary, outlets: dict[str, dict[str, int]]) -> int:
    """Tell how it went on stderr; return the exit status that this means."""
    from cafepick.cli.live import dropped_in_words, in_words

    lines = [in_words(summary), dropped_in_words(summary)]
    lines += [f"skipped {name}: {reason}" for name, reason in summary.unreadable.items()]
    for name, counts in outlets.items():
        lost = counts["failed"] + counts["discarded"] + counts["waiting"]
        lines.append(f"{name}: {counts['delivered']} beans delivered" + (f", {lost} not" if lost else ""))
    sys.stderr.write("".join(f"{line}\n" for line in lines if line))
    if summary.stopped:
        return 130
    return options.SOME_PHOTOS_FAILED if summary.unreadable else 0
