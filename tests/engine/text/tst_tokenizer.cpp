// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "small_tokenizer.h"

#include <QElapsedTimer>
#include <QTest>

#include <algorithm>
#include <ctime>

using namespace engine;
using Ids = std::vector<std::int32_t>;
using nlohmann::json;

class TestTokenizer : public QObject
{
    Q_OBJECT

private slots:
    void mergesGoByRank();
    void everyByteRoundTrips();
    void specialSpellingsFromPeopleStayText();
    void longestAddedTokenWins();
    void addedTokenFlagsAreFollowed();
    void wordsAddedAsTokensAreTakenFromPlainText();
    void theConfigMayAddTokensAndNameTheEnds();
    void processorsTokensFollowTheLastOne();
    void brokenUtf8CountsAsReplacement();
    void composedFormIsUsedWhenAsked();
    void prefixSpaceAndDigits();
    void splitBehavioursMatchTheReference_data();
    void splitBehavioursMatchTheReference();
    void ignoredMergesTakeWholePieces();
    void missingBytesAreDroppedOrUnknown();
    void badFilesAreRefusedByName_data();
    void badFilesAreRefusedByName();
    void patternsThatExplodeAreStopped();
    void timeGrowsWithTheText();
    void longTextsAreGivenUpEarly();
    void ggufVocabularyIsRead();
};

