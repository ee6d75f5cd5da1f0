// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The experts of two to eight rows, to the bits that ring.cuh and experts_down.cuh give one: a block a multiprocessor stays and
// takes item after item, an item being a tile of an expert (gated: of its gate and of its up matrix), whose bytes come once
// for all rows that chose it. One warp asks for bytes (bulk copies into a ring in shared memory), the shared expert's before
// the kernel in front is done; the others work in groups, each on an item of its own, two rows at a time.
// Bound: bytes of the distinct experts over memory bandwidth.

#include "cuda/decode/ring.cuh"

namespace kernels::cuda {

namespace decode {

namespace ring {

inline constexpr int kMostSlots = 64, kMostShare = 4;
inline constexpr int kMostBlockWarps = 20; // five on a scheduler, which leaves each 96 registers
inline constexpr int kMostRowGroups = 4, kDepth = 2; // kDepth: sums of a group that may wait for who adds them up

struct RowsPlan {
    Plan tile;           // where the planes of a whole tile lie
    int share = 0;       // warps that share a tile's columns
    int groups = 0;      // of `share` warps, gated: of as many again for the up matrix
    int stages = 0;      // of the ring; a multiple of the groups, so that each has stages of its own
    int stageBytes = 0;  // an item's
    int sharedTiles = 0; // of the shared expert, before all others
    unsigned perBlock = 0, perTile = 0; // 2^32 over the number of blocks and of tiles, rounded up
};

// The distinct experts in the order of their first slots, and which slots chose each.
struct Chosen {
    int experts;
    int matrix[kMostSlots];
    std::uint8_t count[kMostSlots];
    std::uint8_t slots[kMostSlots][kFewRows];
    volatile std::uint8_t rowOf[kMostSlots]; // of a slot
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

// A warp together, after the wait; `rowOf` has been written.
__device__ inline void findChosen(Chosen &chosen, const ProductArgs &args)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int slots = args.rows * args.perToken;
    const int low = lane < slots ? args.ids[lane] : -1;
    const int high = lane + 32 < slots ? args.ids[lane + 32] : -1;
    const unsigned before = (1U << lane) - 1U;
    const unsigned sameLow = __match_any_sync(kAllLanes, low);
    const unsigned sameHigh = __match_any_sync(kAllLanes, high);
    unsigned lowOfHigh = 0; // slots of the first 32 with the id of this lane's second one
    unsigned highOfLow = 0;
    if (slots > 32) {
#pragma unroll 4
        for (int i = 0; i < 32; ++i) {
            lowOfHigh |= (__shfl_sync(kAllLanes, low, i) == high ? 1U : 0U) << i;
            highOfLow |= (__shfl_sync(kAllLanes, high, i) == low ? 1U : 0U) << i;
        }
    }
    const bool isFirstLow = low >= 0 && (sameLow & before) == 0;
    const bool isFirstHigh = high >= 0 && lowOfHigh == 0 && (sameHigh & before) == 0;
    const unsigned firstsLow = __ballot_sync(kAllLanes, isFirstLow);
    const unsigned firstsHigh = __ballot_sync(kAllLanes, isFirstHigh);
    const auto rankIn = [](unsigned firsts, unsigned same) { return __popc(firsts & ((same & (0U - same)) - 1U)); };
    const int rankLow = rankIn(firstsLow, sameLow);
    const int rankHigh = lowOfHigh != 0 ? rankIn(firstsLow, lowOfHigh) : __popc(firstsLow) + rankIn(firstsHigh, sameHigh);
    const int placeLow = __popc(sameLow & before);
    const int placeHigh = __popc(lowOfHigh) + __popc(sameHigh & before);
    if (low >= 0 && placeLow < kFewRows) // a row names an expert once
        chosen.slots[rankLow][placeLow] = static_cast<std::uint8_t>(lane);
    if (high >= 0 && placeHigh < kFewRows)
        chosen.slots[rankHigh][placeHigh] = static_cast<std::uint8_t>(lane + 32);
    if (isFirstLow) {
        chosen.matrix[rankLow] = low;
        chosen.count[rankLow] = static_cast<std::uint8_t>(min(__popc(sameLow) + __popc(highOfLow), kFewRows));
    }
    if (isFirstHigh) {
        chosen.matrix[rankHigh] = high;
        chosen.count[rankHigh] = static_cast<std::uint8_t>(min(__popc(sameHigh), kFewRows));
    }
    if (lane == 0)
        chosen.experts = __popc(firstsLow) + __popc(firstsHigh);
    __syncwarp();
}

// few::multiplySpan() for two columns out of stages of single ones. `bytes`: of the row of the lane's B operand (lane / 16),
// `own`: of the row of its sums (lane % 4 / 2).
template <DType Type>
__device__ inline void multiplyPair(float (&totals)[2], const Work<Type> &work, const Stage<Type> &bytes, const Stage<Type> &own)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    const bool odd = t % 2 != 0;
    const uint2 *from = bytes.bytes + (lane % 16 < 12 ? lane % 16 : t); // the fourth column of a row is of no use
    const int *starts = own.starts[0] + 2 * (t % 2);
    constexpr int startStride = kIsHalved<Type> ? 8 : 4;
    int whole[4] = {};
    float parts[4] = {};
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
        const LaneUnit<Type> &upper = work.unit[g / 4][0];
        const LaneUnit<Type> &lower = work.unit[g / 4][1];
        std::uint32_t a0;
        std::uint32_t a1;
        std::uint32_t a2;
        std::uint32_t a3;
        few::digitBytes<Type>(upper, g % 4, a0, a2);
        few::digitBytes<Type>(lower, g % 4, a1, a3);
        const uint2 b = from[g * Stage<Type>::stride];
        if constexpr (kIsHalved<Type>) { // once for the columns of either scale
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const int2 start = *reinterpret_cast<const int2 *>(starts + g * startStride + 4 * i);
                int c[4] = {start.x, start.y, start.x, start.y};
                few::multiply32<Type>(c, a0, a1, a2, a3, i == 0 ? b : from[g * Stage<Type>::stride + 12]);
                const int up = static_cast<int>(upper.scales[g % 4 / 2] << (24 - (g % 2 * 16 + i * 8))) >> 24;
                const int down = static_cast<int>(lower.scales[g % 4 / 2] << (24 - (g % 2 * 16 + i * 8))) >> 24;
                whole[0] += up * c[0];
                whole[1] += up * c[1];
                whole[2] += down * c[2];
                whole[3] += down * c[3];
            }
        } else if constexpr (kHasSuper<Type>) {
            int c[4] = {};
            few::multiply32<Type>(c, a0, a1, a2, a3, b);
            const int up = static_cast<int>(upper.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
            const int down = static_cast<int>(lower.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
            whole[0] += up * c[0];
            whole[1] += up * c[1];
            whole[2] += down * c[2];
            whole[3] += down * c[3];
        } else {
            int2 start = make_int2(static_cast<int>(few::kMagicBits), static_cast<int>(few::kMagicBits));
            if constexpr (kHasOffset<Type>)
                start = *reinterpret_cast<const int2 *>(starts + g * startStride);
            int c[4] = {start.x, start.y, start.x, start.y};
            few::multiply32<Type>(c, a0, a1, a2, a3, b);
            const float up = groupScale<Type>(upper, g % 4).x;
            const float down = groupScale<Type>(lower, g % 4).x;
            parts[0] = __fmaf_rn(up, few::asFloat(c[0]), parts[0]);
            parts[1] = __fmaf_rn(up, few::asFloat(c[1]), parts[1]);
            parts[2] = __fmaf_rn(down, few::asFloat(c[2]), parts[2]);
            parts[3] = __fmaf_rn(down, few::asFloat(c[3]), parts[3]);
        }
    }
    const float weightA = odd ? 1.0F : 65536.0F;
    const float scale = own.scale;
    float4 x = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    if constexpr (kHasMinimum<Type>)
        x = *reinterpret_cast<const float4 *>(own.sums + t % 2 * 4);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const LaneUnit<Type> &first = work.unit[0][half];
        float &total = totals[half];
        float d = scale;
        float a = parts[2 * half];
        float b = parts[2 * half + 1];
        if constexpr (kHasSuper<Type>) {
            d = __fmul_rn(scale, halfBits(first.super & 0xFFFFU));
            a = static_cast<float>(whole[2 * half]);
            b = static_cast<float>(whole[2 * half + 1]);
        }
        b = odd ? 0.0F : __fmul_rn(b, 256.0F);
        total = __fmaf_rn(d, __fmaf_rn(a, weightA, b), total);
        if constexpr (kHasMinimum<Type>) {
            const LaneUnit<Type> &second = work.unit[1][half];
            const std::uint32_t low = odd ? second.scales[0] : first.scales[0];
            const std::uint32_t high = odd ? second.scales[1] : first.scales[1];
            float minima = __fmul_rn(static_cast<float>(low >> 8 & 255U), x.x);
            minima = __fmaf_rn(static_cast<float>(low >> 24), x.y, minima);
            minima = __fmaf_rn(static_cast<float>(high >> 8 & 255U), x.z, minima);
            minima = __fmaf_rn(static_cast<float>(high >> 24), x.w, minima);
            total = __fmaf_rn(-__fmul_rn(scale, halfBits(first.super >> 16)), minima, total);
        }
    }
}

// The multiplying warps share the spans of all columns, which lie at from(column). Four are on the way while one is written.
template <DType Type, typename From>
__device__ inline void prepareColumns(Stage<Type> *stages, int columns, int spans, int groups, int warp, int warps, const From &from)
{
    int column = 0;
    int span = warp;
    const auto next = [&] {
        for (; span >= spans; span -= spans)
            ++column;
        Values v{};
        if (column < columns)
            v = few::loadValues<Type>(from(column), span, groups);
        span += warps;
        return v;
    };
    Values x[4];
#pragma unroll
    for (Values &v : x)
        v = next();
#pragma unroll 1
    for (int i = warp; i < columns * spans; i += warps) {
        put<Type>(stages[i], x[0]);
        x[0] = x[1];
        x[1] = x[2];
        x[2] = x[3];
        x[3] = next();
    }
}

// What is done with a stage's bytes; written by who asks for them.
struct alignas(16) Item {
    int count; // columns; 0: nothing comes any more
    int tile;
    int shared;
    int unused;
    std::uint8_t columns[kFewRows]; // of the block's
    std::uint8_t slots[kFewRows];   // shared: rows
};

// A block's items: gated, every gridDim-th tile, those of the shared expert first; else a stretch of all tiles of all experts,
// which are then of two experts at most.
template <bool Gated> struct Items {
    int rank = -1; // of the expert; -1: the shared one
    int tile, most; // most: tiles of this expert
    int left = 0; // not gated

    __device__ Items(const RowsPlan &plan) : tile(static_cast<int>(blockIdx.x)), most(plan.sharedTiles) {}
    // Once the experts are known; not gated.
    __device__ void begin(const RowsPlan &plan, int tiles, int experts)
    {
        const unsigned all = static_cast<unsigned>(tiles * experts);
        const int first = static_cast<int>(__umulhi(blockIdx.x * all, plan.perBlock));
        left = static_cast<int>(__umulhi((blockIdx.x + 1) * all, plan.perBlock)) - first;
        rank = static_cast<int>(__umulhi(static_cast<unsigned>(first), plan.perTile));
        tile = first - rank * tiles;
        most = tiles;
    }
    __device__ void advance(int by)
    {
        tile += Gated ? by * static_cast<int>(gridDim.x) : by;
        left -= by;
    }
    // Goes on to the tile's expert; known() makes sure that the list is there and returns its length. False: no item is left.
    template <typename Known> __device__ bool settle(int tiles, const Known &known)
    {
        if constexpr (!Gated)
            if (left <= 0)
                return false;
        for (; tile >= most; tile -= most, most = tiles, ++rank) {
            if (Gated && rank + 1 >= known(rank < 0))
                return false;
        }
        return true;
    }
};

#endif

// Products of routed experts; gated: and of a shared one. Grid: a block a multiprocessor; block: groups of warps that multiply, for each
// group one that adds their sums up, and one that asks for bytes.
template <DType Type, bool Gated>
__global__ void __launch_bounds__(kMostBlockWarps * 32, 1) rowsKernel(const ProductArgs args, const RowsPlan plan)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    constexpr int matrices = Gated ? 2 : 1;
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ std::uint64_t full[kMostStages];
    __shared__ std::uint64_t empty[kMostStages];
    __shared__ std::uint64_t summed[kMostRowGroups * kDepth];
    __shared__ std::uint64_t freed[kMostRowGroups * kDepth];
    __shared__ std::uint64_t listed; // the experts are known
    __shared__ Item itemOf[kMostStages];
    __shared__ Chosen chosen;
    __shared__ float partial[kMostRowGroups / matrices * kDepth][matrices][kMostShare][2 * kTileRows]; // [group, turn][matrix][warp][row, output]

