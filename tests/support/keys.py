"""Encryption keys as an operator would make them, for `MANXUE_ENCRYPTION_KEYS`."""

import base64
import os

from temporalio.client import Client

from encryption import data_converter
from settings import EncryptionSettings


def new_key(name: str) -> str:
    """One entry of the setting."""
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


async def client_with(address: str, keys: str) -> Client:
    """A client that reads and writes with the keys."""
    setting = EncryptionSettings.model_validate({"encryption_keys": keys})
    return await Client.connect(address, data_converter=data_converter(setting.encryption_keys))
