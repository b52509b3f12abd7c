"""Keys and ciphers derived from SECRET_KEY, one per use: nothing in Redis tells what it stands for."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass(frozen=True, slots=True)
class Keyed:
    key: bytes

    @classmethod
    def derived(cls, secret: str, use: str) -> "Keyed":
        kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=use.encode())
        return cls(kdf.derive(secret.encode()))

    def hash(self, *parts: str) -> str:
        """A keyed hash of the parts (which hold no NUL), 64 hexadecimal digits."""
        return hmac.new(self.key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()

    def cipher(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.key))
