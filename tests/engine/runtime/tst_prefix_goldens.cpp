// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "support/scheduler_bench.h" // before Qt, whose `emit` hides a parameter's name

#include "engine/models/golden.h"

#include <QTest>

using namespace engine;
using Bench = tests::SchedulerBench;

namespace {

Result<std::unique_ptr<LoadedParts>> load(const QString &folder, Speculative speculative, int window = 0)
{
    LoadCounters progress;
    LoadOptions options;
    options.path = folder.toStdString();
    options.threads = 2;
    options.contextTokens = 128;
    options.precision = Precision::Exact;
    options.speculative = speculative;
    options.attentionWindow = window;
    return loadParts(options, {}, progress);
}

// Softmax of one row of golden logits.
std::vector<double> chancesOf(const Golden &golden, std::size_t row)
{
    const float *logits = golden.logits.data() + row * golden.vocabulary;
    const double largest = *std::max_element(logits, logits + golden.vocabulary);
    std::vector<double> chances(logits, logits + golden.vocabulary);
    double total = 0;
    for (double &chance : chances)
        total += chance = std::exp(chance - largest);
    for (double &chance : chances)
        chance /= total;
    return chances;
}

// The chances behind `ids` as the scheduler gives them, against the golden's.
void compareChances(const Golden &golden, std::size_t length, const tests::Run &run)
{
    const std::vector<double> chances = chancesOf(golden, length - 1);
    int compared = 0;
    for (const GenerationEvent &event : run.events)
        if (const auto *token = std::get_if<TokenRecord>(&event)) {
            QCOMPARE(token->alternatives.size(), golden.vocabulary);
            for (const TokenAlternative &choice : token->alternatives) {
                const double chance = chances[static_cast<std::size_t>(choice.id)];
                QVERIFY2(std::abs(static_cast<double>(choice.probability) - chance) < 1e-3 * chance + 1e-7,
                    qPrintable(QStringLiteral("%1: %2 and %3")
                                   .arg(choice.id)
                                   .arg(static_cast<double>(choice.probability))
                                   .arg(chance)));
                ++compared;
            }
        }
    QCOMPARE(compared, static_cast<int>(golden.vocabulary));
}

GenerationRequest beginningOf(const Golden &golden, std::size_t length)
{
    auto wanted = Bench::request({golden.ids.begin(), golden.ids.begin() + static_cast<std::ptrdiff_t>(length)}, 1);
    wanted.observe.alternatives = static_cast<int>(golden.vocabulary);
    return wanted;
}

} // namespace

// The golden contexts through scheduler and paged cache, with their beginnings left there by other requests.
class TestPrefixGoldens : public QObject {
    Q_OBJECT

private slots:
    void aReusedBeginningGivesTheReferencesChances_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("guesses");
        for (const char *name : {"llama", "llama-tied-linear", "qwen2", "qwen3-yarn", "deepseek-v2-greedy", "deepseek-v2-group-yarn",
                 "deepseek-v3-yarn", "deepseek-vl2-base-text", "deepseek-vl2-tiny-text", "deepseek-moe",
                 "deepseek-v3-mtp", "deepseek-v32", "deepseek-v32-mtp"})
            QTest::newRow(name) << QString::fromLatin1(name) << false;
        QTest::newRow("deepseek-v3-mtp that guesses") << QStringLiteral("deepseek-v3-mtp") << true;
        QTest::newRow("deepseek-v32-mtp that guesses") << QStringLiteral("deepseek-v32-mtp") << true;
    }
    void aReusedBeginningGivesTheReferencesChances()
    {
        QFETCH(QString, name);
        QFETCH(bool, guesses);
        const Golden golden = readGolden(name);
        auto loaded = load(golden.folder, guesses ? Speculative::Mtp : Speculative::None);
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().message.c_str());
        Bench bench(std::move(loaded).value());
        // Another question with the same first 50 ids; three whole pages of it are shared.
        std::vector<std::int32_t> other(golden.ids.begin(), golden.ids.begin() + 50);
        for (int i = 0; i < 20; ++i)
            other.push_back((golden.ids[static_cast<std::size_t>(50 + i)] + 1) % static_cast<int>(golden.vocabulary));
        (void)bench.finish({bench.start(Bench::request(other, 3))});
        for (const std::size_t length : {std::size_t{79}, std::size_t{65}, golden.ids.size()}) {
            const tests::Run run = bench.finish({bench.start(beginningOf(golden, length))})[0];
            QVERIFY(run.end->usage.cachedTokens >= 48);
            compareChances(golden, length, run);
        }
    }
    // A window, fewer and stopped experts, behind a beginning that was read in the same way; what others read with all
    // experts is no beginning of theirs.
    void variantsReuseTheirOwnBeginnings_data()
    {
        QTest::addColumn<QJsonObject>("variant");
        QFile file(QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/variants/variants.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        for (const QJsonValue &variant : QJsonDocument::fromJson(file.readAll()).array())
            QTest::newRow(qPrintable(variant[u"logits"].toString())) << variant.toObject();
    }
    void variantsReuseTheirOwnBeginnings()
    {
        QFETCH(QJsonObject, variant);
        Golden golden = readGolden(variant[u"model"].toString());
        const std::vector<float> own = golden.logits;
        golden.logits = readFloats(
            QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/variants/") + variant[u"logits"].toString());
        QCOMPARE(golden.logits.size(), own.size());
        auto loaded = load(golden.folder, Speculative::None, variant[u"window"].toInt());
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().message.c_str());
        Bench bench(std::move(loaded).value());
        ExpertOptions experts;
        experts.maxExperts = variant[u"maxExperts"].toInt();
        experts.automatic = variant[u"share"].toDouble() > 0;
        for (const QJsonValue &id : variant[u"stopped"].toArray())
            experts.stopExpertIds.push_back(id.toInt());
        const bool changesExperts = experts.maxExperts > 0 || experts.automatic || !experts.stopExpertIds.empty();
        (void)bench.finish({bench.start(beginningOf(golden, golden.ids.size()))}); // with all experts
        for (const std::size_t length : {std::size_t{65}, std::size_t{79}, golden.ids.size()}) {
            auto wanted = beginningOf(golden, length);
            wanted.experts = experts;
            const tests::Run run = bench.finish({bench.start(wanted)})[0];
            if (changesExperts && length == 65)
                QCOMPARE(run.end->usage.cachedTokens, 0);
            else
                QVERIFY(run.end->usage.cachedTokens >= 64);
            compareChances(golden, length, run);
        }
        if (!changesExperts)
            return;
        golden.logits = own;
        if (variant[u"window"].toInt() == 0) {
            const tests::Run again = bench.finish({bench.start(beginningOf(golden, 79))})[0];
            QVERIFY(again.end->usage.cachedTokens >= 64);
            compareChances(golden, 79, again);
        }
    }
};

QTEST_APPLESS_MAIN(TestPrefixGoldens)
#include "tst_prefix_goldens.moc"
