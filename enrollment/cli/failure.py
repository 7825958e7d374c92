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
    """One failed call. `reason` is stable; texts are for people, by language."""

    code: str
    reason: str
    facts: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def text(self, language: str) -> str:
        return self.texts.get(language) or self.texts.get("en") or self.reason

    @property
    def exit_status(self) -> int:
        return EXIT_UNREACHABLE if self.reason == "DAEMON_UNREACHABLE" else EXIT_REFUSED


def describe(error: grpc.RpcError) -> Failure:
    """Read the status details of a failed call; never raises."""
    call: Any = error  # grpc raises classes that are both RpcError and Call, which its types cannot say
    if not isinstance(call, grpc.Call):
        return Failure("UNKNOWN", "UNKNOWN", texts={"en": "the call failed without a status"})
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
    if not reason and code is grpc.StatusCode.UNAVAILABLE:
        reason = "DAEMON_UNREACHABLE"
        texts = {
            "en": "enrolld does not answer: is it running, and is this its socket?",
            "vi": "enrolld không trả lời: dịch vụ có đang chạy không, và đường dẫn socket có đúng không?",
        }
    texts.setdefault("en", call.details() or code.name)
    return Failure(code.name, reason or code.name, facts, texts)
