"""Map HDR and wide gamut to the colours of a usual screen (BT.709), by one method for every video.

1. R'G'B' becomes light: PQ by SMPTE ST 2084; HLG by ITU-R BT.2100 for a screen of 1000 cd/m² (system gamma 1.2); others by the
   power 2.4 of BT.1886.
2. In HDR videos, light up to 1000 cd/m² is compressed to 203 cd/m², the white of BT.2408, by the curve of ITU-R
   BT.2390 (EETF). It is applied to the largest of R, G and B, and the others keep their ratio to it.
3. BT.2020 or P3 primaries are converted to those of BT.709; colours that these cannot show are clipped.
4. The power 1/2.4 of BT.1886 gives the 8-bit values. Grey of SDR videos does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Code points of ITU-T H.273, as FFmpeg has them.
PQ, HLG, BT2020 = 16, 18, 9
_BT709, _UNSPECIFIED, _DCI_P3, _DISPLAY_P3 = 1, 2, 11, 12
_WIDE = {BT2020: "BT.2020", _DCI_P3: "DCI-P3", _DISPLAY_P3: "Display P3"}
_D65 = (0.3127, 0.3290)
_CHROMATICITIES = {  # x and y of red, green and blue; P3 of cinemas is shown with the white of displays
    _BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _DCI_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    _DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
PEAK, WHITE, GAMMA = 1000.0, 203.0, 2.4  # cd/m² of the brightest light kept, and of the white that it becomes
_HLG_GAMMA = 1.2
_STEPS = 16384  # entries of the tables of curves, which are sampled at roots of the light


@dataclass(frozen=True)
class ColourTags:
    """Primaries and transfer of a frame, as code points of ITU-T H.273."""

    primaries: int
    transfer: int

    @classmethod
    def read(cls, frame: Any, context: Any) -> ColourTags:
        """Return the tags of a frame, or those of the decoder for what the frame does not say."""
        values = []
        for name in ("color_primaries", "color_trc"):
            value = int(getattr(frame, name, _UNSPECIFIED))
            values.append(int(getattr(context, name, _UNSPECIFIED)) if value == _UNSPECIFIED else value)
        return cls(*values)

    @property
    def is_hdr(self) -> bool:
        """True if the transfer is PQ or HLG."""
        return self.transfer in (PQ, HLG)

    @property
    def is_mapped(self) -> bool:
        """True if the colours are not those of a usual screen."""
        return self.is_hdr or self.primaries in _WIDE

    @property
    def gamut(self) -> int:
        """Code point of the primaries; HDR without a tag has those of BT.2020."""
        if self.primaries in _CHROMATICITIES:
            return self.primaries
        return BT2020 if self.is_hdr and self.primaries == _UNSPECIFIED else _BT709

    def describe(self) -> str:
        """Return a name such as ``"HDR (PQ, BT.2020)"`` or ``"wide gamut (Display P3)"``."""
        gamut = _WIDE.get(self.gamut, "BT.709")
        return f"HDR ({'PQ' if self.transfer == PQ else 'HLG'}, {gamut})" if self.is_hdr else f"wide gamut ({gamut})"


def describe_mapping(tags: ColourTags) -> str:
    """Return what `tone_map` does to colours with these tags, as a clause."""
    if not tags.is_hdr:
        return "converted to BT.709"
    return (
        f"tone-mapped to SDR (light up to {PEAK:.0f} cd/m² compressed to {WHITE:.0f} cd/m² by ITU-R BT.2390, colours "
        "converted to BT.709)"
    )


def tone_map(codes: NDArray[np.uint16], tags: ColourTags) -> NDArray[np.uint8]:
    """Return R'G'B' of 16 bits (3, height, width), full range, as R'G'B' of 8 bits (height, width, 3) of BT.709."""
    light = np.take(_light_table(tags.transfer), codes)
    if tags.transfer == HLG:
        luminance = np.tensordot(np.asarray(rgb_to_xyz(tags.gamut)[1], np.float32), light, 1)
        light *= np.power(luminance, np.float32(_HLG_GAMMA - 1))
    if tags.is_hdr:
        brightest = np.minimum(np.maximum(np.maximum(light[0], light[1]), light[2]), np.float32(1))
        light *= np.take(_gain_table(), _table_index(np.sqrt(np.sqrt(brightest))))
    if tags.gamut != _BT709:
        light = np.tensordot(np.asarray(gamut_matrix(tags.gamut), np.float32), light, 1)
    shown = np.take(_display_table(), _table_index(np.sqrt(np.clip(light, 0, 1, out=light))))
    return np.ascontiguousarray(np.moveaxis(shown, 0, -1))


def pq_to_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cd/m² of PQ values in 0..1 (EOTF of SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = _PQ
    root = np.power(code, 1 / m2)
    return 10_000.0 * np.power(np.maximum(root - c1, 0.0) / (c2 - c3 * root), 1 / m1)


def light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return PQ values in 0..1 of cd/m² (the inverse)."""
    m1, m2, c1, c2, c3 = _PQ
    root = np.power(light / 10_000.0, m1)
    return np.power((c1 + c2 * root) / (1 + c3 * root), m2)


