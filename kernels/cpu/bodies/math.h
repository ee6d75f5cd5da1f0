// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions of sixteen lanes. Bodies are compiled once per instruction set, in a namespace of its own, and call
// nothing inline that another unit compiles too.
#include "kernels/args.h"

namespace kernels::KERNELS_ISA {
namespace {

// e^x within 2 units in the last place; below -87.3 the smallest normal number, above 88 its largest power.
KERNELS_INLINE F exponential(F x)
{
    x = min(set1(88.0F), max(set1(-87.3F), x));
    const F n = roundNearest(x * set1(1.44269504F));
    F r = fnma(n, set1(0.693359375F), x);
    r = fnma(n, set1(-2.12194440e-4F), r);
    // Taylor with the last terms fitted on |r| <= ln 2 / 2 (Cephes expf)
    F p = set1(1.9875691500e-4F);
    p = fma(p, r, set1(1.3981999507e-3F));
    p = fma(p, r, set1(8.3334519073e-3F));
    p = fma(p, r, set1(4.1665795894e-2F));
    p = fma(p, r, set1(1.6666665459e-1F));
    p = fma(p, r, set1(5.0000001201e-1F));
    p = fma(p, r * r, r) + set1(1.0F);
    return timesPowerOfTwo(p, n);
}

KERNELS_INLINE F silu(F x)
{
    return x / (set1(1.0F) + exponential(zero() - x));
}

KERNELS_INLINE F geluTanh(F x)
{
    // 0.5 (1 + tanh u) = 1 / (1 + e^(-2u))
    const F cube = x * x * x;
    const F u = set1(1.5957691216F) * fma(set1(0.044715F), cube, x);
    return x / (set1(1.0F) + exponential(zero() - u));
}

KERNELS_INLINE F geluErf(F x)
{
    // erfc(z) = poly(t) e^(-z^2), t = 1 / (1 + 0.3275911 z) (Abramowitz and Stegun 7.1.26, 1.5e-7)
    const F z = absolute(x) * set1(0.70710678F);
    const F t = set1(1.0F) / fma(set1(0.3275911F), z, set1(1.0F));
    F p = set1(1.061405429F);
    p = fma(p, t, set1(-1.453152027F));
    p = fma(p, t, set1(1.421413741F));
    p = fma(p, t, set1(-0.284496736F));
    p = fma(p, t, set1(0.254829592F));
    const F tail = set1(0.5F) * x * (p * t * exponential(zero() - z * z));
    return chooseBySign(x, x - tail, tail);
}

KERNELS_INLINE F activated(Activation activation, F x)
{
    switch (activation) {
    case Activation::Silu: return silu(x);
    case Activation::GeluTanh: return geluTanh(x);
    case Activation::GeluErf: return geluErf(x);
    case Activation::None: break;
    }
    return x;
}

} // namespace
} // namespace kernels::KERNELS_ISA
