"""Which characters the PDF can show: those of the fonts that the PDF engine carries, and no others.

Fonts of the machine are not used, since the same report must give the same bytes everywhere.  What is
not covered (Chinese, say) is printed as a box, and the report says so; `report.html` shows it.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["BOX", "printable_in_pdf"]

BOX = "\u25a1"

# Measured with typst 0.15: Libertinus Serif, New Computer Modern, DejaVu Sans Mono.
_COVERED = (
    "20-7e a0-377 37a-37f 384-38a 38c 38e-3a1 3a3-4ff 510-513 51a-51d 531-556 559-58a 58d-58f 591-5c7 "
    "5d0-5ea 5ef-5f4 606-60c 615 61b-61c 61f 621-63a 640-655 65a 660-66d 674 679-67b 67e-680 683-684 "
    "686-687 691 698 6a4 6a9 6af 6be 6cc 6f0-6f9 900-97f e3f e81-e82 e84 e87-e88 e8a e8d e94-e97 "
    "e99-e9f ea1-ea3 ea5 ea7 eaa-eab ead-eb9 ebb-ebc ec8-ecd 10d0-10ff 115f-1160 13a0-13f5 13f8-13fd "
    "17b4-17b5 17c1-17c3 180b-180f 1ab0-1ace 1d00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 "
    "1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fc4 1fc6-1fd3 1fd6-1fdb 1fdd-1fef 1ff2-1ff4 1ff6-1ffe "
    "2000-2040 2042 2044-2052 2054-2064 2066-2071 2074-208e 2090-209c 20a0-20c0 20d0-20f0 2100-211e "
    "2120 2122 2124 2126-2151 2153-2184 2189 2190-23ff 2422-2423 2460-2606 2609-262f 2638-268b "
    "2690-269c 26a0-26a7 26aa-26af 26b2 2701-2704 2706-2709 270c-2714 2717-2726 272a-274b 274d "
    "274f-2752 2756 2758-275e 2761-277f 2794 2798-27af 27b1-2b73 2b76-2b95 2b97-2bff 2c60-2cf3 "
    "2cf9-2cff fb00-fb06 fff9-fffd "
)

_RANGES = "".join(
    f"{re.escape(chr(int(first, 16)))}-{re.escape(chr(int(last or first, 16)))}"
    for first, _, last in (part.partition("-") for part in _COVERED.split())
)
_UNCOVERED = re.compile(f"[^\n\t{_RANGES}]")


def printable_in_pdf(text: str) -> str:
    """`text` with every character that the PDF's fonts lack replaced by a box."""
    if text.isascii():
        return text
    return _UNCOVERED.sub(BOX, unicodedata.normalize("NFC", text))
