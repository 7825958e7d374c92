"""The API as a whole: generated code matches protos/, all seven services stand, each rule of names holds."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor

ROOT = Path(__file__).parents[3]
SERVICES = {
    "device": "DeviceService",
    "capture": "CaptureService",
    "dossier": "DossierService",
    "card": "CardService",
    "outbox": "OutboxService",
    "registry": "RegistryService",
    "diagnostics": "DiagnosticsService",
}


def descriptor(file: str) -> FileDescriptor:
    module = importlib.import_module(f"enrollment.v1.{file}_pb2")
    found = module.DESCRIPTOR
    assert isinstance(found, FileDescriptor)
    return found


def test_generated_code_is_what_protos_generate() -> None:
    done = subprocess.run([ROOT / "protos" / "generate", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_planted_drift_is_found(tmp_path: Path) -> None:
    for part in ("protos", "enrollment/v1"):
        subprocess.run(["cp", "-r", "--parents", part, tmp_path], cwd=ROOT, check=True)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    proto = tmp_path / "protos/enrollment/v1/outbox.proto"
    proto.write_text(proto.read_text().replace("uint64 sequence = 3;", "uint64 sequence = 33;"))
    done = subprocess.run([tmp_path / "protos" / "generate", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "run protos/generate" in done.stderr


@pytest.mark.parametrize(("file", "service"), SERVICES.items())
def test_each_file_holds_its_one_service(file: str, service: str) -> None:
    assert list(descriptor(file).services_by_name) == [service]


def test_a_field_of_type_double_names_its_unit() -> None:
    for file in SERVICES:
        for message in descriptor(file).message_types_by_name.values():
            for field in message.fields:
                if field.type == FieldDescriptor.TYPE_DOUBLE:
                    assert field.name.endswith(("_ms", "_ppi")), f"{message.name}.{field.name} has no unit"
