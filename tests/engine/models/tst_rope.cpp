// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/rope.h"

#include <QTest>

#include <cmath>
#include <numbers>

// Anchors of the published models: DeepSeek-V3 and V2-Lite (YaRN), Llama 3.1.
class TestRope : public QObject {
    Q_OBJECT

private:
    static engine::RopeConfig deepSeekYarn(double magnitudes)
    {
        engine::RopeConfig config;
        config.interleaved = true;
        config.scaling = engine::RopeScaling::Yarn;
        config.factor = 40.0;
        config.originalContext = 4096;
        config.mscale = config.mscaleAllDim = magnitudes;
        return config;
    }

private slots:
    void plainFrequenciesFallFromOneToNearlyOneOverTheta()
    {
        const engine::RopeTable table = engine::makeRopeTable({}, 128);
        QCOMPARE(table.inverseFrequencies.size(), std::size_t{64});
        QCOMPARE(table.inverseFrequencies[0], 1.0F);
        QVERIFY(std::abs(table.inverseFrequencies[32] - 0.01F) < 1e-7F);
        QCOMPARE(table.magnitude, 1.0F);
        QCOMPARE(table.scaleFactor, 1.0F);
    }
    void yarnRampOfDeepSeekLiesBetweenPairTenAndTwentyThree()
    {
        const engine::YarnRamp ramp = engine::yarnRamp(deepSeekYarn(1.0), 64);
        QCOMPARE(ramp.low, 10.0);
        QCOMPARE(ramp.high, 23.0);
    }
    void yarnKeepsShortWavesAndStretchesLongOnes()
    {
        const engine::RopeTable table = engine::makeRopeTable(deepSeekYarn(1.0), 64);
        const engine::RopeTable plain = engine::makeRopeTable({}, 64);
        QCOMPARE(table.inverseFrequencies[10], plain.inverseFrequencies[10]);
        QVERIFY(std::abs(table.inverseFrequencies[23] * 40.0F / plain.inverseFrequencies[23] - 1.0F) < 1e-6F);
        QVERIFY(table.inverseFrequencies[16] < plain.inverseFrequencies[16]);
        QVERIFY(table.inverseFrequencies[16] > plain.inverseFrequencies[16] / 40.0F);
    }
    void yarnOfTheFourthGenerationHasItsOwnRamp()
    {
        engine::RopeConfig config = deepSeekYarn(1.0);
        config.theta = 1.6e5;
        config.originalContext = 65536;
        const engine::YarnRamp ramp = engine::yarnRamp(config, 64);
        QCOMPARE(ramp.low, 15.0);
        QCOMPARE(ramp.high, 25.0);
    }
    void softmaxScaleOfV3AndV2LiteMatchTheirCode()
    {
        const engine::RopeTable v3 = engine::makeRopeTable(deepSeekYarn(1.0), 64);
        QCOMPARE(v3.magnitude, 1.0F);
        QVERIFY(std::abs(v3.scaleFactor / std::sqrt(192.0) - 0.13523378) < 1e-7);
        const engine::RopeTable lite = engine::makeRopeTable(deepSeekYarn(0.707), 64);
        QCOMPARE(lite.magnitude, 1.0F);
        QVERIFY(std::abs(lite.scaleFactor / std::sqrt(192.0) - 0.11472139) < 1e-7);
    }
    void genericYarnScalesCosineAndSineOnly()
    {
        engine::RopeConfig config = deepSeekYarn(0.0);
        config.factor = 4.0;
        engine::RopeTable table = engine::makeRopeTable(config, 128);
        QVERIFY(std::abs(table.magnitude - 1.1386294F) < 1e-6F);
        QCOMPARE(table.scaleFactor, 1.0F);
        config.attentionFactor = 0.5;
        table = engine::makeRopeTable(config, 128);
        QCOMPARE(table.magnitude, 0.5F);
    }
    void llama3KeepsBlendsAndStretches()
    {
        engine::RopeConfig config;
        config.theta = 5e5;
        config.scaling = engine::RopeScaling::Llama3;
        config.factor = 8.0;
        config.originalContext = 8192;
        const engine::RopeTable table = engine::makeRopeTable(config, 128);
        config.scaling = engine::RopeScaling::None;
        const engine::RopeTable plain = engine::makeRopeTable(config, 128);
        int kept = 0, stretched = 0, blended = 0;
        for (std::size_t i = 0; i < plain.inverseFrequencies.size(); ++i) {
            const double wavelength = 2.0 * std::numbers::pi / plain.inverseFrequencies[i];
            const float ratio = table.inverseFrequencies[i] / plain.inverseFrequencies[i];
            if (wavelength < 2048.0) {
                QCOMPARE(ratio, 1.0F);
                ++kept;
            } else if (wavelength > 8192.0) {
                QCOMPARE(ratio, 0.125F);
                ++stretched;
            } else {
                QVERIFY(ratio > 0.125F && ratio < 1.0F);
                ++blended;
            }
        }
        QVERIFY(kept > 20 && stretched > 20 && blended > 2);
    }
    void linearScalingAndStoredDivisorsDivide()
    {
        engine::RopeConfig config;
        config.scaling = engine::RopeScaling::Linear;
        config.factor = 4.0;
        QCOMPARE(engine::makeRopeTable(config, 8).inverseFrequencies[0], 0.25F);
        config = {};
        config.frequencyDivisors = {1.0F, 2.0F, 8.0F, 8.0F};
        const engine::RopeTable table = engine::makeRopeTable(config, 8);
        QCOMPARE(table.inverseFrequencies[1] * 2.0F, engine::makeRopeTable({}, 8).inverseFrequencies[1]);
    }
};

QTEST_APPLESS_MAIN(TestRope)
#include "tst_rope.moc"
