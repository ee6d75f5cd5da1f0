// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/models/golden.h"
#include "engine/vision/drawn_picture.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

#include <array>
#include <cstring>

// Logits of tiny random models, computed in float32 by transformers or by plain torch
// (tests/golden/make_goldens.py).
class TestGoldenLogits : public QObject {
    Q_OBJECT

private:
    static void addTextModels()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"llama", "llama-tied-linear", "qwen2", "qwen3-yarn", "deepseek-v2-greedy",
                 "deepseek-v2-group-yarn", "deepseek-v3-yarn", "deepseek-vl2-base-text", "deepseek-vl2-tiny-text",
                 "deepseek-v3-fp8", "deepseek-moe", "deepseek-v3-mtp", "deepseek-v32", "deepseek-v32-mtp", "gptq-4bit",
                 "gptq-4bit-act-order", "gptq-3bit-v2", "gptq-2bit-one-group", "gptq-8bit-v2", "awq", "llama-dtypes"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    static void compareExactly(const std::vector<float> &found, const Golden &golden)
    {
        const float error = worstRowError(found, golden.logits, golden.vocabulary);
        QVERIFY2(error < 1e-4F, qPrintable(QStringLiteral("relative error %1").arg(static_cast<double>(error))));
        for (std::size_t row = 0; row < golden.ids.size(); ++row)
            QCOMPARE(bestColumn(found, row, golden.vocabulary), bestColumn(golden.logits, row, golden.vocabulary));
    }

private slots:
    void promptAndDecodeEqualTheReference_data() { addTextModels(); }
    void promptAndDecodeEqualTheReference()
    {
        QFETCH(QString, name);
        const Golden golden = readGolden(name);
        QVERIFY(golden.ids.size() >= 40);
        for (const char *isa : {"reference", ""}) { // the plain kernels, and the best of this machine
            const auto runner = loadRunner(golden, {.threads = 2, .exact = true, .isa = isa});
            QVERIFY(runner);
            std::vector<float> found;
            const engine::Status status = feedInPieces(*runner, golden.ids, {17, 14, 2}, found);
            QVERIFY2(status.ok(), status.ok() ? "" : status.error().message.c_str());
            compareExactly(found, golden);
        }
    }
    void wholePromptAtOnceIsTheSame_data() { addTextModels(); }
    void wholePromptAtOnceIsTheSame()
    {
        QFETCH(QString, name);
        const Golden golden = readGolden(name);
        const auto runner = loadRunner(golden, {.threads = 1, .exact = true});
        QVERIFY(runner);
        std::vector<float> found;
        QVERIFY(feedInPieces(*runner, golden.ids, {golden.ids.size()}, found).ok());
        compareExactly(found, golden);
    }
    void quantisationMayStandInAFileOfItsOwn_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("file");
        QTest::newRow("AutoGPTQ") << QStringLiteral("gptq-4bit-act-order") << QStringLiteral("quantize_config.json");
        QTest::newRow("AutoAWQ") << QStringLiteral("awq") << QStringLiteral("quant_config.json");
    }
    void quantisationMayStandInAFileOfItsOwn()
    {
        QFETCH(QString, name);
        QFETCH(QString, file);
        Golden golden = readGolden(name);
        QTemporaryDir folder;
        QFile config(golden.folder + QStringLiteral("/config.json"));
        QVERIFY(config.open(QIODevice::ReadOnly));
        QJsonObject json = QJsonDocument::fromJson(config.readAll()).object();
        QJsonObject quantisation = json.take(QStringLiteral("quantization_config")).toObject();
        quantisation.remove(QStringLiteral("quant_method"));
        const auto write = [&](const QString &to, const QJsonObject &object) {
            QFile target(folder.filePath(to));
            return target.open(QIODevice::WriteOnly) && target.write(QJsonDocument(object).toJson()) > 0;
        };
        QVERIFY(write(QStringLiteral("config.json"), json) && write(file, quantisation));
        QVERIFY(QFile::copy(golden.folder + QStringLiteral("/model.safetensors"), folder.filePath(QStringLiteral("model.safetensors"))));
        golden.folder = folder.path();
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        std::vector<float> found;
        QVERIFY(feedInPieces(*runner, golden.ids, {golden.ids.size()}, found).ok());
        compareExactly(found, golden);
    }
    void ggufFilesAreTheSameModels_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("file");
        const auto row = [](const char *title, const char *name, const char *file) {
            QTest::newRow(title) << QString::fromLatin1(name) << QString::fromLatin1(file);
        };
        row("permuted rows and divisors", "llama", "llama");
        row("rows as they are, and biases", "qwen2", "qwen2");
        row("norms on q and k, and YaRN", "qwen3-yarn", "qwen3-yarn");
        row("softmax routing", "deepseek-v2-greedy", "deepseek-v2-greedy");
        row("softmax routing in groups, YaRN with a small magnitude", "deepseek-v2-group-yarn", "deepseek-v2-group-yarn");
        row("permuted rows and stacked experts", "deepseek-moe", "deepseek-moe");
        row("stacked experts and absorbed heads", "deepseek-v3-yarn", "deepseek-v3-yarn");
        row("whole latent matrices", "deepseek-v3-yarn", "deepseek-v3-yarn-whole");
        row("NVFP4 with a scale a matrix", "deepseek-v3-nvfp4", "deepseek-v3-nvfp4");
        row("an indexer and absorbed heads", "deepseek-v32", "deepseek-v32");
        row("both forms, in three parts", "deepseek-v3-yarn", "deepseek-v3-yarn-both-00001-of-00003");
        row("both forms, opened by its last part", "deepseek-v3-yarn", "deepseek-v3-yarn-both-00003-of-00003");
    }
    void ggufFilesAreTheSameModels()
    {
        QFETCH(QString, name);
        QFETCH(QString, file);
        Golden golden = readGolden(name);
        golden.folder = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/gguf/%1.gguf").arg(file);
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        QVERIFY(runner->files->isGguf());
        std::vector<float> found;
        QVERIFY(feedInPieces(*runner, golden.ids, {50, 20}, found).ok());
        compareExactly(found, golden);
    }
    void nativePrecisionStaysClose_data() { addTextModels(); }
    void nativePrecisionStaysClose()
    {
        QFETCH(QString, name);
        const Golden golden = readGolden(name);
        const auto runner = loadRunner(golden, {.threads = 2});
        QVERIFY(runner);
        std::vector<float> found;
        QVERIFY(feedInPieces(*runner, golden.ids, {33, 20}, found).ok());
        const float error = worstRowError(found, golden.logits, golden.vocabulary);
        QVERIFY2(error < 0.05F, qPrintable(QStringLiteral("relative error %1").arg(static_cast<double>(error))));
    }
    void requantisedModelsAnswerAlike()
    {
        const Golden golden = readGolden(QStringLiteral("llama"));
        for (const char *kind : {"q8_0", "q4_0"}) {
            engine::LoadOptions load;
            load.requantize = kind;
            const auto runner = loadRunner(golden, {.threads = 1}, load);
            QVERIFY(runner);
            std::vector<float> found;
            QVERIFY(feedInPieces(*runner, golden.ids, {40}, found).ok());
            int agree = 0;
            for (std::size_t row = 0; row < golden.ids.size(); ++row)
                agree += bestColumn(found, row, golden.vocabulary) == bestColumn(golden.logits, row, golden.vocabulary);
            const float error = worstRowError(found, golden.logits, golden.vocabulary);
            QVERIFY2(error > 1e-5F, "nothing was quantised");
            QVERIFY2(agree * 10 >= static_cast<int>(golden.ids.size()) * (std::strcmp(kind, "q8_0") == 0 ? 9 : 4),
                qPrintable(QString::number(agree)));
        }
    }
    // The MTP layer's logits, read in pieces: each row takes the hidden state of its token and the token after it.
    void guessesEqualTheReference_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("gguf");
        QTest::newRow("safetensors") << QStringLiteral("deepseek-v3-mtp") << false;
        QTest::newRow("GGUF") << QStringLiteral("deepseek-v3-mtp") << true;
        QTest::newRow("V3.2, which selects tokens") << QStringLiteral("deepseek-v32-mtp") << false;
    }
    void guessesEqualTheReference()
    {
        QFETCH(QString, name);
        QFETCH(bool, gguf);
        Golden golden = readGolden(name);
        const std::vector<float> wanted = readFloats(golden.folder + QStringLiteral("/guesses.f32"));
        const std::size_t count = golden.ids.size() - 1;
        QCOMPARE(wanted.size(), count * golden.vocabulary);
        if (gguf)
            golden.folder = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/gguf/deepseek-v3-mtp.gguf");
        engine::LoadOptions load;
        load.speculative = engine::Speculative::Mtp;
        for (const char *isa : {"reference", ""}) {
            const auto runner = loadRunner(golden, {.threads = 2, .exact = true, .isa = isa}, load);
            QVERIFY(runner);
            QVERIFY(runner->model.text->canDraft());
            std::vector<float> logits, guesses;
            std::size_t first = 0;
            for (const std::size_t piece : {std::size_t{33}, std::size_t{1}, std::size_t{14}, count - 48}) {
                const auto from = golden.ids.begin() + static_cast<std::ptrdiff_t>(first);
                const auto size = static_cast<std::ptrdiff_t>(piece);
                QVERIFY(runner->feed({from, from + size}, logits).ok());
                const engine::Status status = runner->draft({from + 1, from + 1 + size}, guesses);
                QVERIFY2(status.ok(), status.ok() ? "" : status.error().message.c_str());
                first += piece;
            }
            const float error = worstRowError(guesses, wanted, golden.vocabulary);
            QVERIFY2(error < 1e-4F, qPrintable(QString::number(static_cast<double>(error))));
            const std::vector<float> main(golden.logits.begin(),
                golden.logits.begin() + static_cast<std::ptrdiff_t>(logits.size()));
            QVERIFY(worstRowError(logits, main, golden.vocabulary) < 1e-4F);
        }
    }
    void twoSequencesInOneStepDoNotMix()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-v3-yarn"));
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        // Rows of the golden sequence (25, then the rest) beside another sequence, in one step.
        std::vector<float> found;
        const std::vector<std::int32_t> firstBlocks{9, 3, 7, 1, 12}, secondBlocks{2, 15, 4, 5, 6};
        std::size_t done = 0;
        for (const std::size_t count : {std::size_t{25}, golden.ids.size() - 25}) {
            std::vector<std::int32_t> ids(5, 11), positions(5), rows;
            std::iota(positions.begin(), positions.end(), static_cast<int>(done));
            for (std::size_t i = 0; i < count; ++i) {
                rows.push_back(static_cast<int>(ids.size()));
                ids.push_back(golden.ids[done + i]);
                positions.push_back(static_cast<int>(done + i));
            }
            const std::array<engine::KvSequence, 2> sequences{
                {{.firstRow = 0, .rowCount = 5, .firstPosition = static_cast<int>(done), .blocks = secondBlocks},
                    {.firstRow = 5, .rowCount = static_cast<int>(count), .firstPosition = static_cast<int>(done),
                        .blocks = firstBlocks}}};
            const std::size_t before = found.size();
            found.resize(before + count * golden.vocabulary);
            engine::Batch batch;
            batch.ids = ids;
            batch.positions = positions;
            batch.sequences = sequences;
            batch.cache = runner->cache.layers();
            batch.logitRows = rows;
            batch.logits = found.data() + before;
            QVERIFY(runner->model.text->forward(batch).ok());
            done += count;
        }
        compareExactly(found, golden);
    }
    void pictureAndTextEqualTransformers()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-vl2"));
        const std::vector<float> wanted = readFloats(golden.folder + QStringLiteral("/embeddings.f32"));
        QVERIFY(!wanted.empty());
        const QJsonObject picture = golden.json[u"picture"].toObject();
        const engine::Image image = drawPicture(picture[u"width"].toInt(), picture[u"height"].toInt(),
            static_cast<std::uint32_t>(picture[u"seed"].toInt()));
        for (const char *isa : {"reference", ""}) {
            const auto runner = loadRunner(golden, {.threads = 2, .exact = true, .isa = isa});
            QVERIFY(runner);
            QVERIFY(runner->model.vision);
            const engine::ImagePreprocessor &preprocessor = runner->model.vision->preprocessor();
            const engine::ImageTiles tiles = preprocessor.prepare(image, 1);
            QCOMPARE(tiles.plan.tilesWide, picture[u"tilesWide"].toInt());
            QCOMPARE(tiles.plan.tilesHigh, picture[u"tilesHigh"].toInt());
            std::vector<int> seen;
            auto embeddings = runner->model.vision->encode(tiles, {}, [&](int done, int) { seen.push_back(done); });
            QVERIFY2(embeddings.ok(), embeddings.ok() ? "" : embeddings.error().message.c_str());
            QCOMPARE(seen.back(), 1 + tiles.plan.tilesWide * tiles.plan.tilesHigh);
            const int hidden = runner->model.text->config().hidden;
            const engine::Tensor view = embeddings->view({tiles.plan.tokenCount, hidden});
            std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
            runner->backend->toHost(values.data(), view);
            const float error = worstRowError(values, wanted, static_cast<std::size_t>(hidden));
            QVERIFY2(error < 1e-4F, qPrintable(QStringLiteral("embeddings: relative error %1").arg(static_cast<double>(error))));

            std::vector<float> found;
            const engine::EmbeddingSplice splice{.firstRow = picture[u"firstRow"].toInt(), .embeddings = view};
            const engine::Status status = feedInPieces(*runner, golden.ids,
                {static_cast<std::size_t>(splice.firstRow + tiles.plan.tokenCount + 3), 11}, found, &splice);
            QVERIFY2(status.ok(), status.ok() ? "" : status.error().message.c_str());
            compareExactly(found, golden);
        }
    }
    void stoppedEncodeSaysCancelled()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-vl2"));
        const auto runner = loadRunner(golden, {.threads = 1});
        QVERIFY(runner);
        std::stop_source stop;
        stop.request_stop();
        const engine::ImageTiles tiles = runner->model.vision->preprocessor().prepare(drawPicture(100, 100, 1), 1);
        const auto result = runner->model.vision->encode(tiles, stop.get_token(), {});
        QVERIFY(!result.ok());
        QCOMPARE(result.error().code, engine::ErrorCode::Cancelled);
    }
    void observationsTellRoutingAndAttention()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-v3-yarn"));
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        std::vector<engine::RowObservation> seen;
        const std::vector<std::int32_t> rows{3, 39};
        engine::Batch batch;
        batch.observeRows = rows;
        batch.observeRouting = batch.observeAttention = true;
        batch.observations = &seen;
        std::vector<float> logits;
        const std::vector<std::int32_t> ids(golden.ids.begin(), golden.ids.begin() + 40);
        QVERIFY(runner->feed(ids, logits, {}, batch).ok());
        QCOMPARE(seen.size(), std::size_t{2});
        for (std::size_t i = 0; i < seen.size(); ++i) {
            QCOMPARE(seen[i].attention.size(), static_cast<std::size_t>(rows[i]) + 1);
            QVERIFY(std::abs(std::accumulate(seen[i].attention.begin(), seen[i].attention.end(), 0.0F) - 1.0F) < 1e-4F);
            QCOMPARE(seen[i].routing.layers.size(), std::size_t{2});
            for (const engine::RoutingRecord::Layer &layer : seen[i].routing.layers) {
                QVERIFY(layer.layer >= 1);
                QCOMPARE(layer.experts.size(), std::size_t{4});
                QVERIFY(std::abs(std::accumulate(layer.weights.begin(), layer.weights.end(), 0.0F) - 2.5F) < 1e-3F);
            }
        }
        const float error = worstRowError(logits,
            std::vector<float>(golden.logits.begin(), golden.logits.begin() + static_cast<std::ptrdiff_t>(logits.size())),
            golden.vocabulary);
        QVERIFY(error < 1e-4F); // looking changes nothing
    }
    void expertOptionsAreObeyed()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-v2-greedy"));
        const auto runner = loadRunner(golden, {.threads = 1, .exact = true});
        QVERIFY(runner);
        std::vector<engine::RowObservation> seen;
        const std::vector<std::int32_t> rows{0, 1, 2, 3, 4, 5};
        engine::Batch batch;
        batch.observeRows = rows;
        batch.observeRouting = true;
        batch.observations = &seen;
        batch.experts.maxExperts = 2;
        batch.experts.stopExpertIds = {0, 1, 2, 3, 4, 5, 6, 7};
        std::vector<float> logits;
        const std::vector<std::int32_t> ids(golden.ids.begin(), golden.ids.begin() + 6);
        QVERIFY(runner->feed(ids, logits, {}, batch).ok());
        for (const engine::RowObservation &row : seen)
            for (const engine::RoutingRecord::Layer &layer : row.routing.layers) {
                QCOMPARE(layer.experts.size(), std::size_t{2});
                QVERIFY(*std::min_element(layer.experts.begin(), layer.experts.end()) >= 8);
            }
        batch.experts.stopExpertIds = {16};
        const engine::Status wrong = runner->feed(ids, logits, {}, batch);
        QVERIFY(!wrong.ok());
        QCOMPARE(wrong.error().code, engine::ErrorCode::BadRequest);
        batch.experts.stopExpertIds = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        QVERIFY(!runner->feed(ids, logits, {}, batch).ok());
    }
    void slidingWindowForgetsWhatIsFar()
    {
        const Golden golden = readGolden(QStringLiteral("llama"));
        engine::LoadOptions load;
        load.attentionWindow = 8;
        const auto runner = loadRunner(golden, {.threads = 1, .exact = true}, load);
        QVERIFY(runner);
        std::vector<float> found;
        QVERIFY(feedInPieces(*runner, golden.ids, {40}, found).ok());
        const auto rowsOf = [&](const std::vector<float> &all, std::size_t first, std::size_t last) {
            return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(first * golden.vocabulary),
                all.begin() + static_cast<std::ptrdiff_t>(last * golden.vocabulary));
        };
        QVERIFY(worstRowError(rowsOf(found, 0, 8), rowsOf(golden.logits, 0, 8), golden.vocabulary) < 1e-4F);
        QVERIFY(worstRowError(rowsOf(found, 40, 80), rowsOf(golden.logits, 40, 80), golden.vocabulary) > 1e-2F);
    }
    void unknownTokenIsRefused()
    {
        const Golden golden = readGolden(QStringLiteral("llama"));
        const auto runner = loadRunner(golden, {.threads = 1});
        QVERIFY(runner);
        std::vector<float> logits;
        const engine::Status status = runner->feed({3, 96}, logits);
        QVERIFY(!status.ok());
        QCOMPARE(status.error().code, engine::ErrorCode::BadRequest);
        QVERIFY(status.error().message.find("96") != std::string::npos);
    }
};

QTEST_APPLESS_MAIN(TestGoldenLogits)
#include "tst_golden_logits.moc"
