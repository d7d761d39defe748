"""One mapping of a kubeconfig, read with the right types or refused with a sentence. Pure.

No message quotes a value: it might be a secret, or stand where a secret should.
"""

import base64
import binascii
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubefwd_operator.core.errors import CredentialsError


@dataclass(frozen=True, slots=True)
class Pem:
    """PEM text that is inline (`data`) or in a file (`path`, absolute); data beats the file."""

    data: bytes = field(default=b"", repr=False)
    path: str = ""

    def __bool__(self) -> bool:
        return bool(self.data or self.path)


NO_PEM = Pem()


class Entry:
    """A mapping, what to call it in a message, and the folder that its paths are relative to.

    Everything raises CredentialsError with a sentence when the type is wrong.
    """

    def __init__(self, where: str, raw: Any, folder: str) -> None:
        if not isinstance(raw, Mapping):
            raise CredentialsError(f"In the kubeconfig, {where} must be a mapping.")
        self.where = where
        self.raw = raw
        self.folder = folder

    def text(self, key: str) -> str:
        """Give a text, "" when it is left out."""
        value = self.raw.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be text: put it in quotes."
            )
        return value

    def flag(self, key: str) -> bool:
        """Give a flag, False when it is left out."""
        value = self.raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be true or false."
            )
        return bool(value)

    def items(self, key: str) -> tuple[Any, ...]:
        """Give a list, empty when it is left out."""
        value = self.raw.get(key)
        if value is not None and not isinstance(value, list):
            raise CredentialsError(f"In the kubeconfig, {key} of {self.where} must be a list.")
        return tuple(value or ())

    def texts(self, key: str) -> tuple[str, ...]:
        """Give a list of texts."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be a list of texts."
            )
        return values

    def path(self, key: str) -> str:
        """Give a path, made absolute, "" when it is left out."""
        value = self.text(key)
        return posixpath.join(self.folder, value) if value else ""

    def pem(self, key: str) -> Pem:
        """Give `KEY-data` or else the file `KEY`."""
        inline = self.text(f"{key}-data")
        if not inline:
            return Pem(path=self.path(key))
        try:
            return Pem(data=base64.b64decode("".join(inline.split()), validate=True))
        except (binascii.Error, ValueError) as error:
            raise CredentialsError(
                f"In the kubeconfig, {key}-data of {self.where} is not base64."
            ) from error
