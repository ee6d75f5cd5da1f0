// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/model.h"

#include <QTest>

#include <cmath>

// Totals of released models, from their dimensions alone.
class TestParameterCount : public QObject {
    Q_OBJECT

private:
    static engine::ModelConfig latentModel(int layers, int hidden, int heads, int queryRank, int intermediate)
    {
        engine::ModelConfig config;
        config.text.layers = layers;
        config.text.hidden = hidden;
        config.text.heads = config.text.kvHeads = heads;
        config.text.attention = engine::AttentionKind::Latent;
        config.text.queryLoraRank = queryRank;
        config.text.kvLoraRank = 512;
        config.text.nopeHeadDim = config.text.valueHeadDim = 128;
        config.text.ropeHeadDim = 64;
        config.text.intermediate = intermediate;
        return config;
    }
    static void isWithin(std::uint64_t count, double billions, double tolerance)
    {
        const double found = static_cast<double>(count) / 1e9;
        QVERIFY2(std::abs(found - billions) < tolerance, qPrintable(QString::number(found)));
    }

private slots:
    void deepSeekV3Has671Billion()
    {
        engine::ModelConfig config = latentModel(61, 7168, 128, 1536, 18432);
        config.text.vocabulary = 129280;
        config.text.moe = {.routedExperts = 256, .sharedExperts = 1, .expertsPerToken = 8, .groups = 8,
            .groupsPerToken = 4, .expertIntermediate = 2048, .firstMoeLayer = 3,
            .method = engine::RoutingMethod::Biased, .score = engine::RoutingScore::Sigmoid};
        const engine::ParameterCount count = engine::countParameters(config);
        isWithin(count.total, 671.026, 0.001);
        isWithin(count.active, 37.55, 0.1);
    }
    void deepSeekV2LiteHas16Billion()
    {
        engine::ModelConfig config = latentModel(27, 2048, 16, 0, 10944);
        config.text.vocabulary = 102400;
        config.text.moe = {.routedExperts = 64, .sharedExperts = 2, .expertsPerToken = 6,
            .expertIntermediate = 1408, .firstMoeLayer = 1};
        const engine::ParameterCount count = engine::countParameters(config);
        isWithin(count.total, 15.706, 0.001);
        isWithin(count.active, 2.66, 0.05);
    }
    void llama8BillionHas8Billion()
    {
        engine::ModelConfig config;
        config.text.layers = 32;
        config.text.hidden = 4096;
        config.text.heads = 32;
        config.text.kvHeads = 8;
        config.text.headDim = 128;
        config.text.intermediate = 14336;
        config.text.vocabulary = 128256;
        isWithin(engine::countParameters(config).total, 8.030, 0.001);
        config.text.tiedEmbeddings = true;
        isWithin(engine::countParameters(config).total, 8.030 - 0.5253, 0.001);
    }
    void visionTowerOfVl2Has413Million()
    {
        engine::ModelConfig config;
        config.text.layers = 12;
        config.text.hidden = 1280;
        config.text.heads = config.text.kvHeads = 10;
        config.text.headDim = 128;
        config.text.intermediate = 6848;
        config.text.vocabulary = 129280;
        config.text.moe = {.routedExperts = 64, .sharedExperts = 2, .expertsPerToken = 6,
            .expertIntermediate = 896, .firstMoeLayer = 1};
        config.vision.emplace();
        config.vision->width = 1152;
        config.vision->layers = 27;
        config.vision->heads = 16;
        config.vision->mlpHidden = 4304;
        config.vision->projectorOut = 1280;
        const engine::ParameterCount count = engine::countParameters(config);
        isWithin(count.total - count.vision, 2.935, 0.001);
        isWithin(count.vision, 0.413 + 0.0075, 0.001);
    }
};

QTEST_APPLESS_MAIN(TestParameterCount)
#include "tst_parameter_count.moc"
