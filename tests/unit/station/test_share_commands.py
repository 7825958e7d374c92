"""enrolld share: what each command changes, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.core.certificates import signing_request
from enrollment.service import daemon
from enrollment.service.config import ShareConfig, load_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    arguments = ["init", "--folder", str(tmp_path / "s"), "--station", "T-1", "--json"]
    return Path(json.loads(CliRunner().invoke(daemon.main, arguments).stdout)["config"])


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.pem"
    path.write_bytes(signing_request(ec.generate_private_key(ec.SECP256R1()), "counter-3"))
    return path


def call(config: Path, name: str, *arguments: object) -> Result:
    return CliRunner().invoke(
        daemon.main, ["share", name, "--config", str(config), *map(str, arguments)], catch_exceptions=False
    )


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_init_adds_the_share_to_the_configuration_and_keeps_what_stands_there(config: Path) -> None:
    config.write_text(config.read_text() + "# kept\n")
    made = told(call(config, "init", "--name", "scanner-pc", "--address", "10.0.0.1:50444", "--json"))
    assert made == {"address": "10.0.0.1:50444", "folder": str(config.parent / "share"), "names": ["scanner-pc"]}
    assert load_config(config).share == ShareConfig("10.0.0.1:50444", config.parent / "share")
    assert "# kept" in config.read_text()
    before = config.read_bytes()
    again = call(config, "init", "--name", "other")
    assert (again.exit_code, "KEYS_EXIST" in again.output) == (1, True)
    assert config.read_bytes() == before


def test_a_pc_is_issued_listed_and_revoked(config: Path, request_file: Path, tmp_path: Path) -> None:
    call(config, "init", "--name", "scanner-pc")
    assert told(call(config, "list", "--json")) == {"clients": []}
    out = tmp_path / "certificate.pem"
    issue = ("issue", "--client", "counter-3", "--request", request_file, "--out", out, "--days", 30, "--json")
    issued = told(call(config, *issue))
    assert issued["client"] == "counter-3"
    assert out.read_text().count("BEGIN CERTIFICATE") == 2
    [listed] = told(call(config, "list", "--json"))["clients"]
    assert (listed["client"], listed["expires"], listed["expired"]) == ("counter-3", issued["expires"], False)
    assert "counter-3" in call(config, "list").output
    assert told(call(config, "revoke", "--client", "counter-3", "--json"))["revoked"] is True
    gone = call(config, "revoke", "--client", "counter-3")
    assert (gone.exit_code, "CLIENT_UNKNOWN" in gone.output) == (1, True)


def test_another_name_is_certified_without_a_new_share(config: Path) -> None:
    call(config, "init", "--name", "scanner-pc")
    authority = (config.parent / "share" / "ca.pem").read_bytes()
    assert told(call(config, "names", "--name", "new-pc", "--json")) == {"names": ["new-pc"]}
    assert (config.parent / "share" / "ca.pem").read_bytes() == authority


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("list",), "CONFIG_INVALID"),
        (("names", "--name", "x"), "CONFIG_INVALID"),
        (("init", "--name", "máy-quét"), "CERTIFICATE_REFUSED"),
    ],
    ids=["not shared: list", "not shared: names", "name that no certificate can carry"],
)
def test_what_cannot_be_done_is_refused_by_its_reason(config: Path, arguments: tuple[str, ...], reason: str) -> None:
    before = config.read_bytes()
    refused = call(config, *arguments)
    assert (refused.exit_code, reason in refused.output) == (1, True)
    assert config.read_bytes() == before


def test_a_request_that_is_none_is_refused_and_admits_nobody(config: Path, tmp_path: Path) -> None:
    call(config, "init", "--name", "scanner-pc")
    (tmp_path / "request.pem").write_text("nonsense")
    issue = ("issue", "--client", "c", "--request", tmp_path / "request.pem", "--out", tmp_path / "c.pem")
    refused = call(config, *issue)
    assert (refused.exit_code, "CERTIFICATE_REFUSED" in refused.output) == (1, True)
    assert told(call(config, "list", "--json")) == {"clients": []}


@pytest.mark.parametrize("address", ["50444", "host:", "host:0", "host:99999"])
def test_an_address_without_host_or_port_is_wrong_usage(config: Path, address: str) -> None:
    assert call(config, "init", "--name", "scanner-pc", "--address", address).exit_code == 2
