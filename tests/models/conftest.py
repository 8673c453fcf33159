"""While these tests run, beartype checks every shape that a network's signature promises."""

from jaxtyping import install_import_hook

install_import_hook("cafepick.models", "beartype.beartype")
