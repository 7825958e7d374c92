"""Checks of what cards are signed, written and judged with, each with one fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from enrollment.service import daemon
from enrollment.service.config import StationConfig, load_config
from enrollment.service.diagnostics.card_issue_checks import check_cards
from enrollment.service.diagnostics.card_revocation_checks import check_revocation
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from tests.revoked_signer import revoke_signer

OK, WARNING, ERROR = Severity.OK, Severity.WARNING, Severity.ERROR
NOW = datetime.now(UTC)


@pytest.fixture
def config(tmp_path: Path) -> StationConfig:
    options = ["--folder", str(tmp_path / "s"), "--station", "T-1", "--json"]
    path = json.loads(CliRunner().invoke(daemon.main, ["init", *options], catch_exceptions=False).output)["config"]
    CliRunner().invoke(daemon.main, ["cards", "init", "--config", path], catch_exceptions=False)
    return load_config(Path(path))


def machine(tmp_path: Path, at: datetime = NOW + timedelta(hours=1)) -> Machine:
    return Machine(at, frozenset(), tmp_path / "root")


def by_name(findings: Iterator[Finding]) -> dict[str, Severity]:
    found = list(findings)
    assert all(bool(finding.remedy_vi) is (finding.severity is not OK) for finding in found)
    return {finding.check: finding.severity for finding in found}


def test_fresh_station_may_sign_and_one_without_cards_is_not_asked(config: StationConfig, tmp_path: Path) -> None:
    assert by_name(check_cards(machine(tmp_path), config)) == {"card-signer": OK, "card-keys": OK}
    assert by_name(check_cards(machine(tmp_path), replace(config, cards=None))) == {}


@pytest.mark.parametrize(("days", "severity"), [(60, OK), (80, WARNING), (100, ERROR), (-2, ERROR)])
def test_signers_time_runs_out(config: StationConfig, tmp_path: Path, days: int, severity: Severity) -> None:
    found = by_name(check_cards(machine(tmp_path, NOW + timedelta(days=days)), config))
    assert found["card-signer"] is severity


@pytest.mark.parametrize(
    ("file", "check"),
    [
        ("signer-key.pem", "card-signer"),
        ("signer.pem", "card-signer"),
        ("csca/development.pem", "card-signer"),
        ("card-factory.key", "card-keys"),
        ("card-master-1.key", "card-keys"),
    ],
)
def test_file_that_is_damaged_is_named(config: StationConfig, tmp_path: Path, file: str, check: str) -> None:
    path = config.folder / "cards" / file
    path.write_bytes(b"damaged")
    found = {finding.check: finding for finding in check_cards(machine(tmp_path), config)}
    assert found[check].severity is ERROR
    assert path.name in found[check].text_en


def revocation(config: StationConfig, tmp_path: Path, days: float = 0) -> list[Finding]:
    found = list(check_revocation(machine(tmp_path, NOW + timedelta(hours=1, days=days)), config))
    assert all(bool(finding.remedy_vi) is (finding.severity is not OK) for finding in found)
    return found


@pytest.mark.parametrize(("days", "severity"), [(0, OK), (80, OK), (85, WARNING), (95, ERROR), (-2, ERROR)])
def test_revocation_list_runs_out(config: StationConfig, tmp_path: Path, days: int, severity: Severity) -> None:
    [found] = revocation(config, tmp_path, days)
    assert (found.check, found.severity) == ("card-revocation", severity)
    assert "CN=CSCA" in found.text_vi


def test_revocation_list_that_is_absent_forged_or_damaged_is_told(config: StationConfig, tmp_path: Path) -> None:
    path = config.folder / "cards" / "crl" / "development.crl"
    genuine = path.read_bytes()
    path.unlink()
    [absent] = revocation(config, tmp_path)
    assert absent.severity is WARNING
    assert str(path.parent) in absent.remedy_vi
    path.write_bytes(genuine[:-1] + bytes((genuine[-1] ^ 1,)))
    [forged] = revocation(config, tmp_path)
    assert forged.severity is ERROR
    assert "no trusted authority" in forged.text_en
    path.write_bytes(genuine[:-1])
    [damaged] = revocation(config, tmp_path)
    assert damaged.severity is ERROR
    assert str(path) in damaged.text_vi
    assert str(path) in damaged.text_en
    assert [finding.check for finding in check_cards(machine(tmp_path), config)] == ["card-keys"]
    assert revocation(replace(config, cards=None), tmp_path) == []


def test_signer_that_was_revoked_may_not_sign(config: StationConfig, tmp_path: Path) -> None:
    cards = config.cards
    assert cards is not None
    revoke_signer(config.folder / "cards")
    found = {finding.check: finding for finding in check_cards(machine(tmp_path), config)}
    assert found["card-signer"].severity is ERROR
    assert "CERTIFICATE_REVOKED" in found["card-signer"].text_vi
