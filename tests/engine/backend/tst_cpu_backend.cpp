// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Every operation of the seam on every instruction set, against plain double loops written here.
#include "backend/backend.h"
#include "kernels/convert.h"
#include "kernels/random_data.h"
#include "kernels/table.h"

#include <QTest>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace engine;

namespace {

struct OwnedTensor {
    std::vector<std::byte> bytes;
    FileTensor file;
    OwnedTensor(kernels::Random &random, DType type, Shape shape)
    {
        const std::int64_t columns = shape[shape.rank - 1];
        bytes = kernels::randomWeightRows(random, type, shape.elements() / columns, columns);
        file = {.name = "w", .dtype = type, .shape = shape, .bytes = bytes};
    }
};

// A buffer filled with random numbers, with a few spare columns a row.
struct Activations {
    Buffer memory;
    Tensor tensor;
    Activations(Backend &cpu, kernels::Random &random, Shape shape, std::int64_t spare = 0)
    {
        const std::int64_t columns = shape[shape.rank - 1];
        const std::int64_t rows = shape.elements() / columns;
        memory = std::move(cpu.allocate(static_cast<std::size_t>(rows * (columns + spare)) * sizeof(float))).value();
        tensor = memory.view(shape);
        tensor.rowStride = columns + spare;
        const auto values = kernels::randomFloats(random, static_cast<std::size_t>(rows * (columns + spare)));
        std::memcpy(memory.data(), values.data(), values.size() * sizeof(float));
    }
    float at(std::int64_t row, std::int64_t column) const { return tensor.f32()[row * tensor.rowStride + column]; }
};

bool isClose(double got, double expected, double bound)
{
    return std::isfinite(got) && std::fabs(got - expected) <= bound;
}

double dot(const Activations &input, std::int64_t row, const float *weights, std::int64_t count, double &norm)
{
    double sum = 0;
    norm = 0;
    for (std::int64_t k = 0; k < count; ++k) {
        sum += static_cast<double>(input.at(row, k)) * weights[k];
        norm += std::fabs(static_cast<double>(input.at(row, k)) * weights[k]);
    }
    return sum;
}

double silu(double x)
{
    return x / (1 + std::exp(-x));
}

} // namespace

class TestCpuBackend : public QObject {
    Q_OBJECT

private slots:
    void linearMatchesDoubleSums_data();
    void linearMatchesDoubleSums();
    void headLinearUsesOneMatrixAHead_data() { addSets(); }
    void headLinearUsesOneMatrixAHead();
    void normsMatchTheirFormulas_data() { addSets(); }
    void normsMatchTheirFormulas();
    void ropeTurnsPairs_data() { addSets(); }
    void ropeTurnsPairs();
    void pagedAttentionEqualsPlainAttention_data();
    void pagedAttentionEqualsPlainAttention();
    void denseAttentionStaysInsideItsTile_data() { addSets(); }
    void selectedTokensAreTheBestAndAttended_data();
    void selectedTokensAreTheBestAndAttended();
    void denseAttentionStaysInsideItsTile();
    void moeSumsItsExperts_data() { addSets(); }
    void moeSumsItsExperts();
    void rowsDoNotDependOnTheirBatch_data();
    void rowsDoNotDependOnTheirBatch();
    void brokenNumbersStayInTheirRow_data();
    void brokenNumbersStayInTheirRow();
    void vectorSetsAgreeToTheBit_data();
    void vectorSetsAgreeToTheBit();
    void roundedProductsReadBfloat16_data() { addSets(); }
    void roundedProductsReadBfloat16();
    void copiesKeepStrides_data() { addSets(); }
    void copiesKeepStrides();
    void scatteredRowsGoToTheirPlaces();

private:
    void addSets();
    std::unique_ptr<Backend> make(bool exact = true)
    {
        const QByteArray isa = QByteArray(QTest::currentDataTag()).split(' ').first();
        return std::move(makeCpuBackend({.threads = 2, .exact = exact, .isa = isa.constData()})).value();
    }
};

void TestCpuBackend::addSets()
{
    QTest::addColumn<int>("unused");
    for (const kernels::KernelTable *table : kernels::availableTables())
        QTest::addRow("%s", std::string(table->name).c_str()) << 0;
}

void TestCpuBackend::linearMatchesDoubleSums_data()
{
    QTest::addColumn<int>("type");
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("outputs");
    QTest::addColumn<int>("columns");
    QTest::addColumn<bool>("exact");
    const std::vector<DType> types{DType::F32,  DType::F16,  DType::BF16, DType::F8E4M3, DType::Q4_0, DType::Q4_1, DType::Q5_0,
                                   DType::Q5_1, DType::Q8_0, DType::Q2_K, DType::Q3_K,   DType::Q4_K, DType::Q5_K, DType::Q6_K,
                                   DType::IQ4_NL, DType::IQ4_XS, DType::MXFP4, DType::NVFP4, DType::TQ1_0, DType::TQ2_0,
                                   DType::Int4,   DType::Int8};
    const int shapes[][3]{{1, 48, 256}, {1, 17, 512}, {3, 130, 256}, {8, 33, 256}, {29, 40, 256}, {70, 16, 512}};
    for (const kernels::KernelTable *table : kernels::availableTables())
        for (const DType type : types)
            for (const auto &shape : shapes)
                for (const bool exact : {true, false}) {
                    // Plain types take any number of columns.
                    const int columns = kernels::dtypeInfo(type).blockElements == 1 ? shape[2] - 3 : shape[2];
                    QTest::addRow("%s %s %d x %d x %d%s", std::string(table->name).c_str(),
                                  std::string(kernels::dtypeInfo(type).name).c_str(), shape[0], shape[1], columns,
                                  exact ? " exact" : "")
                        << static_cast<int>(type) << shape[0] << shape[1] << columns << exact;
                }
}

