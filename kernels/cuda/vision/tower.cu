// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention: a block takes 192 queries of one head of one tile, 128 keys a turn, copied by one thread through tensor maps
// two turns ahead; three warpgroups take 64 queries each, as two do in attention/prompt.cu. A head of 72 columns is a tile of 64 and
// one of 8, which the map fills with zeros. Blocks of a head follow each other, so its keys come from the second-level
// cache. Bound for ten tiles of 729 tokens: 27 GFLOP of products and 85 million powers of two a layer, about 60 us; 83 on an H200 (two
// warpgroups: 100, mma.sync: 120).
// Norm: a warp a row, held in registers; bound by its bytes, six a value.
#include "cuda/vision/tower.h"

#include "cuda/attention/warpgroup_scores.cuh"
#include "cuda/common/launch.cuh"

namespace kernels::cuda {

namespace {

namespace wg = warpgroup;
using namespace scores;
using Bf16 = __nv_bfloat16;

constexpr int kDim = 72, kStages = 2, kMostNormColumns = 2048, kNormThreads = 128;

struct Maps {
    CUtensorMap query, keys, values;
};

// Shared memory of a block whose `Groups` warpgroups take 64 queries each.
template <int Groups> struct Shape {
    static constexpr int depth = (kDim + 15) / 16 * 16; // of the scores' products
    static constexpr int queries = Groups * 64, threads = (Groups + 1) * 128;
    static constexpr unsigned tiles = (kDim + wg::kTileColumns - 1) / wg::kTileColumns;
    static constexpr unsigned queryTileBytes = queries * wg::kRowBytes, valueTileBytes = kDim * wg::kRowBytes;
    static constexpr unsigned queryBytes = tiles * queryTileBytes, keyBytes = tiles * kTileBytes;
    static constexpr unsigned valueBytes = kKeys / wg::kTileColumns * valueTileBytes;
    static constexpr unsigned keysAt = queryBytes, valuesAt = keysAt + kStages * keyBytes;
    static constexpr std::size_t bytes = valuesAt + kStages * valueBytes + 1024; // the tiles start at a multiple of 1024
    static_assert(valueTileBytes % 1024 == 0 && depth <= static_cast<int>(tiles) * wg::kTileColumns);
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
template <int Groups>
__device__ void valueProducts(float (&output)[kDim / 2], const std::uint32_t (&shares)[8][4], std::uint32_t values)
{
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k)
        wg::multiply(output, shares[k],
            wg::descriptorOf(values + static_cast<std::uint32_t>(k / 4) * Shape<Groups>::valueTileBytes) + k % 4 * wg::kNextSixteen, true);
    wg::endProducts();
}

__device__ void hideBehind(float (&scores)[64], int count)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        if (i / 4 * 8 + lane % 4 * 2 + i % 2 >= count)
            scores[i] = -INFINITY;
    }
}
#endif

// Grid (tokens / queries, heads, batch).
template <int Groups>
__global__ void __launch_bounds__(Shape<Groups>::threads, 1)
    towerAttentionKernel(const TowerAttentionArgs args, const __grid_constant__ Maps maps)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    using S = Shape<Groups>;
    extern __shared__ unsigned char shared[];
    __shared__ __align__(8) std::uint64_t barriers[4 * kStages + 1];
    const std::uint32_t base = (sharedAddress(shared) + 1023U) & ~1023U;
    const std::uint32_t keysFull = sharedAddress(barriers);
    const std::uint32_t keysEmpty = keysFull + kStages * 8;
    const std::uint32_t valuesFull = keysEmpty + kStages * 8;
    const std::uint32_t valuesEmpty = valuesFull + kStages * 8;
    const std::uint32_t queryFull = valuesEmpty + kStages * 8;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 0) {
        for (unsigned s = 0; s < kStages; ++s) {
            wg::initBarrier(keysFull + s * 8, 1);
            wg::initBarrier(keysEmpty + s * 8, Groups * 4); // warps that multiply
            wg::initBarrier(valuesFull + s * 8, 1);
            wg::initBarrier(valuesEmpty + s * 8, Groups * 4);
        }
        wg::initBarrier(queryFull, 1);
        wg::publishBarriers();
    }
    __syncthreads();
    const int head = static_cast<int>(blockIdx.y);
    const int firstToken = static_cast<int>(blockIdx.z) * args.tokens; // of the tile
    const int firstQuery = static_cast<int>(blockIdx.x) * S::queries;  // in the tile
    const int turns = (args.tokens + kKeys - 1) / kKeys;

    if (thread < 128) {
        wg::giveRegisters<(Groups == 2 ? 24 : 32)>();
        if (thread == 0) {
            wg::arriveExpecting(queryFull, S::queryBytes);
            for (unsigned t = 0; t < S::tiles; ++t)
                wg::copyTile(base + t * S::queryTileBytes, maps.query, queryFull, static_cast<int>(t) * wg::kTileColumns,
                    firstToken + firstQuery, head);
            for (int turn = 0; turn < turns; ++turn) {
                const auto stage = static_cast<unsigned>(turn % kStages);
                const auto parity = static_cast<unsigned>(turn / kStages % 2);
                const int token = firstToken + turn * kKeys;
                const std::uint32_t keys = base + S::keysAt + stage * S::keyBytes;
                wg::waitFor(keysEmpty + stage * 8, parity ^ 1);
                wg::arriveExpecting(keysFull + stage * 8, S::keyBytes);
                for (unsigned t = 0; t < S::tiles; ++t)
                    wg::copyTile(keys + t * kTileBytes, maps.keys, keysFull + stage * 8, static_cast<int>(t) * wg::kTileColumns, token, head);
                const std::uint32_t values = base + S::valuesAt + stage * S::valueBytes;
                wg::waitFor(valuesEmpty + stage * 8, parity ^ 1);
                wg::arriveExpecting(valuesFull + stage * 8, S::valueBytes);
                for (unsigned t = 0; t < kKeys / wg::kTileColumns; ++t)
                    wg::copyTile(values + t * S::valueTileBytes, maps.values, valuesFull + stage * 8,
                        turn * kKeys + static_cast<int>(t) * wg::kTileColumns, head * kDim, static_cast<int>(blockIdx.z));
            }
        }
        return;
    }

    wg::takeRegisters<(Groups == 2 ? 240 : 160)>();
    const int group = thread / 128 - 1;
    const int lane = thread % 32;
    const float scale = args.scale * 1.4426950408889634F;
    const std::uint32_t query = base + static_cast<std::uint32_t>(group) * 64 * wg::kRowBytes;
    const auto release = [&](std::uint32_t barrier) {
        __syncwarp();
        if (lane == 0)
            wg::arrive(barrier);
    };
    Rows rows;
    float scores[64];
    float output[kDim / 2];
    float rescale[2];
    std::uint32_t shares[8][4];
