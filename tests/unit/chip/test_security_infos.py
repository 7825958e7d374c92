"""EF.CardAccess and EF.DG14: a published card's file is read, and everything comes back octet for octet."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip import security_infos as si
from enrollment.core.errors import MalformedRecord

# EF.CardAccess of the Vietnamese card, as several programs publish it
PUBLISHED = bytes.fromhex(
    "3134300d060804007f0007020202020101300f060a04007f000702020302020201013012060a04007f0007020204020202010202010d"
)
IDENTIFIERS = st.builds(
    lambda start, rest: ".".join(map(str, (*start, *rest))),
    st.tuples(st.integers(0, 1), st.integers(0, 39)),
    st.lists(st.integers(0, 1 << 20), min_size=1, max_size=6),
)
INFOS = st.builds(si.numbered, IDENTIFIERS, st.integers(0, 1 << 40), st.none() | st.integers(0, 1 << 40))


def test_published_file_says_what_the_card_speaks() -> None:
    terminal, chip, pace = si.decode_card_access(PUBLISHED)
    assert (terminal.protocol, terminal.version, terminal.parameter) == (si.TERMINAL_AUTHENTICATION, 1, None)
    assert (chip.protocol, chip.version) == (si.CHIP_AUTHENTICATION_AES_128, 1)
    assert (pace.protocol, pace.version, pace.parameter) == (si.PACE_ECDH_GM_AES_128, 2, si.BRAINPOOL_P256R1)


def test_published_file_is_written_octet_for_octet() -> None:
    infos = (
        si.numbered(si.TERMINAL_AUTHENTICATION, 1),
        si.numbered(si.CHIP_AUTHENTICATION_AES_128, 1),
        si.numbered(si.PACE_ECDH_GM_AES_128, 2, si.BRAINPOOL_P256R1),
    )
    assert si.encode_card_access(infos) == PUBLISHED


def test_example_of_doc_9303_is_read() -> None:
    # Doc 9303-11, appendix G.1: PACE with generic mapping, AES of 128 bits
    (pace,) = si.decode_card_access(bytes.fromhex("31143012060A04007F0007020204020202010202010D"))
    assert (pace.protocol, pace.version, pace.parameter) == (si.PACE_ECDH_GM_AES_128, 2, 13)


def test_dg14_holds_the_key_of_chip_authentication_and_the_algorithm_of_the_active_one() -> None:
    key = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    written = (si.chip_authentication_key(info, 1), si.numbered(si.CHIP_AUTHENTICATION_AES_128, 1, 1))
    octets = si.encode_dg14((*written, si.active_authentication(), si.numbered(si.PACE_ECDH_GM_AES_128, 2, 13)))
    found = {read.protocol: read for read in si.decode_dg14(octets)}
    assert load_der_public_key(found[si.PUBLIC_KEY_ECDH].required) == key
    assert found[si.PUBLIC_KEY_ECDH].parameter == found[si.CHIP_AUTHENTICATION_AES_128].parameter == 1
    assert found[si.PUBLIC_KEY_ECDH].version is None
    assert si.algorithm_of(found[si.ACTIVE_AUTHENTICATION]) == si.ECDSA_PLAIN_SHA256
    with pytest.raises(MalformedRecord):
        si.algorithm_of(found[si.PACE_ECDH_GM_AES_128])


@given(st.lists(INFOS, min_size=1, max_size=8))
def test_any_infos_come_back_in_their_order_and_sorted_in_dg14(infos: list[si.SecurityInfo]) -> None:
    assert list(si.decode_card_access(si.encode_card_access(infos))) == infos
    found = si.decode_dg14(si.encode_dg14(infos))
    assert sorted(found, key=si.SecurityInfo.encode) == list(found) == sorted(infos, key=si.SecurityInfo.encode)


@given(st.binary(max_size=40))
def test_any_octets_are_read_and_written_alike_or_refused(content: bytes) -> None:
    octets = b"\x31" + bytes((len(content),)) + content
    try:
        infos = si.decode_card_access(octets)
    except MalformedRecord:
        return
    assert si.encode_card_access(infos) == octets


@pytest.mark.parametrize(
    "octets",
    [
        "3100",  # none
        "31023000",  # of nothing
        "3107 3005 0603 2a0304",  # no required data
        "310d 300b 06032a0304 020101 050000",  # an object too many
        "310a 3008 02032a0304 020101",  # no identifier
        "310a 3008 0603 2a0384 020101",  # one that is cut
        "310a 3108 06032a0304 020101",  # a set
        "310b 3008 06032a0304 020101",  # a length that lies
    ],
)
def test_file_that_lies_is_refused(octets: str) -> None:
    with pytest.raises(MalformedRecord):
        si.decode_card_access(bytes.fromhex(octets))


def test_info_of_no_identifier_is_not_made() -> None:
    with pytest.raises(MalformedRecord):
        si.numbered("not.an.oid", 1)
