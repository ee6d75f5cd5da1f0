// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The runtime with the embedded model on the processor: what only real kernels can break.
#include "engine/runtime.h"
#include "runtime/work_signal.h"

#include <QtTest>

#include <cmath>
#include <numeric>

using namespace engine;

namespace {

struct Run {
    std::string text;
    std::vector<GenerationEvent> events;
    Finished end;
};

} // namespace

class TestAnswers : public QObject {
    Q_OBJECT

private slots:
    void initTestCase();
    void sameSeedSameAnswerAloneOrWithSevenOthers();
    void knownPictureIsNotLookedAtAgain();
    void anotherPictureIsAnotherPrompt();
    void observationsAreOfThePicture();
    void cancelWhileLookingAnswersAtOnce();
    void textIsWholeCodePoints();
    void cleanupTestCase();

private:
    static std::shared_ptr<const Image> picture(int width, int height, std::uint8_t number);
    GenerationRequest ask(std::vector<std::shared_ptr<const Image>> images, const char *question,
                          int maxTokens, float temperature = 0.0F, std::uint64_t seed = 0) const;
    std::vector<Run> run(std::vector<GenerationRequest> requests);

    std::unique_ptr<Runtime> m_runtime;
    ModelId m_model = 0;
};

// Stripes of a colour of its own; the hash stands for the decoder's.
std::shared_ptr<const Image> TestAnswers::picture(int width, int height, std::uint8_t number)
{
    auto image = std::make_shared<Image>();
    image->width = width;
    image->height = height;
    for (int pixel = 0; pixel < width * height; ++pixel) {
        const bool stripe = pixel % width / 24 % 2 == 0;
        for (const int value : {stripe ? 240 : 20, number * 40, stripe ? 30 : 200})
            image->rgb.push_back(static_cast<std::uint8_t>(value));
    }
    image->sha256[0] = number;
    image->sha256[1] = static_cast<std::uint8_t>(width);
    return image;
}

GenerationRequest TestAnswers::ask(std::vector<std::shared_ptr<const Image>> images,
                                   const char *question, int maxTokens, float temperature,
                                   std::uint64_t seed) const
{
    GenerationRequest request;
    request.model = m_model;
    request.turns = {
        {.role = Role::User, .text = question, .thinking = {}, .images = std::move(images)}};
    request.sampling.temperature = temperature;
    request.sampling.seed = seed;
    request.sampling.maxTokens = maxTokens;
    return request;
}

std::vector<Run> TestAnswers::run(std::vector<GenerationRequest> requests)
{
    auto signal = std::make_shared<WorkSignal>();
    std::vector<std::unique_ptr<Generation>> generations;
    for (auto &request : requests)
        generations.push_back(m_runtime->start(std::move(request), [signal] { signal->raise(); }));
    std::vector<Run> runs(generations.size());
    for (std::size_t ended = 0; ended < runs.size();) {
        signal->wait();
        for (std::size_t i = 0; i < runs.size(); ++i) {
            for (GenerationEvent &event : generations[i]->takeEvents()) {
                if (const auto *text = std::get_if<TextAdded>(&event))
                    runs[i].text += text->text;
                if (auto *end = std::get_if<Finished>(&event)) {
                    runs[i].end = *end;
                    ++ended;
                }
                runs[i].events.push_back(std::move(event));
            }
        }
    }
    return runs;
}

void TestAnswers::initTestCase()
{
    m_runtime = Runtime::create();
    LoadOptions options;
    options.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
    auto signal = std::make_shared<WorkSignal>();
    const auto load = m_runtime->load(options, [signal] { signal->raise(); });
    signal->wait();
    const auto result = load->takeResult();
    QVERIFY(result);
    QVERIFY2(result->ok(), result->ok() ? "" : result->error().message.c_str());
    m_model = **result;
    QCOMPARE(load->progress().doneBytes, load->progress().totalBytes);
}

void TestAnswers::sameSeedSameAnswerAloneOrWithSevenOthers()
{
    const auto image = picture(300, 200, 1);
    const auto wanted = ask({image}, "What is in this picture?", 40, 1.5F, 11);
    const auto alone = run({wanted})[0].end.generatedIds;
    QVERIFY(!alone.empty());
    std::vector<GenerationRequest> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(i == 3
                          ? wanted
                          : ask({picture(200 + 40 * i, 220, static_cast<std::uint8_t>(i % 3))},
                                "How many shapes?", 30 + i, 1.5F, static_cast<std::uint64_t>(i)));
    QVERIFY(run(std::move(all))[3].end.generatedIds == alone);
}

