// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The command line as scripts use it: exit codes, JSON keys and files, with the embedded model.
#include <QtTest>

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>

#include <cmath>
#include <csignal>
#include <cstring>
#include <sys/resource.h>

namespace {

struct Outcome {
    int code = -1;
    QByteArray out, err;
    QJsonObject json() const { return QJsonDocument::fromJson(out).object(); }
};

void prepare(QProcess &process, const QStringList &arguments)
{
    process.setProgram(QStringLiteral(DIPTYCH_CLI));
    process.setArguments(arguments);
}

Outcome finish(QProcess &process)
{
    process.closeWriteChannel();
    Outcome outcome;
    if (process.state() != QProcess::NotRunning && !process.waitForFinished(25000)) {
        process.kill();
        process.waitForFinished();
        return outcome;
    }
    outcome.code = process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -2;
    outcome.out = process.readAllStandardOutput();
    outcome.err = process.readAllStandardError();
    return outcome;
}

Outcome run(const QStringList &arguments, const QByteArray &input = {})
{
    QProcess process;
    prepare(process, arguments);
    process.start();
    process.waitForStarted();
    process.write(input);
    return finish(process);
}

QString picture()
{
    return QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/mini-vl/small.png");
}

} // namespace

class TestCli : public QObject {
    Q_OBJECT

private slots:
    void initTestCase();
    void wrongUseEndsWithTwo_data();
    void wrongUseEndsWithTwo();
    void errorsHaveTheirCodes_data();
    void errorsHaveTheirCodes();
    void whereNoCardCanBeUsedAutoRunsOnTheProcessorAndSaysWhy();
    void askAnswersAndMeasures();
    void whereAnswersWithBoxes();
    void sameSeedSameAnswer();
    void guessedTokensChangeNoAnswer();
    void windowsAndExpertsAreObeyed();
    void compareShowsBoth();
    void tokenizeGoesThereAndBack();
    void scoreWritesOneRowAToken();
    void roundedPrecisionIsNearExactAndTheProcessors();
    void aWholeModelIsHeldToTheBit();
    void adaptersAreApplied();
    void inspectAndModelsDescribe();
    void benchHasItsKeys();
    void evalCountsAndBounds();
    void interruptEndsWithItsCode();
    void littleMemoryIsAnAnswerNotACrash_data();
    void littleMemoryIsAnAnswerNotACrash();

private:
    QString write(const QString &name, const QByteArray &bytes);
    QTemporaryDir m_folder;
};

QString TestCli::write(const QString &name, const QByteArray &bytes)
{
    QFile file(m_folder.filePath(name));
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
        qFatal("the test folder cannot be written");
    return file.fileName();
}

void TestCli::initTestCase()
{
    QVERIFY(m_folder.isValid());
    qputenv("XDG_DATA_HOME", m_folder.path().toUtf8()); // nothing of this machine's own
}

void TestCli::wrongUseEndsWithTwo_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::newRow("nothing") << QStringList{};
    QTest::newRow("unknown command") << QStringList{"sing"};
    QTest::newRow("unknown option") << QStringList{"ask", "--louder", "Hello"};
    QTest::newRow("no question") << QStringList{"ask"};
    QTest::newRow("number that is none") << QStringList{"ask", "--top-k", "many", "Hello"};
    QTest::newRow("unknown precision") << QStringList{"ask", "--precision", "half", "Hello"};
    QTest::newRow("empty question") << QStringList{"ask", " "};
    QTest::newRow("temperature below zero") << QStringList{"ask", "--temperature", "-1", "Hello"};
    QTest::newRow("unknown device") << QStringList{"ask", "--device", "toaster", "Hello"};
    QTest::newRow("card layers on the processor") << QStringList{"ask", "--gpu-layers", "3", "Hello"};
    QTest::newRow("no layer on the card") << QStringList{"ask", "--device", "cuda", "--gpu-layers", "0", "Hello"};
    QTest::newRow("half a layer") << QStringList{"ask", "--device", "cuda", "--gpu-layers", "1.5", "Hello"};
    QTest::newRow("bad thinking") << QStringList{"ask", "--think", "hard", "Hello"};
    QTest::newRow("bad experts") << QStringList{"ask", "--max-experts", "0", "Hello"};
    QTest::newRow("bench with guesses") << QStringList{"bench", "--speculative", "mtp"};
    QTest::newRow("one model to compare") << QStringList{"compare", "-m", "mini-vl", "Hello"};
    QTest::newRow("no token file")
        << QStringList{"score", "--tokens", "/nowhere", "--out", "/dev/null"};
    QTest::newRow("no suite") << QStringList{"eval", "--suite", "/nowhere"};
}