void TestCpuBackend::linearMatchesDoubleSums()
{
    QFETCH(int, type);
    QFETCH(int, rows);
    QFETCH(int, outputs);
    QFETCH(int, columns);
    QFETCH(bool, exact);
    const auto cpu = make(exact);
    kernels::Random random(static_cast<std::uint64_t>(type * 1000 + rows));
    const OwnedTensor tensor(random, static_cast<DType>(type), {outputs, columns});
    const OwnedTensor biasTensor(random, DType::F32, {outputs});
    const auto weight = cpu->upload(tensor.file, {});
    const auto bias = cpu->upload(biasTensor.file, {});
    const auto values = cpu->dequantize(tensor.file);
    const auto biasValues = cpu->dequantize(biasTensor.file);
    QVERIFY(weight.ok() && bias.ok() && values.ok() && biasValues.ok());
    const Activations input(*cpu, random, {rows, columns}, 5);
    for (const Activation activation : {Activation::None, Activation::Silu, Activation::GeluTanh, Activation::GeluErf})
        for (const bool accumulate : {false, true}) {
            if (accumulate && activation != Activation::None)
                continue;
            if (rows > 8 && activation != Activation::GeluTanh && !accumulate)
                continue; // the ends of a product do not know its size
            const Activations output(*cpu, random, {rows, outputs}, 3);
            const std::vector<float> before(output.tensor.f32(), output.tensor.f32() + rows * (outputs + 3));
            cpu->linear({.input = input.tensor, .weight = weight->get(), .bias = accumulate ? nullptr : bias->get(),
                         .output = output.tensor, .activation = activation, .accumulate = accumulate});
            for (int r = 0; r < rows; ++r) {
                for (int o = 0; o < outputs; ++o) {
                    double norm = 0;
                    double expected = dot(input, r, values->data() + o * columns, columns, norm);
                    if (accumulate)
                        expected += before[static_cast<std::size_t>(r * (outputs + 3) + o)];
                    else
                        expected += (*biasValues)[static_cast<std::size_t>(o)];
                    if (activation == Activation::Silu)
                        expected = silu(expected);
                    else if (activation == Activation::GeluTanh)
                        expected = 0.5 * expected * (1 + std::tanh(0.7978845608028654 * (expected + 0.044715 * expected * expected * expected)));
                    else if (activation == Activation::GeluErf)
                        expected = 0.5 * expected * (1 + std::erf(expected / std::sqrt(2.0)));
                    // 16-bit activations are off by at most half a step of their block's largest value.
                    const double bound = (exact ? 2e-6 : 1e-4) * (norm + 1);
                    if (!isClose(output.at(r, o), expected, bound))
                        QFAIL(qPrintable(QStringLiteral("row %1 output %2: %3, expected %4").arg(r).arg(o).arg(output.at(r, o)).arg(expected)));
                }
                for (int o = outputs; o < outputs + 3; ++o)
                    QCOMPARE(output.at(r, o), before[static_cast<std::size_t>(r * (outputs + 3) + o)]);
            }
        }
}

void TestCpuBackend::headLinearUsesOneMatrixAHead()
{
    const auto cpu = make();
    kernels::Random random(3);
    const int rows = 5, heads = 3, in = 24, out = 20;
    const OwnedTensor tensor(random, DType::BF16, {heads, out, in});
    const auto weight = cpu->upload(tensor.file, {});
    const auto values = cpu->dequantize(tensor.file);
    // Inputs lie inside wider heads of 40, outputs at stride 32.
    const Activations input(*cpu, random, {rows * heads, 40});
    const Activations output(*cpu, random, {rows * heads, 32});
    Tensor inputView = input.tensor;
    inputView.shape = {rows, heads, in};
    Tensor outputView = output.tensor;
    outputView.shape = {rows, heads, out};
    cpu->headLinear({.input = inputView, .weight = weight->get(), .output = outputView, .inputHeadStride = 40,
                     .outputHeadStride = 32, .inputRowStride = heads * 40, .outputRowStride = heads * 32});
    for (int r = 0; r < rows; ++r)
        for (int h = 0; h < heads; ++h)
            for (int o = 0; o < out; ++o) {
                double norm = 0;
                const double expected = dot(input, r * heads + h, values->data() + (h * out + o) * in, in, norm);
                QVERIFY(isClose(output.at(r * heads + h, o), expected, 2e-6 * (norm + 1)));
            }
}

