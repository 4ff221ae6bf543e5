"""The station's signing key, and signatures over statements: Ed25519 of the package cryptography.

The private key lies beside the outbox, mode 0600, made at the first certificate. Whoever wants to
know that a certificate is this station's compares the key's fingerprint with the one that
`replicator certificate --fingerprint` shows there.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from replicator.audit.certificate import Json, Signed, signed_bytes
from replicator.errors import ConfigError, NotTheSame

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "certificate.key"
_MODE = 0o600


class SigningKey:
    """The key in one folder; made there where there is none.

    Raises ConfigError: the package is missing, the file cannot be used, or others can read it.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / KEY_FILE
        try:
            if not path.exists():
                _make(path)
            self._key = _read(path)
        except OSError as error:
            raise ConfigError(
                "the key for certificates cannot be used",
                f"{path}: {error.strerror}",
                "run as the user that owns the outbox",
            ) from error
        public = self._key.public_key().public_bytes_raw()
        self.public_key = b64encode(public).decode()
        self.fingerprint = fingerprint(self.public_key)

    def sign(self, statement: Json) -> Signed:
        """The statement with its signature."""
        value = self._key.sign(signed_bytes(statement))
        return Signed(statement, self.public_key, b64encode(value).decode())


def fingerprint(public_key: str) -> str:
    """ "SHA256:…" of a public key, as ssh shows it."""
    digest = sha256(b64decode(public_key)).digest()
    return "SHA256:" + b64encode(digest).decode().rstrip("=")


def check(signed: Signed) -> None:
    """Raises NotTheSame where the statement is not what this key has signed."""
    library, exceptions = _library()
    try:
        key = library.Ed25519PublicKey.from_public_bytes(b64decode(signed.public_key))
        key.verify(b64decode(signed.signature), signed_bytes(signed.statement))
    except (ValueError, exceptions.InvalidSignature) as error:
        raise NotTheSame(
            "the certificate is not what was signed",
            "its signature does not fit: it was changed after it was made",
            "ask the station for it again",
        ) from error


def known_fingerprint(folder: Path) -> str | None:
    """Of the key in a folder, None where there is none yet."""
    return SigningKey(folder).fingerprint if (folder / KEY_FILE).exists() else None


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # see _library

    library, _ = _library()
    key = library.Ed25519PrivateKey.generate()
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(file, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.link(draft, path)  # of two at once the first one's stays
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> Ed25519PrivateKey:
    library, _ = _library()
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # as above
        load_pem_private_key,
    )

    if path.stat().st_mode & 0o077:
        raise ConfigError(
            "others can read the key for certificates", str(path), f"chmod 600 {path}"
        )
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            "the key for certificates is damaged",
            str(path),
            "restore it, or move it away: a new one is made, with another fingerprint",
        ) from error
    if not isinstance(key, library.Ed25519PrivateKey):
        raise ConfigError("not a key for certificates", str(path), "an Ed25519 key in PEM")
    found: Ed25519PrivateKey = key
    return found


def _library() -> tuple[ModuleType, ModuleType]:
    """Loaded when it is needed: an extra, for the few who want certificates."""
    try:
        from cryptography import exceptions  # noqa: PLC0415  # an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  # the same
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the package for certificates is not installed",
            f"{error.name} is missing",
            "pip install 'replicator[certificate]'",
        ) from error
    return ed25519, exceptions
