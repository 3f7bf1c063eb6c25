"""The codec alone: what it accepts, what it refuses, and what its refusals say."""

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, ApplicationError

from encryption import ENCODING, KEY_ID, EncryptionCodec, PayloadUnreadable
from settings import EncryptionSettings, SettingsError, load
from tests.support.keys import new_key
from workflows.submission import Outcome, outcome_of

OLD, NEW = new_key("2026-05"), new_key("2026-11")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"a lighthouse in a storm"')


def codec(keys: str) -> EncryptionCodec:
    return EncryptionCodec(EncryptionSettings.model_validate({"encryption_keys": keys}).encryption_keys)


async def test_the_first_key_encrypts_and_all_decrypt() -> None:
    [old] = await codec(OLD).encode([PLAIN])
    [new] = await codec(f"{NEW}, {OLD}").encode([PLAIN])
    assert (old.metadata[KEY_ID], new.metadata[KEY_ID]) == (b"2026-05", b"2026-11")
    assert b"lighthouse" not in old.SerializeToString() + new.SerializeToString()
    assert b"json/plain" not in new.SerializeToString()
    assert await codec(f"{NEW},{OLD}").decode([old, PLAIN, new]) == [PLAIN] * 3


async def test_the_same_payload_never_looks_the_same_twice() -> None:
    assert len({payload.data for payload in await codec(NEW).encode([PLAIN] * 100)}) == 100


async def test_without_keys_nothing_is_encrypted_and_what_is_encrypted_is_not_taken_for_something_else() -> None:
    assert await codec("").encode([PLAIN]) == [PLAIN]
    assert await codec("").decode([PLAIN]) == [PLAIN]
    with pytest.raises(PayloadUnreadable, match="the key '2026-11', and there are no keys here: add 2026-11:"):
        await codec("").decode(await codec(NEW).encode([PLAIN]))


async def test_any_changed_byte_is_noticed() -> None:
    [whole] = await codec(NEW).encode([PLAIN])
    for at in range(len(whole.data)):
        data = bytearray(whole.data)
        data[at] ^= 1
        with pytest.raises(PayloadUnreadable, match="2026-11"):
            await codec(NEW).decode([Payload(metadata=dict(whole.metadata), data=bytes(data))])
    for length in (0, 11, 12, 27, len(whole.data) - 1):
        with pytest.raises(PayloadUnreadable):
            await codec(NEW).decode([Payload(metadata=dict(whole.metadata), data=whole.data[:length])])


async def test_another_key_under_the_same_id_or_the_same_key_under_another_id_does_not_do() -> None:
    [payload] = await codec(NEW).encode([PLAIN])
    with pytest.raises(PayloadUnreadable, match="has another key under that id"):
        await codec(new_key("2026-11")).decode([payload])
    renamed = Payload(metadata={"encoding": ENCODING, KEY_ID: b"2026-12"}, data=payload.data)
    with pytest.raises(PayloadUnreadable):
        await codec(f"2026-12:{NEW.partition(':')[2]}").decode([renamed])


@pytest.mark.parametrize(
    "keys", ["{key}", "a b:{key}", ":{key}", "a:{key}x", "a:aGVsbG8=", "a:{key},b", "a:{key},a:{key}"]
)
def test_a_wrong_setting_is_refused_without_repeating_a_key(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = OLD.partition(":")[2]
    monkeypatch.setenv("MANXUE_ENCRYPTION_KEYS", keys.format(key=secret))
    with pytest.raises(SettingsError, match="MANXUE_ENCRYPTION_KEYS: ") as refused:
        load(EncryptionSettings)
    assert secret not in str(refused.value)


def test_a_create_call_whose_worker_could_not_read_its_order_is_held_and_says_why() -> None:
    """Not submitted again by itself: an attempt before it may have been reset by somebody, and have been sent."""
    failed = ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="",
        activity_type="submit",
        activity_id="1",
        retry_state=None,
    )
    failed.__cause__ = ApplicationError("Failed decoding arguments")
    failed.__cause__.__cause__ = PayloadUnreadable("a payload is encrypted with the key '2026-11'")
    outcome, why = outcome_of(failed)
    assert outcome is Outcome.UNKNOWN
    assert "the key '2026-11'" in why


def test_keys_are_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANXUE_ENCRYPTION_KEYS", NEW)
    settings = load(EncryptionSettings)
    assert "2026-11" in repr(settings)
    assert repr(settings.encryption_keys[0].secret) not in repr(settings)