// To the bit what the exact backend makes of inputs that were rounded before; the router reads all of its input.
void TestCpuBackend::roundedProductsReadBfloat16()
{
    const auto exact = make();
    const QByteArray isa = QTest::currentDataTag();
    const auto rounded = std::move(makeCpuBackend({.threads = 2, .exact = true, .rounded = true, .isa = isa.constData()})).value();
    kernels::Random random(21);
    const int in = 96, inner = 64, experts = 4, perToken = 2;
    const OwnedTensor square(random, DType::BF16, {in, in}), up(random, DType::F32, {experts, inner, in}),
        gate(random, DType::F32, {experts, inner, in}), down(random, DType::F32, {experts, in, inner}), router(random, DType::F32, {experts, in});
    for (const int rows : {1, 7, 70}) {
        const Activations input(*exact, random, {rows, in}, 3), narrow(*exact, random, {rows, in}, 5);
        bool differs = false;
        for (int r = 0; r < rows; ++r)
            for (int k = 0; k < in; ++k) {
                float &value = narrow.tensor.f32()[r * narrow.tensor.rowStride + k];
                value = kernels::bfloatToFloat(kernels::floatToBfloat(input.at(r, k)));
                differs = differs || value != input.at(r, k);
            }
        QVERIFY(differs);
        const auto product = [&](Backend &backend, const Activations &x) {
            const auto weight = backend.upload(square.file, {});
            const Activations y(backend, random, {rows, in});
            backend.linear({.input = x.tensor, .weight = weight->get(), .output = y.tensor});
            return std::vector<float>(y.tensor.f32(), y.tensor.f32() + rows * in);
        };
        QVERIFY(product(*rounded, input) == product(*exact, narrow));
        QVERIFY(product(*rounded, input) != product(*exact, input));

        std::vector<std::int32_t> ids(static_cast<std::size_t>(rows * perToken));
        std::vector<float> shares(ids.size(), 0.5F);
        const auto routed = [&](Backend &backend, const Activations &x) {
            const auto weight = backend.upload(router.file, {});
            const Activations logits(backend, random, {rows, experts});
            backend.router({.input = x.tensor, .weight = weight->get(),
                            .route = {.logits = logits.tensor, .experts = experts, .perToken = perToken, .stopExperts = {}, .ids = ids.data(),
                                      .weights = shares.data()}});
            return std::vector<float>(logits.tensor.f32(), logits.tensor.f32() + rows * experts);
        };
        const std::vector<float> logits = routed(*exact, input);
        QVERIFY(routed(*rounded, input) == logits);
        // The second products of the experts read rounded numbers, too: not what rounding the first ones' input alone gives.
        const auto summed = [&](Backend &backend, const Activations &x) {
            const auto g = backend.uploadExperts(std::array{&gate.file}, {}), u = backend.uploadExperts(std::array{&up.file}, {}),
                       d = backend.uploadExperts(std::array{&down.file}, {});
            const Activations y(backend, random, {rows, in});
            std::fill_n(y.tensor.f32(), rows * in, 0.0F);
            backend.moe({.input = x.tensor, .output = y.tensor, .gate = g->get(), .up = u->get(), .down = d->get(), .ids = ids.data(),
                         .weights = shares.data(), .perToken = perToken});
            return std::vector<float>(y.tensor.f32(), y.tensor.f32() + rows * in);
        };
        const std::vector<float> whole = summed(*exact, input), first = summed(*exact, narrow), both = summed(*rounded, input);
        QVERIFY(both != whole && both != first);
        double difference = 0, size = 0;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            difference += std::pow(static_cast<double>(both[i]) - whole[i], 2);
            size += std::pow(static_cast<double>(whole[i]), 2);
        }
        QVERIFY(std::sqrt(difference / size) < 1e-2);
    }
}

void TestCpuBackend::normsMatchTheirFormulas()
{
    const auto cpu = make();
    kernels::Random random(4);
    for (const int columns : {1, 15, 16, 100, 576}) {
        const int rows = 40;
        const std::vector<float> scale = kernels::randomFloats(random, static_cast<std::size_t>(columns));
        const std::vector<float> shift = kernels::randomFloats(random, static_cast<std::size_t>(columns));
        const auto weight = cpu->uploadValues(scale, {columns});
        const auto bias = cpu->uploadValues(shift, {columns});
        const Activations input(*cpu, random, {rows, columns}, 7);
        const Activations rms(*cpu, random, {rows, columns});
        const Activations layer(*cpu, random, {rows, columns});
        cpu->rmsNorm({.input = input.tensor, .weight = weight->get(), .output = rms.tensor, .epsilon = 1e-5F});
        cpu->layerNorm({.input = input.tensor, .weight = weight->get(), .bias = bias->get(), .output = layer.tensor});
        for (int r = 0; r < rows; ++r) {
            double squares = 0;
            double sum = 0;
            for (int c = 0; c < columns; ++c) {
                squares += static_cast<double>(input.at(r, c)) * input.at(r, c);
                sum += input.at(r, c);
            }
            const double mean = sum / columns;
            double variance = 0;
            for (int c = 0; c < columns; ++c)
                variance += (input.at(r, c) - mean) * (input.at(r, c) - mean) / columns;
            for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) {
                const double x = input.at(r, static_cast<std::int64_t>(c));
                const double normal = x / std::sqrt(squares / columns + 1e-5) * scale[c];
                QVERIFY(isClose(rms.at(r, static_cast<std::int64_t>(c)), normal, 1e-5));
                if (columns > 1) {
                    const double centred = (x - mean) / std::sqrt(variance + 1e-6) * scale[c] + shift[c];
                    QVERIFY(isClose(layer.at(r, static_cast<std::int64_t>(c)), centred, 1e-5 * (1 + std::fabs(centred))));
                }
            }
        }
    }
}

