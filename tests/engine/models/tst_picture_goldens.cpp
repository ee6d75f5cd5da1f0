// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/models/model_runner.h"
#include "support/forwarding_backend.h"
#include "support/plain_backend.h"
#include "engine/models/picture_golden.h"

#include <QTemporaryDir>
#include <QTest>

#include <algorithm>

using namespace engine;

namespace {

constexpr int kHidden = 32;

std::unique_ptr<ModelRunner> loadRunner(const PictureGolden &golden, const CpuBackendOptions &options)
{
    Result<std::unique_ptr<ModelRunner>> runner = ModelRunner::load(golden.folder.toStdString(), options, 24);
    if (!runner.ok()) {
        qWarning("%s", runner.error().message.c_str());
        return nullptr;
    }
    return std::move(runner).value();
}

// The processor as a card would be: its memory is its own, so products get columns in whole steps.
class FarBackend final : public tests::ForwardingBackend {
public:
    using ForwardingBackend::ForwardingBackend;
    std::vector<std::int64_t> columns; // of the weights of products
    bool hostMemory() const override { return false; }
    void linear(const LinearArgs &args) override
    {
        columns.push_back(args.weight->shape[args.weight->shape.rank - 1]);
        ForwardingBackend::linear(args);
    }
};

// The pictures of one prompt, looked at.
struct Seen {
    std::vector<Buffer> buffers;
    std::vector<Tensor> rows;
    std::vector<PictureMemory> memories;
    PictureMemory joined;
    const PictureMemory *memory = nullptr;
};

Result<Seen> look(ModelRunner &runner, const PictureGolden::Case &one)
{
    Seen seen;
    for (const PictureGolden::Picture &picture : one.pictures) {
        const ImageTiles tiles =
            runner.model.vision->preprocessor().prepare(*picture.image, static_cast<int>(one.pictures.size()));
        ENGINE_TRY(Buffer buffer, runner.model.vision->encode(tiles, {}, [](int, int) {}));
        seen.rows.push_back(buffer.view({tiles.plan.tokenCount, kHidden}));
        seen.buffers.push_back(std::move(buffer));
    }
    if (!runner.model.text->hasCrossModal() || one.pictures.empty())
        return seen;
    for (const Tensor &rows : seen.rows) {
        ENGINE_TRY(PictureMemory memory, runner.model.text->rememberPicture(rows));
        seen.memories.push_back(std::move(memory));
    }
    std::vector<const PictureMemory *> parts;
    for (const PictureMemory &memory : seen.memories)
        parts.push_back(&memory);
    ENGINE_TRY(seen.joined, runner.model.text->joinMemories(parts));
    return seen;
}

// Feeds rows [from, to) with what of the pictures stands among them.
Status feed(ModelRunner &runner, const PictureGolden::Case &one, const Seen &seen, std::size_t from, std::size_t to,
    std::vector<float> &logits, Batch batch = {})
{
    const std::vector<std::int32_t> ids(one.ids.begin() + static_cast<std::ptrdiff_t>(from),
        one.ids.begin() + static_cast<std::ptrdiff_t>(to));
    std::vector<EmbeddingSplice> splices;
    for (std::size_t i = 0; i < one.pictures.size(); ++i) {
        const auto first = static_cast<std::size_t>(one.pictures[i].firstRow);
        const std::size_t begin = std::max(first, from);
        const std::size_t end = std::min(first + static_cast<std::size_t>(one.pictures[i].tokens), to);
        if (begin >= end)
            continue;
        Tensor rows = seen.rows[i];
        rows.data += (begin - first) * kHidden * sizeof(float);
        rows.shape = {static_cast<std::int64_t>(end - begin), kHidden};
        splices.push_back({.firstRow = static_cast<int>(begin - from), .embeddings = rows});
    }
    const PictureMemory *memory = seen.joined.tokens > 0 ? &seen.joined : nullptr;
    batch.memories = std::span(&memory, 1);
    return runner.feed(ids, logits, splices, batch);
}

} // namespace

