"""The queue and the chain: gap-free numbers, one package a dossier, receipts, the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from enrollment.core.dossier.lifecycle import TransitionRefused
from enrollment.core.dossier.model import DossierState
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.errors import ChainMoved, DossierUnknown, PackageUnknown, ReceiptNotYet
from enrollment.service.store.outbox_rows import NewPackage, OutboxPackage, PackageState
from enrollment.service.store.store import Store

Complete = Callable[[], str]


def queued(store: Store, dossier_id: str, content: bytes = b"sealed") -> OutboxPackage:
    digest = hashlib.sha256(dossier_id.encode()).digest()
    return store.outbox.add(NewPackage(f"p-{dossier_id}", dossier_id, store.outbox.next_link(), digest, content))


def test_numbers_follow_on_and_each_names_the_digest_before(store: Store, complete_dossier: Complete) -> None:
    assert store.outbox.next_link() == ChainLink(1, None)
    first = queued(store, complete_dossier())
    assert store.outbox.next_link() == ChainLink(2, first.sha256)
    second = queued(store, complete_dossier())
    assert (first.sequence, second.sequence) == (1, 2)
    assert store.dossiers.get(first.dossier_id).state is DossierState.SEALED
    assert store.dossiers.get(first.dossier_id).package_sha256 == first.sha256


def test_package_sealed_for_a_taken_number_is_refused_and_nothing_changes(
    store: Store, complete_dossier: Complete
) -> None:
    link = store.outbox.next_link()
    queued(store, complete_dossier())
    late = complete_dossier()
    with pytest.raises(ChainMoved):
        store.outbox.add(NewPackage("late", late, link, b"z" * 32, b""))
    assert store.dossiers.get(late).state is DossierState.COMPLETE
    assert store.outbox.for_dossier(late) is None


def test_second_package_of_one_dossier_is_refused(store: Store, complete_dossier: Complete) -> None:
    dossier_id = complete_dossier()
    queued(store, dossier_id)
    with pytest.raises(TransitionRefused):
        store.outbox.add(NewPackage("again", dossier_id, store.outbox.next_link(), b"z" * 32, b""))


def test_packages_go_in_sequence_and_the_ledger_follows(store: Store, complete_dossier: Complete) -> None:
    packages = [queued(store, complete_dossier()) for _ in range(3)]
    ledger = store.outbox.ledger()
    assert (ledger.collected, ledger.sealed, ledger.sent, ledger.acknowledged) == (3, 3, 0, 0)
    assert ledger.unacknowledged_sequences == (1, 2, 3)
    for package in packages:
        assert store.outbox.next_to_send() == store.outbox.get(package.package_id)
        store.outbox.begin_attempt(package.package_id)
        store.outbox.progress(package.package_id, package.size_bytes)
        with pytest.raises(ReceiptNotYet):
            store.outbox.receipt(package.package_id)
        done = store.outbox.acknowledge(package.package_id, b"receipt", package.sealed_at)
        assert store.outbox.acknowledge(package.package_id, b"other", package.sealed_at) == done
        assert store.outbox.receipt(package.package_id) == b"receipt"
        assert store.dossiers.get(package.dossier_id).state is DossierState.ACKNOWLEDGED
    ledger = store.outbox.ledger()
    assert (ledger.collected, ledger.sent, ledger.acknowledged, ledger.last_sequence) == (3, 3, 3, 3)
    assert (store.outbox.next_to_send(), ledger.unacknowledged_sequences) == (None, ())


def test_refused_package_holds_those_behind_it_and_retry_frees_them(store: Store, complete_dossier: Complete) -> None:
    first, second = queued(store, complete_dossier()), queued(store, complete_dossier())
    store.outbox.refuse(first.package_id, "SIGNATURE_INVALID", "no")
    assert store.outbox.get(second.package_id).problem == "PREDECESSOR_REFUSED"
    held = store.outbox.next_to_send()
    assert held is not None
    assert (held.sequence, held.state) == (1, PackageState.REFUSED)
    assert store.outbox.ledger().refused == 1
    store.outbox.retry(first.package_id, operator_id="boss")
    assert store.outbox.get(first.package_id).state is PackageState.QUEUED
    assert store.outbox.get(second.package_id).problem == ""


def test_postponed_package_says_why_and_until_when(store: Store, complete_dossier: Complete) -> None:
    package = queued(store, complete_dossier())
    due = package.sealed_at + timedelta(seconds=30)
    waiting = store.outbox.postpone(package.package_id, "REGISTRY_UNREACHABLE", "x" * 9999, due)
    assert (waiting.state, waiting.problem, waiting.next_attempt_at) == (
        PackageState.QUEUED, "REGISTRY_UNREACHABLE", due,
    )  # fmt: skip
    assert len(waiting.problem_text) == 500


def test_sending_is_queued_again_after_a_restart(store: Store, complete_dossier: Complete) -> None:
    package = queued(store, complete_dossier())
    store.outbox.begin_attempt(package.package_id)
    store.outbox.recover()
    assert store.outbox.get(package.package_id).state is PackageState.QUEUED


def test_pages_hold_every_package_once(store: Store, complete_dossier: Complete) -> None:
    made = [queued(store, complete_dossier()).sequence for _ in range(5)]
    page = store.outbox.list(None, 2, "")
    seen = [package.sequence for package in page.packages]
    while page.next_page_token:
        page = store.outbox.list(None, 2, page.next_page_token)
        seen += [package.sequence for package in page.packages]
    assert seen == made[::-1]
    assert store.outbox.list(None, 2, "no number").packages == ()


def test_unknown_package_and_dossier_are_named(store: Store) -> None:
    with pytest.raises(PackageUnknown):
        store.outbox.get("nothing")
    with pytest.raises(DossierUnknown):
        store.outbox.for_dossier("nothing")
