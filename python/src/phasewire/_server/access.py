"""Client and server of one user: the folder where they meet, and the proof that each knows the server's token.

All users of a machine can reach the loopback interface, and any of them can take a port first. So the server leaves a
token in a file that only its user can read, and client and server prove to each other that they know it. A Unix socket
needs no token, since its permissions keep others away.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasewire._contract.tables import read_table
from phasewire.errors import refusal

_PROTOCOL = read_table("protocol")
_ACCESS: dict[str, str] = _PROTOCOL["access"]
_TCP = re.compile(_PROTOCOL["addresses"]["tcp"])
_TOKEN = re.compile(_ACCESS["token"])
_OPEN = _ACCESS["open"]
_NONCE_BYTES = 32
_HAS_USERS = sys.platform != "win32"


def usual_endpoint() -> str:
    """Return the address of a server that was started without one."""
    return f"ipc://{runtime_folder() / _ACCESS['socket']}" if _HAS_USERS else _ACCESS["loopback"]


def runtime_folder() -> Path:
    """Return the folder of this user's sockets and tokens, which need not exist."""
    if not _HAS_USERS:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / _ACCESS["folder"]
    user = str(os.getuid())
    for base in (os.environ.get(_ACCESS["runtimeVariable"]), _ACCESS["systemFolder"].replace("{user}", user)):
        if base and _is_own_folder(base):
            return Path(base) / _ACCESS["folder"]
    return Path(tempfile.gettempdir()) / _ACCESS["folderOfUser"].replace("{user}", user)


class Greeting:
    """The keys of one ``hello``, and the check of its ``welcome``.

    Raises
    ------
    ProtocolError
        ``ACCESS_DENIED`` if the server is not this user's, as far as files tell.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._token: bytes | None = None
        self.keys: dict[str, str] = {}
        """Keys to add to ``hello``."""
        if endpoint.startswith("ipc://"):
            _check_owner(endpoint)
            return
        secret = _find_secret(endpoint)
        if secret is None:
            raise refusal("noToken", endpoint=endpoint, value=endpoint)
        if secret != _OPEN:
            self._token = bytes.fromhex(secret)
            nonce = secrets.token_hex(_NONCE_BYTES)
            self.keys = {"nonce": nonce, "proof": _proof(self._token, _ACCESS["clientRole"], nonce)}

    def check(self, welcome: Mapping[str, Any]) -> None:
        """Raise ``ACCESS_DENIED`` unless a ``welcome`` proves that the server knows the token, if there is one."""
        if self._token is None:
            return
        expected = _proof(self._token, _ACCESS["serverRole"], self.keys["nonce"])
        proof = welcome.get("proof")
        if not (isinstance(proof, str) and hmac.compare_digest(proof.encode(), expected.encode())):
            raise refusal("unprovenServer", endpoint=self._endpoint, value=self._endpoint)


def _proof(token: bytes, role: str, nonce: str) -> str:
    return hmac.new(token, f"{role}:{nonce}".encode(), hashlib.sha256).hexdigest()


def _find_secret(endpoint: str) -> str | None:
    """Return the token of the server at a loopback address, ``open`` if it needs none, or None if nothing tells."""
    given = os.environ.get(_ACCESS["tokenVariable"])
    if given is None:
        folder = runtime_folder()
        _check_folder(folder)
        found = _TCP.fullmatch(endpoint)
        assert found is not None
        host, port = found.groups()
        plain = "127.0.0.1" if host == "localhost" else host.strip("[]")
        name = _ACCESS["tokenFile"].replace("{host}", plain.replace(":", "_")).replace("{port}", port)
        try:
            given = (folder / name).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
    text = given.strip()
    return text if text == _OPEN or _TOKEN.fullmatch(text) else None


def _is_own_folder(path: str) -> bool:
    """Return whether only this user may write to a folder."""
    if not Path(path).is_absolute():
        return False
    try:
        found = Path(path).stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _check_folder(folder: Path) -> None:
    if not _HAS_USERS:
        return
    try:
        found = folder.lstat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise refusal("folderOfOthers", folder=str(folder), value=str(folder))


def _check_owner(endpoint: str) -> None:
    if not _HAS_USERS:
        return
    try:
        owner = Path(endpoint.removeprefix("ipc://")).lstat().st_uid
    except OSError:
        return
    if owner != os.getuid():
        raise refusal("socketOfOthers", endpoint=endpoint, value=endpoint)
