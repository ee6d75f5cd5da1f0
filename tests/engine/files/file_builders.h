// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Writes model files for tests, right or wrong as asked. Everything is a std::string of bytes.
namespace builders {

template <typename T> std::string little(T value)
{
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

inline std::span<const std::byte> bytesOf(const std::string &text)
{
    return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

// Length, header and data as they are given.
inline std::string safetensors(std::string_view header, std::size_t dataBytes)
{
    return little<std::uint64_t>(header.size()) + std::string(header) + std::string(dataBytes, '\1');
}

struct TensorEntry {
    std::string name, type;
    std::vector<std::int64_t> shape;
    std::size_t bytes;
};
// A sound file of these tensors, one behind the other.
inline std::string safetensors(const std::vector<TensorEntry> &tensors)
{
    std::string header = "{";
    std::size_t at = 0;
    for (const TensorEntry &tensor : tensors) {
        header += (at == 0 && header.size() == 1 ? "\"" : ",\"") + tensor.name + "\":{\"dtype\":\"" + tensor.type + "\",\"shape\":[";
        for (std::size_t i = 0; i < tensor.shape.size(); ++i)
            header += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
        header += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + tensor.bytes) + "]}";
        at += tensor.bytes;
    }
    header += "}";
    while (header.size() % 8 != 0)
        header += ' ';
    return safetensors(header, at);
}

inline std::string ggufText(std::string_view text)
{
    return little<std::uint64_t>(text.size()) + std::string(text);
}

// One GGUF file. Counts, version and the like can be overruled to lie.
struct Gguf {
    std::string magic = "GGUF";
    std::uint32_t version = 3;
    std::string pairs, infos;
    std::uint64_t pairCount = 0, tensorCount = 0;
    std::uint64_t alignment = 32;
    std::uint64_t dataBytes = 0;

    Gguf &raw(std::string_view key, std::uint32_t type, const std::string &value)
    {
        pairs += ggufText(key) + little<std::uint32_t>(type) + value;
        ++pairCount;
        return *this;
    }
    Gguf &u32(std::string_view key, std::uint32_t value) { return raw(key, 4, little(value)); }
    Gguf &f32(std::string_view key, float value) { return raw(key, 6, little(value)); }
    Gguf &boolean(std::string_view key, bool value) { return raw(key, 7, std::string(1, value ? '\1' : '\0')); }
    Gguf &text(std::string_view key, std::string_view value) { return raw(key, 8, ggufText(value)); }
    Gguf &texts(std::string_view key, const std::vector<std::string> &values)
    {
        std::string list = little<std::uint32_t>(8) + little<std::uint64_t>(values.size());
        for (const std::string &value : values)
            list += ggufText(value);
        return raw(key, 9, list);
    }
    // `dims` as in the file, innermost first; `bytes` is where the next tensor may start after alignment.
    Gguf &tensor(std::string_view name, const std::vector<std::uint64_t> &dims, std::uint32_t type, std::uint64_t bytes)
    {
        rawTensor(name, dims, type, dataBytes);
        dataBytes += (bytes + alignment - 1) / alignment * alignment;
        return *this;
    }
    Gguf &rawTensor(std::string_view name, const std::vector<std::uint64_t> &dims, std::uint32_t type, std::uint64_t offset)
    {
        infos += ggufText(name) + little<std::uint32_t>(static_cast<std::uint32_t>(dims.size()));
        for (const std::uint64_t dim : dims)
            infos += little(dim);
        infos += little(type) + little(offset);
        ++tensorCount;
        return *this;
    }
    std::string head() const
    {
        return magic + little(version) + little(tensorCount) + little(pairCount) + pairs + infos;
    }
    std::string build() const
    {
        std::string file = head();
        file.append((alignment - file.size() % alignment) % alignment, '\0');
        return file + std::string(dataBytes, '\1');
    }
};

// A whole tiny model of a Llama-like class with F32 weights: 1 layer, hidden 8, 2 heads of 4, 16 tokens.
inline Gguf tinyLlama(const std::string &architecture = "llama")
{
    Gguf file;
    const std::string a = architecture + ".";
    file.text("general.architecture", architecture).u32(a + "block_count", 1).u32(a + "context_length", 64)
        .u32(a + "embedding_length", 8).u32(a + "feed_forward_length", 16).u32(a + "attention.head_count", 2)
        .u32(a + "attention.head_count_kv", 1).f32(a + "attention.layer_norm_rms_epsilon", 1e-5F)
        .f32(a + "rope.freq_base", 10000.0F).u32(a + "rope.dimension_count", 4);
    file.tensor("token_embd.weight", {8, 16}, 0, 512).tensor("output_norm.weight", {8}, 0, 32)
        .tensor("output.weight", {8, 16}, 0, 512).tensor("blk.0.attn_norm.weight", {8}, 0, 32)
        .tensor("blk.0.attn_q.weight", {8, 8}, 0, 256).tensor("blk.0.attn_k.weight", {8, 4}, 0, 128)
        .tensor("blk.0.attn_v.weight", {8, 4}, 0, 128).tensor("blk.0.attn_output.weight", {8, 8}, 0, 256)
        .tensor("blk.0.ffn_norm.weight", {8}, 0, 32).tensor("blk.0.ffn_gate.weight", {8, 16}, 0, 512)
        .tensor("blk.0.ffn_up.weight", {8, 16}, 0, 512).tensor("blk.0.ffn_down.weight", {16, 8}, 0, 512);
    return file;
}

} // namespace builders
