// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernels of step.h share: eight blocks of eight warps as a cluster, which hand each other numbers through distributed
// shared memory. Elsewhere than on sm_90 and later these functions do nothing and nobody launches such a kernel.

#include "cuda/attention/prepare.cuh"
#include "cuda/common/bulk.cuh"
#include "cuda/common/settle.cuh"

#include <cuda_bf16.h>

#include <cmath>

namespace kernels::cuda::cluster {

inline constexpr int kRanks = 8, kWarps = 8, kThreads = kWarps * 32;
inline constexpr float kLog2E = 1.4426950408889634F;

// Blocks of a cluster tell each other that they have begun; then what one hands another arrives with a barrier of the
// receiver, which waits for the bytes that it expects. (PTX ISA, st.async and mbarrier.)
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ inline std::uint32_t addressIn(const void *shared, int rank)
{
    std::uint32_t result;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(result) : "r"(sharedAddress(shared)), "r"(rank));
    return result;
}
__device__ inline void startBarrier(std::uint64_t *barrier, int arrivals) // of a phase
{
    bulk::initBarrier(sharedAddress(barrier), arrivals);
    bulk::publishBarriers();
}
__device__ inline void arriveExpecting(std::uint64_t *barrier, unsigned bytes) { bulk::arriveExpecting(sharedAddress(barrier), bytes); }
__device__ inline void copyRow(void *shared, const void *global, unsigned bytes, std::uint64_t *barrier)
{
    bulk::copyBytes(sharedAddress(shared), global, bytes, sharedAddress(barrier));
}
__device__ inline void waitForCopied(std::uint64_t *barrier, int parity) { bulk::waitFor(sharedAddress(barrier), static_cast<std::uint32_t>(parity)); }
__device__ inline void endUse() { bulk::publishToCopies(); } // before copies overwrite what was read
__device__ inline void beginInCluster() { asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory"); }
__device__ inline void waitForBeginnings() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }
__device__ inline void hand(float *to, int rank, float value, std::uint64_t *barrier)
{
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(addressIn(to, rank)), "f"(value),
                 "r"(addressIn(barrier, rank))
                 : "memory");
}
__device__ inline void hand(float2 *to, int rank, float2 value, std::uint64_t *barrier)
{
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::"r"(addressIn(to, rank)),
                 "f"(value.x), "f"(value.y), "r"(addressIn(barrier, rank))
                 : "memory");
}
__device__ inline void waitForPhase(std::uint64_t *barrier, int parity)
{
    asm volatile("{\n\t.reg .pred done;\n"
                 "again:\n\t"
                 "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n\t"
                 "@!done bra again;\n}" ::"r"(sharedAddress(barrier)), "r"(parity) : "memory");
}
#else // launched on sm_90 and later only
__device__ inline void beginInCluster() {}
__device__ inline void waitForBeginnings() {}
__device__ inline void hand(float *, int, float, std::uint64_t *) {}
__device__ inline void hand(float2 *, int, float2, std::uint64_t *) {}
__device__ inline void waitForPhase(std::uint64_t *, int) {}
__device__ inline void startBarrier(std::uint64_t *, int) {}
__device__ inline void arriveExpecting(std::uint64_t *, unsigned) {}
__device__ inline void waitForCopied(std::uint64_t *, int) {}
__device__ inline void endUse() {}
__device__ inline void copyRow(void *, const void *, unsigned, std::uint64_t *) {}
#endif
__device__ inline void expectBytes(std::uint64_t *barrier, unsigned bytes) // once, by one thread, before beginInCluster
{
    startBarrier(barrier, 1);
    arriveExpecting(barrier, bytes);
}
__device__ inline void waitForBytes(std::uint64_t *barrier) { waitForPhase(barrier, 0); }

