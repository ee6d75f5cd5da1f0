// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/printable.h"
#include "text/bpe_tokenizer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace engine {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestMessage = 500;
constexpr std::size_t kLargestFile = 256U << 20;
constexpr std::size_t kDeepest = 64;         // levels of the small parts
constexpr std::size_t kLargestTree = 1U << 21; // values in the small parts

Error bad(std::string message)
{
    return Error{ErrorCode::BadFile, "tokenizer.json: " + std::move(message)};
}
Error unsupported(std::string message)
{
    return Error{ErrorCode::Unsupported, "tokenizer.json: " + std::move(message)};
}

// Reads the file in one pass: the vocabulary goes straight into the model and the merges into one string, the
// small rest (added tokens, normaliser, pre-tokenizer) becomes a tree.
class Reader final : public nlohmann::json_sax<Json> {
public:
    Json tree;
    BpeModel model;
    std::string mergeText; // left, right, left, right ...
    std::vector<std::uint32_t> mergeLengths;
    std::optional<Error> error;

    bool null() override { return value(nullptr); }
    bool boolean(bool v) override { return value(v); }
    bool number_integer(number_integer_t v) override { return number(v, v < 0); }
    bool number_unsigned(number_unsigned_t v) override
    {
        return number(v > UINT32_MAX ? std::int64_t{UINT32_MAX} : static_cast<std::int64_t>(v), v > UINT32_MAX);
    }
    bool number_float(number_float_t v, const string_t &) override { return value(v); }
    bool binary(binary_t &) override { return fail(bad("holds binary data")); }

    bool string(string_t &v) override
    {
        if (m_mode == Mode::Merges)
            return mergeString(v);
        return value(std::move(v));
    }
    bool start_object(std::size_t) override
    {
        if (m_mode == Mode::Tree && at("model", "vocab")) {
            m_mode = Mode::Vocabulary;
            m_sawVocabulary = true;
            return true;
        }
        return open(Json::object());
    }
    bool key(string_t &v) override
    {
        m_key = std::move(v);
        return true;
    }
    bool end_object() override
    {
        if (m_mode == Mode::Vocabulary) {
            m_mode = Mode::Tree;
            return true;
        }
        return close();
    }
    bool start_array(std::size_t) override
    {
        if (m_mode == Mode::Tree && at("model", "merges")) {
            m_mode = Mode::Merges;
            return true;
        }
        if (m_mode == Mode::Merges && !m_inPair) {
            m_inPair = true;
            m_pairParts = 0;
            return true;
        }
        return open(Json::array());
    }
    bool end_array() override
    {
        if (m_mode == Mode::Merges) {
            if (m_inPair && m_pairParts != 2)
                return fail(bad("merge " + std::to_string(mergeLengths.size() / 2) + " is not two tokens"));
            if (!m_inPair)
                m_mode = Mode::Tree;
            m_inPair = false;
            return true;
        }
        return close();
    }
    bool parse_error(std::size_t position, const std::string &, const nlohmann::detail::exception &) override
    {
        return fail(bad("not valid JSON at byte " + std::to_string(position)));
    }
    bool sawVocabulary() const { return m_sawVocabulary; }

private:
    enum class Mode { Tree = 1, Vocabulary, Merges };

