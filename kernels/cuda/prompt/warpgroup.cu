// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products of prompts on sm_90: tiles of 128 rows x 256 columns, 64 columns of K a stage, four stages of cp.async
// in the 128-byte swizzle that wgmma reads, two warpgroups of 64 rows each. Rows of experts are gathered as they are
// copied. Every output sums K in one order whatever the rows. Bound: what the second-level cache delivers for tiles of
// this size (48 KB for 4.2 MFLOP), about 60 % of the tensor cores' rate.
#include "cuda/prompt/tile.cuh"

#include "cuda/common/launch.cuh"

namespace kernels::cuda {

namespace {

using Bf16 = __nv_bfloat16;
using namespace prompt;
constexpr int kThreads = 256, kColumns = 256, kDepth = 64, kStages = 4, kLongK = 4096;
constexpr unsigned kRowBytes = kDepth * sizeof(Bf16);
constexpr unsigned kStageBytes = (kRows + kColumns) * kRowBytes;
constexpr std::size_t kSharedBytes = kStages * kStageBytes + 1024; // the stages start at a multiple of 1024

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
constexpr unsigned kBOffset = kRows * kRowBytes; // of the weights in a stage
__device__ void copySixteen(std::uint32_t shared, const void *global, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared), "l"(global), "r"(inside ? 16 : 0)
                 : "memory");
}

// Rows of 128 bytes in groups of eight, swizzled; no leading offset, 1024 bytes from group to group.
__device__ std::uint64_t descriptorOf(std::uint32_t address)
{
    return static_cast<std::uint64_t>((address & 0x3FFFFU) >> 4) | (std::uint64_t{1} << 16) | (std::uint64_t{64} << 32)
        | (std::uint64_t{1} << 62);
}

// d[64 rows x 256 columns of a warpgroup] += a b, 16 columns of K
__device__ void multiply(float (&d)[128], std::uint64_t a, std::uint64_t b)
{
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127 "
        "}, %128, %129, 1, 1, 1, 0, 0;"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),
          "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),
          "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),
          "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]), "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),
          "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),
          "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]), "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),
          "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]), "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),
          "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]), "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),
          "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]), "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])
        : "l"(a), "l"(b));
}
#endif

// With `up`, the tile's columns are eight of the gate and the same eight of the up matrix in turn, so that a thread holds
// both halves of its results.
template <bool Swiglu> __global__ void __launch_bounds__(kThreads, 1) warpgroupKernel(const MatrixProductArgs args)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ unsigned char shared[];
    const std::uint32_t base = (static_cast<std::uint32_t>(__cvta_generic_to_shared(shared)) + 1023U) & ~1023U;
    Block block;
    if (!findBlock(args, block))
        return;
    const int thread = static_cast<int>(threadIdx.x);
    const int firstColumn = static_cast<int>(blockIdx.y) * (Swiglu ? kColumns / 2 : kColumns);

    // A thread copies the same 16 bytes of every 32nd row of each operand.
    constexpr int aEach = kRows / 32, bEach = kColumns / 32;
    const int chunk = thread % 8;
    const Bf16 *aSource[aEach];
    unsigned inside = 0;
#pragma unroll
    for (int i = 0; i < aEach; ++i) {
        const int place = thread / 8 + i * 32;
        const bool is = place < block.rows;
        inside |= is ? 1U << i : 0U;
        std::int64_t row = block.firstRow + (is ? place : 0);
        if (args.order != nullptr) {
            const int slot = args.order[row];
            row = args.inputPerSlot ? slot : slot / args.perToken;
        }
        aSource[i] = args.a + row * args.aStride + (args.order == nullptr ? block.matrix * args.aHead : 0) + chunk * 8;
    }
    const Bf16 *bSource[bEach];
