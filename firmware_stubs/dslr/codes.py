"""Codes of PTP (ISO 15740) and of the live view of Nikon bodies, as far as this body knows them."""

from __future__ import annotations

from enum import IntEnum


class Packet(IntEnum):
    """Kinds of packets of PTP/IP."""

    INIT_COMMAND = 1
    INIT_COMMAND_ACK = 2
    INIT_EVENT = 3
    INIT_EVENT_ACK = 4
    INIT_FAIL = 5
    OPERATION = 6
    RESPONSE = 7
    EVENT = 8
    START_DATA = 9
    DATA = 10
    CANCEL = 11
    END_DATA = 12
    PING = 13
    PONG = 14


class Operation(IntEnum):
    """What a host may ask for."""

    GET_DEVICE_INFO = 0x1001
    OPEN_SESSION = 0x1002
    CLOSE_SESSION = 0x1003
    GET_STORAGE_IDS = 0x1004
    GET_STORAGE_INFO = 0x1005
    GET_NUM_OBJECTS = 0x1006
    GET_OBJECT_HANDLES = 0x1007
    GET_OBJECT_INFO = 0x1008
    GET_OBJECT = 0x1009
    DELETE_OBJECT = 0x100B
    INITIATE_CAPTURE = 0x100E
    GET_PROPERTY_DESCRIPTION = 0x1014
    GET_PROPERTY = 0x1015
    SET_PROPERTY = 0x1016
    NIKON_DEVICE_READY = 0x90C8
    NIKON_START_LIVE_VIEW = 0x9201
    NIKON_END_LIVE_VIEW = 0x9202
    NIKON_GET_LIVE_VIEW_IMAGE = 0x9203


class Response(IntEnum):
    """How an operation ended."""

    OK = 0x2001
    GENERAL_ERROR = 0x2002
    SESSION_NOT_OPEN = 0x2003
    OPERATION_NOT_SUPPORTED = 0x2005
    INVALID_STORAGE = 0x2008
    INVALID_OBJECT = 0x2009
    PROPERTY_NOT_SUPPORTED = 0x200A
    STORE_FULL = 0x200C
    DEVICE_BUSY = 0x2019
    INVALID_PROPERTY_VALUE = 0x201C
    SESSION_ALREADY_OPEN = 0x201E
    NIKON_NOT_IN_LIVE_VIEW = 0xA00B


class Event(IntEnum):
    """What the body tells by itself."""

    OBJECT_ADDED = 0x4002
    CAPTURE_COMPLETE = 0x400D


class Property(IntEnum):
    """What can be read, and some of it set."""

    BATTERY = 0x5001
    F_NUMBER = 0x5007
    FOCAL_LENGTH = 0x5008
    EXPOSURE_TIME = 0x500D
    ISO = 0x500F
    EXPOSURE_BIAS = 0x5010


LIVE_VIEW_OPERATIONS = frozenset(
    {
        Operation.NIKON_DEVICE_READY,
        Operation.NIKON_START_LIVE_VIEW,
        Operation.NIKON_END_LIVE_VIEW,
        Operation.NIKON_GET_LIVE_VIEW_IMAGE,
    }
)
IMAGE_JPEG = 0x3801
VENDOR_NIKON = 0x0A
STORAGE_ID = 0x00010001
