"""Tells an operator what happens in an enrollment, as it happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from enrollment.cli import words
from enrollment.cli.output import Output
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, outbox_pb2

BAR_CELLS = 20


def quality_bar(score: int) -> str:
    """A score as a bar, 0..100."""
    filled = round(score * BAR_CELLS / 100)
    return "█" * filled + "░" * (BAR_CELLS - filled)


@dataclass(slots=True)
class Narrator:
    """An enrollment_flow.Listener that prints one line an event."""

    out: Output
    _told: int = -1  # the hint of live view that was told last
    _asked: str = ""  # what the live platen was last told to ask: frames that ask the same again are not told

    def devices(self, devices: Iterable[device_pb2.Device]) -> None:
        for device in devices:
            state = words.state(device_pb2.DeviceState.Name(device.state), self.out.language)
            name = f"{device.device_id}  {device.vendor} {device.model}".rstrip()
            self.out.say(f"device   {name}  {state}", f"thiết bị {name}  {state}")

    def opened(self, dossier: dossier_pb2.Dossier) -> None:
        plan = dossier.plan
        prints = len(plan.fingerprints)
        self.out.say(
            f"dossier  {dossier.dossier_id} opened: {plan.title_en}, {prints} fingerprints",
            f"hồ sơ    {dossier.dossier_id} đã mở: {plan.title_vi}, {prints} vân tay",
        )

    def fingerprint(self, position: int, event: capture_pb2.CaptureFingerprintResponse) -> None:
        finger = words.finger(position, self.out.language)
        match event.WhichOneof("event"):
            case "live":
                self._live(finger, event.live)
            case "waiting":
                self._asked = ""
                text = f"{event.waiting.attempt}/{event.waiting.max_attempts}"
                self.out.say(f"finger   {finger:16} try {text}: place it", f"ngón     {finger:16} lần {text}: đặt lên")
            case "judged":
                self._judged(finger, event.judged)
            case "lift_finger":
                self.out.say(f"         {finger:16} lift it", f"         {finger:16} nhấc lên")
            case "accepted" | "exhausted":
                self._outcome(finger, event)

    def _live(self, name: str, live: capture_pb2.LiveVerdict) -> None:
        """A line whenever the operator has something else to ask."""
        language = self.out.language
        if not live.hints and not live.steady_frames_needed:
            return  # a rolled finger at its end
        asked = words.hint(live.hints[0], language) if live.hints else self.out.pick("hold still", "giữ yên")
        seen = ", ".join(words.finger(position, language) for position in live.missing)
        if seen and live.fingers:
            asked += self.out.pick(f" (missing: {seen})", f" (thiếu: {seen})")
        if asked != self._asked:
            self._asked = asked
            self.out.say(f"         {name:16} … {asked}", f"         {name:16} … {asked}", style="dim")

    def portrait(self, event: capture_pb2.CapturePortraitResponse) -> None:
        name = self.out.pick("portrait", "chân dung")
        match event.WhichOneof("event"):
            case "live":
                self._live_view(name, event.live)
            case "refused":
                text = f"         {name:16} "
                self.out.say(f"{text}the camera took no picture", f"{text}máy ảnh không chụp được", style="yellow")
            case "judged":
                self._judged(name, event.judged)
            case "accepted" | "exhausted":
                self._outcome(name, event)

    def _live_view(self, name: str, judged: capture_pb2.Judged) -> None:
        """What live view asks for, when it asks for something else."""
        if judged.hint == self._told:
            return
        self._told = judged.hint
        hint = words.hint(judged.hint, self.out.language) or self.out.pick("good", "tốt")
        self.out.say(f"         {name:16} live view: {hint}", f"         {name:16} xem trước: {hint}")

    def _judged(self, name: str, judged: capture_pb2.Judged) -> None:
        for finger in judged.fingers:
            self._print(words.finger(finger.position, self.out.language), finger)
        if not judged.HasField("quality"):
            line = f"         {name:16} {words.hint(judged.hint, self.out.language)}"
            self.out.say(line, line, style="yellow")
        elif not judged.fingers:
            self._print(name, judged)

    def _print(self, name: str, judged: capture_pb2.Judged | capture_pb2.JudgedFinger) -> None:
        score, language = judged.quality.score, self.out.language
        hint = words.hint(judged.hint, language)
        if judged.same_as:
            hint += f" ({words.finger(judged.same_as, language)})"
        minutiae = f"  {judged.minutiae:3} {self.out.pick('minutiae', 'điểm đặc trưng')}" if judged.minutiae else ""
        line = f"         {name:16} {quality_bar(score)} {score:3}{minutiae}  {hint}".rstrip()
        self.out.say(line, line, style="" if judged.acceptable else "yellow")

    def _outcome(
        self, name: str, event: capture_pb2.CaptureFingerprintResponse | capture_pb2.CapturePortraitResponse
    ) -> None:
        if event.WhichOneof("event") == "accepted":
            self.out.say(f"         {name:16} accepted, on disk", f"         {name:16} đạt, đã lưu", style="green")
        else:
            kept = event.exhausted.kept_attempt
            self.out.say(
                f"         {name:16} tries used; the best one (try {kept}) is on disk",
                f"         {name:16} hết lượt; lần tốt nhất (lần {kept}) đã lưu",
                style="yellow",
            )

    def completed(self, dossier: dossier_pb2.Dossier) -> None:
        self.out.say(f"dossier  {dossier.dossier_id} complete", f"hồ sơ    {dossier.dossier_id} đã đủ")

    def package(self, package: outbox_pb2.Package) -> None:
        state = words.state(outbox_pb2.PackageState.Name(package.state), self.out.language)
        sent = f"{package.sent_bytes:,} / {package.size_bytes:,} B"
        line = f"{package.sha256[:16]} {state}  {sent}  {package.problem}".rstrip()
        self.out.say(f"package  {line}", f"gói      {line}")