def hlg_to_scene(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of the scene, in 0..1, of HLG values in 0..1 (inverse OETF of ITU-R BT.2100)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def compress(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light of 0 to `PEAK` compressed to 0 to `WHITE`, in cd/m² (EETF of ITU-R BT.2390, black at 0)."""
    top, white = light_to_pq(np.array([PEAK, WHITE]))
    value, largest = light_to_pq(np.minimum(light, PEAK)) / top, white / top
    knee = 1.5 * largest - 0.5
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * largest
    return pq_to_light(np.where(value < knee, value, spline) * top)


def rgb_to_xyz(primaries: int) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to CIE XYZ, white D65 at Y = 1; its second row are the weights of luminance."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in _CHROMATICITIES[primaries]]).T
    x, y = _D65
    return np.asarray(columns * np.linalg.solve(columns, np.array([x / y, 1.0, (1 - x - y) / y])), np.float64)


def gamut_matrix(primaries: int) -> NDArray[np.float64]:
    """Return the matrix from linear RGB of some primaries to linear RGB of BT.709."""
    return np.asarray(np.linalg.solve(rgb_to_xyz(_BT709), rgb_to_xyz(primaries)), np.float64)


_PQ = (2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32)


@cache
def _light_table(transfer: int) -> NDArray[np.float32]:
    """Return the light of each 16-bit value: fractions of `PEAK` for HDR (of the scene for HLG), of white for others."""
    code = np.arange(2**16) / (2**16 - 1)
    by_transfer = {PQ: lambda: pq_to_light(code) / PEAK, HLG: lambda: hlg_to_scene(code)}
    light = by_transfer.get(transfer, lambda: code**GAMMA)()
    return np.asarray(light, np.float32)


@cache
def _display_table() -> NDArray[np.uint8]:
    """Return the 8-bit value of light in fractions of `WHITE`, for `_STEPS` of its square root."""
    return np.rint(255 * np.linspace(0, 1, _STEPS) ** (2 / GAMMA)).astype(np.uint8)


def _table_index(fractions: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the nearest of `_STEPS` entries of a table for fractions in 0..1."""
    return np.asarray(fractions * np.float32(_STEPS - 1) + np.float32(0.5), np.uint16)


@cache
def _gain_table() -> NDArray[np.float32]:
    """Return the factors that take light from fractions of `PEAK` to fractions of `WHITE`, for `_STEPS` of its fourth root."""
    light = PEAK * np.linspace(0, 1, _STEPS) ** 4
    light[0] = light[1]  # below the knee, the factor is constant
    return (compress(light) / WHITE / (light / PEAK)).astype(np.float32)
