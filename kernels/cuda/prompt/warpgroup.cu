// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products of prompts and pictures on sm_90: tiles of 128 rows x 256 or 192 columns (what leaves fewer
// multiprocessors waiting at the end), 64 columns of K a stage, four or five stages that one thread copies by tensor maps;
// two warpgroups of 64 rows each multiply. A block takes tile after tile, so that the next tile's stages arrive while the
// results of this one are written. Tiles that run together share rows or columns, which the second-level cache then
// delivers. Every output sums K in one order whatever the rows. Bound: tensor cores.
#include "cuda/prompt/tile.cuh"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"
#include "cuda/prompt/warpgroup.cuh"

namespace kernels::cuda {

namespace {

using namespace prompt;
namespace wg = warpgroup;
using Bf16 = __nv_bfloat16;

constexpr int kThreads = 384, kMostExperts = 256, kMostStages = 5;
constexpr unsigned kABytes = kRows * wg::kRowBytes;

// What a tile of `Columns` columns takes of shared memory; its columns are copied in two halves.
template <int Columns> struct Stages {
    static constexpr int half = Columns / 2;
    static constexpr unsigned halfBytes = half * wg::kRowBytes;
    static constexpr unsigned bytes = kABytes + 2 * halfBytes;
    static constexpr int count = Columns > 192 ? 4 : kMostStages;
    static constexpr std::size_t sharedBytes = count * bytes + 1024; // the stages start at a multiple of 1024
};

// What the end of a tile does. Plain, Adding: float32 with bias, added to what is there. Narrow, Biased, Gelu: bfloat16, with
// bias, with bias and GeluTanh. Activated: float32 with bias and any activation; one kernel for all of them has so many
// instructions that fetching them takes three times as long as the products.
enum class End { Plain, Adding, Narrow, Biased, Gelu, Swiglu, Activated };

struct Maps {
    CUtensorMap a, b, up; // up: the same as b where there is none
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

struct Tile {
    Block block;
    int firstColumn;
};

// How many row tiles the experts before each one have; by the first warp.
__device__ void countTiles(const MatrixProductArgs &args, int *tilesBefore)
{
    constexpr int each = kMostExperts / 32;
    const int lane = static_cast<int>(threadIdx.x);
    int counts[each];
    int mine = 0;
#pragma unroll
    for (int i = 0; i < each; ++i) {
        const int e = lane * each + i;
        const int rows = e < args.experts ? args.offsets[args.firstExpert + e + 1] - args.offsets[args.firstExpert + e] : 0;
        counts[i] = (rows + kRows - 1) / kRows;
        mine += counts[i];
    }
    int before = mine;
    for (int distance = 1; distance < 32; distance *= 2) {
        const int other = __shfl_up_sync(kAllLanes, before, distance);
        before += lane >= distance ? other : 0;
    }
    before -= mine;
#pragma unroll
    for (int i = 0; i < each; ++i) {
        tilesBefore[lane * each + i] = before;
        before += counts[i];
    }
    if (lane == 31)
        tilesBefore[kMostExperts] = before;
}

// Rows fastest: tiles that run together read the same columns.
__device__ Tile findTile(const MatrixProductArgs &args, const int *tilesBefore, int across, int width, int index)
{
    Tile tile;
    if (args.offsets == nullptr) {
        const int down = (args.rows + kRows - 1) / kRows;
        tile.block.matrix = index / (down * across);
        index %= down * across;
        tile.block.firstRow = index % down * kRows;
        tile.block.rows = min(kRows, args.rows - tile.block.firstRow);
        tile.firstColumn = index / down * width;
        return tile;
    }
    int low = 0;
    int high = args.experts - 1;
    while (low < high) { // the last one with no more tiles before it
        const int middle = (low + high + 1) / 2;
        if (tilesBefore[middle] * across <= index)
            low = middle;
        else
            high = middle - 1;
    }
    index -= tilesBefore[low] * across;
    const int begin = args.offsets[args.firstExpert + low];
    const int count = args.offsets[args.firstExpert + low + 1] - begin;
    const int down = (count + kRows - 1) / kRows;
    tile.block.matrix = low;
    tile.block.firstRow = begin + index % down * kRows;
    tile.block.rows = min(kRows, count - index % down * kRows);
    tile.firstColumn = index / down * width;
    return tile;
}

// Word i of lane q of four goes to lane i, place q.
__device__ void turnQuad(std::uint32_t (&words)[4])
{
    const int lane = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int bit = 1; bit < 4; bit *= 2) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if ((i & bit) != 0)
                continue;
            const bool upper = (lane & bit) != 0;
            const std::uint32_t received = __shfl_xor_sync(kAllLanes, upper ? words[i] : words[i + bit], bit);
            words[i] = upper ? received : words[i];
            words[i + bit] = upper ? words[i + bit] : received;
        }
    }
}

