// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// diptych-decode: one picture on standard input (or the file named by the only argument), RGB on standard output.
// See protocol.h for what it writes. It holds nothing of the program that starts it and can open nothing while it decodes.
#include "decoder.h"
#include "protocol.h"
#include "sandbox.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

namespace {

// At most one byte over the limit, so that the decoder sees that it is too large.
std::vector<std::uint8_t> readAll(int descriptor)
{
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> block(std::size_t(1) << 16);
    while (bytes.size() <= decode::kMaxFileBytes) {
        const ssize_t got = read(descriptor, block.data(), block.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        bytes.insert(bytes.end(), block.begin(), block.begin() + got);
    }
    return bytes;
}

bool writeAll(const void *data, std::size_t size)
{
    const auto *bytes = static_cast<const std::uint8_t *>(data);
    while (size > 0) {
        const ssize_t put = write(STDOUT_FILENO, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        size -= static_cast<std::size_t>(put);
    }
    return true;
}

} // namespace

int main(int argc, char **argv)
{
    decode::limitResources();
    int input = STDIN_FILENO;
    if (argc > 1) {
        input = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (input < 0)
            return 4;
    }
    decode::Decoded decoded;
    try {
        const std::vector<std::uint8_t> bytes = readAll(input);
        decode::enterSandbox();
        decoded = decode::decodeBytes(bytes);
    } catch (const std::bad_alloc &) {
        decoded = {};
        decoded.problem = "The picture needs more memory to decode than a picture may.";
    }
    decode::ReplyHeader header;
    header.problem = decoded.problem.empty() ? 0 : 1;
    header.width = static_cast<std::uint32_t>(decoded.width);
    header.height = static_cast<std::uint32_t>(decoded.height);
    header.orientation = static_cast<std::uint32_t>(decoded.orientation);
    header.bytes = static_cast<std::uint32_t>(
        decoded.problem.empty() ? decoded.rgb.size() : decoded.problem.size());
    const void *body = decoded.problem.empty() ? static_cast<const void *>(decoded.rgb.data())
                                               : static_cast<const void *>(decoded.problem.data());
    const bool written = writeAll(&header, sizeof header) && writeAll(body, header.bytes);
    _exit(written && header.problem == 0 ? 0 : 4);
}