#pragma unroll
    for (int i = 0; i < bEach; ++i) {
        const int place = thread / 8 + i * 32;
        int column = firstColumn + place;
        const Bf16 *matrix = args.b;
        if constexpr (Swiglu) {
            column = firstColumn + place / 16 * 8 + place % 8;
            matrix = place % 16 < 8 ? args.b : args.up;
        }
        const bool is = column < args.n;
        inside |= is ? 1U << (8 + i) : 0U;
        bSource[i] = matrix + block.matrix * args.matrixStride + static_cast<std::int64_t>(is ? column : 0) * args.k + chunk * 8;
    }
    // Row r keeps its 16-byte piece c at place c ^ (r % 8); rows 32 apart agree.
    const std::uint32_t target = static_cast<std::uint32_t>(thread / 8) * kRowBytes
        + static_cast<std::uint32_t>((chunk ^ (thread / 8 % 8)) * 16);
    const int steps = args.k / kDepth;
    const auto fetch = [&](int step) {
        if (step < steps) {
            const std::uint32_t stage = base + static_cast<std::uint32_t>(step % kStages) * kStageBytes + target;
#pragma unroll
            for (int i = 0; i < aEach; ++i)
                copySixteen(stage + static_cast<std::uint32_t>(i) * 32 * kRowBytes, aSource[i] + step * kDepth, (inside >> i & 1U) != 0);
#pragma unroll
            for (int i = 0; i < bEach; ++i)
                copySixteen(stage + kBOffset + static_cast<std::uint32_t>(i) * 32 * kRowBytes, bSource[i] + step * kDepth,
                    (inside >> (8 + i) & 1U) != 0);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    fetch(0);
    fetch(1);

    const int group = thread / 128;
    float sums[128];
#pragma unroll
    for (int i = 0; i < 128; ++i)
        sums[i] = 0.0F;
    for (int step = 0; step < steps; ++step) {
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); // before the tensor cores read it
        __syncthreads(); // this step has arrived; both groups are done with the step before the last
        fetch(step + 2);
        const std::uint32_t stage = base + static_cast<std::uint32_t>(step % kStages) * kStageBytes;
        const std::uint64_t a = descriptorOf(stage + static_cast<std::uint32_t>(group) * 64 * kRowBytes);
        const std::uint64_t b = descriptorOf(stage + kBOffset);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
        for (int k = 0; k < kDepth / 16; ++k)
            multiply(sums, a + static_cast<std::uint64_t>(k * 2), b + static_cast<std::uint64_t>(k * 2));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
    }
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < 128; ++i)
        asm volatile("" : "+f"(sums[i])::"memory"); // not read before the wait

    const int lane = thread % 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int inBlock = group * 64 + thread % 128 / 32 * 16 + lane / 4 + half * 8;
        if (inBlock >= block.rows)
            continue;
        std::int64_t row = block.firstRow + inBlock;
        if (args.order != nullptr)
            row = args.order[row];
        if constexpr (Swiglu) {
#pragma unroll
            for (int n = 0; n < kColumns / 8; n += 2) {
                const int column = firstColumn + n * 4 + lane % 4 * 2;
                if (column >= args.n)
                    continue;
                float results[2];
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const float gate = sums[n * 4 + half * 2 + i];
                    results[i] = gate / (1.0F + expf(-gate)) * sums[(n + 1) * 4 + half * 2 + i];
                }
                putPair(args, block, row, column, results[0], results[1]);
            }
        } else {
#pragma unroll
            for (int n = 0; n < kColumns / 8; ++n) {
                const int column = firstColumn + n * 8 + lane % 4 * 2;
                if (column < args.n)
                    putPair(args, block, row, column, sums[n * 4 + half * 2], sums[n * 4 + half * 2 + 1]);
            }
        }
    }
#endif
}

template <bool Swiglu> cudaError_t launchProduct(const MatrixProductArgs &args, cudaStream_t stream)
{
    return launchTiles(warpgroupKernel<Swiglu>, args, Swiglu ? kColumns / 2 : kColumns, kThreads, kSharedBytes, stream);
}

} // namespace

// Measured: the end of a tile with float32 results costs more than short sums gain.
bool hasWarpgroupProduct(const MatrixProductArgs &args)
{
    return args.k % kDepth == 0 && (args.k >= kLongK || args.narrow != nullptr);
}

cudaError_t warpgroupProduct(const MatrixProductArgs &args, cudaStream_t stream)
{
    return args.up != nullptr ? launchProduct<true>(args, stream) : launchProduct<false>(args, stream);
}

} // namespace kernels::cuda
