"""Results reach a real broker, a process of its own, whatever becomes of it meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from outlet_parts import free_port, result, wait_for

from cafepick.errors import ConfigError
from cafepick.watch.mqtt import Address, Mqtt
from cafepick.watch.outlets import Background

paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt comes with the extra 'watch'")
pytest.importorskip("amqtt", reason="the broker comes with the extra 'dev'")

SETTINGS = """
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  {plugin}
"""
ANYBODY = "amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}"


class Broker:
    """A broker on a port of its own, which can be started and killed."""

    def __init__(self, folder: Path, plugin: str = ANYBODY) -> None:
        self.port = free_port()
        self._settings = folder / "broker.yaml"
        self._settings.write_text(SETTINGS.format(port=self.port, plugin=plugin))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("amqtt")), "-c", str(self._settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets anybody in, not started yet."""
    one = Broker(tmp_path)
    yield one
    one.kill()


@contextmanager
def subscriber(port: int, topic: str) -> Iterator[tuple[list[int], threading.Event]]:
    """Numbers of the beans that a client of the broker gets, and whether it listens (again)."""
    from paho.mqtt.enums import CallbackAPIVersion

    got: list[int] = []
    listening = threading.Event()
    reader = paho.Client(CallbackAPIVersion.VERSION2)
    reader.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    reader.on_subscribe = lambda *_: listening.set()
    reader.on_message = lambda _client, _data, message: got.append(json.loads(message.payload)["bean"])
    reader.reconnect_delay_set(1, 1)
    reader.connect("127.0.0.1", port)
    reader.loop_start()
    try:
        yield got, listening
    finally:
        reader.disconnect()
        reader.loop_stop()


def test_a_broker_gets_every_bean_even_if_it_comes_late_and_goes_away(broker: Broker) -> None:
    sender = Background(Mqtt(f"mqtt://127.0.0.1:{broker.port}/line/1"), pauses=(0.3,) * 60)
    try:
        sender.put(result(1))  # nobody is there yet
        time.sleep(0.2)
        assert sender.delivered == 0
        # what waits at the sender is delivered once there is a broker; the reader may come too late for bean 1
        broker.start()
        assert wait_for(lambda: sender.delivered == 1, 30)
        with subscriber(broker.port, "line/1") as (got, listening):
            assert listening.wait(10)
            for bean in range(2, 40):
                sender.put(result(bean))
            assert wait_for(lambda: set(got) >= set(range(2, 40)), 30)
            listening.clear()
            broker.kill()
            broker.start()
            assert listening.wait(30)
            sender.put(result(40))
            assert wait_for(lambda: 40 in got, 30)
    finally:
        sender.close(patience=5)
    assert sender.counts() == {"delivered": 40, "failed": 0, "discarded": 0, "waiting": 0}


def test_a_broker_that_wants_a_password_gets_it_and_one_that_refuses_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pwdlib import PasswordHash

    monkeypatch.setattr("cafepick.watch.mqtt.TIMEOUT", 2.0)
    passwords = tmp_path / "passwords"
    passwords.write_text(f"line:{PasswordHash.recommended().hash('b@ans')}\n")
    broker = Broker(tmp_path, f"amqtt.plugins.authentication.FileAuthPlugin: {{password_file: {passwords}}}")
    broker.start()
    try:
        for secret, delivered in (("b%40ans", 1), ("wrong", 0)):
            sender = Background(
                Mqtt(f"mqtt://line:{secret}@127.0.0.1:{broker.port}/x"), pauses=(0.3,) * (30 * delivered)
            )
            sender.put(result(1))
            sender.close(patience=30)
            assert (sender.delivered, sender.failed) == (delivered, 1 - delivered)
    finally:
        broker.kill()
    assert "does not let us in: look at user and password" in caplog.text
    assert "wrong" not in caplog.text, "passwords are never told"


def test_addresses_of_brokers_are_read() -> None:
    assert Address.parse("mqtt://host") == Address("host", 1883, "cafepick/beans", False, None, None)
    full = Address.parse("mqtts://me:p%40ss@host:99/line/1")
    assert full == Address("host", 99, "line/1", True, "me", "p@ss")
    for url in ("host", "http://host/x", "mqtt://", "mqtt://host/line/#", "mqtt://host:port/x"):
        with pytest.raises(ConfigError, match="--mqtt takes an address like mqtt"):
            Address.parse(url)
