// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "vision/bicubic_resize.h"

#include "base/assert.h"
#include "kernels/thread_pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <thread>

namespace engine {
namespace {

// Two bits for the overshoot of the cubic and eight for the pixel leave 22 of 32.
constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr int kChannels = 3;

// Four 32-bit lanes: red, green, blue and one that is not used.
using Lanes = std::int32_t __attribute__((vector_size(16)));
using Bytes4 = std::uint8_t __attribute__((vector_size(4)));

double cubic(double x)
{
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

std::uint8_t toByte(std::int32_t sum)
{
    return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// The two inner loops are compiled twice: for any x86-64, where a 32-bit product of vectors takes several
// instructions, and for AVX2, where it takes one. Integers: both give the same bytes.
#define VISION_INLINE inline __attribute__((always_inline))

VISION_INLINE Lanes weighed(const std::uint8_t *pixel, std::int32_t weight)
{
    Bytes4 bytes;
    std::memcpy(&bytes, pixel, sizeof(bytes));
    return __builtin_convertvector(bytes, Lanes) * weight;
}

// One row: [inputs, 3] -> [outputs, 3]. `source` must be readable one byte past its last pixel.
VISION_INLINE void resizeRowBody(const ResizeFilter &filter, const std::uint8_t *source, std::uint8_t *target)
{
    constexpr std::int32_t half = 1 << (kPrecisionBits - 1);
    for (std::size_t output = 0; output < filter.first.size(); ++output) {
        const int count = filter.count[output];
        const std::int32_t *weights = filter.weights.data() + output * static_cast<std::size_t>(filter.taps);
        const std::uint8_t *pixel = source + static_cast<std::ptrdiff_t>(filter.first[output]) * kChannels;
        Lanes sum = {half, half, half, half};
        Lanes second = {}, third = {}, fourth = {}; // four chains, so that one product does not wait for the last
        int tap = 0;
        for (; tap + 4 <= count; tap += 4, pixel += 4 * kChannels) {
            sum += weighed(pixel, weights[tap]);
            second += weighed(pixel + kChannels, weights[tap + 1]);
            third += weighed(pixel + 2 * kChannels, weights[tap + 2]);
            fourth += weighed(pixel + 3 * kChannels, weights[tap + 3]);
        }
        for (; tap < count; ++tap, pixel += kChannels)
            sum += weighed(pixel, weights[tap]);
        sum += second + third + fourth;
        for (int channel = 0; channel < kChannels; ++channel)
            *target++ = toByte(sum[channel]);
    }
}

// sums[0 .. count) += bytes * weight
VISION_INLINE void addWeighed(const std::uint8_t *bytes, std::int32_t weight, std::size_t count, std::int32_t *sums)
{
    constexpr std::size_t kAtOnce = 8;
    using Wide = std::int32_t __attribute__((vector_size(kAtOnce * 4)));
    using WideBytes = std::uint8_t __attribute__((vector_size(kAtOnce)));
    std::size_t i = 0;
    for (; i + kAtOnce <= count; i += kAtOnce) {
        WideBytes part;
        Wide sum;
        std::memcpy(&part, bytes + i, sizeof(part));
        std::memcpy(&sum, sums + i, sizeof(sum));
        sum += __builtin_convertvector(part, Wide) * weight;
        std::memcpy(sums + i, &sum, sizeof(sum));
    }
    for (; i < count; ++i)
        sums[i] += bytes[i] * weight;
}

// `target` = weighted sum of the rows of `rowBytes` bytes of `source` that make row `output`.
VISION_INLINE void mixRowsBody(const ResizeFilter &filter, std::size_t output, const std::uint8_t *source, std::size_t rowBytes,
    std::uint8_t *target)
{
    // A strip is short enough that its sums stay in the first cache while the rows stream by.
    constexpr std::size_t kStrip = 1024;
    std::array<std::int32_t, kStrip> sums;
    const std::uint8_t *first = source + static_cast<std::size_t>(filter.first[output]) * rowBytes;
    const std::int32_t *weights = filter.weights.data() + output * static_cast<std::size_t>(filter.taps);
    for (std::size_t begin = 0; begin < rowBytes; begin += kStrip) {
        const std::size_t count = std::min(kStrip, rowBytes - begin);
        sums.fill(1 << (kPrecisionBits - 1));
        for (int tap = 0; tap < filter.count[output]; ++tap)
            addWeighed(first + static_cast<std::size_t>(tap) * rowBytes + begin, weights[tap], count, sums.data());
        for (std::size_t i = 0; i < count; ++i)
            target[begin + i] = toByte(sums[i]);
    }
}

using ResizeRow = void (*)(const ResizeFilter &, const std::uint8_t *, std::uint8_t *);
using MixRows = void (*)(const ResizeFilter &, std::size_t, const std::uint8_t *, std::size_t, std::uint8_t *);

void resizeRowPlain(const ResizeFilter &filter, const std::uint8_t *source, std::uint8_t *target)
{
    resizeRowBody(filter, source, target);
}
void mixRowsPlain(const ResizeFilter &filter, std::size_t output, const std::uint8_t *source, std::size_t rowBytes,
    std::uint8_t *target)
{
    mixRowsBody(filter, output, source, rowBytes, target);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) void resizeRowAvx2(const ResizeFilter &filter, const std::uint8_t *source,
    std::uint8_t *target)
{
    resizeRowBody(filter, source, target);
}
__attribute__((target("avx2"))) void mixRowsAvx2(const ResizeFilter &filter, std::size_t output,
    const std::uint8_t *source, std::size_t rowBytes, std::uint8_t *target)
{
    mixRowsBody(filter, output, source, rowBytes, target);
}
bool hasAvx2()
{
    return __builtin_cpu_supports("avx2");
}
#endif

ResizeRow resizeRowFunction()
{
#ifdef __x86_64__
    if (hasAvx2())
        return resizeRowAvx2;
#endif
    return resizeRowPlain;
}
MixRows mixRowsFunction()
{
#ifdef __x86_64__
    if (hasAvx2())
        return mixRowsAvx2;
#endif
    return mixRowsPlain;
}

// body(first, end) over rows; of a large picture on several threads of its own.
template <typename Body> void overRows(int rows, std::size_t bytes, Body &&body)
{
    constexpr std::size_t kBytesEach = std::size_t{1} << 18; // written: about a millisecond
    constexpr int kMostThreads = 16;
    const int threads = std::min({static_cast<int>(std::min<std::size_t>(bytes / kBytesEach, kMostThreads)), rows, kernels::allowedCpus()});
    if (threads < 2) {
        body(0, rows);
        return;
    }
    std::vector<std::jthread> others;
    const auto edge = [&](int part) { return static_cast<int>(std::int64_t{rows} * part / threads); };
    for (int part = 1; part < threads; ++part)
        others.emplace_back([&body, first = edge(part), end = edge(part + 1)] { body(first, end); });
    body(0, edge(1));
}

std::vector<std::uint8_t> resizeColumns(std::span<const std::uint8_t> pixels, int width, int height, int newWidth)
{
    const ResizeFilter filter = makeResizeFilter(width, newWidth);
    const ResizeRow resizeRow = resizeRowFunction();
    const std::size_t sourceBytes = static_cast<std::size_t>(width) * kChannels;
    const std::size_t targetBytes = static_cast<std::size_t>(newWidth) * kChannels;
    std::vector<std::uint8_t> result(targetBytes * static_cast<std::size_t>(height));
    std::vector<std::uint8_t> last(sourceBytes + 1); // the last row has no byte behind it to read
    std::copy_n(pixels.end() - static_cast<std::ptrdiff_t>(sourceBytes), sourceBytes, last.begin());
    overRows(height, std::max(sourceBytes, targetBytes) * static_cast<std::size_t>(height), [&](int first, int end) {
        for (int y = first; y < end; ++y) {
            const std::uint8_t *row = y + 1 == height ? last.data() : pixels.data() + static_cast<std::size_t>(y) * sourceBytes;
            resizeRow(filter, row, result.data() + static_cast<std::size_t>(y) * targetBytes);
        }
    });
    return result;
}

std::vector<std::uint8_t> resizeRows(std::span<const std::uint8_t> pixels, int width, int height, int newHeight)
{
    const ResizeFilter filter = makeResizeFilter(height, newHeight);
    const std::size_t rowBytes = static_cast<std::size_t>(width) * kChannels;
    std::vector<std::uint8_t> result(rowBytes * static_cast<std::size_t>(newHeight));
    const MixRows mixRows = mixRowsFunction();
    overRows(newHeight, rowBytes * static_cast<std::size_t>(std::max(height, newHeight)), [&](int first, int end) {
        for (auto y = static_cast<std::size_t>(first); y < static_cast<std::size_t>(end); ++y)
            mixRows(filter, y, pixels.data(), rowBytes, result.data() + y * rowBytes);
    });
    return result;
}

} // namespace

ResizeFilter makeResizeFilter(int inputs, int outputs)
{
    const double scale = static_cast<double>(inputs) / outputs;
    const double filterScale = std::max(scale, 1.0);
    const double support = 2.0 * filterScale;
    const double inverseScale = 1.0 / filterScale;
    ENGINE_ASSERT(inputs > 0 && outputs > 0);
    ResizeFilter filter;
    filter.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
    filter.first.resize(static_cast<std::size_t>(outputs));
    filter.count.resize(static_cast<std::size_t>(outputs));
    filter.weights.assign(static_cast<std::size_t>(outputs) * static_cast<std::size_t>(filter.taps), 0);
    std::vector<double> exact(static_cast<std::size_t>(filter.taps));
    for (int output = 0; output < outputs; ++output) {
        const double center = (output + 0.5) * scale;
        const int first = std::max(static_cast<int>(center - support + 0.5), 0);
        const int count = std::min(static_cast<int>(center + support + 0.5), inputs) - first;
        double sum = 0.0;
        for (int tap = 0; tap < count; ++tap) {
            exact[static_cast<std::size_t>(tap)] = cubic((tap + first - center + 0.5) * inverseScale);
            sum += exact[static_cast<std::size_t>(tap)];
        }
        std::int32_t *weights = filter.weights.data() + static_cast<std::ptrdiff_t>(output) * filter.taps;
        for (int tap = 0; tap < count; ++tap) {
            double weight = exact[static_cast<std::size_t>(tap)];
            if (sum != 0.0)
                weight /= sum;
            weights[tap] = static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
        }
        filter.first[static_cast<std::size_t>(output)] = first;
        filter.count[static_cast<std::size_t>(output)] = count;
    }
    return filter;
}

bool resizesRowsFirst(int width, int height, int newWidth, int newHeight)
{
    return height > newHeight && std::int64_t{height} - newHeight > 2 * (std::int64_t{width} - newWidth);
}

std::vector<std::uint8_t> resizeBicubic(std::span<const std::uint8_t> pixels, int width, int height, int newWidth,
    int newHeight)
{
    ENGINE_ASSERT(width > 0 && height > 0 && newWidth > 0 && newHeight > 0);
    ENGINE_ASSERT(pixels.size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * kChannels);
    const bool needsColumns = newWidth != width, needsRows = newHeight != height;
    if (!needsColumns && !needsRows)
        return {pixels.begin(), pixels.end()};
    if (resizesRowsFirst(width, height, newWidth, newHeight)) {
        std::vector<std::uint8_t> result = resizeRows(pixels, width, height, newHeight);
        return needsColumns ? resizeColumns(result, width, newHeight, newWidth) : result;
    }
    if (!needsColumns)
        return resizeRows(pixels, width, height, newHeight);
    std::vector<std::uint8_t> result = resizeColumns(pixels, width, height, newWidth);
    return needsRows ? resizeRows(result, newWidth, height, newHeight) : result;
}

} // namespace engine
