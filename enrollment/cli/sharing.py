"""A station on another PC: what this PC shows it, and why a connection to it fails, in plain words.

A folder of this PC holds what `enrollctl share request` and the station's `enrolld share issue` made:

    key.pem            this PC's private key; mode 0600, it never leaves this PC
    request.pem        what the station's administrator certifies
    certificate.pem    this PC's certificate, then the station's authority
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from enrollment.cli.failure import Failure, Refusal
from enrollment.core.certificates import certificate_pem, private_key_pem, signing_request

KEY_FILE: Final = "key.pem"
REQUEST_FILE: Final = "request.pem"
CERTIFICATE_FILE: Final = "certificate.pem"
ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s/]+):([0-9]{1,5})")
OTHERS: Final = 0o077
PROBE_TIMEOUT_S: Final = 3.0
ALERT_WAIT_S: Final = 3.0  # a station that takes the certificate says so at once; a busy one refuses it later
UNAVAILABLE: Final = grpc.StatusCode.UNAVAILABLE.name

# OpenSSL's X509_V_ERR_*
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME: Final = {62, 64}


@dataclass(frozen=True, slots=True, repr=False)
class SharedStation:
    """A station's address, and this PC's papers for it. Its repr shows no key."""

    address: str
    folder: Path
    certificate: x509.Certificate
    authority: x509.Certificate

    @classmethod
    def load(cls, address: str, folder: Path) -> SharedStation:
        """Read the papers. Raises Refusal: there are none, they do not fit together, or others may read the key."""
        if ADDRESS.fullmatch(address) is None:
            raise _refusal(
                "ADDRESS_INVALID",
                f"{address} is no host:port",
                f"{address} không có dạng máy:cổng",
            )
        key_file, certificate_file = folder / KEY_FILE, folder / CERTIFICATE_FILE
        try:
            certificates = x509.load_pem_x509_certificates(certificate_file.read_bytes())
            open_to_others = os.name == "posix" and key_file.stat().st_mode & OTHERS
            key = load_pem_private_key(key_file.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise _refusal(
                "CERTIFICATE_MISSING",
                f"{error.filename} is not there: enrollctl share request, then have it certified on the station",
                f"không có {error.filename}: chạy enrollctl share request rồi xin trạm cấp chứng thư",
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise _refusal(
                "CERTIFICATE_UNUSABLE",
                f"the files in {folder} cannot be read ({type(error).__name__})",
                f"không đọc được các tệp trong {folder} ({type(error).__name__})",
            ) from error
        if open_to_others:
            raise _refusal(
                "KEY_EXPOSED",
                f"others may read {key_file}: make a new one (enrollctl share request) and chmod 600 it",
                f"người khác đọc được {key_file}: tạo khoá mới (enrollctl share request) và chmod 600",
            )
        if len(certificates) != 2 or key.public_key() != certificates[0].public_key():
            raise _refusal(
                "CERTIFICATE_UNUSABLE",
                f"{certificate_file} is not what the station issued for {key_file}",
                f"{certificate_file} không phải chứng thư mà trạm cấp cho {key_file}",
            )
        return cls(address, folder, certificates[0], certificates[1])

    @property
    def expires(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel to the station: it proves itself by the authority that issued this PC's certificate."""
        return grpc.ssl_channel_credentials(
            root_certificates=certificate_pem(self.authority),
            private_key=(self.folder / KEY_FILE).read_bytes(),
            certificate_chain=certificate_pem(self.certificate),
        )

    def why_unreachable(self) -> Failure:
        """Try the connection step by step, and name the step that fails."""
        if datetime.now(UTC) >= self.expires:
            return _failure(
                "CLIENT_CERTIFICATE_EXPIRED",
                f"this PC's certificate ended on {self.expires:%Y-%m-%d}: have {REQUEST_FILE} certified again",
                f"chứng thư của máy này hết hạn ngày {self.expires:%Y-%m-%d}: xin trạm cấp lại cho {REQUEST_FILE}",
            )
        try:
            closed = self._shakes_hands_and_is_closed()
        except ssl.SSLCertVerificationError as error:
            return _server_refused(error.verify_code, self.address)
        except ssl.SSLError:
            return _failure(
                "STATION_NOT_SHARED",
                f"what answers at {self.address} does not speak TLS: is it the station's address?",
                f"nơi trả lời tại {self.address} không dùng TLS: có đúng địa chỉ của trạm không?",
            )
        except OSError as error:
            why = error.strerror or type(error).__name__
            return _failure(
                "STATION_UNREACHABLE",
                f"nobody answers at {self.address} ({why}): does enrolld run there, is it shared, is there a firewall?",
                f"không ai trả lời tại {self.address} ({why}): enrolld có chạy, có chia sẻ, có tường lửa không?",
            )
        if closed:
            return _failure(
                "CLIENT_CERTIFICATE_REFUSED",
                "the station refuses this PC's certificate: have it issued anew, and check the station's clock",
                "trạm từ chối chứng thư của máy này: xin cấp lại, và kiểm tra đồng hồ của trạm",
            )
        return _failure(
            "STATION_UNREACHABLE",
            f"{self.address} answers, but enrolld does not serve: try again, read its log",
            f"{self.address} có trả lời nhưng enrolld không phục vụ: thử lại, xem nhật ký của nó",
        )

    def _shakes_hands_and_is_closed(self) -> bool:
        """Whether the station hangs up after the handshake: with TLS 1.3 a client's certificate is judged then."""
        host, port = self.address.rsplit(":", 1)
        host = host.strip("[]")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificate_pem(self.authority).decode())
        context.load_cert_chain(self.folder / CERTIFICATE_FILE, self.folder / KEY_FILE)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, int(port)), PROBE_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            secured.settimeout(ALERT_WAIT_S)
            try:
                return secured.recv(1) == b""
            except TimeoutError:
                return False
            except (ssl.SSLError, ConnectionError):
                return True


def make_request(folder: Path, name: str) -> Path:
    """Make this PC's key, unless it has one, and the request to have it certified; where that is. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, request_file = folder / KEY_FILE, folder / REQUEST_FILE
    if not key_file.exists():
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private_key_pem(ec.generate_private_key(ec.SECP256R1())))
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _refusal("CERTIFICATE_UNUSABLE", f"{key_file} is of another kind", f"{key_file} thuộc loại khác")
    request_file.write_bytes(signing_request(key, name))
    return request_file


def _server_refused(code: int, address: str) -> Failure:
    """What is wrong with the certificate that a station shows."""
    if code in _WRONG_NAME:
        return _failure(
            "SERVER_NAME_MISMATCH",
            f"the station is not known as {address}: on the station, enrolld share names",
            f"trạm không mang tên {address}: trên trạm, chạy enrolld share names",
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        return _failure(
            "SERVER_CERTIFICATE_EXPIRED",
            "the station's certificate is not valid now: check this PC's clock, then set the share up anew",
            "chứng thư của trạm không còn hoặc chưa có hạn: kiểm tra đồng hồ máy này, rồi thiết lập lại chia sẻ",
        )
    return _failure(
        "SERVER_CERTIFICATE_UNKNOWN",
        f"what answers at {address} is not the station that certified this PC: check the address, or ask for another",
        f"nơi trả lời tại {address} không phải trạm đã cấp chứng thư: kiểm tra địa chỉ, hoặc xin chứng thư khác",
    )


def _failure(reason: str, en: str, vi: str) -> Failure:
    return Failure(UNAVAILABLE, reason, texts={"en": en, "vi": vi})


def _refusal(reason: str, en: str, vi: str) -> Refusal:
    return Refusal(_failure(reason, en, vi))
