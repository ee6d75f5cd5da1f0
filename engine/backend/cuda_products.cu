// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Products behind the C table: which kernel a weight and a number of rows lead to.
//   rows as the file has them      float32 kernels of linear/
//   packed, up to 8 rows           decode/few.cuh: float32 rows as they are, the norm before them taken along
//   bfloat16, up to 8 rows         the same on sm_90 and later, decode/bf16_rows.cuh
//   packed or wide, up to 64 rows  decode/: bytes once at memory speed, activations split in two float16
//   packed or wide, more rows      prompt/: the weight as bfloat16 in slices, tensor cores
#include "backend/cuda_context.h"

#include "cuda/linear/linear.h"
#include "cuda/packed/pack.h"
#include "cuda/prompt/prompt.h"

#include <algorithm>

namespace plugin {

namespace {

static_assert(kc::kDecodeRows == work::kFewRows);
constexpr std::int64_t kSplitColumns = 32768; // results wider than this feed no further product

bool isAligned(const void *p, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

} // namespace

// Rows [first, first + rows) of matrices [firstMatrix, ...) as bfloat16.
const __nv_bfloat16 *widened(Context &c, const DiptychCudaWeight &w, std::int64_t first, std::int64_t rows, int firstMatrix,
    int matrices, std::int64_t roomOffset, std::int64_t roomElements)
{
    if (static_cast<DType>(w.dtype) == DType::BF16 && rows == w.out)
        return static_cast<const __nv_bfloat16 *>(w.data) + firstMatrix * w.out * w.in;
    if (static_cast<DType>(w.dtype) == DType::BF16 && matrices == 1)
        return static_cast<const __nv_bfloat16 *>(w.data) + (firstMatrix * w.out + first) * w.in;
    auto *room = c.roomFor<__nv_bfloat16>(Room::Widened, static_cast<std::size_t>(roomElements));
    if (room == nullptr)
        return nullptr;
    kc::WidenArgs args;
    args.data = static_cast<const std::uint8_t *>(w.data);
    args.dtype = static_cast<DType>(w.dtype);
    args.matrixBytes = matrixOf(w).matrixBytes;
    args.in = static_cast<int>(w.in);
    args.totalRows = w.out;
    args.firstRow = first;
    args.rows = rows;
    args.firstMatrix = firstMatrix;
    args.matrices = matrices;
    args.output = room + roomOffset;
    c.note(kc::widen(args, c.stream), "widening a weight");
    return args.output;
}

const __nv_bfloat16 *narrowed(Context &c, const float *data, std::int64_t stride, std::int64_t rows, std::int64_t columns,
    const std::int32_t *order, int perToken)
{
    if (order == nullptr) {
        if (const __nv_bfloat16 *found = c.findNarrow(data, rows, columns, stride))
            return found;
    }
    kc::NarrowArgs args;
    args.order = order;
    args.perToken = perToken;
    args.input = data;
    args.inputStride = stride;
    args.rows = static_cast<int>(rows);
    args.columns = static_cast<int>(columns);
    args.output = c.roomFor<__nv_bfloat16>(Room::Narrow, static_cast<std::size_t>(rows * columns));
    if (args.output == nullptr)
        return nullptr;
    c.note(kc::narrow(args, c.stream), "rounding activations");
    return args.output;
}

namespace {

void manyRows(Context &c, const DiptychCudaRows &input, const DiptychCudaWeight &w, const float *bias,
    const DiptychCudaRows &output, kc::Activation activation, bool accumulate)
{
    const __nv_bfloat16 *x = narrowed(c, input.data, input.stride, input.rows, w.in);
    const std::int64_t sliceRows = work::sliceRows(w.in);
    for (std::int64_t first = 0; first < w.out; first += sliceRows) {
        const std::int64_t rows = std::min(sliceRows, w.out - first);
        kc::MatrixProductArgs args;
        args.a = x;
        args.aStride = w.in;
        args.b = widened(c, w, first, rows, 0, 1, 0, std::min(sliceRows, w.out) * w.in);
        if (args.a == nullptr || args.b == nullptr)
            return;
        args.rows = static_cast<int>(input.rows);
        args.n = static_cast<int>(rows);
        args.k = static_cast<int>(w.in);
        args.output = output.data + first;
        args.outputStride = output.stride;
        args.bias = bias != nullptr ? bias + first : nullptr;
        args.activation = activation;
        args.accumulate = accumulate;
        c.note(kc::matrixProduct(args, c.stream), "linear");
    }
}

// The part of a joined weight that starts at row `first`.
kc::MatrixView partOf(const DiptychCudaWeight &w, std::int64_t first, std::int64_t rows)
{
    kc::MatrixView view = matrixOf(w);
    view.out = static_cast<int>(rows);
    view.firstTile = static_cast<int>(first / kc::kTileRows);
    return view;
}

// Both halves of a joined weight start at a tile.
bool canSplitHalves(const DiptychCudaWeight &w) { return isTiled(w) && w.out % (2 * kc::kTileRows) == 0; }

bool wantsSplit(std::int64_t rows, std::int64_t columns)
{
    return rows <= kc::kDecodeRows && columns % 32 == 0 && columns <= kSplitColumns;
}

void sumExperts(Context &c, const float *slots, const std::int32_t *ids, const float *weights, std::int32_t perToken, int rows,
    std::int64_t columns, const DiptychCudaRows &output)
{
    kc::SumSlotsArgs sum;
    sum.slots = slots;
    sum.weights = weights;
    sum.ids = ids;
    sum.rows = rows;
    sum.columns = static_cast<int>(columns);
    sum.perToken = perToken;
    sum.output = output.data;
    sum.outputStride = output.stride;
    c.note(kc::sumSlots(sum, c.stream), "experts");
}

// Few rows of a type that takes float32 as it is: nothing is split.
bool takesValues(const float *input, std::int64_t rows, std::int64_t stride, const DiptychCudaWeight &w)
{
    return isTiled(w) && rows <= kc::kFewRows && kc::hasFew(static_cast<DType>(w.dtype)) && w.in % 32 == 0 && stride % 4 == 0
        && isAligned(input, 16);
}

// The same for one matrix, or a gate and an up matrix, that is no expert's.
bool takesRows(const DiptychCudaRows &input, const DiptychCudaWeight &w, bool gated)
{
    if (takesValues(input.data, input.rows, input.stride, w))
        return true;
    return isTiled(w) && input.rows <= kc::kFewRows && kc::takesBf16Rows(matrixOf(w), gated) && input.stride % 4 == 0
        && isAligned(input.data, 16);
}

// The rows, or the norm that is to make them: the product takes it along unless it writes over what the norm reads.
void takeValues(Context &c, kc::ProductArgs &args, const DiptychCudaRows &input, const DiptychCudaRows &output)
{
    args.values = input.data;
    args.valueStride = input.stride;
    args.rows = static_cast<int>(input.rows);
    args.dealt = c.dealt;
    const auto &norm = c.pendingNorm;
    if (norm && norm->output == input.data && norm->outputStride == input.stride && norm->rows == args.rows
        && norm->columns == args.weight.in && (args.weight.dtype != DType::BF16 || kc::takesBf16Norm(args.weight))
        && norm->input != norm->output && norm->inputStride % 4 == 0
        && isAligned(norm->input, 16) && isAligned(norm->weight, 16)) {
        const float *read = norm->input;
        const float *readEnd = read + (norm->rows - 1) * norm->inputStride + norm->columns;
        const float *writtenEnd = output.data + (output.rows - 1) * output.stride + output.columns;
        if (output.data >= readEnd || read >= writtenEnd) {
            args.values = norm->input;
            args.valueStride = norm->inputStride;
            args.gain = norm->weight;
            args.epsilon = norm->epsilon;
            args.normed = norm->output;
            args.normedStride = norm->outputStride;
            c.wrote(input); // its split is not written
            c.pendingNorm.reset();
        }
    }
    c.queuePending();
}

// What both forms of few rows share; the caller adds the rows the products read.
kc::ProductArgs expertsUp(const DiptychCudaWeight &gate, const DiptychCudaWeight &up, std::int64_t rows, const std::int32_t *ids,
    std::int32_t perToken)
{
    kc::ProductArgs args;
    args.weight = matrixOf(gate);
    args.up = matrixOf(up);
    args.rows = static_cast<int>(rows);
    args.ids = ids;
    args.perToken = perToken;
    return args;
}
kc::ProductArgs expertsDown(const DiptychCudaWeight &down, const kc::ProductArgs &first, float *partial)
{
    kc::ProductArgs args;
    args.weight = matrixOf(down);
    args.rows = first.rows;
    args.ids = first.ids;
    args.perToken = first.perToken;
    args.inputPerSlot = true;
    args.output = partial;
    args.outputStride = down.out;
    return args;
}
// output += the weighted sum of what `second` makes, and the product of the shared expert where there is one.
void addExperts(Context &c, const kc::ProductArgs &second, const float *weights, const DiptychCudaWeight *sharedDown, kc::ProductArgs last,
    const DiptychCudaRows &output)
{
    if (sharedDown == nullptr) {
        c.note(kc::product(second, c.stream), "experts");
        sumExperts(c, second.output, second.ids, weights, second.perToken, second.rows, second.outputStride, output);
        return;
    }
    last.weight = matrixOf(*sharedDown);
    last.rows = second.rows;
    last.output = output.data;
    last.outputStride = output.stride;
    last.accumulate = true;
    last.slots = second.output;
    last.slotWeights = weights;
    last.slotIds = second.ids;
    last.slotsPerToken = second.perToken;
    // What follows takes three launches for a long context, which find room beside less than the one for a short one.
    const cudaError_t together = kc::expertsDown(second, last, c.stepFits && isLong(c.stepKind), c.stream);
    if (together != cudaErrorNotSupported) {
        c.note(together, "experts");
        return;
    }
    c.note(kc::product(second, c.stream), "experts");
    c.note(kc::product(last, c.stream), "shared expert");
}

// All products of the experts on float32 rows; false: one of the weights has no such product.
bool fewValuesMoe(Context &c, const DiptychCudaRows &input, const DiptychCudaWeight &gate, const DiptychCudaWeight &up,
    const DiptychCudaWeight &down, const std::int32_t *ids, const float *weights, std::int32_t perToken,
    const DiptychCudaWeight *sharedGateAndUp, const DiptychCudaWeight *sharedDown, const DiptychCudaRows &output)
{
    const std::int64_t slots = input.rows * perToken;
    const std::int64_t sharedWidth = sharedDown != nullptr ? sharedDown->in : 0;
    if (!takesValues(input.data, input.rows, input.stride, gate) || !takesValues(nullptr, input.rows, gate.out, down))
        return false;
    if (sharedDown != nullptr && (sharedGateAndUp->dtype != gate.dtype || sharedGateAndUp->layout != gate.layout
            || !takesValues(nullptr, input.rows, sharedWidth, *sharedDown)))
        return false;
    auto *middle = c.roomFor<float>(Room::Middle, static_cast<std::size_t>(slots * gate.out + input.rows * sharedWidth));
    auto *partial = c.roomFor<float>(Room::Slots, static_cast<std::size_t>(slots * down.out));
    if (middle == nullptr || partial == nullptr)
        return true; // noted
    float *sharedMiddle = middle + slots * gate.out;

    kc::ProductArgs first = expertsUp(gate, up, input.rows, ids, perToken);
    first.values = input.data;
    first.valueStride = input.stride;
    first.output = middle;
    first.outputStride = gate.out;
    const auto &route = c.pendingRoute;
    if (route && route->ids == ids && route->weights == weights && route->perToken == perToken) {
        first.route = *route;
        first.routes = kc::canRoute(first);
    }
    if (sharedDown != nullptr) {
        first.sharedWeight = partOf(*sharedGateAndUp, 0, sharedWidth);
        first.sharedUp = partOf(*sharedGateAndUp, sharedWidth, sharedWidth);
        first.sharedOutput = sharedMiddle;
        first.sharedOutputStride = sharedWidth;
    }
    if (first.routes)
        c.pendingRoute.reset();
    c.queuePending();
    c.note(kc::product(first, c.stream), "experts");

    kc::ProductArgs second = expertsDown(down, first, partial);
    second.values = middle;
    second.valueStride = gate.out;
    kc::ProductArgs last;
    last.values = sharedMiddle;
    last.valueStride = sharedWidth;
    addExperts(c, second, weights, sharedDown, last, output);
    return true;
}

void fewRowsMoe(Context &c, const DiptychCudaRows &input, const DiptychCudaWeight &gate, const DiptychCudaWeight &up,
    const DiptychCudaWeight &down, const std::int32_t *ids, const float *weights, std::int32_t perToken,
    const DiptychCudaWeight *sharedGateAndUp, const DiptychCudaWeight *sharedDown, const DiptychCudaRows &output)
{
    if (fewValuesMoe(c, input, gate, up, down, ids, weights, perToken, sharedGateAndUp, sharedDown, output))
        return;
    c.queuePending();
    const std::int64_t slots = input.rows * perToken;
    const std::int64_t sharedWidth = sharedDown != nullptr ? sharedDown->in : 0;
    const std::size_t middleBytes = Context::splitBytes(slots, gate.out);
    const std::size_t sharedOffset = (middleBytes + 255) / 256 * 256;
    auto *room = c.roomFor<unsigned char>(Room::MiddleSplit, sharedOffset + Context::splitBytes(input.rows, sharedWidth));
    auto *partial = c.roomFor<float>(Room::Slots, static_cast<std::size_t>(slots * down.out));
    const kc::SplitView x = c.splitOf(input.data, input.rows, gate.in, input.stride);
    if (room == nullptr || partial == nullptr || x.high == nullptr)
        return; // noted

    kc::ProductArgs first = expertsUp(gate, up, input.rows, ids, perToken);
    first.input = x;
    first.split = Context::splitIn(room, slots, gate.out);
    kc::SplitView sharedMiddle;
    const bool sharedInside = sharedDown != nullptr && sharedGateAndUp->dtype == gate.dtype && sharedGateAndUp->layout == gate.layout;
    if (sharedDown != nullptr) {
        sharedMiddle = Context::splitIn(room + sharedOffset, input.rows, sharedWidth);
        const kc::MatrixView sharedGate = partOf(*sharedGateAndUp, 0, sharedWidth);
        const kc::MatrixView sharedUp = partOf(*sharedGateAndUp, sharedWidth, sharedWidth);
        if (sharedInside) {
            first.sharedWeight = sharedGate;
            first.sharedUp = sharedUp;
            first.sharedSplit = sharedMiddle;
        } else {
            kc::ProductArgs alone;
            alone.weight = sharedGate;
            alone.up = sharedUp;
            alone.input = x;
            alone.rows = first.rows;
            alone.split = sharedMiddle;
            c.note(kc::product(alone, c.stream), "shared expert");
        }
    }
    c.note(kc::product(first, c.stream), "experts");

    kc::ProductArgs second = expertsDown(down, first, partial);
    second.input = first.split;
    kc::ProductArgs last;
    last.input = sharedMiddle;
    addExperts(c, second, weights, sharedDown, last, output);
}

void manyRowsMoe(Context &c, const DiptychCudaRows &input, const DiptychCudaWeight &gate, const DiptychCudaWeight &up,
    const DiptychCudaWeight &down, const std::int32_t *ids, const float *weights, std::int32_t perToken,
    const DiptychCudaRows &output)
{
    const std::int64_t slots = input.rows * perToken;
    const int experts = static_cast<int>(gate.experts);
    auto *order = c.roomFor<std::int32_t>(Room::Order, static_cast<std::size_t>(slots + experts + 1));
    auto *middle = c.roomFor<__nv_bfloat16>(Room::NarrowMiddle, static_cast<std::size_t>(slots * gate.out));
    auto *partial = c.roomFor<__nv_bfloat16>(Room::Slots, static_cast<std::size_t>(slots * down.out));
    if (order == nullptr || middle == nullptr || partial == nullptr)
        return;
    std::int32_t *offsets = order + slots;
    // Slots without an expert have no place: those rows are never looked at, but order[] is read for them.
    c.note(cudaMemsetAsync(order, 0, static_cast<std::size_t>(slots) * sizeof(std::int32_t), c.stream), "grouping experts");
    c.note(kc::groupSlots(ids, static_cast<int>(slots), experts, order, offsets, c.stream), "grouping experts");
    const __nv_bfloat16 *x = nullptr;
    if (const __nv_bfloat16 *found = c.findNarrow(input.data, input.rows, gate.in, input.stride)) {
        kc::GatherRowsArgs gather;
        gather.input = found;
        gather.order = order;
        gather.perToken = perToken;
        gather.rows = static_cast<int>(slots);
        gather.columns = static_cast<int>(gate.in);
        gather.output = c.roomFor<__nv_bfloat16>(Room::Narrow, static_cast<std::size_t>(slots * gate.in));
        if (gather.output != nullptr)
            c.note(kc::gatherRows(gather, c.stream), "grouping experts");
        x = gather.output;
    } else {
        x = narrowed(c, input.data, input.stride, slots, gate.in, order, perToken);
    }
    if (x == nullptr)
        return;

    kc::MatrixProductArgs args;
    args.rows = static_cast<int>(input.rows);
    args.offsets = offsets;
    args.slots = static_cast<int>(slots);
    const auto inSlices = [&](std::int64_t expertElements, auto &&body) {
        const int atOnce = static_cast<int>(work::expertsAtOnce(expertElements, experts));
        for (int first = 0; first < experts && !c.failed(); first += atOnce) {
            args.firstExpert = first;
            args.experts = std::min(atOnce, experts - first);
            body(first, args.experts, atOnce);
        }
    };
    args.a = x;
    args.aStride = gate.in;
    args.n = static_cast<int>(gate.out);
    args.k = static_cast<int>(gate.in);
    args.matrixStride = gate.out * gate.in;
    args.narrow = middle;
    args.outputStride = gate.out;
    inSlices(2 * args.matrixStride, [&](int first, int count, int atOnce) {
        const std::int64_t half = atOnce * args.matrixStride;
        args.b = widened(c, gate, 0, gate.out, first, count, 0, 2 * half);
        args.up = widened(c, up, 0, up.out, first, count, half, 2 * half);
        if (args.b != nullptr && args.up != nullptr)
            c.note(kc::matrixProduct(args, c.stream), "experts");
    });
    args.a = middle;
    args.aStride = gate.out;
    args.order = order;
    args.n = static_cast<int>(down.out);
    args.k = static_cast<int>(down.in);
    args.matrixStride = down.out * down.in;
    args.up = nullptr;
    args.narrow = partial;
    args.outputStride = down.out;
    inSlices(args.matrixStride, [&](int first, int count, int atOnce) {
        args.b = widened(c, down, 0, down.out, first, count, 0, atOnce * args.matrixStride);
        if (args.b != nullptr)
            c.note(kc::matrixProduct(args, c.stream), "experts");
    });
    kc::SumNarrowSlotsArgs sum;
    sum.slots = partial;
    sum.weights = weights;
    sum.ids = ids;
    sum.rows = args.rows;
    sum.columns = static_cast<int>(down.out);
    sum.perToken = perToken;
    sum.output = output.data;
    sum.outputStride = output.stride;
    c.note(kc::sumNarrowSlots(sum, c.stream), "experts");
}

// output += down * silu(gate x) * (up x), the middle in bfloat16. False: not this form.
bool manyRowsFeedForward(Context &c, const DiptychCudaRows &input, const DiptychCudaWeight &gateAndUp, const DiptychCudaWeight &down,
    const DiptychCudaRows &output)
{
    const std::int64_t inter = gateAndUp.out / 2;
    if (input.rows <= kc::kDecodeRows || !canSplitHalves(gateAndUp) || !isTiled(down) || down.in != inter || inter % 32 != 0
        || gateAndUp.out * gateAndUp.in * 2 > work::kSliceBytes || down.out * down.in * 2 > work::kSliceBytes)
        return false;
    c.wrote(output);
    kc::MatrixProductArgs args;
    args.a = narrowed(c, input.data, input.stride, input.rows, gateAndUp.in);
    args.aStride = gateAndUp.in;
    args.b = widened(c, gateAndUp, 0, gateAndUp.out, 0, 1, 0, gateAndUp.out * gateAndUp.in);
    auto *middle = c.roomFor<__nv_bfloat16>(Room::NarrowMiddle, static_cast<std::size_t>(input.rows * inter));
    if (args.a == nullptr || args.b == nullptr || middle == nullptr)
        return true; // noted
    args.up = args.b + inter * gateAndUp.in;
    args.rows = static_cast<int>(input.rows);
    args.n = static_cast<int>(inter);
    args.k = static_cast<int>(gateAndUp.in);
    args.narrow = middle;
    args.outputStride = inter;
    c.note(kc::matrixProduct(args, c.stream), "gated product");

    kc::MatrixProductArgs last;
    last.a = middle;
    last.aStride = inter;
    last.b = widened(c, down, 0, down.out, 0, 1, 0, down.out * down.in);
    if (last.b == nullptr)
        return true;
    last.rows = args.rows;
    last.n = static_cast<int>(down.out);
    last.k = static_cast<int>(inter);
    last.output = output.data;
    last.outputStride = output.stride;
    last.accumulate = true;
    c.note(kc::matrixProduct(last, c.stream), "linear");
    return true;
}

bool isTiledMoe(const DiptychCudaWeight &gate, const DiptychCudaWeight &up, const DiptychCudaWeight &down)
{
    return isTiled(gate) && isTiled(up) && isTiled(down) && gate.dtype == up.dtype && gate.out % 32 == 0 && gate.in % 32 == 0;
}

} // namespace

void linear(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const float *bias, DiptychCudaRows output,
    std::int32_t activation, std::int32_t accumulate)
{
    Context &c = withPending(context);
    if (input.rows > 0 && takesRows(input, weight, false)) {
        kc::ProductArgs args;
        args.weight = matrixOf(weight);
        takeValues(c, args, input, output);
        c.wrote(output);
        args.output = output.data;
        args.outputStride = output.stride;
        args.bias = bias;
        args.activation = static_cast<kc::Activation>(activation);
        args.accumulate = accumulate != 0;
        c.note(kc::product(args, c.stream), "linear");
        return;
    }
    c.queuePending();
    c.wrote(output);
    if (isTiled(weight) && input.rows <= kc::kDecodeRows) {
        kc::ProductArgs args;
        args.weight = matrixOf(weight);
        args.input = c.splitOf(input.data, input.rows, weight.in, input.stride);
        args.rows = static_cast<int>(input.rows);
        args.output = output.data;
        args.outputStride = output.stride;
        args.bias = bias;
        args.activation = static_cast<kc::Activation>(activation);
        args.accumulate = accumulate != 0;
        if (accumulate == 0 && wantsSplit(input.rows, weight.out))
            args.split = c.splitFor(output.data, output.rows, weight.out, output.stride);
        if (args.input.high != nullptr)
            c.note(kc::product(args, c.stream), "linear");
        return;
    }
    if (isTiled(weight)) {
        manyRows(c, input, weight, bias, output, static_cast<kc::Activation>(activation), accumulate != 0);
        return;
    }
    if (static_cast<DType>(weight.dtype) == DType::F32 && input.stride % 4 == 0
        && (input.rows <= kc::kDecodeRows ? weight.in % 4 == 0 : !c.exact && weight.in % 32 == 0) && isAligned(input.data, 16)) {
        kc::FloatProductArgs args;
        args.input = input.data;
        args.inputStride = input.stride;
        args.weight = static_cast<const float *>(weight.data);
        args.bias = bias;
        args.output = output.data;
        args.outputStride = output.stride;
        args.rows = static_cast<int>(input.rows);
        args.in = static_cast<int>(weight.in);
        args.out = static_cast<int>(weight.out);
        args.activation = static_cast<kc::Activation>(activation);
        args.accumulate = accumulate != 0;
        c.note(input.rows > kc::kDecodeRows ? kc::promptFloatProduct(args, c.stream) : kc::floatProduct(args, c.stream), "linear");
        return;
    }
    kc::LinearArgs args;
    args.input = input.data;
    args.inputStride = input.stride;
    args.weight = viewOf(weight);
    args.bias = bias;
    args.output = output.data;
    args.outputStride = output.stride;
    args.rows = static_cast<int>(input.rows);
    args.activation = static_cast<kc::Activation>(activation);
    args.accumulate = accumulate != 0;
    c.note(kc::linear(args, c.stream), "linear");
}

void headLinear(void *context, const float *input, std::int64_t rows, std::int64_t heads, std::int64_t inputRowStride,
    std::int64_t inputHeadStride, DiptychCudaWeight weight, float *output, std::int64_t outputRowStride,
    std::int64_t outputHeadStride)
{
    Context &c = withPending(context);
    const std::int64_t inputWidth = (heads - 1) * inputHeadStride + weight.in;
    const bool small = isTiled(weight) && rows > 0 && rows <= kc::kFewRows && kc::hasFewHeads(matrixOf(weight))
        && inputHeadStride % 4 == 0 && inputRowStride % 4 == 0 && isAligned(input, 16);
    if (small || (rows > 0 && inputHeadStride % 4 == 0 && takesValues(input, rows, inputRowStride, weight))) {
        kc::HeadsArgs args;
        args.product.weight = matrixOf(weight);
        args.product.values = input;
        args.product.valueStride = inputRowStride;
        args.product.inputHead = inputHeadStride;
        args.product.rows = static_cast<int>(rows);
        args.product.heads = static_cast<int>(heads);
        args.product.output = output;
        args.product.outputStride = outputRowStride;
        args.product.outputHead = outputHeadStride;
        const auto &parts = c.pendingParts;
        if (small && parts && parts->base.output == input && parts->base.heads == heads && parts->base.table.rows == rows
            && inputHeadStride == weight.in && inputRowStride == heads * weight.in && kc::canCombine(*parts, args.product.weight)) {
            args.hasCombine = true;
            args.attention = *parts;
            c.pendingParts.reset();
        }
        c.queuePending();
        c.wrote(output, rows, (heads - 1) * outputHeadStride + weight.out, outputRowStride);
        if (!small)
            c.note(kc::product(args.product, c.stream), "head linear");
        else if (args.hasCombine)
            c.note(kc::fewHeads(args, c.stream), "head linear");
        else
            c.pendingHeads = args;
        return;
    }
    c.queuePending();
    c.wrote(output, rows, (heads - 1) * outputHeadStride + weight.out, outputRowStride);
    if (isTiled(weight) && rows <= kc::kDecodeRows && inputHeadStride % 32 == 0 && inputWidth % 32 == 0) {
        kc::ProductArgs args;
        args.weight = matrixOf(weight);
        args.input = c.splitOf(input, rows, inputWidth, inputRowStride);
        args.inputHead = inputHeadStride;
        args.rows = static_cast<int>(rows);
        args.heads = static_cast<int>(heads);
        args.output = output;
        args.outputStride = outputRowStride;
        args.outputHead = outputHeadStride;
        if (outputHeadStride == weight.out && weight.out % 32 == 0) {
            args.split = c.splitFor(output, rows, heads * weight.out, outputRowStride);
            args.splitHead = weight.out;
        }
        if (args.input.high != nullptr)
            c.note(kc::product(args, c.stream), "head linear");
        return;
    }
    if (isTiled(weight) && inputHeadStride % 8 == 0 && inputWidth % 8 == 0) { // 16-byte copies
        kc::MatrixProductArgs args;
        args.a = narrowed(c, input, inputRowStride, rows, inputWidth);
        args.aStride = inputWidth;
        args.aHead = inputHeadStride;
        args.b = widened(c, weight, 0, weight.out, 0, static_cast<int>(heads), 0, heads * weight.out * weight.in);
        args.matrixStride = weight.out * weight.in;
        args.rows = static_cast<int>(rows);
        args.heads = static_cast<int>(heads);
        args.n = static_cast<int>(weight.out);
        args.k = static_cast<int>(weight.in);
        args.output = output;
        args.outputStride = outputRowStride;
        args.outputHead = outputHeadStride;
        if (args.a != nullptr && args.b != nullptr)
            c.note(kc::matrixProduct(args, c.stream), "head linear");
        return;
    }
    if (weight.layout == DIPTYCH_CUDA_PACKED) {
        c.note(cudaErrorInvalidValue, "head linear");
        return;
    }
    kc::HeadLinearArgs args;
    args.input = input;
    args.weight = viewOf(weight);
    args.output = output;
    args.rows = static_cast<int>(rows);
    args.heads = static_cast<int>(heads);
    args.inputRowStride = inputRowStride;
    args.inputHeadStride = inputHeadStride;
    args.outputRowStride = outputRowStride;
    args.outputHeadStride = outputHeadStride;
    c.note(kc::headLinear(args, c.stream), "head linear");
}

void embed(void *context, DiptychCudaWeight table, const std::int32_t *ids, std::int64_t count, DiptychCudaRows output)
{
    Context &c = of(context);
    c.wrote(output);
    const std::int32_t *staged = ids == nullptr && c.stepFits ? c.stepIdsDevice()
        : c.stage(ids != nullptr ? ids : c.numbers.ids.data(), static_cast<std::size_t>(count));
    if (table.layout == DIPTYCH_CUDA_PACKED) {
        kc::PackedEmbedArgs args;
        args.data = static_cast<const std::uint8_t *>(table.data);
        args.dtype = static_cast<DType>(table.dtype);
        args.out = table.out;
        args.in = static_cast<int>(table.in);
        args.ids = staged;
        args.output = output.data;
        args.outputStride = output.stride;
        args.count = static_cast<int>(count);
        c.note(kc::packedEmbed(args, c.stream), "embedding");
        return;
    }
    kc::EmbedArgs args;
    args.table = viewOf(table);
    args.ids = staged;
    args.output = output.data;
    args.outputStride = output.stride;
    args.count = static_cast<int>(count);
    c.note(kc::embed(args, c.stream), "embedding");
}

int swiglu(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaRows output)
{
    Context &c = withPending(context);
    const std::int64_t inter = gateAndUp.out / 2;
    if (canSplitHalves(gateAndUp) && input.rows > 0 && takesRows(input, gateAndUp, true)) {
        kc::ProductArgs args;
        args.weight = partOf(gateAndUp, 0, inter);
        args.up = partOf(gateAndUp, inter, inter);
        takeValues(c, args, input, output);
        c.wrote(output);
        args.output = output.data;
        args.outputStride = output.stride;
        c.note(kc::product(args, c.stream), "gated product");
        return 1;
    }
    c.queuePending();
    if (!canSplitHalves(gateAndUp))
        return 0;
    if (input.rows > kc::kDecodeRows) {
        if (gateAndUp.out * gateAndUp.in * 2 > work::kSliceBytes || inter % 8 != 0)
            return 0;
        c.wrote(output);
        kc::MatrixProductArgs args;
        args.a = narrowed(c, input.data, input.stride, input.rows, gateAndUp.in);
        args.aStride = gateAndUp.in;
        args.b = widened(c, gateAndUp, 0, gateAndUp.out, 0, 1, 0, gateAndUp.out * gateAndUp.in);
        if (args.a == nullptr || args.b == nullptr)
            return 1;
        args.up = args.b + inter * gateAndUp.in;
        args.rows = static_cast<int>(input.rows);
        args.n = static_cast<int>(inter);
        args.k = static_cast<int>(gateAndUp.in);
        args.output = output.data;
        args.outputStride = output.stride;
        c.note(kc::matrixProduct(args, c.stream), "gated product");
        return 1;
    }
    c.wrote(output);
    kc::ProductArgs args;
    args.weight = partOf(gateAndUp, 0, inter);
    args.up = partOf(gateAndUp, inter, inter);
    args.input = c.splitOf(input.data, input.rows, gateAndUp.in, input.stride);
    args.rows = static_cast<int>(input.rows);
    args.output = output.data;
    args.outputStride = output.stride;
    if (wantsSplit(input.rows, inter))
        args.split = c.splitFor(output.data, output.rows, inter, output.stride);
    if (args.input.high != nullptr)
        c.note(kc::product(args, c.stream), "gated product");
    return 1;
}

int feedForward(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaWeight down, DiptychCudaRows output)
{
    if (input.rows <= kc::kDecodeRows)
        return 0; // and nothing is queued: what follows may take the norm along
    return manyRowsFeedForward(of(context), input, gateAndUp, down, output) ? 1 : 0;
}

void moe(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
    const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaRows output)
{
    Context &c = withPending(context);
    c.wrote(output);
    if (isTiledMoe(gate, up, down) && input.rows <= kc::kDecodeRows) {
        fewRowsMoe(c, input, gate, up, down, ids, weights, perToken, nullptr, nullptr, output);
        return;
    }
    c.queuePending();
    if (isTiledMoe(gate, up, down)) {
        manyRowsMoe(c, input, gate, up, down, ids, weights, perToken, output);
        return;
    }
    if (gate.layout == DIPTYCH_CUDA_PACKED || down.layout == DIPTYCH_CUDA_PACKED || up.layout == DIPTYCH_CUDA_PACKED) {
        c.note(cudaErrorInvalidValue, "experts");
        return;
    }
    kc::MoeArgs args;
    args.input = input.data;
    args.inputStride = input.stride;
    args.gate = viewOf(gate);
    args.up = viewOf(up);
    args.down = viewOf(down);
    args.ids = ids;
    args.weights = weights;
    args.perToken = perToken;
    args.rows = static_cast<int>(input.rows);
    args.output = output.data;
    args.outputStride = output.stride;
    args.middle = c.roomFor<float>(Room::Middle, static_cast<std::size_t>(input.rows * perToken * gate.out));
    if (args.middle != nullptr)
        c.note(kc::moe(args, c.stream), "experts");
}

int moeWithShared(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
    const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaWeight sharedGateAndUp,
    DiptychCudaWeight sharedDown, DiptychCudaRows output)
{
    Context &c = withPending(context);
    if (input.rows > kc::kDecodeRows || !isTiledMoe(gate, up, down) || !canSplitHalves(sharedGateAndUp) || !isTiled(sharedDown) || sharedDown.in % 32 != 0
        || sharedDown.in * 2 != sharedGateAndUp.out)
        return 0;
    c.wrote(output);
    fewRowsMoe(c, input, gate, up, down, ids, weights, perToken, &sharedGateAndUp, &sharedDown, output);
    return 1;
}

} // namespace plugin
