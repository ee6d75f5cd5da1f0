// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "decode_client.h"

#include "protocol.h"
#include "sha256.h"

#include <opencv2/core.hpp>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace decode {

using engine::Error;
using engine::ErrorCode;
using engine::Image;
using engine::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kTimeLimit{10};
using ImagePointer = std::shared_ptr<const Image>;

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : m_number(number) {}
    ~Descriptor() { reset(); }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    [[nodiscard]] int get() const { return m_number; }
    void set(int number)
    {
        reset();
        m_number = number;
    }
    void reset()
    {
        if (m_number >= 0)
            close(m_number);
        m_number = -1;
    }

private:
    int m_number = -1;
};

std::optional<std::filesystem::path> findProgram()
{
    std::error_code error;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return std::nullopt;
    const std::filesystem::path folder = self.parent_path();
    for (const char *place : {"diptych-decode", "../libexec/diptych/diptych-decode", "../bin/diptych-decode"}) {
        const std::filesystem::path candidate = folder / place;
        if (access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return std::nullopt;
}

// Starts the child with one socket as its input and output; -1 when it could not be started.
pid_t startChild(const std::filesystem::path &program, int childEnd)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, childEnd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, childEnd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
    std::string libraryPath;
    std::vector<char *> environment;
    if (const char *path = std::getenv("LD_LIBRARY_PATH")) {
        libraryPath = std::string("LD_LIBRARY_PATH=") + path;
        environment.push_back(libraryPath.data());
    }
    environment.push_back(nullptr);
    std::string name = program.string();
    char *arguments[] = {name.data(), nullptr};
    pid_t child = -1;
    const int failed = posix_spawn(&child, name.c_str(), &actions, nullptr, arguments, environment.data());
    posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? child : -1;
}

struct Reply {
    std::vector<std::uint8_t> bytes;
    bool timedOut = false;
    bool tooMuch = false;
};

// Feeds the picture and collects the answer at the same time: either side's buffer may be full.
Reply exchange(int socket, std::span<const std::uint8_t> input)
{
    constexpr std::size_t kMost = sizeof(ReplyHeader) + kMaxPixels * 3;
    Reply reply;
    const auto deadline = steady_clock::now() + kTimeLimit;
    bool sending = true;
    std::vector<std::uint8_t> block(std::size_t(1) << 18);
    while (true) {
        if (sending && input.empty()) {
            shutdown(socket, SHUT_WR);
            sending = false;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            reply.timedOut = true;
            return reply;
        }
        pollfd waiting{socket, static_cast<short>(POLLIN | (sending ? POLLOUT : 0)), 0};
        const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno != EINTR)
            return reply;
        if (ready <= 0)
            continue;
        if (sending && (waiting.revents & POLLOUT) != 0) {
            const ssize_t sent = send(socket, input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0)
                input = input.subspan(static_cast<std::size_t>(sent));
            else if (sent < 0 && errno != EAGAIN && errno != EINTR)
                sending = false; // the child has stopped reading; what it says is still wanted
        }
        if ((waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            const ssize_t got = recv(socket, block.data(), block.size(), MSG_DONTWAIT);
            if (got == 0)
                return reply;
            if (got < 0 && errno != EAGAIN && errno != EINTR)
                return reply;
            if (got > 0)
                reply.bytes.insert(reply.bytes.end(), block.begin(), block.begin() + got);
            if (reply.bytes.size() > kMost) {
                reply.tooMuch = true;
                return reply;
            }
        }
    }
}

// Ends the child if it still runs; true when it was killed by a signal of its own (a crash or a limit).
bool reap(pid_t child, bool kill)
{
    if (kill)
        ::kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return false;
    }
    return !kill && WIFSIGNALED(status);
}

// EXIF orientation to upright (EXIF 2.32, 4.6.4: where row 0 and column 0 lie).
void turnUpright(Image &image, std::uint32_t orientation)
{
    if (orientation <= 1 || orientation > 8)
        return;
    const cv::Mat stored(image.height, image.width, CV_8UC3, image.rgb.data());
    cv::Mat turned;
    switch (orientation) {
    case 2: cv::flip(stored, turned, 1); break;
    case 3: cv::rotate(stored, turned, cv::ROTATE_180); break;
    case 4: cv::flip(stored, turned, 0); break;
    case 5: cv::transpose(stored, turned); break;
    case 6: cv::rotate(stored, turned, cv::ROTATE_90_CLOCKWISE); break;
    case 7: {
        cv::Mat transposed;
        cv::transpose(stored, transposed);
        cv::rotate(transposed, turned, cv::ROTATE_180);
        break;
    }
    default: cv::rotate(stored, turned, cv::ROTATE_90_COUNTERCLOCKWISE); break;
    }
    const std::size_t size = image.rgb.size();
    std::vector<std::uint8_t> rgb(turned.data, turned.data + size);
    image.rgb = std::move(rgb);
    image.width = turned.cols;
    image.height = turned.rows;
}

