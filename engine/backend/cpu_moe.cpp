// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Mixture of experts: rows are grouped by expert, each expert's matrices are read once, and every row sums its
// experts in the order the router gave them, so a row's answer does not depend on its neighbours.
#include "backend/cpu_backend.h"
#include "base/assert.h"
#include "kernels/reference.h"

#include <cstring>
#include <utility>

namespace engine {

void CpuBackend::router(const RouterArgs &args)
{
    const bool isRounded = std::exchange(m_isRounded, false);
    Backend::router(args);
    m_isRounded = isRounded;
}

void CpuBackend::route(const RouteArgs &args)
{
    const CpuWeight *bias = static_cast<const CpuWeight *>(args.bias);
    const kernels::RouteArgs kernel{
        .logits = args.logits.f32(), .logitStride = args.logits.rowStride,
        .bias = bias != nullptr ? bias->values() : nullptr, .rows = static_cast<int>(args.logits.rows()),
        .experts = args.experts, .perToken = args.perToken, .groups = args.groups,
        .groupsPerToken = args.groupsPerToken, .method = static_cast<kernels::RoutingMethod>(args.method),
        .score = static_cast<kernels::RoutingScore>(args.score), .normalise = args.normalise, .scale = args.scale,
        .stopExperts = args.stopExperts.data(), .stopCount = static_cast<int>(args.stopExperts.size()),
        .automatic = args.automatic, .ids = args.ids, .weights = args.weights};
    forRows(kernel.rows, std::int64_t{args.experts} * (8 + args.perToken),
            [&](std::int64_t begin, std::int64_t end) { kernels::route(kernel, begin, end); });
}

// Fills m_pairStart [experts + 1], m_pairRow [pairs] in expert order and m_pairOf [rows * perToken] (-1: none).
void CpuBackend::sortPairs(const MoeArgs &args, std::int64_t rows)
{
    const std::int64_t experts = cpuWeight(args.gate).count();
    const std::int64_t slots = rows * args.perToken;
    m_pairStart.assign(static_cast<std::size_t>(experts) + 1, 0);
    for (std::int64_t i = 0; i < slots; ++i)
        if (args.ids[i] >= 0) {
            ENGINE_ASSERT(args.ids[i] < experts);
            ++m_pairStart[static_cast<std::size_t>(args.ids[i]) + 1];
        }
    for (std::size_t e = 1; e < m_pairStart.size(); ++e)
        m_pairStart[e] += m_pairStart[e - 1];
    m_pairRow.resize(static_cast<std::size_t>(m_pairStart.back()));
    m_pairOf.assign(static_cast<std::size_t>(slots), -1);
    std::vector<std::int32_t> &next = m_pairNext;
    next = m_pairStart;
    for (std::int64_t i = 0; i < slots; ++i)
        if (args.ids[i] >= 0) {
            const std::int32_t pair = next[static_cast<std::size_t>(args.ids[i])]++;
            m_pairRow[static_cast<std::size_t>(pair)] = static_cast<std::int32_t>(i / args.perToken);
            m_pairOf[static_cast<std::size_t>(i)] = pair;
        }
}

void CpuBackend::moe(const MoeArgs &args)
{
    const CpuWeight &gate = cpuWeight(args.gate);
    const CpuWeight &up = cpuWeight(args.up);
    const CpuWeight &down = cpuWeight(args.down);
    const std::int64_t rows = args.input.rows();
    const std::int64_t hidden = args.input.columns();
    const std::int64_t inner = gate.matrix().rows;
    ENGINE_ASSERT(gate.matrix().columns == hidden && down.matrix().columns == inner && down.matrix().rows == hidden);
    sortPairs(args, rows);
    const auto pairs = static_cast<std::int64_t>(m_pairRow.size());
    if (pairs == 0)
        return;

    // [pairs, hidden] inputs (one row needs none), [pairs, inner] twice, [pairs, hidden] results.
    const std::int64_t inputFloats = rows > 1 ? pairs * hidden : 0;
    const std::int64_t floats = inputFloats + 2 * pairs * inner + pairs * hidden;
    auto *inputs = reinterpret_cast<float *>(m_moeMemory.reserve(static_cast<std::size_t>(floats) * sizeof(float)));
    float *gates = inputs + inputFloats;
    float *ups = gates + pairs * inner;
    float *results = ups + pairs * inner;
    if (rows > 1)
        forRows(pairs, hidden / 4, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t p = begin; p < end; ++p)
                std::memcpy(inputs + p * hidden,
                            args.input.f32() + m_pairRow[static_cast<std::size_t>(p)] * args.input.rowStride,
                            static_cast<std::size_t>(hidden) * sizeof(float));
        });

    const auto addProduct = [&](const CpuWeight &weight, std::size_t expert, const float *input, std::int64_t inputStride,
                                float *output, std::int64_t outputStride) {
        const std::int64_t first = m_pairStart[expert];
        Product product;
        product.args = {.input = input + first * inputStride, .inputStride = inputStride,
                        .weight = weight.matrix(static_cast<std::int64_t>(expert)),
                        .output = output + first * outputStride, .outputStride = outputStride,
                        .rows = m_pairStart[expert + 1] - m_pairStart[expert], .exact = m_exact};
        m_products.push_back(product);
    };
    const bool isSameKind = gate.matrix().kind == up.matrix().kind && gate.matrix().scaleColumns == up.matrix().scaleColumns;
    m_products.clear();
    for (std::size_t e = 0; e + 1 < m_pairStart.size(); ++e) {
        if (m_pairStart[e] == m_pairStart[e + 1])
            continue;
        // With one row every expert reads the same prepared input; otherwise gate and up share theirs.
        const bool isShared = rows == 1 && isSameKind && !m_products.empty();
        const float *input = rows > 1 ? inputs : args.input.f32();
        addProduct(gate, e, input, rows > 1 ? hidden : 0, gates, inner);
        m_products.back().isPreparedElsewhere = isShared;
        addProduct(up, e, input, rows > 1 ? hidden : 0, ups, inner);
        m_products.back().isPreparedElsewhere = isSameKind;
    }
    runProducts(m_products);
    forRows(pairs, inner * 2, [&](std::int64_t begin, std::int64_t end) {
        m_table.siluMultiply(gates + begin * inner, ups + begin * inner, gates + begin * inner, (end - begin) * inner);
    });
    m_products.clear();
    for (std::size_t e = 0; e + 1 < m_pairStart.size(); ++e)
        if (m_pairStart[e] != m_pairStart[e + 1])
            addProduct(down, e, gates, inner, results, hidden);
    runProducts(m_products);
    addExperts(args, rows, results);
}

void CpuBackend::addExperts(const MoeArgs &args, std::int64_t rows, const float *results)
{
    const std::int64_t hidden = args.output.columns();
    forRows(rows, hidden * args.perToken / 2, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
            for (int k = 0; k < args.perToken; ++k) {
                const std::int64_t slot = r * args.perToken + k;
                const std::int32_t pair = m_pairOf[static_cast<std::size_t>(slot)];
                if (pair >= 0)
                    m_table.scaleAdd(args.output.f32() + r * args.output.rowStride, results + pair * hidden,
                                     args.weights[slot], hidden);
            }
    });
}

} // namespace engine
