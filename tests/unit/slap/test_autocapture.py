"""When a hand on a live platen is taken: good and still for some frames, or right for long enough."""

from __future__ import annotations

from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint.autocapture import Sight, Steadiness
from enrollment.core.fingerprint.slap_parameters import SLAP

RULE = PlannedFingerprint(15, "slap", steady_frames=3, patience_s=4)
FRAME_S = 1 / 15


def shown(*sights: Sight) -> Steadiness:
    steadiness = Steadiness()
    for sight in sights:
        steadiness = steadiness.after(sight)
    return steadiness


def sight(number: int, *, at_mm: float = 10.0, laid: bool = True, good: bool = True) -> Sight:
    return Sight({1: (at_mm, 20.0), 6: (40.0, 20.0)} if laid else {}, laid, good, number * FRAME_S)


def test_a_good_hand_is_taken_at_the_last_of_the_frames_that_the_plan_asks_for() -> None:
    frames = [sight(number) for number in range(3)]
    assert not shown(*frames[:2]).is_enough(RULE)
    assert shown(*frames).is_enough(RULE)


def test_one_frame_that_is_not_good_begins_the_count_anew() -> None:
    steadiness = shown(sight(0), sight(1), sight(2, good=False), sight(3), sight(4))
    assert steadiness.good_frames == 2
    assert not steadiness.is_enough(RULE)


def test_a_hand_that_moves_is_told_so_and_begins_anew() -> None:
    steadiness = shown(sight(0), sight(1), sight(2, at_mm=10.0 + 1.1 * SLAP.preview.most_moved_mm))
    assert steadiness.moving
    assert steadiness.good_frames == 1
    assert not shown(sight(0), sight(1, at_mm=10.0 + 0.9 * SLAP.preview.most_moved_mm)).moving


def test_right_fingers_that_never_become_good_are_taken_after_the_plans_patience() -> None:
    dry = [sight(number, good=False) for number in range(0, 62, 10)]
    assert not shown(*dry[:-1]).is_enough(RULE)
    assert shown(*dry).is_enough(RULE)
    assert not shown(*dry).is_enough(PlannedFingerprint(15, "slap", patience_s=0)), "0: for ever"


def test_lifting_the_hand_begins_the_patience_anew_and_a_bare_platen_is_never_taken() -> None:
    lifted = shown(sight(0, good=False), sight(30, laid=False, good=False), sight(61, good=False))
    assert not lifted.is_enough(RULE)
    assert not shown(*(sight(number, laid=False, good=False) for number in range(200))).is_enough(RULE)