void TestCpuBackend::ropeTurnsPairs()
{
    const auto cpu = make();
    kernels::Random random(5);
    const int rows = 6, heads = 3, dim = 44, offset = 6, pairs = 17;
    std::vector<float> frequencies(pairs);
    for (std::size_t p = 0; p < frequencies.size(); ++p)
        frequencies[p] = std::pow(10000.0F, -static_cast<float>(p) / pairs);
    const std::vector<std::int32_t> positions{0, 1, 2, 77, 1000, 40000};
    for (const bool interleaved : {false, true}) {
        const Activations x(*cpu, random, {rows, heads * dim});
        const std::vector<float> before(x.tensor.f32(), x.tensor.f32() + rows * heads * dim);
        Tensor view = x.tensor;
        view.shape = {rows, heads, dim};
        cpu->rope({.x = view, .offset = offset, .inverseFrequencies = frequencies, .magnitude = 1.25F,
                   .interleaved = interleaved, .positions = positions});
        for (int r = 0; r < rows; ++r)
            for (int h = 0; h < heads; ++h) {
                std::vector<double> expected(before.begin() + (r * heads + h) * dim, before.begin() + (r * heads + h + 1) * dim);
                for (int p = 0; p < pairs; ++p) {
                    const auto a = static_cast<std::size_t>(offset + (interleaved ? 2 * p : p));
                    const auto b = static_cast<std::size_t>(offset + (interleaved ? 2 * p + 1 : p + pairs));
                    const float angle = static_cast<float>(positions[static_cast<std::size_t>(r)]) * frequencies[static_cast<std::size_t>(p)];
                    const double c = std::cos(static_cast<double>(angle)) * 1.25;
                    const double s = std::sin(static_cast<double>(angle)) * 1.25;
                    const double first = expected[a];
                    const double second = expected[b];
                    expected[a] = first * c - second * s;
                    expected[b] = second * c + first * s;
                }
                for (int d = 0; d < dim; ++d)
                    QVERIFY(isClose(x.at(r, h * dim + d), expected[static_cast<std::size_t>(d)], 2e-6));
            }
    }
}

void TestCpuBackend::pagedAttentionEqualsPlainAttention_data()
{
    QTest::addColumn<int>("kind");
    QTest::addColumn<int>("dtype");
    QTest::addColumn<int>("window");
    const char *kinds[]{"multi-head", "grouped", "latent", "wide group"};
    for (const kernels::KernelTable *table : kernels::availableTables())
        for (int kind = 0; kind < 4; ++kind)
            for (const DType dtype : {DType::F32, DType::BF16, DType::F16})
                for (const int window : {0, 5})
                    QTest::addRow("%s %s %s window %d", std::string(table->name).c_str(), kinds[kind],
                                  std::string(kernels::dtypeInfo(dtype).name).c_str(), window)
                        << kind << static_cast<int>(dtype) << window;
}