    letNextStart();
    const int together = plan.share * matrices;
    const int warps = plan.groups * together;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const PackedShape &shape = args.weight.shape;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const std::uint32_t fullAt = sharedAddress(full);
    const std::uint32_t emptyAt = sharedAddress(empty);
    const std::uint32_t summedAt = sharedAddress(summed);
    const std::uint32_t freedAt = sharedAddress(freed);
    const std::uint32_t listedAt = sharedAddress(&listed);

    if (warp == warps + plan.groups) {
        if (lane == 0) {
            for (int i = 0; i < plan.stages; ++i) {
                bulk::initBarrier(fullAt + i * 8, bulk::kLanes); // with the bytes comes the item
                bulk::initBarrier(emptyAt + i * 8, (together + 1) * bulk::kLanes);
            }
            for (int i = 0; i < plan.groups * kDepth; ++i) {
                bulk::initBarrier(summedAt + i * 8, together * bulk::kLanes);
                bulk::initBarrier(freedAt + i * 8, bulk::kLanes);
            }
            bulk::initBarrier(listedAt, bulk::kLanes);
            bulk::publishBarriers();
        }
        for (int slot = lane; slot < kMostSlots; slot += 32)
            chosen.rowOf[slot] = static_cast<std::uint8_t>(slot / args.perToken);
    }
    __syncthreads();
    if (warp == warps + plan.groups) {
        Items<Gated> items(plan);
        const auto known = [&](bool isFirst) {
            if (isFirst) {
                waitForPrevious();
                findChosen(chosen, args);
                bulk::arrive(listedAt);
            }
            return chosen.experts;
        };
        int firstRank = 0; // whose columns are the first; not gated
        int firstCount = 0;
        if constexpr (!Gated) {
            items.begin(plan, tiles, known(true));
            firstRank = items.rank;
            firstCount = items.left > 0 ? chosen.count[firstRank] : 0;
        }
        int stage = 0;
        unsigned round = 0;
        const std::uint32_t ringAt = sharedAddress(memory);
        int ends = 0; // groups that have been told that nothing comes any more
        while (ends < plan.groups) {
            const bool has = ends == 0 && items.settle(tiles, known);
            const bool isShared = Gated && items.rank < 0;
            const int count = !has ? 0 : isShared ? args.rows : chosen.count[items.rank];
            if (round > 0)
                bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1);
            Item &item = itemOf[stage];
            if (lane < count) {
                const int slot = isShared ? lane : chosen.slots[items.rank][lane];
                item.slots[lane] = static_cast<std::uint8_t>(slot);
                item.columns[lane] = isShared ? static_cast<std::uint8_t>(lane)
                    : Gated ? chosen.rowOf[slot]
                            : static_cast<std::uint8_t>(lane + (items.rank == firstRank ? 0 : firstCount));
            }
            if (lane == 0) {
                item.count = count;
                item.tile = items.tile;
                item.shared = isShared ? 1 : 0;
            }
            __syncwarp();
            if (lane == 0 && has) {
                const std::int64_t matrix = isShared ? 0 : chosen.matrix[items.rank];
                const MatrixView &weight = isShared ? args.sharedWeight : args.weight;
                const MatrixView &up = isShared ? args.sharedUp : args.up;
                const std::uint32_t target = ringAt + stage * plan.stageBytes;
                const auto bytes = static_cast<unsigned>(shape.tileBytes);
                bulk::arriveExpecting(fullAt + stage * 8, matrices * bytes);
                bulk::copyBytes(target, weight.data + matrix * weight.matrixBytes + (items.tile + weight.firstTile) * shape.tileBytes, bytes,
                    fullAt + stage * 8);
                if constexpr (Gated)
                    bulk::copyBytes(target + bytes, up.data + matrix * up.matrixBytes + (items.tile + up.firstTile) * shape.tileBytes, bytes,
                        fullAt + stage * 8);
            } else {
                bulk::arrive(fullAt + stage * 8);
            }
            if (++stage == plan.stages) {
                stage = 0;
                ++round;
            }
            if (has)
                items.advance(1);
            else
                ++ends;
        }
        return;
    }

    const bool adds = warp >= warps;
    const int group = adds ? warp - warps : warp / together;
    const int inGroup = adds ? 0 : warp - group * together;
    int stage = group;
    unsigned parity = 0;
    int turn = group * kDepth; // of the sums
    unsigned turnParity = 0;
    const auto nextTurn = [&] {
        if (++turn == (group + 1) * kDepth) {
            turn = group * kDepth;
            turnParity ^= 1U;
        }
    };
    const auto nextStage = [&] {
        stage += plan.groups;
        if (stage >= plan.stages) {
            stage -= plan.stages;
            parity ^= 1U;
        }
    };
    waitForPrevious();
    if (adds) {
#pragma unroll 1
        for (;; nextStage()) {
            bulk::waitFor(fullAt + stage * 8, parity);
            const int count = itemOf[stage].count;
            const int tile = itemOf[stage].tile;
            const bool isShared = Gated && itemOf[stage].shared != 0;
            const int mine = itemOf[stage].slots[lane % kFewRows];
            bulk::arrive(emptyAt + stage * 8);
            if (count == 0)
                return;
            const int index = tile * kTileRows + lane % kTileRows;
            const bool isInside = index < (isShared ? args.sharedWeight.out : args.weight.out);
            float *output = (isShared ? args.sharedOutput : args.output) + index;
            const std::int64_t stride = isShared ? args.sharedOutputStride : args.outputStride;
#pragma unroll 1
            for (int first = 0; first < count; first += 2, nextTurn()) {
                const int place = first + lane / kTileRows;
                const int slot = __shfl_sync(kAllLanes, mine, place % kFewRows);
                bulk::waitFor(summedAt + turn * 8, turnParity);
                const float(&sums)[matrices][kMostShare][2 * kTileRows] = partial[turn];
                float value = 0.0F;
                float other = 0.0F;
#pragma unroll
                for (int w = 0; w < kMostShare; ++w) {
                    if (w < plan.share) {
                        value = __fadd_rn(value, sums[0][w][lane]);
                        if constexpr (Gated)
                            other = __fadd_rn(other, sums[1][w][lane]);
                    }
                }
                bulk::arrive(freedAt + turn * 8);
                if constexpr (Gated)
                    value = value / (1.0F + expf(-value)) * other;
                if (isInside && place < count)
                    output[slot * stride] = value;
            }
        }
    }

    auto *stages = reinterpret_cast<Stage<Type> *>(memory + plan.stages * plan.stageBytes); // [column][span]
    const int spans = (shape.units + kUnits - 1) / kUnits;
    const int matrix = inGroup >= plan.share ? 1 : 0;
    const int member = inGroup - matrix * plan.share;
    const unsigned char *bytesAt = memory + matrix * shape.tileBytes;
    const int inputGroups = args.weight.in / kGroupColumns;
    if constexpr (Gated) {
        prepareColumns<Type>(stages, args.rows, spans, inputGroups, warp, warps,
            [&](int row) { return args.values + row * args.valueStride; });
    } else {
        bulk::waitFor(listedAt, 0);
        Items<Gated> items(plan);
        items.begin(plan, tiles, chosen.experts);
        const int firstCount = items.left > 0 ? chosen.count[items.rank] : 0;
        const int columns = firstCount + (items.tile + items.left > tiles ? chosen.count[items.rank + 1] : 0);
        prepareColumns<Type>(stages, columns, spans, inputGroups, warp, warps, [&](int column) {
            const bool isNext = column >= firstCount;
            return args.values + chosen.slots[items.rank + (isNext ? 1 : 0)][column - (isNext ? firstCount : 0)] * args.valueStride;
        });
    }
    meet(warps);