// GeluTanh for results that are rounded to bfloat16: 0.5 x (1 + tanh(inner)).
__device__ float quickGelu(float x)
{
    const float inner = 0.7978845608028654F * (x + 0.044715F * x * x * x);
    return __fdividef(x, 1.0F + __expf(-2.0F * inner));
}

// A row's results as 16 bytes a lane; every lane takes part, `inside` ones write.
template <End Way, int Columns> __device__ void writeRow(const MatrixProductArgs &args, std::int64_t start, int firstColumn,
    const float (&sums)[Columns / 2], int half, bool inside)
{
    const int quarter = static_cast<int>(threadIdx.x) % 4;
    constexpr int groups = (Way == End::Swiglu ? Columns / 2 : Columns) / 8;
    const auto valueOf = [&](int n, int i) {
        const float x = sums[n * 4 + half * 2 + i];
        return Way == End::Swiglu ? __fdividef(x, 1.0F + __expf(-x)) * sums[(n + groups) % (Columns / 8) * 4 + half * 2 + i] : x;
    };
    if (Way == End::Narrow || Way == End::Biased || Way == End::Gelu || (Way == End::Swiglu && args.narrow != nullptr)) {
#pragma unroll
        for (int n = 0; n < groups; n += 4) {
            std::uint32_t words[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                float x = valueOf(n + i, 0);
                float y = valueOf(n + i, 1);
                if constexpr (Way == End::Biased || Way == End::Gelu) {
                    const int own = min(firstColumn + (n + i) * 8 + quarter * 2, args.n - 2);
                    const float2 bias = __ldg(reinterpret_cast<const float2 *>(args.bias + own));
                    x += bias.x;
                    y += bias.y;
                }
                if constexpr (Way == End::Gelu) {
                    x = quickGelu(x);
                    y = quickGelu(y);
                }
                const __nv_bfloat162 pair = __floats2bfloat162_rn(x, y);
                words[i] = *reinterpret_cast<const std::uint32_t *>(&pair);
            }
            turnQuad(words);
            const int column = firstColumn + (n + quarter) * 8;
            if (inside && column < args.n)
                *reinterpret_cast<uint4 *>(args.narrow + start + column) = make_uint4(words[0], words[1], words[2], words[3]);
        }
        return;
    }
    const auto columnOf = [&](int n) { return firstColumn + (n + quarter % 2) * 8 + quarter / 2 * 4; };
    // What is there is asked for, for many results of a row, before the first of them is written: one wait instead of many.
    constexpr int batch = groups / 2 > 12 ? 8 : groups / 2;
    float4 old[batch];
#pragma unroll
    for (int n = 0; n < groups; n += 2) {
        if constexpr (Way == End::Adding) {
            if (n / 2 % batch == 0) {
                const float *there = args.output + (inside ? start : 0); // what nobody adds to is read all the same
#pragma unroll
                for (int i = 0; i < batch; ++i)
                    asm volatile("ld.global.v4.f32 {%0,%1,%2,%3}, [%4];"
                                 : "=f"(old[i].x), "=f"(old[i].y), "=f"(old[i].z), "=f"(old[i].w)
                                 : "l"(there + min(columnOf(n + 2 * i), args.n - 4)));
            }
        }
        const bool odd = quarter % 2 != 0;
        const float own[2] = {odd ? valueOf(n + 1, 0) : valueOf(n, 0), odd ? valueOf(n + 1, 1) : valueOf(n, 1)};
        float other[2];
#pragma unroll
        for (int i = 0; i < 2; ++i)
            other[i] = __shfl_xor_sync(kAllLanes, odd ? valueOf(n, i) : valueOf(n + 1, i), 1);
        float4 x = odd ? make_float4(other[0], other[1], own[0], own[1]) : make_float4(own[0], own[1], other[0], other[1]);
        const int column = columnOf(n);
        if (!inside || column >= args.n)
            continue;
        if (args.bias != nullptr) {
            const float4 bias = __ldg(reinterpret_cast<const float4 *>(args.bias + column));
            x = make_float4(x.x + bias.x, x.y + bias.y, x.z + bias.z, x.w + bias.w);
        }
        if constexpr (Way == End::Activated) {
            x.x = activated(x.x, args.activation);
            x.y = activated(x.y, args.activation);
            x.z = activated(x.z, args.activation);
            x.w = activated(x.w, args.activation);
        } else if constexpr (Way == End::Adding) {
            const float4 &before = old[n / 2 % batch];
            x = make_float4(x.x + before.x, x.y + before.y, x.z + before.z, x.w + before.w);
        }
        *reinterpret_cast<float4 *>(args.output + start + column) = x;
    }
}
#endif

