"""The tree of errors that the core raises.

    EnrollmentError
      InvalidInput            the caller gave something that cannot be used
        InvalidImage          an image of the wrong shape, type, size or resolution
          ImageTooSmall       less than a fingerprint needs
          ImageTooLarge       larger than any platen, by its own resolution
          ImageOverBudget     it cannot be compressed into the octets that there are for it
        MalformedRecord       bytes that are not the record they claim to be
        MalformedPackage      bytes that are not a manifest, container, package or receipt
        InvalidPlan           a plan that asks for what cannot be captured
        InvalidCardProfile    a card profile that cannot be carried out as it is written
        InvalidDemographics   a personal field that fails its rule (the field is named, its value never)
          PersonalNumberMismatch  a personal number that disagrees with the person's other fields
        CertificateRefused    a signing request or a name that cannot be certified
        AuthorityUnusable     a certificate authority's files that cannot be read
        MalformedCardAnswer   what a chip card answered is not what the protocol has it answer
      RuleViolation           well-formed, but not allowed now
        DossierIncomplete     something that the plan requires is missing
        DossierNotOpen        a change to a dossier that is complete, sealed or purged
        PositionAlreadyCaptured
        PositionNotInPlan
        CardRefused           a chip card answered with a status word that ends what was being done
          WrongCardPassword   a chip card does not accept the zone or CAN that it was given
        CardSpoiled           a chip card was begun, and can no longer become what it was to be
      TrustFailure            a signature, digest, key or sequence does not hold
        WrongRecipient, SignatureInvalid, DigestMismatch, SequenceBroken, UnknownSigner
        UntrustedChain        a certificate that no trusted authority issued
        CertificateNotValid   a certificate outside of its time
        CertificateRevoked    a certificate that its authority has revoked
        CardNotGenuine        a chip card that does not know a key that it must know
        CardChannelBroken     a chip card's answer came without the protection that was agreed
        CardBelongsElsewhere  a chip card of another profile, or of another dossier

Each class carries a stable `reason` (UPPER_SNAKE, for programs) and keyword facts (strings and numbers, for people).
No fact may hold a pixel, a template, a key or a personal field: they reach logs and clients.
"""

from __future__ import annotations

from typing import ClassVar


class EnrollmentError(Exception):
    """Something that the core refuses, with the reason and the facts."""

    reason: ClassVar[str] = "ENROLLMENT_ERROR"

    def __init__(self, message: str, **facts: str | int | float) -> None:
        super().__init__(message)
        self.facts = facts


class InvalidInput(EnrollmentError):
    """What was given cannot be used, now or later."""

    reason = "INVALID_INPUT"


class InvalidImage(InvalidInput):
    """An image of the wrong shape, type, size or resolution."""

    reason = "INVALID_IMAGE"


class ImageTooSmall(InvalidImage):
    """An image of less than a fingerprint needs; facts give its size."""

    reason = "IMAGE_TOO_SMALL"


class ImageTooLarge(InvalidImage):
    """An image that would be larger than any platen at the resolution it claims; facts give its size."""

    reason = "IMAGE_TOO_LARGE"


class ImageOverBudget(InvalidImage):
    """An image that is no longer recognisable in the octets that there are for it; facts: needed and budget."""

    reason = "IMAGE_OVER_BUDGET"


class MalformedRecord(InvalidInput):
    """Bytes that are not the biometric record they claim to be."""

    reason = "MALFORMED_RECORD"


class MalformedPackage(InvalidInput):
    """Bytes that are not a manifest, container, package or receipt."""

    reason = "MALFORMED_PACKAGE"


class InvalidPlan(InvalidInput):
    """A plan that cannot be carried out as it is written."""

    reason = "INVALID_PLAN"


class InvalidCardProfile(InvalidInput):
    """A card profile that cannot be carried out as it is written; facts name the key."""

    reason = "INVALID_CARD_PROFILE"


class InvalidDemographics(InvalidInput):
    """A personal field that fails its rule; facts name the field, never its value."""

    reason = "INVALID_DEMOGRAPHICS"


