// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/vision/drawn_picture.h"
#include "support/forwarding_backend.h"
#include "vision/bicubic_resize.h"
#include "vision/image_preprocessor.h"

#include <QCryptographicHash>
#include <QElapsedTimer>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTest>

#include <algorithm>

namespace {

// DeepSeek-VL2's own list, in its order.
engine::VisionConfig vl2Config()
{
    engine::VisionConfig config;
    config.candidateResolutions = {{384, 384}, {384, 768}, {768, 384}, {384, 1152}, {1152, 384}, {384, 1536},
        {1536, 384}, {768, 768}, {384, 1920}, {1920, 384}, {384, 2304}, {2304, 384}, {768, 1152}, {1152, 768},
        {384, 2688}, {2688, 384}, {384, 3072}, {3072, 384}, {768, 1536}, {1536, 768}, {384, 3456}, {3456, 384},
        {1152, 1152}};
    return config;
}

// Memory of its own, as a card has it.
class FarBackend final : public tests::ForwardingBackend {
public:
    using ForwardingBackend::ForwardingBackend;
    bool hostMemory() const override { return false; }
    bool resizeTiles(const engine::ResizeTilesArgs &args) override { return takesPictures && Backend::resizeTiles(args); }
    bool takesPictures = true;
};

QByteArray shortHash(const std::vector<std::uint8_t> &bytes)
{
    const QByteArray data = QByteArray::fromRawData(reinterpret_cast<const char *>(bytes.data()),
        static_cast<qsizetype>(bytes.size()));
    return QCryptographicHash::hash(data, QCryptographicHash::Sha256).toHex().left(16);
}

QJsonObject golden()
{
    QFile file(QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/pillow/pillow.json"));
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object() : QJsonObject();
}

} // namespace

class TestImagePreprocessor : public QObject {
    Q_OBJECT

private slots:
    void tokenCountsOfVl2AreThePublishedOnes_data()
    {
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("height");
        QTest::addColumn<int>("images");
        QTest::addColumn<int>("tilesWide");
        QTest::addColumn<int>("tilesHigh");
        QTest::addColumn<int>("tokens");
        QTest::newRow("one tile") << 384 << 384 << 1 << 1 << 1 << 421;
        QTest::newRow("two beside") << 768 << 384 << 1 << 2 << 1 << 617;
        QTest::newRow("two above") << 384 << 768 << 1 << 1 << 2 << 631;
        QTest::newRow("nine in a square") << 4000 << 4000 << 1 << 3 << 3 << 2017;
        QTest::newRow("nine in a row") << 9000 << 1000 << 1 << 9 << 1 << 1989;
        QTest::newRow("three pictures are not tiled") << 4000 << 4000 << 3 << 1 << 1 << 421;
        QTest::newRow("a line") << 1 << 2000 << 1 << 1 << 6 << 14 * 15 + 1 + 6 * 14 * 15;
    }
    void tokenCountsOfVl2AreThePublishedOnes()
    {
        QFETCH(int, width);
        QFETCH(int, height);
        QFETCH(int, images);
        const engine::ImagePlan plan = engine::ImagePreprocessor(vl2Config()).plan(width, height, images);
        QTEST(plan.tilesWide, "tilesWide");
        QTEST(plan.tilesHigh, "tilesHigh");
        QTEST(plan.tokenCount, "tokens");
        QCOMPARE(plan.gridSide, 14);
    }
    void resizedBytesEqualPillows()
    {
        const QJsonArray cases = golden()[u"resize"].toArray();
        QVERIFY(cases.size() >= 100);
        for (const QJsonValue &value : cases) {
            const QJsonObject entry = value.toObject();
            const engine::Image image = drawPicture(entry[u"width"].toInt(), entry[u"height"].toInt(),
                static_cast<std::uint32_t>(entry[u"seed"].toInt()));
            const int width = entry[u"newWidth"].toInt(), height = entry[u"newHeight"].toInt();
            const std::vector<std::uint8_t> resized =
                engine::resizeBicubic(image.rgb, image.width, image.height, width, height);
            const QString name = QStringLiteral("%1x%2 to %3x%4").arg(image.width).arg(image.height).arg(width).arg(height);
            QVERIFY2(shortHash(resized) == entry[u"sha256"].toString().toLatin1(), qPrintable(name));
        }
    }
    void tilesEqualThoseOfTheProcessor()
    {
        const QJsonArray cases = golden()[u"tiles"].toArray();
        QVERIFY(cases.size() >= 200);
        const engine::ImagePreprocessor preprocessor(vl2Config());
        for (const QJsonValue &value : cases) {
            const QJsonObject entry = value.toObject();
            const engine::Image image = drawPicture(entry[u"width"].toInt(), entry[u"height"].toInt(),
                static_cast<std::uint32_t>(entry[u"seed"].toInt()));
            const engine::ImageTiles tiles = preprocessor.prepare(image, entry[u"images"].toInt());
            const QString name = QStringLiteral("%1x%2").arg(image.width).arg(image.height);
            QVERIFY2(tiles.plan.tilesWide == entry[u"tilesWide"].toInt(), qPrintable(name));
            QVERIFY2(tiles.plan.tilesHigh == entry[u"tilesHigh"].toInt(), qPrintable(name));
            QVERIFY2(shortHash(tiles.pixels) == entry[u"sha256"].toString().toLatin1(), qPrintable(name));
        }
    }
    void backendMakesTheTilesOfTheProcessor()
    {
        auto cpu = engine::makeCpuBackend({.threads = 1});
        QVERIFY(cpu.ok());
        FarBackend backend(std::move(cpu).value());
        const engine::ImagePreprocessor preprocessor(vl2Config());
        const QJsonArray cases = golden()[u"tiles"].toArray();
        int compared = 0;
        for (qsizetype i = 0; i < cases.size(); i += 31) { // one after the other, without vectors
            const QJsonObject entry = cases[i].toObject();
            const engine::Image image = drawPicture(entry[u"width"].toInt(), entry[u"height"].toInt(),
                static_cast<std::uint32_t>(entry[u"seed"].toInt()));
            const auto tiles = preprocessor.prepareOn(backend, image, entry[u"images"].toInt());
            QVERIFY(tiles.ok());
            QVERIFY(tiles.value().pixels.empty());
            const auto *bytes = reinterpret_cast<const std::uint8_t *>(tiles.value().placed.data());
            const std::size_t count = static_cast<std::size_t>(1 + tiles.value().plan.tilesWide * tiles.value().plan.tilesHigh) * 384 * 384 * 3;
            const QString name = QStringLiteral("%1x%2").arg(image.width).arg(image.height);
            QVERIFY2(shortHash({bytes, bytes + count}) == entry[u"sha256"].toString().toLatin1(), qPrintable(name));
            ++compared;
        }
        QVERIFY(compared >= 6);
    }
    void pictureThatABackendRefusesIsMadeByTheProcessor()
    {
        auto cpu = engine::makeCpuBackend({.threads = 1});
        QVERIFY(cpu.ok());
        FarBackend backend(std::move(cpu).value());
        backend.takesPictures = false;
        const engine::ImagePreprocessor preprocessor(vl2Config());
        const engine::Image image = drawPicture(200, 100, 3);
        const auto tiles = preprocessor.prepareOn(backend, image, 1);
        QVERIFY(tiles.ok());
        QCOMPARE(tiles.value().placed.data(), nullptr);
        QCOMPARE(tiles.value().pixels, preprocessor.prepare(image, 1).pixels);
    }
    void pictureOf16MegapixelsIsPreparedSoon()
    {
        engine::Image image;
        image.width = image.height = 4000;
        image.rgb.assign(std::size_t{4000} * 4000 * 3, 77);
        QElapsedTimer timer;
        timer.start();
        const engine::ImageTiles tiles = engine::ImagePreprocessor(vl2Config()).prepare(image, 1);
        QCOMPARE(tiles.pixels.size(), std::size_t{10} * 384 * 384 * 3);
        QCOMPARE(*std::min_element(tiles.pixels.begin(), tiles.pixels.end()), std::uint8_t{77});
        qInfo("16 megapixels: %lld ms", static_cast<long long>(timer.elapsed()));
        QVERIFY(timer.elapsed() < 10000); // far above what it takes; a quadratic slip is far above this
    }
};

QTEST_APPLESS_MAIN(TestImagePreprocessor)
#include "tst_image_preprocessor.moc"
