"""Orders of cards: what is written outlives the daemon, sealed, and is gone when the order ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.card_orders import CardOrder, OrderState
from enrollment.service.store.errors import DossierUnknown, PartPurged, RequestConflict
from enrollment.service.store.store import Store
from tests.unit.store.conftest import NAME, PLAN, SetClock

SECRET = b"a chip's private key and a name" * 20


@pytest.fixture
def begun(store: Store) -> Callable[[], CardOrder]:
    def begin() -> CardOrder:
        opened = store.dossiers.create(PLAN, {"full_name": NAME}, request_id=str(uuid.uuid4()), operator_id="op-1")
        request = str(uuid.uuid4())
        return store.card_orders.begin(request, opened.dossier_id, "vn-cccd", SECRET, operator_id="op-1")

    return begin


def test_order_is_found_again_with_its_content_after_the_store_was_opened_anew(
    store: Store, begun: Callable[[], CardOrder], clock: SetClock, keys: SoftwareKeys
) -> None:
    order = store.card_orders.bind(begun(), "CARD01")
    again = Store.open(store.database.path, clock, keys)
    try:
        found = again.card_orders.find(order.request_id, order.dossier_id, "vn-cccd")
        assert found == order
        assert again.card_orders.content(order) == SECRET
        assert again.card_orders.open_of(order.dossier_id) == order
    finally:
        again.close()


def test_nothing_of_it_is_in_the_file_in_the_clear_and_nothing_at_all_when_it_ends(
    store: Store, begun: Callable[[], CardOrder]
) -> None:
    order = begun()
    with store.database.read() as connection:
        sealed = bytes(connection.exec_driver_sql("SELECT sealed_content FROM card_orders").scalar_one())
    files = [path for path in store.database.path.parent.iterdir() if path.name.startswith(store.database.path.name)]
    assert all(SECRET[:20] not in path.read_bytes() for path in files)
    assert any(sealed[:40] in path.read_bytes() for path in files)
    store.card_orders.finish(order, OrderState.WRITTEN)
    assert all(sealed[:40] not in path.read_bytes() for path in files if path.exists())
    with pytest.raises(PartPurged):
        store.card_orders.content(order)
    found = store.card_orders.find(order.request_id, order.dossier_id, "vn-cccd")
    assert found is not None
    assert found.state is OrderState.WRITTEN
    assert store.card_orders.open_of(order.dossier_id) is None


def test_dossier_has_one_open_order_and_a_request_asks_for_one_card(
    store: Store, begun: Callable[[], CardOrder]
) -> None:
    order = begun()
    with pytest.raises(RequestConflict):
        store.card_orders.begin(str(uuid.uuid4()), order.dossier_id, "vn-cccd", SECRET, operator_id="op-1")
    with pytest.raises(RequestConflict):
        store.card_orders.find(order.request_id, order.dossier_id, "another")
    with pytest.raises(RequestConflict):
        store.card_orders.find(order.request_id, str(uuid.uuid4()), "vn-cccd")
    another = str(uuid.uuid4())
    adopted = store.card_orders.bind(order, "CARD01", another)
    assert store.card_orders.find(another, order.dossier_id, "vn-cccd") == adopted
    assert store.card_orders.content(adopted) == SECRET


def test_card_that_is_being_written_for_one_dossier_is_not_written_for_another(
    store: Store, begun: Callable[[], CardOrder]
) -> None:
    first, second = begun(), begun()
    store.card_orders.bind(first, "CARD01")
    with pytest.raises(CardBelongsElsewhere):
        store.card_orders.bind(second, "CARD01")
    store.card_orders.finish(first, OrderState.GIVEN_UP)
    store.card_orders.bind(second, "CARD01")


def test_destroyed_dossier_takes_its_order_with_it(store: Store, begun: Callable[[], CardOrder]) -> None:
    order = begun()
    store.dossiers.abandon(order.dossier_id, operator_id="op-1", why="test")
    with pytest.raises(PartPurged):
        store.card_orders.content(order)
    with pytest.raises(DossierUnknown):
        store.card_orders.begin(str(uuid.uuid4()), str(uuid.uuid4()), "vn-cccd", b"", operator_id="op-1")