void TestCli::wrongUseEndsWithTwo()
{
    QFETCH(QStringList, arguments);
    const Outcome outcome = run(arguments);
    QCOMPARE(outcome.code, 2);
    QVERIFY(!outcome.err.isEmpty());
    QVERIFY(outcome.out.isEmpty());
}

void TestCli::errorsHaveTheirCodes_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<int>("code");
    const QString broken = write("broken.gguf", "GGUF and nothing more"),
                  page = write("page.png", "<html>no picture</html>");
    const QString ids = write("ids.txt", "1 2 3");
    QTest::newRow("unknown model") << QStringList{"ask", "-m", "no-such-model", "Hello"} << 3;
    QTest::newRow("broken model") << QStringList{"ask", "-m", broken, "Hello"} << 3;
    QTest::newRow("broken model inspected") << QStringList{"inspect", "-m", broken} << 3;
    QTest::newRow("folder that is no model")
        << QStringList{"ask", "-m", m_folder.path(), "Hello"} << 3;
    QTest::newRow("speculative decoding")
        << QStringList{"ask", "--speculative", "mtp", "Hello"} << 3; // mini-vl guesses nothing
    QTest::newRow("no picture") << QStringList{"ask", "-i", page, "Hello"} << 4;
    QTest::newRow("missing picture") << QStringList{"ask", "-i", "/nowhere.png", "Hello"} << 4;
    QTest::newRow("no such card") << QStringList{"ask", "--device", "cuda:99", "Hello"} << 6;
    QTest::newRow("context too short")
        << QStringList{"ask", "--context", "64", "-i", picture(), "What is this?"} << 8;
    QTest::newRow("question far beyond the context") << QStringList{"ask", QString(100000, 'a')} << 8;
    QTest::newRow("context fills up")
        << QStringList{"ask", "--context",    "32",  "--temperature", "5",    "--top-k",
                       "0",   "--max-tokens", "900", "--stop",        "\x01", "Hello"}
        << -8;
    QTest::newRow("no place for the logits")
        << QStringList{"score", "--tokens", ids, "--out", "/nowhere/logits"} << 9;
}

void TestCli::errorsHaveTheirCodes()
{
    QFETCH(QStringList, arguments);
    QFETCH(int, code);
    const Outcome outcome = run(arguments);
    if (code < 0) { // a hot answer may also end by itself
        QVERIFY(outcome.code == -code || outcome.code == 0);
        return;
    }
    QCOMPARE(outcome.code, code);
    QVERIFY(outcome.err.startsWith("diptych-cli: ") || outcome.err.contains("\ndiptych-cli: "));
}

void TestCli::whereNoCardCanBeUsedAutoRunsOnTheProcessorAndSaysWhy()
{
    const Outcome automatic = run({"ask", "--device", "auto", "--max-tokens", "4", "Hello"});
    QCOMPARE(automatic.code, 0);
    const Outcome card = run({"ask", "--device", "cuda", "--max-tokens", "4", "Hello"});
    if (card.code == 0)
        QSKIP("there is a card");
    QCOMPARE(card.code, 6);
    QVERIFY2(card.err.contains("On the processor it takes"), card.err.constData());
    QVERIFY2(automatic.err.contains("on the processor, because of the card: "), automatic.err.constData());
    QCOMPARE(automatic.out, run({"ask", "--max-tokens", "4", "Hello"}).out);
}