// Maxima of scores (base 2) begin far below any score, so that no difference of two of them is not a number.
inline constexpr float kLowest = -1e30F;
__device__ inline float powerOfTwo(float x)
{
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

__device__ inline float2 bfloats(std::uint32_t word)
{
    return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xFFFF0000U));
}
__device__ inline std::uint32_t packed(float a, float b)
{
    const __nv_bfloat162 both = __floats2bfloat162_rn(a, b);
    return *reinterpret_cast<const std::uint32_t *>(&both);
}
__device__ inline uint4 packed(const float (&v)[8])
{
    return make_uint4(packed(v[0], v[1]), packed(v[2], v[3]), packed(v[4], v[5]), packed(v[6], v[7]));
}
__device__ inline void unpack(const uint4 &from, float (&to)[8])
{
    const std::uint32_t words[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 v = bfloats(words[i]);
        to[2 * i] = v.x;
        to[2 * i + 1] = v.y;
    }
}
__device__ inline void setEight(float (&to)[8], const float4 &a, const float4 &b)
{
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
    to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
}
__device__ inline void readEight(const float *from, float (&to)[8])
{
    setEight(to, *reinterpret_cast<const float4 *>(from), *reinterpret_cast<const float4 *>(from + 4));
}
__device__ inline void writeEight(float *to, const float (&v)[8])
{
    *reinterpret_cast<float4 *>(to) = make_float4(v[0], v[1], v[2], v[3]);
    *reinterpret_cast<float4 *>(to + 4) = make_float4(v[4], v[5], v[6], v[7]);
}
// A column of a rotated vector is x[column] * cosine + x[partner] * sine; to the bits of prepare::turned.
struct Rotation {
    int partner;
    float cosine = 1.0F, sine = 0.0F;
    __device__ float of(const float *x, int column) const { return __fmaf_rn(x[column], cosine, __fmul_rn(x[partner], sine)); }
};
// One copy of its code a kernel: what runs once a block costs what fetching its instructions costs. `frequency`: of its pair.
static __device__ __noinline__ Rotation rotationOf(float frequency, int column, int pairs, bool interleaved, int position, float magnitude)
{
    Rotation r{column};
    if (column >= 2 * pairs)
        return r;
    const prepare::Turn turn = prepare::turnOf(&frequency, 0, position, magnitude);
    const bool isSecond = interleaved ? column % 2 != 0 : column >= pairs;
    r.partner = interleaved ? column ^ 1 : isSecond ? column - pairs : column + pairs;
    r.cosine = turn.cosine;
    r.sine = isSecond ? turn.sine : -turn.sine;
    return r;
}
__device__ inline float frequencyOf(const float *frequencies, int column, int pairs, bool interleaved)
{
    return column < 2 * pairs ? __ldg(frequencies + prepare::pairOf(column, pairs, interleaved)) : 0.0F;
}

template <typename Args> cudaError_t launchClusters(void (*kernel)(const Args), std::size_t sharedBytes, int heads, int rows, cudaStream_t stream, const Args &args)
{
    if (sharedBytes > 48U << 10) {
        const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sharedBytes));
        if (allowed != cudaSuccess)
            return allowed;
    }
    cudaLaunchConfig_t config{};
    config.dynamicSmemBytes = sharedBytes;
    config.gridDim = dim3(kRanks, static_cast<unsigned>(heads), static_cast<unsigned>(rows));
    config.blockDim = dim3(kThreads);
    config.stream = stream;
    cudaLaunchAttribute attributes[3]{};
    attributes[0].id = cudaLaunchAttributeClusterDimension;
    attributes[0].val.clusterDim.x = kRanks;
    attributes[0].val.clusterDim.y = 1;
    attributes[0].val.clusterDim.z = 1;
    attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[1].val.programmaticStreamSerializationAllowed = 1;
    attributes[2].id = cudaLaunchAttributePreferredSharedMemoryCarveout;
    attributes[2].val.sharedMemCarveout = cudaSharedmemCarveoutMaxShared;
    config.attrs = attributes;
    config.numAttrs = 3;
    return cudaLaunchKernelEx(&config, kernel, args);
}

inline bool isPowerOfTwo(int n) { return n > 0 && (n & (n - 1)) == 0; }

} // namespace kernels::cuda::cluster
