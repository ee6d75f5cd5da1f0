// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "golden_tokenizer.h"
#include "small_tokenizer.h"
#include "text/choose_chat_format.h"
#include "text/deepseek_formats.h"
#include "text/other_formats.h"
#include "text/tool_json.h"

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
    void vl2sProcessorIsMatched();
    void unknownTemplatesAreNamed();
    void toolsOfFormatsWithoutToolsAreRefused_data();
    void toolsOfFormatsWithoutToolsAreRefused();
    void brokenToolsAreRefused_data();
    void brokenToolsAreRefused();
    void jsonIsWrittenAsPythonDoes();
    void formatsWriteWhatTheirModelsRead_data();
    void formatsWriteWhatTheirModelsRead();
    void specialSpellingsInTurnsStayText_data();
    void specialSpellingsInTurnsStayText();
    void picturesTakeTheirPlacesAndCutTheText();
    void aTurnThatAsksWhereWrapsItsPhrase();
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

std::vector<Turn> turnsOf(const OrderedJson &messages)
{
    std::vector<Turn> turns;
    for (const auto &message : messages) {
        const std::string role = message["role"];
        turns.push_back(turn(role == "system" ? Role::System
                : role == "user"              ? Role::User
                : role == "tool"              ? Role::Tool
                                              : Role::Assistant,
            message["content"]));
        turns.back().thinking = message.value("reasoning_content", std::string());
        for (const auto &call : message.value("tool_calls", OrderedJson::array()))
            turns.back().toolCalls.push_back({call["function"]["name"], pythonJson(call["function"]["arguments"])});
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
    const std::string wanted = id.toStdString();
    for (auto *make : {&makeDeepSeekLlm, &makeDeepSeekVl2, &makeDeepSeekV32, &makeQwen3, &makeLlama3, &makeLlama31}) {
        auto format = make("<image>");
        if (format->id() == wanted)
            return format;
    }
    for (const DeepSeekV31Revision revision : {DeepSeekV31Revision::V31, DeepSeekV31Revision::V32Exp}) {
        auto format = makeDeepSeekV31("<image>", revision);
        if (format->id() == wanted)
            return format;
    }
    if (id == QStringLiteral("deepseek-r1"))
        return makeDeepSeekV3("<image>", {.id = "deepseek-r1", .opening = ThinkOpening::Format, .forgetsThoughts = true});
    if (id == QStringLiteral("deepseek-r1-0528"))
        return makeDeepSeekV3("<image>", {.id = "deepseek-r1-0528", .opening = ThinkOpening::Model,
                                             .rolesWithQuestion = true, .forgetsThoughts = true});
    if (id == QStringLiteral("deepseek-v2.5"))
        return makeDeepSeekV3("<image>", {.id = "deepseek-v2.5", .lastSystemOnly = true});
    if (id == QStringLiteral("deepseek-v3"))
        return makeDeepSeekV3("<image>", {});
    if (id == QStringLiteral("qwen2.5"))
        return makeQwen25("<image>", "D");
    return id == QStringLiteral("chatml") ? makeChatMl("", "") : makePlain("", true);
}

void TestChatFormat::publishedTemplatesAreMatched_data()
{
    QTest::addColumn<QString>("family");
    QTest::addColumn<QString>("id");
    QTest::addColumn<QString>("vocabulary");
    QTest::newRow("DeepSeek-V3") << "deepseek_v3" << "deepseek-v3" << "deepseek_v3";
    QTest::newRow("DeepSeek-V3-0324") << "deepseek_v3_0324" << "deepseek-v3-0324" << "deepseek_v3";
    QTest::newRow("DeepSeek-R1") << "deepseek_r1" << "deepseek-r1" << "deepseek_v3";
    QTest::newRow("DeepSeek-R1-0528") << "deepseek_r1_0528" << "deepseek-r1-0528" << "deepseek_v3";
    QTest::newRow("DeepSeek-R1-Distill") << "deepseek_r1_distill" << "deepseek-r1" << "";
    QTest::newRow("DeepSeek-V3.1") << "deepseek_v3_1" << "deepseek-v3.1" << "deepseek_v3";
    QTest::newRow("DeepSeek-V3.2-Exp") << "deepseek_v3_2_exp" << "deepseek-v3.2-exp" << "deepseek_v3";
    QTest::newRow("DeepSeek-V3.2") << "deepseek_v3_2" << "deepseek-v3.2" << "deepseek_v3";
    QTest::newRow("DeepSeek-V2.5") << "deepseek_v2_5" << "deepseek-v2.5" << "";
    QTest::newRow("DeepSeek-V2") << "deepseek_v2" << "deepseek-llm" << "";
    QTest::newRow("Qwen2") << "qwen2" << "chatml" << "qwen3";
    QTest::newRow("Qwen2.5") << "qwen2_5" << "qwen2.5" << "qwen3";
    QTest::newRow("Qwen3") << "qwen3" << "qwen3" << "qwen3";
    QTest::newRow("SmolLM2") << "smollm2" << "chatml" << "";
    QTest::newRow("Llama 3") << "llama3" << "llama3" << "";
    QTest::newRow("Llama 3.1") << "llama3_1" << "llama3.1" << "";
}

// Templates are not kept: the format is chosen by the words that the choice looks for in them.
void TestChatFormat::publishedTemplatesAreMatched()
{
    QFETCH(QString, family);
    QFETCH(QString, id);
    QFETCH(QString, vocabulary);
    const auto tokenizer = vocabulary.isEmpty() ? withTokens({kBos, kEos}) : goldenTokenizer(vocabulary);
    QVERIFY(tokenizer);
    QFile file(goldenPath("chat/" + family + ".json"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    const OrderedJson golden = OrderedJson::parse(file.readAll().toStdString());
    QVERIFY(golden["cases"].size() >= 20);
    std::vector<ToolDeclaration> tools;
    for (const auto &tool : golden["tools"])
        tools.push_back({tool.dump()});
    const bool isV32 = family == QStringLiteral("deepseek_v3_2");
    const auto chosen = chooseChatFormat({.jinja = golden["clues"]["jinja"], .architecture = isV32 ? "deepseek_v32" : "llama",
                                             .imageToken = "", .addBos = true}, *tokenizer);
    QCOMPARE(QString::fromStdString(std::string(chosen.format->id())), id);
    for (const auto &one : golden["cases"]) {
        const std::vector<Turn> turns = turnsOf(one["messages"]);
        ChatInput input{.turns = turns, .opensAnswer = one["opens"]};
        if (one["tools"])
            input.tools = tools;
        if (!one["think"].is_null())
            input.think = thinking(one["think"] ? ThinkMode::On : ThinkMode::Off);
        const auto text = chosen.format->render(input);
        if (!text.ok() || text.value() != one["text"])
            qWarning("%s, think %s", one["name"].get<std::string>().c_str(), one["think"].dump().c_str());
        QCOMPARE(QString::fromStdString(text.ok() ? text.value() : text.error().message),
            QString::fromStdString(one["text"].get<std::string>()));
        if (!one.contains("ids"))
            continue;
        const auto prompt = chosen.format->encode(input, *tokenizer, {});
        QVERIFY(prompt.ok());
        // A thought in the text of people is the one place where ids differ on purpose; there is none in these.
        QCOMPARE(prompt->ids, one["ids"].get<Ids>());
    }
}

// DeepSeek-VL2 has no template but a processor, which made these with mini-vl's tokenizer (make_vl2_chat.py).
void TestChatFormat::vl2sProcessorIsMatched()
{
    QFile file(goldenPath(QStringLiteral("chat/deepseek_vl2.json"))), vocabulary(QStringLiteral(
        DIPTYCH_SOURCE_DIR "/resources/models/mini-vl/tokenizer.json")), config(QStringLiteral(
        DIPTYCH_SOURCE_DIR "/resources/models/mini-vl/tokenizer_config.json"));
    QVERIFY(file.open(QIODevice::ReadOnly) && vocabulary.open(QIODevice::ReadOnly) && config.open(QIODevice::ReadOnly));
    const auto tokenizer = Tokenizer::fromJson(vocabulary.readAll().toStdString(), config.readAll().toStdString());
    QVERIFY2(tokenizer.ok(), tokenizer.ok() ? "" : tokenizer.error().message.c_str());
    const OrderedJson cases = OrderedJson::parse(file.readAll().toStdString());
    QVERIFY(cases.size() >= 14);
    const auto chosen = chooseChatFormat({.jinja = "", .architecture = "deepseek_vl_v2", .imageToken = "<image>", .addBos = true},
        **tokenizer);
    QCOMPARE(chosen.format->id(), std::string_view("deepseek-vl2"));
    const std::string_view picture = "<image>\n";
    for (const auto &one : cases) {
        std::vector<Turn> turns = turnsOf(one["messages"]);
        for (Turn &turn : turns)
            for (; turn.text.starts_with(picture); turn.text.erase(0, picture.size()))
                turn.images.push_back(nullptr);
        const ChatInput input{.turns = turns};
        QCOMPARE(QString::fromStdString(chosen.format->render(input).value()),
            QString::fromStdString(one["text"].get<std::string>()));
        const Ids wanted = one["ids"].get<Ids>();
        const auto pictures = one.value("pictures", OrderedJson::array()).size();
        // How many tokens a picture takes is tst_image_preprocessor's matter: each run of them counts as one here.
        Ids runs;
        const std::int32_t imageId = *tokenizer.value()->id("<image>");
        for (const std::int32_t id : wanted)
            if (id != imageId || runs.empty() || runs.back() != imageId)
                runs.push_back(id);
        const auto prompt = chosen.format->encode(input, **tokenizer, [](int) { return 1; });
        QVERIFY2(prompt.ok(), prompt.ok() ? "" : prompt.error().message.c_str());
        QCOMPARE(prompt->images.size(), pictures);
        QCOMPARE(prompt->ids, runs);
    }
}

// The templates that lie in the tree are known word for word; others are named in a warning.
void TestChatFormat::unknownTemplatesAreNamed()
{
    for (const char *family : {"deepseek_v3", "qwen3"}) {
        const auto tokenizer = goldenTokenizer(family);
        QFile config(goldenPath(QStringLiteral("tokenizers/%1/tokenizer_config.json").arg(family)));
        QVERIFY(tokenizer && config.open(QIODevice::ReadOnly));
        std::string jinja = json::parse(config.readAll().toStdString())["chat_template"];
        const auto choose = [&] {
            return chooseChatFormat({.jinja = jinja, .architecture = family, .imageToken = "", .addBos = false}, *tokenizer);
        };
        QCOMPARE(choose().warning, std::string());
        jinja += "  \n\n"; // what editors add
        QCOMPARE(choose().warning, std::string());
        jinja += "{{ 'Think twice.' }}";
        QVERIFY(choose().warning.find(choose().format->id()) != std::string::npos);
    }
    const auto unknown = chooseChatFormat({.jinja = "{{ '[INST]' }}", .architecture = "llama", .imageToken = "", .addBos = false},
        *withTokens({}));
    QCOMPARE(unknown.format->id(), std::string_view("plain"));
    QVERIFY(unknown.warning.find("unknown") != std::string::npos);
}

void TestChatFormat::toolsOfFormatsWithoutToolsAreRefused_data()
{
    QTest::addColumn<QString>("id");
    for (const char *id : {"deepseek-llm", "deepseek-vl2", "chatml", "llama3", "plain"})
        QTest::newRow(id) << id;
}

void TestChatFormat::toolsOfFormatsWithoutToolsAreRefused()
{
    QFETCH(QString, id);
    const auto format = named(id);
    std::vector<Turn> turns{turn(Role::User, "u")};
    const std::vector<ToolDeclaration> tools{{R"({"name": "t"})"}};
    QVERIFY(format->render({.turns = turns}).ok());
    QCOMPARE(format->render({.turns = turns, .tools = tools}).error().code, ErrorCode::Unsupported);
    turns.push_back(turn(Role::Assistant, ""));
    turns.back().toolCalls.push_back({"t", "{}"});
    QCOMPARE(format->render({.turns = turns}).error().code, ErrorCode::Unsupported);
}

void TestChatFormat::brokenToolsAreRefused_data()
{
    QTest::addColumn<QString>("tool");
    QTest::addColumn<QString>("words");
    QTest::newRow("not JSON") << "{" << "is not JSON";
    QTest::newRow("no object") << "[]" << "not a JSON object";
    QTest::newRow("no name") << "{}" << "name";
    QTest::newRow("name of a wrong kind") << R"({"function": {"name": 3}})" << "name";
    QTest::newRow("function of a wrong kind") << R"({"function": 3})" << "function";
    QTest::newRow("deep") << R"({"name": "t", "x": )" + QString(70, '[') + QString(70, ']') + "}" << "deeper";
    QTest::newRow("large") << R"({"name": ")" + QString(1 << 20, 'x') + "\"}" << "1 MiB";
    QTest::newRow("broken UTF-8") << QString() << "is not JSON";
}

void TestChatFormat::brokenToolsAreRefused()
{
    QFETCH(QString, tool);
    QFETCH(QString, words);
    const std::vector<Turn> turns{turn(Role::User, "u")};
    const std::vector<ToolDeclaration> tools{{tool.isNull() ? "{\"name\": \"\xC3\"}" : tool.toStdString()}};
    for (const char *id : {"deepseek-v3", "deepseek-v3.1", "deepseek-v3.2", "qwen2.5", "qwen3", "llama3.1"}) {
        const auto refused = named(id)->render({.turns = turns, .tools = tools});
        QVERIFY(!refused.ok());
        QCOMPARE(refused.error().code, ErrorCode::BadRequest);
        QVERIFY2(refused.error().message.find(words.toStdString()) != std::string::npos, refused.error().message.c_str());
    }
}

void TestChatFormat::jsonIsWrittenAsPythonDoes()
{
    const auto value = OrderedJson::parse(
        R"({"b": [1, -2.5, 1e15, 1e16, 0.0001, 1e-5, 123456.789, -0.0, 1.0], "a": {}, "c": [], "é\u0007\/": "\u00e9\"\n", "t": true, "n": null})");
    QCOMPARE(pythonJson(value),
        R"({"b": [1, -2.5, 1000000000000000.0, 1e+16, 0.0001, 1e-05, 123456.789, -0.0, 1.0], "a": {}, "c": [], "é\u0007/": "é\"\n", "t": true, "n": null})"s);
    QCOMPARE(pythonJson(OrderedJson::parse(R"({"a": [1], "b": {}})"), 2), "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}"s);
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
    row("R1-0528", "deepseek-r1-0528", defaults,
        bos + "S<｜User｜> u1<｜Assistant｜>a1" + eos + "<｜User｜>u2\n<｜Assistant｜>", false);
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
    const std::vector<Turn> turns = conversation();
    const ChatInput input{.turns = turns, .think = thinking(mode)};
    QCOMPARE(QString::fromStdString(format->render(input).value()), text);
    const auto tokenizer = withTokens({kBos, kEos});
    const auto prompt = format->encode(input, *tokenizer, {});
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
    for (const char *id : {"deepseek-v3", "deepseek-v2.5", "deepseek-r1", "deepseek-r1-0528", "deepseek-v3.1", "deepseek-v3.2-exp",
             "deepseek-v3.2", "deepseek-llm", "deepseek-vl2", "chatml", "qwen2.5", "qwen3", "llama3", "llama3.1", "plain"})
        QTest::newRow(id) << id;
}