void TestCpuBackend::pagedAttentionEqualsPlainAttention()
{
    QFETCH(int, kind);
    QFETCH(int, dtype);
    QFETCH(int, window);
    const auto cpu = make();
    kernels::Random random(6);
    struct Dims {
        int heads, kvHeads, keyDim, valueDim;
    };
    const Dims dims = kind == 0 ? Dims{3, 3, 24, 20} : kind == 1 ? Dims{8, 2, 64, 64} : kind == 2 ? Dims{6, 1, 72, 56} : Dims{14, 2, 33, 33};
    KvLayer layer{.dtype = static_cast<DType>(dtype), .kvHeads = dims.kvHeads, .keyDim = dims.keyDim,
                  .valueDim = dims.valueDim, .valuesInKeys = kind == 2, .blockTokens = 4};
    const std::int64_t keyWidth = dims.kvHeads * dims.keyDim;
    const std::int64_t valueWidth = dims.kvHeads * dims.valueDim;
    const Buffer keyMemory = std::move(cpu->allocate(16 * 4 * static_cast<std::size_t>(keyWidth) * 4)).value();
    const Buffer valueMemory = std::move(cpu->allocate(16 * 4 * static_cast<std::size_t>(valueWidth) * 4)).value();
    layer.keys = keyMemory.data();
    layer.values = kind == 2 ? nullptr : valueMemory.data();

    // Sequence A has a prompt of 18 in blocks out of order, B decodes one row at position 6.
    const std::vector<std::int32_t> blocksA{7, 0, 12, 3, 9};
    const std::vector<std::int32_t> blocksB{5, 15};
    const Activations keysA(*cpu, random, {18, keyWidth}), valuesA(*cpu, random, {18, valueWidth});
    const Activations keysB(*cpu, random, {7, keyWidth}), valuesB(*cpu, random, {7, valueWidth});
    const std::vector<KvSequence> fillA{{0, 18, 0, blocksA}};
    const std::vector<KvSequence> fillB{{0, 7, 0, blocksB}};
    cpu->storeKv({keysA.tensor, valuesA.tensor, layer, fillA});
    cpu->storeKv({keysB.tensor, valuesB.tensor, layer, fillB});

    const int rows = 12; // A: rows 1..11 at positions 7..17; B: row 0
    const Activations query(*cpu, random, {rows, dims.heads * dims.keyDim});
    const Activations output(*cpu, random, {rows, dims.heads * dims.valueDim});
    const std::vector<KvSequence> step{{1, 11, 7, blocksA}, {0, 1, 6, blocksB}};
    const std::vector<std::int32_t> watched{11, 0};
    std::vector<float> observed(2 * 18, 0.0F);
    Tensor queryView = query.tensor;
    queryView.shape = {rows, dims.heads, dims.keyDim};
    Tensor outputView = output.tensor;
    outputView.shape = {rows, dims.heads, dims.valueDim};
    const float scale = 0.2F;
    cpu->attention({.query = queryView, .output = outputView, .heads = dims.heads, .scale = scale, .window = window,
                    .layer = layer, .sequences = step, .observeRows = watched, .observed = observed.data(),
                    .observeStride = 18});

    const auto stored = [&](float value) {
        if (layer.dtype == DType::BF16)
            return kernels::bfloatToFloat(kernels::floatToBfloat(value));
        return layer.dtype == DType::F16 ? kernels::halfToFloat(kernels::floatToHalf(value)) : value;
    };
    std::vector<double> expectedObserved(2 * 18, 0.0);
    for (int row = 0; row < rows; ++row) {
        const bool isB = row == 0;
        const Activations &keys = isB ? keysB : keysA;
        const Activations &values = kind == 2 ? keys : isB ? valuesB : valuesA;
        const int position = isB ? 6 : 6 + row;
        const int first = window > 0 ? std::max(0, position - window + 1) : 0;
        for (int h = 0; h < dims.heads; ++h) {
            const int kvHead = h / (dims.heads / dims.kvHeads);
            std::vector<double> weights;
            for (int t = first; t <= position; ++t) {
                double score = 0;
                for (int d = 0; d < dims.keyDim; ++d)
                    score += static_cast<double>(query.at(row, h * dims.keyDim + d)) * stored(keys.at(t, kvHead * dims.keyDim + d));
                weights.push_back(std::exp(score * scale));
            }
            const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
            for (int d = 0; d < dims.valueDim; ++d) {
                double expected = 0;
                for (int t = first; t <= position; ++t)
                    expected += weights[static_cast<std::size_t>(t - first)] / total
                        * stored(values.at(t, (kind == 2 ? 0 : kvHead * dims.valueDim) + d));
                QVERIFY(isClose(output.at(row, h * dims.valueDim + d), expected, 1e-5));
            }
            for (int t = first; t <= position; ++t)
                if (row == 0 || row == 11)
                    expectedObserved[static_cast<std::size_t>((row == 0 ? 18 : 0) + t)] +=
                        weights[static_cast<std::size_t>(t - first)] / total / dims.heads;
        }
    }
    for (std::size_t i = 0; i < observed.size(); ++i)
        QVERIFY(isClose(observed[i], expectedObserved[i], 1e-5));
}

void TestCpuBackend::selectedTokensAreTheBestAndAttended_data()
{
    QTest::addColumn<int>("dtype");
    QTest::addColumn<int>("window");
    for (const kernels::KernelTable *table : kernels::availableTables())
        for (const DType dtype : {DType::F32, DType::BF16})
            for (const int window : {0, 11})
                QTest::addRow("%s %s window %d", std::string(table->name).c_str(),
                              std::string(kernels::dtypeInfo(dtype).name).c_str(), window)
                    << static_cast<int>(dtype) << window;
}