    bool fail(Error why)
    {
        if (!error)
            error = std::move(why);
        return false;
    }
    bool at(std::string_view outer, std::string_view inner) const
    {
        return m_open.size() == 2 && m_open[1].first == outer && m_key == inner;
    }
    bool number(std::int64_t v, bool outOfRange)
    {
        if (m_mode != Mode::Vocabulary)
            return value(v);
        if (outOfRange || v > BpeModel::kHighestId)
            return fail(bad("the token \"" + m_key.substr(0, 60) + "\" has an impossible id"));
        Status added = model.addToken(static_cast<std::int32_t>(v), m_key);
        return added.ok() || fail(std::move(added).error());
    }
    bool mergeString(const std::string &text)
    {
        if (m_inPair) {
            if (++m_pairParts > 2)
                return fail(bad("merge " + std::to_string(mergeLengths.size() / 2) + " is more than two tokens"));
            return mergePart(text);
        }
        const std::size_t space = text.find(' ');
        if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
            return fail(bad("merge " + std::to_string(mergeLengths.size() / 2) + ", \"" + text.substr(0, 60)
                + "\", is not two tokens"));
        return mergePart(std::string_view(text).substr(0, space)) && mergePart(std::string_view(text).substr(space + 1));
    }
    bool mergePart(std::string_view part)
    {
        if (part.size() > BpeModel::kLongestToken)
            return fail(bad("a merge names a token of " + std::to_string(part.size()) + " bytes"));
        mergeText += part;
        mergeLengths.push_back(static_cast<std::uint32_t>(part.size()));
        return true;
    }
    template <typename T> bool value(T &&v)
    {
        return put(Json(std::forward<T>(v))) != nullptr;
    }
    Json *put(Json &&v)
    {
        if (m_mode == Mode::Vocabulary) {
            fail(bad("the token \"" + m_key.substr(0, 60) + "\" has no whole number for an id"));
            return nullptr;
        }
        if (m_mode == Mode::Merges) {
            fail(bad("merge " + std::to_string(mergeLengths.size() / 2) + " is not two tokens"));
            return nullptr;
        }
        if (++m_values > kLargestTree) {
            fail(bad("holds more settings than any tokenizer has"));
            return nullptr;
        }
        if (m_open.empty()) {
            tree = std::move(v);
            return &tree;
        }
        Json &parent = *m_open.back().second;
        if (parent.is_array()) {
            parent.push_back(std::move(v));
            return &parent.back();
        }
        return &(parent[m_key] = std::move(v));
    }
    bool open(Json &&v)
    {
        if (m_open.size() >= kDeepest)
            return fail(bad("is nested too deeply"));
        const std::string name = m_open.empty() ? std::string() : m_key;
        Json *placed = put(std::move(v));
        if (!placed)
            return false;
        m_open.emplace_back(name, placed);
        return true;
    }
    bool close()
    {
        m_open.pop_back();
        return true;
    }

    Mode m_mode = Mode::Tree;
    std::string m_key;
    std::vector<std::pair<std::string, Json *>> m_open; // containers being filled, by their keys
    std::size_t m_values = 0;
    bool m_inPair = false;
    int m_pairParts = 0;
    bool m_sawVocabulary = false;
};

