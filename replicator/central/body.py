"""Request bodies: zlib, Zstandard or plain JSON, inflated and decoded within bounds. Pure."""

from __future__ import annotations

import zlib

import orjson

from replicator.central.problems import Problem
from replicator.central.settings import MAX_ROWS
from replicator.sink.codec import ZSTD, zstandard

# Before decoding: a body of many empty lists or numbers takes far more memory decoded than as text.
_MAX_BRACKETS = 4 * MAX_ROWS
_MAX_COMMAS = 32 * MAX_ROWS


def decode(raw: bytes, content_encoding: str, max_body: int, max_inflated: int) -> object:
    """The JSON value in a request body.

    Raises Problem as ``unwrapped``, also 413 too many rows, 400 not JSON (NaN and Infinity are
    not).
    """
    raw = unwrapped(raw, content_encoding, max_body, max_inflated)
    if raw.count(b"{") + raw.count(b"[") > _MAX_BRACKETS or raw.count(b",") > _MAX_COMMAS:
        raise too_large(f"more than {MAX_ROWS} rows")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "bad-json", f"the body is not JSON: {error}") from error


def unwrapped(raw: bytes, content_encoding: str, max_body: int, max_inflated: int) -> bytes:
    """A request body without its compression; ``deflate`` or no encoding, zlib recognised by
    itself, or ``zstd`` where its library is installed.

    Raises Problem: 413 too large (as sent, or inflated), 415 another encoding, 400 damaged.
    """
    if len(raw) > max_body:
        raise too_large(f"the body has {len(raw)} bytes, at most {max_body}")
    encoding = content_encoding.strip().lower()
    if encoding == ZSTD and zstandard():
        return _inflated_zstd(raw, max_inflated)
    if encoding not in ("", "identity", "deflate"):
        raise Problem(415, "unsupported-encoding", f"{encoding[:40]!r}; send zlib or plain JSON")
    return inflate(raw, max_inflated) if _is_zlib(raw) else raw


def _inflated_zstd(raw: bytes, limit: int) -> bytes:
    """The text of one Zstandard frame that says how long it is; no more than that is ever held."""
    library = zstandard()
    try:
        size = library.get_frame_parameters(raw).content_size
        if size == library.CONTENTSIZE_UNKNOWN:
            raise Problem(400, "bad-zstd", "the body's frame does not say how long its content is")
        if size > limit:
            raise too_large(f"the body inflates to more than {limit} bytes")
        text: bytes = library.ZstdDecompressor().decompress(raw, allow_extra_data=False)
    except library.ZstdError as error:
        raise Problem(400, "bad-zstd", f"the body is damaged: {error}") from error
    return text


def _is_zlib(raw: bytes) -> bool:
    """RFC 1950: compression method 8, header divisible by 31. No JSON text starts like this."""
    return len(raw) >= 2 and raw[0] & 0x0F == 8 and (raw[0] * 256 + raw[1]) % 31 == 0


def inflate(raw: bytes, limit: int) -> bytes:
    """The text of one zlib stream, never holding more than ``limit`` bytes of it."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Problem(400, "bad-zlib", f"the body is damaged: {error}") from error
    if len(text) > limit:
        raise too_large(f"the body inflates to more than {limit} bytes")
    if not stream.eof or stream.unused_data:
        raise Problem(400, "bad-zlib", "the body is not exactly one whole zlib stream")
    return text


def too_large(detail: str) -> Problem:
    """413."""
    return Problem(413, "too-large", detail)