void TestCpuBackend::selectedTokensAreTheBestAndAttended()
{
    QFETCH(int, dtype);
    QFETCH(int, window);
    const auto cpu = make();
    QVERIFY(cpu->hasTokenSelection());
    kernels::Random random(16);
    const int heads = 5, keyDim = 40, valueDim = 24, indexHeads = 6, indexDim = 20, perRow = 7, tokens = 19;
    KvLayer layer{.dtype = static_cast<DType>(dtype), .kvHeads = 1, .keyDim = keyDim, .valueDim = valueDim,
                  .valuesInKeys = true, .blockTokens = 4, .indexDim = indexDim};
    const Buffer keyMemory = std::move(cpu->allocate(16 * 4 * keyDim * sizeof(float))).value();
    const Buffer indexMemory = std::move(cpu->allocate(16 * 4 * indexDim * sizeof(float))).value();
    layer.keys = keyMemory.data();
    layer.indexKeys = indexMemory.data();
    const std::vector<std::int32_t> blocks{7, 0, 12, 3, 9}, otherBlocks{5, 15};
    const Activations keys(*cpu, random, {tokens, keyDim}), indexKeys(*cpu, random, {tokens, indexDim});
    for (const auto &table : {blocks, otherBlocks}) { // the other sequence has the first six of the same tokens
        const std::vector<KvSequence> fill{{0, table.size() > 2 ? tokens : 6, 0, table}};
        cpu->storeKv({keys.tensor, {}, layer, fill});
        cpu->storeKv({indexKeys.tensor, {}, layer.ofIndex(), fill});
    }
    const int rows = 13; // twelve at positions 7 to 18, and one of the other sequence at 5
    const std::vector<KvSequence> step{{1, 12, 7, blocks}, {0, 1, 5, otherBlocks}};
    const Activations query(*cpu, random, {rows, heads * keyDim}), output(*cpu, random, {rows, heads * valueDim});
    const Activations indexQuery(*cpu, random, {rows, indexHeads * indexDim}), weights(*cpu, random, {rows, indexHeads}, 3);
    const Buffer selectedMemory = std::move(cpu->allocate(rows * perRow * sizeof(std::int32_t))).value();
    auto *selected = reinterpret_cast<std::int32_t *>(selectedMemory.data());
    cpu->selectTokens({.query = indexQuery.tensor, .weights = weights.tensor, .heads = indexHeads, .scale = 0.3F,
                       .window = window, .layer = layer.ofIndex(), .sequences = step, .selected = selected, .perRow = perRow});
    const std::vector<std::int32_t> watched{12, 0};
    std::vector<float> observed(2 * tokens, 0.0F);
    Tensor queryView = query.tensor, outputView = output.tensor;
    queryView.shape = {rows, heads, keyDim};
    outputView.shape = {rows, heads, valueDim};
    cpu->attention({.query = queryView, .output = outputView, .heads = heads, .scale = 0.2F, .window = window, .layer = layer,
                    .sequences = step, .selected = selected, .selectedPerRow = perRow, .observeRows = watched,
                    .observed = observed.data(), .observeStride = tokens});

    const auto stored = [&](float value) {
        return layer.dtype == DType::BF16 ? kernels::bfloatToFloat(kernels::floatToBfloat(value)) : value;
    };
    std::vector<double> expectedObserved(2 * tokens, 0.0);
    for (int row = 0; row < rows; ++row) {
        const int position = row == 0 ? 5 : 6 + row, first = window > 0 ? std::max(0, position - window + 1) : 0;
        std::vector<std::pair<double, int>> scores;
        for (int t = first; t <= position; ++t) {
            double score = 0;
            for (int h = 0; h < indexHeads; ++h) {
                double product = 0;
                for (int d = 0; d < indexDim; ++d)
                    product += static_cast<double>(indexQuery.at(row, h * indexDim + d)) * stored(indexKeys.at(t, d));
                score += weights.at(row, h) * std::max(product, 0.0);
            }
            scores.emplace_back(-score, t);
        }
        std::sort(scores.begin(), scores.end());
        scores.resize(std::min<std::size_t>(scores.size(), perRow));
        std::vector<int> wanted;
        for (const auto &[score, token] : scores)
            wanted.push_back(token);
        std::sort(wanted.begin(), wanted.end());
        for (int k = 0; k < perRow; ++k)
            QCOMPARE(selected[row * perRow + k], k < static_cast<int>(wanted.size()) ? wanted[static_cast<std::size_t>(k)] : -1);
        for (int h = 0; h < heads; ++h) {
            std::vector<double> shares;
            for (const int t : wanted) {
                double score = 0;
                for (int d = 0; d < keyDim; ++d)
                    score += static_cast<double>(query.at(row, h * keyDim + d)) * stored(keys.at(t, d));
                shares.push_back(std::exp(score * 0.2F));
            }
            const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
            for (int d = 0; d < valueDim; ++d) {
                double expected = 0;
                for (std::size_t k = 0; k < wanted.size(); ++k)
                    expected += shares[k] / total * stored(keys.at(wanted[k], d));
                QVERIFY(isClose(output.at(row, h * valueDim + d), expected, 1e-5));
            }
            for (std::size_t k = 0; k < wanted.size(); ++k)
                if (row == 0 || row == 12)
                    expectedObserved[static_cast<std::size_t>((row == 0 ? tokens : 0) + wanted[k])] += shares[k] / total / heads;
        }
    }
    for (std::size_t i = 0; i < observed.size(); ++i)
        QVERIFY(isClose(observed[i], expectedObserved[i], 1e-5));
}

void TestCpuBackend::denseAttentionStaysInsideItsTile()
{
    const auto cpu = make();
    kernels::Random random(8);
    for (const int tokens : {1, 9, 49, 65}) {
        const int batch = 2, heads = 3, headDim = 18;
        // q, k and v lie side by side, as a fused projection leaves them.
        const Activations qkv(*cpu, random, {batch * tokens, 3 * heads * headDim});
        const Activations output(*cpu, random, {batch * tokens, heads * headDim}, 2);
        const auto part = [&](int index) {
            Tensor view = qkv.tensor;
            view.data += static_cast<std::size_t>(index * heads * headDim) * sizeof(float);
            view.shape = {batch * tokens, heads * headDim};
            return view;
        };
        cpu->denseAttention({.query = part(0), .key = part(1), .value = part(2), .output = output.tensor, .batch = batch,
                             .tokens = tokens, .heads = heads, .headDim = headDim, .scale = 0.3F});
        for (int b = 0; b < batch; ++b)
            for (int h = 0; h < heads; ++h)
                for (int r = 0; r < tokens; ++r) {
                    std::vector<double> weights;
                    for (int t = 0; t < tokens; ++t) {
                        double score = 0;
                        for (int d = 0; d < headDim; ++d)
                            score += static_cast<double>(qkv.at(b * tokens + r, h * headDim + d))
                                * qkv.at(b * tokens + t, (heads + h) * headDim + d);
                        weights.push_back(std::exp(score * 0.3F));
                    }
                    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
                    for (int d = 0; d < headDim; ++d) {
                        double expected = 0;
                        for (int t = 0; t < tokens; ++t)
                            expected += weights[static_cast<std::size_t>(t)] / total
                                * qkv.at(b * tokens + t, (2 * heads + h) * headDim + d);
                        QVERIFY(isClose(output.at(b * tokens + r, h * headDim + d), expected, 1e-5));
                    }
                }
    }
}

