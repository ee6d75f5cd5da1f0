// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Encodes many strings for make_ids.py --check: bulk_encode tokenizer.json IN OUT.
#include "text/tokenizer.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const std::string json((std::istreambuf_iterator<char>(file)), {});
    const auto start = std::chrono::steady_clock::now();
    const auto tokenizer = engine::Tokenizer::fromJson(json, "");
    const std::chrono::duration<double, std::milli> loaded = std::chrono::steady_clock::now() - start;
    if (!tokenizer.ok()) {
        std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
        return 1;
    }
    std::fprintf(stderr, "%d ids loaded in %.1f ms\n", (*tokenizer)->size(), loaded.count());
    std::ifstream in(argv[2], std::ios::binary);
    std::ofstream out(argv[3], std::ios::binary);
    std::uint32_t length = 0;
    while (in.read(reinterpret_cast<char *>(&length), sizeof length)) {
        std::string text(length, '\0');
        in.read(text.data(), length);
        const auto ids = (*tokenizer)->encodeWithSpecials(text);
        const auto count = static_cast<std::uint32_t>(ids.size());
        out.write(reinterpret_cast<const char *>(&count), sizeof count);
        out.write(reinterpret_cast<const char *>(ids.data()), static_cast<std::streamsize>(ids.size() * sizeof ids[0]));
    }
    return 0;
}