namespace {

Ids encode(const json &file, std::string_view text, bool specials = true)
{
    auto tokenizer = loadTokenizer(file);
    if (!tokenizer.ok()) {
        qWarning("%s", tokenizer.error().message.c_str());
        return {-1};
    }
    return specials ? (*tokenizer)->encodeWithSpecials(text) : (*tokenizer)->encode(text);
}

json splitBy(const char *behaviour, bool invert = false)
{
    return {{"type", "Sequence"},
        {"pretokenizers",
            {{{"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behaviour}, {"invert", invert}},
                {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

} // namespace

void TestTokenizer::mergesGoByRank()
{
    QCOMPARE(encode(smallTokenizerJson(), "hello he"), (Ids{258, 'o', 260}));
    json pairs = smallTokenizerJson(); // newer files write merges as pairs
    json merges = json::array();
    for (const auto &merge : pairs["model"]["merges"]) {
        const std::string text = merge;
        merges.push_back({text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)});
    }
    pairs["model"]["merges"] = merges;
    QCOMPARE(encode(pairs, "hello he"), (Ids{258, 'o', 260}));
    // The long path (heap) and the short one (scan) agree: 41 letters, of which 40 pair up.
    const Ids ids = encode(smallTokenizerJson(), std::string(41, 'a'));
    QCOMPARE(ids.size(), std::size_t{11});
    QCOMPARE(ids.front(), 262);
    QCOMPARE(ids.back(), std::int32_t{'a'});
}

void TestTokenizer::everyByteRoundTrips()
{
    auto tokenizer = loadTokenizer(smallTokenizerJson());
    QVERIFY(tokenizer.ok());
    std::string text;
    for (char32_t c = 1; c < 0x3000; c += 7)
        appendUtf8(text, c);
    QCOMPARE((*tokenizer)->decode((*tokenizer)->encode(text), false), text);
    for (int byte = 0; byte < 256; ++byte)
        QCOMPARE((*tokenizer)->bytes(byte), std::string_view(std::string(1, static_cast<char>(byte))));
    QVERIFY((*tokenizer)->bytes(-1).empty());
    QVERIFY((*tokenizer)->bytes(1 << 30).empty());
    QVERIFY((*tokenizer)->encode("").empty());
}

void TestTokenizer::specialSpellingsFromPeopleStayText()
{
    json file = smallTokenizerJson();
    file["added_tokens"] = {addedToken(300, "<|User|>"), addedToken(301, "<image>", false), addedToken(302, "<think>", false)};
    const auto tokenizer = loadTokenizer(file);
    QVERIFY(tokenizer.ok());
    const std::string text = "<|User|>a<image><think>";
    QCOMPARE((*tokenizer)->encodeWithSpecials(text), (Ids{300, 'a', 301, 302}));
    for (const std::int32_t id : (*tokenizer)->encode(text))
        QVERIFY(!(*tokenizer)->isAdded(id));
    QCOMPARE((*tokenizer)->decode((*tokenizer)->encode(text), true), text);
    QCOMPARE((*tokenizer)->decode({300, 'a', 301}, true), std::string("a<image>"));
    QCOMPARE((*tokenizer)->size(), 303);
    QVERIFY((*tokenizer)->bytes(280).empty()); // a hole between vocabulary and added tokens
    QCOMPARE((*tokenizer)->id("<image>").value_or(-1), 301);
    QVERIFY(!(*tokenizer)->id("<nothing>"));
    QVERIFY((*tokenizer)->isSpecial(300) && !(*tokenizer)->isSpecial(301) && !(*tokenizer)->isAdded(280));
}

void TestTokenizer::longestAddedTokenWins()
{
    json file = smallTokenizerJson();
    file["added_tokens"] = {addedToken(300, "<a"), addedToken(301, "<a>"), addedToken(302, "a><")};
    QCOMPARE(encode(file, "x<a><a<a>"), (Ids{'x', 301, 300, 301}));
}

void TestTokenizer::addedTokenFlagsAreFollowed()
{
    json file = smallTokenizerJson();
    json strip = addedToken(300, "<s>");
    strip["lstrip"] = strip["rstrip"] = true;
    json word = addedToken(301, "foo");
    word["single_word"] = true;
    file["added_tokens"] = {strip, word};
    QCOMPARE(encode(file, "x \t<s>\n y"), (Ids{'x', 300, 'y'}));
    QCOMPARE(encode(file, "foo-foo"), (Ids{301, '-', 301}));
    QCOMPARE(encode(file, "foox"), (Ids{'f', 'o', 'o', 'x'}));
    QCOMPARE(encode(file, "\xC3\xA9" "foo"), (Ids{0xC3, 0xA9, 'f', 'o', 'o'})); // é is a word character
}

void TestTokenizer::wordsAddedAsTokensAreTakenFromPlainText()
{
    json file = smallTokenizerJson();
    file["added_tokens"] = {addedToken(300, "\xC3\xB8", false), addedToken(301, "<x>", false)};
    QCOMPARE(encode(file, "\xC3\xB8<x>", false), (Ids{300, '<', 'x', '>'}));
}

void TestTokenizer::theConfigMayAddTokensAndNameTheEnds()
{
    json file = smallTokenizerJson();
    file["added_tokens"] = {addedToken(300, "<s>")};
    const auto load = [&](const json &config) { return Tokenizer::fromJson(file.dump(), config.dump()); };
    const auto tokenizer = load({{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}},
        {"added_tokens_decoder",
            {{"300", {{"content", "<s>"}}}, {"301", {{"content", "</s>"}, {"special", true}}},
                {"97", {{"content", "<not a>"}}}, {"302", {{"content", "<image>"}}}}}});
    QVERIFY(tokenizer.ok());
    QCOMPARE((*tokenizer)->encodeWithSpecials("<s>a</s><image>"), (Ids{300, 'a', 301, 302}));
    QCOMPARE((*tokenizer)->bosId(), 300);
    QCOMPARE((*tokenizer)->eosId(), 301);
    QVERIFY(!(*tokenizer)->id("<not a>")); // its id is taken
    for (const char *id : {"-1", "x", "", "1e3", "99999999999999999999"})
        QVERIFY(!load({{"added_tokens_decoder", {{id, {{"content", "<z>"}}}}}}).ok());
    QVERIFY(!Tokenizer::fromJson(file.dump(), "{").ok());
    QCOMPARE(load({{"bos_token", "<none>"}}).value()->bosId(), -1);
}

void TestTokenizer::processorsTokensFollowTheLastOne()
{
    json file = smallTokenizerJson();
    file["added_tokens"] = {addedToken(305, "<there>")};
    const std::vector<std::string> wanted{"<new>", "<there>", "a", "<newer>"};
    const auto tokenizer = Tokenizer::fromJson(file.dump(), "", wanted);
    QVERIFY(tokenizer.ok());
    // As transformers' add_special_tokens: what is there keeps its id, in the vocabulary as among the added ones.
    QCOMPARE((*tokenizer)->encodeWithSpecials("b<new><there>a<newer>"), (Ids{'b', 306, 305, 'a', 307}));
    QVERIFY((*tokenizer)->isSpecial(306) && (*tokenizer)->isSpecial(307));
    QCOMPARE((*tokenizer)->size(), 308);
    QCOMPARE((*tokenizer)->encode("<new>").size(), std::size_t{5}); // typed, it stays text
}

void TestTokenizer::brokenUtf8CountsAsReplacement()
{
    const Ids replacement{0xEF, 0xBF, 0xBD};
    QCOMPARE(encode(smallTokenizerJson(), "\xFF"), replacement);
    QCOMPARE(encode(smallTokenizerJson(), "\xE4\xBD"), replacement); // one for the whole cut character
    QCOMPARE(encode(smallTokenizerJson(), "\xED\xA0\x80").size(), std::size_t{9}); // a surrogate: three
    const auto tokenizer = loadTokenizer(smallTokenizerJson());
    QCOMPARE((*tokenizer)->decode({0xE4, 0xBD}, false), std::string("\xEF\xBF\xBD"));
}

void TestTokenizer::composedFormIsUsedWhenAsked()
{
    json file = smallTokenizerJson();
    const std::string apart = "e\xCC\x81"; // e and a combining acute
    QCOMPARE(encode(file, apart), (Ids{'e', 0xCC, 0x81}));
    file["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
    QCOMPARE(encode(file, apart), (Ids{0xC3, 0xA9}));
    json token = addedToken(300, apart, false);
    token["normalized"] = true; // looked for after composition, in its composed form
    file["added_tokens"] = {token};
    QCOMPARE(encode(file, "\xC3\xA9"), Ids{300});
}

void TestTokenizer::prefixSpaceAndDigits()
{
    json file = smallTokenizerJson();
    file["pre_tokenizer"] = {{"type", "Sequence"},
        {"pretokenizers",
            {{{"type", "Digits"}, {"individual_digits", true}},
                {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}}}}};
    QCOMPARE(encode(file, "he12"), (Ids{260, ' ', '1', ' ', '2'}));
}

void TestTokenizer::splitBehavioursMatchTheReference_data()
{
    QTest::addColumn<QByteArray>("behaviour");
    QTest::addColumn<bool>("invert");
    QTest::addColumn<Ids>("ids"); // "he" joins only where a piece does not end between
    QTest::newRow("isolated") << QByteArray("Isolated") << false << Ids{'a', '-', '-', 'b', '-'};
    QTest::newRow("removed") << QByteArray("Removed") << false << Ids{'a', 'b'};
    QTest::newRow("removed inverted") << QByteArray("Removed") << true << Ids{'-', '-', '-'};
    QTest::newRow("with previous") << QByteArray("MergedWithPrevious") << false << Ids{263, '-', 264};
    QTest::newRow("with next") << QByteArray("MergedWithNext") << false << Ids{'a', '-', 265, '-'};
    QTest::newRow("contiguous") << QByteArray("Contiguous") << false << Ids{'a', 266, 'b', '-'};
}

void TestTokenizer::splitBehavioursMatchTheReference()
{
    QFETCH(QByteArray, behaviour);
    QFETCH(bool, invert);
    QFETCH(Ids, ids);
    json file = smallTokenizerJson();
    int next = 263; // a-: 263, b-: 264, -b: 265, --: 266; so a piece shows where it ends
    for (const char *pair : {"a-", "b-", "-b", "--"}) {
        file["model"]["vocab"][pair] = next++;
        file["model"]["merges"].push_back({std::string(1, pair[0]), std::string(1, pair[1])});
    }
    for (auto &merge : file["model"]["merges"]) {
        if (merge.is_string()) {
            const std::string text = merge;
            merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
        }
    }
    file["pre_tokenizer"] = splitBy(behaviour.constData(), invert);
    QCOMPARE(encode(file, "a--b-"), ids);
}

void TestTokenizer::ignoredMergesTakeWholePieces()
{
    json file = smallTokenizerJson();
    file["model"]["vocab"]["wxyz"] = 263; // no merges lead to it
    QCOMPARE(encode(file, "wxyz"), (Ids{'w', 'x', 'y', 'z'}));
    file["model"]["ignore_merges"] = true;
    QCOMPARE(encode(file, "wxyz"), Ids{263});
}

void TestTokenizer::missingBytesAreDroppedOrUnknown()
{
    json file = smallTokenizerJson();
    file["model"]["vocab"].erase("q");
    file["model"]["vocab"]["aaaa"] = 'q'; // or there would be a hole
    QCOMPARE(encode(file, "aqqb"), (Ids{'a', 'b'}));
    file["model"]["vocab"]["?unk"] = 262;
    file["model"]["unk_token"] = "?unk";
    QCOMPARE(encode(file, "aqqb"), (Ids{'a', 262, 262, 'b'}));
    file["model"]["fuse_unk"] = true;
    QCOMPARE(encode(file, "aqqb"), (Ids{'a', 262, 'b'}));
}

void TestTokenizer::badFilesAreRefusedByName_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QByteArray>("word"); // stands in the message
    QTest::addColumn<bool>("wellFormed"); // Unsupported rather than BadFile
    const auto row = [](const char *name, const std::string &file, const char *word, bool wellFormed = false) {
        QTest::newRow(name) << QByteArray::fromStdString(file) << QByteArray(word) << wellFormed;
    };
    const auto changed = [&](const char *name, const char *word, bool wellFormed, auto change) {
        json file = smallTokenizerJson();
        change(file);
        row(name, file.dump(), word, wellFormed);
    };
    row("empty", "", "JSON");
    row("not JSON", "{\"model\": {", "JSON");
    row("an array", "[]", "object");
    nlohmann::json hole = smallTokenizerJson();
    hole["model"]["vocab"]["zz"] = 270;
    row("a hole", hole.dump(), "no token has the id 263");
    row("broken UTF-8", "{\"model\":{\"vocab\":{\"\xFF\":1}}}", "JSON");
    row("deep", std::string(100000, '['), "deep");
    row("deep in vocab", "{\"model\":{\"vocab\":{\"a\":[[[", "id");
    row("no model", "{}", "names no model", true);
    const auto vocab = [&](const char *name, const char *token, const json &id, const char *word) {
        changed(name, word, false, [&](json &f) { f["model"]["vocab"][token] = id; });
    };
    vocab("id -1", "zz", -1, "impossible id");
    vocab("id of 2^63", "zz", std::uint64_t{1} << 63, "impossible id");
    vocab("id of 2^31", "zz", std::uint64_t{1} << 31, "impossible id");
    vocab("id 1.5", "zz", 1.5, "whole number");
    vocab("id text", "zz", "7", "whole number");
    vocab("id null", "zz", nullptr, "whole number");
    vocab("id taken", "zz", 5, "twice");
    vocab("token of 10 MB", std::string(10 << 20, 'x').c_str(), 999, "bytes");
    row("token listed twice", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "twice");
    const auto merge = [&](const char *name, const json &pair, const char *word) {
        changed(name, word, false, [&](json &f) { f["model"]["merges"].push_back(pair); });
    };
    merge("merge of a missing token", "zz y", "vocabulary lacks");
    merge("merge with a missing result", "x y", "vocabulary lacks");
    merge("merge of one word", "abc", "two tokens");
    merge("merge of three words", "a b c", "two tokens");
    merge("merge of nothing", " ", "vocabulary lacks");
    merge("merge pair of one", json::array({"a"}), "two tokens");
    merge("merge pair of three", json::array({"a", "b", "c"}), "more than two");
    merge("merge pair of numbers", json::array({1, 2}), "two tokens");
    merge("merge that is an object", json::object(), "two tokens");
    const auto stage = [&](const char *name, const json &value, const char *word, bool wellFormed) {
        changed(name, word, wellFormed, [&](json &f) { f["pre_tokenizer"] = value; });
    };
    stage("no pre-tokenizer", nullptr, "named", true);
    stage("Metaspace", {{"type", "Metaspace"}}, "Metaspace", true);
    stage("no ByteLevel", {{"type", "Digits"}, {"individual_digits", true}}, "ByteLevel", true);
    const auto split = [&](const char *name, const json &pattern, const char *word, bool wellFormed) {
        stage(name, {{"type", "Split"}, {"pattern", pattern}, {"behavior", "Isolated"}, {"invert", false}}, word, wellFormed);
    };
    split("open bracket", {{"Regex", "[a"}}, "cannot be read", false);
    split("open group", {{"Regex", "(a"}}, "cannot be read", false);
    split("nested class", {{"Regex", "[a[b]]"}}, "nests", true);
    split("intersection", {{"Regex", "[a-z&&[^b]]"}}, "intersects", true);
    split("long pattern", {{"Regex", std::string(100000, 'a')}}, "64 KiB", true);
    split("no pattern", json::object(), "no pattern", false);
    stage("unknown behaviour", {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Sideways"}}, "Sideways", false);
    changed("normaliser Lowercase", "Lowercase", true, [](json &f) { f["normalizer"] = {{"type", "Lowercase"}}; });
    for (const char *type : {"Unigram", "WordPiece", "WordLevel"})
        changed(type, type, true, [&](json &f) { f["model"]["type"] = type; });
    changed("byte_fallback", "byte_fallback", true, [](json &f) { f["model"]["byte_fallback"] = true; });
    changed("dropout", "dropout", true, [](json &f) { f["model"]["dropout"] = 0.1; });
    changed("suffix", "end_of_word_suffix", true, [](json &f) { f["model"]["end_of_word_suffix"] = "</w>"; });
    changed("no vocabulary", "no vocabulary", false, [](json &f) { f["model"].erase("vocab"); });
    changed("vocabulary as a list", "no vocabulary", false, [](json &f) { f["model"]["vocab"] = json::array({"a"}); });
    const auto added = [&](const char *name, const json &token, const char *word) {
        changed(name, word, false, [&](json &f) { f["added_tokens"] = json::array({token}); });
    };
    added("added id -5", addedToken(-5, "<a>"), "impossible id");
    added("added without id", {{"content", "<a>"}}, "impossible id");
    added("added without content", {{"id", 300}}, "bytes");
    added("added of 10 KB", addedToken(300, std::string(10240, 'x')), "bytes");
    changed("added twice", "twice", false,
        [](json &f) { f["added_tokens"] = {addedToken(300, "<a>"), addedToken(301, "<a>")}; });
}

void TestTokenizer::badFilesAreRefusedByName()
{
    QFETCH(QByteArray, file);
    QFETCH(QByteArray, word);
    QFETCH(bool, wellFormed);
    const auto loaded = Tokenizer::fromJson(file.toStdString(), "");
    QVERIFY(!loaded.ok());
    QVERIFY2(loaded.error().message.find(word.toStdString()) != std::string::npos, loaded.error().message.c_str());
    QCOMPARE(loaded.error().code, wellFormed ? ErrorCode::Unsupported : ErrorCode::BadFile);
}

void TestTokenizer::patternsThatExplodeAreStopped()
{
    for (const char *pattern : {"(a+)+b", "(a|aa)+$x", "(?:a*)*c", "(.*)*(.*)*(.*)*z", "(?=(a+))\\1*b"}) {
        json file = smallTokenizerJson();
        file["pre_tokenizer"] = splitBy("Isolated");
        file["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", pattern}};
        const std::string text(20000, 'a');
        const std::clock_t start = std::clock();
        const auto tokenizer = loadTokenizer(file);
        QVERIFY2(tokenizer.ok(), pattern);
        QCOMPARE((*tokenizer)->decode((*tokenizer)->encode(text), false), text);
        QVERIFY2(std::clock() - start < 10 * CLOCKS_PER_SEC, pattern);
    }
}

void TestTokenizer::timeGrowsWithTheText()
{
    json file = smallTokenizerJson();
    file["pre_tokenizer"] = splitBy("Isolated");
    const auto tokenizer = loadTokenizer(file);
    QVERIFY(tokenizer.ok());
    const auto seconds = [&](std::size_t length, char c) {
        double best = 1e9;
        for (int run = 0; run < 3; ++run) {
            const std::clock_t start = std::clock(); // of the processor: other programs do not count
            (void)(*tokenizer)->encode(std::string(length, c));
            best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
        }
        return best;
    };
    // One piece of so many equal letters: quadratic would be 4 times, and minutes.
    for (const char c : {'a', '-', ' '})
        QVERIFY(seconds(200000, c) < 3.0 * seconds(100000, c) + 0.02);
    QVERIFY(seconds(1000000, 'a') < 10.0);
}

// The longest token with an "a" has four bytes, the longest with an "l" four, "x" stands alone.
void TestTokenizer::longTextsAreGivenUpEarly()
{
    const auto tokenizer = loadTokenizer(smallTokenizerJson());
    QVERIFY(tokenizer.ok());
    for (const std::string_view text : {"hell hello", "xxxx", "", "aaaaaaaaaa", "\xC3\xA9 \xFF a"}) {
        const Ids ids = (*tokenizer)->encode(text);
        QCOMPARE((*tokenizer)->encodeAtMost(text, ids.size()), std::optional(ids));
        QCOMPARE((*tokenizer)->encodeAtMost(text, 1000), std::optional(ids));
        if (!ids.empty())
            QCOMPARE((*tokenizer)->encodeAtMost(text, ids.size() - 1), std::nullopt);
    }
    // 64 MB of one character would take seconds to merge; of words, the pieces beyond the limit are not merged.
    QElapsedTimer timer;
    timer.start();
    QCOMPARE((*tokenizer)->encodeAtMost(std::string(64U << 20, 'a'), 100'000), std::nullopt);
    QVERIFY2(timer.elapsed() < 2000, qPrintable(QString::number(timer.elapsed())));
    json composing = smallTokenizerJson();
    composing["normalizer"] = {{"type", "NFC"}};
    const auto nfc = loadTokenizer(composing);
    QVERIFY(nfc.ok());
    QCOMPARE((*nfc)->encodeAtMost(std::string(1U << 20, 'a'), 100'000), std::nullopt);
    // Composing makes one of two: the bound must not count both.
    std::string accents;
    for (int i = 0; i < 100; ++i)
        accents += "e\xCC\x81";
    QCOMPARE((*nfc)->encodeAtMost(accents, 200), std::optional((*nfc)->encode(accents)));
}

void TestTokenizer::ggufVocabularyIsRead()
{
    Tokenizer::GgufVocabulary vocabulary;
    for (int byte = 0; byte < 256; ++byte)
        vocabulary.tokens.push_back(spelled(std::string(1, static_cast<char>(byte))));
    vocabulary.tokens.insert(vocabulary.tokens.end(), {"he", "<|im_start|>", "<tool>"});
    vocabulary.types.assign(256, 1);
    vocabulary.types.insert(vocabulary.types.end(), {1, 3, 4});
    vocabulary.merges = {"h e"};
    vocabulary.pre = "smollm";
    vocabulary.bosId = 257;
    const auto tokenizer = Tokenizer::fromGguf(vocabulary);
    QVERIFY(tokenizer.ok());
    QCOMPARE((*tokenizer)->encodeWithSpecials("<|im_start|>he12<tool>"), (Ids{257, 256, '1', '2', 258}));
    QCOMPARE((*tokenizer)->bosId(), 257);
    QCOMPARE((*tokenizer)->eosId(), -1);
    QVERIFY((*tokenizer)->isSpecial(257) && !(*tokenizer)->isSpecial(258));
    for (const char *name : {"deepseek-v3", "deepseek-llm", "deepseek-coder", "deepseek-r1-qwen", "qwen2", "llama-bpe", "joyai-llm", "gpt-2"}) {
        vocabulary.pre = name;
        QVERIFY2(Tokenizer::fromGguf(vocabulary).ok(), name);
    }
    vocabulary.pre = "tekken";
    const auto unknown = Tokenizer::fromGguf(vocabulary);
    QVERIFY(!unknown.ok() && unknown.error().message.find("tekken") != std::string::npos);
    vocabulary.pre = "qwen2";
    vocabulary.types.pop_back();
    QVERIFY(!Tokenizer::fromGguf(vocabulary).ok());
    vocabulary.types.push_back(6);
    QCOMPARE(Tokenizer::fromGguf(vocabulary).error().code, ErrorCode::Unsupported);
    vocabulary.merges.clear();
    QVERIFY(!Tokenizer::fromGguf(vocabulary).ok());
}

QTEST_APPLESS_MAIN(TestTokenizer)
#include "tst_tokenizer.moc"
