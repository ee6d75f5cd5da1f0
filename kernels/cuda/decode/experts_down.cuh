// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The second products of one row's experts and of the shared one, and their sum, in one launch: a block makes 16 outputs
// out of the tiles of all of them, its warps in groups that take one matrix each. Bytes come through ring.cuh's ring, the
// shared expert's first, before the kernel in front is done. To the bits of the separate products: as many sums of a matrix,
// of the same spans, added in the same order, then the experts in theirs.
// Bound: weight bytes over memory bandwidth.

#include "cuda/decode/ring.cuh"

namespace kernels::cuda {

namespace decode {

namespace ring {

inline constexpr int kMostTerms = 32, kMostDownWarps = 13, kMostDownSpans = 16;

template <DType Type, DType SharedType>
inline constexpr std::size_t kColumnBytes = sizeof(Stage<Type>) > sizeof(Stage<SharedType>) ? sizeof(Stage<Type>) : sizeof(Stage<SharedType>);

struct DownPlan {
    Plan experts, shared;
    int group = 0;  // warps that work on one stage
    int groups = 0;
    int rounds = 0; // spans of a stage for each of them
    int stages = 0, stageBytes = 0;
    int parts = 0; // places of a term's sums
};

template <DType Type, DType SharedType>
__device__ __forceinline__ void expertsDown(const ProductArgs &args, const ProductArgs &shared, const DownPlan &plan)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ std::uint64_t full[kMostStages];
    __shared__ std::uint64_t empty[kMostStages];
    __shared__ float values[kMostTerms][kTileRows]; // of a term, the last is the shared one's
    __shared__ int asked;                           // stages that have been asked for; by atomic operations, since readers spin
    constexpr std::size_t columnBytes = kColumnBytes<Type, SharedType>;

    letNextStart();
    if (static_cast<int>(blockIdx.x) * kTileRows >= args.weight.out) { // a block without a tile
        waitForPrevious();
        return;
    }
    const std::uint32_t ringAt = sharedAddress(memory);
    const std::uint32_t fullAt = sharedAddress(full);
    const std::uint32_t emptyAt = sharedAddress(empty);
    const int warps = plan.group * plan.groups;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const int slots = args.perToken;
    const int steps = plan.shared.chunks + slots;

    if (warp == warps && lane == 0) {
        asked = 0;
        for (int i = 0; i < plan.stages; ++i) {
            bulk::initBarrier(fullAt + i * 8, 1);
            bulk::initBarrier(emptyAt + i * 8, plan.group * bulk::kLanes);
        }
        bulk::publishBarriers();
    }
    __syncthreads();
    if (warp == warps) {
        bool waited = false; // for the kernel in front
        int stage = -1;
        int round = 0;
        int before = 0; // steps of the tiles before
        for (int tile = static_cast<int>(blockIdx.x); tile < tiles; tile += static_cast<int>(gridDim.x), before += steps) {
            for (int step = 0; step < steps; ++step) {
                if (++stage == plan.stages) {
                    stage = 0;
                    ++round;
                }
                const int slot = step - plan.shared.chunks;
                const bool isShared = step < plan.shared.chunks;
                if (!waited && !isShared)
                    waitForPrevious();
                waited = waited || !isShared;
                if (round > 0)
                    bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1);
                const std::uint32_t target = ringAt + stage * plan.stageBytes;
                if (isShared) {
                    const std::uint8_t *from = shared.weight.data + (tile + shared.weight.firstTile) * shared.weight.shape.tileBytes;
                    if (lane == 0)
                        fetch<SharedType>(target, from, shared.weight.shape, plan.shared, step, fullAt + stage * 8);
                } else {
                    const int matrix = args.ids[slot];
                    const std::uint8_t *from = args.weight.data + matrix * args.weight.matrixBytes
                        + (tile + args.weight.firstTile) * args.weight.shape.tileBytes;
                    if (lane == 0) {
                        if (matrix < 0)
                            bulk::arrive(fullAt + stage * 8);
                        else
                            fetch<Type>(target, from, args.weight.shape, plan.experts, 0, fullAt + stage * 8);
                    }
                }
                if (lane == 0)
                    atomicExch(&asked, before + step + 1);
            }
        }
        return;
    }