// Picture models of every text variant of DeepSeek-VL2, and one with cross-modal attention blocks, against float32
// logits of transformers and plain torch.
class TestPictureGoldens : public QObject {
    Q_OBJECT

private:
    static void addModels()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"deepseek-vl2-small", "deepseek-vl2-tiny", "deepseek-vl2-cross-modal"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    static void compare(const std::vector<float> &found, const PictureGolden &golden, const PictureGolden::Case &one)
    {
        const std::vector<float> wanted = golden.logitsOf(one);
        const float error = worstRowError(found, wanted, golden.vocabulary);
        QVERIFY2(error < 1e-4F, qPrintable(QStringLiteral("relative error %1").arg(static_cast<double>(error))));
        for (std::size_t row = 0; row < one.ids.size(); ++row)
            QCOMPARE(bestColumn(found, row, golden.vocabulary), bestColumn(wanted, row, golden.vocabulary));
    }

private slots:
    void picturesEqualTransformersTowerAndTorchProjector_data() { addModels(); }
    void picturesEqualTransformersTowerAndTorchProjector()
    {
        QFETCH(QString, name);
        const PictureGolden golden = readPictureGolden(name);
        QCOMPARE(golden.cases.size(), std::size_t{4});
        for (const char *isa : {"reference", ""}) {
            const auto runner = loadRunner(golden, {.threads = 2, .exact = true, .isa = isa});
            QVERIFY(runner);
            for (const PictureGolden::Case &one : golden.cases)
                for (const PictureGolden::Picture &picture : one.pictures) {
                    const ImageTiles tiles = runner->model.vision->preprocessor().prepare(*picture.image,
                        static_cast<int>(one.pictures.size()));
                    QCOMPARE(tiles.plan.tilesWide, picture.tilesWide);
                    QCOMPARE(tiles.plan.tilesHigh, picture.tilesHigh);
                    QCOMPARE(tiles.plan.tokenCount, picture.tokens);
                    auto rows = runner->model.vision->encode(tiles, {}, [](int, int) {});
                    QVERIFY(rows.ok());
                    const Tensor view = rows->view({picture.tokens, kHidden});
                    std::vector<float> found(static_cast<std::size_t>(picture.tokens) * kHidden);
                    runner->backend->toHost(found.data(), view);
                    const auto begin = golden.embeddings.begin()
                        + static_cast<std::ptrdiff_t>(picture.firstEmbedding * kHidden);
                    const float error =
                        worstRowError(found, {begin, begin + static_cast<std::ptrdiff_t>(found.size())}, kHidden);
                    QVERIFY2(error < 1e-4F, qPrintable(QString::number(static_cast<double>(error))));
                }
        }
    }
    void columnsFilledUpForACardChangeNothing()
    {
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-tiny"));
        auto inner = makeCpuBackend({.threads = 2, .exact = true});
        QVERIFY(inner.ok());
        FarBackend backend(std::move(inner).value());
        auto files = ModelFiles::open(golden.folder.toStdString());
        QVERIFY(files.ok());
        LoadOptions options;
        options.path = golden.folder.toStdString();
        options.precision = Precision::Exact;
        const auto model = loadModel({.files = *files, .backend = &backend, .options = options, .stop = {}, .doneBytes = nullptr});
        QVERIFY2(model.ok(), model.ok() ? "" : model.error().message.c_str());
        const PictureGolden::Picture &picture = golden.cases[1].pictures[0];
        const ImageTiles tiles =
            model->vision->preprocessor().prepare(*picture.image, static_cast<int>(golden.cases[1].pictures.size()));
        const auto rows = model->vision->encode(tiles, {}, [](int, int) {});
        QVERIFY(rows.ok());
        QVERIFY(std::ranges::find(backend.columns, 608) != backend.columns.end()); // 588 pixels of a patch
        QVERIFY(std::ranges::find(backend.columns, 128) != backend.columns.end()); // 97 of the middle
        std::vector<float> found(static_cast<std::size_t>(picture.tokens) * kHidden);
        backend.toHost(found.data(), rows->view({picture.tokens, kHidden}));
        const auto begin = golden.embeddings.begin() + static_cast<std::ptrdiff_t>(picture.firstEmbedding * kHidden);
        QVERIFY(worstRowError(found, {begin, begin + static_cast<std::ptrdiff_t>(found.size())}, kHidden) < 1e-4F);
    }
    void promptsWithNoneOneTwoAndThreePicturesEqualTheReference_data() { addModels(); }
    void promptsWithNoneOneTwoAndThreePicturesEqualTheReference()
    {
        QFETCH(QString, name);
        const PictureGolden golden = readPictureGolden(name);
        QCOMPARE(golden.cases.size(), std::size_t{4});
        for (const char *isa : {"reference", ""})
            for (const PictureGolden::Case &one : golden.cases) {
                const auto runner = loadRunner(golden, {.threads = 2, .exact = true, .isa = isa});
                QVERIFY(runner);
                auto seen = look(*runner, one);
                QVERIFY2(seen.ok(), seen.ok() ? "" : seen.error().message.c_str());
                // Cut inside pictures and inside text, the end token by token.
                std::vector<float> found;
                std::size_t from = 0;
                for (const std::size_t piece : {std::size_t{7}, std::size_t{20}, one.ids.size() - 32}) {
                    const std::size_t to = std::min(one.ids.size() - 3, from + piece);
                    if (from < to)
                        QVERIFY(feed(*runner, one, *seen, from, to, found).ok());
                    from = std::max(from, to);
                }
                for (; from < one.ids.size(); ++from)
                    QVERIFY(feed(*runner, one, *seen, from, from + 1, found).ok());
                compare(found, golden, one);
            }
    }
    void nativePrecisionStaysClose_data() { addModels(); }
    void nativePrecisionStaysClose()
    {
        QFETCH(QString, name);
        const PictureGolden golden = readPictureGolden(name);
        const PictureGolden::Case &one = golden.cases.front();
        const auto runner = loadRunner(golden, {.threads = 2});
        QVERIFY(runner);
        auto seen = look(*runner, one);
        QVERIFY(seen.ok());
        std::vector<float> found;
        QVERIFY(feed(*runner, one, *seen, 0, one.ids.size(), found).ok());
        QVERIFY(worstRowError(found, golden.logitsOf(one), golden.vocabulary) < 0.05F);
    }
    void gatesAndAttentionOfTheBlocksAreObserved()
    {
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-cross-modal"));
        const PictureGolden::Case &one = golden.cases[1]; // two pictures
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        auto seen = look(*runner, one);
        QVERIFY(seen.ok());
        std::vector<RowObservation> observed;
        const int last = static_cast<int>(one.ids.size()) - 1;
        const std::vector<std::int32_t> rows{0, one.pictures[1].firstRow, last}; // text, picture, text
        Batch batch;
        batch.observeRows = rows;
        batch.observeAttention = true;
        batch.observations = &observed;
        std::vector<float> logits;
        QVERIFY(feed(*runner, one, *seen, 0, one.ids.size(), logits, batch).ok());
        compare(logits, golden, one); // looking changes nothing
        QCOMPARE(observed.size(), std::size_t{3});
        QVERIFY(observed[1].gates.empty() && observed[1].pictureAttention.empty());
        for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
            const auto row = one.firstLogits + static_cast<std::size_t>(rows[i]);
            QCOMPARE(observed[i].gates.size(), std::size_t{2});
            for (std::size_t block = 0; block < 2; ++block) {
                const ModalityGate &gate = observed[i].gates[block];
                QCOMPARE(gate.layer, block == 0 ? 0 : 2);
                QVERIFY(std::abs(gate.text - golden.shares[(row * 2 + block) * 2]) < 1e-4F);
                QVERIFY(std::abs(gate.image - golden.shares[(row * 2 + block) * 2 + 1]) < 1e-4F);
            }
            const std::vector<float> &attention = observed[i].pictureAttention;
            QCOMPARE(attention.size(), static_cast<std::size_t>(one.pictures[0].tokens + one.pictures[1].tokens));
            QVERIFY(std::abs(std::accumulate(attention.begin(), attention.end(), 0.0F) - 1.0F) < 1e-4F);
        }
    }
    void sequencesOfOneStepLookAtTheirOwnPictures()
    {
        // One decode row each of a prompt with one picture, one with none and one with two.
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-cross-modal"));
        const auto runner = loadRunner(golden, {.threads = 2, .exact = true});
        QVERIFY(runner);
        std::vector<Seen> seen;
        std::vector<std::vector<std::int32_t>> tables;
        std::vector<std::int32_t> ids, positions, logitRows;
        std::vector<KvSequence> sequences;
        std::vector<const PictureMemory *> memories;
        std::vector<float> wanted;
        std::int32_t next = 0;
        const std::vector<std::size_t> order{0, 3, 1};
        for (const std::size_t index : order) {
            const PictureGolden::Case &one = golden.cases[index];
            auto result = look(*runner, one);
            QVERIFY(result.ok());
            seen.push_back(std::move(result).value());
            std::vector<std::int32_t> table;
            for (std::size_t i = 0; i < (one.ids.size() + 15) / 16; ++i)
                table.push_back(next++);
            tables.push_back(std::move(table));
        }
        QVERIFY(static_cast<std::size_t>(next) <= runner->blocks.size());
        for (std::size_t i = 0; i < order.size(); ++i) {
            const PictureGolden::Case &one = golden.cases[order[i]];
            runner->blocks = tables[i];
            runner->position = 0;
            std::vector<float> logits;
            QVERIFY(feed(*runner, one, seen[i], 0, one.ids.size() - 1, logits).ok());
            ids.push_back(one.ids.back());
            positions.push_back(static_cast<int>(one.ids.size()) - 1);
            logitRows.push_back(static_cast<int>(i));
            sequences.push_back({.firstRow = static_cast<int>(i), .rowCount = 1,
                .firstPosition = positions.back(), .blocks = tables[i]});
            memories.push_back(seen[i].joined.tokens > 0 ? &seen[i].joined : nullptr);
            const std::vector<float> all = golden.logitsOf(one);
            wanted.insert(wanted.end(), all.end() - static_cast<std::ptrdiff_t>(golden.vocabulary), all.end());
        }
        std::vector<float> found(order.size() * golden.vocabulary);
        Batch batch;
        batch.ids = ids;
        batch.positions = positions;
        batch.sequences = sequences;
        batch.memories = memories;
        batch.cache = runner->cache.layers();
        batch.logitRows = logitRows;
        batch.logits = found.data();
        QVERIFY(runner->model.text->forward(batch).ok());
        const float error = worstRowError(found, wanted, golden.vocabulary);
        QVERIFY2(error < 1e-4F, qPrintable(QString::number(static_cast<double>(error))));
    }
    void blocksThatDoNotFitAreRefusedByName_data()
    {
        QTest::addColumn<QJsonValue>("section"); // of cross_modal
        QTest::addColumn<QByteArray>("word");
        const auto section = [](const QJsonArray &layers, int heads, int headDim) {
            return QJsonValue(QJsonObject{{QStringLiteral("layers"), layers}, {QStringLiteral("num_heads"), heads},
                {QStringLiteral("head_dim"), headDim}});
        };
        QTest::newRow("missing") << section({0, 1, 2}, 3, 12) << QByteArray("language.model.layers.1.cross_modal.norm.weight");
        QTest::newRow("surplus") << section({0}, 3, 12) << QByteArray("language.model.layers.2.cross_modal.");
        QTest::newRow("no section") << QJsonValue() << QByteArray("language.model.layers.0.cross_modal.");
        QTest::newRow("shape") << section({0, 2}, 4, 12) << QByteArray("language.model.layers.0.cross_modal.q_proj.weight");
        QTest::newRow("layer beyond") << section({0, 3}, 3, 12) << QByteArray("layer of a cross-modal block");
        QTest::newRow("twice") << section({2, 2}, 3, 12) << QByteArray("twice");
        QTest::newRow("no heads") << section({0, 2}, 0, 12) << QByteArray("cross-modal heads");
        QTest::newRow("absurd") << section({0, 2}, 3, 1 << 30) << QByteArray("cross-modal head");
        QTest::newRow("no layers") << section({}, 3, 12) << QByteArray("no layers");
        QTest::newRow("not a list") << QJsonValue(QJsonObject{{QStringLiteral("layers"), 2}}) << QByteArray("layers");
        QTest::newRow("negative") << section({-1}, 3, 12) << QByteArray("layers");
    }
    void blocksThatDoNotFitAreRefusedByName()
    {
        QFETCH(QJsonValue, section);
        QFETCH(QByteArray, word);
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-cross-modal"));
        QTemporaryDir folder;
        QFile::copy(golden.folder + QStringLiteral("/model.safetensors"), folder.filePath(QStringLiteral("model.safetensors")));
        QFile source(golden.folder + QStringLiteral("/config.json"));
        QVERIFY(source.open(QIODevice::ReadOnly));
        QJsonObject config = QJsonDocument::fromJson(source.readAll()).object();
        config[QStringLiteral("cross_modal")] = section;
        QFile target(folder.filePath(QStringLiteral("config.json")));
        QVERIFY(target.open(QIODevice::WriteOnly));
        target.write(QJsonDocument(config).toJson());
        target.close();
        const auto result = ModelRunner::load(folder.path().toStdString(), {.threads = 1}, 4);
        QVERIFY(!result.ok());
        const QByteArray message = QByteArray::fromStdString(result.error().message);
        QVERIFY2(result.error().code == ErrorCode::BadFile, message.constData());
        QVERIFY2(message.contains(word), message.constData());
    }
    void deviceWithoutTheBlocksRefusesTheModel()
    {
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-cross-modal"));
        auto files = ModelFiles::open(golden.folder.toStdString());
        QVERIFY(files.ok());
        tests::PlainBackend backend;
        const auto result = loadModel({.files = *files, .backend = &backend, .options = {}, .stop = {}});
        QVERIFY(!result.ok());
        QCOMPARE(result.error().code, ErrorCode::Unsupported);
        QVERIFY(result.error().message.find("cross-modal") != std::string::npos);
        QVERIFY(result.error().message.find("--device cpu") != std::string::npos);
    }
    void parametersOfTheBlocksAreCounted()
    {
        const PictureGolden golden = readPictureGolden(QStringLiteral("deepseek-vl2-cross-modal"));
        auto files = ModelFiles::open(golden.folder.toStdString());
        QVERIFY(files.ok());
        std::uint64_t stored = 0;
        for (const FileTensor &tensor : (*files)->tensors())
            if (!tensor.name.starts_with("vision.attn_pool."))
                stored += static_cast<std::uint64_t>(tensor.shape.elements());
        QCOMPARE(countParameters((*files)->config()).total, stored);
    }
};

QTEST_APPLESS_MAIN(TestPictureGoldens)
#include "tst_picture_goldens.moc"
