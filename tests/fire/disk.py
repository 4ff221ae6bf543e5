"""What SQLite does to its files, seen and spoilt: a VFS of our own around its usual one.

It is registered by ctypes in the very library that the sqlite3 module uses, so the program under
test is the ordinary one. Where that module has SQLite linked into itself there is no library to
register it in: ``library()`` is None then, and the tests that need it are skipped.

Operations: open (a new file), write, truncate, sync, delete, shm (room for the WAL's index), and
what the program does itself with a file of its folder (os.write, os.ftruncate).
"""

from __future__ import annotations

import ctypes as c
import errno
import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

_OK, _FULL, _CANTOPEN = 0, 13, 14
_IOERR = {"write": 778, "sync": 1034, "truncate": 1546, "delete": 2570, "shm": 4874}
_CREATE = 0x4

_FILE = c.c_void_p
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "xClose": (c.c_int, _FILE),
    "xRead": (c.c_int, _FILE, c.c_void_p, c.c_int, c.c_int64),
    "xWrite": (c.c_int, _FILE, c.c_void_p, c.c_int, c.c_int64),
    "xTruncate": (c.c_int, _FILE, c.c_int64),
    "xSync": (c.c_int, _FILE, c.c_int),
    "xShmMap": (c.c_int, _FILE, c.c_int, c.c_int, c.c_int, c.c_void_p),
}
_METHODS = (
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock"),
    *("xCheckReservedLock", "xFileControl", "xSectorSize", "xDeviceCharacteristics"),
    *("xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap", "xFetch", "xUnfetch"),
)
# Names stay addresses: SQLite keeps them, and what lies behind them.
_OPEN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, _FILE, c.c_int, c.c_void_p)
_DELETE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int)


class _Methods(c.Structure):
    _fields_ = [("iVersion", c.c_int), *((name, c.c_void_p) for name in _METHODS)]


class _Vfs(c.Structure):
    _fields_ = [
        ("iVersion", c.c_int),
        ("szOsFile", c.c_int),
        ("mxPathname", c.c_int),
        ("pNext", c.c_void_p),
        ("zName", c.c_char_p),
        ("pAppData", c.c_void_p),
        ("xOpen", c.c_void_p),
        ("xDelete", c.c_void_p),
        ("others", c.c_void_p * 14),
    ]


def library() -> str | None:
    """The shared SQLite of the sqlite3 module; None where it has its own inside."""
    sqlite3.connect(":memory:").close()
    with Path("/proc/self/maps").open() as maps:
        return next((line.split()[-1] for line in maps if "/libsqlite3.so" in line), None)


