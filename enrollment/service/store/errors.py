"""What the store refuses, beside the core's own errors."""

from __future__ import annotations

from enrollment.core.errors import EnrollmentError


class StoreError(EnrollmentError):
    """Anything that the store raises of its own."""

    reason = "STORE_ERROR"


class DossierUnknown(StoreError):
    """No dossier of this id at this station."""

    reason = "DOSSIER_UNKNOWN"


class PackageUnknown(StoreError):
    """No package of this id, or of this dossier, in the outbox."""

    reason = "PACKAGE_UNKNOWN"


class CardUnknown(StoreError):
    """The ledger has no card of this number, or none of this dossier."""

    reason = "CARD_UNKNOWN"


class CardBatchUnknown(StoreError):
    """No list of cards of this batch id was carried out here."""

    reason = "CARD_BATCH_UNKNOWN"


class CardBatchConflict(StoreError):
    """A batch id that brought another list of cards before."""

    reason = "CARD_BATCH_CONFLICT"


class NotHandedOver(StoreError):
    """This card was never handed over: there is no receipt."""

    reason = "NOT_HANDED_OVER"


class PartUnknown(StoreError):
    """The dossier has no part of this name."""

    reason = "PART_UNKNOWN"


class PartPurged(StoreError):
    """The dossier's key was destroyed: its parts cannot be read any more."""

    reason = "DOSSIER_PURGED"


class ReceiptNotYet(StoreError):
    """The registry has not acknowledged this package yet."""

    reason = "RECEIPT_NOT_YET"


class RequestConflict(StoreError):
    """A request id that was used before, for something else."""

    reason = "REQUEST_ID_CONFLICT"


class ChainMoved(StoreError):
    """Another package took the sequence number while this one was being sealed: seal it again."""

    reason = "SEQUENCE_TAKEN"


class ChainSound(StoreError):
    """The registry told of no package that this station does not know: there is nothing to rejoin."""

    reason = "CHAIN_SOUND"


class PrintsAppeared(StoreError):
    """The dossier got a print that this capture was not compared with: compare again."""

    reason = "PRINTS_APPEARED"


class SessionInvalid(StoreError):
    """No such session, or it has expired."""

    reason = "SESSION_INVALID"


class DatabaseUnavailable(StoreError):
    """The database file cannot be used now; facts name the file and the remedy. What was acknowledged is in it."""

    reason = "DATABASE_UNAVAILABLE"


class DatabaseTooNew(StoreError):
    """The file was written by a newer version of this software."""

    reason = "DATABASE_TOO_NEW"


class StoredDataDamaged(StoreError):
    """Stored bytes do not decrypt, or differ from their digest: the file was changed from outside or the disk fails."""

    reason = "STORED_DATA_DAMAGED"
