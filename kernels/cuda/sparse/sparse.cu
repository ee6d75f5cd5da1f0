// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Scores: a block takes 64 tokens of a row, a warp a token at a time with the key in registers; the index keys of a
// context are read once a row (128 numbers a token: 13 MB at 50,000 tokens). Selection: a block a row finds the last
// score that stays in four passes over the scores, a byte of their order each, then writes places in order. Attention: a
// block a row, head and 1,024 columns of the values over at most 2,048 tokens, float32; keys come from L2 for all heads
// but the first. A row's result depends on no other row.
#include "cuda/sparse/sparse.h"

#include "cuda/attention/cache.cuh"
#include "cuda/common/reduce.cuh"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kTokens = 64;         // of a block of scores
constexpr int kKeyInRegisters = 256; // numbers of an index key
constexpr std::size_t kMostScores = std::size_t{16} << 20; // at once, of as many rows as that is
constexpr int kSelectThreads = 256, kSelectWarps = kSelectThreads / 32;
constexpr int kChunk = 256, kValuesPerThread = 8, kColumns = kThreads * kValuesPerThread;

__device__ int firstOf(const SelectTokensArgs &args, int position)
{
    return args.window > 0 ? max(0, position + 1 - args.window) : 0;
}

template <typename T> __global__ void __launch_bounds__(kThreads) scoresKernel(const SelectTokensArgs args, int firstRow)
{
    const int index = static_cast<int>(blockIdx.x), row = firstRow + index;
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int position = args.table.positions[row], first = firstOf(args, position), keyDim = args.cache.keyDim;
    const int begin = static_cast<int>(blockIdx.y) * kTokens, end = min(begin + kTokens, position - first + 1);
    if (position - first + 1 <= args.perRow)
        return; // all of them stay
    const float *queries = args.query + row * args.queryStride; // of all heads: they stay in L1
    const float *weights = args.weights + row * args.weightStride;
    for (int token = begin + warp; token < end; token += kWarps) {
        const T *key = static_cast<const T *>(args.cache.keys) + slotOf(args.cache, args.table, row, first + token) * keyDim;
        float own[kKeyInRegisters / 32];
#pragma unroll
        for (int i = 0; i < kKeyInRegisters / 32; ++i)
            own[i] = lane + i * 32 < keyDim ? load(key + lane + i * 32) : 0.0F;
        float score = 0.0F;
        for (int head = 0; head < args.heads; ++head) {
            const float *query = queries + static_cast<std::int64_t>(head) * keyDim;
            float dot = 0.0F;
#pragma unroll
            for (int i = 0; i < kKeyInRegisters / 32; ++i)
                if (lane + i * 32 < keyDim)
                    dot += own[i] * query[lane + i * 32];
            for (int d = kKeyInRegisters + lane; d < keyDim; d += 32)
                dot += load(key + d) * query[d];
            score += weights[head] * fmaxf(warpSum(dot), 0.0F);
        }
        if (lane == 0)
            args.scores[static_cast<std::int64_t>(index) * args.longest + token] = score * args.scale;
    }
}