class PersonalNumberMismatch(InvalidDemographics):
    """A personal number that disagrees with birth, sex or place; facts name the rule, never the number."""

    reason = "PERSONAL_NUMBER_MISMATCH"


class CertificateRefused(InvalidInput):
    """A signing request, or a name, that cannot be certified."""

    reason = "CERTIFICATE_REFUSED"


class AuthorityUnusable(InvalidInput):
    """The files of a certificate authority cannot be read."""

    reason = "AUTHORITY_UNUSABLE"


class MalformedCardAnswer(InvalidInput):
    """A chip card's answer that its protocol does not allow; facts: step."""

    reason = "MALFORMED_CARD_ANSWER"


class RuleViolation(EnrollmentError):
    """Well-formed, but not allowed in the present state."""

    reason = "RULE_VIOLATION"


class DossierIncomplete(RuleViolation):
    """The plan requires something that is neither captured nor excused."""

    reason = "DOSSIER_INCOMPLETE"


class DossierNotOpen(RuleViolation):
    """A change to a dossier that is complete, sealed or purged."""

    reason = "DOSSIER_NOT_OPEN"


class PositionAlreadyCaptured(RuleViolation):
    """The dossier already holds this position; replacing it must be asked for."""

    reason = "POSITION_ALREADY_CAPTURED"


class PositionNotInPlan(RuleViolation):
    """The dossier's plan does not ask for this position."""

    reason = "POSITION_NOT_IN_PLAN"


class CardRefused(RuleViolation):
    """A chip card's status word that ends what was being done; facts: step, status (four hexadecimal digits)."""

    reason = "CARD_REFUSED"


class WrongCardPassword(CardRefused):
    """A chip card that does not accept the password (zone or CAN): one try was made, and none is made again by itself.

    Facts: step, status, and tries_left where the card tells it.
    """

    reason = "WRONG_CARD_PASSWORD"


class CardSpoiled(RuleViolation):
    """A chip card that was begun, and refuses again and again to become what it was to be; facts: step, status.

    It is not locked as a finished card, and nobody else can be given it: it is to be destroyed.
    """

    reason = "CARD_SPOILED"


class TrustFailure(EnrollmentError):
    """A signature, digest, key or sequence does not hold."""

    reason = "TRUST_FAILURE"


class WrongRecipient(TrustFailure):
    """Sealed to another key than the one at hand."""

    reason = "WRONG_RECIPIENT"


class SignatureInvalid(TrustFailure):
    """A signature that must hold does not."""

    reason = "SIGNATURE_INVALID"


class UnknownSigner(TrustFailure):
    """Signed by a key that the verifier does not trust."""

    reason = "UNKNOWN_SIGNER"


class UntrustedChain(TrustFailure):
    """A signer's certificate that none of the trusted authorities issued, or that may not sign."""

    reason = "UNTRUSTED_CHAIN"


class CertificateNotValid(TrustFailure):
    """A certificate that is not valid yet, or no longer; facts: whose, and its two days."""

    reason = "CERTIFICATE_NOT_VALID"


class CertificateRevoked(TrustFailure):
    """A certificate that its authority has revoked; facts: whose, and since which day."""

    reason = "CERTIFICATE_REVOKED"


class DigestMismatch(TrustFailure):
    """Bytes that differ from the digest that was promised."""

    reason = "DIGEST_MISMATCH"


class SequenceBroken(TrustFailure):
    """A station's sequence number or previous digest does not follow on."""

    reason = "SEQUENCE_BROKEN"


class CardNotGenuine(TrustFailure):
    """A chip card that cannot prove to know a key: a copy, or another batch's card; facts: step.

    Raised before anything is sent that would cost one of its tries.
    """

    reason = "CARD_NOT_GENUINE"


class CardChannelBroken(TrustFailure):
    """An answer of a chip card without the protection that was agreed: changed on its way, or of another card.

    Whether the command was carried out is not known: read back what stands before it is repeated. Facts: step.
    """

    reason = "CARD_CHANNEL_BROKEN"


class CardBelongsElsewhere(TrustFailure):
    """A chip card of another profile, or one that holds another dossier."""

    reason = "CARD_BELONGS_ELSEWHERE"