template <End Way, int Columns>
__global__ void __launch_bounds__(kThreads, 1) warpgroupKernel(const MatrixProductArgs args, const __grid_constant__ Maps maps)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    using S = Stages<Columns>;
    extern __shared__ unsigned char shared[];
    __shared__ __align__(8) std::uint64_t barriers[2 * kMostStages];
    __shared__ int tilesBefore[kMostExperts + 1];
    constexpr int width = Way == End::Swiglu ? S::half : Columns;
    const std::uint32_t base = (sharedAddress(shared) + 1023U) & ~1023U;
    const std::uint32_t full = sharedAddress(barriers);
    const std::uint32_t empty = full + S::count * 8;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 32) {
        for (unsigned s = 0; s < S::count; ++s) {
            wg::initBarrier(full + s * 8, 1);
            wg::initBarrier(empty + s * 8, 8); // warps that multiply
        }
        wg::publishBarriers();
    }
    if (thread < 32 && args.offsets != nullptr)
        countTiles(args, tilesBefore);
    __syncthreads();
    const int across = (args.n + width - 1) / width;
    const int tiles = across
        * (args.offsets != nullptr ? tilesBefore[kMostExperts] : (args.rows + kRows - 1) / kRows * args.heads);
    const int steps = (args.k + wg::kTileColumns - 1) / wg::kTileColumns;
    unsigned stage = 0;
    unsigned parity = 0;
    const auto next = [&] {
        if (++stage == S::count) {
            stage = 0;
            parity ^= 1;
        }
    };

    if (thread < 128) {
        wg::giveRegisters<40>();
        if (thread == 0) {
            for (int index = static_cast<int>(blockIdx.x); index < tiles; index += static_cast<int>(gridDim.x)) {
                const Tile tile = findTile(args, tilesBefore, across, width, index);
                const int head = args.offsets == nullptr && args.aHead > 0 ? tile.block.matrix : 0;
                for (int step = 0; step < steps; ++step) {
                    wg::waitFor(empty + stage * 8, parity ^ 1);
                    const std::uint32_t arrived = full + stage * 8;
                    const std::uint32_t target = base + stage * S::bytes;
                    const int column = step * wg::kTileColumns;
                    wg::arriveExpecting(arrived, S::bytes);
                    wg::copyTile(target, maps.a, arrived, column, tile.block.firstRow, head);
                    wg::copyTile(target + kABytes, maps.b, arrived, column, tile.firstColumn, tile.block.matrix);
                    wg::copyTile(target + kABytes + S::halfBytes, maps.up, arrived, column,
                        tile.firstColumn + (Way == End::Swiglu ? 0 : S::half), tile.block.matrix);
                    next();
                }
            }
        }
        return;
    }

    wg::takeRegisters<232>();
    const int group = thread / 128 - 1;
    const int lane = thread % 32;
    for (int index = static_cast<int>(blockIdx.x); index < tiles; index += static_cast<int>(gridDim.x)) {
        const Tile tile = findTile(args, tilesBefore, across, width, index);
        const Block &block = tile.block;
        if (group * 64 >= block.rows) { // nothing to multiply
            for (int step = 0; step < steps; ++step) {
                wg::waitFor(full + stage * 8, parity);
                if (lane == 0)
                    wg::arrive(empty + stage * 8);
                next();
            }
            continue;
        }
        float sums[Columns / 2];
#pragma unroll
        for (int i = 0; i < Columns / 2; ++i)
            sums[i] = 0.0F;
        unsigned before = 0;
        for (int step = 0; step < steps; ++step) {
            wg::waitFor(full + stage * 8, parity);
            const std::uint32_t place = base + stage * S::bytes;
            const std::uint64_t a = wg::descriptorOf(place + static_cast<std::uint32_t>(group) * 64 * wg::kRowBytes);
            const std::uint64_t b = wg::descriptorOf(place + kABytes);
            wg::beginProducts();
#pragma unroll
            for (int k = 0; k < wg::kTileColumns / 16; ++k)
                wg::multiply(sums, a + k * wg::kNextSixteen, b + k * wg::kNextSixteen, true);
            wg::endProducts();
            wg::waitForProducts<1>();
            if (step > 0 && lane == 0)
                wg::arrive(empty + before * 8);
            before = stage;
            next();
        }
        wg::waitForProducts<0>();
        if (lane == 0)
            wg::arrive(empty + before * 8);
        wg::hold(sums);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int inBlock = group * 64 + thread % 128 / 32 * 16 + lane / 4 + half * 8;
            const bool inside = inBlock < block.rows;
            std::int64_t row = block.firstRow + inBlock;
            if (inside && args.order != nullptr)
                row = args.order[row];
            const std::int64_t start = row * args.outputStride + (args.offsets == nullptr ? block.matrix * args.outputHead : 0);
            writeRow<Way, Columns>(args, start, tile.firstColumn, sums, half, inside);
        }
    }