class Disk:
    """The files below ``folder``. One in a process, for its whole life.

    ``fail``    which operation fails, from 1 on; ``stays``: and all after it
    ``why``     "EIO", or "ENOSPC": then half of what was to be written is
    ``record``  write the history of operations to this file (pickles), see tests.fire.history
    """

    def __init__(
        self,
        folder: Path,
        fail: int = 0,
        why: str = "EIO",
        stays: bool = False,
        record: str = "",
    ) -> None:
        self._folder = str(folder)
        self._fail = fail
        self._why = why
        self._stays = stays
        self._record = Path(record).open("ab", buffering=0) if record else None  # noqa: SIM115  # closed with the process
        self._count = 0
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: list[Any] = []

    def install(self, note: Callable[[str], None] = lambda what: None) -> None:
        """From now on. ``note`` is told of each operation that fails."""
        self._note = note
        found = library()
        if found is None:
            raise RuntimeError("the sqlite3 module has no SQLite library of its own")
        sqlite = c.CDLL(found)
        sqlite.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
        usual = sqlite.sqlite3_vfs_find(None).contents
        self._open, self._delete = _OPEN(usual.xOpen), _DELETE(usual.xDelete)
        ours = _Vfs.from_buffer_copy(usual)
        ours.zName, ours.pNext = b"spoilt", None
        callbacks = (_OPEN(self._opened), _DELETE(self._deleted))
        ours.xOpen, ours.xDelete = (c.cast(each, c.c_void_p) for each in callbacks)
        self._kept += [ours, *callbacks]
        sqlite.sqlite3_vfs_register(c.byref(ours), 1)
        for name in ("write", "ftruncate"):
            setattr(os, name, self._by_program(name.removeprefix("f"), getattr(os, name)))

    def tell(self, what: str) -> None:
        """Put a mark into the history: something that happened beside the files."""
        self._write_down("mark", what, 0, b"")

    def _write_down(self, op: str, name: str, place: int, data: bytes) -> None:
        if self._record is not None:
            self._record.write(pickle.dumps((op, name, place, data)))

    def _fails(self, op: str, name: str) -> bool:
        self._count += 1
        fails = self._fail and (
            self._count == self._fail or (self._stays and self._count > self._fail)
        )
        if fails:
            self._note(f"{op} of {Path(name).name} fails: {self._why}")
        return bool(fails)

    def _code(self, op: str) -> int:
        return _FULL if self._why == "ENOSPC" and op in ("write", "shm") else _IOERR[op]

    # --- SQLite's files ------------------------------------------------------------------------

    def _opened(self, vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        path = os.fsdecode(c.string_at(name)) if name else ""
        watched = path.startswith(self._folder)
        if watched and flags & _CREATE and not Path(path).exists():
            if self._fails("open", path):
                return _CANTOPEN
            self._write_down("open", path, 0, b"")
        code = int(self._open(vfs, name, file, flags, out))
        if watched and code == _OK:
            self._names[file] = path
            methods = c.c_void_p.from_address(file)
            methods.value = c.addressof(self._spoilt(int(methods.value or 0)))
        return code

    def _deleted(self, vfs: int, name: int, sync: int) -> int:
        path = os.fsdecode(c.string_at(name))
        if path.startswith(self._folder):
            if self._fails("delete", path):
                return _IOERR["delete"]
            self._write_down("delete", path, sync, b"")
        return int(self._delete(vfs, name, sync))

    def _spoilt(self, usual: int) -> _Methods:
        """The methods at an address, with ours in front of those that change a file."""
        if usual not in self._tables:
            table = _Methods.from_buffer_copy(_Methods.from_address(usual))
            for op in ("write", "truncate", "sync", "shm"):
                name = "xShmMap" if op == "shm" else f"x{op.capitalize()}"
                kind = c.CFUNCTYPE(*_SIGNATURES[name])
                if getattr(table, name) is None:  # a file that has no index
                    continue
                callback = kind(self._method(op, kind(getattr(table, name))))
                setattr(table, name, c.cast(callback, c.c_void_p))
                self._kept.append(callback)
            self._tables[usual] = table
        return self._tables[usual]

    def _method(self, op: str, usual: Callable[..., int]) -> Callable[..., int]:
        def write(file: int, data: int, size: int, place: int) -> int:
            name = self._names[file]
            if self._fails(op, name):
                if self._why == "ENOSPC":
                    usual(file, data, size // 2, place)
                return self._code(op)
            self._write_down(op, name, place, c.string_at(data, size))
            return usual(file, data, size, place)

        def truncate_or_sync(file: int, argument: int) -> int:
            name = self._names[file]
            if self._fails(op, name):
                return self._code(op)
            self._write_down(op, name, argument, b"")
            return usual(file, argument)

        def shm(file: int, region: int, size: int, extend: int, out: int) -> int:
            if extend and self._fails(op, f"{self._names[file]}-shm"):
                return self._code(op)
            return usual(file, region, size, extend, out)

        if op == "write":
            return write
        return shm if op == "shm" else truncate_or_sync

    # --- the program's own ---------------------------------------------------------------------

    def _by_program(self, op: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, argument: Any) -> Any:
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            if path.startswith(self._folder) and self._fails(op, path):
                code = getattr(errno, self._why)
                raise OSError(code, os.strerror(code))
            return usual(descriptor, argument)

        return call
