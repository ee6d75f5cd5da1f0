// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/mapped_file.h"

#include "files/printable.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace engine {

namespace {

// What the signal handler knows of each mapping. Plain atomics: the handler takes no lock.
struct Slot {
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<std::atomic<bool> *> lostPages{nullptr};
};
constexpr std::size_t kMostMappings = 4096;
std::array<Slot, kMostMappings> g_slots;
std::mutex g_slotsMutex; // for taking and giving back slots only
struct sigaction g_previous{};
std::uintptr_t g_pageBytes = 4096;

extern "C" void diptychOnBusError(int signal, siginfo_t *info, void *context)
{
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    for (Slot &slot : g_slots) {
        const std::uintptr_t begin = slot.begin.load(std::memory_order_acquire);
        const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
        if (begin == 0 || address < begin || address >= end)
            continue;
        // From here to the end: a cut file lost all of it, and a failing disk makes the file useless anyway.
        const std::uintptr_t page = address & ~(g_pageBytes - 1);
        const int savedErrno = errno;
        void *const zeros = ::mmap(reinterpret_cast<void *>(page), end - page, PROT_READ,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        errno = savedErrno;
        if (zeros == MAP_FAILED)
            break;
        if (std::atomic<bool> *lost = slot.lostPages.load(std::memory_order_acquire))
            lost->store(true, std::memory_order_release);
        return;
    }
    if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
        g_previous.sa_sigaction(signal, info, context);
    } else if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
        g_previous.sa_handler(signal);
    } else {
        ::signal(signal, SIG_DFL); // the read repeats and ends the process as it would have without us
    }
}

void installHandlerOnce()
{
    static std::once_flag once;
    std::call_once(once, [] {
        g_pageBytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        struct sigaction action{};
        action.sa_sigaction = diptychOnBusError;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGBUS, &action, &g_previous);
    });
}

int takeSlot(const std::byte *data, std::size_t size, std::atomic<bool> *lostPages)
{
    const std::lock_guard lock(g_slotsMutex);
    for (std::size_t i = 0; i < kMostMappings; ++i) {
        Slot &slot = g_slots[i];
        if (slot.begin.load() != 0)
            continue;
        slot.lostPages.store(lostPages, std::memory_order_release);
        // Whole pages: the last one may be lost too.
        const auto begin = reinterpret_cast<std::uintptr_t>(data);
        slot.end.store((begin + size + g_pageBytes - 1) & ~(g_pageBytes - 1), std::memory_order_release);
        slot.begin.store(begin, std::memory_order_release);
        return static_cast<int>(i);
    }
    return -1;
}

void giveSlotBack(int index)
{
    if (index < 0)
        return;
    const std::lock_guard lock(g_slotsMutex);
    Slot &slot = g_slots[static_cast<std::size_t>(index)];
    slot.begin.store(0, std::memory_order_release);
    slot.end.store(0, std::memory_order_release);
    slot.lostPages.store(nullptr, std::memory_order_release);
}

Error openError(const std::filesystem::path &path, int number)
{
    const std::string name = displayName(path);
    switch (number) {
    case ENOENT:
        return {ErrorCode::BadFile, "There is no file " + name + " there."};
    case EACCES:
    case EPERM:
        return {ErrorCode::BadFile, "The file " + name + " may not be read: check its permissions."};
    case ELOOP:
        return {ErrorCode::BadFile, "The path of " + name + " is a circle of symbolic links."};
    case EMFILE:
    case ENFILE:
        return {ErrorCode::BadFile, "Too many files are open to open " + name + "."};
    default:
        return {ErrorCode::BadFile, "The file " + name + " cannot be opened: " + std::strerror(number) + "."};
    }
}

// The kind of thing that is not a regular file, as people call it.
std::string_view kindName(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return "a device";
    if (S_ISSOCK(mode))
        return "a socket";
    return "not a regular file";
}

// Opens without waiting (a pipe without a writer would hang) and checks the kind.
Result<int> openRegular(const std::filesystem::path &path, struct stat &info)
{
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return openError(path, errno);
    if (::fstat(descriptor, &info) != 0) {
        const int number = errno;
        ::close(descriptor);
        return openError(path, number);
    }
    if (!S_ISREG(info.st_mode)) {
        ::close(descriptor);
        return Error(ErrorCode::BadFile,
            displayName(path) + " is " + std::string(kindName(info.st_mode)) + ", a file was expected.");
    }
    return descriptor;
}

constexpr std::string_view kLfsStart = "version https://git-lfs.github.com/spec/";

