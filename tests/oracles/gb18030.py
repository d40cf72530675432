"""Every two-byte and four-byte position of GB18030 by Python's decoder: a 32-bit little-endian code point each, 0 where there is none.

Two bytes: lead 81 to FE, trail 40 to FE, the impossible 7F included. Four bytes: 81 to FE, 30 to 39, 81 to FE, 30 to 39.
"""

import sys
from array import array


def point(code):
    try:
        text = code.decode("gb18030")
    except UnicodeDecodeError:
        return 0
    return ord(text) if len(text) == 1 else 0


points = array("I", (point(bytes((a, b))) for a in range(0x81, 0xFF) for b in range(0x40, 0xFF)))
points.extend(
    point(bytes((a, b, c, d)))
    for a in range(0x81, 0xFF)
    for b in range(0x30, 0x3A)
    for c in range(0x81, 0xFF)
    for d in range(0x30, 0x3A)
)
if sys.byteorder == "big":
    points.byteswap()
sys.stdout.buffer.write(points.tobytes())