#pragma unroll
    for (float &sum : output)
        sum = 0.0F;

    wg::waitFor(queryFull, 0);
    wg::waitFor(keysFull, 0);
    wg::beginProducts();
    scoreProducts<S::depth>(scores, query, base + S::keysAt, S::queryTileBytes);
    wg::waitForProducts<0>();
    wg::hold(scores);
    release(keysEmpty);
    if (turns == 1)
        hideBehind(scores, args.tokens);
    rows.take(scores, scale, rescale);
    narrowShares(scores, shares);
    for (int turn = 0; turn + 1 < turns; ++turn) {
        const auto stage = static_cast<unsigned>(turn % kStages);
        const auto nextStage = static_cast<unsigned>((turn + 1) % kStages);
        wg::waitFor(keysFull + nextStage * 8, static_cast<unsigned>((turn + 1) / kStages % 2));
        wg::beginProducts();
        scoreProducts<S::depth>(scores, query, base + S::keysAt + nextStage * S::keyBytes, S::queryTileBytes);
        wg::waitFor(valuesFull + stage * 8, static_cast<unsigned>(turn / kStages % 2));
        wg::beginProducts();
        valueProducts<Groups>(output, shares, base + S::valuesAt + stage * S::valueBytes);
        wg::waitForProducts<1>();
        wg::hold(scores);
        release(keysEmpty + nextStage * 8);
        if (turn + 2 == turns)
            hideBehind(scores, args.tokens - (turn + 1) * kKeys);
        rows.take(scores, scale, rescale);
        wg::waitForProducts<0>();
        wg::hold(output);
        release(valuesEmpty + stage * 8);
#pragma unroll
        for (int i = 0; i < kDim / 2; ++i)
            output[i] *= rescale[i / 2 % 2];
        narrowShares(scores, shares);
    }
    const auto stage = static_cast<unsigned>((turns - 1) % kStages);
    wg::waitFor(valuesFull + stage * 8, static_cast<unsigned>((turns - 1) / kStages % 2));
    wg::beginProducts();
    valueProducts<Groups>(output, shares, base + S::valuesAt + stage * S::valueBytes);
    wg::waitForProducts<0>();
    wg::hold(output);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        float total = rows.total[i];
        total += __shfl_xor_sync(kAllLanes, total, 1);
        total += __shfl_xor_sync(kAllLanes, total, 2);
        const int token = firstQuery + group * 64 + thread % 128 / 32 * 16 + lane / 4 + i * 8;
        if (token >= args.tokens)
            continue;
        const float factor = 1.0F / total;
        const int column = head * kDim + lane % 4 * 2;
        Bf16 *target = args.output + static_cast<std::int64_t>(firstToken + token) * args.heads * kDim + column;
#pragma unroll
        for (int n = 0; n < kDim / 8; ++n) {
            const float2 bias = args.valueBias != nullptr ? __ldg(reinterpret_cast<const float2 *>(args.valueBias + column + n * 8))
                                                          : make_float2(0.0F, 0.0F);
            *reinterpret_cast<__nv_bfloat162 *>(target + n * 8) = __floats2bfloat162_rn(
                __fmaf_rn(output[n * 4 + i * 2], factor, bias.x), __fmaf_rn(output[n * 4 + i * 2 + 1], factor, bias.y));
        }
    }
