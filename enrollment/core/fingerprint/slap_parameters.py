"""Every tuned number of slaps and of the sequence check, with its unit, its range and where it comes from.

Lengths are millimetres on the glass, or cells of the coarse grid that fingers are found on. "Anthropometry" marks a
figure of tables of adults' hands; "here" one that was tried on synthetic slaps of the firmware model, none of which
comes from a public set. A range is what was tried and measured alike: it is not enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from enrollment.core.fingerprint.compare import SAME_FINGER_SCORE


@dataclass(frozen=True, slots=True)
class GridParameters:
    """The grid of ridge strength."""

    work_ppi: float = 250.0  # 200..250: a child's ridges are 3 px apart there; below, they vanish
    cell_work_px: int = 4  # 0.41 mm: a finger is 18..45 cells wide
    agreement_cells: float = 0.8  # 0.6..1, here: sigma over which gradients must agree; more closes seams
    median_cells: int = 5  # 3 or 5, what OpenCV takes: hairs and scratches are narrower than half of it
    smoothing_cells: float = 0.8  # here: of the skin's strength
    least_ppi: float = 200.0  # of the image: coarser ones hold no ridges of children
    least_side_mm: float = 15.0  # a smaller glass holds no two fingers
    most_side_mm: float = 220.0  # larger than a hand is long

    @property
    def cell_mm(self) -> float:
        """Side of a cell."""
        return self.cell_work_px * 25.4 / self.work_ppi


@dataclass(frozen=True, slots=True)
class ForegroundParameters:
    """Which cells are skin, by ridge strength."""

    reference_area_mm2: float = 90.0  # 60..150, here: the strongest cells of so much glass set the scale: one small pad
    least_reference: float = 12.0  # grey levels a work px, here: below it the glass is bare or holds old grease
    cap: float = 1.25  # here: of the reference; stronger cells count as this much
    strong_share: float = 0.34  # 0.3..0.4, here: of the reference; each finger has some cell above it
    weak_share: float = 0.17  # 0.14..0.2, here: of the reference; old grease stays below .16
    opening_cells: int = 9  # here: hairs and specks are narrower, fingers are not
    closing_cells: int = 5  # here: wet blotches and pores in a dry pad
    soaked_share: float = 0.9  # 0.8..1, here: of the pads' darkness; what is as dark is skin, ridges or not
    inked_from: float = 0.5  # here: strength of the cells that tell how dark pads are
    paper_reach_cells: int = 61  # 25 mm: so near to any skin there is bare glass


@dataclass(frozen=True, slots=True)
class PadParameters:
    """From skin to fingers, and from a finger to its pad."""

    widest_turn_deg: float = 50.0  # of the hand either way; slaps are turned by less than 45 (NIST SlapSeg04)
    turn_step_deg: float = 5.0
    narrowest_mm: float = 6.0  # anthropometry: the little finger of a child of four touches with 7
    narrowest_cut_mm: float = 2.5  # here: of a pad that the edge of the glass cuts lengthwise
    widest_mm: float = 28.0  # anthropometry: a large thumb touches with 24
    least_area_mm2: float = 38.0  # here: a small pad that is half off the glass
    split_turn_deg: float = 12.0  # of a finger beside its hand, either way
    split_step_deg: float = 3.0
    bare_share: float = 0.2  # here: a seam below it is bare glass: the fingers do not touch
    finger_mm: float = 17.0  # anthropometry: breadth of a large finger's print, where no other finger tells it
    thumb_mm: float = 22.5  # anthropometry: the same of thumbs
    single_share: float = 1.2  # here: of the other fingers' breadth; a piece up to it is one finger ...
    valley_share: float = 0.55  # 0.5..0.65, here: ... unless skin falls to this share of both sides in between
    broad_share: float = 1.5  # by reason: a piece so broad is two fingers ...
    broad_valley_share: float = 0.93  # here: ... where skin falls at all between them
    followed_share: float = 0.6  # of its breadth: a piece that lies so near below another's axis is its next phalanx
    crease_from: float = 0.95  # of the breadth; pads are 1.3..2 times as long as broad (anthropometry), less when cut
    crease_to: float = 2.3
    crease_middle: float = 1.65  # anthropometry: where the crease is looked for when nothing shows it
    uncreased: float = 2.35  # here: a finger so long without a crease in sight shows its second phalanx all the same
    crease_rows: int = 6  # 2.4 mm: so near on both sides a crease has skin; a dry patch is longer
    crease_dip: float = 0.8  # here: ink at the crease, of that on both sides
    crease_pull: float = 1.0  # here: a dip must be deeper by so much times the square of its breadths off the middle
    margin_mm: float = 1.0  # of the cropped finger beyond its box
    edge_cells: int = 5  # 2 mm of a pad at the edge of the glass: it is cut by it
    whole_share: float = 1.35  # anthropometry: a pad that is shorter than so many breadths may go on below the glass


@dataclass(frozen=True, slots=True)
class HandParameters:
    """How the tips of a hand lie, as means and deviations for an adult of middling size. Digits 2 index .. 5 little."""

    below_mm: Mapping[int, tuple[float, float]] = field(  # of the tips, below the middle finger's; anthropometry
        default_factory=lambda: {2: (9.0, 3.5), 3: (0.0, 1.5), 4: (8.0, 3.5), 5: (25.0, 5.0)}
    )
    body_mm: Mapping[int, float] = field(  # breadth of the finger, anthropometry
        default_factory=lambda: {2: 17.0, 3: 17.5, 4: 16.5, 5: 14.5}
    )
    contact_mm: Mapping[int, float] = field(  # breadth that touches, anthropometry less the flanks
        default_factory=lambda: {2: 14.0, 3: 14.5, 4: 13.5, 5: 12.0}
    )
    contact_share_deviation: float = 0.09  # of a finger's breadth beside the hand's, logarithm
    size_deviation: float = 0.22  # of the hand's size, logarithm: from a child of six to a large man
    gap_mm: tuple[float, float] = (1.5, 2.0)  # between fingers; mean and deviation
    place_deviation_mm: float = 1.0  # error of a pad's place across
    splay_deg: Mapping[int, float] = field(default_factory=lambda: {2: -3.0, 3: -1.0, 4: 1.0, 5: 4.0})  # right hand
    splay_deviation_deg: float = 4.0
    turn_deviation_deg: float = 4.0  # error of the hand's direction, here
    # What the edge of the glass cuts off makes a pad's place, breadth and direction so much less sure, by reason.
    cut_tip_mm: float = 10.0
    cut_place_mm: float = 4.0
    cut_share: float = 0.5
    cut_splay_deg: float = 12.0
    thumb_mm: float = 18.5  # breadth that touches, anthropometry less the flanks
    thumb_body_share: float = 1.2  # breadth of the thumb, of what touches
    thumb_gap_mm: tuple[float, float] = (14.0, 9.0)  # between two thumbs; mean and deviation
    thumb_level_mm: float = 5.0  # deviation of one tip beside the other
    thumb_lean_deg: tuple[float, float] = (5.0, 6.0)  # of each tip towards the other; mean and deviation
    wrong_hand_prior: float = 0.03  # 0.01..0.05, by reason: people do lay down the other hand
    unexpected_prior: float = 0.02  # by reason: a finger is missing that nobody told of, or there that was told missing
    sure: float = 0.95  # posterior from which hand and positions are called sure


@dataclass(frozen=True, slots=True)
class PreviewParameters:
    """The verdict on a frame."""

    full_strength: float = 28.0  # grey levels a px at 250 ppi, here: of a print of middling contrast
    full_share: float = 0.8  # here: of the box of a whole pad that shows ridges; an ellipse fills 0.79
    ready_quality: int = 35  # here: dry and faint prints stay below it
    most_rotation_deg: float = 35.0  # by reason: beyond it tips and bases leave the glass
    most_moved_mm: float = 1.0  # by reason: between two frames; noise moves a box's middle by less than a cell of 0.4


@dataclass(frozen=True, slots=True)
class SinglePrintParameters:
    """One finger on a large glass."""

    margin_mm: float = 2.0  # of a cut print beyond its skin
    pad_share: float = 0.4  # by reason: the topmost piece of so much of the largest one's area is the pad
    # Of the breadth of the same finger's flat print. Here: in slaps of three synthetic people a whole pad that is laid
    # flat again has 0.91 to 1.10; rolled from nail to nail it has 1.33 to 2.65.
    least_roll_share: float = 1.2


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """The check of prints against rolled ones, on the scale of `compare`.

    "Fit" marks what `python -m bench.sequence_fit` finds on synthetic people; no real print is in it.
    """

    match_score: float = 1.8  # 1.7..1.9, "Fit": one in 10,000 pairs of strangers reaches 1.82
    same_score: float = SAME_FINGER_SCORE  # of another position's, where its own matches or its whole hand does not
    # Share of mates below match_score, by the sum of reliabilities of the poorer print: "Fit", the likeliest. Slaps
    # bring the good prints (none of 1,080 below it), single touches the poor ones (37 of 1,440). The last is one in a
    # thousand where none was missed: so many good ones were not tried.
    missed_reliabilities: tuple[float, ...] = (0.0, 8.0, 16.0)
    missed_shares: tuple[float, ...] = (0.24, 0.022, 0.001)
    judged_prints: int = 2  # by reason: one may miss by any accident, and misses of more on one hand go together
    # -6..-3, "Fit": of single touches as they come in the field 0.02 % of all hands are falsely called another's,
    # nearly all of them thumbs (0.06 %; four fingers 0.0001 %). Slaps are better. A lower one leaves more unsure.
    other_person: float = -4.0


@dataclass(frozen=True, slots=True)
class SlapParameters:
    """All stages together."""

    grid: GridParameters = field(default_factory=GridParameters)
    foreground: ForegroundParameters = field(default_factory=ForegroundParameters)
    pad: PadParameters = field(default_factory=PadParameters)
    hand: HandParameters = field(default_factory=HandParameters)
    preview: PreviewParameters = field(default_factory=PreviewParameters)
    single: SinglePrintParameters = field(default_factory=SinglePrintParameters)


SLAP = SlapParameters()
SEQUENCE = SequenceParameters()