void TestCli::askAnswersAndMeasures()
{
    const QStringList question{"ask",          "-i", picture(),
                               "--max-tokens", "12", "How many shapes are there?"};
    const Outcome plain = run(question);
    QCOMPARE(plain.code, 0);
    QVERIFY(plain.err.contains("first token after"));
    const Outcome outcome = run(QStringList(question) << "--json");
    QCOMPARE(outcome.code, 0);
    const QJsonObject json = outcome.json();
    for (const char *key :
         {"prompt_tps", "generate_tps", "ttft_ms", "load_ms", "peak_rss_bytes", "device_bytes"})
        QVERIFY2(json[QLatin1String(key)].toDouble() > 0, key);
    QVERIFY(json["image_tokens"].toInt() > 0);
    QVERIFY(json["boxes"].isArray()); // mini-vl points at nothing
    QCOMPARE(json["prompt_tokens"].toInt(), json["prompt_ids"].toArray().size());
    QVERIFY(json["generated_ids"].toArray().size() <= 12);
    QCOMPARE(json["answer"].toString() + (json["answer"].toString().isEmpty() ? "" : "\n"),
             QString::fromUtf8(plain.out));
    QCOMPARE(json["model"].toString(), QStringLiteral("mini-vl"));
}

void TestCli::whereAnswersWithBoxes()
{
    const QStringList question{"ask", "--where", "-i", picture(), "red circle"};
    const Outcome outcome = run(QStringList(question) << "--json");
    QCOMPARE(outcome.code, 0);
    const QJsonArray boxes = outcome.json()["boxes"].toArray();
    QCOMPARE(boxes.size(), 1);
    const QJsonArray at = boxes[0].toObject()["box"].toArray();
    QVERIFY(at[0].toInt() < at[2].toInt() && at[1].toInt() < at[3].toInt());
    const QJsonArray pixels = boxes[0].toObject()["pixels"].toArray().at(0).toArray();
    QVERIFY(run(question).err.contains(QByteArray("red circle: pixels ") + QByteArray::number(pixels[0].toInt()) + ','));
    const Outcome blind = run({"ask", "--where", "red circle"});
    QCOMPARE(blind.code, 2);
    QVERIFY(blind.err.contains("no picture"));
}

void TestCli::sameSeedSameAnswer()
{
    const auto ids = [](const char *seed) {
        return run({"ask", "--json", "--temperature", "1.5", "--max-tokens", "24", "--seed", seed,
                    "Hello"})
            .json()["generated_ids"]
            .toArray();
    };
    const QJsonArray first = ids("7");
    QVERIFY(!first.isEmpty());
    QCOMPARE(ids("7"), first);
}

void TestCli::guessedTokensChangeNoAnswer()
{
    const QString model = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/models/deepseek-v3-mtp");
    const QStringList question{"ask",       "-m", model, "--precision", "exact", "--max-tokens",
                               "48", "What comes next?"};
    const Outcome plain = run(QStringList(question) << "--json");
    const Outcome guessed = run(QStringList(question) << "--json" << "--speculative" << "mtp");
    QVERIFY2(guessed.code == 0, guessed.err.constData());
    QVERIFY(!plain.json().contains("acceptance"));
    QCOMPARE(plain.json()["generated_ids"].toArray().size(), 48);
    QCOMPARE(guessed.json()["generated_ids"], plain.json()["generated_ids"]);
    QCOMPARE(guessed.json()["answer"], plain.json()["answer"]);
    const double drafted = guessed.json()["drafted_tokens"].toDouble(),
                 accepted = guessed.json()["accepted_tokens"].toDouble();
    QVERIFY(accepted > 0 && accepted < drafted);
    QCOMPARE(guessed.json()["acceptance"].toDouble(), accepted / drafted);
    const Outcome told = run(QStringList(question) << "--speculative" << "mtp");
    QVERIFY2(told.err.contains("acceptance"), told.err.constData());
}

