"""Exception -> gRPC status code and sentences: the one table.

Every class of the trees of EnrollmentError and DriverError has its own row: a status code for programs that retry, a
sentence for the operator in Vietnamese and English. A test walks both trees and finds each class here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc

from drivers import errors as device
from enrollment.core import errors as core
from enrollment.core.dossier import card_batch, card_lifecycle, lifecycle
from enrollment.service import config
from enrollment.service.capture import errors as capture
from enrollment.service.cards import errors as cards
from enrollment.service.devices import errors as leasing
from enrollment.service.keys import errors as keys
from enrollment.service.outbox import errors as outbox
from enrollment.service.rpc import errors as call
from enrollment.service.store import errors as store

Code = grpc.StatusCode


@dataclass(frozen=True, slots=True)
class Row:
    """How one class of errors is answered."""

    code: grpc.StatusCode
    vi: str
    en: str


TABLE: Final[dict[type[core.EnrollmentError] | type[device.DriverError], Row]] = {
    # What was given cannot be used.
    core.EnrollmentError: Row(Code.INTERNAL, "Hệ thống từ chối thao tác này.", "The system refuses this operation."),
    core.InvalidInput: Row(Code.INVALID_ARGUMENT, "Dữ liệu gửi lên không dùng được.", "What was sent cannot be used."),
    core.InvalidImage: Row(
        Code.INVALID_ARGUMENT,
        "Ảnh không đúng kích thước, kiểu hoặc độ phân giải.",
        "The image has the wrong size, type or resolution.",
    ),
    core.ImageTooSmall: Row(Code.INVALID_ARGUMENT, "Ảnh quá nhỏ.", "The image is too small."),
    core.ImageTooLarge: Row(Code.INVALID_ARGUMENT, "Ảnh quá lớn.", "The image is too large."),
    core.ImageOverBudget: Row(
        Code.INVALID_ARGUMENT,
        "Ảnh không nén được vào dung lượng trên thẻ: hãy chụp lại trước nền trơn.",
        "The image cannot be compressed into its room on the card: take it again before a plain background.",
    ),
    core.MalformedRecord: Row(
        Code.INVALID_ARGUMENT, "Bản ghi sinh trắc học bị hỏng.", "The biometric record is damaged."
    ),
    core.MalformedPackage: Row(Code.DATA_LOSS, "Gói hồ sơ bị hỏng.", "The package is damaged."),
    core.InvalidPlan: Row(Code.FAILED_PRECONDITION, "Quy trình thu nhận không hợp lệ.", "The procedure is not valid."),
    core.InvalidCardProfile: Row(
        Code.FAILED_PRECONDITION, "Cấu hình thẻ không hợp lệ.", "The card's profile is not valid."
    ),
    core.InvalidDemographics: Row(
        Code.INVALID_ARGUMENT,
        "Một thông tin cá nhân chưa đúng quy định, hãy sửa lại.",
        "A personal field does not follow its rule: correct it.",
    ),
    core.PersonalNumberMismatch: Row(
        Code.INVALID_ARGUMENT,
        "Số định danh không khớp với ngày sinh, giới tính hoặc nơi khai sinh: hãy đối chiếu giấy tờ.",
        "The personal number disagrees with date of birth, sex or place of registration: compare with the papers.",
    ),
    core.CertificateRefused: Row(
        Code.INVALID_ARGUMENT,
        "Yêu cầu cấp chứng thư hoặc tên máy không dùng được.",
        "The signing request or the name cannot be certified.",
    ),
    call.MalformedRequest: Row(
        Code.INVALID_ARGUMENT, "Yêu cầu sai định dạng hoặc ngoài giới hạn.", "The request is malformed or out of range."
    ),
    # Not allowed now.
    core.MalformedCardAnswer: Row(
        Code.INTERNAL,
        "Thẻ trả lời không đúng giao thức: hãy thử lại, sau đó dùng thẻ khác.",
        "The card answers against the protocol: try again, then take another card.",
    ),
    core.RuleViolation: Row(
        Code.FAILED_PRECONDITION, "Thao tác này chưa được phép lúc này.", "This is not allowed at present."
    ),
    core.DossierIncomplete: Row(
        Code.FAILED_PRECONDITION,
        "Hồ sơ còn thiếu: hãy thu nhận hoặc ghi lý do thiếu.",
        "The dossier is not complete: capture or excuse what is missing.",
    ),
    core.DossierNotOpen: Row(
        Code.FAILED_PRECONDITION, "Hồ sơ đã đóng, không sửa được nữa.", "The dossier is closed and cannot be changed."
    ),
    core.PositionAlreadyCaptured: Row(
        Code.ALREADY_EXISTS,
        "Ngón này đã được thu nhận; muốn thay thì chọn thu lại.",
        "This finger is already captured: ask for replacement to capture it again.",
    ),
    core.PositionNotInPlan: Row(
        Code.INVALID_ARGUMENT, "Quy trình không yêu cầu ngón này.", "The procedure does not ask for this finger."
    ),
    lifecycle.TransitionRefused: Row(
        Code.FAILED_PRECONDITION, "Hồ sơ đang ở trạng thái khác.", "The dossier's present state does not allow this."
    ),
    card_lifecycle.CardTransitionRefused: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ đang ở trạng thái khác: xem lịch sử của thẻ.",
        "The card's present state does not allow this: look at its history.",
    ),
    card_lifecycle.ShiftIsOver: Row(
        Code.FAILED_PRECONDITION,
        "Đã quá ca làm việc, không huỷ được việc trả thẻ: hãy thu hồi thẻ và ghi trả về trung tâm.",
        "The shift is over: this hand-over cannot be undone. Take the card back and record its return.",
    ),
    card_lifecycle.SupervisorRequired: Row(
        Code.PERMISSION_DENIED,
        "Việc này phải do người giám sát ghi nhận.",
        "Only a supervisor records this.",
    ),
    card_batch.CardBatchMalformed: Row(
        Code.INVALID_ARGUMENT,
        "Danh sách thẻ sai định dạng hoặc quá dài: xem lại dòng được nêu.",
        "The list of cards is malformed or too long: look at the row that is named.",
    ),
    card_lifecycle.CardNumberInvalid: Row(
        Code.INVALID_ARGUMENT,
        "Số thẻ không hợp lệ: hãy ghi số sê-ri của chip, không ghi số định danh cá nhân.",
        "This is no card's number: give the serial number of its chip, never a personal number.",
    ),
    capture.SameFingerTwice: Row(
        Code.FAILED_PRECONDITION,
        "Ngón này đã được thu ở vị trí khác: kiểm tra lại ngón tay.",
        "This finger is already captured under another position: check which finger it is.",
    ),
    capture.OtherPerson: Row(
        Code.FAILED_PRECONDITION,
        "Bàn tay này không phải của người đã thu vân tay trong hồ sơ: kiểm tra lại người và hồ sơ.",
        "This hand is not that of the dossier's other prints: check the person and the dossier.",
    ),
    capture.FingersNotSeen: Row(
        Code.FAILED_PRECONDITION,
        "Không lần nào thấy đủ các ngón: thu lại, hoặc ghi lý do thiếu ngón.",
        "No try showed all the fingers: capture again, or record why one is missing.",
    ),
    capture.FingersAbsent: Row(
        Code.FAILED_PRECONDITION,
        "Các ngón này đều đã ghi là thiếu: không cần thu.",
        "All these fingers are recorded as absent: there is nothing to capture.",
    ),
    capture.FrameTooSmall: Row(
        Code.FAILED_PRECONDITION,
        "Ảnh từ máy ảnh nhỏ hơn yêu cầu: đổi độ phân giải máy ảnh.",
        "The camera's pictures are smaller than the procedure asks for: set a higher resolution.",
    ),
    capture.PrintsNotThere: Row(
        Code.FAILED_PRECONDITION,
        "Hồ sơ không có vân tay để đối chiếu: hai cán bộ cùng xác nhận, kèm lý do.",
        "The dossier holds no print to compare with: two officers vouch, with a reason.",
    ),
    capture.FingerNotMatched: Row(
        Code.FAILED_PRECONDITION,
        "Vân tay không khớp hồ sơ: thử ngón khác, hoặc hai cán bộ cùng xác nhận.",
        "The finger is not the dossier's: try another finger, or let two officers vouch.",
    ),
    capture.TriesUsedUp: Row(
        Code.FAILED_PRECONDITION,
        "Đã hết số lần đối chiếu vân tay cho thẻ này: chỉ hai cán bộ cùng xác nhận mới trả được thẻ.",
        "The comparisons for this card are used up: only two officers can hand it over.",
    ),
    capture.SecondOfficerNeeded: Row(
        Code.PERMISSION_DENIED,
        "Cán bộ thứ hai phải là người khác, bằng phiên làm việc của chính mình.",
        "The second officer must be another operator or supervisor, by a session of his own.",
    ),
    capture.SettingNotOffered: Row(
        Code.INVALID_ARGUMENT,
        "Máy ảnh không có cài đặt hoặc giá trị này: hãy chọn trong danh sách.",
        "The camera does not offer this setting or value: choose one of its list.",
    ),
    leasing.LeaseRequired: Row(
        Code.FAILED_PRECONDITION, "Hãy giữ thiết bị trước khi dùng.", "Take the device's lease before you use it."
    ),
    leasing.LeaseHeld: Row(
        Code.FAILED_PRECONDITION, "Thiết bị đang có người khác dùng.", "Another client holds the device."
    ),
    leasing.LeaseExpired: Row(
        Code.FAILED_PRECONDITION,
        "Quyền dùng thiết bị đã hết, hãy giữ lại thiết bị.",
        "The lease has ended: take the device again.",
    ),
    leasing.LeaseNotYours: Row(
        Code.FAILED_PRECONDITION,
        "Thiết bị đang do người khác giữ.",
        "The lease is another's, or was taken over.",
    ),
    leasing.DeviceInUse: Row(
        Code.FAILED_PRECONDITION, "Thiết bị đang thu nhận dở.", "The device is in the middle of another capture."
    ),
    leasing.DeviceDetached: Row(
        Code.UNAVAILABLE, "Thiết bị chưa được cắm vào.", "The device is not attached: plug it in."
    ),
    leasing.DeviceUnknown: Row(Code.NOT_FOUND, "Trạm này không có thiết bị đó.", "This station has no such device."),
    leasing.WrongDeviceKind: Row(
        Code.INVALID_ARGUMENT, "Thiết bị này không làm được việc đó.", "This device cannot do that."
    ),
    call.PlanUnknown: Row(
        Code.NOT_FOUND, "Trạm này không có quy trình đó.", "This station does not offer this procedure."
    ),
    # What is kept.
    store.StoreError: Row(Code.INTERNAL, "Kho hồ sơ gặp lỗi.", "The dossier store failed."),
    store.DossierUnknown: Row(Code.NOT_FOUND, "Không có hồ sơ này.", "There is no such dossier."),
    store.PackageUnknown: Row(Code.NOT_FOUND, "Không có gói này.", "There is no such package."),
    store.CardUnknown: Row(
        Code.NOT_FOUND,
        "Sổ thẻ không có thẻ này: kiểm tra số thẻ hoặc mã hồ sơ.",
        "The ledger has no such card: check its number or its dossier's id.",
    ),
    store.CardBatchUnknown: Row(
        Code.NOT_FOUND, "Chưa nhập lô thẻ nào mang mã này.", "No list of cards was imported under this batch id."
    ),
    store.CardBatchConflict: Row(
        Code.ALREADY_EXISTS,
        "Mã lô này đã nhập một danh sách khác: đặt mã khác cho danh sách mới.",
        "This batch id brought another list: give the new list an id of its own.",
    ),
    store.NotHandedOver: Row(
        Code.FAILED_PRECONDITION, "Thẻ này chưa được trả.", "This card was never handed over: there is no receipt."
    ),
    store.PartUnknown: Row(Code.NOT_FOUND, "Hồ sơ không có phần này.", "The dossier has no such part."),
    store.PartPurged: Row(
        Code.FAILED_PRECONDITION, "Dữ liệu hồ sơ đã được xoá vĩnh viễn.", "The dossier's data was destroyed for good."
    ),
    store.ReceiptNotYet: Row(
        Code.FAILED_PRECONDITION, "Chưa có biên nhận của trung tâm.", "The registry has not acknowledged it yet."
    ),
    store.RequestConflict: Row(
        Code.ALREADY_EXISTS, "Mã yêu cầu đã dùng cho việc khác.", "This request_id was used for something else."
    ),
    store.ChainMoved: Row(
        Code.ABORTED, "Số thứ tự đã được dùng: thử lại.", "The sequence number was taken: try again."
    ),
    store.ChainSound: Row(
        Code.FAILED_PRECONDITION,
        "Chuỗi gói của trạm không bị đứt: không cần nối lại.",
        "The station's chain of packages is whole: there is nothing to rejoin.",
    ),
    store.PrintsAppeared: Row(
        Code.ABORTED,
        "Hồ sơ vừa có thêm vân tay khác: hãy thu nhận lại.",
        "Another print was stored in this dossier meanwhile: capture again.",
    ),
    store.SessionInvalid: Row(
        Code.UNAUTHENTICATED, "Phiên làm việc đã hết: hãy đăng nhập lại.", "The session has ended: sign in again."
    ),
    store.DatabaseUnavailable: Row(
        Code.UNAVAILABLE,
        "Không ghi được dữ liệu: kiểm tra ổ đĩa của trạm.",
        "The station's database cannot be used: check its disk.",
    ),
    store.DatabaseTooNew: Row(
        Code.FAILED_PRECONDITION,
        "Dữ liệu do phiên bản mới hơn ghi: hãy cập nhật phần mềm.",
        "A newer version wrote the database: update this software.",
    ),
    store.StoredDataDamaged: Row(
        Code.DATA_LOSS, "Dữ liệu đã lưu bị hỏng: báo kỹ thuật viên.", "Stored data is damaged: call a technician."
    ),
    keys.KeysUnusable: Row(
        Code.FAILED_PRECONDITION,
        "Không dùng được khoá của trạm: kiểm tra tệp hoặc token được nêu tên (enrollctl doctor).",
        "The station's keys cannot be used: look at the file or token that is named (enrollctl doctor).",
    ),
    keys.ClientNotAdmitted: Row(
        Code.PERMISSION_DENIED,
        "Máy này không còn được phép dùng chung trạm: xin chứng thư mới (enrolld share issue).",
        "This PC is no longer admitted to the shared station: ask for a new certificate (enrolld share issue).",
    ),
    keys.ClientUnknown: Row(Code.NOT_FOUND, "Không có máy nào mang tên đó.", "No PC of this name has a certificate."),
    keys.RevocationListUnusable: Row(
        Code.FAILED_PRECONDITION,
        "Không đọc được danh sách chứng thư bị thu hồi (CRL) của trạm: hãy thay tệp được nêu tên.",
        "A revocation list (CRL) of the station cannot be read: replace the file that is named.",
    ),
    keys.KeysExist: Row(Code.ALREADY_EXISTS, "Trạm đã có khoá.", "The station has keys already."),
    config.ConfigInvalid: Row(
        Code.FAILED_PRECONDITION, "Cấu hình trạm không hợp lệ.", "The station's configuration is not valid."
    ),
    # What is sent.
    outbox.DeliveryFailed: Row(
        Code.UNAVAILABLE, "Chưa gửi được gói, sẽ thử lại.", "The package waits for another try."
    ),
    outbox.RegistryUnreachable: Row(
        Code.UNAVAILABLE, "Không kết nối được trung tâm.", "The registry cannot be reached."
    ),
    outbox.RegistryNonsense: Row(Code.UNAVAILABLE, "Trung tâm trả lời sai.", "The registry's answer cannot be right."),
    outbox.RegistryBusy: Row(Code.UNAVAILABLE, "Trung tâm chưa sẵn sàng.", "The registry is not ready."),
    outbox.PackageRefused: Row(
        Code.FAILED_PRECONDITION, "Trung tâm từ chối gói này.", "The registry refused the package."
    ),
    outbox.TrustUnusable: Row(
        Code.FAILED_PRECONDITION,
        "Chứng thư hoặc khoá của trung tâm không dùng được.",
        "The station's certificate or the registry's pinned keys cannot be used.",
    ),
    # Trust.
    core.CardRefused: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ từ chối lệnh: hãy đặt lại thẻ và thử lại, sau đó dùng thẻ khác.",
        "The card refuses a command: place it anew and try again, then take another card.",
    ),
    core.WrongCardPassword: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ không chấp nhận dữ liệu MRZ hoặc số CAN: hãy đối chiếu với thẻ trước khi thử lại.",
        "The card does not accept the machine readable zone or CAN: compare them with the card before another try.",
    ),
    core.CardSpoiled: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ ghi dở và không ghi tiếp được: hãy hủy thẻ và dùng thẻ khác.",
        "The card was begun and cannot be finished: destroy it, and take another.",
    ),
    core.CardChannelBroken: Row(
        Code.ABORTED,
        "Trả lời của thẻ đã bị thay đổi trên đường truyền: hãy đặt lại thẻ và thử lại.",
        "An answer of the card was changed on its way: place the card anew, and try again.",
    ),
    core.CardNotGenuine: Row(
        Code.PERMISSION_DENIED,
        "Thẻ không chứng minh được là thẻ thật: hãy giữ lại thẻ và báo trung tâm.",
        "The card cannot prove to be genuine: keep it, and tell the centre.",
    ),
    core.CardBelongsElsewhere: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ này thuộc loại khác hoặc hồ sơ khác: hãy lấy đúng thẻ; thẻ này không bị thay đổi.",
        "This card is of another kind, or of another dossier: take the right one; this one was left as it is.",
    ),
    cards.CardProfileUnknown: Row(
        Code.INVALID_ARGUMENT,
        "Trạm không có loại thẻ này, hoặc quy trình của hồ sơ cấp loại thẻ khác.",
        "This station has no such card profile, or the dossier's procedure issues another card.",
    ),
    cards.AccessKeyInvalid: Row(
        Code.INVALID_ARGUMENT,
        "Số truy cập hoặc vùng MRZ của thẻ không đúng dạng: hãy đọc lại trên thẻ.",
        "Neither a card access number nor a machine readable zone: read it from the card again.",
    ),
    cards.CardsNotConfigured: Row(
        Code.FAILED_PRECONDITION,
        "Trạm chưa được cấu hình để ghi và đọc thẻ: cần mục [cards] trong station.toml (enrolld cards init).",
        "This station is not set up for cards: station.toml needs [cards] (enrolld cards init).",
    ),
    core.TrustFailure: Row(
        Code.FAILED_PRECONDITION, "Không xác minh được độ tin cậy.", "A signature, digest or key does not hold."
    ),
    core.WrongRecipient: Row(
        Code.FAILED_PRECONDITION,
        "Gói được niêm phong cho nơi nhận khác.",
        "The package is sealed to another recipient.",
    ),
    core.SignatureInvalid: Row(Code.FAILED_PRECONDITION, "Chữ ký không hợp lệ.", "A signature is not valid."),
    core.UnknownSigner: Row(
        Code.FAILED_PRECONDITION, "Không nhận ra người ký.", "It is signed by a key that is not trusted."
    ),
    core.UntrustedChain: Row(
        Code.FAILED_PRECONDITION,
        "Chứng thư của bên ký không do cơ quan tin cậy cấp: hãy kiểm tra chứng thư CSCA của trạm.",
        "No trusted authority issued the signer's certificate: check the station's CSCA certificates.",
    ),
    core.CertificateNotValid: Row(
        Code.FAILED_PRECONDITION,
        "Chứng thư của bên ký chưa có hoặc đã hết hiệu lực: hãy kiểm tra cả đồng hồ của máy.",
        "The signer's certificate is not valid yet or has expired: check the machine's clock too.",
    ),
    core.CertificateRevoked: Row(
        Code.FAILED_PRECONDITION,
        "Chứng thư của bên ký đã bị thu hồi: không nhận thẻ do bên này ký; trạm ghi thẻ cần bên ký mới.",
        "The signer's certificate was revoked: accept no card that it signed; to write cards, get another.",
    ),
    core.AuthorityUnusable: Row(
        Code.FAILED_PRECONDITION,
        "Không đọc được nơi cấp chứng thư.",
        "The certificate authority's files cannot be read.",
    ),
    core.DigestMismatch: Row(Code.DATA_LOSS, "Dữ liệu đã bị thay đổi.", "The bytes differ from their digest."),
    core.SequenceBroken: Row(
        Code.FAILED_PRECONDITION, "Số thứ tự gói không liên tục.", "The package's sequence number does not follow on."
    ),
    # The call.
    call.CallRefused: Row(Code.PERMISSION_DENIED, "Yêu cầu bị từ chối.", "The call is refused."),
    call.NotAuthenticated: Row(
        Code.UNAUTHENTICATED,
        "Phiên làm việc không hợp lệ, hãy đăng nhập lại.",
        "No valid operator session: sign in again.",
    ),
    call.RoleRequired: Row(
        Code.PERMISSION_DENIED, "Vai trò của bạn không được làm việc này.", "Your role does not allow this."
    ),
    call.MethodNotImplemented: Row(
        Code.UNIMPLEMENTED, "Phiên bản này chưa hỗ trợ.", "This version does not support it yet."
    ),
    call.SocketUnavailable: Row(
        Code.UNAVAILABLE, "Không mở được cổng dịch vụ.", "The service socket cannot be opened."
    ),
    call.AlreadyRunning: Row(
        Code.UNAVAILABLE, "Trạm này đang chạy một tiến trình khác.", "Another daemon serves this station."
    ),
    # The machine's fault.
    device.DriverError: Row(Code.UNAVAILABLE, "Thiết bị gặp lỗi.", "The device failed."),
    device.DeviceError: Row(Code.UNAVAILABLE, "Thiết bị gặp lỗi.", "The device failed."),
    device.DeviceNotFound: Row(Code.UNAVAILABLE, "Không tìm thấy thiết bị.", "The device is not there."),
    device.DeviceBusy: Row(
        Code.UNAVAILABLE, "Chương trình khác đang chiếm thiết bị.", "Another program on this machine holds the device."
    ),
    device.DeviceAccessDenied: Row(
        Code.FAILED_PRECONDITION,
        "Máy không cho phép dùng thiết bị: kiểm tra quy tắc udev.",
        "The system denies access to the device: check the udev rule.",
    ),
    device.DeviceGone: Row(
        Code.UNAVAILABLE,
        "Thiết bị đã bị rút: cắm lại rồi giữ lại thiết bị.",
        "The device was unplugged: plug it in and take a new lease.",
    ),
    device.DeviceStalled: Row(
        Code.UNAVAILABLE,
        "Thiết bị không trả lời: thử lại hoặc cắm lại.",
        "The device does not answer: try again or re-plug it.",
    ),
    device.ProtocolViolation: Row(
        Code.UNAVAILABLE,
        "Thiết bị trả lời sai: thử lại hoặc cắm lại.",
        "The device answered nonsense: try again or re-plug it.",
    ),
    device.DeviceNotReady: Row(
        Code.UNAVAILABLE,
        "Thiết bị không khởi động được: cắm lại; nếu là máy ảnh, kiểm tra nắp ống kính.",
        "The device did not power up: re-plug it; check a camera's lens cap.",
    ),
    device.PictureRefused: Row(
        Code.UNAVAILABLE,
        "Máy ảnh không chụp được: kiểm tra lấy nét và ánh sáng rồi thử lại.",
        "The camera took no picture: look at its focus and the light, and try again.",
    ),
    device.CardFull: Row(
        Code.UNAVAILABLE,
        "Thẻ nhớ của máy ảnh đã đầy: xóa bớt hoặc thay thẻ.",
        "The camera's memory card is full: empty it, or put in another.",
    ),
    device.CardServiceGone: Row(
        Code.UNAVAILABLE,
        "Dịch vụ thẻ thông minh (pcscd) không phản hồi: hãy khởi động dịch vụ.",
        "The smart card service (pcscd) does not answer: start it.",
    ),
    device.CardGone: Row(
        Code.UNAVAILABLE,
        "Thẻ đã rời khỏi đầu đọc: hãy đặt lại thẻ.",
        "The card left the reader: put it back.",
    ),
    device.TransmitLost: Row(
        Code.UNAVAILABLE,
        "Mất kết nối khi thẻ đang xử lý: hãy đặt lại đúng thẻ đó.",
        "The card was lost while it was working: put the same card back.",
    ),
    device.CardReset: Row(
        Code.UNAVAILABLE,
        "Một chương trình khác đã khởi động lại thẻ: hãy đóng chương trình dùng đầu đọc thẻ.",
        "Another program reset the card: close the programs that use card readers.",
    ),
    device.CardMute: Row(
        Code.FAILED_PRECONDITION,
        "Thẻ không phản hồi: hãy xoay lại, lau mặt tiếp xúc hoặc dùng thẻ khác.",
        "The card does not answer: turn it round, clean its contacts, or take another.",
    ),
    device.UnsupportedDevice: Row(
        Code.FAILED_PRECONDITION, "Thiết bị không được hỗ trợ.", "The device is not supported."
    ),
    # Nobody's fault.
    device.CaptureCancelled: Row(Code.CANCELLED, "Đã huỷ thu nhận.", "The capture was cancelled."),
    device.CaptureTimedOut: Row(
        Code.DEADLINE_EXCEEDED,
        "Hết giờ chờ ngón tay đặt lên hoặc nhấc ra: hãy thử lại.",
        "The finger was not laid or not lifted in time: try again.",
    ),
}
