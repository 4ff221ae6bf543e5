"""How we and the NATS servers trust each other: TLS, and who logs in. Files are read each time.

The rules this file keeps:
  * where TLS is asked for, nothing is said to a server before it: one without TLS is left;
  * a file that cannot be used is a mistake in the configuration; a server that refuses us may
    think otherwise later.
"""

from __future__ import annotations

import importlib.util
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import Client

from replicator.errors import ConfigError, OutboxUnavailable

_HINT = "check [outbox] ca_file, cert_file, key_file and credentials_file"
_MOST_BYTES = 1 << 16
_REFUSALS = ("authorization violation", "authentication expired", "authentication timeout")
_CERTIFICATE_WANTED = ("certificate required", "bad certificate", "unknown ca")


@dataclass(frozen=True, slots=True)
class Security:
    """``tls`` True: never without it. ``credentials_file`` is a .creds file or an nkey's seed."""

    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    credentials_file: Path | None = None


class NotEncrypted(nats.errors.Error):
    """TLS was asked for, and the server does not speak it."""


class Shut(nats.errors.Error):
    """The server closed the connection behind the TLS handshake, before it let us in."""


class EncryptedClient(Client):
    """Leaves a server that does not ask for TLS, before it is told who we are."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and not info.get("tls_required"):
            raise NotEncrypted
        await super()._process_info(info, initial_connection)


def client_of(security: Security) -> Client:
    """An unconnected client."""
    return EncryptedClient() if security.tls else Client()


def options(security: Security) -> dict[str, Any]:
    """What the client's ``connect`` is told. Raises ConfigError for files that are of no use."""
    said: dict[str, Any] = {}
    if security.tls:
        said["tls"] = _context(security)
    if security.credentials_file is not None:
        said |= _login(security.credentials_file)
    return said


def _context(security: Security) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
    except OSError as error:
        raise ConfigError(
            "the CA certificate of the NATS servers cannot be used",
            f"{security.ca_file}: {error.strerror or error}",
            _HINT,
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if security.cert_file is not None:
        try:
            context.load_cert_chain(security.cert_file, security.key_file, password=_no_passphrase)
        except (OSError, ValueError) as error:
            raise ConfigError(
                "our certificate for the NATS servers cannot be used",
                f"{security.cert_file}, {security.key_file}:"
                f" {getattr(error, 'strerror', None) or error}",
                _HINT,
            ) from error
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, and nobody is here to type it")


def _login(path: Path) -> dict[str, Any]:
    if importlib.util.find_spec("nkeys") is None:
        raise ConfigError(
            "credentials for NATS need the package nkeys",
            f"[outbox] credentials_file is {path}",
            "pip install 'replicator[jetstream]'",
        )
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not a text in ASCII"
        raise ConfigError(
            "the credentials for the NATS servers cannot be read", f"{path}: {said}", _HINT
        ) from error
    if "BEGIN NATS USER JWT" in text and "BEGIN USER NKEY SEED" in text:
        seed = text.partition("BEGIN USER NKEY SEED")[2].splitlines()[1:2]
        _refuse_seed(path, seed[0].strip() if seed else "")
        return {"user_credentials": str(path)}
    _refuse_seed(path, text.strip())
    return {"nkeys_seed_str": text.strip()}


def _refuse_seed(path: Path, seed: str) -> None:
    import nkeys  # noqa: PLC0415  # optional

    try:
        nkeys.from_seed(bytearray(seed.encode())).wipe()
    except Exception as error:  # binascii's, its own, index errors: all say the same
        raise ConfigError(
            "the credentials for the NATS servers are of no use",
            f"{path}: neither a .creds file nor the seed of a user's nkey",
            _HINT,
        ) from error


def distrust(error: BaseException) -> OutboxUnavailable | None:
    """The error to tell where it is about trust; None: about something else.

    All of them are tried again: a certificate is renewed, a user let in, without a restart here.
    """
    said = str(error).lower()
    if isinstance(error, NotEncrypted):
        return OutboxUnavailable(
            "the NATS servers do not speak TLS, and nothing was sent to them",
            "TLS is asked for by tls:// in [outbox] url, or by ca_file or cert_file",
            "give the servers a tls { } block; nats:// alone is for this machine",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return OutboxUnavailable(
            "the certificate of the NATS servers is not trusted",
            error.verify_message,
            "[outbox] ca_file must be the CA that signed it, and url name the host as it does;"
            " one that has expired is renewed on the servers",
        )
    if isinstance(error, ssl.SSLError | Shut):
        wanted = isinstance(error, Shut) or any(
            word in said.replace("_", " ") for word in _CERTIFICATE_WANTED
        )
        return OutboxUnavailable(
            "the NATS servers do not accept our certificate, it seems"
            if wanted
            else "TLS with the NATS servers fails",
            str(getattr(error, "reason", "") or "the connection was closed behind the handshake"),
            "[outbox] cert_file and key_file must be signed by a CA that the servers trust, and not"
            " be expired"
            if wanted
            else _HINT,
        )
    if any(word in said for word in _REFUSALS):
        return OutboxUnavailable(
            "the NATS servers do not let us in",
            str(error),
            "user and password in [outbox] url ($REPLICATOR_OUTBOX_URL), or credentials_file:"
            " wrong, expired or withdrawn there; new ones are used at the next try",
        )
    return None
