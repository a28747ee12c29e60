#!/usr/bin/env python3
"""Writes tests/golden/quantize/*.txt: stored blocks and the floats that an independent
implementation (the Python package gguf 0.19.0; for NF4 the definition itself) makes of them.

    pip install gguf==0.19.0 numpy && scripts/golden/quantize.py

A line "block BYTES HASH [FLOATS]" gives a block, the FNV-1a hash of the bytes of its floats and,
for the first block, these bytes. A line "quantize FLOATS BYTES" gives a block of floats and
the plain rounding's result. All in hexadecimal, little-endian; -0 is written as 0.
"""
import pathlib
import statistics

import numpy as np
from gguf import quants
from gguf.constants import GGMLQuantizationType as Type

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "quantize"

# name: (values a block, bytes a block, offsets of the halves)
BLOCKS = {
    "q4_0": (32, 18, [0]), "q4_1": (32, 20, [0, 2]), "q5_0": (32, 22, [0]),
    "q5_1": (32, 24, [0, 2]),
    "q8_0": (32, 34, [0]), "q2_k": (256, 84, [80, 82]), "q3_k": (256, 110, [108]),
    "q4_k": (256, 144, [0, 2]), "q5_k": (256, 176, [0, 2]), "q6_k": (256, 210, [208]),
    "iq4_nl": (32, 18, [0]), "iq4_xs": (256, 136, [0]), "tq1_0": (256, 54, [52]),
    "tq2_0": (256, 66, [64]), "mxfp4": (32, 17, []), "nf4": (64, 34, [0]),
}
ROUNDED = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "tq1_0", "tq2_0", "mxfp4"]
# Zeros, the smallest and largest subnormals, the smallest and largest normals, ordinary numbers.
HALVES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]


# QLoRA (Dettmers et al., 2023), appendix E.
NF4_LEVELS = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0], dtype=np.float32)


def check_nf4_levels():
    """They are quantiles of N(0, 1): seven below zero, zero, and eight above."""
    ppf = statistics.NormalDist().inv_cdf
    outermost = 0.5 * ((1 - 1 / 32) + (1 - 1 / 30))
    positive = [ppf(p) for p in np.linspace(outermost, 0.5, 9)[:-1]]
    negative = [-ppf(p) for p in np.linspace(outermost, 0.5, 8)[:-1]]
    levels = np.array(sorted(negative + [0.0] + positive))
    assert np.abs(levels / levels.max() - NF4_LEVELS).max() < 5e-7


def dequantize_nf4(raw):
    raw = raw.reshape(-1, 34)
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    codes = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1)
    return scale * NF4_LEVELS[codes]


def dequantize(name, raw):
    if name == "nf4":
        return dequantize_nf4(raw)
    return quants.dequantize(raw, Type[name.upper()]).reshape(len(raw), -1)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def blocks(name, rng):
    """Random blocks: in every byte that is no half the low six bits take all 64 patterns (MXFP4:
    all 256), and the halves run through the special ones above."""
    size, halves = BLOCKS[name][1], BLOCKS[name][2]
    count = 256 if name == "mxfp4" else 64
    raw = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in range(size):
        high_bits = rng.integers(0, 4, 64) << 6
        raw[:, offset] = rng.permutation(256) if count == 256 else rng.permutation(64) | high_bits
    for offset in halves:
        ordinary = (rng.normal(size=count) * 0.02).astype(np.float16).view(np.uint16)
        special = rng.permutation(np.array(HALVES, dtype=np.uint16))
        ordinary[:len(special)] = special
        raw[:, offset:offset + 2] = ordinary.view(np.uint8).reshape(count, 2)
    return raw


def rounded_inputs(values, rng):
    yield np.zeros(values)
    yield np.ones(values)
    yield -np.ones(values) * 0.37
    yield (np.arange(values) - values // 2) / 2            # exact ties
    yield rng.integers(-127, 128, values) / 2              # and more of them
    for scale in (1e-3, 0.02, 1.0, 300.0):
        yield rng.normal(size=values) * scale
    yield rng.laplace(size=values) * 0.05
    yield rng.normal(size=values) * 0.1 + 1                # one sign


def main():
    check_nf4_levels()
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (values, _, _) in BLOCKS.items():
        rng = np.random.default_rng(list(name.encode()))
        raw = blocks(name, rng)
        lines = []
        with np.errstate(over="ignore", invalid="ignore"):
            floats = dequantize(name, raw).astype(np.float32) + np.float32(0)
        for index, (block, row) in enumerate(zip(raw, floats)):
            data = row.astype("<f4").tobytes()
            full = " " + data.hex() if index == 0 else ""
            lines.append(f"block {block.tobytes().hex()} {fnv1a(data):016x}{full}")
        if name in ROUNDED:
            for x in rounded_inputs(values, rng):
                x = x.astype("<f4").reshape(1, -1)
                stored = quants.quantize(x, Type[name.upper()])
                lines.append(f"quantize {x.tobytes().hex()} {stored.tobytes().hex()}")
        (OUT / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