void TestCli::windowsAndExpertsAreObeyed()
{
    // The window: logits of V3.2's golden model against those recorded for it.
    const QString golden = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/");
    const auto bytesOf = [](const QString &path) {
        QFile file(path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    };
    QString ids;
    for (const QJsonValue &id : QJsonDocument::fromJson(bytesOf(golden + "models/deepseek-v32/golden.json"))["ids"].toArray())
        ids += QString::number(id.toInt()) + ' ';
    const QString logits = m_folder.filePath("window.f32");
    const Outcome scored = run({"score", "-m", golden + "models/deepseek-v32", "--precision", "exact", "--attention-window", "20",
        "--tokens", write("window.txt", ids.toUtf8()), "--out", logits});
    QVERIFY2(scored.code == 0, scored.err.constData());
    const QByteArray found = bytesOf(logits), wanted = bytesOf(golden + "variants/deepseek-v32-window-20.f32");
    QVERIFY(!wanted.isEmpty());
    QCOMPARE(found.size(), wanted.size());
    float largest = 0, difference = 0;
    for (qsizetype at = 0; at < wanted.size(); at += 4) {
        float one = 0, other = 0;
        std::memcpy(&one, found.constData() + at, 4);
        std::memcpy(&other, wanted.constData() + at, 4);
        largest = std::max(largest, std::abs(other));
        difference = std::max(difference, std::abs(one - other));
    }
    QVERIFY2(difference < 1e-4F * largest, qPrintable(QString::number(static_cast<double>(difference))));

    // Experts: what the options do is held to goldens where they are read; here, that they arrive.
    const auto answer = [&](const QStringList &options) {
        return run(QStringList{"ask", "-m", golden + "models/deepseek-v3-mtp", "--precision", "exact", "--max-tokens", "12",
                       "--json", "What comes next?"} + options);
    };
    const auto generated = [&](const QStringList &options) { return answer(options).json()["generated_ids"].toArray(); };
    const QJsonArray own = generated({});
    QCOMPARE(own.size(), 12);
    QCOMPARE(generated({"--max-experts", "2"}), own); // as many as the model takes
    QVERIFY(generated({"--max-experts", "1"}) != own);
    QVERIFY(generated({"--stop-expert-ids", "0,1,2,3"}) != own);
    QCOMPARE(answer({"--max-experts", "auto"}).code, 0);
    const Outcome unknown = answer({"--stop-expert-ids", "99"});
    QCOMPARE(unknown.code, 2);
    QVERIFY2(unknown.out.contains("expert 99"), unknown.out.constData());
}

void TestCli::compareShowsBoth()
{
    const Outcome outcome = run({"compare", "-m", "mini-vl", "-m", "mini-vl-q4", "-i", picture(),
                                 "--max-tokens", "8", "--json", "What shape is it?"});
    QCOMPARE(outcome.code, 0);
    const QJsonArray answers = outcome.json()["answers"].toArray();
    QCOMPARE(answers.size(), 2);
    QCOMPARE(answers[0].toObject()["model"].toString(), QStringLiteral("mini-vl"));
    QCOMPARE(answers[1].toObject()["model"].toString(), QStringLiteral("mini-vl-q4"));
    QCOMPARE(outcome.json()["same"].toBool(),
             answers[0].toObject()["answer"] == answers[1].toObject()["answer"]);
}

void TestCli::tokenizeGoesThereAndBack()
{
    const QByteArray text("Two red circles, 两个红色圆形 <image>");
    const Outcome ids = run({"tokenize"}, text);
    QCOMPARE(ids.code, 0);
    QVERIFY(ids.out.split(' ').size() > 4);
    const Outcome back = run({"tokenize", "--decode"}, ids.out);
    QCOMPARE(back.code, 0);
    QCOMPARE(back.out, text);
    const Outcome chat = run({"tokenize", "--chat"}, "Hello");
    QCOMPARE(chat.code, 0);
    QVERIFY(chat.out.size() > run({"tokenize"}, "Hello").out.size());
    QCOMPARE(run({"tokenize", "--decode"}, "1 x").code, 2);

    // A conversation in JSON is one; its one question is the same as the text of it.
    QCOMPARE(run({"tokenize", "--chat"}, R"([{"role": "user", "content": "Hello"}])").out, chat.out);
    const QByteArray two = R"({"messages": [{"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi <|User|>"}], "add_generation_prompt": false})";
    const Outcome text2 = run({"tokenize", "--chat", "--text"}, two);
    QCOMPARE(text2.code, 0);
    QVERIFY2(text2.out.contains("Hello") && text2.out.contains("Hi <|User|>"), text2.out);
    QVERIFY(run({"tokenize", "--chat", "--text"}, "{\"Hello\": 1}").out.contains("{\"Hello\": 1}"));
    QCOMPARE(run({"tokenize", "--chat"}, R"([{"role": "boss", "content": "x"}])").code, 2);
    QCOMPARE(run({"tokenize", "--chat"}, R"([{"role": "user", "content": 3}])").code, 2);
    // The picture model's format has no tools.
    QCOMPARE(run({"tokenize", "--chat"}, R"({"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "t"}]})").code, 3);
}