void addHash(Image &image)
{
    Sha256 hash;
    std::array<std::uint8_t, 8> size{};
    for (std::size_t i = 0; i < 4; ++i) {
        size[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(image.width) >> (8 * i));
        size[4 + i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(image.height) >> (8 * i));
    }
    hash.add(size);
    hash.add(image.rgb);
    image.sha256 = hash.finish();
}

// The child may have been taken over by the picture: nothing it says is believed unchecked.
Result<ImagePointer> readReply(const Reply &reply)
{
    ReplyHeader header;
    if (reply.bytes.size() < sizeof header)
        return Error{ErrorCode::BadImage, "The picture is damaged: it ended the program that decodes it."};
    std::memcpy(&header, reply.bytes.data(), sizeof header);
    const std::span<const std::uint8_t> body = std::span(reply.bytes).subspan(sizeof header);
    if (std::memcmp(header.magic, "DPIC", 4) != 0 || header.bytes != body.size())
        return Error{ErrorCode::BadImage, "The picture is damaged: decoding it ended half-way."};
    if (header.problem != 0)
        return Error{ErrorCode::BadImage, std::string(body.begin(), body.begin() + std::min<std::ptrdiff_t>(
            std::ptrdiff_t(body.size()), 400))};
    if (!sizeProblem(header.width, header.height).empty()
        || std::uint64_t(header.width) * header.height * 3 != body.size())
        return Error{ErrorCode::BadImage, "The picture is damaged: its size and its data do not agree."};
    auto image = std::make_shared<Image>();
    image->width = static_cast<int>(header.width);
    image->height = static_cast<int>(header.height);
    image->rgb.assign(body.begin(), body.end());
    turnUpright(*image, header.orientation);
    addHash(*image);
    return ImagePointer(std::move(image));
}

} // namespace

Result<ImagePointer> decodePicture(std::span<const std::uint8_t> bytes)
try {
    if (bytes.empty())
        return Error{ErrorCode::BadImage, "The picture file is empty."};
    if (bytes.size() > kMaxFileBytes)
        return Error{ErrorCode::BadImage, "The picture file is larger than 20 MB."};
    const auto program = findProgram();
    if (!program)
        return Error{ErrorCode::Internal,
            "The program diptych-decode is missing beside this one; install Diptych again."};

    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return Error{ErrorCode::Internal, "No more files can be opened, so the picture could not be decoded."};
    const Descriptor ours(ends[0]);
    Descriptor theirs(ends[1]);
    const pid_t child = startChild(*program, theirs.get());
    theirs.reset();
    if (child < 0)
        return Error{ErrorCode::Internal, "The program diptych-decode could not be started."};

    const Reply reply = exchange(ours.get(), bytes);
    const bool crashed = reap(child, reply.timedOut || reply.tooMuch);
    if (reply.timedOut)
        return Error{ErrorCode::BadImage, "The picture took longer than 10 s to decode."};
    if (crashed && reply.bytes.empty())
        return Error{ErrorCode::BadImage, "The picture is damaged: it ended the program that decodes it."};
    return readReply(reply);
} catch (const std::exception &) { // no memory, here or in OpenCV
    return Error{ErrorCode::OutOfMemory, "There is not enough memory to decode the picture."};
}

Result<ImagePointer> decodePicture(const std::filesystem::path &file)
try {
    const std::string name = file.filename().string();
    const Descriptor descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (descriptor.get() < 0)
        return Error{ErrorCode::BadImage, "The picture " + name + " cannot be opened: "
            + std::string(std::strerror(errno)) + "."};
    struct stat about = {};
    if (fstat(descriptor.get(), &about) != 0 || !S_ISREG(about.st_mode))
        return Error{ErrorCode::BadImage, "The picture " + name + " is not a file."};
    if (about.st_size > static_cast<off_t>(kMaxFileBytes))
        return Error{ErrorCode::BadImage, "The picture file is larger than 20 MB."};
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(about.st_size));
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t got = ::read(descriptor.get(), bytes.data() + filled, bytes.size() - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return Error{ErrorCode::BadImage, "The picture " + name + " cannot be read: "
                + std::string(std::strerror(errno)) + "."};
        if (got == 0)
            break;
        filled += static_cast<std::size_t>(got);
    }
    bytes.resize(filled);
    return decodePicture(std::span<const std::uint8_t>(bytes));
} catch (const std::exception &) {
    return Error{ErrorCode::OutOfMemory, "There is not enough memory to read the picture."};
}

} // namespace decode
