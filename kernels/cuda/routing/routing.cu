// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// One warp per row; scores and choice values live in shared memory. Work is tiny, bound: launch. routerKernel does the
// norm, the router's product and the routing of a row in one launch: every block normalises the row again (it lies in L2),
// a warp makes one expert's logit out of weights that are on their way before the kernel in front is done, and the last
// block of a row routes. Of up to eight rows a block makes one logit, oneLogitKernel: small enough to begin beside others.
#include "cuda/routing/routing.h"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"
#include "cuda/routing/small.cuh"
#include "kernels/args.h"

#include <cmath>

namespace kernels::cuda {

namespace {

constexpr int kMaxExperts = 1024;
constexpr int kMaxGroups = 64;

// Index of the largest value, the lowest index on ties; every lane gets it.
__device__ int warpArgMax(const float *values, int count)
{
    const int lane = static_cast<int>(threadIdx.x);
    float best = -INFINITY;
    int index = count;
    for (int i = lane; i < count; i += 32) {
        if (values[i] > best) {
            best = values[i];
            index = i;
        }
    }
    for (int distance = 16; distance > 0; distance /= 2) {
        const float otherBest = __shfl_xor_sync(kAllLanes, best, distance);
        const int otherIndex = __shfl_xor_sync(kAllLanes, index, distance);
        if (otherBest > best || (otherBest == best && otherIndex < index)) {
            best = otherBest;
            index = otherIndex;
        }
    }
    return best == -INFINITY ? -1 : index;
}

// One warp.
__device__ void routeRow(const RouteArgs &args, int row)
{
    __shared__ float scores[kMaxExperts];
    __shared__ float choice[kMaxExperts];
    __shared__ float groupScores[kMaxGroups];
    __shared__ bool groupChosen[kMaxGroups];
    __shared__ short order[kMaxExperts];
    const int lane = static_cast<int>(threadIdx.x);
    const float *logits = args.logits + static_cast<std::int64_t>(row) * args.experts;

    if (args.score == 1) {
        float best = -INFINITY;
        for (int e = lane; e < args.experts; e += 32)
            best = fmaxf(best, __ldcg(logits + e));
        best = warpMax(best);
        float sum = 0.0F;
        for (int e = lane; e < args.experts; e += 32) {
            scores[e] = expf(__ldcg(logits + e) - best);
            sum += scores[e];
        }
        sum = warpSum(sum);
        for (int e = lane; e < args.experts; e += 32)
            scores[e] /= sum;
    } else {
        for (int e = lane; e < args.experts; e += 32)
            scores[e] = 1.0F / (1.0F + expf(-__ldcg(logits + e)));
    }
    for (int e = lane; e < args.experts; e += 32)
        choice[e] = scores[e] + (args.bias != nullptr ? args.bias[e] : 0.0F);
    __syncwarp();
    for (int i = lane; i < args.stopCount; i += 32) {
        if (args.stopExperts[i] >= 0 && args.stopExperts[i] < args.experts)
            choice[args.stopExperts[i]] = -INFINITY;
    }
    __syncwarp();

    if (args.method != 1 && args.groups > 1) {
        const int size = args.experts / args.groups;
        for (int group = lane; group < args.groups; group += 32) {
            float first = -INFINITY;
            float second = -INFINITY;
            for (int e = group * size; e < (group + 1) * size; ++e) {
                if (choice[e] > first) {
                    second = first;
                    first = choice[e];
                } else if (choice[e] > second) {
                    second = choice[e];
                }
            }
            groupScores[group] = args.method == 3 && size > 1 ? first + second : first;
            groupChosen[group] = false;
        }
        __syncwarp();
        for (int k = 0; k < args.groupsPerToken; ++k) {
            const int group = warpArgMax(groupScores, args.groups);
            __syncwarp();
            if (lane == 0 && group >= 0) {
                groupChosen[group] = true;
                groupScores[group] = -INFINITY;
            }
            __syncwarp();
        }
        for (int e = lane; e < args.experts; e += 32) {
            if (!groupChosen[e / size])
                choice[e] = -INFINITY;
        }
        __syncwarp();
    }

    // The chosen experts, the best first.
    if (args.experts <= 128) { // everyone counts who is before it
        for (int k = lane; k < args.perToken; k += 32)
            order[k] = -1;
        __syncwarp();
        for (int e = lane; e < args.experts; e += 32) {
            const float own = choice[e];
            int before = 0;
#pragma unroll 8
            for (int other = 0; other < args.experts; ++other)
                before += choice[other] > own || (choice[other] == own && other < e) ? 1 : 0;
            if (before < args.perToken && own > -INFINITY)
                order[before] = static_cast<short>(e);
        }
    } else {
        for (int k = 0; k < args.perToken; ++k) {
            const int expert = warpArgMax(choice, args.experts);
            __syncwarp();
            if (lane == 0) {
                order[k] = static_cast<short>(expert);
                if (expert >= 0)
                    choice[expert] = -INFINITY;
            }
            __syncwarp();
        }
    }
    __syncwarp();

    std::int32_t *ids = args.ids + static_cast<std::int64_t>(row) * args.perToken;
    float *weights = args.weights + static_cast<std::int64_t>(row) * args.perToken;
    float sum = 0.0F;
    float best = 0.0F;
    for (int base = 0; base < args.perToken; base += 32) { // 32 at a time; usually once
        const int k = base + lane;
        const int expert = k < args.perToken ? order[k] : -1;
        const float weight = expert >= 0 ? scores[expert] : 0.0F;
        float largest = fmaxf(best, weight); // of those up to this one
        for (int distance = 1; distance < 32; distance *= 2) {
            const float other = __shfl_up_sync(kAllLanes, largest, distance);
            largest = lane >= distance ? fmaxf(largest, other) : largest;
        }
        best = __shfl_sync(kAllLanes, largest, 31);
        const bool kept = expert >= 0 && !(args.automatic && weight < kAutomaticShare * largest);
        sum += warpSum(kept ? weight : 0.0F);
        if (k < args.perToken) {
            ids[k] = kept ? expert : -1;
            weights[k] = kept ? weight : 0.0F;
        }
    }
    __syncwarp();
    const float factor = args.normalise ? args.scale / (sum + 1e-20F) : args.scale;
    for (int k = lane; k < args.perToken; k += 32)
        weights[k] *= factor;
}

__global__ void __launch_bounds__(32) routeKernel(RouteArgs args)
{
    letNextStart();
    waitForPrevious();
    routeRow(args, static_cast<int>(blockIdx.x));
}

constexpr int kRouterThreads = 256, kRouterExperts = kRouterThreads / 32;

// The last block of a row routes, once all have written their logits.
template <bool Small> __device__ void routeByLast(const RouterArgs &args, int index)
{
    __shared__ bool isLast;
    const int thread = static_cast<int>(threadIdx.x);
    __syncthreads();
    if (thread == 0) {
        __threadfence(); // of all that the barrier has put before it
        isLast = atomicAdd(args.tickets + index, 1) + 1 == static_cast<int>(gridDim.x);
        if (isLast)
            args.tickets[index] = 0;
        __threadfence();
    }
    __syncthreads();
    if (!isLast || thread >= 32)
        return;
    if constexpr (Small) {
        const SmallRow logits = loadLogits(args.route, index);
        writeChoice(args.route, index, weigh(chooseSmall(logits, args.route), logits, args.route));
    } else {
        routeRow(args.route, index);
    }
}

// Grid (experts, rows). A thread has the same columns of row, gain and weight; the norm's factor comes after the sum.
template <bool Small> __global__ void __launch_bounds__(kRouterThreads) oneLogitKernel(const RouterArgs args)
{
    constexpr int each = kRouterColumns / (4 * kRouterThreads);
    constexpr int warps = kRouterThreads / 32;
    __shared__ float2 sums[warps]; // of squares and products
    letNextStart();
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % 32;
    const int index = static_cast<int>(blockIdx.y);
    const float *from = args.input + index * args.inputStride;
    float4 weight[each];
    float4 gain[each];
#pragma unroll
    for (int i = 0; i < each; ++i) {
        const int column = (i * kRouterThreads + thread) * 4;
        const bool mine = column < args.columns;
        // Plain loads: those of the read-only kind are moved behind the wait.
        weight[i] = mine ? *reinterpret_cast<const float4 *>(args.weight + static_cast<std::int64_t>(blockIdx.x) * args.columns + column)
                         : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        gain[i] = mine && args.gain != nullptr ? *reinterpret_cast<const float4 *>(args.gain + column) : make_float4(1.0F, 1.0F, 1.0F, 1.0F);
    }
    waitForPrevious();
    float4 value[each];
#pragma unroll
    for (int i = 0; i < each; ++i) {
        const int column = (i * kRouterThreads + thread) * 4;
        value[i] = column < args.columns ? *reinterpret_cast<const float4 *>(from + column) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    }
    float squares = 0.0F;
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < each; ++i) {
        const float4 v = value[i];
        const float4 w = weight[i];
        const float4 g = gain[i];
        squares = __fmaf_rn(v.w, v.w, __fmaf_rn(v.z, v.z, __fmaf_rn(v.y, v.y, __fmaf_rn(v.x, v.x, squares))));
        sum = __fmaf_rn(w.w, v.w * g.w, __fmaf_rn(w.z, v.z * g.z, __fmaf_rn(w.y, v.y * g.y, __fmaf_rn(w.x, v.x * g.x, sum))));
    }
    squares = warpSum(squares);
    sum = warpSum(sum);
    if (lane == 0)
        sums[thread / 32] = make_float2(squares, sum);
    __syncthreads();
    squares = 0.0F;
    sum = 0.0F;
#pragma unroll
    for (int w = 0; w < warps; ++w) {
        squares = __fadd_rn(squares, sums[w].x);
        sum = __fadd_rn(sum, sums[w].y);
    }
    const float scale = args.gain != nullptr ? rsqrtf(squares / static_cast<float>(args.columns) + args.epsilon) : 1.0F;
    if (thread == 0) // read past a multiprocessor's own cache
        const_cast<float *>(args.route.logits)[static_cast<std::int64_t>(index) * args.route.experts + blockIdx.x] = __fmul_rn(sum, scale);
    if (args.gain != nullptr) {
        // The blocks of a row share what is to be written.
        const int step = static_cast<int>(gridDim.x) * 32;
#pragma unroll 1
        for (int first = static_cast<int>(blockIdx.x) * 32 + thread / 32 * step; first < args.columns; first += warps * step) {
            const float x = from[first + lane] * scale * args.gain[first + lane];
            args.normed[index * args.normedStride + first + lane] = x;
            if (args.split.high != nullptr)
                writeSplit(args.split, index, first, x);
        }
    }
    if (!args.logitsOnly)
        routeByLast<Small>(args, index);
}

// Grid (experts / 8, rows). Each: float4 of a lane, columns <= 128 * Each.
template <int Each, bool Small> __global__ void __launch_bounds__(kRouterThreads) routerKernel(const RouterArgs args)
{
    constexpr int valuesEach = Each * 128 / kRouterThreads;
    __shared__ __align__(16) float row[Each * 128];
    letNextStart();
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % 32;
    const int expert = static_cast<int>(blockIdx.x) * kRouterExperts + thread / 32;
    const int index = static_cast<int>(blockIdx.y);
    const bool mine = expert < args.route.experts;
    float4 weight[Each];
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const int column = (i * 32 + lane) * 4;
        weight[i] = mine && column < args.columns
            ? *reinterpret_cast<const float4 *>(args.weight + static_cast<std::int64_t>(expert) * args.columns + column)
            : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    }
    float gain[valuesEach];
#pragma unroll
    for (int i = 0; i < valuesEach; ++i) {
        const int column = i * kRouterThreads + thread;
        gain[i] = args.gain != nullptr && column < args.columns ? args.gain[column] : 1.0F;
    }
    waitForPrevious();
    float values[valuesEach];
    float squares = 0.0F;
#pragma unroll
    for (int i = 0; i < valuesEach; ++i) {
        const int column = i * kRouterThreads + thread;
        values[i] = column < args.columns ? args.input[index * args.inputStride + column] : 0.0F;
        squares += values[i] * values[i];
    }
    float scale = 1.0F;
    if (args.gain != nullptr)
        scale = rsqrtf(blockSum<kRouterThreads>(squares) / static_cast<float>(args.columns) + args.epsilon);
#pragma unroll
    for (int i = 0; i < valuesEach; ++i) {
        const int column = i * kRouterThreads + thread;
        row[column] = values[i] * scale * gain[i];
    }
    // The blocks of a row share what is to be written.
#pragma unroll 1
    for (int i = args.gain == nullptr ? valuesEach : static_cast<int>(blockIdx.x); i < valuesEach; i += static_cast<int>(gridDim.x)) {
        const int column = i * kRouterThreads + thread;
        if (column >= args.columns)
            break; // whole warps
        args.normed[index * args.normedStride + column] = row[column];
        if (args.split.high != nullptr)
            writeSplit(args.split, index, column / 32 * 32, row[column]);
    }
    __syncthreads();
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const float4 x = *reinterpret_cast<const float4 *>(row + (i * 32 + lane) * 4);
        const float4 w = weight[i];
        sum = __fmaf_rn(w.w, x.w, __fmaf_rn(w.z, x.z, __fmaf_rn(w.y, x.y, __fmaf_rn(w.x, x.x, sum))));
    }
    sum = warpSum(sum);
    if (lane == 0 && mine) {
        // routeRow reads them past this multiprocessor's own cache.
        const_cast<float *>(args.route.logits)[static_cast<std::int64_t>(index) * args.route.experts + expert] = sum;
    }
    if (!args.logitsOnly)
        routeByLast<Small>(args, index);
}

} // namespace