void TestCli::scoreWritesOneRowAToken()
{
    const QString out = m_folder.filePath("logits.f32");
    const Outcome outcome = run(
        {"score", "--tokens", write("score.txt", "5 6\n7"), "--out", out, "--precision", "exact"});
    QCOMPARE(outcome.code, 0);
    const int vocabulary = run({"inspect", "--json"}).json()["vocabulary_size"].toInt();
    QVERIFY(vocabulary > 0);
    QCOMPARE(QFileInfo(out).size(), qint64(3) * vocabulary * 4);
}

void TestCli::roundedPrecisionIsNearExactAndTheProcessors()
{
    const QString model = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/models/llama");
    const QString ids = write("rounded.txt", "2 9 16 23 30 37 44 51");
    const auto score = [&](const QString &precision) {
        const QString out = m_folder.filePath(precision + ".f32");
        const Outcome outcome = run({"score", "-m", model, "--tokens", ids, "--out", out, "--precision", precision});
        QFile file(out);
        return outcome.code == 0 && file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    };
    const QByteArray exact = score("exact"), rounded = score("rounded");
    QVERIFY(!exact.isEmpty() && rounded.size() == exact.size());
    double difference = 0, size = 0;
    for (qsizetype i = 0; i < exact.size(); i += 4) {
        float a = 0, b = 0;
        memcpy(&a, exact.constData() + i, 4);
        memcpy(&b, rounded.constData() + i, 4);
        difference += (a - b) * (a - b);
        size += a * a;
    }
    QVERIFY(difference > 1e-6 * size && difference < 1e-3 * size);

    const Outcome card = run({"score", "-m", model, "--device", "cuda:0", "--tokens", ids, "--out", m_folder.filePath("card.f32"), "--precision", "rounded"});
    QCOMPARE(card.code, 2);
    QVERIFY2(card.err.contains("rounded"), card.err);
}

void TestCli::aWholeModelIsHeldToTheBit()
{
    const QString model = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/models/deepseek-v32");
    const Outcome outcome = run({"selftest", "-m", model, "--json"});
    QCOMPARE(outcome.code, 0);
    const auto rows = outcome.json()["rows"].toArray();
    QStringList operations;
    for (const QJsonValue &row : rows)
        operations += row.toObject()["operation"].toString();
    QCOMPARE(operations, QStringList({"model, beginning and ending one by one", "model, alone and among eight", "model, the same twice",
                                     "model, alone and among eight"}));
    QCOMPARE(run({"selftest", "-m", model, "--only", "twice", "--json"}).json()["checks"].toInt(), 1);
    QCOMPARE(run({"selftest", "--device", "cuda:x", "-m", model}).code, 2);
}

