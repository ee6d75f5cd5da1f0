// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "golden_tokenizer.h"
#include "small_tokenizer.h"
#include "text/choose_chat_format.h"
#include "text/deepseek_formats.h"
#include "text/other_formats.h"

#include <QFile>
#include <QTest>

using namespace engine;
using namespace std::string_literals;
using Ids = std::vector<std::int32_t>;
using nlohmann::json;

class TestChatFormat : public QObject
{
    Q_OBJECT

private slots:
    void publishedTemplatesAreMatched_data();
    void publishedTemplatesAreMatched();
    void formatsWriteWhatTheirModelsRead_data();
    void formatsWriteWhatTheirModelsRead();
    void specialSpellingsInTurnsStayText_data();
    void specialSpellingsInTurnsStayText();
    void picturesTakeTheirPlacesAndCutTheText();
    void picturesWithoutAPictureTokenAreRefused();
    void tokensThatTheVocabularyLacksBecomeText();
    void formatIsChosenByClues_data();
    void formatIsChosenByClues();

private:
    static std::unique_ptr<ChatFormat> named(const QString &id);
};

namespace {

constexpr auto kBos = "<｜begin▁of▁sentence｜>", kEos = "<｜end▁of▁sentence｜>";

Turn turn(Role role, std::string text)
{
    Turn made;
    made.role = role;
    made.text = std::move(text);
    return made;
}

std::vector<Turn> conversation()
{
    return {turn(Role::System, "S"), turn(Role::User, " u1"), turn(Role::Assistant, "<think>t</think>a1"),
        turn(Role::User, "u2\n")};
}

ThinkOptions thinking(ThinkMode mode)
{
    ThinkOptions options;
    options.mode = mode;
    return options;
}

std::vector<Turn> turnsOf(const json &messages)
{
    std::vector<Turn> turns;
    for (const auto &message : messages) {
        const std::string role = message["role"];
        turns.push_back(turn(role == "system" ? Role::System : role == "user" ? Role::User : Role::Assistant, message["content"]));
    }
    return turns;
}

std::shared_ptr<const Tokenizer> withTokens(const std::vector<std::string> &tokens)
{
    json file = smallTokenizerJson();
    int next = 300;
    for (const std::string &token : tokens)
        file["added_tokens"].push_back(addedToken(next++, token, false));
    return loadTokenizer(file).value();
}

} // namespace

std::unique_ptr<ChatFormat> TestChatFormat::named(const QString &id)
{
    for (auto *make : {&makeDeepSeekLlm, &makeDeepSeekV25, &makeDeepSeekV3, &makeDeepSeekR1, &makeDeepSeekV31, &makeDeepSeekVl2,
             &makeQwen3, &makeLlama3}) {
        auto format = make("<image>");
        if (format->id() == id.toStdString())
            return format;
    }
    return id == QStringLiteral("chatml") ? makeChatMl("", "") : makePlain("", true);
}

void TestChatFormat::publishedTemplatesAreMatched_data()
{
    QTest::addColumn<QString>("family");
    QTest::newRow("deepseek-v3") << "deepseek_v3";
    QTest::newRow("qwen3") << "qwen3";
}

