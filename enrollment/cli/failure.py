"""What a client shows when a call fails: the daemon's reason and sentence, or why there was no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

EXIT_REFUSED = 1
EXIT_UNREACHABLE = 3  # 2 is click's own, for wrong usage


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call. `reason` is stable; texts are for people, by language; answered: by the daemon itself."""

    code: str
    reason: str
    facts: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    answered: bool = False

    def text(self, language: str) -> str:
        return self.texts.get(language) or self.texts.get("en") or self.reason

    @property
    def exit_status(self) -> int:
        """Of a command that failed so: no station was reached, or it refused."""
        return EXIT_REFUSED if self.answered else EXIT_UNREACHABLE


class Refusal(Exception):
    """A command ends before any call is made; carries what to show."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text("en"))
        self.failure = failure


def describe(error: grpc.RpcError) -> Failure:
    """Read the status details of a failed call; never raises."""
    call: Any = error  # grpc raises classes that are both RpcError and Call, which its types cannot say
    if not isinstance(call, grpc.Call):
        return Failure("UNKNOWN", "UNKNOWN", texts={"en": "the call failed without a status"}, answered=True)
    code = call.code()
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # details that disagree with the status: trust the status alone
        status = None
    reason, facts, texts = "", {}, {}
    for detail in status.details if status else ():
        info, localized = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
        if detail.Unpack(info):
            reason, facts = info.reason, dict(info.metadata)
        elif detail.Unpack(localized):
            texts[localized.locale.split("-")[0]] = localized.message
    answered = bool(reason) or code is not grpc.StatusCode.UNAVAILABLE
    if not answered:
        reason = "DAEMON_UNREACHABLE"
        texts = {
            "en": "enrolld does not answer: is it running, and is this its socket?",
            "vi": "enrolld không trả lời: dịch vụ có đang chạy không, và đường dẫn socket có đúng không?",
        }
    texts.setdefault("en", call.details() or code.name)
    return Failure(code.name, reason or code.name, facts, texts, answered)