void TestCli::adaptersAreApplied()
{
    const QString goldens = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/");
    const QString adapter = goldens + "adapters/llama-lora";
    const auto read = [](const QString &path) {
        QFile file(path);
        const QByteArray bytes = file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
        std::vector<float> values(static_cast<std::size_t>(bytes.size()) / sizeof(float));
        std::memcpy(values.data(), bytes.constData(), values.size() * sizeof(float));
        return values;
    };
    QFile golden(adapter + "/golden.json");
    QVERIFY(golden.open(QIODevice::ReadOnly));
    QString ids;
    for (const QJsonValue &id : QJsonDocument::fromJson(golden.readAll()).object()["ids"].toArray())
        ids += QString::number(id.toInt()) + u' ';
    const QString tokens = write("lora.txt", ids.toUtf8()), out = m_folder.filePath("lora.f32");
    const auto score = [&](const QString &lora) {
        return run({"score", "-m", goldens + "models/llama", "--lora", lora, "--tokens", tokens, "--out", out, "--precision", "exact"});
    };
    QCOMPARE(score(adapter + ":1.0").code, 0);
    const std::vector<float> found = read(out), wanted = read(adapter + "/logits.f32");
    QCOMPARE(found.size(), wanted.size());
    QVERIFY(!wanted.empty());
    for (std::size_t i = 0; i < wanted.size(); ++i)
        QVERIFY(std::abs(found[i] - wanted[i]) < 1e-3F);
    QCOMPARE(score(goldens + "adapters/deepseek-v3-lora").code, 3);
    QCOMPARE(score("/no/such/adapter").code, 3);
    QCOMPARE(score(":0.5").code, 2);
}

void TestCli::inspectAndModelsDescribe()
{
    const QJsonObject info = run({"inspect", "--json"}).json();
    QCOMPARE(info["architecture"].toString(), QStringLiteral("deepseek_vl_v2"));
    QVERIFY(info["reads_pictures"].toBool());
    QVERIFY(info["tensors"].toArray().size() > 10);
    QVERIFY(info["memory"].toObject()["kv_bytes_per_token"].toInt() > 0);
    QVERIFY(run({"inspect"}).out.contains("deepseek_vl_v2"));
    QStringList names;
    for (const QJsonValue &model : run({"models", "--json"}).json()["models"].toArray())
        names << model.toObject()["name"].toString();
    QVERIFY(names.contains("mini-vl") && names.contains("mini-vl-q4"));
}

void TestCli::benchHasItsKeys()
{
    const Outcome outcome =
        run({"bench", "-p", "32", "-n", "4", "-d", "16", "-r", "2", "--batch", "2", "--json"});
    QCOMPARE(outcome.code, 0);
    for (const char *key : {"prompt_tps", "generate_tps", "ttft_ms", "load_ms", "peak_rss_bytes",
                            "device_bytes", "bandwidth_gbs", "bandwidth_share"})
        QVERIFY2(outcome.json()[QLatin1String(key)].toDouble() > 0, key);
    QVERIFY(run({"bench", "-i", picture(), "-p", "0", "-n", "2", "-r", "1", "--json"})
                .json()["ttft_ms"]
                .toDouble() > 0);
    QCOMPARE(run({"bench", "-p", "100000000"}).code, 8);
}

void TestCli::evalCountsAndBounds()
{
    QFile::copy(picture(), m_folder.filePath("a.png"));
    const QString suite = write(
        "suite.jsonl",
        "{\"image\":\"a.png\",\"question\":\"What shape is "
        "it?\",\"answer\":\"circle\",\"kind\":\"shape\"}\n\n"
        "{\"image\":\"a.png\",\"question\":\"How "
        "many?\",\"accept\":[\"1\",\"one\"],\"kind\":\"count\"}\n"
        "{\"image\":\"a.png\",\"question\":\"How "
        "many?\",\"accept\":[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"],\"kind\":\"count\"}\n");
    const Outcome outcome = run({"eval", "--suite", suite, "--json", "--max-tokens", "8"});
    QCOMPARE(outcome.code, 0);
    const QJsonObject json = outcome.json(), kinds = json["kinds"].toObject();
    QCOMPARE(json["total"].toInt(), 3);
    QCOMPARE(kinds["count"].toObject()["total"].toInt(), 2);
    QVERIFY(json["low"].toDouble() <= json["accuracy"].toDouble() &&
            json["accuracy"].toDouble() <= json["high"].toDouble());
    QCOMPARE(run({"eval", "--suite", write("bad.jsonl", "{\"question\":\"x\"}\n")}).code, 2);
    QCOMPARE(run({"eval", "--suite", write("torn.jsonl", "{\"question\":")}).code, 2);
    QCOMPARE(
        run({"eval", "--suite",
             write("lost.jsonl", "{\"image\":\"lost.png\",\"question\":\"x\",\"answer\":\"y\"}")})
            .code,
        4);
}