    unsigned char *after = memory + plan.stages * plan.stageBytes;
    unsigned char *column = after + warp * columnBytes;
    auto *partial = reinterpret_cast<float *>(after + warps * columnBytes); // [term][part][output]
    const int group = warp / plan.group;
    const int member = warp % plan.group;
    // Stored, so that the divisions are not moved behind the wait; a column comes there later.
    *(reinterpret_cast<volatile int *>(column) + lane) = group * kMostDownWarps + member;
    const int spans = (args.weight.shape.units + kUnits - 1) / kUnits;
    const int sharedSpans = (shared.weight.shape.units + kUnits - 1) / kUnits;
    const auto valuesOf = [&](int step, int round) {
        const int span = round * plan.group + member;
        if (step < plan.shared.chunks)
            return few::loadValues<SharedType>(shared.values, step * plan.group * plan.rounds + span, shared.weight.in / kGroupColumns);
        return few::loadValues<Type>(args.values + (step - plan.shared.chunks) * args.valueStride, span, args.weight.in / kGroupColumns);
    };
    waitForPrevious();
    const int firstStep = min(group, steps - 1); // there may be more groups than steps
    Values next = valuesOf(firstStep, 0);
    // Lane k has the k-th expert and its share, for where they are asked for.
    const int expert = lane < slots ? args.ids[lane] : -1;
    const float slotWeight = expert >= 0 ? shared.slotWeights[lane] : 0.0F;
    __syncwarp();
    int before = 0; // steps of the tiles before
#pragma unroll 1
    for (int tile = static_cast<int>(blockIdx.x); tile < tiles; tile += static_cast<int>(gridDim.x), before += steps) {
        const int index = tile * kTileRows + static_cast<int>(threadIdx.x);
        const bool mine = static_cast<int>(threadIdx.x) < kTileRows && index < args.weight.out;
        const float old = mine && shared.accumulate ? shared.output[index] : 0.0F;
        float totals[2] = {};
        int step = group;
        int turns = 0; // of the ring
        int stage = before + step;
        for (; stage >= plan.stages; stage -= plan.stages)
            ++turns;
#pragma unroll 1
        for (int round = 0; step < steps;) {
            const std::uint8_t *bytes = memory + stage * plan.stageBytes;
            const bool isShared = step < plan.shared.chunks;
            const int term = isShared ? slots : step - plan.shared.chunks;
            const int local = round * plan.group + member;
            const int span = isShared ? step * plan.group * plan.rounds + local : local;
            const bool isChosen = __shfl_sync(kAllLanes, expert, term) >= 0; // the shared one's lane has none
            const bool works = (isShared || isChosen) && span < (isShared ? sharedSpans : spans);
            const bool isLast = round + 1 == plan.rounds;
            const int nextStep = step + (isLast ? plan.groups : 0);
            const Values now = next;
            next = valuesOf(nextStep < steps ? nextStep : firstStep, isLast ? 0 : round + 1);
            __syncwarp(); // what was put before is used
            if (works) {
                if (isShared)
                    put<SharedType>(*reinterpret_cast<Stage<SharedType> *>(column), now);
                else
                    put<Type>(*reinterpret_cast<Stage<Type> *>(column), now);
            }
            __syncwarp();
            // A group does not see every turn of a stage, and a barrier tells a phase from the next only: the turn before is over once
            // this one has been asked for.
            if (round == 0 && turns > 0) {
                while (lane == 0 && atomicOr(&asked, 0) <= before + step)
                    ;
                __syncwarp();
            }
            if (round == 0)
                bulk::waitFor(fullAt + stage * 8, static_cast<unsigned>(turns) & 1U);
            if (works && isShared) {
                Work<SharedType> work;
                take<SharedType>(work, bytes, plan.shared, local, span * kUnits + 1 < shared.weight.shape.units);
                multiplySpan<SharedType>(totals, work, *reinterpret_cast<Stage<SharedType> *>(column));
            } else if (works) {
                Work<Type> work;
                take<Type>(work, bytes, plan.experts, local, span * kUnits + 1 < args.weight.shape.units);
                multiplySpan<Type>(totals, work, *reinterpret_cast<Stage<Type> *>(column));
            }
            if (isLast)
                bulk::arrive(emptyAt + stage * 8);
            // A sum of the shared one is of one span, of an expert of a warp's share.
            if (isShared || isLast) {
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const float total = __fadd_rn(totals[half], __shfl_xor_sync(kAllLanes, totals[half], 1));
                    const int part = isShared ? span : member;
                    if (lane % 4 == 0 && part < plan.parts)
                        partial[(term * plan.parts + part) * kTileRows + half * 8 + lane / 4] = total;
                    totals[half] = 0.0F;
                }
            }
            for (stage += nextStep - step; stage >= plan.stages; stage -= plan.stages)
                ++turns;
            step = nextStep;
            round = isLast ? 0 : round + 1;
        }
        meet(warps);
#pragma unroll 1
        for (int first = warp * 32; first < (slots + 1) * kTileRows; first += warps * 32) {
            const int i = first + lane;
            const int term = min(i / kTileRows, slots);
            const bool isChosen = __shfl_sync(kAllLanes, expert, term) >= 0;
            const int count = term == slots ? sharedSpans : isChosen ? plan.group : 0;
            float value = 0.0F;
#pragma unroll 4
            for (int span = 0; span < count; ++span)
                value = __fadd_rn(value, partial[(term * plan.parts + span) * kTileRows + i % kTileRows]);
            if (i < (slots + 1) * kTileRows)
                values[term][i % kTileRows] = value;
        }
        meet(warps);
        if (warp == 0) {
            float sum = 0.0F;
#pragma unroll 1
            for (int k = 0; k < slots; ++k)
                sum = __fmaf_rn(__shfl_sync(kAllLanes, slotWeight, k), values[k][lane % kTileRows], sum);
            const float value = __fadd_rn(values[slots][lane % kTileRows], sum);
            if (mine)
                shared.output[index] = shared.accumulate ? __fadd_rn(old, value) : value;
        }
        __syncwarp();
    }
#endif
}