void TestChatFormat::specialSpellingsInTurnsStayText()
{
    QFETCH(QString, id);
    const std::vector<std::string> tokens{kBos, kEos, "<｜User｜>", "<｜Assistant｜>", "<|User|>", "<|Assistant|>", "<image>",
        "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", "<think>",
        "</think>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
        "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<tool_call>",
        "</tool_call>", "<tool_response>", "</tool_response>", "｜DSML｜"};
    const auto tokenizer = withTokens(tokens);
    const auto format = named(id);
    const bool hasTools = !format->render({.turns = conversation(), .tools = std::vector<ToolDeclaration>{{"{}"}}}).ok()
        && format->render({.turns = conversation(), .tools = std::vector<ToolDeclaration>{{R"({"name": "t"})"}}}).ok();
    const auto addedIn = [&](const std::string &said) {
        std::vector<Turn> turns{turn(Role::System, said), turn(Role::User, said), turn(Role::Assistant, said), turn(Role::User, said)};
        std::vector<ToolDeclaration> tools;
        if (hasTools) {
            const std::string object = OrderedJson{{"k" + said, said}}.dump();
            turns.insert(turns.begin() + 3, {turn(Role::Assistant, said), turn(Role::Tool, said), turn(Role::Assistant, said)});
            turns[3].toolCalls.push_back({"n" + said, object});
            tools.push_back({OrderedJson{{"name", said}, {"description", said}, {"parameters", {{said, said}}}}.dump()});
        }
        int count = 0;
        const auto prompt = format->encode({.turns = turns, .tools = tools}, *tokenizer, {});
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
    const auto prompt = format->encode({.turns = turns}, *tokenizer, [](int image) { return image == 0 ? 3 : 2; });
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
    QCOMPARE(format->render({.turns = turns}).value(), kBos + "<|User|>: <image>\n<image>\nhi <image>\n\n<|Assistant|>:"s);
}

// `<|ref|>phrase<|/ref|>.` is how the authors ask (DeepSeek-VL2's README); only the format may write these tokens.
void TestChatFormat::aTurnThatAsksWhereWrapsItsPhrase()
{
    const auto tokenizer = withTokens({kBos, kEos, "<|User|>", "<|Assistant|>", "<image>", "<|ref|>", "<|/ref|>"}); // 300 ... 306
    auto turns = std::vector<Turn>{turn(Role::User, " a <|ref|> ")};
    turns[0].images.resize(1);
    turns[0].asksWhere = true;
    const auto format = makeDeepSeekVl2("<image>");
    QVERIFY(format->canLocate() && !makeQwen3("")->canLocate());
    QCOMPARE(format->render({.turns = turns}).value(),
        kBos + "<|User|>: <image>\n<|ref|>a <|ref|><|/ref|>.\n\n<|Assistant|>:"s);
    const auto prompt = format->encode({.turns = turns}, *tokenizer, [](int) { return 1; });
    QVERIFY(prompt.ok());
    QCOMPARE(std::ranges::count(prompt->ids, 305), 1); // the typed one stayed text
    QCOMPARE(std::ranges::count(prompt->ids, 306), 1);
}

void TestChatFormat::picturesWithoutAPictureTokenAreRefused()
{
    auto turns = std::vector<Turn>{turn(Role::User, "hi")};
    turns[0].images.resize(1);
    const auto one = [](int) { return 1; };
    const auto refused = makeChatMl("", "")->encode({.turns = turns}, *withTokens({}), one);
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().code, ErrorCode::Unsupported);
    QVERIFY(!makeDeepSeekVl2("<image>")->encode({.turns = turns}, *withTokens({}), one).ok());
}