void TestCli::interruptEndsWithItsCode()
{
    QByteArray lines;
    constexpr int kQuestions = 100000;
    for (int i = 0; i < kQuestions; ++i)
        lines += "{\"question\":\"How many?\",\"answer\":\"1\"}\n";
    const QString suite = write("long.jsonl", lines);
    const QString ids = write("many.txt", QByteArray("1 2 3 4 5 6 7 8 ").repeated(500)), logits = m_folder.filePath("logits");
    const QList<QStringList> commands{{"eval", "--json", "--suite", suite}, {"bench", "--json", "-r", "1000"},
        {"bench", "--json", "-p", "4000", "-n", "4000"}, {"score", "--precision", "exact", "--tokens", ids, "--out", logits}};
    QList<Outcome> outcomes;
    for (const QStringList &command : commands) {
        QProcess process;
        prepare(process, command);
        process.start();
        QVERIFY(process.waitForStarted());
        QTest::qWait(1500);
        if (process.processId() > 0) // 0: it has ended, and kill() would mean the whole group
            ::kill(static_cast<pid_t>(process.processId()), SIGINT);
        outcomes.append(finish(process));
    }
    // What was done so far is still said.
    QCOMPARE(outcomes[0].code, 130);
    const int answered = outcomes[0].json()["total"].toInt(-1);
    QVERIFY(answered >= 0 && answered < kQuestions);
    QCOMPARE(outcomes[1].code, 130);
    const int rounds = outcomes[1].json()["repeat"].toInt();
    QVERIFY2(rounds > 0 ? rounds < 1000 && outcomes[1].json()["prompt_tps"].toDouble() > 0
                        : outcomes[1].json()["error"].toObject()["exit_code"].toInt() == 130, outcomes[1].out);
    QVERIFY(outcomes[2].code == 130 || outcomes[2].code == 0); // a fast machine may be done
    QVERIFY(outcomes[3].code == 130 || outcomes[3].code == 0);
    const qint64 rowBytes = QFileInfo(logits).size() / (outcomes[3].code == 0 ? 4000 : 1);
    QVERIFY(outcomes[3].code == 130 || rowBytes > 0);
}

void TestCli::littleMemoryIsAnAnswerNotACrash_data()
{
    QTest::addColumn<int>("mebibytes");
    for (const int size : {150, 250, 400, 700, 1500})
        QTest::addRow("%d MiB", size) << size;
}

void TestCli::littleMemoryIsAnAnswerNotACrash()
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    QSKIP("sanitizers need their address space");
#endif
    QFETCH(int, mebibytes);
    QProcess process;
    prepare(process, {"ask", "--threads", "2", "--max-tokens", "4", "Hello"});
    process.setChildProcessModifier([mebibytes] {
        const rlim_t bytes = static_cast<rlim_t>(mebibytes) << 20U;
        const rlimit limit{bytes, bytes};
        setrlimit(RLIMIT_AS, &limit);
    });
    process.start();
    QVERIFY(process.waitForStarted());
    const Outcome outcome = finish(process);
    QVERIFY2(outcome.code == 0 || outcome.code == 5,
             (QByteArray::number(outcome.code) + ": " + outcome.err).constData());
}

QTEST_GUILESS_MAIN(TestCli)
#include "tst_cli.moc"