Error lfsError(const std::filesystem::path &path)
{
    return {ErrorCode::BadFile, displayName(path)
            + " is a Git LFS pointer, not the file itself: fetch the real file (git lfs pull) and try again."};
}

} // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path &path)
{
    installHandlerOnce();
    struct stat info{};
    ENGINE_TRY(const int descriptor, openRegular(path, info));
    std::shared_ptr<MappedFile> file(new MappedFile);
    file->m_path = path;
    file->m_descriptor = descriptor;
    if (info.st_size <= 0)
        return Error(ErrorCode::BadFile, "The file " + displayName(path) + " is empty.");
    void *const data = ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
        return Error(errno == ENOMEM ? ErrorCode::OutOfMemory : ErrorCode::BadFile,
            "The file " + displayName(path) + " cannot be mapped into memory: " + std::strerror(errno) + ".");
    }
    file->m_data = static_cast<std::byte *>(data);
    file->m_size = static_cast<std::size_t>(info.st_size);
    file->m_modifiedSeconds = info.st_mtim.tv_sec;
    file->m_modifiedNanoseconds = info.st_mtim.tv_nsec;
    file->m_slot = takeSlot(file->m_data, file->m_size, &file->m_lostPages);
    if (file->m_slot < 0)
        return Error(ErrorCode::BadFile, "Too many model files are open to open " + displayName(path) + ".");
    if (file->m_size > kLfsStart.size() && std::memcmp(file->m_data, kLfsStart.data(), kLfsStart.size()) == 0)
        return lfsError(path);
    return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile()
{
    giveSlotBack(m_slot);
    if (m_data != nullptr)
        ::munmap(m_data, m_size);
    if (m_descriptor >= 0)
        ::close(m_descriptor);
}

Status MappedFile::intact() const
{
    struct stat info{};
    if (::fstat(m_descriptor, &info) != 0)
        return openError(m_path, errno);
    if (static_cast<std::size_t>(info.st_size) < m_size) {
        return Error(ErrorCode::BadFile, "The file " + displayName(m_path) + " was cut from " + std::to_string(m_size)
                + " to " + std::to_string(info.st_size) + " bytes while it was in use.");
    }
    if (m_lostPages.load(std::memory_order_acquire))
        return Error(ErrorCode::BadFile, "A part of " + displayName(m_path) + " could not be read from the disk.");
    if (static_cast<std::size_t>(info.st_size) != m_size || info.st_mtim.tv_sec != m_modifiedSeconds
        || info.st_mtim.tv_nsec != m_modifiedNanoseconds) {
        return Error(ErrorCode::BadFile,
            "The file " + displayName(m_path) + " was written while it was in use: load the model again.");
    }
    return Done{};
}

void MappedFile::release(std::span<const std::byte> part) const
{
    const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
    const auto mapping = reinterpret_cast<std::uintptr_t>(m_data);
    if (part.empty() || begin < mapping || begin + part.size() > mapping + m_size)
        return;
    const std::uintptr_t first = (begin + g_pageBytes - 1) & ~(g_pageBytes - 1);
    const std::uintptr_t last = (begin + part.size()) & ~(g_pageBytes - 1);
    if (last > first)
        ::madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}

Result<std::string> readTextFile(const std::filesystem::path &path, std::size_t limitBytes)
{
    struct stat info{};
    ENGINE_TRY(const int descriptor, openRegular(path, info));
    std::string text;
    std::array<char, 65536> chunk;
    ssize_t count = 0;
    do {
        count = ::read(descriptor, chunk.data(), chunk.size());
        if (count > 0)
            text.append(chunk.data(), static_cast<std::size_t>(count));
    } while ((count > 0 && text.size() <= limitBytes) || (count < 0 && errno == EINTR));
    const int number = errno;
    ::close(descriptor);
    if (count < 0)
        return openError(path, number);
    if (text.size() > limitBytes) {
        return Error(ErrorCode::BadFile,
            "The file " + displayName(path) + " is larger than " + std::to_string(limitBytes >> 20) + " MB.");
    }
    if (text.empty())
        return Error(ErrorCode::BadFile, "The file " + displayName(path) + " is empty.");
    if (text.starts_with(kLfsStart))
        return lfsError(path);
    return text;
}

std::string displayName(const std::filesystem::path &path)
{
    const std::filesystem::path last = path.filename().empty() ? path.parent_path().filename() : path.filename();
    return printable(last.empty() ? path.native() : last.native());
}

} // namespace engine
