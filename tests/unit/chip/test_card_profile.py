"""The card profile: the built-in one is what the published card says, and no misspelt key is passed over."""

from __future__ import annotations

import copy
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import enrollment.service
from enrollment.core.chip.card_profile import card_profile_from_table
from enrollment.core.chip.mrz import check_digit
from enrollment.core.chip.security_infos import decode_card_access
from enrollment.core.errors import InvalidCardProfile

PROFILES = Path(next(iter(enrollment.service.__path__))) / "card_profiles"
VN_CCCD: dict[str, Any] = tomllib.loads((PROFILES / "vn-cccd.toml").read_text("utf-8"))
PUBLISHED_CARD_ACCESS = bytes.fromhex(
    "3134300d060804007f0007020202020101300f060a04007f000702020302020201013012060a04007f0007020204020202010202010d"
)


def changed(where: str, value: object) -> dict[str, Any]:
    """The built-in profile with one value changed, put in, or taken out (None); where: keys joined by dots."""
    table = copy.deepcopy(VN_CCCD)
    *path, last = where.split(".")
    inner: Any = table
    for key in path:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    if value is None:
        del inner[int(last) if last.isdigit() else last]
    else:
        inner[last] = value
    return table


def test_built_in_profile_is_the_published_card() -> None:
    profile = card_profile_from_table(VN_CCCD)
    assert bytes.fromhex(profile.aid) == bytes.fromhex("A0000002471001")
    assert profile.data_groups == (1, 2, 3, 13, 14, 15)
    _, chip, pace = decode_card_access(PUBLISHED_CARD_ACCESS)
    assert (profile.access.pace, profile.access.pace_parameter) == (pace.protocol, pace.parameter)
    assert profile.chip_authentication.protocol == chip.protocol
    assert profile.document_signer.algorithm.name == "ecdsa-sha256"
    fingers = profile.file("EF.DG3")
    assert fingers is not None
    assert fingers.read == "terminal"
    assert profile.file("EF.DG4") is None
    assert check_digit(profile.mrz.no_expiry) == "0"


@pytest.mark.parametrize("profile", sorted(PROFILES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_that_is_shipped_is_read_under_its_own_name(profile: Path) -> None:
    assert card_profile_from_table(tomllib.loads(profile.read_text("utf-8"))).profile_id == profile.stem


@pytest.mark.parametrize(
    ("where", "value", "key"),
    [
        ("aid", "A000", "aid"),
        ("aid", 7, "aid"),
        ("aid", None, "aid"),
        ("aids", "A0000002471001", "aids"),
        ("mrz", None, "mrz"),
        ("mrz", [], None),
        ("mrz.no_expiry", "9999", "no_expiry"),
        ("access.protocols", ["eac"], "protocols"),
        ("access.protocols", [], "protocols"),
        ("access.protocols", ["bac", "bac"], "protocols"),
        ("access.can_digits", True, "can_digits"),
        ("access.pace", "0.4.0.127.0.7.2.2.3.2.2", "pace"),
        ("access.pace_parameter", 99, "pace_parameter"),
        ("chip_authentication.curve", "curve25519", "curve"),
        ("active_authentication.signature", "sha1", "signature"),
        ("document_signer.signature", "rsa-sha1", "signature"),
        ("files", {}, None),
        ("files.0.file_id", "11C", "file_id"),
        ("files.0.read", "nobody", "read"),
        ("files.0.max_octets", 70_000, "max_octets"),
        ("files.0", None, "files"),  # PACE without EF.CardAccess
        ("files.3", None, "files"),  # no EF.DG1
        ("files.3.name", "EF.DG2", "name"),
        ("files.3.name", "EF.DG17", "name"),
        ("files.3.file_id", "0102", "file_id"),
        ("files.5.read", "access", "read"),  # fingers for everybody
    ],
)
def test_profile_that_cannot_be_carried_out_names_the_key(where: str, value: object, key: str | None) -> None:
    with pytest.raises(InvalidCardProfile) as caught:
        card_profile_from_table(changed(where, value))
    assert caught.value.facts.get("key") == key


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.sampled_from(sorted(VN_CCCD)), st.sampled_from(("", "0", "protocols", "curve", "name", "pace")), JUNK)
def test_any_value_anywhere_is_allowed_or_refused(first: str, second: str, value: object) -> None:
    table = copy.deepcopy(VN_CCCD)
    inner = table[first]
    if isinstance(inner, dict) and second:
        inner[second] = value
    elif isinstance(inner, list) and second:
        inner[0] = value if second == "0" else {**inner[0], second: value}
    else:
        table[first] = value
    with suppress(InvalidCardProfile):
        assert card_profile_from_table(table).profile_id


def test_same_file_id_beside_the_application_is_another_file() -> None:
    table = changed("files.0.file_id", "011D")  # EF.CardSecurity's, and in the application EF.SOD's
    assert card_profile_from_table(table).files[0].file_id == "011D"
