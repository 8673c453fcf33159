"""Why a subject was rejected, in the language of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cafepick.scoring.reasons import ALL, in_words

if TYPE_CHECKING:
    from cafepick.report.words import Words
    from cafepick.types import Reason

JAPANESE_COMPARATIVES: Final = {
    "size": ("小さい", "大きい"),
    "length": ("丸い", "細長い"),
    "boxiness": ("輪郭が尖っている", "輪郭が角張っている"),
    "solidity": ("輪郭が欠けている", "輪郭がなめらか"),
    "misfit": ("輪郭が楕円に近い", "輪郭が楕円から外れている"),
    "roughness": ("輪郭がなめらか", "輪郭が粗い"),
    "wave": ("輪郭が整っている", "輪郭がいびつ"),
    "pattern": ("模様が均一", "模様が偏っている"),
    "outline": ("輪郭が左右対称に近い", "輪郭が偏っている"),
    "lightness_with": ("明るい部分の色が薄い", "明るい部分の色が濃い"),
    "redness_with": ("赤い部分の黄みが弱い", "赤い部分の黄みが強い"),
    "lightness": ("暗い", "明るい"),
    "redness": ("緑が強い", "赤みが強い"),
    "yellowness": ("灰色がかっている", "黄みが強い"),
    "rim": ("縁が暗いか灰色がかっている", "縁が明るいか色が濃い"),
    "uneven": ("縁が均一", "縁がむらになっている"),
    "slope": ("表面がなめらか", "表面が粗い"),
    "bend": ("表面がなめらか", "表面が粗い"),
    "inner": ("表面がなめらか", "表面が粗い"),
    "texture": ("表面がなめらか", "表面が粗い"),
    "dark_spots": ("黒い点が少ない", "黒い点が多い"),
    "pale_spots": ("白い点が少ない", "白い点が多い"),
}
"""As ``scoring.reasons.COMPARATIVES``: what a low and a high value mean."""


def reason_in_words(reason: Reason, words: Words) -> str:
    """Say a reason; English is said as everywhere else."""
    if words.language == "en":
        return in_words(reason)
    share, good = words.percent(reason.share), words(f"{'images' if words.subject == 'whole' else 'beans'}.good")
    if reason.key == "area":
        return f"良いものにはない{'明るい' if reason.high else '暗い'}部分がある（面積の{share}）"
    if reason.key == "combination":
        return "大きさ・形・色の組み合わせが珍しい"
    what = JAPANESE_COMPARATIVES[reason.key][reason.high]
    return f"どの{good}よりも{what}" if reason.share >= ALL else f"{good}の{share}よりも{what}"