void TestAnswers::knownPictureIsNotLookedAtAgain()
{
    const auto image = picture(320, 240, 4);
    const auto first = run({ask({image}, "What shape is it?", 10)})[0];
    QVERIFY(first.end.usage.lookMs > 0);
    QVERIFY(first.end.usage.imageTokens > 0);
    const auto again = run({ask({image}, "What shape is it?", 10)})[0];
    QCOMPARE(again.end.usage.lookMs, 0.0);
    QVERIFY(again.end.usage.cachedTokens > first.end.usage.imageTokens / 2);
    QVERIFY(again.end.generatedIds == first.end.generatedIds);
}

void TestAnswers::anotherPictureIsAnotherPrompt()
{
    const auto one = ask({picture(256, 256, 1)}, "What shape is it?", 1);
    const auto two = ask({picture(256, 256, 5)}, "What shape is it?", 1);
    auto observed = std::vector{one, two};
    for (auto &request : observed)
        request.observe.alternatives = 5;
    const auto runs = run(std::move(observed));
    QVERIFY(runs[0].end.promptIds ==
            runs[1].end.promptIds); // the ids are the same; the pixels are not
    std::vector<float> best;
    for (const Run &each : runs) {
        for (const auto &event : each.events) {
            if (const auto *record = std::get_if<TokenRecord>(&event))
                best.push_back(record->alternatives[0].probability);
        }
    }
    if (best.size() == 2) // none of the two ended at once
        QVERIFY(best[0] != best[1]);
}

void TestAnswers::observationsAreOfThePicture()
{
    auto request = ask({picture(400, 200, 2), picture(200, 400, 3)}, "Which is larger?", 6);
    request.observe = {.alternatives = 3, .routing = true, .attention = true};
    const Run result = run({std::move(request)})[0];
    int attentions = 0, routings = 0;
    for (const auto &event : result.events) {
        if (const auto *record = std::get_if<AttentionRecord>(&event)) {
            const float share =
                std::accumulate(record->weights.begin(), record->weights.end(), 0.0F);
            QVERIFY(share > 0.0F && share < 1.0F);
            QVERIFY(record->image == 0 ? record->columns > record->rows
                                       : record->columns < record->rows);
            ++attentions;
        }
        if (const auto *record = std::get_if<RoutingRecord>(&event)) {
            QVERIFY(!record->layers.empty());
            for (const auto &layer : record->layers)
                QCOMPARE(layer.experts.size(), layer.weights.size());
            ++routings;
        }
        if (const auto *record = std::get_if<TokenRecord>(&event)) {
            QVERIFY(record->probability > 0.0F && record->probability <= 1.0F);
            QVERIFY(record->alternatives[0].probability >= record->alternatives[1].probability);
        }
    }
    const int tokens = result.end.usage.answerTokens;
    QCOMPARE(attentions, 2 * tokens);
    QCOMPARE(routings, tokens);
}

void TestAnswers::cancelWhileLookingAnswersAtOnce()
{
    auto signal = std::make_shared<WorkSignal>();
    const auto generation = m_runtime->start(ask({picture(1000, 700, 3)}, "What is it?", 10),
                                             [signal] { signal->raise(); });
    bool isLooking = false;
    while (!isLooking) {
        signal->wait();
        for (const auto &event : generation->takeEvents()) {
            const auto *phase = std::get_if<PhaseChanged>(&event);
            isLooking |= phase && phase->phase == Phase::Looking;
        }
    }
    const auto begin = std::chrono::steady_clock::now();
    generation->cancel();
    const auto events = generation->takeEvents();
    QVERIFY(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(100));
    QVERIFY(std::get<Finished>(events.back()).reason == FinishReason::Cancelled);
    QVERIFY(!run({ask({}, "Hello", 3)})[0].end.error); // and the engine goes on
}

void TestAnswers::textIsWholeCodePoints()
{
    const Run result = run({ask({}, "你好", 200, 3.0F, 5)})[0];
    for (const auto &event : result.events) {
        if (const auto *text = std::get_if<TextAdded>(&event)) {
            const QByteArray bytes = QByteArray::fromStdString(text->text);
            QCOMPARE(QString::fromUtf8(bytes).toUtf8(), bytes);
        }
    }
}

void TestAnswers::cleanupTestCase()
{
    QCOMPARE(m_runtime->models()[0].memory.kvUsedBytes, std::uint64_t{0});
    m_runtime.reset();
}

QTEST_APPLESS_MAIN(TestAnswers)
#include "tst_answers.moc"