void TestCpuBackend::moeSumsItsExperts()
{
    const auto cpu = make();
    kernels::Random random(9);
    const int experts = 5, hidden = 64, inner = 40, perToken = 3;
    std::vector<OwnedTensor> gates, ups, downs;
    for (int e = 0; e < experts; ++e) {
        gates.emplace_back(random, DType::BF16, Shape{inner, hidden});
        ups.emplace_back(random, DType::BF16, Shape{inner, hidden});
        downs.emplace_back(random, DType::F32, Shape{hidden, inner});
    }
    const auto stack = [&](std::vector<OwnedTensor> &list) {
        std::vector<const FileTensor *> files;
        for (OwnedTensor &each : list)
            files.push_back(&each.file);
        return std::move(cpu->uploadExperts(files, {})).value();
    };
    const WeightPtr gate = stack(gates), up = stack(ups), down = stack(downs);
    QVERIFY((gate->shape == Shape{experts, inner, hidden}));
    for (const int rows : {1, 2, 23}) {
        const Activations input(*cpu, random, {rows, hidden}, 4);
        const Activations output(*cpu, random, {rows, hidden});
        const std::vector<float> before(output.tensor.f32(), output.tensor.f32() + rows * hidden);
        std::vector<std::int32_t> ids;
        std::vector<float> weights;
        for (int r = 0; r < rows; ++r)
            for (int k = 0; k < perToken; ++k) {
                ids.push_back((r + k) % 7 == 6 ? -1 : (r + k) % experts);
                weights.push_back(random.uniform(0.0F, 1.0F));
            }
        cpu->moe({.input = input.tensor, .output = output.tensor, .gate = gate.get(), .up = up.get(), .down = down.get(),
                  .ids = ids.data(), .weights = weights.data(), .perToken = perToken});
        for (int r = 0; r < rows; ++r) {
            std::vector<double> expected(before.begin() + r * hidden, before.begin() + (r + 1) * hidden);
            for (int k = 0; k < perToken; ++k) {
                const auto slot = static_cast<std::size_t>(r * perToken + k);
                if (ids[slot] < 0)
                    continue;
                const auto e = static_cast<std::size_t>(ids[slot]);
                const auto g = std::move(cpu->dequantize(gates[e].file)).value();
                const auto u = std::move(cpu->dequantize(ups[e].file)).value();
                const auto d = std::move(cpu->dequantize(downs[e].file)).value();
                double norm = 0;
                for (int i = 0; i < inner; ++i) {
                    const double h = silu(dot(input, r, g.data() + i * hidden, hidden, norm)) * dot(input, r, u.data() + i * hidden, hidden, norm);
                    for (int o = 0; o < hidden; ++o)
                        expected[static_cast<std::size_t>(o)] += weights[slot] * h * d[static_cast<std::size_t>(o * inner + i)];
                }
            }
            for (int o = 0; o < hidden; ++o)
                QVERIFY(isClose(output.at(r, o), expected[static_cast<std::size_t>(o)], 1e-5));
        }
    }
}

void TestCpuBackend::rowsDoNotDependOnTheirBatch_data()
{
    QTest::addColumn<int>("type");
    QTest::addColumn<bool>("exact");
    for (const kernels::KernelTable *table : kernels::availableTables())
        for (const DType type : {DType::F32, DType::BF16, DType::F16, DType::F8E4M3, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K})
            for (const bool exact : {true, false})
                QTest::addRow("%s %s%s", std::string(table->name).c_str(), std::string(kernels::dtypeInfo(type).name).c_str(),
                              exact ? " exact" : "")
                    << static_cast<int>(type) << exact;
}

void TestCpuBackend::rowsDoNotDependOnTheirBatch()
{
    QFETCH(int, type);
    QFETCH(bool, exact);
    const auto cpu = make(exact);
    kernels::Random random(10);
    const int outputs = 200, columns = 1280;
    const OwnedTensor tensor(random, static_cast<DType>(type), {outputs, columns});
    const auto weight = cpu->upload(tensor.file, {});
    const int most = 40;
    const Activations input(*cpu, random, {most, columns});
    std::vector<float> alone(static_cast<std::size_t>(most * outputs));
    const Activations output(*cpu, random, {most, outputs});
    for (int r = 0; r < most; ++r) {
        Tensor one = input.tensor;
        one.data += static_cast<std::size_t>(r * columns) * sizeof(float);
        one.shape = {1, columns};
        Tensor out = output.tensor;
        out.shape = {1, outputs};
        cpu->linear({.input = one, .weight = weight->get(), .output = out});
        std::memcpy(alone.data() + r * outputs, out.f32(), outputs * sizeof(float));
    }
    for (const int rows : {2, 3, 4, 5, 6, 7, 8, 11, 13, 40}) {
        Tensor in = input.tensor;
        in.shape = {rows, columns};
        Tensor out = output.tensor;
        out.shape = {rows, outputs};
        cpu->linear({.input = in, .weight = weight->get(), .output = out});
        QCOMPARE(std::memcmp(out.f32(), alone.data(), static_cast<std::size_t>(rows * outputs) * sizeof(float)), 0);
    }
}