// Scores in the order of whole numbers; a broken one is the worst.
__device__ unsigned orderOf(float score)
{
    if (isnan(score))
        return 0;
    const unsigned bits = __float_as_uint(score + 0.0F); // -0 is 0
    return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

// How many threads before this one have the flag; `sum`: in all.
__device__ int countBefore(bool flag, int *shared, int &sum)
{
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const unsigned votes = __ballot_sync(kAllLanes, flag);
    __syncthreads(); // the last use of `shared` is over
    if (lane == 0)
        shared[warp] = __popc(votes);
    __syncthreads();
    int before = __popc(votes & ((1U << lane) - 1));
    sum = 0;
    for (int w = 0; w < kSelectWarps; ++w) {
        before += w < warp ? shared[w] : 0;
        sum += shared[w];
    }
    return before;
}

__global__ void __launch_bounds__(kSelectThreads) selectKernel(const SelectTokensArgs args, int firstRow)
{
    __shared__ int counts[256];
    __shared__ int partial[kSelectWarps];
    __shared__ int chosen, wantedLeft;
    const int index = static_cast<int>(blockIdx.x), row = firstRow + index, thread = static_cast<int>(threadIdx.x);
    const int position = args.table.positions[row], first = firstOf(args, position), count = position - first + 1;
    std::int32_t *selected = args.selected + static_cast<std::int64_t>(row) * args.perRow;
    if (count <= args.perRow) {
        for (int i = thread; i < args.perRow; i += kSelectThreads)
            selected[i] = i < count ? first + i : -1;
        return;
    }
    const float *scores = args.scores + static_cast<std::int64_t>(index) * args.longest;
    unsigned known = 0, mask = 0; // bits of the last score that stays
    int wanted = args.perRow;     // of those that begin with `known`
    for (int shift = 24; shift >= 0; shift -= 8) {
        counts[thread] = 0;
        __syncthreads();
        for (int i = thread; i < count; i += kSelectThreads) {
            const unsigned order = orderOf(scores[i]);
            if ((order & mask) == known)
                atomicAdd(counts + (order >> shift & 255U), 1);
        }
        __syncthreads();
        if (thread == 0) {
            int left = wanted, digit = 255;
            while (counts[digit] < left)
                left -= counts[digit--];
            chosen = digit;
            wantedLeft = left;
        }
        __syncthreads();
        known |= static_cast<unsigned>(chosen) << shift;
        mask |= 255U << shift;
        wanted = wantedLeft;
        __syncthreads();
    }
    int taken = 0, equals = 0;
    for (int begin = 0; begin < count; begin += kSelectThreads) {
        const int i = begin + thread;
        const unsigned order = i < count ? orderOf(scores[i]) : 0;
        const bool isEqual = i < count && order == known;
        int sum = 0;
        const int before = equals + countBefore(isEqual, partial, sum);
        equals += sum;
        const bool stays = i < count && (order > known || (isEqual && before < wanted));
        const int place = taken + countBefore(stays, partial, sum);
        taken += sum;
        if (stays)
            selected[place] = first + i;
    }
}

template <typename T> __global__ void __launch_bounds__(kThreads) sparseAttentionKernel(const SparseAttentionArgs args)
{
    __shared__ float scores[kChunk];
    __shared__ std::int64_t slots[kChunk]; // of the tokens, -1: none
    const AttentionArgs &base = args.base;
    const KvView &cache = base.cache;
    const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
    const int kvHead = head / (base.heads / cache.kvHeads), firstColumn = static_cast<int>(blockIdx.z) * kColumns;
    const auto *keys = static_cast<const T *>(cache.keys) + kvHead * cache.keyDim;
    const int keyRow = cache.kvHeads * cache.keyDim;
    const auto *values = cache.valuesInKeys ? keys : static_cast<const T *>(cache.values) + kvHead * cache.valueDim;
    const int valueRow = cache.valuesInKeys ? keyRow : cache.kvHeads * cache.valueDim;
    const std::int32_t *selected = args.selected + static_cast<std::int64_t>(row) * args.perRow;
    const std::int64_t index = static_cast<std::int64_t>(row) * base.heads + head;
    const float *query = base.query + index * cache.keyDim;
    const int most = min(args.perRow, base.table.positions[row] + 1);
    const auto score = [&](std::int64_t slot) {
        const T *key = keys + slot * keyRow;
        float sum = 0.0F;
        for (int d = lane; d < cache.keyDim; d += 32)
            sum += query[d] * load(key + d);
        return warpSum(sum) * base.scale;
    };
    float best = -INFINITY, total = 0.0F;
    float sums[kValuesPerThread] = {};
    for (int first = 0; first < most; first += kChunk) {
        const int count = min(kChunk, most - first);
        __syncthreads(); // the last chunk's slots and scores are read
        for (int i = thread; i < count; i += kThreads) {
            const int token = selected[first + i];
            slots[i] = token >= 0 ? slotOf(cache, base.table, row, token) : -1;
        }
        __syncthreads();
        for (int i = warp; i < count; i += kWarps) {
            const float value = slots[i] >= 0 ? score(slots[i]) : -INFINITY;
            if (lane == 0)
                scores[i] = value;
        }
        __syncthreads();
        float largest = best;
        for (int i = thread; i < count; i += kThreads)
            largest = fmaxf(largest, scores[i]);
        largest = blockMax<kThreads>(largest);
        const float rescale = best > -INFINITY ? expf(best - largest) : 0.0F;
        best = largest;
        float sum = 0.0F;
        for (int i = thread; i < count; i += kThreads) {
            scores[i] = scores[i] == -INFINITY ? 0.0F : expf(scores[i] - best); // a broken number stays one
            sum += scores[i];
        }
        total = total * rescale + blockSum<kThreads>(sum); // every score is written behind its barriers
#pragma unroll
        for (int v = 0; v < kValuesPerThread; ++v) {
            const int column = firstColumn + thread + v * kThreads;
            if (column >= cache.valueDim)
                continue;
            float value = sums[v] * rescale;
            for (int i = 0; i < count; ++i)
                if (slots[i] >= 0)
                    value += scores[i] * load(values + slots[i] * valueRow + column);
            sums[v] = value;
        }
    }
#pragma unroll
    for (int v = 0; v < kValuesPerThread; ++v)
        if (const int column = firstColumn + thread + v * kThreads; column < cache.valueDim)
            base.output[index * cache.valueDim + column] = sums[v] / total;
    const int watched = base.observed != nullptr && firstColumn == 0 ? base.observeIndex[row] : -1;
    if (watched < 0)
        return;
    for (int i = warp; i < most; i += kWarps) {
        const int token = selected[i];
        const float value = token >= 0 ? score(slotOf(cache, base.table, row, token)) : 0.0F;
        if (lane == 0 && token >= 0)
            atomicAdd(base.observed + watched * base.observeStride + token,
                expf(value - best) / total / static_cast<float>(base.heads));
    }
}

} // namespace