std::string text(const Json &object, const char *key)
{
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const Json &object, const char *key, bool otherwise)
{
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

const Json &part(const Json &object, const char *key)
{
    static const Json none;
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

Status readNormalizer(const Json &normalizer, BpeTokenizerParts &parts)
{
    if (normalizer.is_null())
        return Done{};
    const std::string type = text(normalizer, "type");
    if (type == "NFC") {
        parts.composes = true;
        return Done{};
    }
    if (type != "Sequence")
        return unsupported("no normaliser named \"" + type.substr(0, 60) + "\"");
    for (const Json &inner : part(normalizer, "normalizers"))
        ENGINE_CHECK(readNormalizer(inner, parts));
    return Done{};
}

Status readSplit(const Json &split, PreTokenizer &preTokenizer)
{
    using Behaviour = PreTokenizer::Behaviour;
    const std::string name = text(split, "behavior");
    const Behaviour behaviour = name == "Removed" ? Behaviour::Removed
        : name == "MergedWithPrevious"            ? Behaviour::MergedWithPrevious
        : name == "MergedWithNext"                ? Behaviour::MergedWithNext
        : name == "Contiguous"                    ? Behaviour::Contiguous
                                                  : Behaviour::Isolated;
    if (behaviour == Behaviour::Isolated && name != "Isolated")
        return bad("a Split has the unknown behaviour \"" + name.substr(0, 60) + "\"");
    const Json &pattern = part(split, "pattern");
    const bool invert = flag(split, "invert", false);
    if (const std::string literal = text(pattern, "String"); !literal.empty()) {
        preTokenizer.addSplit(Regex::literal(literal), behaviour, invert);
        return Done{};
    }
    const Json &source = part(pattern, "Regex");
    if (!source.is_string())
        return bad("a Split has no pattern");
    ENGINE_TRY(Regex regex, Regex::compile(source.get_ref<const std::string &>()));
    preTokenizer.addSplit(std::move(regex), behaviour, invert);
    return Done{};
}

// `byteLevel` says whether the ByteLevel stage has been seen: it must be there, and last.
Status readPreTokenizer(const Json &stage, PreTokenizer &preTokenizer, bool &byteLevel)
{
    const std::string type = text(stage, "type");
    if (type == "Sequence") {
        for (const Json &inner : part(stage, "pretokenizers"))
            ENGINE_CHECK(readPreTokenizer(inner, preTokenizer, byteLevel));
        return Done{};
    }
    if (byteLevel)
        return unsupported("a stage stands behind ByteLevel in the pre-tokenizer");
    if (type == "Split")
        return readSplit(stage, preTokenizer);
    if (type == "Digits")
        return preTokenizer.addDigits(flag(stage, "individual_digits", false));
    if (type == "ByteLevel") {
        byteLevel = true;
        return preTokenizer.addByteLevel(flag(stage, "add_prefix_space", true), flag(stage, "use_regex", true));
    }
    return unsupported("no pre-tokenizer named \"" + type.substr(0, 60) + "\"");
}

Status readModel(const Json &model, Reader &reader)
{
    std::string type = text(model, "type");
    if (type.empty() && !reader.mergeLengths.empty())
        type = "BPE"; // old files do not say
    if (type != "BPE")
        return unsupported(type.empty() ? "names no model" : "a " + type.substr(0, 60)
                    + " tokenizer; only byte-level BPE is supported");
    if (!reader.sawVocabulary())
        return bad("holds no vocabulary");
    for (const char *affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (!text(model, affix).empty())
            return unsupported(std::string(affix) + " is not supported");
    }
    if (const Json &dropout = part(model, "dropout"); dropout.is_number() && dropout.get<double>() != 0.0)
        return unsupported("merge dropout is not supported");
    if (flag(model, "byte_fallback", false))
        return unsupported("byte_fallback (SentencePiece) is not supported; only byte-level BPE is");

    std::string_view rest = reader.mergeText;
    for (std::size_t i = 0; i + 1 < reader.mergeLengths.size(); i += 2) {
        const std::size_t left = reader.mergeLengths[i], right = reader.mergeLengths[i + 1];
        ENGINE_CHECK(reader.model.addMerge(rest.substr(0, left), rest.substr(left, right)));
        rest.remove_prefix(left + right);
    }
    reader.model.setIgnoreMerges(flag(model, "ignore_merges", false));
    if (const std::string unknown = text(model, "unk_token"); !unknown.empty()) {
        if (const auto id = reader.model.idOfBytes(unknown))
            reader.model.setUnknown(*id, flag(model, "fuse_unk", false));
    }
    return Done{};
}

Result<AddedToken> readAddedToken(const Json &entry, const Json &id)
{
    AddedToken token;
    token.content = text(entry, "content");
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() > BpeModel::kHighestId)
        return bad("the added token \"" + token.content.substr(0, 60) + "\" has an impossible id");
    token.id = id.get<std::int32_t>();
    token.special = flag(entry, "special", false);
    token.singleWord = flag(entry, "single_word", false);
    token.leftStrip = flag(entry, "lstrip", false);
    token.rightStrip = flag(entry, "rstrip", false);
    token.normalized = flag(entry, "normalized", !token.special);
    return token;
}

Status readAdded(const Json &list, BpeTokenizerParts &parts)
{
    if (!list.is_array())
        return Done{};
    std::map<std::int32_t, std::string> contents;
    for (const Json &entry : list) {
        ENGINE_TRY(AddedToken token, readAddedToken(entry, part(entry, "id")));
        const auto [other, isNew] = contents.emplace(token.id, token.content);
        if (!isNew && other->second != token.content)
            return bad("the added tokens \"" + other->second.substr(0, 60) + "\" and \"" + token.content.substr(0, 60) + "\" both have the id " + std::to_string(token.id));
        if (parts.model.has(token.id) && parts.model.bytes(token.id) != token.content)
            return bad("the added token \"" + token.content.substr(0, 60) + "\" has the id " + std::to_string(token.id)
                + ", which the vocabulary gives to another token");
        parts.added.push_back(std::move(token));
    }
    return Done{};
}

// Tokens that only tokenizer_config.json lists ("added_tokens_decoder", by id): the reference adds those, too.
// An id that something else has already is left alone.
Status readAddedByConfig(const Json &config, BpeTokenizerParts &parts)
{
    const Json &byId = part(config, "added_tokens_decoder");
    if (!byId.is_object())
        return Done{};
    std::set<std::string> contents;
    std::set<std::int32_t> ids;
    for (const AddedToken &token : parts.added) {
        contents.insert(token.content);
        ids.insert(token.id);
    }
    for (const auto &[key, entry] : byId.items()) {
        std::int32_t id = -1;
        const auto [end, problem] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (problem != std::errc() || end != key.data() + key.size())
            id = -1;
        ENGINE_TRY(AddedToken token, readAddedToken(entry, Json(id)));
        if (contents.contains(token.content) || ids.contains(id)
            || (parts.model.has(id) && parts.model.bytes(id) != token.content))
            continue;
        parts.added.push_back(std::move(token));
    }
    return Done{};
}

// What transformers' add_special_tokens does: a token of the files keeps its id, others follow the last one.
Status addWanted(std::span<const std::string> wanted, BpeTokenizerParts &parts)
{
    std::int64_t next = parts.model.size();
    for (const AddedToken &token : parts.added)
        next = std::max(next, std::int64_t{token.id} + 1);
    for (const std::string &content : wanted) {
        const auto known = std::ranges::find(parts.added, content, &AddedToken::content);
        if (known != parts.added.end())
            continue;
        AddedToken token;
        token.content = content;
        token.special = true;
        token.normalized = false;
        if (const auto id = parts.model.idOfBytes(content)) {
            token.id = *id;
        } else if (next > BpeModel::kHighestId) {
            return bad("has no room for the token \"" + content.substr(0, 60) + "\"");
        } else {
            token.id = static_cast<std::int32_t>(next++);
        }
        parts.added.push_back(std::move(token));
    }
    return Done{};
}

// "bos_token" is a string or an object with the string in it.
std::string namedToken(const Json &config, const char *key)
{
    const Json &named = part(config, key);
    return named.is_string() ? named.get<std::string>() : text(named, "content");
}

// A file without tokenizer_config.json does not say which token begins and which ends; the families' spellings do.
void guessEnds(BpeTokenizerParts &parts)
{
    for (const AddedToken &token : parts.added) {
        if (parts.bos.empty() && (token.content == "<｜begin▁of▁sentence｜>" || token.content == "<|begin_of_text|>"))
            parts.bos = token.content;
        if (parts.eos.empty()
            && (token.content == "<｜end▁of▁sentence｜>" || token.content == "<|end_of_text|>"
                || token.content == "<|endoftext|>"))
            parts.eos = token.content;
    }
}

// Every id of the vocabulary must have its token: what a model answers with a missing one would vanish. Added tokens
// may fill holes; some families leave room in front of their own.
Status checkHoles(const BpeTokenizerParts &parts)
{
    std::set<std::int32_t> added;
    for (const AddedToken &token : parts.added)
        added.insert(token.id);
    const std::int32_t end = parts.model.size();
    for (std::int32_t id = 0; id < end; ++id) {
        if (!parts.model.has(id) && !added.contains(id))
            return bad("has a hole in its vocabulary: no token has the id " + std::to_string(id) + ", and the highest is " + std::to_string(end - 1));
    }
    return Done{};
}

Result<std::shared_ptr<const Tokenizer>> readTokenizer(
    std::string_view tokenizerJson, std::string_view tokenizerConfigJson, std::span<const std::string> wanted)
{
    if (tokenizerJson.size() > kLargestFile)
        return bad("is larger than any tokenizer");
    Reader reader;
    const bool read = Json::sax_parse(tokenizerJson.begin(), tokenizerJson.end(), &reader);
    if (reader.error)
        return std::move(*reader.error);
    if (!read || !reader.tree.is_object())
        return bad("is not a JSON object");

    BpeTokenizerParts parts;
    ENGINE_CHECK(readModel(part(reader.tree, "model"), reader));
    parts.model = std::move(reader.model);
    ENGINE_CHECK(readNormalizer(part(reader.tree, "normalizer"), parts));
    bool byteLevel = false;
    ENGINE_CHECK(readPreTokenizer(part(reader.tree, "pre_tokenizer"), parts.preTokenizer, byteLevel));
    if (!byteLevel)
        return unsupported("its pre-tokenizer has no ByteLevel stage; only byte-level BPE is supported");
    ENGINE_CHECK(readAdded(part(reader.tree, "added_tokens"), parts));

    if (tokenizerConfigJson.empty()) {
        guessEnds(parts);
    } else {
        const Json config = Json::parse(tokenizerConfigJson.begin(), tokenizerConfigJson.end(), nullptr, false);
        if (!config.is_object())
            return Error{ErrorCode::BadFile, "tokenizer_config.json is not a JSON object"};
        ENGINE_CHECK(readAddedByConfig(config, parts));
        parts.bos = namedToken(config, "bos_token");
        parts.eos = namedToken(config, "eos_token");
    }
    ENGINE_CHECK(checkHoles(parts));
    ENGINE_CHECK(addWanted(wanted, parts));
    return BpeTokenizer::make(std::move(parts));
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::fromJson(
    std::string_view tokenizerJson, std::string_view tokenizerConfigJson, std::span<const std::string> wanted)
{
    auto read = readTokenizer(tokenizerJson, tokenizerConfigJson, wanted);
    if (!read.ok()) // it may quote the file
        return Error{read.error().code, printable(read.error().message, kLongestMessage)};
    return read;
}

} // namespace engine