void TestCpuBackend::brokenNumbersStayInTheirRow_data()
{
    QTest::addColumn<int>("type");
    QTest::addColumn<bool>("exact");
    for (const kernels::KernelTable *table : kernels::availableTables())
        for (const DType type : {DType::F32, DType::BF16, DType::F8E4M3, DType::Q8_0, DType::Q4_K, DType::Q6_K})
            for (const bool exact : {true, false})
                QTest::addRow("%s %s%s", std::string(table->name).c_str(), std::string(kernels::dtypeInfo(type).name).c_str(),
                              exact ? " exact" : "")
                    << static_cast<int>(type) << exact;
}

void TestCpuBackend::brokenNumbersStayInTheirRow()
{
    QFETCH(int, type);
    QFETCH(bool, exact);
    const auto cpu = make(exact);
    kernels::Random random(13);
    const int outputs = 20, columns = 256;
    const OwnedTensor tensor(random, static_cast<DType>(type), {outputs, columns});
    const auto weight = cpu->upload(tensor.file, {});
    for (const int rows : {1, 3, 9}) {
        for (const float broken : {NAN, INFINITY}) {
            const Activations input(*cpu, random, {rows, columns});
            const Activations output(*cpu, random, {rows, outputs});
            input.tensor.f32()[(rows - 1) * columns + 77] = broken;
            cpu->linear({.input = input.tensor, .weight = weight->get(), .output = output.tensor});
            for (int r = 0; r < rows; ++r)
                for (int o = 0; o < outputs; ++o)
                    QCOMPARE(std::isfinite(output.at(r, o)), r != rows - 1);
        }
    }
}

void TestCpuBackend::vectorSetsAgreeToTheBit_data()
{
    QTest::addColumn<int>("type");
    for (const DType type : {DType::BF16, DType::F8E4M3, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K})
        QTest::addRow("%s", std::string(kernels::dtypeInfo(type).name).c_str()) << static_cast<int>(type);
}

void TestCpuBackend::vectorSetsAgreeToTheBit()
{
    QFETCH(int, type);
    std::vector<float> first;
    for (const kernels::KernelTable *table : kernels::availableTables()) {
        if (table->name == "reference")
            continue; // sums in double
        const auto cpu = std::move(makeCpuBackend({.threads = 2, .isa = table->name})).value();
        kernels::Random random(14);
        const OwnedTensor tensor(random, static_cast<DType>(type), {40, 512});
        const auto weight = cpu->upload(tensor.file, {});
        const Activations input(*cpu, random, {9, 512});
        const Activations output(*cpu, random, {9, 40});
        cpu->linear({.input = input.tensor, .weight = weight->get(), .output = output.tensor});
        const std::vector<float> result(output.tensor.f32(), output.tensor.f32() + 9 * 40);
        if (first.empty())
            first = result;
        QCOMPARE(result, first);
    }
}

void TestCpuBackend::copiesKeepStrides()
{
    const auto cpu = make();
    kernels::Random random(12);
    const Activations a(*cpu, random, {30, 20}, 3);
    const Activations b(*cpu, random, {30, 20}, 9);
    const Activations c(*cpu, random, {30, 20});
    cpu->copyRows(c.tensor, a.tensor);
    for (int r = 0; r < 30; ++r)
        for (int k = 0; k < 20; ++k)
            QCOMPARE(c.at(r, k), a.at(r, k));
    cpu->add(c.tensor, b.tensor);
    for (int r = 0; r < 30; ++r)
        for (int k = 0; k < 20; ++k)
            QCOMPARE(c.at(r, k), a.at(r, k) + b.at(r, k));
    cpu->siluMultiply(a.tensor, b.tensor, c.tensor);
    for (int r = 0; r < 30; ++r)
        for (int k = 0; k < 20; ++k)
            QVERIFY(isClose(c.at(r, k), silu(a.at(r, k)) * b.at(r, k), 1e-6 * (1 + std::fabs(b.at(r, k)))));
    std::vector<float> host(600);
    cpu->toHost(host.data(), a.tensor);
    QCOMPARE(host[25], a.at(1, 5));
    cpu->toDevice(c.tensor, host.data(), host.size() * sizeof(float));
    QCOMPARE(c.at(29, 19), a.at(29, 19));
    QVERIFY(cpu->finishStep().ok());
}

void TestCpuBackend::scatteredRowsGoToTheirPlaces()
{
    const auto cpu = make();
    kernels::Random random(13);
    const Activations source(*cpu, random, {5, 7}, 2);
    const Activations one(*cpu, random, {1, 7});
    const Activations target(*cpu, random, {9, 7}, 1);
    const std::vector<std::int32_t> places{8, 2, 3, 4, 0}, others{5, 7};
    std::vector<float> before;
    for (int k = 0; k < 7; ++k)
        before.push_back(target.at(6, k));
    cpu->scatterRows({.source = source.tensor, .destination = target.tensor, .rows = places});
    cpu->scatterRows({.source = one.tensor, .destination = target.tensor, .rows = others});
    for (int k = 0; k < 7; ++k) {
        for (int r = 0; r < 5; ++r)
            QCOMPARE(target.at(places[static_cast<std::size_t>(r)], k), source.at(r, k));
        for (const std::int32_t place : others)
            QCOMPARE(target.at(place, k), one.at(0, k));
        QCOMPARE(target.at(6, k), before[static_cast<std::size_t>(k)]);
    }
}

QTEST_APPLESS_MAIN(TestCpuBackend)
#include "tst_cpu_backend.moc"