// 72 registers: a block of the next product fits beside this kernel's.
template <DType Type, DType SharedType>
__global__ void __launch_bounds__((kMostDownWarps + 1) * 32, 2) expertsDownKernel(const ProductArgs args, const ProductArgs shared, const DownPlan plan)
{
    expertsDown<Type, SharedType>(args, shared, plan);
}
template <DType Type, DType SharedType>
__global__ void __maxnreg__(80) wideExpertsDownKernel(const ProductArgs args, const ProductArgs shared, const DownPlan plan)
{
    expertsDown<Type, SharedType>(args, shared, plan);
}

// `args`: the experts' product, `shared`: the shared one's with the sum of the slots, as the separate products have them.
template <DType Type, DType SharedType>
cudaError_t launchExpertsDown(const ProductArgs &args, const ProductArgs &shared, bool wide, cudaStream_t stream)
{
    const int spans = (args.weight.shape.units + kUnits - 1) / kUnits;
    const int sharedSpans = (shared.weight.shape.units + kUnits - 1) / kUnits;
    // The warps that share a matrix in few.cuh.
    const int rounds = (spans + sharingOf(args) - 1) / sharingOf(args);
    const int group = (spans + rounds - 1) / rounds;
    if (!card().chained || args.rows != 1 || args.perToken >= kMostTerms || sharedSpans > sharingOf(shared) || group * rounds > kMostDownSpans)
        return cudaErrorNotSupported;
    DownPlan plan;
    plan.group = group;
    plan.rounds = rounds;
    plan.groups = kMostDownWarps / group;
    plan.experts = planOf<Type>(args.weight.shape, group * rounds, true);
    plan.shared = planOf<SharedType>(shared.weight.shape, group * rounds, true);
    plan.parts = std::max(group, sharedSpans);
    plan.stageBytes = std::max(plan.experts.stageBytes, plan.shared.stageBytes);
    constexpr std::size_t columnBytes = kColumnBytes<Type, SharedType>;
    const int warps = plan.group * plan.groups;
    const std::size_t beside = columnBytes * warps + sizeof(float) * kTileRows * plan.parts * (args.perToken + 1);
    const int steps = plan.shared.chunks + args.perToken;
    // Half of an H200's shared memory and a little: the kernels around have their rings there too.
    const std::size_t most = std::min<std::size_t>(static_cast<std::size_t>(card().sharedBytes) - 8192, 136 * 1024);
    plan.stages = std::min(steps, kMostStages);
    while (plan.stages > 2 && static_cast<std::size_t>(plan.stages * plan.stageBytes) + beside > most)
        --plan.stages;
    const std::size_t bytes = static_cast<std::size_t>(plan.stages * plan.stageBytes) + beside;
    if (bytes > most)
        return cudaErrorNotSupported;
    const auto kernel = wide ? wideExpertsDownKernel<Type, SharedType> : expertsDownKernel<Type, SharedType>;
    const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most));
    if (allowed != cudaSuccess)
        return allowed;
    // A block a multiprocessor, be it one without a tile: one of the next kernel finds room beside it, and two where there is none.
    const int grid = card().multiprocessors;
    return launchChained(kernel, dim3(static_cast<unsigned>(grid)), static_cast<unsigned>(warps + 1) * 32U,
        bytes, stream, args, shared, plan);
}

} // namespace ring

} // namespace decode

} // namespace kernels::cuda
