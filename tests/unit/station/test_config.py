"""station.toml: what is read, what is refused by file and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment.service.config import ConfigInvalid, HandOverConfig, ShareConfig, load_config, load_plans

GOOD = """
[station]
id = "HN-0042-1"
[state]
folder = "state"
[listen]
socket_mode = 0o600
[registry]
address = "registry.example:443"
ca = "tls/ca.pem"
[share]
address = "0.0.0.0:50444"
[devices]
addresses = ["usb:", "usbip://127.0.0.1:3240"]
poll_s = 1
[outbox]
chunk_bytes = 4096
[hand_over]
shift_hours = 8
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text, "utf-8")
    return path


def test_good_file_is_read_with_paths_relative_to_itself(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert (config.station_id, config.folder, config.socket_mode) == ("HN-0042-1", tmp_path / "state", 0o600)
    assert config.socket == tmp_path / "state" / "enrolld.sock"
    assert config.registry is not None
    assert config.registry.ca == tmp_path / "tls" / "ca.pem"
    assert config.registry.private_key == tmp_path / "state" / "keys" / "client-key.pem"
    assert config.share == ShareConfig("0.0.0.0:50444", tmp_path / "state" / "share")
    assert (config.devices.addresses, config.devices.poll_s) == (("usb:", "usbip://127.0.0.1:3240"), 1.0)
    assert config.outbox.chunk_bytes == 4096
    assert config.hand_over == HandOverConfig(shift=timedelta(hours=8))


def test_station_without_a_registry_is_allowed(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[station]\nid = "A"\n'))
    assert (config.registry, config.share) == (None, None)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('id = "HN-0042-1"', ""), "station.id"),
        (('id = "HN-0042-1"', 'id = "no spaces"'), "station.id"),
        (('id = "HN-0042-1"', "id = 7"), "station.id"),
        (("socket_mode = 0o600", "socket_mod = 0o600"), "listen.socket_mod"),
        (("socket_mode = 0o600", "socket_mode = 0o1777"), "listen.socket_mode"),
        (("chunk_bytes = 4096", "backoff_max_s = 0.5"), "outbox.backoff_max_s"),
        (('"registry.example:443"', '"registry.example"'), "registry.address"),
        (('"registry.example:443"', '"registry.example:70000"'), "registry.address"),
        (('"0.0.0.0:50444"', '"50444"'), "share.address"),
        (('"0.0.0.0:50444"', '"0.0.0.0:0"'), "share.address"),
        (("[share]", "[share]\nca = 1"), "share.ca"),
        (("poll_s = 1", "poll_s = 0"), "devices.poll_s"),
        (("poll_s = 1", "poll_s = nan"), "devices.poll_s"),
        (('["usb:", "usbip://127.0.0.1:3240"]', "[1]"), "devices.addresses"),
        (("chunk_bytes = 4096", "chunk_bytes = 1e12"), "outbox.chunk_bytes"),
        (("shift_hours = 8", "shift_hours = 200"), "hand_over.shift_hours"),
        (("shift_hours = 8", "false_match_rate = 1e-6"), "hand_over.false_match_rate"),
        (("shift_hours = 8", "tries = 0"), "hand_over.tries"),
        (("[outbox]", "[outbocks]"), "outbocks"),
    ],
)
def test_wrong_value_is_refused_by_its_key(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigInvalid) as refused:
        load_config(written(tmp_path, GOOD.replace(*change)))
    assert refused.value.facts["key"] == key


def test_socket_path_longer_than_the_system_allows_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="Unix socket"):
        load_config(written(tmp_path, f'[station]\nid = "A"\n[listen]\nsocket = "/tmp/{"x" * 110}"\n'))


def test_missing_huge_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        load_config(tmp_path / "absent.toml")
    for content in (b"\xff\xfe\x00", b"#" * 300_000):
        path = tmp_path / "bad.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigInvalid) as refused:
            load_config(path)
        assert refused.value.facts["file"] == str(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        load_config(path)
    except ConfigInvalid:
        return


def test_passphrase_comes_from_the_named_file_or_from_systemds_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    plain = '[station]\nid = "A"\n'
    assert load_config(written(tmp_path, plain)).passphrase() is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_config(written(tmp_path, plain)).passphrase() is None
    (tmp_path / "station-passphrase").write_text("from systemd\n")
    assert load_config(written(tmp_path, plain)).passphrase() == b"from systemd"
    (tmp_path / "own").write_text("own\n")
    named = load_config(written(tmp_path, plain + '[state]\npassphrase_file = "own"\n'))
    assert named.passphrase() == b"own"
    (tmp_path / "own").write_text("\n")
    with pytest.raises(ConfigInvalid, match="empty"):
        named.passphrase()


def test_plans_of_the_point_replace_built_in_ones_and_a_bad_one_is_named(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    text = 'plan_id = "card-issue"\nversion = 9\ntitle_vi = ""\ntitle_en = ""\nfingerprints = [{ position = 2 }]\n'
    (plans / "own.toml").write_text(text)
    config = load_config(written(tmp_path, '[station]\nid = "A"\n[plans]\nfolder = "plans"\n'))
    assert load_plans(config)["card-issue"].version == 9
    (plans / "zzz.toml").write_text("plan_id = 3")
    with pytest.raises(ConfigInvalid) as refused:
        load_plans(config)
    assert "zzz.toml" in str(refused.value.facts["file"])
