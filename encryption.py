"""Encryption of everything that the Temporal server keeps of a run: inputs, results, memos, heartbeats, failure texts.

AES-256-GCM with a random nonce per payload. The first key of `MANXUE_ENCRYPTION_KEYS` encrypts, all of them decrypt;
payloads in the clear (of callers in other languages, or from before) are read as they are. Format of the data, after
the metadata `encoding: binary/encrypted` and `encryption-key-id`: 12 bytes of nonce, then the protobuf `Payload` as
ciphertext with its tag; the key id is the associated data. docs/security.md is for operators.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    PayloadCodec,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from settings import EncryptionKey

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
_NONCE = 12
"""Bytes; the size that GCM is made for."""
_SETTING = "MANXUE_ENCRYPTION_KEYS"


class PayloadUnreadable(ApplicationError):
    """A payload cannot be decrypted with the keys that are here; the text names its key id and what to do.

    Not final: a workflow task or an activity that meets it is tried again, and goes on once the key is there.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, type="PayloadUnreadable")


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key and decrypts with any. Without keys it leaves payloads as they are."""

    def __init__(self, keys: Sequence[EncryptionKey]) -> None:
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._current = keys[0].id if keys else None

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload, metadata included."""
        return [self._encrypted(payload, self._current) if self._current else payload for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt those that are encrypted. Raises PayloadUnreadable."""
        return [self._decrypted(p) if p.metadata.get("encoding") == ENCODING else p for p in payloads]

    def _encrypted(self, payload: Payload, key_id: str) -> Payload:
        nonce, named = os.urandom(_NONCE), key_id.encode()
        data = nonce + self._ciphers[key_id].encrypt(nonce, payload.SerializeToString(), named)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: named}, data=data)

    def _decrypted(self, payload: Payload) -> Payload:
        named = payload.metadata.get(KEY_ID, b"")
        key_id = named.decode(errors="replace")[:100]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            here = f"the keys here are {', '.join(self._ciphers)}" if self._ciphers else "there are no keys here"
            raise PayloadUnreadable(
                f"a payload is encrypted with the key {key_id!r}, and {here}: add {key_id}:... to {_SETTING} of this "
                "process and restart it; what waits for it then goes on"
            )
        try:
            return Payload.FromString(cipher.decrypt(payload.data[:_NONCE], payload.data[_NONCE:], named))
        except (InvalidTag, ValueError, DecodeError):  # ValueError: too short to have a nonce
            raise PayloadUnreadable(
                f"a payload that names the key {key_id!r} cannot be decrypted with it: {_SETTING} has another key "
                "under that id than whoever wrote it, or the payload is damaged"
            ) from None


class EncodedFailures(DefaultFailureConverter):
    """Messages and stack traces of failures become payloads, and so are encrypted. Their types stay in the clear."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See the base class. That a key is missing must be readable without it, and says nothing else."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, PayloadUnreadable):
            failure.ClearField("encoded_attributes")
            failure.message = exception.message


_PYDANTIC = PydanticPayloadConverter()


class SharedConverter(CompositePayloadConverter):
    """Pydantic's JSON. The SDK makes one for each run in memory; what that knows of types is shared by all."""

    def __init__(self) -> None:
        super().__init__(*_PYDANTIC.converters.values())


def data_converter(keys: Sequence[EncryptionKey]) -> DataConverter:
    """Pydantic's JSON, encrypted where there are keys. Without keys, what is encrypted is refused, never misread."""
    converter = DataConverter(payload_converter_class=SharedConverter, payload_codec=EncryptionCodec(keys))
    return replace(converter, failure_converter_class=EncodedFailures) if keys else converter
