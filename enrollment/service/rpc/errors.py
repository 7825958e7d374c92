"""What can be wrong with a call itself, before anything is done, and with the place where calls come in.

EnrollmentError
  InvalidInput
    MalformedRequest     bytes or fields that are not what the API says
  CallRefused
    NotAuthenticated     no operator session, or one that has ended
    RoleRequired         the operator's role does not allow it
    MethodNotImplemented in the API, but not in this version
"""

from __future__ import annotations

from enrollment.core.errors import EnrollmentError, InvalidInput


class MalformedRequest(InvalidInput):
    """A request that cannot be read, or a field outside its range; the fact `field` names it, never its value."""

    reason = "MALFORMED_REQUEST"


class PlanUnknown(InvalidInput):
    """The station does not offer this procedure."""

    reason = "PLAN_UNKNOWN"


class CallRefused(EnrollmentError):
    """The call is not for this caller, or not for this version."""

    reason = "CALL_REFUSED"


class NotAuthenticated(CallRefused):
    """No operator session, or one that has ended."""

    reason = "NOT_AUTHENTICATED"


class RoleRequired(CallRefused):
    """The operator's role does not allow this call."""

    reason = "ROLE_REQUIRED"


class MethodNotImplemented(CallRefused):
    """The API has this method, this version of the daemon has not."""

    reason = "NOT_IMPLEMENTED"


class SocketUnavailable(EnrollmentError):
    """The daemon cannot listen where it is told to."""

    reason = "SOCKET_UNAVAILABLE"


class AlreadyRunning(EnrollmentError):
    """Another daemon serves this station's state folder or socket."""

    reason = "ALREADY_RUNNING"
