"""What encryption adds to a payload: microseconds of the worker's event loop, and bytes in Temporal's database."""

import asyncio
import os
from statistics import median
from time import perf_counter_ns

from temporalio.api.common.v1 import Payload

from benchmarks.section import Section, table
from encryption import EncryptionCodec
from settings import EncryptionKey
from workflows.rendering import MOST_BYTES

_SIZES = (100, 2_000, 50_000, MOST_BYTES)
_REPEATS = 500


def run() -> Section:
    """Measure."""
    return asyncio.run(_measured())


async def _measured() -> Section:
    codec = EncryptionCodec([EncryptionKey("2026-11", os.urandom(32))])
    rows = []
    for size in _SIZES:
        plain = Payload(metadata={"encoding": b"json/plain"}, data=os.urandom(size))
        encrypting, decrypting = [], []
        for _ in range(_REPEATS):
            begun = perf_counter_ns()
            sealed = await codec.encode([plain])
            between = perf_counter_ns()
            await codec.decode(sealed)
            encrypting.append(between - begun)
            decrypting.append(perf_counter_ns() - between)
        added = sealed[0].ByteSize() - plain.ByteSize()
        rows.append([f"{size:,}", f"{median(encrypting) / 1e3:.0f}", f"{median(decrypting) / 1e3:.0f}", str(added)])
    heads = ["Payload, bytes", "encrypt, µs", "decrypt, µs", "bytes added"]
    told = f"Medians of {_REPEATS}. The largest is the largest input of a run."
    return Section(f"{told}\n\n{table(heads, rows, words=0)}")
