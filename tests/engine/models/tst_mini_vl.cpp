// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/models/model_runner.h"

#include "text/choose_chat_format.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <cstring>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

// The embedded picture model against its PyTorch twin (tests/golden/make_mini_vl.py): tiles, embeddings, logits, reply.
class TestMiniVl : public QObject {
    Q_OBJECT

private:
    static constexpr int kReplyTokens = 12; // the longest answers it was trained on are not much longer

    QJsonObject m_golden;
    std::vector<float> m_logits;
    std::unique_ptr<ModelRunner> m_runner;

    static QString goldenFile(const QString &name)
    {
        return QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/mini-vl/") + name;
    }
    static engine::Image readPng(const QString &path)
    {
        engine::Image image;
        int channels = 0;
        unsigned char *pixels = stbi_load(path.toUtf8().constData(), &image.width, &image.height, &channels, 3);
        if (pixels != nullptr)
            image.rgb.assign(pixels, pixels + static_cast<std::ptrdiff_t>(image.width) * image.height * 3);
        stbi_image_free(pixels);
        return image;
    }

private slots:
    void initTestCase()
    {
        QFile file(goldenFile(QStringLiteral("golden.json")));
        QVERIFY(file.open(QIODevice::ReadOnly));
        m_golden = QJsonDocument::fromJson(file.readAll()).object();
        QFile logits(goldenFile(QStringLiteral("logits.f32")));
        QVERIFY(logits.open(QIODevice::ReadOnly));
        const QByteArray bytes = logits.readAll();
        m_logits.resize(static_cast<std::size_t>(bytes.size()) / sizeof(float));
        std::memcpy(m_logits.data(), bytes.constData(), m_logits.size() * sizeof(float));
        auto runner = ModelRunner::load(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl", {.threads = 2, .exact = true}, 64);
        QVERIFY2(runner.ok(), runner.ok() ? "" : runner.error().message.c_str());
        m_runner = std::move(runner).value();
    }
    void casesEqualPyTorch_data()
    {
        QTest::addColumn<int>("index");
        const QJsonArray cases = m_golden[u"cases"].toArray();
        QVERIFY(cases.size() >= 4);
        for (int i = 0; i < cases.size(); ++i)
            QTest::addRow("%d %s", i, qPrintable(cases[i].toObject()[u"picture"].toString())) << i;
    }
    void casesEqualPyTorch()
    {
        QFETCH(int, index);
        const QJsonObject golden = m_golden[u"cases"].toArray()[index].toObject();
        const auto vocabulary = static_cast<std::size_t>(m_golden[u"vocab_size"].toInt());
        const QString name = golden[u"picture"].toString();

        engine::VisionEncoder &vision = *m_runner->model.vision;
        const engine::ImageTiles tiles = vision.preprocessor().prepare(readPng(goldenFile(name + QStringLiteral(".png"))), 1);
        QCOMPARE(tiles.plan.tilesWide, golden[u"tiles"][0].toInt());
        QCOMPARE(tiles.plan.tilesHigh, golden[u"tiles"][1].toInt());
        const engine::Image wantedTiles = readPng(goldenFile(name + QStringLiteral(".tiles.png")));
        QVERIFY(!wantedTiles.rgb.empty());
        QVERIFY(tiles.pixels == wantedTiles.rgb);

        auto embeddings = vision.encode(tiles, {}, {});
        QVERIFY2(embeddings.ok(), embeddings.ok() ? "" : embeddings.error().message.c_str());
        const int hidden = m_runner->model.text->config().hidden;
        const engine::Tensor view = embeddings->view({tiles.plan.tokenCount, hidden});
        std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
        m_runner->backend->toHost(values.data(), view);
        const QJsonArray rows = golden[u"embedding_rows"].toArray();
        for (int i = 0; i < rows.size(); ++i)
            for (int column = 0; column < 8; ++column) {
                const double wanted = golden[u"embedding_first8"][i][column].toDouble();
                const double found = static_cast<double>(values[static_cast<std::size_t>(rows[i].toInt() * hidden + column)]);
                QVERIFY2(std::abs(found - wanted) < 2e-4 * (1.0 + std::abs(wanted)),
                    qPrintable(QStringLiteral("row %1: %2 is not %3").arg(rows[i].toInt()).arg(found).arg(wanted)));
            }

        std::vector<std::int32_t> ids;
        for (const QJsonValue &id : golden[u"ids"].toArray())
            ids.push_back(id.toInt());
        const auto first = std::find(ids.begin(), ids.end(), m_golden[u"image_token"].toInt()) - ids.begin();
        m_runner->position = 0;
        std::vector<float> logits;
        QVERIFY(m_runner->feed(ids, logits, {{.firstRow = static_cast<int>(first), .embeddings = view}}).ok());
        const std::vector<float> last(logits.end() - static_cast<std::ptrdiff_t>(vocabulary), logits.end());
        const auto wantedBegin = m_logits.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(index) * vocabulary);
        const float error = worstRowError(last,
            std::vector<float>(wantedBegin, wantedBegin + static_cast<std::ptrdiff_t>(vocabulary)), vocabulary);
        QVERIFY2(error < 2e-4F, qPrintable(QStringLiteral("relative error %1").arg(static_cast<double>(error))));

        std::vector<float> step = last;
        const QJsonArray reply = golden[u"reply_ids"].toArray();
        for (int i = 0; i < std::min<int>(kReplyTokens, static_cast<int>(reply.size())); ++i) {
            const QJsonValue wanted = reply[i];
            const int best = bestColumn(step, 0, vocabulary);
            QCOMPARE(best, wanted.toInt());
            step.clear();
            QVERIFY(m_runner->feed({best}, step).ok());
        }
    }
    void fourBitCopyIsSmallerAndAlike()
    {
        engine::LoadOptions options;
        options.requantize = "q4_0";
        auto loaded = ModelRunner::load(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl", {.threads = 2}, 64, options);
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().message.c_str());
        QVERIFY((*loaded)->model.activeBytesPerToken < 0.8 * m_runner->model.activeBytesPerToken);
        const QJsonObject golden = m_golden[u"cases"][0].toObject();
        const engine::ImageTiles tiles = (*loaded)->model.vision->preprocessor().prepare(
            readPng(goldenFile(golden[u"picture"].toString() + QStringLiteral(".png"))), 1);
        auto embeddings = (*loaded)->model.vision->encode(tiles, {}, {});
        QVERIFY(embeddings.ok());
        std::vector<std::int32_t> ids;
        for (const QJsonValue &id : golden[u"ids"].toArray())
            ids.push_back(id.toInt());
        const auto first = std::find(ids.begin(), ids.end(), m_golden[u"image_token"].toInt()) - ids.begin();
        std::vector<float> logits;
        QVERIFY((*loaded)->feed(ids, logits, {{.firstRow = static_cast<int>(first),
            .embeddings = embeddings->view({tiles.plan.tokenCount, (*loaded)->model.text->config().hidden})}}).ok());
        const auto vocabulary = static_cast<std::size_t>(m_golden[u"vocab_size"].toInt());
        double product = 0, ours = 0, theirs = 0;
        for (std::size_t i = 0; i < vocabulary; ++i) {
            const auto found = static_cast<double>(logits[logits.size() - vocabulary + i]);
            const auto wanted = static_cast<double>(m_logits[i]);
            product += found * wanted;
            ours += found * found;
            theirs += wanted * wanted;
        }
        const double likeness = product / std::sqrt(ours * theirs);
        QVERIFY2(likeness > 0.8, qPrintable(QString::number(likeness)));
    }
    void loadCountsTheWholeFile()
    {
        QVERIFY(m_runner->doneBytes > 0);
        QVERIFY(m_runner->doneBytes <= m_runner->files->fileBytes());
        QVERIFY(m_runner->doneBytes * 10 > m_runner->files->fileBytes() * 9);
        QVERIFY(m_runner->model.weightBytes > 0);
        QVERIFY(m_runner->model.activeBytesPerToken < static_cast<double>(m_runner->model.weightBytes));
    }
    // VL2's processor adds its tokens to a tokenizer that lacks them; mini-vl's has them where it would put them.
    void aTokenizerWithoutTheProcessorsTokensGetsThem()
    {
        const QString source = QStringLiteral(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl/");
        const QTemporaryDir folder;
        QFile whole(source + QStringLiteral("tokenizer.json"));
        QVERIFY(whole.open(QIODevice::ReadOnly));
        QJsonObject json = QJsonDocument::fromJson(whole.readAll()).object();
        QJsonArray kept;
        const QJsonArray added = json[u"added_tokens"].toArray();
        for (const QJsonValue &token : added)
            if (token[u"id"].toInt() < 1272)
                kept.append(token);
        QCOMPARE(added.size() - kept.size(), 8);
        json[u"added_tokens"] = kept;
        QFile cut(folder.filePath(QStringLiteral("tokenizer.json")));
        QVERIFY(cut.open(QIODevice::WriteOnly) && cut.write(QJsonDocument(json).toJson()) > 0);
        cut.close();
        for (const char *name : {"config.json", "tokenizer_config.json", "processor_config.json", "model.safetensors"})
            QVERIFY(QFile::link(source + QString::fromLatin1(name), folder.filePath(QString::fromLatin1(name))));
        const auto files = engine::ModelFiles::open(folder.path().toStdString());
        QVERIFY2(files.ok(), files.ok() ? "" : files.error().message.c_str());
        const auto tokenizer = (*files)->loadTokenizer();
        QVERIFY2(tokenizer.ok(), tokenizer.ok() ? "" : tokenizer.error().message.c_str());
        for (const QJsonValue &token : added)
            QCOMPARE((*tokenizer)->id(token[u"content"].toString().toStdString()).value_or(-1), token[u"id"].toInt());
        QCOMPARE(engine::chooseChatFormat(**files, **tokenizer).format->id(), std::string_view("deepseek-vl2"));
    }
};

QTEST_APPLESS_MAIN(TestMiniVl)
#include "tst_mini_vl.moc"