bool isSmall(const RouteArgs &args)
{
    return args.experts <= kSmallExperts && args.perToken <= 32 && (args.method == 1 || args.groups <= 1);
}

bool canLeaveRouting(const RouteArgs &args)
{
    return card().chained && args.rows == 1 && isSmall(args);
}

bool hasRouter(const RouterArgs &args)
{
    return args.route.rows <= kRouterRows && args.columns % 128 == 0 && args.columns <= kRouterColumns
        && args.inputStride % 4 == 0 && args.route.experts <= kMaxExperts && args.route.groups <= kMaxGroups;
}

cudaError_t router(const RouterArgs &args, cudaStream_t stream)
{
    if (args.route.rows == 0)
        return cudaSuccess;
    // Alone or among up to eight a row's logits are the same.
    if (args.route.rows <= kOneLogitRows && isAligned(args.input) && isAligned(args.weight) && isAligned(args.gain)) {
        const dim3 each(static_cast<unsigned>(args.route.experts), static_cast<unsigned>(args.route.rows));
        const auto one = isSmall(args.route) ? oneLogitKernel<true> : oneLogitKernel<false>;
        return launchChained(one, each, kRouterThreads, 0, stream, args);
    }
    const dim3 grid(static_cast<unsigned>((args.route.experts + kRouterExperts - 1) / kRouterExperts),
        static_cast<unsigned>(args.route.rows));
    const auto kernel = isSmall(args.route) ? routerKernel<kRouterColumns / 128, true> : routerKernel<kRouterColumns / 128, false>;
    return launchChained(kernel, grid, kRouterThreads, 0, stream, args);
}

cudaError_t route(const RouteArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    if (args.experts > kMaxExperts || args.groups > kMaxGroups)
        return cudaErrorNotSupported;
    return launchChained(routeKernel, dim3(static_cast<unsigned>(args.rows)), 32, 0, stream, args);
}

} // namespace kernels::cuda