std::size_t selectionScores(int rows, int longest)
{
    const auto width = static_cast<std::size_t>(longest > 0 ? longest : 1);
    const std::size_t most = kMostScores / width;
    return width * (most < 1 ? 1 : most < static_cast<std::size_t>(rows) ? most : static_cast<std::size_t>(rows));
}

cudaError_t selectTokens(const SelectTokensArgs &args, cudaStream_t stream)
{
    if (args.longest <= 0)
        return args.table.rows == 0 ? cudaSuccess : cudaErrorInvalidValue;
    const int rowsAtOnce = static_cast<int>(selectionScores(args.table.rows, args.longest) / static_cast<std::size_t>(args.longest));
    for (int first = 0; first < args.table.rows; first += rowsAtOnce) {
        const int rows = args.table.rows - first < rowsAtOnce ? args.table.rows - first : rowsAtOnce;
        if (args.longest > args.perRow) {
            const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>((args.longest + kTokens - 1) / kTokens));
            const cudaError_t scored = withCacheType(args.cache.dtype, [&]<typename T>() {
                scoresKernel<T><<<grid, kThreads, 0, stream>>>(args, first);
            });
            if (scored != cudaSuccess)
                return scored;
        }
        selectKernel<<<static_cast<unsigned>(rows), kSelectThreads, 0, stream>>>(args, first);
        if (const cudaError_t selected = cudaGetLastError(); selected != cudaSuccess)
            return selected;
    }
    return cudaSuccess;
}

cudaError_t sparseAttention(const SparseAttentionArgs &args, cudaStream_t stream)
{
    const AttentionArgs &base = args.base;
    if (base.table.rows == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(base.table.rows), static_cast<unsigned>(base.heads),
        static_cast<unsigned>((base.cache.valueDim + kColumns - 1) / kColumns));
    return withCacheType(base.cache.dtype, [&]<typename T>() {
        sparseAttentionKernel<T><<<grid, kThreads, 0, stream>>>(args);
    });
}

} // namespace kernels::cuda
