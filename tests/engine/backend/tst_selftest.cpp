// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest.h"

#include <QTest>

namespace {

using namespace engine;

// The reference with one mistake: rows of a product after the first are scaled by 1.001.
class SlightlyWrong final : public Backend {
public:
    explicit SlightlyWrong(std::unique_ptr<Backend> inner) : m_inner(std::move(inner)) {}
    std::string_view id() const override { return m_inner->id(); }
    bool hostMemory() const override { return true; }
    Result<Buffer> allocate(std::size_t bytes) override { return m_inner->allocate(bytes); }
    Result<WeightPtr> upload(const FileTensor &t, const UploadOptions &o) override { return m_inner->upload(t, o); }
    Result<WeightPtr> uploadExperts(std::span<const FileTensor *const> e, const UploadOptions &o) override
    {
        return m_inner->uploadExperts(e, o);
    }
    Result<WeightPtr> uploadValues(std::span<const float> v, const Shape &s) override { return m_inner->uploadValues(v, s); }
    Result<std::vector<float>> dequantize(const FileTensor &t) override { return m_inner->dequantize(t); }
    void linear(const LinearArgs &a) override
    {
        m_inner->linear(a);
        for (std::int64_t row = 1; row < a.output.rows(); ++row)
            a.output.f32()[row * a.output.rowStride] *= 1.001F;
    }
    void headLinear(const HeadLinearArgs &a) override { m_inner->headLinear(a); }
    void rmsNorm(const RmsNormArgs &a) override { m_inner->rmsNorm(a); }
    void layerNorm(const LayerNormArgs &a) override { m_inner->layerNorm(a); }
    void embed(const EmbedArgs &a) override { m_inner->embed(a); }
    void rope(const RopeArgs &a) override { m_inner->rope(a); }
    void storeKv(const StoreKvArgs &a) override { m_inner->storeKv(a); }
    void attention(const AttentionArgs &a) override { m_inner->attention(a); }
    void denseAttention(const DenseAttentionArgs &a) override { m_inner->denseAttention(a); }
    void route(const RouteArgs &a) override { m_inner->route(a); }
    void moe(const MoeArgs &) override {} // writes nothing
    void siluMultiply(Tensor gate, Tensor up, Tensor output) override { m_inner->siluMultiply(gate, up, output); }
    void add(Tensor accumulator, Tensor addend) override { m_inner->add(accumulator, addend); }
    void copyRows(Tensor destination, Tensor source) override { m_inner->copyRows(destination, source); }
    void toDevice(Tensor destination, const void *host, std::size_t bytes) override
    {
        m_inner->toDevice(destination, host, bytes);
    }
    void toHost(void *host, Tensor source) override { m_inner->toHost(host, source); }
    Status finishStep() override { return m_inner->finishStep(); }

private:
    std::unique_ptr<Backend> m_inner;
};

} // namespace

class TestSelftest : public QObject {
    Q_OBJECT

private slots:
    void everyInstructionSetAgreesWithTheReference()
    {
        int rows = 0;
        const auto failures = engine::runSelftest("cpu", 20261122, [&](const engine::SelftestRow &row) {
            ++rows;
            if (!row.passed)
                qWarning("%s: %s, %s: error %g over %g", row.device.c_str(), row.operation.c_str(), row.shape.c_str(),
                    row.error, row.bound);
        });
        QVERIFY2(failures.ok(), failures.ok() ? "" : failures.error().message.c_str());
        QCOMPARE(*failures, 0);
        QVERIFY(rows > 60);
    }

    void aWrongBackendIsCaught()
    {
        auto reference = makeCpuBackend({.threads = 1, .exact = true, .isa = "reference"});
        auto inner = makeCpuBackend({.threads = 1, .exact = true, .isa = "reference"});
        QVERIFY(reference.ok() && inner.ok());
        SlightlyWrong wrong(std::move(*inner));
        QStringList failed;
        const auto failures = checkBackend(wrong, **reference, "wrong", 7, [&](const SelftestRow &row) {
            if (!row.passed)
                failed << QString::fromStdString(row.operation + " " + row.shape);
        });
        QVERIFY(failures.ok());
        QCOMPARE(*failures, static_cast<int>(failed.size()));
        QVERIFY(failed.contains("linear F32 7 x 203 -> 133"));
        QVERIFY(!failed.contains("linear F32 1 x 203 -> 133"));
        QCOMPARE(failed.filter("experts").size(), 20); // 8 alone, 8 with a shared one, 4 behind the router
        QVERIFY(failed.filter("rms norm").isEmpty() && failed.filter("layer norm").isEmpty());
        QVERIFY(!failed.filter("norm, router, routing").isEmpty()); // there is a product in it
    }

    void anUnknownDeviceIsNamed()
    {
        for (const char *device : {"gpu", "cuda:", "cuda:x", "cuda:-1"}) {
            const auto result = engine::runSelftest(device, 1, [](const auto &) {});
            QVERIFY(!result.ok());
            QVERIFY(result.error().message.find(device) != std::string::npos);
        }
    }
};

QTEST_APPLESS_MAIN(TestSelftest)
#include "tst_selftest.moc"