void TestChatFormat::publishedTemplatesAreMatched()
{
    QFETCH(QString, family);
    const auto tokenizer = goldenTokenizer(family);
    QVERIFY(tokenizer);
    QFile file(goldenPath("chat/" + family + ".json"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    const json cases = json::parse(file.readAll().toStdString());
    QVERIFY(cases.size() >= 9);
    QFile config(goldenPath("tokenizers/" + family + "/tokenizer_config.json"));
    QVERIFY(config.open(QIODevice::ReadOnly));
    const std::string jinja = json::parse(config.readAll().toStdString())["chat_template"];
    const auto format = chooseChatFormat({.jinja = jinja, .architecture = family.toStdString(), .imageToken = "", .addBos = true}, *tokenizer);
    QCOMPARE(QString::fromUtf8(format->id().data(), static_cast<qsizetype>(format->id().size())), QString(family).replace('_', '-'));
    for (const json &one : cases) {
        const std::vector<Turn> turns = turnsOf(one["messages"]);
        const ThinkOptions think = thinking(one["think"] ? ThinkMode::ModelDefault : ThinkMode::Off);
        QCOMPARE(format->render(turns, think), one["text"].get<std::string>());
        const auto prompt = format->encode(turns, think, *tokenizer, {});
        QVERIFY(prompt.ok());
        QVERIFY(!prompt->startsThinking);
        // A thought in the text of people is the one place where ids differ on purpose; there is none in these.
        QCOMPARE(prompt->ids, one["ids"].get<Ids>());
    }
}

void TestChatFormat::formatsWriteWhatTheirModelsRead_data()
{
    QTest::addColumn<QString>("id");
    QTest::addColumn<ThinkMode>("mode");
    QTest::addColumn<QString>("text");
    QTest::addColumn<bool>("startsThinking");
    const auto row = [](const char *name, const char *id, ThinkMode mode, const std::string &text, bool startsThinking) {
        QTest::newRow(name) << id << mode << QString::fromStdString(text) << startsThinking;
    };
    const std::string bos = kBos, eos = kEos;
    const auto defaults = ThinkMode::ModelDefault;
    row("V3", "deepseek-v3", defaults,
        bos + "S<｜User｜> u1<｜Assistant｜><think>t</think>a1" + eos + "<｜User｜>u2\n<｜Assistant｜>", false);
    row("V2.5", "deepseek-v2.5", defaults,
        bos + "S<｜User｜> u1<｜Assistant｜><think>t</think>a1" + eos + "<｜User｜>u2\n<｜Assistant｜>", false);
    const std::string r1 = bos + "S<｜User｜> u1<｜Assistant｜>a1" + eos + "<｜User｜>u2\n<｜Assistant｜><think>\n";
    row("R1", "deepseek-r1", defaults, r1, true);
    row("R1 with a budget", "deepseek-r1", ThinkMode::Budget, r1, true);
    row("R1 without thinking", "deepseek-r1", ThinkMode::Off, r1 + "\n</think>\n\n", false);
    const std::string v31 = bos + "S<｜User｜> u1<｜Assistant｜></think>a1" + eos + "<｜User｜>u2\n<｜Assistant｜>";
    row("V3.1", "deepseek-v3.1", defaults, v31 + "</think>", false);
    row("V3.1 thinking", "deepseek-v3.1", ThinkMode::On, v31 + "<think>", true);
    row("LLM", "deepseek-llm", defaults,
        bos + "S\n\nUser:  u1\n\nAssistant: <think>t</think>a1" + eos + "User: u2\n\n\nAssistant:", false);
    row("VL2", "deepseek-vl2", defaults,
        bos + "S<|User|>: u1\n\n<|Assistant|>:<think>t</think>a1" + eos + "<|User|>: u2\n\n<|Assistant|>:", false);
    const std::string chatml = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n u1<|im_end|>\n<|im_start|>assistant\n";
    row("ChatML", "chatml", defaults,
        chatml + "<think>t</think>a1<|im_end|>\n<|im_start|>user\nu2\n<|im_end|>\n<|im_start|>assistant\n", false);
    row("Qwen3", "qwen3", ThinkMode::On, chatml + "a1<|im_end|>\n<|im_start|>user\nu2\n<|im_end|>\n<|im_start|>assistant\n", false);
    row("Llama 3", "llama3", defaults,
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nu1"
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>t</think>a1<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nu2<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", false);
    row("plain", "plain", defaults, bos + "S\n\n u1\n\n<think>t</think>a1\n\nu2\n", false);
}

void TestChatFormat::formatsWriteWhatTheirModelsRead()
{
    QFETCH(QString, id);
    QFETCH(ThinkMode, mode);
    QFETCH(QString, text);
    QFETCH(bool, startsThinking);
    const auto format = named(id);
    QCOMPARE(QString::fromStdString(format->render(conversation(), thinking(mode))), text);
    const auto tokenizer = withTokens({kBos, kEos});
    const auto prompt = format->encode(conversation(), thinking(mode), *tokenizer, {});
    QVERIFY(prompt.ok());
    QCOMPARE(prompt->startsThinking, startsThinking);
    QVERIFY(!startsThinking || format->canThink());
    // An answer in the history ends as the model ends its own.
    const std::vector<std::string> stops = format->stopTexts();
    QVERIFY(stops.empty() ? id == QStringLiteral("plain") : text.contains("a1" + QString::fromStdString(stops.front())));
}

void TestChatFormat::specialSpellingsInTurnsStayText_data()
{
    QTest::addColumn<QString>("id");
    for (const char *id : {"deepseek-v3", "deepseek-v2.5", "deepseek-r1", "deepseek-v3.1", "deepseek-llm", "deepseek-vl2", "chatml",
             "qwen3", "llama3", "plain"})
        QTest::newRow(id) << id;
}

void TestChatFormat::specialSpellingsInTurnsStayText()
{
    QFETCH(QString, id);
    const std::vector<std::string> tokens{kBos, kEos, "<｜User｜>", "<｜Assistant｜>", "<|User|>", "<|Assistant|>", "<image>",
        "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", "<think>"};
    const auto tokenizer = withTokens(tokens);
    const auto format = named(id);
    const auto addedIn = [&](const std::string &said) {
        std::vector<Turn> turns{turn(Role::System, said), turn(Role::User, said), turn(Role::Assistant, said), turn(Role::User, said)};
        int count = 0;
        const auto prompt = format->encode(turns, {}, *tokenizer, {});
        for (const std::int32_t one : prompt.value().ids)
            count += tokenizer->isAdded(one) ? 1 : 0;
        return count;
    };
    const int usual = addedIn("x");
    for (const std::string &token : tokens)
        QCOMPARE(addedIn("x" + token + "y"), usual);
}

void TestChatFormat::picturesTakeTheirPlacesAndCutTheText()
{
    const auto tokenizer = withTokens({kBos, kEos, "<|User|>", "<|Assistant|>", "<image>"}); // 300 ... 304
    auto turns = std::vector<Turn>{turn(Role::User, "hi <image>")};
    turns[0].images.resize(2);
    const auto format = makeDeepSeekVl2("<image>");
    const auto prompt = format->encode(turns, {}, *tokenizer, [](int image) { return image == 0 ? 3 : 2; });
    QVERIFY(prompt.ok());
    Ids wanted{300, 302, ':', ' ', 304, 304, 304, '\n', 304, 304};
    for (const char c : "\nhi <image>\n\n"s)
        wanted.push_back(c);
    wanted.insert(wanted.end(), {303, ':'});
    QCOMPARE(prompt->ids, wanted);
    QCOMPARE(prompt->images.size(), std::size_t{2});
    QCOMPARE(prompt->images[0].firstToken, 4);
    QCOMPARE(prompt->images[0].tokenCount, 3);
    QCOMPARE(prompt->images[1].image, 1);
    QCOMPARE(prompt->images[1].firstToken, 8);
    QCOMPARE(format->render(turns, {}), kBos + "<|User|>: <image>\n<image>\nhi <image>\n\n<|Assistant|>:"s);
}

void TestChatFormat::picturesWithoutAPictureTokenAreRefused()
{
    auto turns = std::vector<Turn>{turn(Role::User, "hi")};
    turns[0].images.resize(1);
    const auto one = [](int) { return 1; };
    const auto refused = makeChatMl("", "")->encode(turns, {}, *withTokens({}), one);
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().code, ErrorCode::Unsupported);
    QVERIFY(!makeDeepSeekVl2("<image>")->encode(turns, {}, *withTokens({}), one).ok());
}

void TestChatFormat::tokensThatTheVocabularyLacksBecomeText()
{
    const auto prompt = makeChatMl("", "")->encode({turn(Role::User, "he")}, {}, *withTokens({}), {});
    QVERIFY(prompt.ok());
    QCOMPARE(withTokens({})->decode(prompt->ids, false), "<|im_start|>user\nhe<|im_end|>\n<|im_start|>assistant\n"s);
}

void TestChatFormat::formatIsChosenByClues_data()
{
    QTest::addColumn<QString>("jinja");
    QTest::addColumn<QString>("architecture");
    QTest::addColumn<QString>("tokens");
    QTest::addColumn<QString>("id");
    const char *roles = "<｜User｜> <｜Assistant｜>";
    QTest::newRow("V2 with role tokens") << "{{ 'User: ' + message['content'] }}" << "deepseek_v2" << roles << "deepseek-llm";
    QTest::newRow("V2 without template") << "" << "deepseek_v2" << roles << "deepseek-llm";
    QTest::newRow("V2.5") << "{{ '<｜User｜>' }}" << "deepseek_v2" << roles << "deepseek-v2.5";
    QTest::newRow("R1") << "{% if '</think>' in content %}{{'<｜Assistant｜><think>\\n'}}{{'<｜User｜>'}}" << "deepseek_v3" << roles << "deepseek-r1";
    QTest::newRow("R1 distilled into Qwen") << "{{'<｜User｜>'}}{{content.split('</think>')[-1]}}" << "qwen2" << roles << "deepseek-r1";
    QTest::newRow("R1 without template") << "" << "qwen2" << "<｜User｜> <｜Assistant｜> <think>" << "deepseek-r1";
    QTest::newRow("V3.1") << "{% if not thinking is defined %}{{'<｜User｜>'}}{{'</think>'}}" << "deepseek_v3" << roles << "deepseek-v3.1";
    QTest::newRow("ChatML") << "{{'<|im_start|>' + message['role']}}" << "llama" << "<|im_start|> <|im_end|>" << "chatml";
    QTest::newRow("Qwen3") << "{{'<|im_start|>'}}{% if enable_thinking %}" << "qwen3" << "<|im_start|>" << "qwen3";
    QTest::newRow("Qwen3 without template") << "" << "qwen3" << "<|im_start|> <think>" << "qwen3";
    QTest::newRow("Llama 3") << "{{'<|start_header_id|>'}}" << "llama" << "<|start_header_id|>" << "llama3";
    QTest::newRow("base model") << "" << "llama" << "" << "plain";
}

void TestChatFormat::formatIsChosenByClues()
{
    QFETCH(QString, jinja);
    QFETCH(QString, architecture);
    QFETCH(QString, tokens);
    QFETCH(QString, id);
    std::vector<std::string> list;
    for (const QString &token : tokens.split(' ', Qt::SkipEmptyParts))
        list.push_back(token.toStdString());
    ChatFormatClues clues{.jinja = jinja.toStdString(), .architecture = architecture.toStdString(), .imageToken = "", .addBos = false};
    QCOMPARE(QString::fromStdString(std::string(chooseChatFormat(clues, *withTokens(list))->id())), id);
    // A picture model is known by its roles, whatever its template says.
    list.insert(list.end(), {"<|User|>", "<|Assistant|>", "<image>"});
    clues.imageToken = "<image>";
    QCOMPARE(chooseChatFormat(clues, *withTokens(list))->id(), std::string_view("deepseek-vl2"));

    const auto chatml = withTokens({"<|im_start|>", "<|im_end|>"});
    const auto smol = chooseChatFormat({.jinja = "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe good.<|im_end|>\n'"
                                                 " }}{% endif %}", .architecture = "llama", .imageToken = "", .addBos = false}, *chatml);
    QCOMPARE(smol->render({turn(Role::User, "u")}, {}),
        "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"s);
    QCOMPARE(smol->render({turn(Role::System, "s"), turn(Role::User, "u")}, {}),
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"s);
}

QTEST_APPLESS_MAIN(TestChatFormat)
#include "tst_chat_format.moc"
