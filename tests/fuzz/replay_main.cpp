// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0

// Stands in for libFuzzer where the compiler has none: runs every file of the corpus, then seeded mutations of
// them, the same on every machine. A crash ends the program; the input that was running lies in `crash-input`.
//
//     fuzz_name [-runs=N] [-seed=N] FILE-OR-FOLDER...
//
// DIPTYCH_FUZZ_ITERATIONS, when set, overrides -runs.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kMaxInputBytes = 1U << 20;

const Bytes *g_current = nullptr; // what a crash handler saves

extern "C" void saveCrash(int signal)
{
    if (g_current != nullptr) {
        const int file = ::open("crash-input", O_CREAT | O_WRONLY | O_TRUNC, 0644);
        if (file >= 0) {
            [[maybe_unused]] const auto written = ::write(file, g_current->data(), g_current->size());
            ::close(file);
        }
    }
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

void run(const Bytes &input)
{
    g_current = &input;
    // A copy of exactly the right size, so that the address sanitizer sees a read past the end.
    const std::vector<std::uint8_t> exact(input);
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Bytes readFile(const std::filesystem::path &path)
{
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// Numbers that break size arithmetic more often than random ones.
constexpr std::uint64_t kNastyNumbers[] = {0, 1, 7, 8, 31, 32, 255, 256, 65535, 65536, 0x7FFFFFFFU, 0x80000000U,
    0xFFFFFFFFU, 0x100000000U, 0x7FFFFFFFFFFFFFFFU, 0x8000000000000000U, 0xFFFFFFFFFFFFFFE0U, 0xFFFFFFFFFFFFFFFFU};
constexpr std::string_view kNastyTexts[] = {"{", "}", "[", "]", "\"", ",", ":", "null", "true", "-1", "1e999",
    "18446744073709551616", "0.5", "\\u0000", "\\ud800", "\xFF", "\xE2\x82", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
    "\n", " ", "``", "**", "](", "<", "../"};

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : m_random(seed) {}

    Bytes mutate(Bytes input, const std::vector<Bytes> &corpus)
    {
        const int steps = 1 + static_cast<int>(below(5));
        for (int i = 0; i < steps; ++i)
            step(input, corpus);
        if (input.size() > kMaxInputBytes)
            input.resize(kMaxInputBytes);
        return input;
    }
    std::size_t below(std::size_t limit)
    {
        return limit == 0 ? 0 : static_cast<std::size_t>(m_random() % limit);
    }

private:
    void step(Bytes &input, const std::vector<Bytes> &corpus)
    {
        const std::size_t at = below(input.size());
        const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
        switch (below(9)) {
        case 0: // one bit
            if (!input.empty())
                input[at] ^= static_cast<std::uint8_t>(1U << below(8));
            break;
        case 1: // one byte
            if (!input.empty())
                input[at] = static_cast<std::uint8_t>(below(256));
            break;
        case 2: // a number in place
            putNumber(input, at);
            break;
        case 3: // cut the end
            input.resize(below(input.size() + 1));
            break;
        case 4: { // take a part out
            const std::size_t count = std::min<std::size_t>(1 + below(16), input.size() - at);
            input.erase(place, place + static_cast<std::ptrdiff_t>(count));
            break;
        }
        case 5: { // write a part twice
            const std::size_t count = std::min<std::size_t>(1 + below(64), input.size() - at);
            const Bytes part(place, place + static_cast<std::ptrdiff_t>(count));
            input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(input.size() + 1)), part.begin(), part.end());
            break;
        }
        case 6: { // a text of the grammars we parse
            const std::string_view text = kNastyTexts[below(std::size(kNastyTexts))];
            input.insert(place, text.begin(), text.end());
            break;
        }
        case 7: { // a part of another seed
            if (corpus.empty())
                break;
            const Bytes &other = corpus[below(corpus.size())];
            const std::size_t from = below(other.size());
            const std::size_t count = std::min<std::size_t>(1 + below(64), other.size() - from);
            input.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from),
                other.begin() + static_cast<std::ptrdiff_t>(from + count));
            break;
        }
        default: // an ASCII digit or letter where one stood
            if (!input.empty() && input[at] >= '0' && input[at] <= '9')
                input[at] = static_cast<std::uint8_t>('0' + below(10));
            else if (!input.empty())
                input[at] = static_cast<std::uint8_t>(' ' + below(95));
            break;
        }
    }
    void putNumber(Bytes &input, std::size_t at)
    {
        const std::uint64_t number = kNastyNumbers[below(std::size(kNastyNumbers))];
        const std::size_t width = std::size_t{1} << below(4);
        for (std::size_t i = 0; i < width && at + i < input.size(); ++i)
            input[at + i] = static_cast<std::uint8_t>(number >> (8 * i));
    }

    std::mt19937_64 m_random;
};

std::vector<Bytes> readCorpus(const std::vector<std::filesystem::path> &paths)
{
    std::vector<std::filesystem::path> files;
    for (const std::filesystem::path &path : paths) {
        std::error_code ignored;
        if (!std::filesystem::is_directory(path, ignored)) {
            files.push_back(path);
            continue;
        }
        for (const auto &entry : std::filesystem::recursive_directory_iterator(path))
            if (entry.is_regular_file())
                files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<Bytes> corpus;
    for (const std::filesystem::path &file : files)
        corpus.push_back(readFile(file));
    return corpus;
}

} // namespace

int main(int argc, char **argv)
{
    long runs = 3000;
    std::uint64_t seed = 1;
    std::vector<std::filesystem::path> paths;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument.starts_with("-runs="))
            runs = std::atol(argv[i] + 6);
        else if (argument.starts_with("-seed="))
            seed = static_cast<std::uint64_t>(std::atoll(argv[i] + 6));
        else
            paths.emplace_back(argument);
    }
    if (const char *text = std::getenv("DIPTYCH_FUZZ_ITERATIONS"))
        runs = std::atol(text);
#ifndef __SANITIZE_ADDRESS__
    for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL})
        std::signal(signal, saveCrash);
#endif

    const std::vector<Bytes> corpus = readCorpus(paths);
    if (corpus.empty()) {
        std::fprintf(stderr, "no seeds found: name a corpus file or folder\n");
        return 2;
    }
    const auto start = std::chrono::steady_clock::now();
    run({});
    for (const Bytes &seedInput : corpus)
        run(seedInput);
    Mutator mutator(seed);
    double slowestMs = 0;
    for (long i = 0; i < runs; ++i) {
        const Bytes input = mutator.mutate(corpus[mutator.below(corpus.size())], corpus);
        const auto before = std::chrono::steady_clock::now();
        run(input);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
        slowestMs = std::max(slowestMs, took.count());
    }
    const std::chrono::duration<double> all = std::chrono::steady_clock::now() - start;
    std::printf("%zu seeds, %ld mutations, %.1f s, slowest input %.1f ms\n", corpus.size(), runs, all.count(), slowestMs);
    if (slowestMs > 10000) {
        std::fprintf(stderr, "an input took longer than 10 s\n");
        return 1;
    }
    return 0;
}