#endif
}

template <End Way, int Columns> cudaError_t launch(const MatrixProductArgs &args, cudaStream_t stream)
{
    Maps maps{};
    const bool grouped = args.offsets != nullptr;
    const int matrices = grouped ? args.experts : args.heads;
    constexpr int half = Stages<Columns>::half;
    cudaError_t made = makeTensorMap({.data = args.a, .columns = args.k, .rows = grouped ? args.slots : args.rows,
        .matrices = grouped || args.aHead == 0 ? 1 : args.heads, .rowStride = args.aStride, .matrixStride = args.aHead}, maps.a);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.b, .columns = args.k, .rows = args.n, .matrices = matrices, .rowStride = args.k,
            .matrixStride = args.matrixStride, .tileRows = half}, maps.b);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.up != nullptr ? args.up : args.b, .columns = args.k, .rows = args.n, .matrices = matrices,
            .rowStride = args.k, .matrixStride = args.matrixStride, .tileRows = half}, maps.up);
    if (made == cudaSuccess)
        made = cudaFuncSetAttribute(warpgroupKernel<Way, Columns>, cudaFuncAttributeMaxDynamicSharedMemorySize,
            static_cast<int>(Stages<Columns>::sharedBytes));
    if (made != cudaSuccess)
        return made;
    warpgroupKernel<Way, Columns><<<static_cast<unsigned>(card().multiprocessors), kThreads, Stages<Columns>::sharedBytes, stream>>>(args, maps);
    return cudaGetLastError();
}

// How long the columns of a block's tiles take, in columns: rounds of tiles over all multiprocessors.
std::int64_t columnsInTurn(const MatrixProductArgs &args, int columns)
{
    const std::int64_t tiles = std::int64_t{blocksFor(args.rows, kRows)} * blocksFor(args.n, columns) * args.heads;
    return blocksFor(tiles, card().multiprocessors) * std::int64_t{columns};
}

template <End Way> cudaError_t launchBest(const MatrixProductArgs &args, cudaStream_t stream)
{
    if (args.offsets == nullptr && columnsInTurn(args, 192) < columnsInTurn(args, 256))
        return launch<Way, 192>(args, stream);
    return launch<Way, 256>(args, stream);
}

} // namespace

bool hasWarpgroupProduct(const MatrixProductArgs &args)
{
    const std::int64_t each = args.narrow != nullptr ? 8 : 4; // results in 16 bytes
    const auto isAligned = [](const void *p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
    return (args.offsets == nullptr || args.experts <= kMostExperts) && args.n % 8 == 0 && args.outputStride % each == 0
        && args.outputHead % each == 0 && isMappable(args.a, args.aStride, args.aHead) && isMappable(args.b, args.k, args.matrixStride)
        && isMappable(args.up, args.k, args.matrixStride) && isAligned(args.output) && isAligned(args.narrow)
        && isAligned(args.bias) && !(args.activation != Activation::None && (args.accumulate || (args.narrow != nullptr && (args.activation != Activation::GeluTanh || args.bias == nullptr)))) && !(args.up != nullptr && (args.accumulate || args.bias != nullptr));
}

cudaError_t warpgroupProduct(const MatrixProductArgs &args, cudaStream_t stream)
{
    if (args.up != nullptr)
        return launch<End::Swiglu, 256>(args, stream);
    if (args.activation != Activation::None)
        return args.narrow != nullptr ? launchBest<End::Gelu>(args, stream) : launch<End::Activated, 256>(args, stream);
    if (args.narrow != nullptr)
        return args.bias != nullptr ? launchBest<End::Biased>(args, stream) : launchBest<End::Narrow>(args, stream);
    return args.accumulate ? launchBest<End::Adding>(args, stream) : launchBest<End::Plain>(args, stream);
}

} // namespace kernels::cuda
