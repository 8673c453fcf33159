"""Results to an MQTT broker: one message a bean, quality of service 1 (at least once)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from cafepick.errors import ConfigError, MissingExtraError
from cafepick.watch.outlets import DeliveryError
from cafepick.watch.video import without_password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paho.mqtt.client import Client

TOPIC: Final = "cafepick/beans"
TIMEOUT: Final = 5.0
"""Seconds for the broker to answer."""


@dataclass(frozen=True)
class Address:
    """Where a broker is, and what to publish to."""

    host: str
    port: int
    topic: str
    encrypted: bool
    user: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``mqtt[s]://[user[:password]@]host[:port][/topic]``.

        Raises:
            ConfigError: it is no such address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        topic = unquote(parts.path.strip("/")) or TOPIC
        wild = "+" in topic or "#" in url  # topics to listen to, not to publish to
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or wild:
            shown = without_password(url)
            raise ConfigError(f"--mqtt takes an address like mqtt://host:1883/cafepick/beans, got {shown!r}")
        user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
        encrypted = parts.scheme == "mqtts"
        return cls(parts.hostname, port or (8883 if encrypted else 1883), topic, encrypted, user, password)


class Mqtt:
    """Publishes results; connects when the first one comes, and again after a loss."""

    name = "mqtt"

    def __init__(self, url: str) -> None:
        """Prepare to publish.

        Raises:
            ConfigError: the address is none.
            MissingExtraError: paho-mqtt is not installed.
        """
        self._address = Address.parse(url)
        try:
            from paho.mqtt.client import Client  # noqa: PLC0415 - optional
            from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtraError("paho-mqtt", "watch") from error
        self._client = Client(CallbackAPIVersion.VERSION2)
        if self._address.user is not None:
            self._client.username_pw_set(self._address.user, self._address.password)
        if self._address.encrypted:
            self._client.tls_set()
        self._running = False

    def send(self, results: Sequence[dict[str, Any]]) -> None:
        """Publish some results, and wait until the broker has confirmed them."""
        try:
            client = self._connected()
            sent = [client.publish(self._address.topic, json.dumps(one, allow_nan=False), qos=1) for one in results]
            limit = time.monotonic() + TIMEOUT
            for message in sent:
                message.wait_for_publish(max(0.0, limit - time.monotonic()))
        except (OSError, RuntimeError, ValueError) as error:
            raise DeliveryError(f"no connection to {self._where} ({error})") from error
        if not all(message.is_published() for message in sent):
            self._disconnect()  # forgets what is on its way, which would come twice otherwise
            raise DeliveryError(f"{self._where} does not confirm what it got")

    def close(self) -> None:
        """Take leave of the broker."""
        self._disconnect()

    @property
    def _where(self) -> str:
        return f"the broker {self._address.host}:{self._address.port}"

    def _connected(self) -> Client:
        if not self._running:
            self._client.connect(self._address.host, self._address.port, keepalive=30)
            self._client.loop_start()
            self._running = True
        limit = time.monotonic() + TIMEOUT
        while not self._client.is_connected():
            if time.monotonic() > limit:
                self._disconnect()
                raise DeliveryError(f"{self._where} does not let us in: look at user and password")
            time.sleep(0.01)
        return self._client

    def _disconnect(self) -> None:
        if self._running:
            self._client.disconnect()
            self._client.loop_stop()
            self._running = False
