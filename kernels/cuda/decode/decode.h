// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/common/weight.cuh"
#include "cuda/linear/linear.h"
#include "cuda/packed/layout.h"
#include "cuda/packed/split.cuh"
#include "cuda/routing/routing.h"

namespace kernels::cuda {

// Rows that go through the products below; more go through prompt/.
inline constexpr int kDecodeRows = 64;

// A matrix, or as many of one shape as there are experts or heads: packed (layout.h), or F16/BF16 as the file has it.
struct MatrixView {
    const std::uint8_t *data = nullptr;
    DType dtype = DType::F32;
    PackedShape shape;             // F16/BF16: only tiles
    std::int64_t matrixBytes = 0;  // from one expert or head to the next
    int out = 0, in = 0;           // of the part used
    int rows = 0;                  // of the whole matrix
    int firstTile = 0;             // where the part starts
};

// What a warp of the product does with its 32 sums of a column.
struct ProductArgs {
    MatrixView weight;
    MatrixView up;                       // SwiGLU: the result is silu(weight x) * (up x)
    SplitView input;                     // rows as `inputRow` below
    // Up to kFewRows rows of float32 instead (hasFew types): no split is read or written then.
    const float *values = nullptr;       // 16-byte aligned
    std::int64_t valueStride = 0;        // a multiple of 4
    const float *gain = nullptr;         // [in]: the product is of the RMS norm of `values`, which `normed` receives
    float epsilon = 0.0F;
    float *normed = nullptr;             // not `values`
    std::int64_t normedStride = 0;
    std::int64_t inputHead = 0;          // columns between the inputs of heads; multiple of 32
    int rows = 0, heads = 1;
    // Experts: ids[row * perToken + k]; each block takes all rows of its slot's expert. Null: one matrix (a head).
    const std::int32_t *ids = nullptr;
    int perToken = 1;
    bool inputPerSlot = false;           // input row is the slot, not the row
    // Experts: another matrix that every row uses; its results go to `sharedSplit`, of `values` to `sharedOutput`.
    MatrixView sharedWeight, sharedUp;
    SplitView sharedSplit;
    float *sharedOutput = nullptr;
    std::int64_t sharedOutputStride = 0;
    // Results, float32: output[row or slot, head * outputHead + column]; null: only split.
    float *output = nullptr;
    std::int64_t outputStride = 0, outputHead = 0;
    const float *bias = nullptr;
    Activation activation = Activation::None;
    bool accumulate = false;
    SplitView split;                     // high null: not wanted
    std::int64_t splitHead = 0;
    // Sum of weighted expert results that the output takes along: slots[row * slotsPerToken + k, column].
    const float *slots = nullptr, *slotWeights = nullptr;
    const std::int32_t *slotIds = nullptr;
    int slotsPerToken = 0;
    // Gated experts of one row (canRoute): the choice of experts is made here, out of route.logits; it is left in route.ids
    // (which `ids` is) and route.weights.
    bool routes = false;
    RouteArgs route;
    int *dealt = nullptr; // device [2], zero before and after: tiles dealt out, blocks that got none any more (BF16 with `values`)
};
inline constexpr int kColumnSpan = 256;       // columns that a warp takes together
// rows <= kDecodeRows, weight.in a multiple of 32. A column's sums have one order whatever the other rows are.
cudaError_t product(const ProductArgs &args, cudaStream_t stream);
bool isProductType(DType type);
bool canRoute(const ProductArgs &args); // `ids`, `route` and all else set
// The experts' second product, the shared one's and their sum (its slots are those of `experts`) in one launch, to the bits of
// the two after each other; one row of `values`. `wide`: with more registers, so that the kernel behind finds less room meanwhile;
// the bits are the same. cudaErrorNotSupported, and nothing is queued: not these shapes.
cudaError_t expertsDown(const ProductArgs &experts, const ProductArgs &shared, bool wide, cudaStream_t stream);
inline constexpr int kFewRows = 8;
bool hasFew(DType type);
// Up to kFewRows rows of `values` times a bfloat16 matrix of a multiple of 64 columns (bf16_rows.cuh); of the shape and the card alone. Takes a norm along: takesBf16Norm.
bool takesBf16Rows(const MatrixView &weight, bool gated);
bool takesBf16Norm(const MatrixView &weight);

// Writes rows of float32 as SplitView; columns a multiple of 32.
struct SplitArgs {
    const float *input = nullptr;
    std::int64_t inputStride = 0;
    int rows = 0, columns = 0;
    SplitView output;
};
cudaError_t split(const SplitArgs &args, cudaStream_t stream);

// F32 weight (router); in a multiple of 4, of 32 for more than kDecodeRows rows.
struct FloatProductArgs {
    const float *input = nullptr; // [rows, in], inputStride a multiple of 4
    std::int64_t inputStride = 0;
    const float *weight = nullptr; // [out, in]
    const float *bias = nullptr;
    float *output = nullptr;
    std::int64_t outputStride = 0;
    int rows = 0, in = 0, out = 0;
    Activation activation = Activation::None;
    bool accumulate = false;
};
cudaError_t floatProduct(const FloatProductArgs &args, cudaStream_t stream);

// output[r] += sum_k weights[r, k] * slots[r * perToken + k] over ids >= 0
struct SumSlotsArgs {
    const float *slots = nullptr, *weights = nullptr; // [rows * perToken, columns], [rows, perToken]
    const std::int32_t *ids = nullptr;
    int rows = 0, columns = 0, perToken = 0;
    float *output = nullptr;
    std::int64_t outputStride = 0;
};
cudaError_t sumSlots(const SumSlotsArgs &args, cudaStream_t stream);

// How many warps share the columns of a product of `values`; of the weight's shape and the card alone, never of the rows, since
// a column's sums are in an order that follows from it.
int sharingOf(const ProductArgs &args);

// One group of kernels per translation unit, so that they compile side by side.
cudaError_t productOfLegacyTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t productOfKTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t productOfWideTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t fewOfLegacyTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t fewOfKTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t ringOfLegacyTypes(const ProductArgs &args, cudaStream_t stream); // cudaErrorNotSupported: not these shapes
cudaError_t ringOfKTypes(const ProductArgs &args, cudaStream_t stream);
cudaError_t bf16Rows(const ProductArgs &args, cudaStream_t stream);
cudaError_t expertsRows(const ProductArgs &args, cudaStream_t stream); // experts of several rows; the same
cudaError_t plainRows(const ProductArgs &args, cudaStream_t stream);   // one matrix times several rows; the same
cudaError_t gatedRows(const ProductArgs &args, cudaStream_t stream);   // a gate and an up matrix times several rows; the same

} // namespace kernels::cuda
