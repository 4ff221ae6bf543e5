"""Certificates for servers and clients on loopback, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


@dataclass(frozen=True)
class Authority:
    """A CA in a folder."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Authority:
        folder.mkdir()
        made = cls(folder)
        _openssl(
            *("req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=ca"),
            *("-keyout", str(folder / "ca.key"), "-out", str(made.certificate)),
        )
        return made

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key; with ``days`` -1 it has expired."""
        pem, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        more = self.folder / f"{name}.ext"
        more.write_text("subjectAltName = IP:127.0.0.1\nextendedKeyUsage = serverAuth,clientAuth\n")
        _openssl(
            *("req", "-new", "-newkey", "ed25519", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-days", str(days), "-extfile", str(more)),
            *("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")),
            *("-CAcreateserial", "-out", str(pem)),
        )
        return pem, key