#pragma unroll 1
    for (int turns = 0;; nextStage()) {
        bulk::waitFor(fullAt + stage * 8, parity);
        const int count = itemOf[stage].count;
        if (count == 0)
            return;
#pragma unroll 1
        for (int first = 0; first < count; first += 2, ++turns, nextTurn()) {
            const int columnA = itemOf[stage].columns[first];
            const int columnB = itemOf[stage].columns[min(first + 1, count - 1)];
            const Stage<Type> *bytes = stages + (lane < 16 ? columnA : columnB) * spans;
            const Stage<Type> *own = stages + (lane % 4 < 2 ? columnA : columnB) * spans;
            float totals[2] = {};
#pragma unroll 1
            for (int span = member; span < spans; span += plan.share) {
                Work<Type> work;
                take<Type>(work, bytesAt + stage * plan.stageBytes, plan.tile, span, span * kUnits + 1 < shape.units);
                if (first + 2 >= count && span + plan.share >= spans)
                    bulk::arrive(emptyAt + stage * 8);
                multiplyPair<Type>(totals, work, bytes[span], own[span]);
            }
            if (turns >= kDepth)
                bulk::waitFor(freedAt + turn * 8, turnParity ^ 1U);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float total = __fadd_rn(totals[half], __shfl_xor_sync(kAllLanes, totals[half], 1));
                if (lane % 2 == 0)
                    partial[turn][matrix][member][lane % 4 / 2 * kTileRows + half * 8 + lane / 4] = total;
            }
            bulk::arrive(summedAt + turn * 8);
        }
    }