#endif
}

// `Each`: groups of 128 columns a warp holds.
template <int Each> __global__ void __launch_bounds__(kNormThreads) towerNormKernel(const TowerNormArgs args)
{
    const int row = static_cast<int>(blockIdx.x) * (kNormThreads / 32) + static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (row >= args.rows)
        return;
    const float *input = args.input + row * args.inputStride + lane * 4;
    float4 values[Each];
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        values[i] = *reinterpret_cast<const float4 *>(input + i * 128);
        sum += values[i].x + values[i].y + values[i].z + values[i].w;
    }
    const auto columns = static_cast<float>(Each * 128);
    const float mean = warpSum(sum) / columns;
    float squares = 0.0F;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        float4 &v = values[i];
        v = make_float4(v.x - mean, v.y - mean, v.z - mean, v.w - mean);
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    const float scale = rsqrtf(warpSum(squares) / columns + args.epsilon);
    Bf16 *output = args.output + static_cast<std::int64_t>(row) * args.columns + lane * 4;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const float4 gain = __ldg(reinterpret_cast<const float4 *>(args.weight + i * 128 + lane * 4));
        const float4 bias = __ldg(reinterpret_cast<const float4 *>(args.bias + i * 128 + lane * 4));
        const float4 &v = values[i];
        const __nv_bfloat162 low = __floats2bfloat162_rn(v.x * scale * gain.x + bias.x, v.y * scale * gain.y + bias.y);
        const __nv_bfloat162 high = __floats2bfloat162_rn(v.z * scale * gain.z + bias.z, v.w * scale * gain.w + bias.w);
        *reinterpret_cast<uint2 *>(output + i * 128) =
            make_uint2(*reinterpret_cast<const std::uint32_t *>(&low), *reinterpret_cast<const std::uint32_t *>(&high));
    }
}

template <int Groups> cudaError_t launchAttention(const TowerAttentionArgs &args, cudaStream_t stream)
{
    using S = Shape<Groups>;
    const std::int64_t tokens = std::int64_t{args.batch} * args.tokens;
    Maps maps{};
    cudaError_t made = makeTensorMap({.data = args.query, .columns = kDim, .rows = tokens, .matrices = args.heads,
        .rowStride = args.queryStride, .matrixStride = kDim, .tileRows = S::queries}, maps.query);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.key, .columns = kDim, .rows = tokens, .matrices = args.heads, .rowStride = args.keyStride,
            .matrixStride = kDim, .tileRows = kKeys}, maps.keys);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.values, .columns = args.tokens, .rows = std::int64_t{args.heads} * kDim, .matrices = args.batch,
            .rowStride = args.batch * args.valueTile, .matrixStride = args.valueTile, .tileRows = kDim}, maps.values);
    if (made == cudaSuccess)
        made = cudaFuncSetAttribute(towerAttentionKernel<Groups>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(S::bytes));
    if (made != cudaSuccess)
        return made;
    const dim3 grid(static_cast<unsigned>((args.tokens + S::queries - 1) / S::queries), static_cast<unsigned>(args.heads),
        static_cast<unsigned>(args.batch));
    towerAttentionKernel<Groups><<<grid, S::threads, S::bytes, stream>>>(args, maps);
    return cudaGetLastError();
}

// The instance for `columns`, from the largest down.
template <int Each> cudaError_t launchNorm(const TowerNormArgs &args, cudaStream_t stream)
{
    if (args.columns == Each * 128) {
        const auto blocks = static_cast<unsigned>((args.rows + kNormThreads / 32 - 1) / (kNormThreads / 32));
        towerNormKernel<Each><<<blocks, kNormThreads, 0, stream>>>(args);
        return cudaGetLastError();
    }
    if constexpr (Each > 1)
        return launchNorm<Each - 1>(args, stream);
    return cudaErrorNotSupported;
}


} // namespace

bool hasTowerAttention(const TowerAttentionArgs &args)
{
    return args.headDim == kDim && isMappable(args.query, args.queryStride, kDim) && isMappable(args.key, args.keyStride, kDim)
        && isMappable(args.values, args.valueTile, args.valueTile) && args.valueTile >= args.tokens && isAligned(args.valueBias) && isAligned(args.output);
}

cudaError_t towerAttention(const TowerAttentionArgs &args, cudaStream_t stream)
{
    if (args.batch == 0 || args.tokens == 0)
        return cudaSuccess;
    return launchAttention<3>(args, stream);
}

bool hasTowerNorm(const TowerNormArgs &args)
{
    return args.columns % 128 == 0 && args.columns <= kMostNormColumns && args.bias != nullptr && args.inputStride % 4 == 0
        && isAligned(args.input) && isAligned(args.weight) && isAligned(args.bias) && isAligned(args.output);
}

cudaError_t towerNorm(const TowerNormArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    return launchNorm<kMostNormColumns / 128>(args, stream);
}

} // namespace kernels::cuda