void TestChatFormat::tokensThatTheVocabularyLacksBecomeText()
{
    const std::vector<Turn> turns{turn(Role::User, "he")};
    const auto prompt = makeChatMl("", "")->encode({.turns = turns}, *withTokens({}), {});
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
    QCOMPARE(QString::fromStdString(std::string(chooseChatFormat(clues, *withTokens(list)).format->id())), id);
    // A picture model is known by its roles, whatever its template says.
    list.insert(list.end(), {"<|User|>", "<|Assistant|>", "<image>"});
    clues.imageToken = "<image>";
    QCOMPARE(chooseChatFormat(clues, *withTokens(list)).format->id(), std::string_view("deepseek-vl2"));

    const auto chatml = withTokens({"<|im_start|>", "<|im_end|>"});
    const auto smol = chooseChatFormat({.jinja = "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe good.<|im_end|>\n'"
                                                 " }}{% endif %}", .architecture = "llama", .imageToken = "", .addBos = false}, *chatml);
    const std::vector<Turn> question{turn(Role::User, "u")}, both{turn(Role::System, "s"), turn(Role::User, "u")};
    QCOMPARE(smol.format->render({.turns = question}).value(),
        "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"s);
    QCOMPARE(smol.format->render({.turns = both}).value(),
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"s);
}

QTEST_APPLESS_MAIN(TestChatFormat)
#include "tst_chat_format.moc"