#endif
}

// cudaErrorNotSupported, and nothing is queued: not this card or these shapes. `groups`, `stages`: at most.
template <DType Type, bool Gated> cudaError_t launchRows(const ProductArgs &args, int groups, int stages, cudaStream_t stream)
{
    const PackedShape &shape = args.weight.shape;
    const int spans = (shape.units + kUnits - 1) / kUnits;
    const int slots = args.rows * args.perToken;
    const int blocks = card().multiprocessors;
    RowsPlan plan;
    plan.share = planOf<Type>(shape, sharingOf(args)).warps;
    if (slots > kMostSlots || plan.share > kMostShare || blocks < kMostSlots)
        return cudaErrorNotSupported;
    plan.tile.highAt = shape.highOffset;
    plan.tile.scaleAt = shape.scaleOffset;
    plan.tile.superAt = shape.superOffset;
    plan.sharedTiles = args.sharedWeight.data != nullptr ? (args.sharedWeight.out + kTileRows - 1) / kTileRows : 0;
    plan.stageBytes = (Gated ? 2 : 1) * static_cast<int>(shape.tileBytes);
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    if (tiles < 2)
        return cudaErrorNotSupported;
    plan.perBlock = static_cast<unsigned>((1ULL << 32) / static_cast<unsigned>(blocks) + 1);
    plan.perTile = static_cast<unsigned>((1ULL << 32) / static_cast<unsigned>(tiles) + 1);
    // What is not gated has columns for each slot, of two experts.
    const int columns = Gated ? args.rows : std::min(2 * kFewRows, slots);
    const int columnBytes = static_cast<int>(sizeof(Stage<Type>)) * spans * columns;
    const int most = card().sharedBytes - 8192; // what the kernel itself declares is less
    const int fits = std::min({stages, kMostStages, (most - columnBytes) / plan.stageBytes});
    if (fits < 2)
        return cudaErrorNotSupported;
    const int together = plan.share * (Gated ? 2 : 1);
    plan.groups = std::min({groups, (Gated ? kMostRowGroups / 2 : kMostRowGroups), (kMostBlockWarps - 1) / (together + 1), fits / 2});
    plan.stages = fits / plan.groups * plan.groups;
    const auto kernel = rowsKernel<Type, Gated>;
    const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (allowed != cudaSuccess)
        return allowed;
    const int warps = plan.groups * (together + 1) + 1;
    return launchChained(kernel, dim3(static_cast<unsigned>(blocks)), static_cast<unsigned>(warps) * 32U,
        static_cast<std::size_t>(plan.stages * plan.stageBytes + columnBytes), stream, args, plan);
}

} // namespace ring

template <DType Type> cudaError_t launchExpertsRows(const ProductArgs &args, cudaStream_t stream)
{
    if (!card().chained || args.rows < 2 || args.rows > kFewRows || args.ids == nullptr || args.gain != nullptr || args.bias != nullptr
        || args.slots != nullptr || args.accumulate || args.heads != 1)
        return cudaErrorNotSupported;
    if (args.up.data != nullptr && !args.inputPerSlot)
        return ring::launchRows<Type, true>(args, ring::kMostRowGroups, ring::kMostStages, stream);
    if (args.up.data == nullptr && args.inputPerSlot && args.sharedWeight.data == nullptr && args.activation == Activation::None)
        return ring::launchRows<Type, false>(args, ring::kMostRowGroups, ring::kMostStages, stream);
    return cudaErrorNotSupported;
}

} // namespace decode

} // namespace kernels::cuda
