// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace engine {

// A file mapped for reading, with its size fixed at open. Directories, pipes, devices, empty files and Git LFS
// pointers are refused by a sentence.
//
// When the file is cut or its disk fails while it is mapped, the kernel raises SIGBUS at the next read. A handler,
// installed once for the process, puts zero pages in place of the lost ones and marks the file: the read goes on
// with zeros and intact() tells. It works on any thread and needs no care where the bytes are read; signals that
// do not belong to a mapped file go on to whoever handled them before.
// Immutable; any thread may read.
class MappedFile {
public:
    static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path &path);
    ~MappedFile();
    MappedFile(const MappedFile &) = delete;
    MappedFile &operator=(const MappedFile &) = delete;

    const std::filesystem::path &path() const { return m_path; }
    std::span<const std::byte> bytes() const { return {m_data, m_size}; }
    // Fails when pages were lost, or the file was cut, grown or written since open. Replacing it by rename or
    // deleting it does no harm: the mapping keeps the old file.
    Status intact() const;
    // Gives back the memory of pages that lie wholly inside `part`; they are read again when touched.
    void release(std::span<const std::byte> part) const;

private:
    MappedFile() = default;

    std::filesystem::path m_path;
    int m_descriptor = -1;
    std::byte *m_data = nullptr;
    std::size_t m_size = 0;
    std::int64_t m_modifiedSeconds = 0, m_modifiedNanoseconds = 0;
    int m_slot = -1; // in the table of the signal handler
    std::atomic<bool> m_lostPages{false};
};

// A small text file (config, index, tokenizer) read whole. BadFile when absent, not a regular file or larger.
Result<std::string> readTextFile(const std::filesystem::path &path, std::size_t limitBytes);

// How a path is named to people: its last part, never broken UTF-8.
std::string displayName(const std::filesystem::path &path);

} // namespace engine
